//! What an app sees through `@onehop/client`: connecting, subscribing, receiving, being refused. The flows run against an app in
//! Node and against one in a browser page.

import { ok, same } from '../lib/check.mjs';
import { until } from '../../lib/wait.mjs';

const refusedWith = (error_code) => ({ subscription: 'unavailable', state: null, error: { graceful: false, error_code } });
const TOLD_GRACEFULLY = { subscription: 'unavailable', state: null, error: { graceful: true } };
const available = (state) => ({ subscription: 'available', state, error: null });

async function anonymous(w) {
	const client = await w.client();
	const { states, service } = await client.look();
	same(states.slice(0, 2), ['authenticating', 'connected'], 'connection states');
	same([service[0].eventType, service[0].channelId], ['INIT', null]);
	const { cid, ...init } = service[0].data;
	ok(typeof cid === 'string' && cid.length > 0, 'cid');
	same(init, { connection_count: 1, metadata: null, scope: 'noauth', channels: [] }, 'INIT');
	const id = await w.channel('unprotected', { state: { x: 1 } });
	same(await client.subscribe(id), available({ x: 1 }));
}

async function withToken(w) {
	const [granted, other] = [await w.channel('private', { state: { p: 1 } }), await w.channel('public', { state: { q: 2 } })];
	const token = await w.token(granted);
	const client = await w.client(token);
	const { service, channels } = await client.look();
	const { cid, channels: listed, ...init } = service[0].data;
	same(init, { connection_count: 1, metadata: { n: 1 }, scope: 'token' }, `INIT of ${cid}`);
	same(listed, [{ id: granted, project_id: w.project, state: { p: 1 }, type: 'private', capabilities: listed[0].capabilities }]);
	same(channels, { [granted]: available({ p: 1 }) }, 'the map after INIT');
	same(await client.subscribe(other), available({ q: 2 }));
}

async function access(w) {
	const ids = {};
	for (const type of ['private', 'public', 'unprotected']) ids[type] = await w.channel(type, { state: { type } });
	ids.granted = await w.channel('private', { state: { granted: true } });
	const [stranger, known] = [await w.client(), await w.client(await w.token(ids.granted))];
	same(await stranger.subscribe(ids.private), refusedWith('NOT_GRANTED'), 'anonymous, private');
	same(await stranger.subscribe(ids.public), refusedWith('NOT_GRANTED'), 'anonymous, public');
	same(await stranger.subscribe(ids.unprotected), available({ type: 'unprotected' }), 'anonymous, unprotected');
	same(await stranger.subscribe('no-such-channel'), refusedWith('UNKNOWN'), 'anonymous, nonexistent');
	same(await known.subscribe(ids.private), refusedWith('NOT_GRANTED'), 'token, private');
	same(await known.subscribe(ids.public), available({ type: 'public' }), 'token, public');
	same(await known.subscribe(ids.unprotected), available({ type: 'unprotected' }), 'token, unprotected');
	same(await known.subscribe('no-such-channel'), refusedWith('UNKNOWN'), 'token, nonexistent');
	same((await known.look()).channels[ids.granted], available({ granted: true }), 'token, private and granted');
	await w.hop.channels.publishMessage(ids.private, 'SECRET', 1);
	for (const client of [stranger, known]) {
		await w.settle(client);
		same(await client.messages(ids.private), [], 'messages of the refused channel');
	}
}

async function foreignToken(w) {
	const id = await w.channel('unprotected');
	const other = new w.Hop(w.otherKey, w.url);
	const { id: foreign } = await other.channels.tokens.create();
	for (const token of [foreign, 'leap_token_c18zMDY3', 'nonsense']) {
		const client = await w.app();
		await client.init(w, token);
		await client.until('refused for good', ({ warnings }) => warnings.some((line) => line.includes('Invalid auth')));
		const { states, service } = await client.look();
		same([states.includes('connected'), service], [false, []], `with ${token.slice(0, 12)}`);
	}
	await w.hop.channels.get(id);
}

