//! Calls on virtual time: waiting, limits, deadlines, and what happens to them when the connection ends.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Bench, CONNECTED } from './lib/bench.mjs';

const same = (got, ...want) => assert.deepEqual(got, want);
const limits = (requests) => ({ limits: { ...CONNECTED.limits, requests } });

test('before there is a connection so many wait, and no more', () => {
	const bench = new Bench();
	for (let n = 0; n < 4; n += 1) same(bench.call('publish', { n }));
	same(bench.call('publish', { n: 4 }), '5 failed queue_full later');
	assert.deepEqual(bench.up().length, 5);
	same(bench.call('publish', { n: 5 }), '> {"id":6,"publish":{"n":5}}');
});

test('no more are on their way than the server allows', () => {
	const bench = new Bench();
	bench.up(limits(2));
	same(bench.call('a', {}), '> {"id":2,"a":{}}');
	same(bench.call('b', {}), '> {"id":3,"b":{}}');
	same(bench.call('c', {}));
	same(bench.reply({}, 3), '2 ok {}', '> {"id":4,"c":{}}');
	same(bench.reply({}, 2), '1 ok {}');
});

test('each has its deadline, waiting or sent; a late reply is nobody\'s, and its number is not free before', () => {
	const bench = new Bench();
	same(bench.call('waits', {}, { timeoutMs: 10 }));
	same(bench.pass(9));
	same(bench.pass(1), '1 failed timeout later');
	bench.up(limits(1));
	same(bench.call('sent', {}, { timeoutMs: 10 }), '> {"id":2,"sent":{}}');
	same(bench.call('behind', {}, { timeoutMs: 1_000 }));
	same(bench.pass(10), '2 failed timeout later');
	same(bench.reply({}, 2), '> {"id":3,"behind":{}}');
	assert.equal(bench.machine.counters.strays, 1);
});

test('what may be sent again is, first and in its order; the rest is told that nobody knows', () => {
	const bench = new Bench();
	bench.up();
	bench.call('publish', { id: 'x' }, { resendMs: 110_000 });
	bench.call('state', {});
	bench.call('publish', { id: 'y' }, { resendMs: 110_000 });
	same(bench.lost(1006), '2 failed connection_lost later', 'waiting: connection_lost later');
	same(bench.call('publish', { id: 'z' }, { resendMs: 110_000 }));
	bench.next();
	same(bench.again(), 'connected', '> {"id":2,"publish":{"id":"x"}}', '> {"id":3,"publish":{"id":"y"}}', '> {"id":4,"publish":{"id":"z"}}');
	same(bench.reply({ position: 'a-1', duplicate: true }, 2), '1 ok {"position":"a-1","duplicate":true}');
});

test('what was sent is sent again before what still waits', () => {
	const bench = new Bench();
	bench.up(limits(1));
	same(bench.call('publish', { id: 'x' }, { resendMs: 110_000 }), '> {"id":2,"publish":{"id":"x"}}');
	same(bench.call('publish', { id: 'y' }, { resendMs: 110_000 }));
	bench.lost(1006);
	bench.next();
	same(bench.again(limits(2)), 'connected', '> {"id":2,"publish":{"id":"x"}}', '> {"id":3,"publish":{"id":"y"}}');
});

test('an id is good for two minutes: what was sent longer ago is not sent again', () => {
	const bench = new Bench();
	bench.up();
	bench.call('publish', {}, { resendMs: 110_000, timeoutMs: 1_000_000 });
	for (let pings = 0; pings < 5; pings += 1) {
		bench.pass(22_000);
		bench.hear('{}');
	}
	same(bench.lost(1006), '1 failed connection_lost later', 'waiting: connection_lost later');
});

test('what is too long for the server is refused here, and never ends a connection', () => {
	const bench = new Bench();
	same(bench.call('publish', { data: 'x'.repeat(2_000) }, { resendMs: 110_000 }));
	same(bench.call('publish', { data: 'ä'.repeat(490) }));
	same(bench.up({ limits: { ...CONNECTED.limits, message_bytes: 1_024 } }).map((line) => line.slice(0, 40)),
		'connected', '1 failed payload_too_large never', `> {"id":2,"publish":{"data":"${'ä'.repeat(11)}`);
	same(bench.call('publish', { data: 'ä'.repeat(500) }), '3 failed payload_too_large never');
});

test('errors come through with all that they say', () => {
	const bench = new Bench();
	bench.up();
	bench.call('state', {});
	bench.machine.frame(bench.now, bench.socket, JSON.stringify({
		id: 2, error: { code: 'version_mismatch', message: 'at 4', retry: 'never', version: 4, position: 'a-1', retry_after_ms: 5 },
	}));
	const [{ error }] = bench.machine.take();
	const { code, message, retry, version, position, retryAfterMs } = error;
	assert.deepEqual({ code, message, retry, version, position, retryAfterMs },
		{ code: 'version_mismatch', message: 'at 4', retry: 'never', version: 4, position: 'a-1', retryAfterMs: 5 });
});
