//! The server stops and starts again, politely and by a kill, while clients talk: a durable channel loses nothing and repeats nothing; one in memory says
//! what it lost.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { until } from '../../../conformance/lib/wait.mjs';
import { Place } from './lib/place.mjs';

let place;
before(async () => {
	place = await Place.open();
});
after(() => place?.close());

const may = [{ channels: '*', operations: ['subscribe', 'publish', 'history'] }];

async function join(user, channel) {
	const client = place.client({ token: () => place.backend.tokenFor(user, { capabilities: may }) });
	const room = client.subscribe(channel);
	const heard = [];
	const gaps = [];
	room.on('message', ({ data, position }) => heard.push([data, position]));
	room.on('gap', (gap) => gaps.push(gap));
	await client.connect();
	await room.ready;
	return { client, room, heard, gaps };
}

for (const signal of ['SIGTERM', 'SIGKILL']) {
	test(`durable: ${signal} in the middle of two hundred messages`, async () => {
		const channel = `durable-${signal}`;
		await place.backend.channels.create(channel, { settings: { history: { durable: true } } });
		const [ann, ben] = [await join('ann', channel), await join('ben', channel)];
		const publishing = [];
		for (let n = 1; n <= 200; n += 1) {
			publishing.push(ann.room.publish('said', n));
			if (n === 100) {
				await publishing[20];
				await place.server.down(signal);
				await place.server.up();
			}
		}
		const places = await Promise.all(publishing);
		await until(() => `200, has ${ben.heard.length}`, () => ben.heard.length >= 200 && ann.heard.length >= 200, { within: 40_000 });
		assert.deepEqual(ben.heard, ann.heard, 'both heard the same');
		assert.deepEqual(ben.heard.map(([data]) => data).sort((a, b) => a - b), Array.from({ length: 200 }, (_, at) => at + 1), 'each once');
		assert.deepEqual(new Map(ben.heard).size, 200);
		const known = new Map(ben.heard);
		for (const [at, { position }] of places.entries()) assert.equal(known.get(at + 1), position, 'each is where its publisher was told');
		assert.deepEqual([ben.gaps.length, ann.gaps.length, ben.client.counters.holes], [0, 0, 0]);
		ann.client.close();
		ben.client.close();
	});
}

test('who is dismissed by an operator comes back, and has missed nothing', async () => {
	await place.backend.channels.create('dismissed');
	const { client, room, heard, gaps } = await join('ann', 'dismissed');
	await room.publish('said', 1);
	const headers = { authorization: `Bearer ${place.server.key}` };
	const live = await fetch(`${place.server.url}/v2/connections?user_id=ann&channel=dismissed`, { headers });
	const [{ id }] = (await live.json()).data;
	const answer = await fetch(`${place.server.url}/v2/connections/${id}`, { method: 'DELETE', headers });
	assert.equal(answer.status, 204);
	await room.publish('said', 2);
	await until('both', () => heard.length === 2);
	assert.deepEqual([heard.map(([data]) => data), gaps.length, client.counters.losses], [[1, 2], 0, 1]);
	client.close();
});

test('in memory: what was lost is said, once, and what follows is heard', async () => {
	await place.backend.channels.create('memory');
	const { room, heard, gaps, client } = await join('ann', 'memory');
	await room.publish('said', 1);
	await until('it', () => heard.length === 1);
	await place.server.down();
	await place.server.up();
	await until('the gap', () => gaps.length === 1, { within: 20_000 });
	assert.equal(gaps[0].from, heard[0][1]);
	await room.publish('said', 2);
	await until('the next', () => heard.length === 2);
	assert.deepEqual([heard.map(([data]) => data), gaps.length], [[1, 2], 1]);
	client.close();
});

test('a client in three hundred channels comes back to all of them, and hears what each said meanwhile', async () => {
	const ids = Array.from({ length: 300 }, (_, at) => `many-${at}`);
	await Promise.all(ids.map((id) => place.backend.channels.create(id, { settings: { history: { durable: true } } })));
	const client = place.client({ token: () => place.backend.tokenFor('many', { capabilities: may }) });
	const heard = [];
	client.on('message', ({ channel }) => heard.push(channel));
	const rooms = ids.map((id) => client.subscribe(id));
	await client.connect();
	await Promise.all(rooms.map(({ ready }) => ready));
	await place.server.down();
	await place.server.up();
	const results = await place.backend.publish(ids.map((channel) => ({ channel, event: 'said', data: 1 })));
	assert.ok(results.every(({ position }) => position !== undefined));
	await until(() => `300, has ${heard.length}`, () => heard.length >= 300, { within: 30_000 });
	assert.deepEqual([new Set(heard).size, heard.length, client.counters.gaps], [300, 300, 0]);
	client.close();
});