async function receive(w) {
	const id = await w.channel('unprotected');
	const [one, two] = [await w.client(), await w.client(await w.token())];
	for (const client of [one, two]) {
		await client.subscribe(id);
		await client.ask('listen', id, 'NAMED');
	}
	const want = Array.from({ length: 50 }, (_, n) => [n % 2 ? 'ODD' : 'EVEN', { n }]);
	for (const [event, data] of want) await w.hop.channels.publishMessage(id, event, data);
	await w.hop.channels.publishMessage(id, 'NAMED', 'last');
	for (const client of [one, two]) {
		await client.message(id, 'NAMED');
		same(await client.messages(id), [...want, ['NAMED', 'last']], 'each once, in order');
		same((await client.look()).named, [{ channel: id, event: 'NAMED', data: 'last' }], 'the listener of one event');
	}
}

async function direct(w) {
	const token = await w.token();
	const [tab, phone] = [await w.client(token), await w.client(token)];
	const stranger = await w.client(await w.token());
	await w.hop.channels.tokens.publishDirectMessage(token, 'NOTE', { hello: 1 });
	await w.hop.channels.tokens.publishDirectMessage(token, 'FENCE');
	for (const client of [tab, phone]) {
		await client.message(null, 'FENCE');
		same(await client.messages(null), [['NOTE', { hello: 1 }], ['FENCE', null]], 'each once');
	}
	await w.settle(stranger);
	same(await stranger.messages(null), [], 'of the other token');
}

async function states(w) {
	const id = await w.channel('unprotected', { state: { a: 1, deep: { b: 2 } } });
	const client = await w.client();
	same(await client.subscribe(id), available({ a: 1, deep: { b: 2 } }));
	await w.hop.channels.patchState(id, { deep: { c: 3 } });
	await client.channel(id, 'patched', ({ state }) => state.deep.c === 3);
	await w.hop.channels.setState(id, { only: true });
	await client.channel(id, 'replaced', ({ state }) => state.only);
	const { stateUpdates, channels } = await client.look();
	const want = [{ a: 1, deep: { c: 3 } }, { only: true }];
	same(stateUpdates, want.map((state) => ({ channel: id, state })), 'whole states, in order');
	same(channels[id], available({ only: true }));
}

async function send(w) {
	const id = await w.channel('unprotected');
	const [sender, other, stranger] = [await w.client(await w.token()), await w.client(await w.token()), await w.client()];
	for (const client of [sender, other, stranger]) await client.subscribe(id);
	await sender.call('sendMessage', id, 'HELLO', { from: 'sender' });
	for (const client of [sender, other, stranger]) {
		same((await client.message(id, 'HELLO')).data, { from: 'sender' }, 'everyone, the sender included');
	}
	await stranger.call('sendMessage', id, 'FORBIDDEN', {});
	await w.settle(stranger);
	await w.hop.channels.publishMessage(id, 'FENCE', {});
	for (const client of [sender, other, stranger]) {
		await client.message(id, 'FENCE');
		same((await client.messages(id)).map(([event]) => event), ['HELLO', 'FENCE'], 'anonymous sending is dropped');
		same((await client.look()).channels[id], available({}), 'and nobody loses the channel');
	}
}

async function sendUnsubscribed(w) {
	const id = await w.channel('unprotected');
	const [sender, member] = [await w.client(await w.token()), await w.client()];
	await member.subscribe(id);
	await sender.call('sendMessage', id, 'HELLO', {});
	await sender.channel(id, 'refused', ({ subscription }) => subscription === 'unavailable');
	same((await sender.look()).channels[id], refusedWith('UNKNOWN'));
	await w.hop.channels.publishMessage(id, 'FENCE', {});
	await member.message(id, 'FENCE');
	same(await member.messages(id), [['FENCE', {}]], 'what the member got');
}

