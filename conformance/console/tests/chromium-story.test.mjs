//! The first run as somebody new walks through it, with a real client: a channel, a token, the pasted page in two browsers, a direct message, the
//! state and its arrival, and the end of a token.

import { after, before, test } from 'node:test';
import { createServer } from 'node:http';
import { ok, same } from '../../lib/check.mjs';
import { Place, until, violations } from '../lib/place.mjs';

let place;
let page;
let pasted;
before(async () => {
	place = await Place.open();
	page = await place.owner();
});
after(async () => {
	pasted?.close();
	await place?.close();
	place?.checkComplaints();
});

/** Opens a text as a page of an origin of its own, as somebody's web server would; answers the browser page. */
async function paste(html) {
	pasted ??= createServer((request, answer) => {
		answer.writeHead(200, { 'content-type': 'text/html' }).end(pasted.pages[Number(request.url.slice(1))]);
	});
	pasted.pages ??= [];
	if (!pasted.listening) await new Promise((go) => pasted.listen(0, '127.0.0.1', go));
	const number = pasted.pages.push(html) - 1;
	const context = await place.browser.newContext();
	const client = await context.newPage();
	await client.goto(`http://127.0.0.1:${pasted.address().port}/${number}`);
	return client;
}

const lines = (client) => client.$$eval('li', (items) => items.map((item) => item.textContent));

/** Makes a token in the console; answers its page's path and the pasted client. */
async function token(user) {
	await page.goto(place.at('/tokens/new'));
	await page.fill('#user', user);
	await page.fill('#channels', 'chat');
	await page.click('main button.first');
	await page.waitForSelector('#secret');
	const secret = await page.textContent('#secret');
	ok(/^tgt_/.test(secret), 'a secret');
	ok(!page.url().includes(secret), 'it is in no address');
	const client = await paste(await page.textContent('#snippet-browser'));
	return { client, secret, path: await page.getAttribute('#connected', 'data-from') };
}

test('from nothing to a private chat, and to its end', async () => {
	const begun = Date.now();
	await page.click('text=New channel');
	await page.fill('#id', 'chat');
	await page.click('main button.first');
	await page.waitForSelector('#tail');
	same(await page.textContent('h1'), 'chat');
	ok((await page.textContent('.title')).includes('private'), 'private is what a channel is unless said');

	const ann = await token('ann');
	await page.bringToFront(); // What is not looked at does not ask.
	await page.waitForFunction(() => document.querySelector('#connected')?.textContent.includes('online'));
	await place.shoot(page, 'token-made');
	const bob = await token('bob');
	await until('both are in', async () => (await lines(ann.client)).length > 0 && (await lines(bob.client)).length > 0);

	await ann.client.fill('input', 'hello bob');
	await ann.client.keyboard.press('Enter');
	await until('bob hears ann', async () => (await lines(bob.client)).includes('ann: "hello bob"'));
	ok(Date.now() - begun < 5 * 60_000, 'in less than five minutes');

	await page.goto(`${place.server.url}${ann.path}`);
	await place.shoot(page, 'token');
	await page.fill('#data', '{"text":"for you alone"}');
	await page.click('#message button.first');
	await page.waitForSelector('#message [role=status]');
	same(await page.textContent('#message [role=status]'), 'Sent to one connection.');
	await until('ann hears it', async () => (await lines(ann.client)).some((line) => line.includes('for you alone')));
	ok(!(await lines(bob.client)).some((line) => line.includes('for you alone')), 'bob does not');

	await page.goto(place.at('/channels/chat'));
	ok((await page.textContent('#tail')).includes('hello bob'), 'what was said is in the tail');
	await page.fill('#state-text', '{"topic": "lunch"}');
	await page.click('#state button.first');
	await page.waitForFunction(() => document.querySelector('#state')?.textContent.includes('version 2'));
	await until('the state arrives', async () => (await lines(bob.client)).some((line) => line.includes('lunch')));

	await bob.client.fill('input', 'see it in the tail');
	await bob.client.keyboard.press('Enter');
	await page.bringToFront();
	await page.waitForFunction(() => document.querySelector('#tail')?.textContent.includes('see it in the tail'));
	await place.shoot(page, 'channel');
	same(await violations(page), []);

	await page.goto(`${place.server.url}${bob.path}/revoke`);
	ok((await page.textContent('#revoke')).includes('1 connection'), 'it says what would end');
	await place.shoot(page, 'token-revoke');
	await page.fill('#reason', 'the story is over');
	await page.click('#revoke .bad.full');
	await page.waitForURL('**?done=revoked');
	await until('bob is cut', async () => (await lines(bob.client)).some((line) => line.startsWith('closed: 41')));
	const entries = await place.server.command('audit', 'list', '--json');
	ok(/opr_/.test(entries), 'the log names the operator');
	ok(!entries.includes(bob.secret), 'and no secret');

	await page.goto(place.at('/'));
	await place.shoot(page, 'overview');
	ok(!(await page.$('#first')), 'all first steps are taken');
});

