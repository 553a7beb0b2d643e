//! Every page that a link leads to from any page: it is there, axe finds no fault in either theme at either width, and nothing is refused by the
//! policy of contents. Screenshots of all are kept.

import { after, before, test } from 'node:test';
import { ok, same } from '../../lib/check.mjs';
import { Place } from '../lib/place.mjs';

let place;
let page;
before(async () => {
	place = await Place.open();
	page = await place.owner();
	await place.server.command('channel', 'create', 'lobby', '--type', 'public');
	await place.server.command('token', 'create', '--user', 'ann', '--channel', 'lobby');
	await place.server.command('project', 'set', '--hook-url', 'https://backend.example.com/', '--hook-question', 'publish');
});
after(async () => {
	await place?.close();
	place?.checkComplaints();
});

/** A name for a picture: the path without what differs between runs. */
const nameOf = (path) => `page${path.replace('/console', '').replace(/(project|tok|opr|ptkid|wh|conn)_[\w-]+/g, '$1').replaceAll('/', '-')}`;

test('every page that can be walked to is there and without a fault', { timeout: 280_000 }, async () => {
	const waiting = [new URL(place.at('/')).pathname];
	const seen = new Set(waiting);
	const faults = [];
	for (const path of waiting) {
		const answer = await page.goto(place.server.url + path);
		same(answer.status(), 200, path);
		await place.shoot(page, nameOf(path)).catch(({ message }) => faults.push(message));
		const links = await page.$$eval('a[href^="/console/"]', (all) => all.map((link) => new URL(link.href).pathname.replace(/(.)\/$/, '$1')));
		for (const link of links) {
			if (seen.has(link) || seen.has(`${link}/`) || link === '/console' || link === '/console/sign-in') continue;
			seen.add(link);
			waiting.push(link);
		}
	}
	same(faults, []);
	ok(seen.size >= 15, `pages: ${[...seen]}`);
	for (const one of ['/settings/hook/remove', '/server/about', '/server/projects', '/server/audit']) ok([...seen].some((path) => path.endsWith(one)), one);
});

test('the pages can be gone through by keyboard alone', async () => {
	await page.goto(place.at('/channels'));
	await page.keyboard.press('Tab');
	same(await page.evaluate(() => document.activeElement.textContent), 'Skip to content');
	await page.keyboard.press('Enter');
	same(await page.evaluate(() => document.activeElement.id), 'main');
	const reached = [];
	for (let step = 0; step < 12 && reached.at(-1) !== 'A lobby'; step++) {
		await page.keyboard.press('Tab');
		reached.push(await page.evaluate(() => `${document.activeElement.tagName} ${document.activeElement.textContent.trim()}`));
	}
	same(reached.at(-1), 'A lobby', `reached ${reached}`);
	await page.keyboard.press('Enter');
	await page.waitForURL('**/channels/lobby');
	await page.keyboard.press('/');
	same(await page.evaluate(() => document.activeElement.id), 'find');
	await page.keyboard.type('lob');
	await page.keyboard.press('Enter');
	await page.waitForURL('**/find');
	same(await page.textContent('#found a.name'), 'lobby');
});
