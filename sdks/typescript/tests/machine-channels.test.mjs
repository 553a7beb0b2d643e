//! Channels on virtual time: order, completeness, resuming, gaps, and everything that may happen at an awkward moment.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Bench } from './lib/bench.mjs';

const same = (got, ...want) => assert.deepEqual(got, want);
const room = (more = {}) => ({ channel: 'room', type: 'public', state: {}, version: 0, position: 'a-4', ...more });

/** An anonymous client in `room`, at a-4. */
function inRoom(options = {}, ok = {}) {
	const bench = new Bench(options);
	bench.subscribe('room');
	bench.up(ok);
	bench.reply(room());
	return bench;
}

/** A client with a token that is subscribed by the server, at a-4. */
function durable() {
	const bench = new Bench({ token: 'tgt_1' });
	bench.subscribe('room');
	bench.up({ channels: [room()] });
	return bench;
}

test('who subscribes and then publishes, before it is connected, hears its own message', () => {
	const bench = new Bench();
	same(bench.call('publish', { channel: 'room' }));
	same(bench.subscribe('room'));
	same(bench.up(), 'connected', '> {"id":2,"subscribe":{"channel":"room"}}', '> {"id":3,"publish":{"channel":"room"}}');
	same(bench.reply(room(), 2), 'room state 0 {}', 'room subscribed a-4');
	same(bench.message('room', 5), 'room message a-5 5');
	same(bench.reply({ position: 'a-5' }, 3), '1 ok {"position":"a-5"}');
});

test('what came before is dropped and counted, as is what nobody asked for', () => {
	const bench = inRoom();
	same(bench.message('room', 5), 'room message a-5 5');
	same(bench.message('room', 5));
	same(bench.message('room', 1));
	same(bench.message('elsewhere', 1));
	same(bench.hear({ push: 'message', channel: 'room', event: 'e' }));
	const { duplicates, strays } = bench.machine.counters;
	assert.deepEqual({ duplicates, strays }, { duplicates: 2, strays: 2 });
});

test('a hole makes the client enter again at its position; nothing is handed out until then', () => {
	const bench = inRoom();
	bench.message('room', 5);
	same(bench.message('room', 7), '> {"id":3,"subscribe":{"channel":"room","position":"a-5"}}');
	same(bench.message('room', 8));
	same(bench.reply(room({ position: 'a-5', recovered: true })), 'room subscribed a-5');
	for (const offset of [6, 7, 8]) same(bench.message('room', offset), `room message a-${offset} ${offset}`);
	const { holes, deferred, gaps } = bench.machine.counters;
	assert.deepEqual({ holes, deferred, gaps }, { holes: 1, deferred: 1, gaps: 0 });
});

test('an anonymous client names its positions in new requests', () => {
	const bench = inRoom();
	bench.message('room', 5);
	bench.lost(4001);
	bench.next();
	bench.did((machine, now) => machine.opened(now, bench.socket));
	assert.deepEqual(Object.keys(bench.sent.connect), ['project', 'sdk']);
	same(bench.reply({ connection: 'conn_2', channels: [] }), 'connected', '> {"id":2,"subscribe":{"channel":"room","position":"a-5"}}');
	same(bench.reply(room({ position: 'a-5', recovered: true })), 'room subscribed a-5');
	same(bench.message('room', 6), 'room message a-6 6');
});

test('a token names them when it connects, and hears nothing of a channel before `subscribed`', () => {
	const bench = durable();
	bench.message('room', 5);
	bench.lost(1006);
	bench.next();
	bench.did((machine, now) => machine.opened(now, bench.socket));
	assert.deepEqual(bench.sent.connect.positions, { room: 'a-5' });
	same(bench.reply({ channels: [room({ position: 'a-9', resuming: true })] }), 'connected');
	same(bench.message('room', 9));
	same(bench.hear({ push: 'subscribed', ...room({ position: 'a-5', recovered: true }) }), 'room subscribed a-5');
	same(bench.message('room', 6), 'room message a-6 6');
});

test('a lost position is told once, before anything after it', () => {
	const bench = durable();
	bench.message('room', 5);
	bench.lost(1006);
	bench.next();
	bench.again({ channels: [room({ position: 'b-0', resuming: true })] });
	same(bench.hear({ push: 'subscribed', ...room({ position: 'b-3', recovered: false }) }), 'room gap a-5 b-3', 'room subscribed b-3');
	same(bench.message('room', 4), 'room message b-4 4');
	assert.equal(bench.machine.counters.gaps, 1);
});

