//! Every token call of `@onehop/js`, its answer and its effect. Runs in Node (ESM, CJS) and in a browser page.

import { matches, ok, refused, same } from '../lib/check.mjs';
import { until } from '../../lib/wait.mjs';

const TOKEN_ID = /^leap_token_[A-Za-z0-9_-]{20,}$/;
const RFC_3339 = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)$/;

async function create(x) {
	const bare = await x.hop.channels.tokens.create();
	matches(bare.id, TOKEN_ID, 'token id');
	same([bare.state, bare.project_id, bare.is_online, bare.expires_at], [{}, x.project, false, null]);
	matches(bare.created_at, RFC_3339, 'created_at');
	const full = await x.hop.channels.tokens.create({ user: 1, tags: ['a'] }, x.project);
	same([full.state, full.project_id], [{ user: 1, tags: ['a'] }, x.project]);
	ok(full.id !== bare.id, 'another id');
	const expiring = await x.raw('POST', '/v1/channels/tokens', { state: null, expires_at: '2099-01-02T03:04:05.123456789+02:00' });
	same(expiring.status, 200);
	same(new Date(expiring.body.data.token.expires_at).toISOString().slice(0, 19), '2099-01-02T01:04:05', 'the instant of expires_at');
	const past = await x.raw('POST', '/v1/channels/tokens', { expires_at: '2001-01-02T03:04:05Z' });
	same([past.status, past.body.success], [400, false], 'an expiry in the past');
}

async function getAndSet(x) {
	const token = await x.hop.channels.tokens.create({ user: 1 });
	same((await x.hop.channels.tokens.get(token.id)).state, { user: 1 });
	const changed = await x.hop.channels.tokens.setState(token.id, { x: 2 });
	same([changed.id, changed.state], [token.id, { x: 2 }], 'state is replaced');
	same((await x.hop.channels.tokens.get(token.id)).state, { x: 2 });
	const kept = await x.raw('PATCH', `/v1/channels/tokens/${token.id}`, { expires_at: '2099-01-01T00:00:00Z' });
	same([kept.status, kept.body.data.token.state], [200, { x: 2 }], 'an absent state is kept');
	await x.beside(token.id, async ({ init }) => {
		same([init.scope, init.metadata, init.connection_count, init.channels], ['token', { x: 2 }, 1, []], 'INIT');
	});
}

async function list(x) {
	const token = await x.hop.channels.tokens.create({ listed: true });
	const { status, body } = await x.raw('GET', '/v1/channels/tokens');
	same(status, 200);
	same(body.data.tokens.find(({ id }) => id === token.id)?.state, { listed: true }, 'the token in the list');
}

async function online(x) {
	const token = await x.hop.channels.tokens.create();
	same(await x.hop.channels.tokens.isOnline(token), false, 'from the object');
	same(await x.hop.channels.tokens.isOnline(token.id), false, 'before connecting');
	await x.beside(token.id, async () => {
		same(await x.hop.channels.tokens.isOnline(token.id), true, 'from INIT on');
		await x.beside(token.id, async ({ init }) => same(init.connection_count, 2, 'connection_count'));
		same(await x.hop.channels.tokens.isOnline(token.id), true, 'while one connection is left');
	});
	await until('offline', async () => (await x.hop.channels.tokens.isOnline(token.id)) === false);
}

async function directMessage(x) {
	const [target, other] = [await x.hop.channels.tokens.create(), await x.hop.channels.tokens.create()];
	same(await x.hop.channels.tokens.publishDirectMessage(target.id, 'LOST', {}), undefined, 'nobody online');
	await x.beside(target.id, (one) => x.beside(target.id, (two) => x.beside(other.id, async (stranger) => {
		await x.hop.channels.tokens.publishDirectMessage(target.id, 'NOTE', { a: 1 });
		await x.hop.channels.tokens.publishDirectMessage(target.id, 'BARE');
		await x.hop.channels.tokens.publishDirectMessage(other.id, 'FENCE', null);
		for (const observer of [one, two]) {
			await observer.event('DIRECT_MESSAGE', undefined, (d) => d.e === 'BARE');
			const got = observer.events('DIRECT_MESSAGE');
			same(got.map(({ d }) => d), [{ e: 'NOTE', d: { a: 1 } }, { e: 'BARE', d: null }], 'each once');
			same(got.map(({ c }) => c), [null, null], 'channel null');
		}
		await stranger.event('DIRECT_MESSAGE', undefined, (d) => d.e === 'FENCE');
		same(stranger.events('DIRECT_MESSAGE').length, 1, 'messages of the other token');
	})));
}

