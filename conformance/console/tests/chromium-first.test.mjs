//! The first run: the printed link makes an owner, who sees the overview; also with script switched off, and from elsewhere.

import { after, before, test } from 'node:test';
import { ok, same } from '../../lib/check.mjs';
import { OWNER, Place, violations } from '../lib/place.mjs';

let place;
before(async () => {
	place = await Place.open();
});
after(async () => {
	await place?.close();
	place?.checkComplaints();
});

test('the link makes an owner, once, and its code is in no address', async () => {
	const page = await place.page();
	const asked = [];
	page.on('request', (request) => asked.push(request.url()));
	await page.goto(place.link);
	const code = new URL(place.link).hash.slice(1);
	ok(code.startsWith('tgi_'), 'a code behind the #');
	same(await page.inputValue('#code'), code);
	ok(!page.url().includes(code), 'the code has gone from the address');
	await place.shoot(page, 'set-up');
	same(await violations(page), []);
	await page.fill('#username', OWNER.name);
	await page.fill('#password', OWNER.password);
	await page.fill('#again', OWNER.password);
	await page.click('main button');
	await page.waitForURL('**/console/p/*/');
	same(await page.textContent('h1'), 'Overview');
	ok(!asked.some((url) => url.includes('tgi_') && !url.includes('#')), 'the code was asked for nowhere');
	await place.shoot(page, 'overview-empty');
	same(await violations(page), []);
	const cookies = await page.context().cookies();
	const session = cookies.find(({ name }) => name === '__Host-tollgate');
	ok(session.httpOnly && session.secure && session.sameSite === 'Strict', 'a cookie that no script and no other site has');

	const second = await place.page();
	await second.goto(`${place.server.url}/console/set-up#${code}`);
	await second.fill('#username', 'eve');
	await second.fill('#password', OWNER.password);
	await second.fill('#again', OWNER.password);
	await second.click('main button');
	await second.waitForSelector('[role=alert]');
	ok(!second.url().includes('/p/'), 'the link works once');
});

test('without script everything is there, too', async () => {
	const page = await place.again({ javaScriptEnabled: false });
	same(await page.textContent('h1'), 'Overview');
	await page.goto(place.at('/channels/new'));
	await page.fill('#id', 'plain');
	await page.click('main button.first');
	same(await page.textContent('h1'), 'plain');
	await page.fill('#state-text', '{"n": 1}');
	await page.click('#state button.first');
	ok((await page.textContent('#state')).includes('version 2'), 'the state is saved');
	await page.fill('#event', 'said');
	await page.click('#publish button.first');
	ok((await page.textContent('#tail')).includes('said'), 'the message is there');
	await page.click('text=Sign out', { force: true }).catch(() => {});
});

test('a wrong password says one sentence and signs nobody in', async () => {
	const page = await place.page();
	for (const [name, password] of [[OWNER.name, 'not the right words at all'], ['nobody', OWNER.password]]) {
		await page.goto(`${place.server.url}/console/sign-in`);
		await page.fill('#username', name);
		await page.fill('#password', password);
		await page.click('main button');
		await page.waitForSelector('[role=alert]');
		same(await page.textContent('[role=alert]'), 'The name or the password is not right.');
	}
	await place.shoot(page, 'sign-in');
	same(await violations(page), []);
	await page.goto(place.at('/channels'));
	ok(page.url().includes('/console/sign-in?to='), 'and nothing is shown');
});

test('signing out ends it everywhere in this browser', async () => {
	const page = await place.again();
	await page.click('[popovertarget=me]');
	await page.click('#me button');
	await page.waitForURL('**/console/sign-in');
	await page.goto(place.at('/'));
	ok(page.url().includes('/console/sign-in'), 'signed out');
});
