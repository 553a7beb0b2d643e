//! The examples, copied out of the repository, with the package as npm would install it: two browsers each.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { startBrowser } from '../../../conformance/lib/browser.mjs';
import { Installed } from './lib/installed.mjs';
import { Place } from './lib/place.mjs';

let place;
let installed;
let browser;
before(async () => {
	const { chromium } = await import('playwright-core');
	[place, installed, browser] = [await Place.open(), await Installed.open(), await startBrowser(chromium)];
});
after(async () => {
	await browser?.close();
	await installed?.close();
	await place?.close();
});

/** The example's address, and a way to visit it. */
async function example(name) {
	const folder = await installed.copy(`examples/${name}`);
	const { url, project, key } = place.server;
	const backend = installed.start(`${folder}/backend.mjs`, { TOLLGATE_URL: url, TOLLGATE_PROJECT: project, TOLLGATE_KEY: key, PORT: '0' });
	const [, address] = await backend.line(/ at (http:\S+)\n/);
	const errors = [];
	const visit = async (visitor, script = () => {}) => {
		const page = await (await browser.newContext()).newPage();
		page.on('pageerror', (error) => errors.push(String(error)));
		await page.addInitScript(script);
		await page.goto(`${address}/?name=${visitor}`);
		await page.waitForFunction(() => document.getElementById('state').textContent === 'connected');
		return page;
	};
	return { visit, errors };
}

const lines = (page, count) =>
	page.waitForFunction((wanted) => {
		const all = [...document.querySelectorAll('#messages li:not(.waiting)')].map((line) => line.textContent);
		return all.length >= wanted && all;
	}, count).then((handle) => handle.jsonValue());

test('chat: two visitors talk, one is away for a while and reads everything, in order and once', async () => {
	const { visit, errors } = await example('chat');
	const [ann, ben] = [await visit('ann'), await visit('ben')];
	const say = async (page, text) => {
		await page.fill('#text', text);
		await page.click('button');
	};
	await say(ann, 'Hello');
	await lines(ben, 1);
	await say(ben, 'Hi');
	assert.deepEqual(await lines(ann, 2), ['ann: Hello', 'ben: Hi']);
	await place.server.down();
	await say(ben, 'Anyone?');
	await place.server.up();
	assert.deepEqual(await lines(ann, 3), ['ann: Hello', 'ben: Hi', 'ben: Anyone?']);
	assert.deepEqual(await lines(ben, 3), ['ann: Hello', 'ben: Hi', 'ben: Anyone?']);
	assert.deepEqual(errors, []);
});

test('live-state: every vote counts, also those of the same moment', async () => {
	const { visit, errors } = await example('live-state');
	const pages = [await visit('ann'), await visit('ben')];
	for (const page of pages) await page.waitForSelector('#tea:enabled');
	await Promise.all(pages.flatMap((page) => [page, page, page].map((one) => one.evaluate(() => document.getElementById('tea').click()))));
	for (const page of pages) await page.waitForFunction(() => document.querySelector('#tea span').textContent === '6');
	assert.deepEqual(errors, []);
});

/** Clicks the moment the page says that it is connected: before the channel's state can have come. */
const atOnce = () => {
	new MutationObserver(() => document.getElementById('state')?.textContent === 'connected' && document.getElementById('tea').click())
		.observe(document, { subtree: true, childList: true });
};

test('live-state: nobody votes before the count is there, however quick they are', async () => {
	const { visit, errors } = await example('live-state');
	const page = await visit('ann', atOnce);
	await page.waitForSelector('#tea:enabled');
	assert.equal(await page.textContent('#state'), 'connected');
	assert.deepEqual(errors, []);
});
