//! Receiving by an event stream where WebSockets fail: against a server of the tests' own, which refuses every upgrade.

import assert from 'node:assert/strict';
import { afterEach, test } from 'node:test';
import { until } from '../../../conformance/lib/wait.mjs';
import { Client } from '../dist/esm/client/index.js';
import { EventReader } from '../dist/esm/client/events.js';
import { CONNECTED } from './lib/bench.mjs';
import { Fake } from './lib/fake.mjs';

const opened = [];
afterEach(async () => {
	for (const close of opened.splice(0).reverse()) await close();
});

/** A server of streams: `streams` has each that was opened, with what was asked for. */
async function streaming(answer = () => null) {
	const streams = [];
	const server = await Fake.start({
		upgrade: false,
		http: async (request, response) => {
			const url = new URL(request.url, 'http://x');
			if (url.pathname !== '/connect/sse') {
				let text = '';
				for await (const piece of request) text += piece;
				const { method, headers } = request;
				const [status, body] = answer({ method, url, headers, body: text && JSON.parse(text) }) ?? [404, {}];
				return response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
			}
			let asked = '';
			for await (const piece of request) asked += piece;
			assert.deepEqual([request.method, request.url, request.headers.authorization], ['POST', '/connect/sse', undefined], 'all of it in the body');
			// What a browser may send to another origin without asking whether it may.
			assert.match(request.headers['content-type'], /^text\/plain/);
			const refusal = answer({ method: 'POST', url, headers: request.headers });
			if (refusal) return response.writeHead(refusal[0], { 'content-type': 'application/problem+json' }).end(JSON.stringify(refusal[1]));
			response.writeHead(200, { 'content-type': 'text/event-stream' }).flushHeaders();
			const stream = {
				...JSON.parse(asked), response,
				send: (kind, data) => response.write(`event: ${kind}\ndata: ${JSON.stringify({ push: kind, ...data })}\n\n`),
			};
			response.on('close', () => (stream.gone = true));
			streams.push(stream);
			return undefined;
		},
	});
	opened.push(() => server.stop());
	return { server, streams };
}

function client(server, options = {}) {
	const made = new Client({ url: server.url, project: 'project_x', fallback: 'sse', ...options });
	opened.push(() => made.close());
	return made;
}

const entry = (channel, position, more = {}) => ({ channel, type: 'public', state: {}, version: 0, position, ...more });
const said = (channel, offset) => ({ channel, offset, event: 'said', data: offset, at: 1 });
const stream = (streams, at) => until(`stream ${at}`, () => streams[at], { within: 15_000 });

test('three WebSockets fail, then a stream receives; one more channel opens it again without loss', async () => {
	const { server, streams } = await streaming();
	const made = client(server);
	const heard = [];
	made.on('message', ({ channel, offset }) => heard.push(`${channel} ${offset}`));
	const room = made.subscribe('room');
	const connected = made.connect();
	const first = await stream(streams, 0);
	assert.deepEqual(first.subscribe, [{ channel: 'room' }]);
	assert.deepEqual([first.connect.project, first.connect.token], ['project_x', undefined]);
	first.send('connected', CONNECTED);
	await connected;
	first.send('subscribed', entry('room', 'a-4'));
	await room.ready;
	first.send('message', said('room', 5));
	await until('it is heard', () => heard.length === 1);
	const other = made.subscribe('other');
	const second = await stream(streams, 1);
	await until('the first stream is let go', () => first.gone);
	assert.deepEqual(second.subscribe, [{ channel: 'room', position: 'a-5' }, { channel: 'other' }]);
	second.send('connected', CONNECTED);
	second.send('subscribed', entry('room', 'a-5', { recovered: true }));
	second.send('message', said('room', 6));
	second.send('subscribed', entry('other', 'b-0'));
	second.send('message', said('other', 1));
	await other.ready;
	await until('both are heard', () => heard.length === 3);
	assert.deepEqual(heard, ['room 5', 'room 6', 'other 1']);
	assert.deepEqual([made.counters.duplicates, made.counters.gaps], [0, 0]);
});

test('a stream that cannot be taken up whole is a gap, which is told', async () => {
	const { server, streams } = await streaming();
	const made = client(server);
	const gaps = [];
	const room = made.subscribe('room');
	room.on('gap', ({ from, to }) => gaps.push([from, to]));
	made.connect().catch(() => {});
	const first = await stream(streams, 0);
	first.send('connected', CONNECTED);
	first.send('subscribed', entry('room', 'a-4'));
	await room.ready;
	made.subscribe('other');
	const second = await stream(streams, 1);
	second.send('connected', CONNECTED);
	second.send('subscribed', entry('room', 'a-9', { recovered: false }));
	const third = await stream(streams, 2);
	assert.deepEqual(third.subscribe[0], { channel: 'room', position: 'a-4' });
	third.send('connected', CONNECTED);
	third.send('subscribed', entry('room', 'a-9', { recovered: false }));
	await until('the gap', () => gaps.length === 1);
	assert.deepEqual(gaps, [['a-4', 'a-9']]);
});

