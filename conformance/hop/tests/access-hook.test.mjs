//! The access hook, with the receiver shown on docs/compatibility/hop.md, as apps with `@onehop/client` see it.

import { after, before, test } from 'node:test';
import { same } from '../lib/check.mjs';
import { NodeClient } from '../lib/clients.mjs';
import { Listings } from '../lib/listings.mjs';
import { Tollgate } from '../../lib/server.mjs';
import { clientContext } from '../suites/client-context.mjs';

const SECRET = 'a long random text';
const REFUSED = { subscription: 'unavailable', state: null, error: { graceful: false, error_code: 'NOT_GRANTED' } };
let page;
let hook;
let server;
let world;

before(async () => {
	page = await Listings.of('hook.mjs');
	hook = page.run(['hook.mjs'], { HOOK_SECRET: SECRET, PORT: '0' });
	const [, port] = await hook.line(/hook on port (\d+)/);
	const url = `http://127.0.0.1:${port}/`;
	server = await Tollgate.start({ env: { TOLLGATE_ACCESS_HOOK_URL: url, TOLLGATE_ACCESS_HOOK_SECRET: SECRET } });
	const { url: address, ws, project, key } = server;
	world = clientContext({ url: address, ws, project, key, run: 'hook' }, () => new NodeClient());
});
after(async () => {
	await world?.closeAll();
	await page?.close();
	await server?.destroy();
});

/** An app whose token says that it may enter these channels. */
async function member(...rooms) {
	const { id } = await world.hop.channels.tokens.create({ rooms });
	return Object.assign(await world.client(id), { token: id });
}

test('b49 the hook lets a token into a private channel, for good', async () => {
	const id = await world.channel('private', { state: { p: 1 } });
	const app = await member(id);
	same(await app.subscribe(id), { subscription: 'available', state: { p: 1 }, error: null });
	await world.hop.channels.publishMessage(id, 'HELLO', {});
	await app.message(id, 'HELLO');
	same((await world.hop.channels.getAllTokens(id)).map((token) => token.id), [app.token], 'the subscription is stored');
});

test('b49 the hook says no', async () => {
	const id = await world.channel('private');
	const app = await member('another');
	same(await app.subscribe(id), REFUSED);
	same(await (await world.client()).subscribe(id), REFUSED, 'anonymous');
	same(await world.hop.channels.getAllTokens(id), []);
});

test('b49 a hook that is gone is a no', async () => {
	const id = await world.channel('private');
	const app = await member(id);
	hook.child.kill('SIGKILL');
	same(await app.subscribe(id), REFUSED);
	const other = await world.channel('public');
	same((await app.subscribe(other)).subscription, 'available', 'nothing else is held up');
});
