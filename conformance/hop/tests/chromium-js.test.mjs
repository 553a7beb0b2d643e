//! `@onehop/js` in headless Chromium, from another origin than the server's: every call, every refusal (Hop behaviours 6, 64).

import { after, before, test } from 'node:test';
import { Pages } from '../lib/chromium.mjs';
import { ok, same } from '../lib/check.mjs';
import { restPlace } from '../lib/place.mjs';
import { channelCalls } from '../suites/rest-channels.mjs';
import { tokenCalls } from '../suites/rest-tokens.mjs';
import { refusals } from '../suites/rest-errors.mjs';

let server;
let pages;
let page;

before(async () => {
	const started = await restPlace();
	server = started.server;
	pages = await Pages.open('rest-page');
	page = await pages.page('rest-page', 'rest');
	await page.evaluate((place) => window.rest.prepare(place), started.place);
});
after(async () => {
	await pages?.close();
	await server?.destroy();
});

for (const [name] of [...channelCalls, ...tokenCalls, ...refusals]) {
	test(`b6 b64 js Chromium: ${name}`, () => page.evaluate((each) => window.rest.run(each), name));
}

test('js Chromium: 70 KiB do not leave the browser, as our page on Hop says', async () => {
	same(await page.evaluate(() => window.rest.tooLarge()), 'Failed to fetch');
});

test('b4 b5 js Chromium: every answer of this run has the envelope and the status', async () => {
	const answers = await page.evaluate(() => window.rest.checkAnswers());
	ok(answers >= 300, `answers were recorded, got ${answers}`);
});
