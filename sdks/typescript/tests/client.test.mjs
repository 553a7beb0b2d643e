//! The shell in Node against a server of the tests' own: promises, listeners, readers, tokens, sockets, and what is left after close().

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { afterEach, test } from 'node:test';
import { until } from '../../../conformance/lib/wait.mjs';
import { Client, TollgateError } from '../dist/esm/client/index.js';
import { CONNECTED } from './lib/bench.mjs';
import { Fake, plain } from './lib/fake.mjs';

const opened = [];
afterEach(async () => {
	for (const close of opened.splice(0).reverse()) await close();
});

async function fake(options = { answer: plain }) {
	const server = await Fake.start(options);
	opened.push(() => server.stop());
	return server;
}

function client(server, options = {}) {
	const made = new Client({ url: server.url, project: 'project_x', ...options });
	opened.push(() => made.close());
	return made;
}

const refused = (code, retry) => (error) => {
	assert.ok(error instanceof TollgateError, `${error}`);
	assert.deepEqual([error.code, error.retry], [code, retry]);
	return true;
};

const message = (offset, event = 'said', more = {}) => ({ push: 'message', channel: 'room', offset, event, data: { n: offset }, at: 1, ...more });

test('a subscription hears messages by all, by event, and by for await, which ends with it', async () => {
	const server = await fake();
	const made = client(server);
	const room = made.subscribe('room');
	assert.equal(made.subscribe('room'), room);
	const [all, said, mine] = [[], [], []];
	room.on('message', ({ offset }) => all.push(offset));
	const off = room.onEvent('said', ({ data, position }) => said.push([data.n, position]));
	made.on('message', ({ offset }) => mine.push(offset));
	const reading = (async () => {
		const read = [];
		for await (const { offset } of room) read.push(offset);
		return read;
	})();
	await made.connect();
	await room.ready;
	assert.deepEqual([room.status, room.type, room.position, room.version], ['active', 'public', 'a-0', 0]);
	server.last.send(message(1));
	server.last.send(message(2, 'typing'));
	await until('both', () => all.length === 2);
	off();
	server.last.send(message(3));
	await until('the third', () => all.length === 3);
	await room.unsubscribe();
	server.last.send(message(4));
	assert.deepEqual([await reading, all, said, mine], [[1, 2, 3], [1, 2, 3], [[1, 'a-1']], [1, 2, 3]]);
	assert.equal(room.status, 'ended');
});

test('a listener that throws keeps nobody from hearing', async () => {
	const server = await fake();
	const made = client(server);
	const heard = [];
	const uncaught = [];
	const catches = (error) => uncaught.push(error.message);
	const before = process.listeners('uncaughtException');
	process.removeAllListeners('uncaughtException');
	process.on('uncaughtException', catches);
	made.subscribe('room').on('message', () => {
		throw new Error('of the application');
	});
	made.subscribe('room').on('message', () => heard.push(1));
	await made.connect();
	await made.subscribe('room').ready;
	server.last.send(message(1));
	await until('it is heard, and the error comes out', () => heard.length === 1 && uncaught.length === 1);
	process.removeListener('uncaughtException', catches);
	for (const listener of before) process.on('uncaughtException', listener);
	assert.deepEqual(uncaught, ['of the application']);
});

test('a reader that falls behind is told so, after what it could keep', async () => {
	const server = await fake();
	const made = client(server);
	const room = made.subscribe('room');
	const reader = room[Symbol.asyncIterator]();
	await made.connect();
	await room.ready;
	for (let offset = 1; offset <= 4_200; offset += 1) server.last.send(message(offset));
	await until('all were heard', () => room.position === 'a-4200');
	for (let offset = 1; offset <= 4_096; offset += 1) assert.equal((await reader.next()).value.offset, offset);
	await assert.rejects(reader.next(), refused('reader_too_slow', 'never'));
	assert.equal((await reader.next()).done, true);
});