test('a token goes in the body; what is done is done by /v2, and errors are those of the protocol', async () => {
	const asked = [];
	const answer = ({ method, url, headers, body }) => {
		if (url.pathname === '/connect/sse') return null;
		asked.push([method, url.pathname + url.search, headers.authorization, headers['if-match'], body]);
		if (url.pathname.endsWith('/messages')) return [200, { epoch: '10', offset: 9 }];
		if (url.pathname.endsWith('/state')) return [412, { code: 'version_mismatch', detail: 'at 4', retryable: false }];
		if (url.pathname.endsWith('/history')) return [200, { messages: [{ offset: 1, event: 'e', data: 1, at: 1 }], position: 'a-9' }];
		return [503, { code: 'unavailable', detail: 'later', retryable: true }];
	};
	const { server, streams } = await streaming(answer);
	const made = client(server, { token: 'tgt_secretsecret' });
	made.subscribe('room');
	const connected = made.connect();
	const first = await stream(streams, 0);
	assert.equal(first.connect.token, 'tgt_secretsecret');
	first.send('connected', { ...CONNECTED, token: { id: 'tok_1' } });
	first.send('subscribed', entry('room', 'a-8'));
	await connected;
	assert.equal((await made.publish('room', 'said', 1, { id: 'x' })).position, 'a-9');
	assert.equal((await made.history('room', { limit: 5 })).messages[0].position, 'a-1');
	await assert.rejects(made.setState('room', { n: 1 }, { ifVersion: 3 }), { code: 'version_mismatch', retry: 'never' });
	await assert.rejects(made.presence('room'), { code: 'unavailable', retry: 'later' });
	await assert.rejects(made.setPresence('room', {}), { code: 'unsupported' });
	assert.deepEqual(asked, [
		['POST', '/v2/channels/room/messages', 'Bearer tgt_secretsecret', undefined, { event: 'said', data: 1, id: 'x' }],
		['GET', '/v2/channels/room/history?limit=5', 'Bearer tgt_secretsecret', undefined, ''],
		['PUT', '/v2/channels/room/state', 'Bearer tgt_secretsecret', '"3"', { n: 1 }],
		['GET', '/v2/channels/room/presence', 'Bearer tgt_secretsecret', undefined, ''],
	]);
});

test('without a channel a stream brings direct messages; a channel opens another, which goes on with them', async () => {
	const { server, streams } = await streaming(({ url }) => (url.pathname.endsWith('/messages') ? [200, { position: 'a-1' }] : null));
	const made = client(server, { token: 'tgt_x', data: { name: 'Ann' } });
	const directs = [];
	made.on('direct', ({ data }) => directs.push(data));
	const connected = made.connect();
	const first = await stream(streams, 0);
	assert.deepEqual([first.subscribe, first.connect.data, 'session' in first.connect], [undefined, { name: 'Ann' }, false]);
	first.send('connected', { ...CONNECTED, token: { id: 'tok_1' }, direct: '5a-7' });
	await connected;
	assert.equal((await made.publish('room', 'said', 1)).position, 'a-1');
	first.send('direct', { offset: 8, event: 'said', data: 8, at: 1 });
	await until('it is heard', () => directs.length === 1);
	const room = made.subscribe('room', { rewind: { last: 5 }, presence: true, data: { seat: 1 } });
	const second = await stream(streams, 1);
	assert.deepEqual(second.subscribe, [{ channel: 'room', rewind: { last: 5 }, presence: true, data: { seat: 1 } }]);
	assert.deepEqual([second.connect.session, second.connect.direct], ['ses_1', '5a-8']);
	second.send('connected', { ...CONNECTED, token: { id: 'tok_1' }, resumed: true, direct: '5a-9' });
	second.send('direct', { offset: 9, event: 'said', data: 9, at: 1 });
	second.send('subscribed', entry('room', 'a-0', { recovered: true }));
	await room.ready;
	const other = made.subscribe('other');
	const third = await stream(streams, 2);
	assert.deepEqual([third.connect.direct, third.subscribe[0]], ['5a-9', { channel: 'room', position: 'a-0', presence: true, data: { seat: 1 } }]);
	// What lies before where the server stands is still to come, and is asked for again by another stream.
	third.send('connected', { ...CONNECTED, token: { id: 'tok_1' }, resumed: true, direct: '5a-12' });
	third.send('subscribed', entry('room', 'a-0', { recovered: true }));
	third.send('subscribed', entry('other', 'b-0'));
	await other.ready;
	made.subscribe('last');
	assert.equal((await stream(streams, 3)).connect.direct, '5a-9');
	assert.deepEqual(directs, [8, 9]);
});

