//! A project's settings in Chromium: two operators who change different things, one who is overtaken, and the access hook, set, tried against a
//! real receiver and taken away.

import { after, before, test } from 'node:test';
import { createServer } from 'node:http';
import { ok, same } from '../../lib/check.mjs';
import { Place, violations } from '../lib/place.mjs';

let place;
let page;
/** What the receiver was asked, and what it answers. */
const asked = [];
let answer = () => [200, '{"allow":true,"cache_ms":60000}'];
const receiver = createServer((request, response) => {
	const parts = [];
	request.on('data', (part) => parts.push(part)).on('end', () => {
		asked.push({ headers: request.headers, body: JSON.parse(Buffer.concat(parts).toString()) });
		const [status, body] = answer();
		response.writeHead(status, { 'content-type': 'application/json' }).end(body);
	});
});

before(async () => {
	await new Promise((done) => receiver.listen(0, '127.0.0.1', done));
	place = await Place.open({ env: { TOLLGATE_OUTBOUND_ALLOW_HTTP: 'true', TOLLGATE_OUTBOUND_ALLOWED_HOSTS: '127.0.0.1' } });
	page = await place.owner();
});
after(async () => {
	receiver.close();
	await place?.close();
	place?.checkComplaints();
});

const save = (group) => page.click(`#${group} button.first`);
const settings = async () => (await place.api('GET', '/v2/project')).settings;

test('two who change different things do not meet, and who is overtaken decides', async () => {
	await page.goto(place.at('/settings'));
	const other = await place.again();
	await other.goto(place.at('/settings'));
	await page.fill('#session_ttl_s', '1 h 30 min');
	await save('lives');
	await page.waitForSelector('#lives [role="status"]');
	await other.fill('#allowed_origins', 'https://shop.example');
	await other.click('#access button.first');
	await other.waitForSelector('#access [role="status"]');
	const held = await settings();
	same([held.session_ttl_s, held.allowed_origins], [5400, ['https://shop.example']]);

	await page.fill('#allowed_origins', 'https://mine.example');
	await save('access');
	await page.waitForSelector('#access [role="alert"]');
	const seen = await page.textContent('#access .diff');
	ok(seen.includes('https://shop.example') && seen.includes('https://mine.example'), seen);
	same((await settings()).allowed_origins, ['https://shop.example']);
	same(await violations(page), []);
	await place.shoot(page, 'settings-conflict');
	await save('access');
	await page.waitForSelector('#access [role="status"]');
	same((await settings()).allowed_origins, ['https://mine.example']);

	await page.fill('#auth_token_ttl_s', '2 h');
	await save('lives');
	await page.waitForSelector('#auth_token_ttl_s-wrong');
	same(await page.textContent('#auth_token_ttl_s-wrong'), 'From 1 s to 1 h.');
	same(await page.evaluate(() => document.activeElement.id), 'auth_token_ttl_s');
});

test('the hook is refused where it may not be, set, tried, and taken away', async () => {
	await page.goto(place.at('/settings'));
	const url = `http://127.0.0.1:${receiver.address().port}/hook`;
	await page.check('input[name="hook_publish"]');
	for (const [wrong, why] of [['https://10.0.0.1/hook', 'is refused: it leads to'], ['ftp://backend.example', 'cannot be called']]) {
		await page.fill('#hook_url', wrong);
		await save('hook');
		await page.waitForSelector('#hook_url-wrong');
		const said = await page.textContent('#hook_url-wrong');
		ok(said.includes(why), said);
		ok(await page.isChecked('input[name="hook_publish"]'), 'what was typed stays');
	}
	same((await settings()).hook, null);
	await place.shoot(page, 'settings-hook-refused');
	await page.fill('#hook_url', url);
	await save('hook');
	const secret = await page.textContent('#secret');
	ok(secret.startsWith('whsec_'), secret);
	ok(!page.url().includes(secret), 'a secret is in no address');
	await page.click('text=Back to the list');
	ok(!(await page.content()).includes(secret), 'it is shown once');

	await page.click('#hook button:text("Test")');
	await page.waitForSelector('#tested.good');
	const said = await page.textContent('#tested');
	ok(said.includes('answered yes (status 200)') && said.includes('again for 1 min'), said);
	same([asked.length, asked[0].body.type, asked[0].body.data.test], [1, 'hook.publish', true]);
	ok(asked[0].headers['webhook-signature'], 'a test is signed');
	await place.shoot(page, 'settings-hook-tested');
	answer = () => [500, 'no'];
	await page.click('#hook button:text("Test")');
	await page.waitForSelector('#tested.bad');
	ok((await page.textContent('#tested')).includes('it answered 500'), 'a failure in words');
	// What an address does not show is found by calling it.
	await place.api('PATCH', '/v2/project', { hook: { url: 'https://no-such-host.invalid/hook' } });
	await page.goto(place.at('/settings'));
	await page.click('#hook button:text("Test")');
	await page.waitForSelector('#tested.bad');
	ok((await page.textContent('#tested')).includes('could not be resolved'), 'a failure in words');
	same(asked.length, 2);

	await page.click('#hook button:text("A new secret")');
	const next = await page.textContent('#secret');
	ok(next.startsWith('whsec_') && next !== secret, next);
	await page.click('text=Back to the list');
	await page.click('text=Take it away');
	await place.shoot(page, 'settings-hook-remove');
	await page.click('text=Take it away now');
	await page.waitForURL('**/settings?said=hook*');
	same((await settings()).hook, null);
	const { data } = await place.api('GET', '/v2/audit?limit=100');
	const entries = JSON.stringify(data);
	ok(!entries.includes('whsec_'), 'no secret in the audit log');
	same(data.filter(({ action }) => action === 'hook.test').length, 3);
	ok(data.filter(({ action, actor }) => action === 'project.change' && actor.startsWith('opr_')).length >= 6, entries);
});

test('a project is renamed, and a viewer looks', async () => {
	await page.goto(place.at('/settings'));
	await page.fill('#name', 'Shop');
	await save('about');
	await page.waitForURL('**/settings?said=about*');
	same((await page.textContent('button.project b')).trim(), 'Shop');
	same((await place.api('GET', '/v2/project')).name, 'Shop');
});