test('the provider is asked once by whoever wants a token, and its own words stay its own', async () => {
	let asked = 0;
	const secret = 'tgt_0123456789abcdef0123456789';
	const server = await fake({ answer: (name, body) => (name === 'connect' && body.token !== secret ? undefined : plain(name, body)) });
	const refusals = [];
	const provider = async ({ refused: isRefused }) => {
		refusals.push(isRefused);
		asked += 1;
		if (asked === 1) throw new Error(`cannot use ${secret}`);
		return secret;
	};
	const made = client(server, { token: provider });
	const errors = [];
	made.on('state', ({ error }) => error && errors.push(error));
	await made.connect();
	assert.equal(asked, 2);
	assert.deepEqual(errors.map(({ code, retry }) => [code, retry]), [['token_provider_failed', 'later']]);
	assert.ok(!JSON.stringify([errors, errors.map(String)]).includes(secret));
	server.last.send({ push: 'expiring', in_ms: 1 });
	server.last.send({ push: 'expiring', in_ms: 1 });
	await until('a renewal', () => server.requests.some(({ name }) => name === 'renew'));
	assert.equal(asked, 3);
	server.last.close(4102);
	await until('another token', () => asked === 4 && made.state === 'connected');
	assert.deepEqual(refusals, [false, false, false, true]);
});

test('errors have no token in them, wherever their text is from', () => {
	const secrets = ['tgt_0123456789abcdef', 'ptk_abcdefghijk', 'leap_token_abcdefgh', 'eyJhbGciOi.eyJzdWIiOi.c2lnbmF0dXJl'];
	for (const secret of secrets) {
		const { message: text } = new TollgateError('x', `no: ${secret}, really`, 'never');
		assert.ok(!text.includes(secret) && text.startsWith('no: ') && text.endsWith(', really'), text);
	}
});

test('publishing has an id, draws one, keeps it over a reconnect, and says what came of it', async () => {
	const ids = [];
	const answer = (name, body) => {
		if (name !== 'publish') return plain(name, body);
		ids.push(body.id);
		return ids.length === 1 ? undefined : { ok: { position: 'a-7', duplicate: true } };
	};
	const server = await fake({ answer });
	const made = client(server);
	await made.connect();
	const publishing = made.publish('room', 'said', { text: 'hello' });
	await until('it is sent', () => ids.length === 1);
	server.last.socket.destroy();
	assert.deepEqual(await publishing, { position: 'a-7', duplicate: true, conflated: false });
	assert.match(ids[0], /^[0-9a-f]{32}$/);
	assert.equal(ids[1], ids[0]);
	await made.publish('room', 'said', null, { id: 'mine', echo: false, key: 'k' });
	assert.deepEqual(server.requests.at(-1).body, { channel: 'room', event: 'said', data: null, id: 'mine', echo: false, key: 'k' });
});

test('batches, states, presence, history and direct messages, each in its words', async () => {
	const replies = {
		batch: { results: [{ position: 'a-1' }, { error: { code: 'not_granted', message: 'no', retry: 'auth' } }] },
		state: { version: 4 },
		presence: { count: 2, members: [{ member: 'ann', since_at: 1 }] },
	};
	const answer = (name, body) => {
		if (name === 'connect') return { ok: { ...plain(name).ok, direct: '5a-7' } };
		if (name === 'presence' && body.limit === 1_000) {
			return { ok: body.after ? { count: 2, members: [{ member: 'ben', since_at: 1 }] } : { count: 2, members: [{ member: 'ann', since_at: 1 }], next: 'ann' } };
		}
		if (name === 'history') {
			const offset = body.after ? Number(body.after.split('-')[1]) + 1 : 1;
			const messages = [{ offset, event: 'said', data: offset, at: 1 }];
			return { ok: { messages, position: 'a-3', ...(offset < 3 && { next: `a-${offset}` }) } };
		}
		return replies[name] ? { ok: replies[name] } : plain(name, body);
	};
	const server = await fake({ answer });
	const made = client(server);
	const directs = [];
	made.on('direct', (direct) => directs.push(direct));
	await made.connect();
	const [good, bad] = await made.batch([{ channel: 'a', event: 'x', data: 1 }, { channel: 'b', event: 'x', data: 2 }]);
	assert.deepEqual([good.position, bad.error.code, bad.error.retry], ['a-1', 'not_granted', 'auth']);
	assert.deepEqual(await made.mergeState('room', { n: 1 }, { ifVersion: 3 }), { version: 4 });
	assert.deepEqual(server.requests.at(-1).body, { channel: 'room', merge: { n: 1 }, if_version: 3 });
	assert.equal(await made.count('room'), 2);
	const there = [];
	for await (const { member } of made.members('room')) there.push(member);
	assert.deepEqual(there, ['ann', 'ben']);
	const read = [];
	for await (const { position, data } of made.messages('room')) read.push([position, data]);
	assert.deepEqual(read, [['a-1', 1], ['a-2', 2], ['a-3', 3]]);
	server.last.send({ push: 'direct', offset: 8, event: 'hi', data: 1, at: 5 });
	await until('the direct message', () => directs.length === 1);
	assert.deepEqual([directs[0].event, directs[0].position], ['hi', '5a-8']);
	await directs[0].ack();
	assert.deepEqual(server.requests.at(-1), { name: 'ack', body: { direct: '5a-8' } });
});