async function subscribe(x) {
	for (const type of ['private', 'public', 'unprotected']) {
		const channel = await x.hop.channels.create(type, x.unique(type), { state: { type } });
		const token = await x.hop.channels.tokens.create();
		await x.beside(token.id, async (observer) => {
			same(await x.hop.channels.subscribeToken(channel, token.id), undefined);
			const available = await observer.event('AVAILABLE', channel.id);
			same([available.d.channel.state, available.d.channel.project_id], [{ type }, x.project], 'live and at once');
			await x.hop.channels.subscribeToken(channel.id, token.id); // idempotent
			await x.hop.channels.publishMessage(channel, 'ONE', 1);
			await observer.event('MESSAGE', channel.id);
			const tokens = await x.hop.channels.getAllTokens(channel);
			same(tokens.map(({ id, is_online }) => [id, is_online]), [[token.id, true]], 'getAllTokens');
			await x.hop.channels.removeToken(channel, token.id);
			same((await observer.event('UNAVAILABLE', channel.id)).d, { graceful: true });
			await x.hop.channels.removeToken(channel.id, token.id); // idempotent
			await x.hop.channels.publishMessage(channel, 'TWO', 2);
			await x.hop.channels.tokens.publishDirectMessage(token.id, 'FENCE', {});
			await observer.event('DIRECT_MESSAGE');
			same(observer.events('MESSAGE', channel.id).map(({ d }) => d.e), ['ONE'], 'messages: once, and none after removal');
		});
		same(await x.hop.channels.getAllTokens(channel), [], 'no tokens left');
	}
}

async function subscribeMany(x) {
	const channel = await x.hop.channels.create(x.ChannelType.PRIVATE, x.unique('many'));
	const tokens = await Promise.all(Array.from({ length: 25 }, () => x.hop.channels.tokens.create()));
	const ids = tokens.map(({ id }) => id).sort();
	same(await x.hop.channels.subscribeTokens(channel, [...ids, 'leap_token_unknown']), undefined, 'errors are swallowed by the SDK');
	same((await x.hop.channels.getAllTokens(channel)).map(({ id }) => id).sort(), ids, 'all subscribed');
	await x.hop.channels.removeTokens(channel.id, ids.slice(1));
	same((await x.hop.channels.getAllTokens(channel)).map(({ id }) => id), [ids[0]], 'one left');
	const { init } = await x.beside(ids[0], async (observer) => observer);
	same(init.channels.map(({ id }) => id), [channel.id], 'INIT of the one left');
}

async function remove(x) {
	const token = await x.hop.channels.tokens.create();
	const channel = await x.hop.channels.create(x.ChannelType.PRIVATE, x.unique('holder'));
	await x.hop.channels.subscribeToken(channel, token.id);
	await x.beside(token.id, async (observer) => {
		same(await x.hop.channels.tokens.delete(token.id), undefined);
		await observer.until('close 4001', () => observer.closed?.code === 4001);
	});
	await refused(() => x.hop.channels.tokens.get(token.id), { status: 404 });
	same(await x.hop.channels.getAllTokens(channel), [], 'its subscriptions are gone');
}

async function expiry(x) {
	const expires_at = new Date(Date.now() + 1500).toISOString();
	const { body } = await x.raw('POST', '/v1/channels/tokens', { state: {}, expires_at });
	await x.beside(body.data.token.id, async (observer) => {
		await observer.until('close 4001 on expiry', () => observer.closed?.code === 4001);
		ok(Date.now() >= Date.parse(expires_at), 'not closed before its expiry');
	});
}

export const tokenCalls = [
	['b28 channels.tokens.create, with state, project and expiry', create],
	['b29 b42 channels.tokens.get and setState', getAndSet],
	['b29 the list of tokens', list],
	['b30 b63 channels.tokens.isOnline, by id and by object', online],
	['b31 channels.tokens.publishDirectMessage', directMessage],
	['b25 b26 channels.subscribeToken, removeToken and getAllTokens', subscribe],
	['b25 channels.subscribeTokens and removeTokens', subscribeMany],
	['b29 b32 channels.tokens.delete closes its connections', remove],
	['b32 an expired token is closed', expiry],
];