test('two operators save the state: the second is told, and decides', async () => {
	await page.goto(place.at('/channels/chat'));
	const other = await place.again();
	await other.goto(place.at('/channels/chat'));
	await page.fill('#state-text', '{"by": "one"}');
	await other.fill('#state-text', '{"by": "other"}');
	await page.click('#state button.first');
	await page.waitForSelector('#state [role=status]');
	await other.click('#state button.first');
	await other.waitForSelector('#state .diff');
	ok((await other.textContent('#state')).includes('Somebody was faster'), 'the second is told');
	same(await other.inputValue('#state-text'), '{"by": "other"}');
	await place.shoot(other, 'channel-conflict');
	await other.click('#state button.first');
	await other.waitForSelector('#state [role=status]');
	await page.bringToFront();
	await page.waitForFunction(() => document.querySelector('#state-text')?.value.includes('other'));
});

test('the tail goes on over a restart of the server, and misses nothing', async () => {
	await page.goto(place.at('/channels/new'));
	await page.fill('#id', 'numbers');
	await page.check('[name=history_durable]');
	await page.click('main button.first');
	await page.waitForSelector('#tail');
	const publish = async (from, to) => {
		for (let n = from; n < to; n++) await place.server.command('publish', 'numbers', 'n', `{"n":${n}}`);
	};
	await publish(0, 3);
	await page.waitForFunction(() => document.querySelector('#tail').children.length === 3);
	await place.server.down();
	await place.server.up();
	await publish(3, 6);
	// Everyone signs in again after a restart; the page says so, and what it shows stays.
	await page.waitForSelector('#signed-out:not([hidden])');
	same(await page.$$eval('#tail li', (all) => all.length), 3);
	page = await place.again();
	await page.goto(place.at('/channels/numbers'));
	same(await page.$$eval('#tail .d', (all) => all.map((one) => JSON.parse(one.textContent).n)), [5, 4, 3, 2, 1, 0]);
});

test('text of the outside is text', async () => {
	const id = `x"'><img src=x onerror=alert(1)><${'b'}>`;
	await page.goto(place.at('/channels/new'));
	await page.fill('#id', id);
	await page.click('main button.first');
	await page.waitForSelector('#tail');
	same(await page.textContent('h1'), id);
	await page.fill('#event', '<script>alert(2)<\/script>');
	await page.fill('#data', JSON.stringify({ text: '</textarea><script>alert(3)</script>' }));
	await page.click('#publish button.first');
	await page.waitForFunction(() => document.querySelector('#tail')?.textContent.includes('alert(3)'));
	await page.fill('#state-text', JSON.stringify({ x: '</textarea><img src=x onerror=alert(4)>' }));
	await page.click('#state button.first');
	await page.waitForSelector('#state [role=status]');
	for (const below of ['', '/history', '/subscribers', '/settings', '/delete']) {
		await page.goto(`${place.at('/channels/')}${encodeURIComponent(id)}${below}`);
		same(await page.$$eval('main img', (all) => all.length), 0);
		same(await page.textContent('h1'), id);
		same(await violations(page), []);
	}
	await page.goto(place.at('/channels'));
	ok((await page.textContent('#channels')).includes(id), 'and in the list');
	await place.shoot(page, 'channels');
});