test('a gap can be read as far as it is kept', async () => {
	let entries = 0;
	const answer = (name, body) => {
		if (name === 'subscribe') {
			entries += 1;
			const ok = { channel: 'room', type: 'public', state: {}, version: 0 };
			return { ok: entries === 1 ? { ...ok, position: 'a-2' } : { ...ok, position: 'a-9', recovered: false } };
		}
		if (name !== 'history') return plain(name, body);
		if (body.after) return { error: { code: 'position_lost', message: 'gone', retry: 'never', position: 'a-9' } };
		return { ok: { messages: [7, 8, 9, 10].map((offset) => ({ offset, event: 'e', data: offset, at: 1 })), position: 'a-10' } };
	};
	const server = await fake({ answer });
	const made = client(server);
	const gaps = [];
	made.subscribe('room').on('gap', (gap) => gaps.push(gap));
	await made.connect();
	await made.subscribe('room').ready;
	server.last.socket.destroy();
	const gap = await until('the gap', () => gaps[0]);
	assert.deepEqual([gap.from, gap.to], ['a-2', 'a-9']);
	const read = [];
	for await (const { offset } of gap.messages()) read.push(offset);
	assert.deepEqual(read, [7, 8, 9]);
});

test('a refusal rejects `ready`, ends the subscription, and says why', async () => {
	const answer = (name, body) => (name === 'subscribe' ? { error: { code: 'not_granted', message: 'no', retry: 'auth' } } : plain(name, body));
	const made = client(await fake({ answer }));
	const room = made.subscribe('room');
	const told = [];
	room.on('unsubscribed', ({ reason, error }) => told.push([reason, error.code]));
	await made.connect();
	await assert.rejects(room.ready, refused('not_granted', 'auth'));
	assert.deepEqual([told, room.status], [[['refused', 'not_granted']], 'ended']);
});

test('long messages, in pieces and of many bytes, arrive whole both ways', async () => {
	const server = await fake();
	const made = client(server);
	const room = made.subscribe('room');
	const heard = [];
	room.on('message', ({ data }) => heard.push(data));
	await made.connect();
	await room.ready;
	for (const [at, length] of [125, 126, 65_535, 65_536, 300_000].entries()) {
		const text = 'ä'.repeat(length);
		server.last.send(message(at + 1, 'e', { data: text }));
		await until('it', () => heard.length === at + 1);
		assert.equal(heard[at], text);
		await made.publish('room', 'e', text);
		assert.equal(server.requests.at(-1).body.data, text);
	}
	const bytes = Buffer.from(JSON.stringify(message(6)));
	const cut = (op, final, payload) => Buffer.concat([Buffer.from([(final ? 0x80 : 0) | op, payload.length]), payload]);
	for (const piece of [cut(1, false, bytes.subarray(0, 40)), cut(9, true, Buffer.from('?')), cut(0, true, bytes.subarray(40))]) {
		for (const byte of piece) server.last.socket.write(Buffer.from([byte]));
	}
	await until('the pieces', () => heard.length === 6);
});

test('frames that break the WebSocket rules end the connection, and it comes back', async () => {
	const server = await fake();
	const broken = [[0x83, 0], [0xc1, 0], [0x81, 0x80, 0, 0, 0, 0], [0x80, 0], [0x81, 2, 0xc3, 0x28], [0x81, 127, 0, 0, 0, 0xff, 0, 0, 0, 0]];
	for (const bytes of broken) {
		const made = client(server);
		await made.connect();
		const before = server.connections.length;
		server.last.socket.write(Buffer.from(bytes));
		await until(`another connection after ${bytes}`, () => server.connections.length > before && made.state === 'connected');
		made.close();
	}
});

