//! The two snippets that the server prints on its first start, taken from its output and run as they are.

import { test } from 'node:test';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Hop } from '@onehop/js';
import { Listings } from '../lib/listings.mjs';
import { binary } from '../../lib/server.mjs';
import { until } from '../../lib/wait.mjs';

/** The indented block that holds `word`, as a program. */
function snippet(text, word) {
	const blocks = text.split(/\n\s*\n/).filter((block) => block.split('\n').every((line) => line.startsWith('  ')));
	const found = blocks.find((block) => block.includes(word));
	if (!found) throw new Error(`no block with ${word} in:\n${text}`);
	return found.replace(/^ {2}/gm, '');
}

test('the snippets printed on the first start run as they are', async () => {
	const folder = await Listings.of();
	try {
		const server = folder.run(['serve', '--listen', '127.0.0.1:0'], {}, binary());
		await server.line(/client\.on\('MESSAGE'.*\n/);
		const [, address] = server.text.match(/Address\s+(http:\S+)/);
		const [, key] = server.text.match(/Key\s+(ptk_\w+)/);
		await writeFile(join(folder.folder, 'backend.mjs'), snippet(server.text, '@onehop/js'));
		await writeFile(join(folder.folder, 'client.mjs'), snippet(server.text, '@onehop/client'));

		await folder.run(['backend.mjs'], {}).end();
		const client = folder.run(['client.mjs'], {});
		const hop = new Hop(key, address);
		await until(`the client to subscribe; ${client.text}`, async () => (await hop.channels.getStats('room1')).online_count === 1);
		await hop.channels.publishMessage('room1', 'HELLO', { from: 'test' });
		await client.line(/room1 HELLO \{ from: 'test' \}/);
	} finally {
		await folder.close();
	}
});
