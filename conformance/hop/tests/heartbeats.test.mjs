//! A hundred `@onehop/leap-edge-js` clients on loopback for a minute at a 6 s heartbeat interval (Hop behaviour 44). That client
//! takes an ack in the same millisecond as its heartbeat for none at all, so the acks must come a little late. It takes the time of a
//! heartbeat after sending it: where the machine held it up in between for as long as an ack waits, its warning says nothing of the server.

import { fork } from 'node:child_process';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { WebSocket } from 'ws';
import { ok, same } from '../lib/check.mjs';
import { Observer } from '../../lib/observer.mjs';
import { Tollgate } from '../../lib/server.mjs';
import { before, until } from '../../lib/wait.mjs';

const HERD = fileURLToPath(new URL('../agents/heartbeat-herd.cjs', import.meta.url));
const CLIENTS = 100;
const INTERVAL_MS = 6000;
const RUN_MS = 60_000;
/** The earliest that an ack may come. */
const ACK_MIN_MS = 5;

/** Sends op 3 twenty times a second until `end`, and returns how long each ack took, in ms. */
async function ackDelays(observer, end) {
	const delays = [];
	while (Date.now() < end) {
		const tag = `t${delays.length}`;
		const sent = performance.now();
		observer.send({ op: 3, d: { tag } });
		const ack = await until(`ack ${tag}`, () => observer.frames.find((frame) => frame.op === 4 && frame.d?.tag === tag), { every: 1 });
		delays.push(performance.now() - sent);
		same(Number.isInteger(ack.d.latency), true, 'an integer latency');
		observer.frames.length = 0;
		await sleep(50);
	}
	return delays.sort((a, b) => a - b);
}

test('b44 b45 100 leap-edge-js clients for 60 s: no warning, no reconnect, acks late', async (t) => {
	const server = await Tollgate.start({ env: { TOLLGATE_LEAP_HEARTBEAT_INTERVAL_MS: String(INTERVAL_MS) } });
	const herd = fork(HERD, { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] });
	const report = () => before(10_000, 'report of the herd', new Promise((resolve) => {
		herd.once('message', resolve);
		herd.send({});
	}));
	try {
		const observer = await Observer.open(WebSocket, server.ws, server.project);
		same(observer.frames[0], { op: 1, d: { heartbeat_interval: INTERVAL_MS } }, 'Hello');
		herd.send({ projectId: server.project, socketUrl: server.ws, clients: CLIENTS });
		await until('all connected', async () => (await report()).inits === CLIENTS, { within: 20_000, every: 100 });
		const delays = await ackDelays(observer, Date.now() + RUN_MS);
		const seen = await report();
		const at = (share) => delays[Math.floor((delays.length - 1) * share)].toFixed(1);
		t.diagnostic(`${seen.heartbeats} heartbeats, ${seen.acks} acks, ${seen.warnings.length} warnings (held up: ${seen.warnings.map(({ heldMs }) => heldMs.toFixed(1))}), ${seen.hellos - CLIENTS} reconnects`);
		t.diagnostic(`${delays.length} acks measured in ms: min ${at(0)}, median ${at(0.5)}, 99th ${at(0.99)}, max ${at(1)}`);
		same(seen.warnings.filter(({ heldMs }) => heldMs < ACK_MIN_MS), [], 'warnings of who was not held up itself');
		same([seen.hellos, seen.inits, seen.errored], [CLIENTS, CLIENTS, 0], 'Hellos, INITs, errors');
		ok(seen.heartbeats >= CLIENTS * 9, `at least ${CLIENTS * 9} heartbeats, got ${seen.heartbeats}`);
		ok(seen.heartbeats - seen.acks <= CLIENTS, `acks for all but those under way: ${seen.heartbeats - seen.acks} missing`);
		ok(delays[0] >= ACK_MIN_MS - 0.5, `no ack earlier than ${ACK_MIN_MS} ms, got ${at(0)}`);
		observer.close();
	} finally {
		herd.disconnect();
		await server.destroy();
	}
});
