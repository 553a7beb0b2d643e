//! What becomes of a token and of a user after they were made, as operators do it, with real clients: terms narrowed after a page that says what is
//! lost, two operators at once, subscriptions, messages to a user, and both their ends.

import { after, before, test } from 'node:test';
import { ok, same } from '../../lib/check.mjs';
import { Place, until, violations } from '../lib/place.mjs';

let place;
let page;
before(async () => {
	place = await Place.open();
	page = await place.owner();
	for (const id of ['a1', 'b', 'later']) await place.api('POST', '/v2/channels', { id, type: 'private' });
});
after(async () => {
	await place?.close();
	place?.checkComplaints();
});

const said = (channel, text) => place.api('POST', `/v2/channels/${channel}/messages`, { event: 'said', data: { text } });
const hears = (client, text) => client.evaluate((text) => window.heard.some((frame) => frame.includes(text)), text);
const waits = (client, text) => until(`"${text}" is heard`, () => hears(client, text));

test('the terms of a token are changed, and what it loses is said before', { timeout: 120_000 }, async () => {
	const name = '"><script>alert(1)</script>';
	const { id, secret } = await place.api('POST', '/v2/tokens', {
		user_id: 'ann', name, channels: ['a1', 'b'], capabilities: [{ channels: '*', operations: ['subscribe'] }],
	});
	const client = await place.client(secret);
	await said('a1', 'first');
	await waits(client, 'first');

	await page.goto(place.at(`/tokens/${id}`));
	await page.click('.tabs >> text=Terms');
	await page.waitForSelector('#terms');
	same(await page.inputValue('#name'), name);
	await place.shoot(page, 'token-terms');
	await page.fill('[name=grant_0]', 'b');
	await page.keyboard.press('Enter');
	await page.waitForSelector('#sure');
	const warned = await page.textContent('#sure');
	ok(warned.includes('It loses 1 subscription') && warned.includes('a1'), warned);
	same(await violations(page), []);
	await place.shoot(page, 'token-terms-sure');
	await said('a1', 'second');
	await waits(client, 'second');
	await page.click('#sure button');
	await page.waitForURL('**?done=saved');
	await said('a1', 'not any more');
	await said('b', 'still');
	await waits(client, 'still');
	ok(!(await hears(client, 'not any more')), 'what it lost does not reach it');
	ok((await page.textContent('main')).includes('a1') === false, 'nor is it listed');

	// Two operators at once.
	const other = await place.again();
	for (const one of [page, other]) await one.goto(place.at(`/tokens/${id}/terms`));
	await other.fill('#device', 'theirs');
	await other.click('text=Save');
	await other.waitForURL('**?done=saved');
	await page.fill('#connections_max', '7');
	await page.click('text=Save');
	await page.waitForSelector('#conflict');
	const differs = await page.textContent('#conflict');
	ok(differs.includes('Somebody was faster') && differs.includes('device: theirs') && differs.includes('connections: at most 7'), differs);
	await place.shoot(page, 'token-terms-conflict');
	await page.fill('#device', 'theirs');
	await page.click('text=Put mine over version');
	await page.waitForURL('**?done=saved');
	const now = await place.api('GET', `/v2/tokens/${id}`);
	same([now.max_connections, now.device_id, now.name, now.connections], [7, 'theirs', name, 1]);

	await page.click('.tabs >> text=Subscriptions');
	await page.fill('#channel', 'later');
	await page.keyboard.press('Enter');
	await page.waitForURL('**?done=added');
	await said('later', 'welcome');
	await waits(client, 'welcome');
	await place.shoot(page, 'token-subscriptions');
	await page.click('[aria-label="Remove later"]');
	await page.waitForURL('**?done=removed');
	await said('later', 'gone');
	await said('b', 'still there');
	await waits(client, 'still there');
	ok(!(await hears(client, 'gone')), 'what was removed does not reach it');

	await page.click('.tabs >> text=Audit');
	await page.waitForSelector('#entries');
	const entries = await page.textContent('#entries');
	ok(['token.create', 'token.change', 'subscription.create', 'subscription.delete', 'mara'].every((word) => entries.includes(word)), entries);
	await place.shoot(page, 'token-audit');
	await page.click('.tabs >> text=Usage');
	await page.waitForSelector('#used');
	await place.shoot(page, 'token-usage');

	await page.click('.tabs >> text=Delete');
	await page.waitForSelector('#sure');
	ok((await page.textContent('#sure')).includes('This closes 1 connection of ann, and ends 1 subscription.'), 'what will happen');
	await place.shoot(page, 'token-delete');
	await page.click('text=Delete it now');
	await page.waitForURL('**/tokens?done=deleted');
	ok((await client.evaluate(() => window.endedWith)) >= 4000, 'its client is closed');
});

