//! The transcripts of crates/protocol-native with the roles swapped: what the server says there, the client understands; what a client says there, ours
//! says, to the byte but for the number of a request and the name of the SDK. Lines about the server's inside are not ours to check.

import assert from 'node:assert/strict';
import { readdir, readFile } from 'node:fs/promises';
import { test } from 'node:test';
import { fate } from '../dist/esm/client/index.js';
import { parsePosition } from '../dist/esm/client/position.js';
import { Bench } from './lib/bench.mjs';

const FOLDER = process.env.TRANSCRIPTS ? new URL(`file://${process.env.TRANSCRIPTS}/`) : new URL('../../../crates/protocol-native/transcripts/', import.meta.url);
const files = (await readdir(FOLDER).catch(() => [])).filter((file) => file.endsWith('.transcript') && !file.startsWith('sse'));

/** The conversations of a file: each a list of lines, from `open` on. */
function conversations(text) {
	const all = [];
	for (const line of text.split('\n')) {
		if (line === 'open') all.push([]);
		else if (line.trim() !== '' && !line.startsWith('#')) all.at(-1)?.push(line);
	}
	return all;
}

function parse(text) {
	try {
		const value = JSON.parse(text);
		return typeof value === 'object' && value !== null && !Array.isArray(value) ? value : null;
	} catch {
		return null;
	}
}

/** The request of a client's line: its number, name and body; null if no client of ours says such a thing. */
function requestOf(text) {
	const { id, ...named } = parse(text) ?? {};
	const names = Object.keys(named);
	const sound = Number.isInteger(id) && id > 0 && names.length === 1 && parse(JSON.stringify(named[names[0]])) !== null;
	return sound ? { id, name: names[0], body: named[names[0]] } : null;
}

class Conversation {
	constructor() {
		this.bench = null;
		this.numbers = new Map();
		this.subscribed = new Set();
		this.said = 0;
		this.heard = 0;
	}

	/** False: nothing after this line can be ours. */
	line(line) {
		if (line.startsWith('< ')) return line === '< {}' || this.say(requestOf(line.slice(2)));
		if (line.startsWith('<x')) return false;
		if (line.startsWith('> ')) this.hear(line.slice(2));
		else if (line.startsWith('close ')) this.close(Number(line.split(' ')[1]));
		return true;
	}

	say(request) {
		if (!request || (request.name === 'connect') !== (this.bench === null)) return false;
		const { id, name, body } = request;
		if (name === 'connect') {
			if (typeof body.project !== 'string' || 'ticket' in body) return false;
			const { project, token, session, positions, direct, data, sdk = 'x', ...more } = body;
			if (Object.keys(more).length > 0) return false;
			// An anonymous client of ours does not say where it stands.
			if (token === undefined && (session ?? positions ?? direct) !== undefined) return false;
			this.bench = new Bench({ project, token, data, sdk, queueLimit: 1_000, resume: { session, positions, direct } });
			this.bench.did((machine, now) => machine.connect(now));
			this.bench.did((machine, now) => machine.opened(now, this.bench.socket));
		} else {
			const before = this.bench.sent;
			this.ask(name, body);
			if (this.bench.sent === before) return false;
		}
		const { [name]: mine } = this.bench.sent;
		const { sdk, ...rest } = mine;
		assert.deepEqual(body.sdk === undefined ? rest : mine, body, `what it says for ${name}`);
		this.numbers.set(id, this.bench.sent.id);
		this.said += 1;
		return true;
	}

	ask(name, body) {
		const { channel, position, rewind, presence, data } = body;
		const plain = name === 'subscribe' && typeof channel === 'string' && !this.subscribed.has(channel) && (position === undefined || parsePosition(position));
		if (!plain || this.bench.machine.state !== 'connected') return this.bench.call(name, body, { timeoutMs: 1e9 });
		this.subscribed.add(channel);
		return this.bench.subscribe(channel, { presence: presence === true, ...(rewind && { rewind }), ...(data && { data }) }, parsePosition(position));
	}

	hear(text) {
		const frame = parse(text);
		const mine = frame.push !== undefined || frame.id === undefined ? text : JSON.stringify({ ...frame, id: this.numbers.get(frame.id) ?? frame.id });
		const { strays } = this.bench.machine.counters;
		const did = this.bench.hear(mine);
		const { machine } = this.bench;
		assert.equal(machine.counters.nonsense, 0, `it understands ${text}`);
		if (frame.push === undefined && frame.id !== undefined) assert.equal(machine.counters.strays, strays, `the reply is somebody's: ${text}`);
		if (text === '{}') assert.deepEqual(did, ['> {}'], 'a ping is answered');
		this.heard += 1;
	}

	close(code) {
		if (!this.bench) return;
		const { machine } = this.bench;
		this.bench.lost(code);
		const want = { back: 'waiting', auth: 'closed', stop: 'closed' }[fate(code)];
		assert.equal(machine.state, want, `after ${code}, with a fixed token or none`);
	}
}

const sums = { said: 0, heard: 0 };
for (const file of files) {
	test(`${file}, the roles swapped`, async () => {
		for (const lines of conversations(await readFile(new URL(file, FOLDER), 'utf8'))) {
			const conversation = new Conversation();
			for (const line of lines) if (!conversation.line(line)) break;
			sums.said += conversation.said;
			sums.heard += conversation.heard;
		}
	});
}

test('the transcripts say much that is ours', () => {
	assert.ok(sums.said >= 20 && sums.heard >= 30, JSON.stringify(sums));
});
