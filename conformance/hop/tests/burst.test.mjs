//! A thousand SUBSCRIBEs in one go, as an anonymous app sends them after a long outage (Hop behaviour 51).

import { after, before, test } from 'node:test';
import { ok, same } from '../lib/check.mjs';
import { restPlace } from '../lib/place.mjs';
import { NodeClient } from '../lib/clients.mjs';
import { clientContext } from '../suites/client-context.mjs';

const BURST = 1000;
let server;
let place;

before(async () => ({ server, place } = await restPlace()));
after(() => server?.destroy());

async function withWorld(run) {
	const world = clientContext(place, () => new NodeClient());
	try {
		await run(world);
	} finally {
		await world.closeAll();
	}
}

function answers({ service }) {
	return service.filter(({ eventType }) => eventType === 'AVAILABLE');
}

for (const kind of ['anonymous', 'token']) {
	test(`b50 b51 1,000 SUBSCRIBEs to one channel in one burst, ${kind}`, () => withWorld(async (w) => {
		const id = await w.channel('unprotected', { state: { v: 1 } });
		const client = await w.client(kind === 'token' ? await w.token() : undefined);
		await client.ask('burst', 'subscribeToChannel', Array.from({ length: BURST }, () => [id]));
		await w.settle(client); // the burst is dealt with; repeated subscribes may share an answer
		same(await client.answer(id), { subscription: 'available', state: { v: 1 }, error: null });
		const seen = await client.look();
		same(seen.states, ['authenticating', 'connected'], 'the socket was never closed');
		const own = answers(seen).filter(({ channelId }) => channelId === id).length;
		ok(own > 0 && own <= BURST, `one answer at least, and no more than were asked for, got ${own}`);
		await w.hop.channels.publishMessage(id, 'ONCE', 1);
		await w.settle(client);
		same(await client.messages(id), [['ONCE', 1]]);
		same(await w.hop.channels.getStats(id), { online_count: 1 });
	}));

	test(`b51 1,000 SUBSCRIBEs to 1,000 channels in one burst, ${kind}`, () => withWorld(async (w) => {
		const ids = [];
		while (ids.length < BURST) ids.push(...await Promise.all(Array.from({ length: 50 }, () => w.channel('unprotected'))));
		const client = await w.client(kind === 'token' ? await w.token() : undefined);
		await client.ask('burst', 'subscribeToChannel', ids.map((id) => [id]));
		const whole = ({ channels }) => ids.every((id) => channels[id]?.subscription === 'available');
		await client.until('all available', whole, { within: 30_000, every: 300 });
		const seen = await client.look();
		same([answers(seen).length, seen.states], [BURST, ['authenticating', 'connected']]);
		await w.hop.channels.publishMessage(ids.at(-1), 'LAST', 1);
		await client.message(ids.at(-1), 'LAST');
		ok(!seen.warnings.length, `no warnings, got ${seen.warnings.slice(0, 3)}`);
	}));
}
