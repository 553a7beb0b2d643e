//! The states of a client, every transition of docs/sdk/typescript.md, on virtual time.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { TollgateError } from '../dist/esm/client/index.js';
import { Bench, CONNECTED } from './lib/bench.mjs';

const same = (got, ...want) => assert.deepEqual(got, want);

test('an anonymous client connects without asking for anything', () => {
	const bench = new Bench();
	same(bench.did((machine, now) => machine.connect(now)), 'connecting', 'open websocket');
	same(bench.did((machine, now) => machine.opened(now, bench.socket)), '> {"id":1,"connect":{"project":"project_x","sdk":"tollgate-js/test"}}');
	same(bench.reply(CONNECTED), 'connected');
	same(bench.did((machine, now) => machine.connect(now)));
});

test('a provider is asked first, and not again for a connection that just broke', () => {
	const bench = new Bench({ provider: true, token: undefined });
	same(bench.did((machine, now) => machine.connect(now)), 'needs_token', 'ask for a token');
	same(bench.did((machine, now) => machine.provided(now, bench.flight, 'tgt_1')), 'connecting', 'open websocket');
	same(bench.did((machine, now) => machine.opened(now, bench.socket)),
		'> {"id":1,"connect":{"project":"project_x","token":"tgt_1","sdk":"tollgate-js/test"}}');
	bench.reply({ ...CONNECTED, direct: '5a-7', channels: [{ channel: 'room', type: 'private', state: {}, version: 1, position: 'a-4' }] });
	same(bench.lost(1006), 'waiting: connection_lost later');
	same(bench.pass(250), 'connecting', 'open websocket');
	same(bench.did((machine, now) => machine.opened(now, bench.socket)),
		'> {"id":1,"connect":{"project":"project_x","token":"tgt_1","sdk":"tollgate-js/test","session":"ses_1","direct":"5a-7","positions":{"room":"a-4"}}}');
});

test('after 41xx the provider is asked again before each try', () => {
	const bench = new Bench({ provider: true });
	bench.did((machine, now) => machine.connect(now));
	bench.did((machine, now) => machine.provided(now, bench.flight, 'tgt_1'));
	bench.again();
	for (const wait of [250, 500, 1_000]) {
		same(bench.lost(4101, 'token_expired'), 'waiting: token_expired auth');
		same(bench.pass(wait - 1));
		same(bench.pass(1), 'needs_token', 'ask for a token');
		same(bench.did((machine, now) => machine.provided(now, bench.flight, 'tgt_2')), 'connecting', 'open websocket');
		bench.did((machine, now) => machine.opened(now, bench.socket));
		same(bench.refuse({ code: 'token_expired', retry: 'auth' }));
	}
	same(bench.lost(4101), 'waiting: token_expired auth');
});

test('after 41xx a fixed token, or none, is the end', () => {
	for (const options of [{ token: 'tgt_1' }, {}]) {
		const bench = new Bench(options);
		bench.up();
		same(bench.lost(4102, 'token_revoked'), 'closed: token_revoked auth');
		same(bench.pass(1_000_000));
	}
});

test('after 42xx there is no other try, but connect() begins again', () => {
	const bench = new Bench();
	bench.up();
	bench.call('publish', {});
	same(bench.lost(4202, 'refused'), '1 failed connection_lost later', 'closed: refused never');
	same(bench.pass(1_000_000));
	same(bench.call('publish', {}), '2 failed closed never');
	same(bench.did((machine, now) => machine.connect(now)), 'connecting', 'open websocket');
});

test('tries grow further apart, and start again when a connection lasted ten seconds', () => {
	const bench = new Bench();
	bench.did((machine, now) => machine.connect(now));
	for (const wait of [250, 500, 1_000, 2_000, 4_000, 8_000, 15_000, 15_000]) {
		bench.lost(1006);
		same(bench.pass(wait - 1));
		same(bench.pass(1), 'connecting', 'open websocket');
	}
	bench.again();
	bench.pass(9_999);
	bench.lost(1006);
	same(bench.pass(14_999));
	same(bench.pass(1), 'connecting', 'open websocket');
	bench.again();
	bench.pass(10_000);
	bench.lost(4000);
	same(bench.pass(2_499));
	same(bench.pass(1), 'connecting', 'open websocket');
});