async function setState(w) {
	const id = await w.channel('unprotected', { state: { kept: 1 } });
	const clients = [await w.client(await w.token()), await w.client()];
	for (const client of clients) {
		await client.subscribe(id);
		await client.call('setChannelState', id, { stolen: true });
		await w.settle(client);
	}
	await w.stateIs(id, { kept: 1 });
	for (const client of clients) {
		const { channels, stateUpdates } = await client.look();
		same([channels[id], stateUpdates], [available({ kept: 1 }), []], 'refused silently');
	}
}

async function unsubscribe(w) {
	const id = await w.channel('public');
	const token = await w.token(id);
	const [leaver, other] = [await w.client(token), await w.client(token)];
	await leaver.call('unsubscribeFromChannel', id);
	await other.channel(id, 'gone', ({ subscription }) => subscription === 'unavailable');
	same((await other.look()).channels[id], TOLD_GRACEFULLY, 'the other connection is told');
	await w.hop.channels.publishMessage(id, 'AFTER', {});
	for (const client of [leaver, other]) {
		await w.settle(client);
		same(await client.messages(id), [], 'messages after unsubscribing');
	}
	ok(!(id in (await leaver.look()).channels), 'nothing is sent to the requester');
	await leaver.call('unsubscribeFromChannel', id); // a second time is nothing
	await w.settle(leaver);
	const again = await w.client(token);
	ok(!(id in (await again.look()).channels), 'it lasts');
	same(await again.subscribe(id), available({}), 'and may be undone');
}

async function grantLive(w) {
	const id = await w.channel('private', { state: { s: 1 } });
	const token = await w.token();
	const client = await w.client(token);
	same(await client.subscribe(id), refusedWith('NOT_GRANTED'));
	await w.hop.channels.subscribeToken(id, token);
	await client.channel(id, 'granted', ({ subscription }) => subscription === 'available');
	await w.hop.channels.publishMessage(id, 'IN', {});
	await client.message(id, 'IN');
	await w.hop.channels.removeToken(id, token);
	await client.channel(id, 'removed', ({ subscription }) => subscription === 'unavailable');
	same((await client.look()).channels[id], TOLD_GRACEFULLY);
	await w.hop.channels.publishMessage(id, 'OUT', {});
	await w.settle(client);
	same(await client.messages(id), [['IN', {}]], 'messages: none after removal');
	await client.call('subscribeToChannel', id);
	await client.channel(id, 'refused', ({ error }) => error?.error_code === 'NOT_GRANTED');
}

async function deleted(w) {
	const id = await w.channel('unprotected');
	const token = await w.token(id);
	const [known, stranger] = [await w.client(token), await w.client()];
	await stranger.subscribe(id);
	await w.hop.channels.delete(id);
	for (const client of [known, stranger]) {
		await client.channel(id, 'deleted', ({ subscription }) => subscription === 'unavailable');
		same((await client.look()).channels[id], TOLD_GRACEFULLY);
	}
	await w.hop.channels.tokens.delete(token);
	await known.until('stopped for good', ({ warnings }) => warnings.some((line) => line.includes('Invalid auth')));
	same(await w.hop.channels.getAll().then((all) => all.some((channel) => channel.id === id)), false);
}

async function rooms(w) {
	const client = await w.client();
	await client.call('subscribeToRoom', 'prjt_1');
	const room = await client.until('an answer for the room', (seen) => seen.rooms.prjt_1?.subscription === 'unavailable' && seen.rooms.prjt_1);
	same(room, { subscription: 'unavailable', room: null, error: { join_token: 'prjt_1', graceful: false, error_code: 'UNKNOWN' } });
	await w.settle(client);
}

async function twice(w) {
	const id = await w.channel('unprotected', { state: { v: 1 } });
	const client = await w.client();
	await client.ask('burst', 'subscribeToChannel', Array.from({ length: 10 }, () => [id]));
	await w.settle(client);
	same(await client.answer(id), available({ v: 1 }));
	await w.hop.channels.publishMessage(id, 'ONE', 1);
	await client.message(id, 'ONE');
	await w.settle(client);
	same(await client.messages(id), [['ONE', 1]], 'no double delivery');
	same(await w.hop.channels.getStats(id), { online_count: 1 }, 'no double count');
}

