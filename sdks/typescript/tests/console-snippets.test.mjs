//! What the console prints for a token that was just made, run exactly as it is printed: the TypeScript one from the package as npm would install it, and the
//! lines for curl. The name of the channel is one that could leave its quotes.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { printed } from '../../../conformance/lib/console.mjs';
import { cleanEnv } from '../../../conformance/lib/server.mjs';
import { until } from '../../../conformance/lib/wait.mjs';
import { Installed } from './lib/installed.mjs';
import { Place } from './lib/place.mjs';

const CHANNEL = `tea"<'two'>\\`;
let place;
let installed;
let token;
const children = [];
before(async () => {
	[place, installed] = [await Place.open(), await Installed.open()];
	await place.backend.channels.create(CHANNEL, { type: 'private', capabilities: ['token_publish'] });
	token = await printed(place.server, { user: 'ann', channel: CHANNEL });
});
after(async () => {
	for (const child of children) child.kill('SIGKILL');
	await installed?.close();
	await place?.close();
});

test('the TypeScript snippet says hello, and hears it and what the backend says', async () => {
	await writeFile(join(installed.folder, 'snippet.mjs'), token.snippets.typescript);
	const chat = installed.start('snippet.mjs');
	await chat.line(/^said Hello$/m);
	await place.backend.channels.publish(CHANNEL, 'greeted', { by: 'the backend' });
	await chat.line(/^greeted \{ by: 'the backend' \}$/m);
});

/** Starts one line in a shell; gives its output as it grows. */
function shell(line) {
	const child = spawn('bash', ['-c', `exec ${line}`], { env: cleanEnv(), stdio: ['ignore', 'pipe', 'inherit'] });
	children.push(child);
	const said = { text: '' };
	child.stdout.setEncoding('utf8').on('data', (text) => (said.text += text));
	return said;
}

test('the lines for curl follow the channel, and show its past', async () => {
	const [follow, past, ...none] = token.snippets.curl.trim().split('\n');
	assert.deepEqual([follow.startsWith('curl -N '), past.startsWith('curl '), none], [true, true, []]);
	await place.backend.channels.publish(CHANNEL, 'before', 1);
	const stream = shell(follow);
	await until(() => `the past in the stream: ${stream.text}`, () => /"event":"before"/.test(stream.text));
	await place.backend.channels.publish(CHANNEL, 'live', 2);
	await until(() => `what is live in the stream: ${stream.text}`, () => /"event":"live"/.test(stream.text));
	const history = shell(past);
	await until(() => `the history: ${history.text}`, () => /"event":"live"[\s\S]*\}\s*$/.test(history.text));
	assert.ok(JSON.parse(history.text).messages.some(({ event }) => event === 'before'), history.text);
});
