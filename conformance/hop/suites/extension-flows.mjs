//! What Tollgate adds to Hop Channels, as an unmodified `@onehop/client` sees it: capabilities of a channel, ephemeral
//! subscriptions, default channels and public ids of tokens, versions of state. It holds docs/compatibility/hop.md, section "What Tollgate adds".

import { ok, same } from '../lib/check.mjs';
import { until } from '../../lib/wait.mjs';

const EPHEMERAL = 1;
const TOKENS_PUBLISH = 2;
const ANYONE_PUBLISHES = 2 + 4;
const TOKENS_SET_STATE = 2 + 8;
const ANYONE_SETS_STATE = 8 + 16;

async function anonymousPublish(w) {
	const id = await w.channel('unprotected', { capabilities: ANYONE_PUBLISHES });
	const [sender, other] = [await w.client(), await w.client()];
	for (const client of [sender, other]) await client.subscribe(id);
	await sender.call('sendMessage', id, 'HELLO', { n: 1 });
	for (const client of [sender, other]) same((await client.message(id, 'HELLO')).data, { n: 1 });
}

async function readOnly(w) {
	const id = await w.channel('unprotected', { capabilities: 0 });
	const client = await w.client(await w.token());
	await client.subscribe(id);
	await client.call('sendMessage', id, 'DROPPED', {});
	await w.settle(client);
	const { status, body } = await w.raw('PATCH', `/v1/channels/${id}`, { capabilities: TOKENS_PUBLISH });
	same([status, body.data.channel.capabilities, body.data.channel.id], [200, TOKENS_PUBLISH, id], 'PATCH of the channel');
	same((await w.hop.channels.get(id)).capabilities, TOKENS_PUBLISH);
	await client.call('sendMessage', id, 'KEPT', {});
	await client.message(id, 'KEPT');
	same(await client.messages(id), [['KEPT', {}]]);
}

async function tokenState(w) {
	const id = await w.channel('unprotected', { state: { a: 1 }, capabilities: TOKENS_SET_STATE });
	const [known, stranger] = [await w.client(await w.token()), await w.client()];
	for (const client of [known, stranger]) await client.subscribe(id);
	await stranger.call('setChannelState', id, { stolen: 1 });
	await w.settle(stranger);
	await known.call('setChannelState', id, { set: true });
	for (const client of [known, stranger]) {
		await client.channel(id, 'set', ({ state }) => state.set);
		same((await client.look()).stateUpdates, [{ channel: id, state: { set: true } }], 'a set, not a patch; once');
	}
	await known.call('setChannelState', id, [1, 2]);
	await w.settle(known);
	await w.stateIs(id, { set: true });
}

async function anonymousState(w) {
	const id = await w.channel('unprotected', { capabilities: ANYONE_SETS_STATE });
	const client = await w.client();
	await client.subscribe(id);
	await client.call('setChannelState', id, { by: 'anyone' });
	await client.channel(id, 'set', ({ state }) => state.by === 'anyone');
	await w.stateIs(id, { by: 'anyone' });
}

async function defaultChannels(w) {
	const ids = [await w.channel('private', { state: { d: 1 } }), await w.channel('public')].sort();
	const { status, body } = await w.raw('POST', '/v1/channels/tokens', { state: {}, channels: ids });
	same(status, 200);
	const client = await w.client(body.data.token.id);
	same(Object.keys((await client.look()).channels).sort(), ids, 'available from INIT on');
	const refused = await w.raw('POST', '/v1/channels/tokens', { state: {}, channels: ['no-such-channel'] });
	ok(refused.status >= 400 && refused.status < 500, `an unknown default channel is refused, got ${refused.status}`);
}

async function ephemeral(w) {
	const passing = await w.channel('unprotected', { capabilities: EPHEMERAL });
	const visitor = await w.client();
	await visitor.subscribe(passing);
	const id = await w.channel('private');
	const token = await w.token();
	const client = await w.client(token);
	const { status } = await w.raw('PUT', `/v1/channels/${id}/subscribers/${token}?ephemeral=true`);
	same(status, 204);
	await client.channel(id, 'granted', ({ subscription }) => subscription === 'available');
	same((await w.hop.channels.getAllTokens(id)).length, 1, 'subscribed');
	for (const app of [client, visitor]) await app.close();
	await until('offline', async () => !(await w.hop.channels.tokens.isOnline(token)));
	same((await w.hop.channels.getAllTokens(id)).length, 1, 'still subscribed while the session lasts');
	same((await w.hop.channels.get(passing)).capabilities, EPHEMERAL, 'the channel is still there, too');
	const left = async () => (await w.hop.channels.getAllTokens(id)).length === 0;
	await until('the subscription to end with the session, 30 s after its last connection', left, { within: 45_000, every: 500 });
	const gone = async () => (await w.raw('GET', `/v1/channels/${passing}`)).status === 404;
	await until('the channel to end 30 s after its last subscriber', gone, { within: 15_000, every: 500 });
}

async function publicId(w) {
	const id = await w.channel('private');
	const { body } = await w.raw('POST', '/v1/channels/tokens', {});
	const { public_id, id: secret } = body.data.token;
	ok(typeof public_id === 'string' && !secret.includes(public_id), `a public id apart from the secret, got ${public_id}`);
	await w.hop.channels.subscribeToken(id, public_id);
	same((await w.hop.channels.tokens.get(public_id)).id, secret, 'a key that may read tokens sees the secret');
	const client = await w.client(secret);
	same(Object.keys((await client.look()).channels), [id]);
	const thief = await w.app();
	await thief.init(w, public_id);
	await thief.until('refused', ({ warnings }) => warnings.some((line) => line.includes('Invalid auth')));
}

async function conditionalState(w) {
	const id = await w.channel('unprotected', { state: { n: 0 } });
	const path = `/v1/channels/${id}/state`;
	const put = (etag, n) => {
		const headers = { authorization: w.key, 'content-type': 'application/json', 'if-match': etag };
		return fetch(w.url + path, { method: 'PUT', headers, body: JSON.stringify({ n }) });
	};
	const etag = (await w.raw('GET', path)).headers.get('etag');
	const first = await put(etag, 1);
	same([first.status, await first.json()], [200, { success: true, data: { state: { n: 1 } } }]);
	const late = await put(etag, 2);
	same([late.status, (await late.json()).error.code], [412, 'version_mismatch'], 'with the old version');
	same((await put(first.headers.get('etag'), 3)).status, 200, 'with the new one');
	await w.stateIs(id, { n: 3 });
}

export const extensionFlows = [
	['capabilities 4: anonymous clients may publish', anonymousPublish],
	['capabilities 0 and PATCH /v1/channels/:id: publishing switched off and on', readOnly],
	['b58 capabilities 8: token clients may set state', tokenState],
	['b58 capabilities 16: anonymous clients may set state', anonymousState],
	['default channels of a new token', defaultChannels],
	['the public id of a token names it and does not open it', publicId],
	['state with If-Match', conditionalState],
	['b62 ephemeral subscriptions and ephemeral channels (capabilities 1) end with their sessions', ephemeral],
];