test('a server that says it is whole and begins further on is not believed', () => {
	const bench = durable();
	bench.lost(1006);
	bench.next();
	bench.again({ channels: [room({ resuming: true })] });
	same(bench.hear({ push: 'subscribed', ...room({ position: 'a-6', recovered: true }) }), 'room gap a-4 a-6', 'room subscribed a-6');
});

test('a channel whose position the server did not hear of is entered there by itself; nothing is handed out until then', () => {
	const bench = durable();
	bench.lost(1006);
	bench.next();
	same(bench.again({ channels: [room({ position: 'a-8' })] }), 'connected', '> {"id":2,"subscribe":{"channel":"room","position":"a-4"}}');
	same(bench.message('room', 9));
	same(bench.reply(room({ position: 'a-4', recovered: true })), 'room subscribed a-4');
	same(bench.message('room', 5), 'room message a-5 5');
	bench.lost(1006);
	bench.next();
	same(bench.again({ channels: [room({ position: 'a-5' })] }), 'connected', 'room subscribed a-5');
});

test('no more positions are named than fit into the first frame', () => {
	const positions = Object.fromEntries(Array.from({ length: 1_024 }, (_, at) => [`${'ä'.repeat(100)}${at}`, `18c3f-${at}`]));
	const bench = new Bench({ token: 'tgt_1', resume: { positions } });
	bench.did((machine, now) => machine.connect(now));
	const [frame] = bench.did((machine, now) => machine.opened(now, bench.socket));
	assert.ok(Buffer.byteLength(frame) > 40_000 && Buffer.byteLength(frame) < 52_000, `${Buffer.byteLength(frame)}`);
	assert.equal(Object.keys(bench.machine.resumePoint().positions).length, 1_024);
});

test('a channel that goes on in a new epoch has lost nothing', () => {
	const bench = inRoom();
	same(bench.hear({ push: 'position', channel: 'room', position: 'b-0' }));
	same(bench.message('room', 1), 'room message b-1 1');
	bench.lost(1006);
	bench.next();
	bench.again();
	same(bench.reply(room({ position: 'c-0', recovered: true })), 'room subscribed c-0');
});

test('a subscription that the server has lost is asked for again; one that nobody asked for has ended', () => {
	const bench = new Bench({ token: 'tgt_1' });
	bench.subscribe('room');
	bench.up({ channels: [room(), room({ channel: 'other' })] });
	bench.lost(1006);
	bench.next();
	same(bench.again({ channels: [] }), 'connected', 'other unsubscribed ended', '> {"id":2,"subscribe":{"channel":"room","position":"a-4"}}');
});

test('an application that comes late to a channel of its token asks for nothing', () => {
	const bench = new Bench({ token: 'tgt_1' });
	same(bench.up({ channels: [room()] }), 'connected', 'room state 0 {}', 'room subscribed a-4');
	same(bench.message('room', 5), 'room message a-5 5');
	same(bench.subscribe('room'));
	same(bench.message('room', 6), 'room message a-6 6');
});

test('own messages without echo are not handed out, whichever connection sent them, and move the position', () => {
	const bench = inRoom();
	same(bench.message('room', 5, { connection: 'conn_1' }));
	bench.lost(1006);
	bench.next();
	bench.again({ connection: 'conn_2' });
	bench.reply(room({ position: 'a-5', recovered: true }));
	same(bench.message('room', 6, { connection: 'conn_1' }));
	same(bench.message('room', 7, { connection: 'conn_2' }));
	same(bench.message('room', 8, { connection: 'conn_of_others' }), 'room message a-8 8');
	assert.equal(bench.machine.counters.echoes, 3);
});

test('a rewind begins in the past, also in a channel that the server subscribed, and is asked for once', () => {
	const bench = new Bench({ token: 'tgt_1' });
	bench.subscribe('room', { rewind: { last: 2 } });
	same(bench.up({ channels: [room()] }), 'connected', 'room state 0 {}', '> {"id":2,"subscribe":{"channel":"room","rewind":{"last":2}}}');
	same(bench.message('room', 5));
	same(bench.reply(room({ position: 'a-3', recovered: true })), 'room subscribed a-3');
	same(bench.message('room', 4), 'room message a-4 4');
	same(bench.message('room', 5), 'room message a-5 5');
	bench.lost(1006);
	bench.next();
	bench.again({ channels: [room({ resuming: true })] });
	same(bench.hear({ push: 'subscribed', ...room({ position: 'a-5', recovered: true }) }), 'room subscribed a-5');
});

