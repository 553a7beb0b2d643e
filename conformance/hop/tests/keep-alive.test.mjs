//! A backend's pooled connection survives a pause (Hop behaviour 7): Hop's SDKs do not retry, so a connection that the server closes
//! just as the pool hands it out again is a lost call. Plain `node:http`, because Node's `fetch` gives idle connections up by itself.

import { test } from 'node:test';
import { Agent, request } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { same } from '../lib/check.mjs';
import { Tollgate } from '../../lib/server.mjs';

const PAUSE_MS = 7_000;

/** One GET through the agent: its status, and whether it went over a connection used before. */
function get(server, agent) {
	return new Promise((resolve, reject) => {
		const call = request(`${server.url}/v1/channels`, { agent, headers: { authorization: server.key } }, (answer) => {
			answer.resume().on('end', () => resolve({ status: answer.statusCode, reused: call.reusedSocket }));
		});
		call.on('error', reject).end();
	});
}

test('b7 a pooled connection is still good after seven idle seconds', async () => {
	const server = await Tollgate.start();
	const agent = new Agent({ keepAlive: true, maxSockets: 1 });
	try {
		same(await get(server, agent), { status: 200, reused: false });
		same(await get(server, agent), { status: 200, reused: true });
		await sleep(PAUSE_MS);
		same(await get(server, agent), { status: 200, reused: true }, 'after the pause');
	} finally {
		agent.destroy();
		await server.destroy();
	}
});