async function sharedToken(w) {
	const [id, later] = [await w.channel('public'), await w.channel('public', { state: { l: 1 } })];
	const token = await w.token(id);
	const [first, second] = [await w.client(token), await w.client(token)];
	same((await second.look()).service[0].data.connection_count, 2, 'connection_count');
	same(await w.hop.channels.getStats(id), { online_count: 1 }, 'one session');
	same(await first.subscribe(later), available({ l: 1 }));
	await second.channel(later, 'told', ({ subscription }) => subscription === 'available');
	await w.hop.channels.publishMessage(later, 'BOTH', 1);
	for (const client of [first, second]) {
		await client.message(later, 'BOTH');
		same(await client.messages(later), [['BOTH', 1]], 'each connection once');
	}
	for (const client of [first, second]) await client.dispose();
	await until('offline', async () => !(await w.hop.channels.tokens.isOnline(token)));
	same(Object.keys((await (await w.client(token)).look()).channels).sort(), [id, later].sort(), 'INIT lists what was subscribed');
}

async function chat(w) {
	const id = await w.channel('private', { state: { topic: 'lunch' } });
	const names = ['ada', 'bob'];
	const people = [];
	for (const name of names) {
		const { id: token } = await w.hop.channels.tokens.create({ name });
		await w.hop.channels.subscribeToken(id, token);
		people.push(await w.client(token));
	}
	const outsider = await w.client(await w.token());
	same(await outsider.subscribe(id), refusedWith('NOT_GRANTED'));
	const want = [];
	for (let turn = 0; turn < 6; turn += 1) {
		const line = ['SAY', { from: names[turn % 2], text: `line ${turn}` }];
		want.push(line);
		await people[turn % 2].call('sendMessage', id, ...line);
		for (const person of people) {
			await person.until(`line ${turn}`, ({ messages }) => messages.length === turn + 1);
			same(await person.messages(id), want, 'both see the same talk');
		}
	}
	await w.settle(outsider);
	same(await outsider.messages(id), [], 'the outsider');
}

async function tooEarly(w) {
	const client = await w.app();
	const error = await client.ask('initAndCall', { projectId: w.project }, { leapSocketUrl: w.ws }, 'subscribeToChannel', 'early');
	ok(/not established/.test(error), `the SDK itself refuses before INIT, got ${error}`);
	await client.until('connected', ({ connection }) => connection === 'connected');
}

export const clientFlows = [
	['b42 b49 anonymous: INIT noauth, then an unprotected channel', anonymous],
	['b42 with a token: INIT lists its channels with state', withToken],
	['b49 b54 who may subscribe to what', access],
	['b40 a token that is foreign, forged or nonsense is refused for good', foreignToken],
	['b23 b54 messages reach every subscriber once and in order', receive],
	['b31 direct messages reach every connection of the token and nobody else', direct],
	['b21 b55 state: snapshot, patch, set', states],
	['b57 sendMessage: tokens to everybody, anonymous dropped silently', send],
	['b57 sendMessage to a channel not subscribed', sendUnsubscribed],
	['b58 setChannelState is refused silently by default', setState],
	['b56 unsubscribe is silent to its sender, lasting, told to the token\'s other connections', unsubscribe],
	['b25 b49 a private channel granted and taken away while connected', grantLive],
	['b20 b32 a channel deleted, a token deleted', deleted],
	['b59 a Pipe room is answered, not crashed on', rooms],
	['b50 ten subscribes to one channel: no double delivery, no double count', twice],
	['b27 b30 b52 b53 b63 two connections of one token', sharedToken],
	['b49 b57 two people chat over a private channel, an outsider sees nothing', chat],
	['b38 calls before INIT do no harm', tooEarly],
];
