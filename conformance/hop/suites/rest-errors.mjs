//! How `@onehop/js` sees refusals: the status, the code and a message. Runs in Node (ESM, CJS) and in a browser page.

import { ok, refused, same } from '../lib/check.mjs';

async function badKeys(x) {
	const keys = ['ptk_', 'ptk_nope', `${x.key}x`, x.key.slice(0, -1), 'pat_c18zMDY3', 'bearer_c18zMDY3'];
	for (const key of keys) {
		const hop = new x.Hop(key, x.url);
		await refused(() => hop.channels.get('any'), { status: 401, code: 'invalid_auth' }, key.slice(0, 8));
		await refused(() => hop.channels.create('public', 'any', {}, x.project), { status: 401, code: 'invalid_auth' });
		await refused(() => hop.channels.getAll(), { status: 401, code: 'invalid_auth' });
		await refused(() => hop.channels.publishMessage('any', 'E', 1), { status: 401, code: 'invalid_auth' });
	}
	const none = await x.raw('GET', '/v1/channels', undefined, '');
	same([none.status, none.body.error.code], [401, 'invalid_auth'], 'no key');
}

async function bearerPrefix(x) {
	const answer = await x.raw('GET', '/v1/channels', undefined, `Bearer ${x.key}`);
	same([answer.status, answer.body.success], [200, true]);
	const made = new x.Hop({ authentication: x.key, baseUrl: x.url });
	ok(Array.isArray(await made.channels.getAll()), 'the options form of the constructor');
}

async function foreignProject(x) {
	const foreign = 'project_ODk1OTk';
	await refused(() => x.hop.channels.getAll(foreign), { status: 403 });
	await refused(() => x.hop.channels.create('public', x.unique('foreign'), {}, foreign), { status: 403 });
	await refused(() => x.hop.channels.create('public', undefined, {}, foreign), { status: 403 });
	await refused(() => x.hop.channels.tokens.create({}, foreign), { status: 403 });
}

async function permissions(x) {
	const id = x.unique('guarded');
	await x.hop.channels.create('public', id, { state: { a: 1 } });
	const token = await x.hop.channels.tokens.create({ a: 1 });
	const reader = new x.Hop(x.readKey, x.url).channels;
	same((await reader.get(id)).id, id, 'may read a channel');
	same((await reader.tokens.get(token.id)).id, token.id, 'may read a token');
	const denied = {
		create: () => reader.create('public', x.unique('denied')),
		delete: () => reader.delete(id),
		setState: () => reader.setState(id, {}),
		patchState: () => reader.patchState(id, {}),
		publishMessage: () => reader.publishMessage(id, 'E', 1),
		subscribeToken: () => reader.subscribeToken(id, token.id),
		removeToken: () => reader.removeToken(id, token.id),
		'tokens.create': () => reader.tokens.create(),
		'tokens.setState': () => reader.tokens.setState(token.id, {}),
		'tokens.publishDirectMessage': () => reader.tokens.publishDirectMessage(token.id, 'E', 1),
		'tokens.delete': () => reader.tokens.delete(token.id),
	};
	for (const [name, call] of Object.entries(denied)) await refused(call, { status: 403 }, name);
	same((await x.hop.channels.get(id)).state, { a: 1 }, 'the channel is unchanged');
	same((await x.hop.channels.tokens.get(token.id)).state, { a: 1 }, 'the token is unchanged');
}

async function unknown(x) {
	const [none, ghost] = [x.unique('none'), 'leap_token_c18zMDY3'];
	const id = x.unique('known');
	await x.hop.channels.create('public', id);
	const token = await x.hop.channels.tokens.create();
	const calls = {
		get: () => x.hop.channels.get(none),
		delete: () => x.hop.channels.delete(none),
		setState: () => x.hop.channels.setState(none, {}),
		patchState: () => x.hop.channels.patchState(none, {}),
		'state by function': () => x.hop.channels.setState(none, (old) => old),
		publishMessage: () => x.hop.channels.publishMessage(none, 'E', 1),
		getStats: () => x.hop.channels.getStats(none),
		getAllTokens: () => x.hop.channels.getAllTokens(none),
		'subscribeToken, channel': () => x.hop.channels.subscribeToken(none, token.id),
		'subscribeToken, token': () => x.hop.channels.subscribeToken(id, ghost),
		'tokens.get': () => x.hop.channels.tokens.get(ghost),
		'tokens.isOnline': () => x.hop.channels.tokens.isOnline(ghost),
		'tokens.setState': () => x.hop.channels.tokens.setState(ghost, {}),
		'tokens.publishDirectMessage': () => x.hop.channels.tokens.publishDirectMessage(ghost, 'E', 1),
		'tokens.delete': () => x.hop.channels.tokens.delete(ghost),
		'an id with a slash': () => x.hop.channels.create('private', 'group chat/1', { state: {} }),
	};
	for (const [name, call] of Object.entries(calls)) await refused(call, { status: 404 }, name);
}

