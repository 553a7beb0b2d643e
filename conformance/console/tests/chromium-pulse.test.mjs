//! The overview as it lives: a client connects, is sent messages and is refused, and the figures of the whole server move by themselves; the box on top,
//! which finds anything; and the audit log, taken along and proven, with a break that is planted into the file.

import { after, before, test } from 'node:test';
import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { ok, same } from '../../lib/check.mjs';
import { Place, until, violations } from '../lib/place.mjs';

let place;
let page;
before(async () => {
	place = await Place.open();
	page = await place.owner();
});
after(async () => {
	await place?.close();
	place?.checkComplaints();
});

/** What stands under a name in the part of the whole server. */
const figure = async (name) => page.evaluate((wanted) => {
	const found = [...document.querySelectorAll('#pulse .stat')].find((one) => one.querySelector('dt').textContent === wanted);
	return found?.querySelector('dd').textContent.trim();
}, name);
const number = async (name) => Number.parseFloat((await figure(name)).replaceAll(',', ''));

test('the figures of the overview move by themselves', { timeout: 120_000 }, async () => {
	await page.goto(place.at('/'));
	ok((await page.textContent('#pulse')).includes('Whole server, now'), 'it says of whom');
	await place.api('POST', '/v2/channels', { id: 'room', type: 'private', capabilities: [] });
	const { secret } = await place.api('POST', '/v2/tokens', { user_id: 'ann', channels: ['room'] });
	let asked = 0;
	page.on('request', (request) => { if (request.url().endsWith('/console/server/pulse')) asked += 1; });
	await until('nobody is connected', async () => (await number('Live connections')) === 0, { within: 20_000, every: 100 });
	const client = await place.client(secret);
	await until('the connection is seen', async () => (await number('Live connections')) === 1, { within: 20_000, every: 100 });
	await until('messages are seen', async () => {
		await place.api('POST', '/v2/channels/room/messages', { event: 'said', data: 'hi' });
		return (await number('Messages in')) > 0 && (await number('Messages delivered')) > 0;
	}, { within: 20_000, every: 100 });
	await until('refusals are seen', async () => {
		await fetch(`${place.server.url}/v2/channels`, { headers: { authorization: 'Bearer ptk_wrong' } });
		return (await number('Refused')) > 0;
	}, { within: 20_000, every: 100 });
	await until('durations are known', async () => (await figure('Delivery takes up to')).includes('ms'), { within: 20_000, every: 100 });
	ok((await figure('Commits take up to')).includes('ms'), 'commits have durations');
	ok(asked >= 2, `asked ${asked} times`);
	same(await page.$$eval('#health .tag', (all) => all.map((one) => one.textContent).filter((word) => word === 'Fails')), []);
	const drawn = await page.getAttribute('#pulse .plot .l', 'd');
	ok(/^M[\d.]+ [\d.]+/.test(drawn), `a curve: ${drawn}`);
	const told = await page.$$eval('#pulse svg[role=img]', (all) => all.map((one) => one.getAttribute('aria-label')));
	ok(told.length === 9 && told.every((text) => text.length > 10), `${told}`);
	await place.shoot(page, 'overview-live');
	const top = JSON.parse((await place.server.command('top', '--count', '1', '--json')).trim());
	same([top.connections, top.health.map(({ part }) => part).includes('Store')], [1, true]);
	await client.close();
	await until('the end is seen', async () => (await number('Live connections')) === 0, { within: 20_000, every: 100 });
	same(await violations(page), []);
});

test('the box on top finds anything, and no secret is in an address', { timeout: 60_000 }, async () => {
	const { id, secret } = await place.api('POST', '/v2/tokens', { user_id: 'bo' });
	const client = await place.client(secret);
	const [{ id: connection }] = (await place.api('GET', '/v2/connections')).data;
	const find = async (text) => {
		await page.keyboard.press('Escape');
		await page.goto(place.at('/'));
		await page.keyboard.press('/');
		await page.keyboard.type(text);
		await Promise.all([page.waitForNavigation(), page.keyboard.press('Enter')]);
		ok(!page.url().includes(secret), 'a secret is in no address');
		return new URL(page.url());
	};
	const project = new URL(place.at('')).pathname;
	for (const [text, path] of [[id, `/tokens/${id}`], [secret, `/tokens/${id}`], ['room', '/channels/room'], ['bo', '/users/bo']]) {
		same((await find(text)).pathname, `${project}${path}`, text.slice(0, 8));
	}
	const at = await find(connection);
	same([at.pathname, at.searchParams.get('q')], [`${project}/connections`, connection]);
	ok((await page.textContent('tbody')).includes(id), 'the one connection');
	ok((await find('mara')).pathname.startsWith('/console/server/operators/opr_'), 'an operator');
	await find('o<b>x</b>');
	ok((await page.textContent('#found')).includes('Nothing here'), 'nothing');
	same(await violations(page), []);
	await place.shoot(page, 'find-nothing');
	await find('r');
	same(await page.textContent('#found a.name'), 'room');
	await place.shoot(page, 'find');
	await client.close();
});

test('the audit log is taken along, proven, and a break in it is an alarm', { timeout: 120_000 }, async () => {
	await page.goto(place.at('/audit?what=channel.'));
	const [download] = await Promise.all([page.waitForEvent('download'), page.click('text=Export')]);
	ok(/^tollgate-audit-project_.*\.jsonl$/.test(download.suggestedFilename()), download.suggestedFilename());
	const exported = await readFile(await download.path(), 'utf8');
	const headers = { authorization: `Bearer ${place.server.key}` };
	const api = await (await fetch(`${place.server.url}/v2/audit/export?action=channel.`, { headers })).text();
	same(exported, api);
	ok(JSON.parse(exported.split('\n')[0]).action === 'channel.create', exported);

	await page.click('text=Verify');
	await page.waitForURL('**/works/*');
	await until('it is proven', async () => (await page.textContent('#work h2')) === 'Done', { within: 20_000 });
	ok((await page.textContent('#work')).includes('Its end, to be kept elsewhere'), 'its end');
	same(await violations(page), []);
	await place.shoot(page, 'audit-intact');
	await page.goto(`${place.server.url}/console/server/audit`);
	await page.click('text=Verify');
	await page.waitForURL('**/console/server/works/*');
	await until('it is proven', async () => (await page.textContent('#work h2')) === 'Done', { within: 20_000 });

	await place.server.down();
	const file = join(place.server.dataDir, 'tollgate.db');
	const plant = 'import sqlite3, sys; db = sqlite3.connect(sys.argv[1]); db.execute("UPDATE audit SET subject = subject || \'x\' WHERE sequence = 3"); db.commit()';
	await promisify(execFile)('python3', ['-c', plant, file]);
	await place.server.up();
	page = await place.again();
	await page.goto(place.at('/audit'));
	await page.click('text=Verify');
	await page.waitForURL('**/works/*');
	await until('the break is found', async () => (await page.textContent('#work h2')) === 'Not intact', { within: 20_000 });
	ok((await page.textContent('#work [role=alert]')).includes('entry 3 was changed'), 'which entry');
	same(await violations(page), []);
	await place.shoot(page, 'audit-broken');
});