test('a position that the application kept is where it begins', () => {
	const bench = new Bench({ resume: { session: 'ses_0', positions: { room: 'a-2' }, direct: '5a-1' }, token: 'tgt_1' });
	bench.subscribe('room');
	bench.subscribe('other', {}, { epoch: 'f', offset: 7 });
	bench.did((machine, now) => machine.connect(now));
	bench.did((machine, now) => machine.opened(now, bench.socket));
	const { session, positions, direct } = bench.sent.connect;
	assert.deepEqual({ session, positions, direct }, { session: 'ses_0', positions: { room: 'a-2', other: 'f-7' }, direct: '5a-1' });
});

test('presence is asked for on every connection, without leaving the channel for it', () => {
	const bench = new Bench({ token: 'tgt_1' });
	bench.subscribe('room', { presence: true, data: { name: 'Ann' } });
	same(bench.up({ channels: [room()] }),
		'connected', 'room state 0 {}', 'room subscribed a-4', '> {"id":2,"subscribe":{"channel":"room","presence":true,"data":{"name":"Ann"}}}');
	same(bench.message('room', 5), 'room message a-5 5');
	same(bench.reply(room({ position: 'a-5' })));
	same(bench.hear({ push: 'presence', channel: 'room', count: 2 }), 'room presence');
	same(bench.message('room', 6), 'room message a-6 6');
	bench.lost(1006);
	bench.next();
	bench.again({ channels: [room({ resuming: true })] });
	same(bench.hear({ push: 'subscribed', ...room({ position: 'a-6', recovered: true }) }),
		'room subscribed a-6', '> {"id":2,"subscribe":{"channel":"room","presence":true,"data":{"name":"Ann"}}}');
});

test('a state is told when it is newer, and as the server has it when a channel is entered', () => {
	const bench = inRoom();
	same(bench.hear({ push: 'state', channel: 'room', state: { n: 2 }, version: 2 }), 'room state 2 {"n":2}');
	same(bench.hear({ push: 'state', channel: 'room', state: { n: 1 }, version: 1 }));
	same(bench.hear({ push: 'state', channel: 'room', state: { n: 2 }, version: 2 }));
	bench.lost(1006);
	bench.next();
	bench.again();
	same(bench.reply(room({ version: 9, state: { n: 9 }, recovered: true })), 'room state 9 {"n":9}', 'room subscribed a-4');
});

test('a refusal ends a subscription, unless it may be tried later', () => {
	const bench = new Bench();
	bench.subscribe('room');
	bench.up();
	same(bench.refuse({ code: 'unavailable', retry: 'later' }));
	same(bench.pass(250), '> {"id":3,"subscribe":{"channel":"room"}}');
	same(bench.refuse({ code: 'rate_limited', retry: 'later', retry_after_ms: 4_000 }));
	same(bench.pass(3_999));
	same(bench.pass(1), '> {"id":4,"subscribe":{"channel":"room"}}');
	same(bench.refuse({ code: 'not_granted', retry: 'auth' }), 'room unsubscribed refused');
	same(bench.pass(20_000));
});

test('after leaving nothing is told; entering again waits for the reply to the first', () => {
	const bench = durable();
	assert.equal(bench.machine.unsubscribe('room'), true);
	same(bench.call('unsubscribe', { channel: 'room' }, { resendMs: Infinity }), '> {"id":2,"unsubscribe":{"channel":"room"}}');
	same(bench.message('room', 5));
	same(bench.subscribe('room'));
	same(bench.reply({}), '1 ok {}');
	same(bench.did((machine, now) => machine.left(now, 'room')), '> {"id":3,"subscribe":{"channel":"room"}}');
	same(bench.reply(room({ position: 'a-9' })), 'room state 0 {}', 'room subscribed a-9');
});

test('leaving while there is no connection is told to the server when there is one, and the channel is not entered', () => {
	const bench = durable();
	bench.lost(1006);
	assert.equal(bench.machine.unsubscribe('room'), true);
	bench.call('unsubscribe', { channel: 'room' }, { resendMs: Infinity });
	bench.next();
	same(bench.again({ channels: [room({ resuming: true })] }), 'connected', '> {"id":2,"unsubscribe":{"channel":"room"}}');
	same(bench.hear({ push: 'subscribed', ...room({ recovered: true }) }));
	same(bench.message('room', 5));
	const anonymous = inRoom();
	anonymous.lost(1006);
	assert.equal(anonymous.machine.unsubscribe('room'), false);
	anonymous.next();
	same(anonymous.again(), 'connected');
});

