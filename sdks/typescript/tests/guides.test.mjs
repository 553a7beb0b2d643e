//! The pages that lead somewhere, run as they are printed: the quick start, the concepts, the guides, and the two ways of moving here.

import assert from 'node:assert/strict';
import { mkdir, readFile, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { Tollgate } from '../../../conformance/lib/server.mjs';
import { Installed } from './lib/installed.mjs';
import { fits, isShown, page, run } from './lib/pages.mjs';

const of = async (folder) => (await readdir(new URL(`../../../docs/${folder}/`, import.meta.url))).map((name) => `${folder}/${name}`);
const PAGES = ['quick-start.md', 'concepts.md', 'api.md', ...(await of('guides')), ...(await of('migrate'))];
// Receivers of webhooks and hooks are on this machine.
const env = { TOLLGATE_OUTBOUND_ALLOWED_HOSTS: '127.0.0.1', TOLLGATE_OUTBOUND_ALLOW_HTTP: 'true' };

// One server for all, as a reader has it: no page spoils what another one needs.
let installed;
let server;
before(async () => {
	[installed, server] = [await Installed.open(), await Tollgate.start({ env })];
});
after(async () => {
	await server?.destroy();
	await installed?.close();
});

test('what does not come as shown is noticed', () => {
	assert.ok(fits({ id: 'tok_…', at: 1790000000000, list: [1] }, { id: 'tok_x', at: 1, list: [1], more: true }));
	for (const [shown, came] of [[{ a: 1 }, {}], [{ a: 1 }, { a: 2 }], ['a…', 'b'], [[1], [1, 2]], [{ a: null }, { a: 0 }]]) {
		assert.ok(!fits(shown, came), JSON.stringify([shown, came]));
	}
	assert.ok(isShown({ kind: 'text', body: 'one …\ntwo\n' }, 'one 1\ntwo'));
	assert.ok(!isShown({ kind: 'text', body: 'one\n' }, 'one\ntwo'));
	assert.ok(!isShown({ kind: 'json', body: '{}' }, 'no JSON'));
});

test('every page stands in the summary, once', async () => {
	const docs = new URL('../../../docs/', import.meta.url);
	const pages = (await readdir(docs, { recursive: true })).filter((path) => path.endsWith('.md') && path !== 'SUMMARY.md');
	const lines = [...(await readFile(new URL('SUMMARY.md', docs), 'utf8')).matchAll(/^ *- \[.*\]\((\S+)\)$/gm)];
	assert.deepEqual(lines.map(([, path]) => path).sort(), pages.sort());
});

for (const path of PAGES) {
	test(`${path} does what it says`, async () => {
		const printed = await page(path);
		assert.ok(printed.steps.length >= 1, 'there are lines to run');
		assert.ok(printed.steps.some(({ shown }) => shown), 'something is shown');
		const folder = join(installed.folder, path.replaceAll('/', '-'));
		await mkdir(folder);
		const came = await run(printed, server, folder);
		for (const [n, { lines, shown }] of printed.steps.entries()) {
			if (shown) assert.ok(isShown(shown, came[n]), `${lines}\nshown:\n${shown.body}\ncame:\n${came[n]}`);
		}
	});
}