test('each channel begins where it was asked to; who wants more of one later gets another stream', async () => {
	const { server, streams } = await streaming();
	const made = client(server, { token: 'tgt_x' });
	const [room, held] = [made.subscribe('room', { rewind: { last: 5 } }), made.subscribe('held', { rewind: { sinceAt: 9 } })];
	const heard = [];
	made.on('message', ({ channel, offset }) => heard.push(`${channel} ${offset}`));
	made.connect().catch(() => {});
	const first = await stream(streams, 0);
	assert.deepEqual(first.subscribe, [{ channel: 'room', rewind: { last: 5 } }, { channel: 'held', rewind: { since_at: 9 } }]);
	// The token is in one of them already: its past comes all the same.
	first.send('connected', { ...CONNECTED, token: { id: 'tok_1' }, channels: [entry('held', 'b-7')] });
	first.send('subscribed', entry('held', 'b-6', { recovered: true }));
	first.send('message', said('held', 7));
	first.send('subscribed', entry('room', 'a-0', { recovered: true }));
	await Promise.all([room.ready, held.ready]);
	await until('the past is heard', () => heard.length === 1);
	made.subscribe('room', { presence: true });
	const second = await stream(streams, 1);
	assert.deepEqual(second.subscribe, [{ channel: 'room', position: 'a-0', presence: true }, { channel: 'held', position: 'b-7' }]);
	let told = 0;
	room.on('presence', () => (told += 1));
	second.send('connected', { ...CONNECTED, token: { id: 'tok_1' }, resumed: true, channels: [entry('held', 'b-7', { resuming: true })] });
	second.send('subscribed', entry('held', 'b-7', { recovered: true }));
	second.send('subscribed', entry('room', 'a-0', { recovered: true }));
	second.send('presence', { channel: 'room', count: 1, joined: [{ member: 'ann', since_at: 1 }] });
	await until('who is there is told', () => told === 1);
	assert.deepEqual([heard, made.counters.duplicates, made.counters.gaps], [['held 7'], 0, 0]);
});

test('a stream whose direct messages are lost is told when the client comes back', async () => {
	const { server, streams } = await streaming();
	const made = client(server, { token: 'tgt_x' });
	let lost = 0;
	made.on('direct_lost', () => (lost += 1));
	const connected = made.connect();
	(await stream(streams, 0)).send('connected', { ...CONNECTED, token: { id: 'tok_1' }, direct: '5a-7' });
	await connected;
	made.subscribe('room');
	const told = { ...CONNECTED, token: { id: 'tok_1' }, direct: '6b-1', direct_lost: true };
	(await stream(streams, 1)).send('connected', told);
	const third = await stream(streams, 2);
	assert.equal(third.connect.direct, '5a-7', 'where the machine knows it');
	third.send('connected', told);
	await until('it is told', () => lost === 1);
});

test('each stream has a ticket of its own, and nothing has a token', async () => {
	const { server, streams } = await streaming();
	let asked = 0;
	const made = client(server, { ticket: async () => `tkt_${(asked += 1)}` });
	made.subscribe('room');
	const connected = made.connect();
	const told = { ...CONNECTED, token: { id: 'tok_1' } };
	const first = await stream(streams, 0);
	first.send('connected', told);
	first.send('subscribed', entry('room', 'a-4'));
	await connected;
	// Another channel, the end of the token, and a loss.
	made.subscribe('other');
	const second = await stream(streams, 1);
	second.send('connected', told);
	second.send('subscribed', entry('room', 'a-4', { recovered: true }));
	second.send('subscribed', entry('other', 'b-0'));
	second.send('expiring', { in_ms: 60_000 });
	const third = await stream(streams, 2);
	third.send('connected', told);
	third.response.end();
	const fourth = await stream(streams, 3);
	const tickets = [first, second, third, fourth].map(({ connect }) => connect.ticket);
	assert.equal(new Set(tickets).size, 4, `${tickets}`);
	for (const { connect } of streams) assert.match(connect.ticket, /^tkt_\d+$/);
	assert.ok(streams.every(({ connect }) => !('token' in connect)));
	fourth.send('connected', told);
	for (const [channel, position] of [['room', 'a-4'], ['other', 'b-0']]) fourth.send('subscribed', entry(channel, position, { recovered: true }));
	await until('it is back', () => made.state === 'connected');
	await assert.rejects(made.publish('room', 'said', 1), { code: 'not_granted' });
	assert.throws(() => new Client({ url: server.url, project: 'p', token: 'a', ticket: () => 'b' }), { code: 'invalid_input' });
});

