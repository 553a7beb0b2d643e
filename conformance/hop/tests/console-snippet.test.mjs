//! What the console prints for Hop's client, run exactly as it is printed.

import { test } from 'node:test';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Hop } from '@onehop/js';
import { printed } from '../../lib/console.mjs';
import { Tollgate } from '../../lib/server.mjs';
import { until } from '../../lib/wait.mjs';
import { Listings } from '../lib/listings.mjs';

test('the snippet of a token that was just made hears its channel', async () => {
	const [server, folder] = [await Tollgate.start(), await Listings.of()];
	try {
		const hop = new Hop(server.key, server.url);
		await hop.channels.create('private', 'room');
		const { snippets } = await printed(server, { user: 'ann', channel: 'room' });
		await writeFile(join(folder.folder, 'client.mjs'), snippets.hop);
		const client = folder.run(['client.mjs'], {});
		await until(() => `the client to come; ${client.text}`, async () => (await hop.channels.getStats('room')).online_count === 1);
		await hop.channels.publishMessage('room', 'HELLO', { from: 'test' });
		await client.line(/room HELLO \{ from: 'test' \}/);
	} finally {
		await folder.close();
		await server.destroy();
	}
});