test('a connection that is not made within 15 seconds is given up', () => {
	const bench = new Bench();
	bench.did((machine, now) => machine.connect(now));
	same(bench.pass(14_999));
	same(bench.pass(1), 'close 1006 connect_timeout', 'waiting: connection_lost later');
	assert.equal(bench.machine.counters.losses, 1);
});

test('silence for ping_ms + timeout_ms is the end of a connection; any frame breaks it', () => {
	const bench = new Bench();
	bench.up();
	same(bench.pass(34_999));
	same(bench.hear('{}'), '> {}');
	same(bench.pass(34_999));
	same(bench.pass(1), 'close 1006 silent', 'waiting: connection_lost later');
});

test('a nudge cuts waiting short, once in a second, and asks a connected server for a sign of life', () => {
	const bench = new Bench();
	bench.up();
	bench.lost(1006);
	bench.pass(250);
	bench.lost(1006);
	bench.pass(500);
	bench.lost(1006);
	bench.pass(1_000);
	bench.lost(1006);
	same(bench.did((machine, now) => machine.nudge(now)));
	same(bench.pass(999));
	same(bench.pass(1), 'connecting', 'open websocket');
	same(bench.did((machine, now) => machine.nudge(now)));
	bench.lost(1006);
	same(bench.pass(999));
	same(bench.pass(1), 'connecting', 'open websocket');
	bench.lost(1006);
	bench.pass(1_500);
	same(bench.did((machine, now) => machine.nudge(now)), 'connecting', 'open websocket');
	bench.again();
	same(bench.did((machine, now) => machine.nudge(now)), '> {"id":2,"ping":{}}');
	same(bench.did((machine, now) => machine.nudge(now)));
	same(bench.refuse({ code: 'unknown_request' }, 2));
	same(bench.pass(6_000));
	same(bench.did((machine, now) => machine.nudge(now)), '> {"id":3,"ping":{}}');
	same(bench.pass(5_000), 'close 1006 silent', 'waiting: connection_lost later');
});

test('after a sleep a nudge finds the silence at once', () => {
	const bench = new Bench();
	bench.up();
	bench.now += 3_600_000;
	same(bench.did((machine, now) => machine.nudge(now)), 'close 1006 silent', 'waiting: connection_lost later');
});

test('an early token: asked for when its end is announced, exchanged in place', () => {
	const bench = new Bench({ provider: true });
	bench.did((machine, now) => machine.connect(now));
	bench.did((machine, now) => machine.provided(now, bench.flight, 'tgt_1'));
	bench.again({ token: { id: 'tok_1', user: 'ann', expires_in_ms: 60_000 } });
	same(bench.hear({ push: 'expiring', in_ms: 12_000 }), 'ask for a token');
	same(bench.hear({ push: 'expiring', in_ms: 11_000 }));
	same(bench.did((machine, now) => machine.provided(now, bench.flight, 'tgt_2')), '> {"id":2,"renew":{"token":"tgt_2"}}');
	same(bench.reply({ token: { id: 'tok_1', user: 'ann', expires_in_ms: 3_600_000 } }));
	assert.deepEqual(bench.machine.token, { id: 'tok_1', user: 'ann', expires_in_ms: 3_600_000 });
	bench.lost(1006);
	bench.pass(250);
	bench.did((machine, now) => machine.opened(now, bench.socket));
	assert.equal(bench.sent.connect.token, 'tgt_2');
});

test('a renewal that failed is tried again, with a new token', () => {
	const bench = new Bench({ provider: true });
	bench.did((machine, now) => machine.connect(now));
	bench.did((machine, now) => machine.provided(now, bench.flight, 'tgt_1'));
	bench.again();
	bench.hear({ push: 'expiring', in_ms: 12_000 });
	const failed = new TollgateError('token_provider_failed', 'no', 'later');
	same(bench.did((machine, now) => machine.provided(now, bench.flight, failed)));
	same(bench.pass(250), 'ask for a token');
	bench.did((machine, now) => machine.provided(now, bench.flight, 'tgt_2'));
	same(bench.refuse({ code: 'invalid_auth', retry: 'auth' }));
	same(bench.pass(500), 'ask for a token');
});

test('a fixed token is not renewed', () => {
	const bench = new Bench({ token: 'tgt_1' });
	bench.up();
	same(bench.hear({ push: 'expiring', in_ms: 12_000 }));
});

