//! Tollgate's additions to Hop Channels, seen through an unmodified `@onehop/client` in Node.

import { after, before, test } from 'node:test';
import { restPlace } from '../lib/place.mjs';
import { NodeClient } from '../lib/clients.mjs';
import { clientContext } from '../suites/client-context.mjs';
import { extensionFlows } from '../suites/extension-flows.mjs';

let server;
let place;

before(async () => ({ server, place } = await restPlace()));
after(() => server?.destroy());

for (const [name, run] of extensionFlows) {
	test(`extension: ${name}`, async () => {
		const world = clientContext(place, () => new NodeClient());
		try {
			await run(world);
		} finally {
			await world.closeAll();
		}
	});
}
