//! Ten seconds without a server, for `@onehop/client` in Node: an orderly stop and a kill -9 (Hop behaviour 65).

import { test } from 'node:test';
import { restPlace } from '../lib/place.mjs';
import { NodeClient } from '../lib/clients.mjs';
import { clientContext } from '../suites/client-context.mjs';
import { comeBack } from '../suites/outage.mjs';

for (const signal of ['SIGTERM', 'SIGKILL']) {
	test(`b52 b65 client Node: back after 10 s of downtime and ${signal}`, async () => {
		const { server, place } = await restPlace();
		const world = clientContext(place, () => new NodeClient());
		try {
			await comeBack(world, server, signal);
		} finally {
			await world.closeAll();
			await server.destroy();
		}
	});
}
