//! The Node listings of docs/compatibility/hop.md, run as they stand on the page.

import { after, before, test } from 'node:test';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Hop } from '@onehop/js';
import { matches, same } from '../lib/check.mjs';
import { Listings } from '../lib/listings.mjs';
import { Tollgate } from '../../lib/server.mjs';
import { until } from '../../lib/wait.mjs';

let server;
let hop;
let page;

before(async () => {
	server = await Tollgate.start();
	hop = new Hop(server.key, server.url);
	page = await Listings.of('send.mjs', 'send.cjs', 'receive.mjs', 'leap.cjs', 'redirect.mjs');
});
after(async () => {
	await page?.close();
	await server?.destroy();
});

const backend = () => ({ HOP_TOKEN: server.key, HOP_URL: server.url });

test('page: send.mjs creates, patches, publishes', async () => {
	const id = await page.run(['send.mjs'], backend()).end();
	same((await hop.channels.get(id)).state, { n: 1 });
});

test('page: send.cjs', async () => {
	const id = await page.run(['send.cjs'], backend()).end();
	same((await hop.channels.get(id)).state, { n: 0 });
});

test('page: receive.mjs hears messages, state and direct messages', async () => {
	const { id } = await hop.channels.create('public', undefined, { state: {} });
	const token = await hop.channels.tokens.create();
	const app = page.run(['receive.mjs'], { PROJECT_ID: server.project, LEAP_TOKEN: token.id, LEAP_URL: server.ws, CHANNEL: id });
	const subscribed = async () => (await hop.channels.getAllTokens(id)).length === 1;
	await until(`receive.mjs to subscribe; it printed ${app.text}`, subscribed);
	await hop.channels.publishMessage(id, 'GREETING', { hello: 1 });
	await hop.channels.patchState(id, { n: 2 });
	await hop.channels.tokens.publishDirectMessage(token.id, 'NOTE', 'you');
	await app.line(/direct NOTE "you"/);
	same(app.text.split('\n').slice(0, 3), [`${id} GREETING {"hello":1}`, `state ${id} {"n":2}`, 'direct NOTE "you"']);
});

test('page: receive.mjs without a token is an anonymous client', async () => {
	const { id } = await hop.channels.create('unprotected');
	const env = { PROJECT_ID: server.project, LEAP_URL: server.ws, CHANNEL: id };
	const app = page.run(['receive.mjs'], env);
	await until('one online', async () => (await hop.channels.getStats(id)).online_count === 1);
	await hop.channels.publishMessage(id, 'GREETING', {});
	await app.line(/GREETING/);
});

test('page: leap.cjs', async () => {
	const { id } = await hop.channels.create('unprotected');
	const app = page.run(['leap.cjs'], { PROJECT_ID: server.project, LEAP_URL: server.ws, CHANNEL: id });
	await app.line(new RegExp(`^AVAILABLE ${id} `, 'm'));
	await hop.channels.publishMessage(id, 'X', { v: 1 });
	await app.line(new RegExp(`^MESSAGE ${id} \\{"e":"X","d":\\{"v":1\\}\\}$`, 'm'));
});

test('page: redirect.mjs brings an unchanged program here', async () => {
	const program = "import { Hop } from '@onehop/js';\nconst hop = new Hop(process.env.HOP_TOKEN);\n"
		+ "const { id } = await hop.channels.create('public', undefined, { state: { moved: true } });\nconsole.log(id);\n";
	await writeFile(join(page.folder, 'app.mjs'), program);
	const id = await page.run(['--import', './redirect.mjs', 'app.mjs'], backend()).end();
	matches(id, /^channel_/);
	same((await hop.channels.get(id)).state, { moved: true });
});
