//! A minute of aeroplane mode: the network of two clients, one over a WebSocket and one over an event stream, goes away without a word to anybody,
//! while life goes on, and comes back. They do not notice for half of it. Nothing may be lost, nothing may come twice, and what is not kept for so
//! long is said to be lost. The same once more with a server that restarts meanwhile.

import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { until } from '../../../conformance/lib/wait.mjs';
import { Client } from '../dist/esm/client/index.js';
import { createApp } from './lib/app.mjs';
import { openContext } from './lib/context.mjs';

const MINUTE_S = 60;
const PACE_MS = 500;
/** What each of three says: from shortly before the minute until shortly after it. */
const EACH = 130;
const SOON = { within: 20_000 };

const app = createApp(Client);
const contexts = [];
after(async () => {
	app.closeAll();
	for (const context of contexts) await context.close();
});

const of = (log, channel) => log.messages.filter((message) => message.channel === channel).map(({ data, position }) => [data, position]);
const hears = (name, what, probe) =>
	until(() => `${name}: ${what}; ${JSON.stringify({ ...app.log(name), messages: of(app.log(name), 'room').length })}`, () => probe(app.log(name)), SOON);

/** Says `EACH` things, whether or not the earlier ones are answered; the position of each. */
async function talk(name, who) {
	const saying = [];
	for (let number = 0; number < EACH; number += 1) {
		saying.push(app.call(name, 'publish', 'room', 'said', [who, number]));
		await sleep(PACE_MS);
	}
	return (await Promise.all(saying)).map(({ value, error }) => {
		assert.ok(value?.position, `${who}: ${JSON.stringify(error)}`);
		return value.position;
	});
}

/** Everything once, each one's own where it was told and in the order of its saying, without an offset left out. */
function check(heard, places) {
	const offsets = heard.map(([, position]) => position.split('-')).map(([epoch, offset]) => [epoch, Number(offset)]);
	for (const [at, [epoch, offset]] of offsets.entries()) {
		if (at > 0) assert.deepEqual([epoch, offset], [offsets[at - 1][0], offsets[at - 1][1] + 1]);
	}
	for (const [who, told] of Object.entries(places)) {
		const own = heard.filter(([[by]]) => by === who);
		assert.deepEqual(own, told.map((position, number) => [[who, number], position]), `what ${who} said`);
	}
	assert.equal(heard.length, EACH * Object.keys(places).length);
}

/** One gap, from what was heard last, and no hole before or after it. */
function checkGap(log, restarts) {
	const heard = of(log, 'brief');
	const [[first, before], ...rest] = heard;
	assert.deepEqual([first, log.gaps.length, log.gaps[0]?.channel, log.gaps[0]?.from], [0, 1, 'brief', before], JSON.stringify(log.gaps));
	const { to } = log.gaps[0];
	assert.equal(to.split('-')[0] !== before.split('-')[0], restarts, `${before} ${to}`);
	assert.equal(rest[0][1], `${to.split('-')[0]}-${Number(to.split('-')[1]) + 1}`);
	const numbers = rest.map(([data]) => data);
	assert.deepEqual(numbers, numbers.map((_, at) => numbers[0] + at));
}

/** What goes on while they are away. Returns who came to stay. */
async function aMinute({ place }, { join, ben, eve, user, restarts }) {
	let dan;
	for (let second = 1; second <= MINUTE_S; second += 1) {
		await sleep(1_000);
		await place.backend.channels.publish('brief', 'said', second);
		for (const who of [5, 40, 50].includes(second) ? ['ann', 'amy'] : []) await place.backend.users.message(user(who), 'hi', second);
		if (restarts && second === 30) {
			await place.server.down();
			await place.server.up();
		}
		if (second === 10 || second === 45) assert.ok((await app.call(ben, 'mergeState', 'room', { ben: second })).value);
		if (second === 12) app.close(await join('cyd'));
		if (second === 15) dan = await join('dan');
		if (second === 18) app.close(eve);
	}
	return dan;
}

/** Gives every token a mailbox. */
async function keepDirectMessages({ url, key }) {
	const headers = { Authorization: `Bearer ${key}`, 'Content-Type': 'application/json' };
	const answer = await fetch(`${url}/v2/project`, { method: 'PATCH', headers, body: '{"mailbox":{"size":100,"ttl_ms":600000}}' });
	assert.equal(answer.status, 200, await answer.text());
}