test('a token whose time is over is not tried again', () => {
	const bench = new Bench({ provider: true });
	bench.did((machine, now) => machine.connect(now));
	bench.did((machine, now) => machine.provided(now, bench.flight, 'tgt_1'));
	bench.again({ token: { id: 'tok_1', expires_in_ms: 20_000 } });
	bench.pass(20_000);
	bench.lost(1006);
	same(bench.pass(250), 'needs_token', 'ask for a token');
});

test('a provider that fails is asked again later; one that says never is not', () => {
	const bench = new Bench({ provider: true });
	bench.did((machine, now) => machine.connect(now));
	const later = new TollgateError('token_provider_failed', 'no', 'later');
	same(bench.did((machine, now) => machine.provided(now, bench.flight, later)), 'waiting: token_provider_failed later');
	same(bench.pass(250), 'needs_token', 'ask for a token');
	const never = new TollgateError('logged_out', 'no', 'never');
	same(bench.did((machine, now) => machine.provided(now, bench.flight, never)), 'closed: logged_out never');
});

test('a provider that gives nothing for 30 seconds has failed, and what it gives after that is not taken', () => {
	const bench = new Bench({ provider: true });
	bench.did((machine, now) => machine.connect(now));
	const first = bench.flight;
	same(bench.pass(29_999));
	same(bench.pass(1), 'waiting: timeout later');
	same(bench.did((machine, now) => machine.provided(now, first, 'tgt_late')));
});

test('close() ends it in every state, and leaves nothing to wake up for', () => {
	const states = {
		idle: () => {},
		needs_token: (bench) => bench.did((machine, now) => machine.connect(now)),
		connecting: (bench) => {
			bench.did((machine, now) => machine.connect(now));
			bench.did((machine, now) => machine.provided(now, bench.flight, 'tgt_1'));
		},
		connected: (bench) => {
			states.connecting(bench);
			bench.again();
			bench.call('history', {});
		},
		waiting: (bench) => {
			states.connected(bench);
			bench.lost(1006);
		},
	};
	for (const [state, reach] of Object.entries(states)) {
		const bench = new Bench({ provider: true });
		bench.call('publish', {});
		reach(bench);
		assert.equal(bench.machine.state, state);
		const did = bench.did((machine) => machine.close());
		assert.ok(did.includes('closed'), state);
		assert.ok(did.some((line) => line.startsWith('1 failed closed never')) || state === 'connected' || state === 'waiting', `${state}: ${did}`);
		assert.equal(bench.machine.wakeAt(), Infinity, state);
		same(bench.did((machine) => machine.close()));
	}
});

test('frames that are none end the connection; pushes nobody knows do not', () => {
	for (const nonsense of ['', 'x', '[]', '1', '{"id":1}', '{"id":"1","ok":{}}']) {
		const bench = new Bench();
		bench.up();
		same(bench.hear(nonsense), 'close 1006 nonsense', 'waiting: connection_lost later');
	}
	const bench = new Bench();
	bench.up();
	same(bench.hear({ push: 'of_tomorrow', x: 1 }));
	same(bench.hear({ id: 77, ok: {} }));
	assert.equal(bench.machine.counters.strays, 1);
});

test('nothing of an old socket is heard', () => {
	const bench = new Bench();
	bench.up();
	const old = bench.socket;
	bench.lost(1006);
	bench.pass(250);
	same(bench.did((machine, now) => machine.frame(now, old, '{}')));
	same(bench.did((machine, now) => machine.lost(now, old, { code: 4202, reason: '' })));
	same(bench.did((machine, now) => machine.opened(now, old)));
});

test('after three WebSockets that did not open, SSE, if that is allowed; a WebSocket is tried again after each', () => {
	const bench = new Bench({ sseAfter: 3 });
	same(bench.did((machine, now) => machine.connect(now)), 'connecting', 'open websocket');
	for (const kind of ['websocket', 'websocket', 'sse']) {
		bench.lost(1006);
		same(bench.next(), 'connecting', `open ${kind}`);
	}
	bench.again();
	bench.lost(1006);
	same(bench.next(), 'connecting', 'open websocket');
	bench.lost(1006);
	same(bench.next(), 'connecting', 'open sse');
});
