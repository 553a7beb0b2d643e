//! The frames that docs/protocol/native.md shows: what a client says there, ours says; what it hears there, ours understands.

import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { test } from 'node:test';
import { hear } from '../dist/esm/client/wire.js';
import { Bench, CONNECTED } from './lib/bench.mjs';

const page = await readFile(new URL('../../../docs/protocol/native.md', import.meta.url), 'utf8');
const blocks = [...page.matchAll(/^```json\n([\s\S]*?)^```$/gm)].map(([, block]) => block);
// An example may go on in an indented line.
const frames = blocks.flatMap((block) => block.replace(/\n +/g, '').trim().split('\n')).map((line) => [line, JSON.parse(line)]);
const inline = [...page.matchAll(/`(\{"push":"[^`]*\})`/g)].map(([, text]) => text.replaceAll(':…', ':null'));

const isRequest = (frame) => frame.push === undefined && frame.ok === undefined && frame.error === undefined;
const requests = frames.filter(([, frame]) => isRequest(frame));
const heard = [...frames.filter(([, frame]) => !isRequest(frame)).map(([line]) => line), ...inline];

test('the page has examples', () => assert.ok(requests.length >= 7 && heard.length >= 8, `${requests.length} requests, ${heard.length} others`));

for (const line of heard) {
	test(`understood: ${line.slice(0, 90)}`, () => assert.ok(['push', 'reply', 'refusal'].includes(hear(line).is)));
}

/** What the client is asked to do so that it says this. */
const asked = {
	connect: ({ token, session, positions, data }) => {
		const bench = new Bench({ project: 'project_…', token, sdk: 'tollgate-js/0.1.0', data, resume: { session, positions } });
		bench.did((machine, now) => machine.connect(now));
		bench.did((machine, now) => machine.opened(now, bench.socket));
		return bench.sent;
	},
	renew: ({ token }) => {
		const bench = new Bench({ provider: true });
		bench.did((machine, now) => machine.connect(now));
		bench.did((machine, now) => machine.provided(now, bench.flight, 'tgt_first'));
		bench.again();
		bench.hear({ push: 'expiring', in_ms: 1 });
		bench.did((machine, now) => machine.provided(now, bench.flight, token));
		return bench.sent;
	},
	subscribe: ({ channel, position }) => {
		const bench = new Bench();
		const [epoch, offset] = position.split('-');
		bench.up();
		bench.subscribe(channel, {}, { epoch, offset: Number(offset) });
		return bench.sent;
	},
};

for (const [line, { id: _, ...frame }] of requests) {
	test(`said: ${line.slice(0, 90)}`, () => {
		const [[name, body]] = Object.entries(frame);
		const said = asked[name]?.(body) ?? plainly(name, body);
		assert.deepEqual(said, { id: said.id, [name]: body });
	});
}

function plainly(name, body) {
	const bench = new Bench();
	bench.up();
	bench.call(name, body);
	return bench.sent;
}

test('a whole conversation of the page: messages after a subscribe come out once and in order', () => {
	const bench = new Bench();
	bench.subscribe('room', {}, { epoch: '18c3f', offset: 41 });
	bench.up(CONNECTED);
	const [reply] = frames.find(([, frame]) => frame.ok?.recovered === true);
	const [push] = frames.find(([, frame]) => frame.push === 'message');
	assert.deepEqual(bench.hear(reply), ['room state 3 {"topic":"tea"}', 'room subscribed 18c3f-41']);
	assert.deepEqual(bench.hear(push), ['room message 18c3f-42 "hello"']);
	assert.deepEqual(bench.hear(push), []);
});
