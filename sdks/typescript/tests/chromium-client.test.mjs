//! The client half in a page of Chromium against the real server.

import assert from 'node:assert/strict';
import { after, afterEach, before, test } from 'node:test';
import { openContext } from './lib/context.mjs';
import { pageApp } from './lib/page.mjs';
import { flows } from './suites/flows.mjs';

let context;
let page;
before(async () => {
	context = await openContext();
	page = await pageApp(context.origin);
	context.app = page.app;
});
afterEach(() => context.proxy.open());
after(async () => {
	await page?.close();
	await context?.close();
});

for (const [name, flow] of flows) test(`Chromium: ${name}`, () => flow(context));

test('Chromium: nothing was thrown in the page', () => assert.deepEqual(page.errors, []));