async function taken(x) {
	const id = x.unique('taken');
	await x.hop.channels.create('private', id, { state: { mine: 1 } });
	await refused(() => x.hop.channels.create('public', id, { state: {} }), { status: 409 });
	same([(await x.hop.channels.get(id)).type, (await x.hop.channels.get(id)).state], ['private', { mine: 1 }], 'unchanged');
	const other = new x.Hop(x.otherKey, x.url);
	const theirs = await other.channels.create('public', id);
	same([theirs.id, theirs.project.id], [id, x.otherProject], 'another project has its own');
	await refused(() => other.channels.tokens.get('leap_token_x'), { status: 404 });
}

async function invalid(x) {
	const id = x.unique('strict');
	await x.hop.channels.create('public', id, { state: { a: 1 } });
	await refused(() => x.hop.channels.create('secret', x.unique('bad')), { status: 400 }, 'unknown type');
	await refused(() => x.hop.channels.create('public', x.unique('bad'), { state: [1] }), { status: 400, code: 'invalid_body' }, 'state array');
	await refused(() => x.hop.channels.create('public', x.unique('bad'), { state: 'x' }), { status: 400, code: 'invalid_body' }, 'state text');
	await refused(() => x.hop.channels.create('public', 'tokens'), { status: 400 }, 'the reserved id');
	await refused(() => x.hop.channels.setState(id, null), { status: 400, code: 'invalid_body' }, 'setState(null)');
	await refused(() => x.hop.channels.setState(id, [1, 2]), { status: 400, code: 'invalid_body' }, 'setState([])');
	await refused(() => x.hop.channels.patchState(id, 'text'), { status: 400, code: 'invalid_body' }, 'patchState(text)');
	await refused(() => x.hop.channels.publishMessage(id, '', {}), { status: 400 }, 'empty event');
	await refused(() => x.hop.channels.publishMessage(id, 7, {}), { status: 400 }, 'event of a number');
	await refused(() => x.hop.channels.publishMessage(id, undefined, {}), { status: 400 }, 'no event');
	await refused(() => x.hop.channels.tokens.create([1]), { status: 400 }, 'token state array');
	await x.stateIs(id, { a: 1 });
}

async function preflight(x) {
	const answer = await fetch(`${x.url}/v1/channels/any/state`, { method: 'OPTIONS' });
	const header = (name) => (answer.headers.get(name) ?? '').toLowerCase();
	same(answer.status, 204);
	for (const verb of ['get', 'post', 'put', 'patch', 'delete']) ok(header('access-control-allow-methods').includes(verb), `verb ${verb}`);
	for (const name of ['authorization', 'content-type']) ok(header('access-control-allow-headers').includes(name), `header ${name}`);
	same(header('access-control-allow-origin'), '*');
}

export const refusals = [
	['b3 401 invalid_auth for keys that are wrong, cut, extended, or of a kind we do not issue', badKeys],
	['b2 the key behind "Bearer " and the options form', bearerPrefix],
	['b10 403 for another project', foreignProject],
	['b13 403 for each call a read-only key lacks', permissions],
	['b17 b20 b23 b25 404 for what does not exist', unknown],
	['b16 409 for an id that is taken, in this project only', taken],
	['b9 b15 b17 b23 400 for what is malformed', invalid],
];

/** A page may neither send these nor read the answers; there, the other calls prove that preflights pass. */
export const refusalsOutsideBrowsers = [['b6 OPTIONS on any path', preflight]];
