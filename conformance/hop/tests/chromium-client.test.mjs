//! `@onehop/client` in headless Chromium, from another origin than the server's: every flow, and ten seconds without a server
//! (Hop behaviours 49–60, 64, 65).

import { after, before, test } from 'node:test';
import { Pages } from '../lib/chromium.mjs';
import { restPlace } from '../lib/place.mjs';
import { clientContext } from '../suites/client-context.mjs';
import { clientFlows } from '../suites/client-flows.mjs';
import { comeBack } from '../suites/outage.mjs';

let pages;
let server;
let place;

before(async () => {
	pages = await Pages.open('client-page');
	({ server, place } = await restPlace());
});
after(async () => {
	await pages?.close();
	await server?.destroy();
});

async function inWorld(where, run) {
	const world = clientContext(where, () => pages.client());
	try {
		await run(world);
	} finally {
		await world.closeAll();
	}
}

for (const [name, run] of clientFlows) {
	test(`client Chromium: ${name}`, () => inWorld(place, run));
}

for (const signal of ['SIGTERM', 'SIGKILL']) {
	test(`b52 b65 client Chromium: back after 10 s of downtime and ${signal}`, async () => {
		const own = await restPlace();
		try {
			await inWorld(own.place, (world) => comeBack(world, own.server, signal));
		} finally {
			await own.server.destroy();
		}
	});
}
