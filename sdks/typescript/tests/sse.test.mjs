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

/** A server of streams: `streams` has each that was opened, with its query and headers. */
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
			const refusal = answer({ method: 'GET', url, headers: request.headers });
			if (refusal) return response.writeHead(refusal[0], { 'content-type': 'application/problem+json' }).end(JSON.stringify(refusal[1]));
			response.writeHead(200, { 'content-type': 'text/event-stream' }).flushHeaders();
			const stream = {
				url, headers: request.headers, response,
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
	assert.deepEqual([first.url.searchParams.getAll('channel'), first.url.searchParams.getAll('position')], [['room'], []]);
	assert.equal(first.headers.authorization, undefined);
	first.send('connected', CONNECTED);
	await connected;
	first.send('subscribed', entry('room', 'a-4'));
	await room.ready;
	first.send('message', said('room', 5));
	await until('it is heard', () => heard.length === 1);
	const other = made.subscribe('other');
	const second = await stream(streams, 1);
	await until('the first stream is let go', () => first.gone);
	assert.deepEqual(second.url.searchParams.getAll('channel'), ['room', 'other']);
	assert.deepEqual(second.url.searchParams.getAll('position'), ['room@a-5']);
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
	assert.deepEqual(third.url.searchParams.getAll('position'), ['room@a-4']);
	third.send('connected', CONNECTED);
	third.send('subscribed', entry('room', 'a-9', { recovered: false }));
	await until('the gap', () => gaps.length === 1);
	assert.deepEqual(gaps, [['a-4', 'a-9']]);
});

test('a token goes in a header; what is done is done by /v2, and errors are those of the protocol', async () => {
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
	assert.equal(first.headers.authorization, 'Bearer tgt_secretsecret');
	assert.ok(!first.url.href.includes('tgt_'));
	first.send('connected', { ...CONNECTED, token: { id: 'tok_1' } });
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

test('without a channel there is no stream, and everything else works; the first channel opens one', async () => {
	const { server, streams } = await streaming(({ url }) => (url.pathname.endsWith('/messages') ? [200, { position: 'a-1' }] : null));
	const made = client(server, { token: 'tgt_x' });
	await made.connect();
	assert.equal((await made.publish('room', 'said', 1)).position, 'a-1');
	assert.equal(streams.length, 0);
	const room = made.subscribe('room', { rewind: { last: 5 } });
	const first = await stream(streams, 0);
	assert.equal(first.url.searchParams.get('rewind'), '5');
	first.send('connected', CONNECTED);
	first.send('subscribed', entry('room', 'a-0', { recovered: true }));
	await room.ready;
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