async function fly(restarts) {
	const context = await openContext();
	contexts.push(context);
	const { place, proxy } = context;
	const settings = { presence: true, history: { size: 1_000, durable: restarts } };
	await place.backend.channels.create('room', { type: 'private', settings });
	await place.backend.channels.create('brief', { type: 'private', settings: { history: { size: 10 } } });
	// Without one, a restart loses direct messages, and says so.
	if (restarts) await keepDirectMessages(place.server);
	const user = (who) => `${who}-${restarts ? 'restart' : 'plain'}`;
	const join = async (who, url = place.server.url, more = {}) => {
		const name = user(who);
		const channels = { room: { presence: true }, ...(url === proxy.url && { brief: {} }) };
		await app.make(name, { url, project: place.server.project, tokenUrl: `${context.origin}/token?user=${name}`, channels, ...more });
		await app.connect(name);
		return name;
	};
	// What she asks for while she is away waits for as long as that takes.
	const ann = await join('ann', proxy.url, { timeoutMs: 2 * MINUTE_S * 1_000 });
	const amy = await join('amy', proxy.url, { noSockets: true, fallback: 'sse' });
	const [ben, eve] = [await join('ben'), await join('eve')];
	await hears(ann, 'that they are there', (log) => log.presence.some(({ joined = [] }) => joined.some(({ member }) => member === eve)));
	await place.backend.channels.publish('brief', 'said', 0);
	for (const name of [ann, amy]) await hears(name, 'the first', (log) => of(log, 'brief').length === 1);

	const talking = [talk(ann, 'ann'), talk(amy, 'amy'), talk(ben, 'ben')];
	for (const name of [ann, amy, ben]) await hears(name, 'some of it', (log) => of(log, 'room').length >= 6);
	proxy.stall();
	const known = [ann, amy].map((name) => app.log(name).messages.length);
	const knownToBen = app.log(ben).presence.length;
	// One that the network swallowed, and two that wait for it.
	const swallowed = app.call(ann, 'mergeState', 'room', { swallowed: true });
	const queued = (async () => {
		await until('she notices', () => app.log(ann).now !== 'connected', { within: MINUTE_S * 1_000 });
		return Promise.all([app.call(ann, 'mergeState', 'room', { ann: true }), app.call(ann, 'history', 'room', { limit: 1, order: 'newest' })]);
	})();
	const dan = await aMinute(context, { join, ben, eve, user, restarts });
	assert.deepEqual([ann, amy].map((name) => app.log(name).messages.length), known, 'nothing gets through');
	for (const name of [ann, amy]) assert.notEqual(app.log(name).now, 'connected', `${name} noticed`);
	assert.ok(['timeout', 'connection_lost'].includes((await swallowed).error?.code));
	proxy.flow();

	const [byAnn, byAmy, byBen] = await Promise.all(talking);
	await place.backend.channels.publish('brief', 'said', MINUTE_S + 1);
	for (const name of [ben, ann, amy]) {
		await hears(name, 'everything', (log) => of(log, 'room').length >= 3 * EACH);
		check(of(app.log(name), 'room'), { ann: byAnn, amy: byAmy, ben: byBen });
	}
	for (const name of [ann, amy]) {
		await hears(name, 'the last', (log) => of(log, 'brief').at(-1)[0] === MINUTE_S + 1);
		checkGap(app.log(name), restarts);
	}
	const [changed, read] = await queued;
	assert.ok(changed.value?.version > 0 && read.value?.messages.length === 1, JSON.stringify([changed, read]));
	for (const name of [ann, amy, ben]) {
		const { state } = await hears(name, 'her change', ({ channels: { room } }) => room.version >= changed.value.version && room);
		assert.deepEqual(state, { ann: true, ben: 45 });
	}
	for (const name of [ann, amy]) {
		const { directs, lost } = await hears(name, 'direct messages', (log) => log.directs.length >= 3 && log);
		assert.deepEqual([directs.map(({ data }) => data), lost], [[5, 40, 50], 0], name);
	}

	const there = [ann, amy, ben, dan].sort();
	for (const name of [ann, amy, ben]) {
		const members = async () => (await app.collect(name, 'members', 'room')).map(({ member }) => member).sort();
		await until(async () => `${name} to see ${there}, not ${await members()}`, async () => `${await members()}` === `${there}`, SOON);
	}
	if (!restarts) {
		// Their sessions are younger than two minutes: for the others they never left.
		const told = app.log(ben).presence.slice(knownToBen).flatMap(({ joined = [], left = [] }) => [...joined.map(({ member }) => member), ...left]);
		for (const name of [ann, amy]) assert.ok(!told.includes(name), `${told}`);
	}
	app.close(dan);
	await hears(ann, 'that dan left', (log) => log.presence.some(({ left = [] }) => left.includes(dan)));
	for (const name of [ann, amy]) {
		const { counters } = app.log(name);
		assert.deepEqual([counters.gaps, counters.holes, counters.nonsense], [1, 0, 0], JSON.stringify(counters));
		assert.ok(counters.losses >= 2, `the connection, and at least one try: ${JSON.stringify(counters)}`);
	}
	for (const name of [ann, amy, ben]) app.close(name);
}

test('a minute of aeroplane mode', { concurrency: true }, (t) =>
	Promise.all([
		t.test('loses nothing and repeats nothing', () => fly(false)),
		t.test('nor when the server restarts meanwhile', () => fly(true)),
	]));
