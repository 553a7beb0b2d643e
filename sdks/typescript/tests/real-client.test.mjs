//! The client half in Node against the real server, through a relay that is cut.

import { after, afterEach, before, test } from 'node:test';
import { Client } from '../dist/esm/client/index.js';
import { createApp } from './lib/app.mjs';
import { openContext } from './lib/context.mjs';
import { flows } from './suites/flows.mjs';

const app = createApp(Client);
let context;
before(async () => {
	context = { ...(await openContext()), app };
});
afterEach(() => context.proxy.open());
after(async () => {
	app.closeAll();
	await context?.close();
});

for (const [name, flow] of flows) test(`Node: ${name}`, () => flow(context));