test('all of a user at once: a message, its notes, the end of its tokens, a ban, its end', { timeout: 120_000 }, async () => {
	const user = 'bo/..?x=1#&<b>~';
	const token = async () => place.client((await place.api('POST', '/v2/tokens', { user_id: user })).secret);
	const clients = [await token(), await token()];
	await page.goto(place.at('/users?prefix=bo'));
	await page.click('tbody a');
	await page.waitForSelector('#message');
	same(await page.textContent('h1'), user);
	await page.fill('#event', 'note');
	await page.fill('#data', '{"text": "to both"}');
	await page.click('text=Send');
	await until('it is sent', async () => (await page.textContent('#message')).includes('Sent to 2 connections.'));
	for (const client of clients) await waits(client, 'to both');
	await place.server.command('project', 'set', '--mailbox', '10/3600000');
	await place.api('POST', '/v2/tokens', { user_id: user });
	await page.click('text=Send');
	await until('it is kept', async () => (await page.textContent('#message')).includes('kept in 3 mailboxes'));
	await place.shoot(page, 'user');

	// Two operators at once.
	const other = await place.again();
	await other.goto(page.url());
	await page.goto(page.url());
	await other.fill('#display_name', 'theirs');
	await other.click('#about >> text=Save');
	await other.waitForURL('**?done=saved');
	await page.fill('#attributes', '{"mine": null}');
	await page.click('#about >> text=Save');
	await page.waitForSelector('#about .diff');
	ok((await page.textContent('#about .diff')).includes('theirs'), 'both are shown');
	await place.shoot(page, 'user-conflict');
	await page.fill('#display_name', 'Bo');
	await page.click('text=Put mine over theirs');
	await page.waitForURL('**?done=saved');
	const notes = await place.api('GET', `/v2/users/${encodeURIComponent(user)}`);
	same([notes.display_name, notes.attributes], ['Bo', { mine: null }]);

	await page.click('text=End all its tokens');
	await page.waitForSelector('#sure');
	ok((await page.textContent('#sure')).includes('This ends 3 tokens and closes 2 connections.'), 'what will happen');
	await place.shoot(page, 'user-revoke');
	await page.click('text=End them now');
	await page.waitForURL('**?done=revoked_all');
	for (const client of clients) ok((await client.evaluate(() => window.endedWith)) >= 4000, 'its client is closed');

	const back = await token();
	await page.click('text=Ban it');
	await page.click('text=Ban it now');
	await page.waitForURL('**?done=banned');
	ok((await back.evaluate(() => window.endedWith)) >= 4000, 'who is banned is out');
	same((await place.api('POST', '/v2/tokens', { user_id: user })).code, 'user_banned');
	await page.click('text=Let it in again');
	await page.waitForURL('**?done=unbanned');

	const last = await token();
	await page.click('text=Delete…');
	await page.waitForSelector('#sure');
	ok((await page.textContent('#sure')).includes('This ends 5 tokens and closes 1 connection.'), await page.textContent('#sure'));
	await place.shoot(page, 'user-delete');
	await page.click('text=Delete it now');
	await page.waitForURL('**/users?done=deleted');
	ok((await last.evaluate(() => window.endedWith)) >= 4000, 'its client is closed');
	same((await place.api('GET', `/v2/users/${encodeURIComponent(user)}`)).status, 404);
});

test('a user has its page whatever its id is', { timeout: 120_000 }, async () => {
	const odd = ['.', '..', '~', '~..', '%2e%2e', 'a/b', '../../x', 'a b', 'é🦀', '<img src=x onerror=alert(1)>', '"\'&;', 'javascript:alert(1)', '?a=b', '#c', '\\..\\x'];
	for (const id of odd) {
		const made = await place.api('POST', '/v2/users', { user_id: id });
		same(made.user_id, id);
	}
	await page.goto(place.at('/users'));
	const links = await page.$$eval('tbody a', (all) => all.map((link) => [link.textContent, link.href]));
	for (const id of odd) {
		const link = links.find(([text]) => text === id);
		ok(link, `a link to ${id}`);
		const answer = await page.goto(link[1]);
		same([answer.status(), await page.textContent('h1')], [200, id]);
		await page.fill('#display_name', 'changed');
		await page.click('#about >> text=Save');
		await page.waitForURL('**?done=saved');
		same([await page.textContent('h1'), await page.inputValue('#display_name')], [id, 'changed']);
	}
	await page.click('text=Delete…');
	await page.click('text=Delete it now');
	await page.waitForURL('**/users?done=deleted');
	same((await place.api('GET', `/v2/users/${encodeURIComponent(odd.at(-1))}`)).status, 404);
});
