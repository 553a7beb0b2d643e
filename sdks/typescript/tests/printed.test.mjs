//! The ten lines of README, exactly as printed but for the address, the project and the key, from the package as npm would install it.

import assert from 'node:assert/strict';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { Installed } from './lib/installed.mjs';
import { Place } from './lib/place.mjs';

let place;
let installed;
before(async () => {
	[place, installed] = [await Place.open(), await Installed.open()];
});
after(async () => {
	await installed?.close();
	await place?.close();
});

test('the ten lines from token to chat chat', async () => {
	const page = await readFile(new URL('../../../README.md', import.meta.url), 'utf8');
	const section = page.split('## Ten lines from token to chat\n')[1].split('\n## ')[0];
	const [, listing] = /^```js\n([\s\S]*?)^```$/m.exec(section);
	assert.equal(listing.split('\n').filter((line) => line !== '' && !line.startsWith('//')).length, 10);
	const { url, project, key } = place.server;
	const filled = listing.replaceAll('http://127.0.0.1:8080', url).replace('project_…', project).replace('ptk_…', key);
	await writeFile(join(installed.folder, 'chat.mjs'), filled);
	const chat = installed.start('chat.mjs');
	await chat.line(/^ann: Hello, I am Ann\.\nbackend: Hello, Ann!\n/m);
	// It goes on, as a client does: also after the server was away.
	await place.server.down();
	await place.server.up();
	await place.backend.channels.publish('room', 'said', 'Still there?');
	await chat.line(/^backend: Still there\?\n/m);
	assert.equal(chat.text.split('\n').length, 4, chat.text);
});