test('who is too large is told here, and the connection lives', async () => {
	const made = client(await fake());
	await made.connect();
	await assert.rejects(made.publish('room', 'e', 'x'.repeat(1_100_000)), refused('payload_too_large', 'never'));
	assert.equal(made.state, 'connected');
});

test('connect() rejects when there is no sense in another try', async () => {
	const server = await fake({ answer: (name, body, connection) => void (connection.send({ id: 1, error: { code: 'user_banned', message: 'banned', retry: 'auth' } }), connection.close(4202)) });
	await assert.rejects(client(server, { token: 'tgt_x' }).connect(), refused('user_banned', 'auth'));
	assert.throws(() => new Client({ url: 'ftp://x', project: 'p' }), /http/);
});

test('only close() says goodbye: a connection that is given up ends without a word, which could come late', async () => {
	const server = await fake();
	const made = client(server);
	await made.connect();
	const first = server.last;
	const ends = new Map();
	first.socket.on('end', () => ends.set(first, first.closed));
	first.send('no frame of the protocol');
	await until('the end of it', () => ends.has(first));
	await until('the next', () => server.last !== first && made.state === 'connected');
	const { last } = server;
	last.socket.on('end', () => ends.set(last, last.closed));
	made.close();
	await until('the goodbye', () => ends.has(last));
	assert.deepEqual([ends.get(first), ends.get(last)], [undefined, 1000]);

	// The platform's WebSocket has no end without a word; it has one without a code.
	const closed = [];
	const sockets = [];
	class Socket {
		constructor() {
			this.readyState = 1;
			sockets.push(this);
			queueMicrotask(() => this.onopen());
		}
		send(text) {
			if ('connect' in JSON.parse(text)) queueMicrotask(() => this.onmessage({ data: JSON.stringify({ id: 1, ok: CONNECTED }) }));
		}
		close(...args) {
			closed.push(args);
		}
	}
	const other = client(server, { WebSocket: Socket });
	await other.connect();
	sockets[0].onmessage({ data: 'no frame of the protocol' });
	await until('the next', () => sockets.length === 2 && other.state === 'connected');
	other.close();
	assert.deepEqual(closed, [[], [1000, 'closed']]);
});

test('after close() a process ends by itself, whatever was under way', async () => {
	const server = await fake();
	for (const [what, code] of [
		['connected', 'await client.connect(); client.subscribe("room"); client.publish("room", "e", 1).catch(() => {}); client.close();'],
		['connecting', 'client.connect().catch(() => {}); client.close();'],
		['waiting', 'client.connect().catch(() => {}); client.on("state", ({ state }) => state === "waiting" && client.close());'],
		['never connected', ''],
	]) {
		const url = what === 'waiting' ? 'http://127.0.0.1:9' : server.url;
		const script = `import { Client } from ${JSON.stringify(new URL('../dist/esm/client/index.js', import.meta.url).href)};
			const client = new Client({ url: ${JSON.stringify(url)}, project: 'p' }); ${code}`;
		// The server has to answer meanwhile, so this does not block.
		const { spawn } = await import('node:child_process');
		const child = spawn(process.execPath, ['--input-type=module', '-e', script], { stdio: ['ignore', 'inherit', 'inherit'] });
		let ended;
		child.on('exit', (status) => {
			ended = status;
		});
		await until(`the end of one that was ${what}`, () => ended !== undefined, { within: 15_000 });
		assert.equal(ended, 0, what);
	}
});

test('both module systems have all entry points', () => {
	const names = (kind, text) => {
		const { stdout, stderr } = spawnSync(process.execPath, [`--input-type=${kind}`, '-e', text], { encoding: 'utf8', cwd: new URL('..', import.meta.url) });
		assert.equal(stderr, '');
		return stdout.trim();
	};
	for (const entry of ['tollgate', 'tollgate/client', 'tollgate/server']) {
		const wanted = { 'tollgate/client': 'Client', 'tollgate/server': 'Server', tollgate: 'Client' }[entry];
		assert.equal(names('module', `import { ${wanted} } from '${entry}'; console.log(typeof ${wanted})`), 'function');
		assert.equal(names('commonjs', `console.log(typeof require('${entry}').${wanted})`), 'function');
	}
});