test('a refused stream is what its status says', async () => {
	for (const [status, code, retry] of [[401, 'invalid_auth', 'auth'], [403, 'user_banned', 'auth']]) {
		const { server } = await streaming(({ url }) => (url.pathname === '/connect/sse' ? [status, { code, detail: 'no', retryable: false }] : null));
		const made = client(server, { token: 'tgt_x' });
		made.subscribe('room');
		await assert.rejects(made.connect(), { code, retry });
	}
});

test('without `fallback` there is never a stream', async () => {
	const { server, streams } = await streaming();
	const made = client(server, { fallback: undefined });
	made.connect().catch(() => {});
	await until('five tries', () => made.counters.losses >= 5, { within: 20_000 });
	assert.equal(streams.length, 0);
});

test('events are read however they are cut, and comments are signs of life', () => {
	const text = ':\n\nid: room@a-1\nevent: message\ndata: {"a":\ndata: 1}\n\n: x\r\n\r\nevent: closed\r\ndata:{}\r\n\r\ndata: plain\n\nevent: none\n\n';
	for (let size = 1; size <= text.length; size += 1) {
		const seen = [];
		const reader = new EventReader(({ kind, data }) => seen.push(`${kind} ${data}`), () => seen.push(':'));
		for (let at = 0; at < text.length; at += size) assert.ok(reader.take(text.slice(at, at + size)));
		assert.deepEqual(seen, [':', 'message {"a":\n1}', ':', 'closed {}', 'message plain'], `in pieces of ${size}`);
	}
	assert.equal(new EventReader(() => {}, () => {}).take('x'.repeat(16 * 1024 * 1024 + 1)), false);
});

test('what changes something is sent in the order in which it was asked for, each when the one before it was answered', async () => {
	const arrived = [];
	const waiting = [];
	const server = await Fake.start({
		upgrade: false,
		http: async (request, response) => {
			let text = '';
			for await (const piece of request) text += piece;
			if (request.url === '/connect/sse') {
				response.writeHead(200, { 'content-type': 'text/event-stream' });
				return response.write(`event: connected\ndata: ${JSON.stringify({ push: 'connected', ...CONNECTED })}\n\n`);
			}
			if (request.method === 'GET') return response.writeHead(200, { 'content-type': 'application/json' }).end('{"messages":[],"position":"a-0"}');
			arrived.push(JSON.parse(text).data);
			waiting.push(() => response.writeHead(200, { 'content-type': 'application/json' }).end(`{"position":"a-${arrived.length}"}`));
			return undefined;
		},
	});
	opened.push(() => server.stop());
	const made = client(server, { token: 'tgt_x' });
	await made.connect();
	const publishing = [1, 2, 3].map((n) => made.publish('room', 'said', n));
	for (const n of [1, 2, 3]) {
		await until(`the ${n}th`, () => arrived.length === n);
		// What only reads waits for nobody; and when it has its answer, another change would have arrived.
		await made.history('room');
		assert.deepEqual(arrived, [1, 2, 3].slice(0, n));
		waiting[n - 1]();
	}
	assert.deepEqual((await Promise.all(publishing)).map(({ position }) => position), ['a-1', 'a-2', 'a-3']);
});

test('who subscribes and then publishes hears it: what is published goes when its channels are in, or are refused', async () => {
	const published = [];
	const { server, streams } = await streaming(({ method, url, body }) => {
		if (method !== 'POST' || url.pathname === '/connect/sse') return url.pathname === '/connect/sse' ? null : [200, { messages: [], position: 'a-0' }];
		published.push(body.data ?? body.messages.map(({ data }) => data));
		return [200, body.messages ? { results: body.messages.map(() => ({ position: 'a-1' })) } : { position: 'a-1' }];
	});
	const made = client(server, { token: 'tgt_x' });
	made.subscribe('room');
	made.subscribe('hall').on('unsubscribed', () => {});
	const connected = made.connect();
	const first = await stream(streams, 0);
	first.send('connected', CONNECTED);
	await connected;
	const message = (channel, data) => ({ channel, event: 'said', data });
	const saying = [
		made.publish('elsewhere', 'said', 1), made.publish('room', 'said', 2),
		made.batch([message('room', 3), message('hall', 4)]), made.publish('hall', 'said', 5),
	];
	// When what only reads has its answer, what waits for nobody would have arrived.
	const steps = [
		[() => {}, [1]],
		[() => first.send('subscribed', entry('room', 'a-0')), [1, 2]],
		[() => first.send('refused', { channel: 'hall', error: { code: 'not_granted', message: 'no', retry: 'never' } }), [1, 2, [3, 4], 5]],
	];
	for (const [step, want] of steps) {
		step();
		await until(`${want.length}`, () => published.length === want.length);
		await made.history('room');
		assert.deepEqual(published, want);
	}
	await Promise.all(saying);
});