test('the backend ends it, or the channel is gone', () => {
	for (const reason of ['ended', 'deleted']) {
		const bench = durable();
		same(bench.hear({ push: 'unsubscribed', channel: 'room', reason }), `room unsubscribed ${reason}`);
		same(bench.message('room', 5));
		bench.lost(1006);
		bench.next();
		same(bench.again({ channels: [] }), 'connected');
	}
});

test('another connection of the token subscribes: known at once, and nothing moves if we are in', () => {
	const bench = new Bench({ token: 'tgt_1' });
	bench.up();
	same(bench.hear({ push: 'subscribed', ...room() }), 'room state 0 {}', 'room subscribed a-4');
	bench.message('room', 5);
	same(bench.hear({ push: 'subscribed', ...room({ position: 'a-1' }) }));
	same(bench.message('room', 6), 'room message a-6 6');
});

/** A client in `room` whose token is being exchanged for another one. */
function renewing() {
	const bench = new Bench({ provider: true });
	bench.subscribe('room');
	bench.did((machine, now) => machine.connect(now));
	bench.did((machine, now) => machine.provided(now, bench.flight, 'tgt_1'));
	bench.again({ direct: '5a-7' });
	bench.reply(room());
	bench.hear({ push: 'expiring', in_ms: 1 });
	bench.did((machine, now) => machine.provided(now, bench.flight, 'tgt_2'));
	return bench;
}

test('another token has subscriptions of its own: what only the one before had is entered again where it stood', () => {
	const bench = renewing();
	same(bench.hear({ push: 'unsubscribed', channel: 'room', reason: 'ended' }));
	same(bench.reply({ token: { id: 'tok_2' } }, bench.sent.id), '> {"id":4,"subscribe":{"channel":"room","position":"a-4"}}');
	same(bench.reply(room({ position: 'a-4', recovered: true })), 'room subscribed a-4');
	same(bench.message('room', 5), 'room message a-5 5');
	same(bench.hear({ push: 'unsubscribed', channel: 'room', reason: 'ended' }), 'room unsubscribed ended');
});

test('another token has a session and direct messages of its own: they begin where the reply says, and it comes back with them', () => {
	const bench = renewing();
	same(bench.reply({ token: { id: 'tok_2' }, session: 'ses_2', direct: '6b-3' }, bench.sent.id));
	assert.deepEqual(bench.machine.token, { id: 'tok_2' });
	same(bench.hear({ push: 'direct', offset: 4, event: 'e', data: 'new', at: 1 }), ' direct 6b-4 "new"');
	bench.lost(1006);
	bench.next();
	bench.did((machine, now) => machine.opened(now, bench.socket));
	assert.deepEqual([bench.sent.connect.session, bench.sent.connect.direct], ['ses_2', '6b-4']);
	same(bench.reply({ session: 'ses_2', resumed: true, direct: '6b-4', channels: [room()] }).slice(0, 1), 'connected');
});

test('of a mailbox of the other token more may be gone than it keeps: told at once', () => {
	const bench = renewing();
	same(bench.reply({ token: { id: 'tok_2' }, session: 'ses_2', direct: '1-3', direct_lost: true }, bench.sent.id), ' direct_lost');
});

test('the same token spelled anew counts its direct messages on', () => {
	const bench = renewing();
	bench.reply({ token: { id: 'tok_1' } }, bench.sent.id);
	same(bench.hear({ push: 'direct', offset: 8, event: 'e', data: 'on', at: 1 }), ' direct 5a-8 "on"');
});

test('direct messages: each once, in order, and a loss is told', () => {
	const bench = new Bench({ token: 'tgt_1' });
	bench.up({ direct: '5a-7' });
	const direct = (offset) => bench.hear({ push: 'direct', offset, event: 'e', data: offset, at: 1 });
	same(direct(8), ' direct 5a-8 8');
	same(direct(8));
	same(bench.hear({ push: 'direct', event: 'e', data: 'for this connection', at: 1 }), ' direct null "for this connection"');
	same(direct(10), ' direct_lost', ' direct 5a-10 10');
	bench.lost(1006);
	bench.next();
	bench.did((machine, now) => machine.opened(now, bench.socket));
	assert.equal(bench.sent.connect.direct, '5a-10');
	same(bench.reply({ direct: '5a-12', channels: [] }), 'connected');
	same(direct(11), ' direct 5a-11 11');
	bench.lost(1006);
	bench.next();
	same(bench.again({ direct: '6b-2', direct_lost: true }), ' direct_lost', 'connected');
	same(direct(3), ' direct 6b-3 3');
});
