//! The app of docs/compatibility/socialplus.md in Chromium: its backend and its page, as they stand there, in secure mode.

import { after, before, test } from 'node:test';
import { matches } from '../../lib/check.mjs';
import { certificates, fingerprint } from '../lib/certificates.mjs';
import { Listings } from '../lib/listings.mjs';
import { Pages } from '../lib/pages.mjs';
import { Place } from '../lib/place.mjs';

let place;
let pages;
let listed;
let address;

before(async () => {
	place = await Place.open({ tls: certificates() });
	await place.v2('PATCH', '/v2/project', { secure_mode: 'required' });
	pages = await Pages.open({ fingerprint: fingerprint() });
	listed = await Listings.of('backend.mjs', 'index.html');
	const env = { ADDRESS: place.url, REGION: `x@127.0.0.1:${place.server.port}/`, API_KEY: place.apiKey, SERVER_KEY: place.serverKey, PORT: '0' };
	[, address] = await listed.run(['backend.mjs'], env).line(/open (http:\S+)/);
});
after(async () => {
	await listed?.close();
	await pages?.close();
	await place?.close();
});

/** What the page shows once it has an answer. */
async function shown(prepare = () => undefined) {
	const page = await (await pages.browser.newContext()).newPage();
	await prepare(page);
	await page.goto(address);
	await page.waitForFunction(() => document.getElementById('me').textContent !== '…');
	const text = await page.textContent('#me');
	await page.close();
	return text;
}

test('sp12 sp37 page: backend.mjs and index.html', async () => {
	matches(await shown(), /^Jane Doe \(jane\)$/, 'what the page shows');
});

test('sp12 sp37 sp40 page: without the auth token of its backend, the page shows why', async () => {
	const strip = async (page) => page.route('**/login', async (route) => {
		const answer = await route.fetch();
		await route.fulfill({ response: answer, json: { ...(await answer.json()), authToken: undefined } });
	});
	matches(await shown(strip), /^Amity SDK \(400300\): .*authToken/, 'what the page shows');
});
