//! `@onehop/leap-edge-js` by itself, loaded by `require`: the handshake, events, heartbeats, close codes as that package sees them.
'use strict';

const { after, before, test } = require('node:test');
const { LeapEdgeClient } = require('@onehop/leap-edge-js');
const { Hop } = require('@onehop/js');

const lines = [];
let server;
let hop;
let same;
let until;

for (const level of ['log', 'warn']) console[level] = (...args) => lines.push(args);

before(async () => {
	({ same } = await import('../lib/check.mjs'));
	({ until } = await import('../../lib/wait.mjs'));
	const { Tollgate } = await import('../../lib/server.mjs');
	server = await Tollgate.start();
	hop = new Hop(server.key, server.url);
});
after(() => server?.destroy());

/** Runs `work` with a client of a fresh token; deleting the token ends the client for good, as a user would. */
async function withLeap(work, socketUrl = server.ws) {
	const { id: token } = await hop.channels.tokens.create({ a: 1 });
	const client = new LeapEdgeClient({ projectId: server.project, token }, { socketUrl, debug: true });
	const seen = { states: [], events: [] };
	client.on('connectionStateUpdate', (state) => seen.states.push(state));
	client.on('serviceEvent', (event) => seen.events.push(event));
	lines.length = 0;
	void client.connect();
	const event = (type) => until(`${type} in ${JSON.stringify(seen)}`, () => seen.events.find(({ eventType }) => eventType === type));
	try {
		await event('INIT');
		return await work({ client, token, seen, event });
	} finally {
		await hop.channels.tokens.delete(token);
		await until('stopped', () => client.socket === null);
	}
}

/** The frames of one direction ('send:' or 'recv:') and op that the client logged. */
function frames(direction, op) {
	return lines.filter(([label, frame]) => label === direction && frame.op === op).map(([, frame]) => frame);
}

test('b38 b42 leap-edge-js: Hello once and first, then INIT', () => withLeap(async ({ token, seen }) => {
	same(seen.states, ['connecting', 'authenticating', 'connected']);
	const received = lines.filter(([label]) => label === 'recv:').map(([, frame]) => frame);
	same(received[0], { op: 1, d: { heartbeat_interval: 30000 } }, 'Hello');
	same(frames('recv:', 1).length, 1, 'Hellos');
	same(frames('send:', 2), [{ op: 2, d: { project_id: server.project, token } }], 'Identify');
	const { d } = received[1];
	same([d.c, d.u, d.e, d.d.scope, d.d.metadata, d.d.channels], [null, true, 'INIT', 'token', { a: 1 }, []]);
}));

test('b43 b49 b50 leap-edge-js: every dispatch has c, u, e and d', () => withLeap(async ({ client, seen, event }) => {
	const { id } = await hop.channels.create('unprotected', undefined, { state: { x: 1 } });
	client.sendServicePayload({ e: 'SUBSCRIBE', d: null, c: id });
	const available = await event('AVAILABLE');
	same([available.channelId, available.data.channel.id, available.data.channel.project_id], [id, id, server.project]);
	await hop.channels.patchState(id, { y: 2 });
	client.sendServicePayload({ e: 'SUBSCRIBE', d: null, c: id });
	const again = () => seen.events.filter(({ eventType }) => eventType === 'AVAILABLE')[1];
	same((await until('AVAILABLE again', again)).data.channel.state, { x: 1, y: 2 }, 'fresh state');
	await hop.channels.publishMessage(id, 'X', { v: 1 });
	same((await event('MESSAGE')), { channelId: id, eventType: 'MESSAGE', data: { e: 'X', d: { v: 1 } } });
	client.sendServicePayload({ e: 'SUBSCRIBE', d: null, c: 'none' });
	same((await event('UNAVAILABLE')), { channelId: 'none', eventType: 'UNAVAILABLE', data: { graceful: false, error_code: 'UNKNOWN' } });
	for (const { d } of frames('recv:', 0)) {
		same(Object.keys(d).sort(), ['c', 'd', 'e', 'u']);
		same([typeof d.u, typeof d.e], ['boolean', 'string']);
	}
}));

test('b43 b44 b45 leap-edge-js: heartbeats without and with a tag', () => withLeap(async ({ client }) => {
	for (let n = 1; n <= 20; n += 1) {
		const sent = Date.now();
		client.sendPayload(3);
		await until('ack', () => frames('recv:', 4).length === n, { every: 1 });
		const late = client.lastServerHeartbeatAck - sent;
		if (late < 5) throw new Error(`an ack after ${late} ms: one in the same millisecond counts as none`);
	}
	client.sendPayload(3, { tag: 'abc' });
	client.sendPayload(3, { tag: '' });
	await until('tagged acks', () => frames('recv:', 4).length === 22);
	const acks = frames('recv:', 4);
	same(acks[0], { op: 4 }, 'no tag, no d');
	same(acks.slice(20).map(({ d }) => [d.tag, Number.isInteger(d.latency)]), [['abc', true], ['', true]]);
}));

for (const [why, op, d, code] of [['an unknown op', 77, {}, 4004], ['a second Identify', 2, {}, 4005]]) {
	test(`b39 b41 leap-edge-js: ${why} closes ${code} and the client comes back`, () => withLeap(async ({ client, seen }) => {
		let closed;
		client.socket.instance.addEventListener('close', (event) => {
			closed = event.code;
		});
		client.sendPayload(op, d);
		await until('INIT again', () => seen.events.filter(({ eventType }) => eventType === 'INIT').length === 2);
		same(closed, code, 'close code');
	}));
}

test('b32 b40 leap-edge-js: 4001 stops it for good', async () => {
	const { id: token } = await hop.channels.tokens.create();
	const revoked = new LeapEdgeClient({ projectId: server.project, token }, { socketUrl: server.ws });
	const codes = [];
	void revoked.connect();
	await until('connected', () => revoked.connectionState === 'connected');
	revoked.socket.instance.addEventListener('close', ({ code, reason }) => codes.push([code, reason]));
	lines.length = 0;
	await hop.channels.tokens.delete(token);
	await until('closed', () => codes.length === 1);
	same(codes[0][0], 4001);
	const unknown = new LeapEdgeClient({ projectId: 'project_MTIz' }, { socketUrl: server.ws });
	void unknown.connect();
	await until('refused', () => lines.filter(([, error]) => error?.description === 'Invalid auth').length === 2);
	same([revoked.socket, unknown.socket, revoked.connectionState], [null, null, 'errored']);
});

for (const path of ['/1.0/ws', '/ws?encoding=json&compression=none', '/ws?compression=zlib&x=%ff&&y']) {
	test(`b34 b35 b36 leap-edge-js: ${path}`, () => withLeap(({ seen }) => {
		same(seen.states, ['connecting', 'authenticating', 'connected']);
	}, server.ws.replace('/ws', path)));
}

test('leap-edge-js: native ESM import fails in the package itself, as our page on Hop says', async () => {
	let failure;
	await import('@onehop/leap-edge-js').catch((error) => {
		failure = error;
	});
	if (!/EventEmitter/.test(String(failure))) throw new Error(`expected the known failure, got ${failure}`);
});
