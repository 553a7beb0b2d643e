//! `@onehop/client` in Node processes of its own: every flow (Hop behaviours 49–60, 64, 65).

import { after, before, test } from 'node:test';
import { restPlace } from '../lib/place.mjs';
import { NodeClient } from '../lib/clients.mjs';
import { clientContext } from '../suites/client-context.mjs';
import { clientFlows } from '../suites/client-flows.mjs';

let server;
let place;

before(async () => ({ server, place } = await restPlace()));
after(() => server?.destroy());

for (const [name, run] of clientFlows) {
	test(`client Node: ${name}`, async () => {
		const world = clientContext(place, () => new NodeClient());
		try {
			await run(world);
		} finally {
			await world.closeAll();
		}
	});
}
