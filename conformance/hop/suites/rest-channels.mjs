//! Every channel call of `@onehop/js`, its answer and its effect. Runs in Node (ESM, CJS) and in a browser page.

import { matches, ok, same } from '../lib/check.mjs';
import { until } from '../../lib/wait.mjs';

const ISO_8601 = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)$/;
const RESERVED = ['setState', 'patchState', 'subscribeToken', 'subscribeTokens', 'removeToken', 'publishMessage'];

async function createWithoutId(x) {
	const channel = await x.hop.channels.create(x.ChannelType.UNPROTECTED);
	matches(channel.id, /^channel_[A-Za-z0-9_-]+$/, 'automatic id');
	same({ type: channel.type, state: channel.state }, { type: 'unprotected', state: {} });
	ok(Number.isInteger(channel.capabilities) && channel.capabilities >= 0, 'integer capabilities');
	matches(channel.created_at, ISO_8601, 'created_at');
	const { project } = channel;
	same(project.id, x.project, 'project id');
	for (const key of ['name', 'tier', 'created_at', 'icon', 'namespace', 'type', 'default_quotas', 'quota_overrides', 'quota_usage']) {
		ok(key in project, `project.${key}`);
	}
	ok(['free', 'paid'].includes(project.tier) && ['regular', 'personal'].includes(project.type), 'project tier and type');
	const { body } = await x.raw('GET', `/v1/channels/${channel.id}`);
	for (const key of RESERVED) ok(!(key in body.data.channel), `no key ${key} in the JSON`);
}

async function createEachType(x) {
	for (const type of ['private', 'public', 'unprotected']) {
		const id = x.unique(type);
		const channel = await x.hop.channels.create(type, id, { state: { a: 1 } });
		same([channel.id, channel.type, channel.state], [id, type, { a: 1 }]);
		same((await x.hop.channels.get(id)).state, { a: 1 }, 'stored state');
	}
}

async function createWithProject(x) {
	const id = x.unique('explicit');
	const channel = await x.hop.channels.create(x.ChannelType.PUBLIC, id, { state: {} }, x.project);
	same([channel.id, channel.project.id], [id, x.project]);
	const automatic = await x.hop.channels.create(x.ChannelType.PUBLIC, undefined, undefined, x.project);
	matches(automatic.id, /^channel_/, 'automatic id');
}

async function unusualIds(x) {
	for (const stem of ['group chat', 'café', '日本', 'a.b:c+d', 'project_x', "it's"]) {
		const id = x.unique(stem);
		const made = await x.raw('PUT', `/v1/channels/${encodeURIComponent(id)}`, { type: 'public', state: null });
		same([made.status, made.body.data.channel.id, made.body.data.channel.state], [200, id, {}]);
		const got = await x.hop.channels.get(id); // the SDK does not encode; URL parsing does
		same(got.id, id);
	}
}

async function getAll(x) {
	const ids = [x.unique('list'), x.unique('list')];
	for (const id of ids) await x.hop.channels.create(x.ChannelType.PRIVATE, id);
	for (const list of [await x.hop.channels.getAll(), await x.hop.channels.getAll(x.project)]) {
		for (const id of ids) ok(list.some((channel) => channel.id === id), `${id} in the list`);
		ok(typeof list[0].publishMessage === 'function', 'methods on listed channels');
	}
	const { body } = await x.raw('GET', '/v1/channels');
	same(body.data.total_count, body.data.channels.length, 'total_count');
	ok(Number.isInteger(body.data.page_size), 'page_size');
}

async function listIsWhole(x) {
	const before = (await x.hop.channels.getAll()).length;
	const made = await Promise.all(Array.from({ length: 120 }, () => x.hop.channels.create(x.ChannelType.PUBLIC, x.unique('bulk'))));
	same((await x.hop.channels.getAll()).length, before + 120, 'all channels without paging');
	const pages = [];
	for (let page = 1; page <= 40; page += 1) {
		const { body } = await x.raw('GET', `/v1/channels?page=${page}&pageSize=50&orderBy=asc&sortBy=created_at`);
		pages.push(...body.data.channels.map(({ id }) => id));
		if (pages.length >= body.data.total_count) break;
	}
	same(new Set(pages).size, before + 120, 'channels over all pages');
	await Promise.all(made.map(({ id }) => x.hop.channels.delete(id)));
	same((await x.hop.channels.getAll()).length, before, 'after deleting');
}

async function setState(x) {
	const id = x.unique('state');
	await x.hop.channels.create(x.ChannelType.UNPROTECTED, id, { state: { a: 1, b: { c: 2, d: 3 } } });
	await x.beside(undefined, async (observer) => {
		same((await observer.subscribe(id)).d.channel.state, { a: 1, b: { c: 2, d: 3 } }, 'snapshot');
		same(await x.hop.channels.setState(id, { b: 2 }), undefined);
		await x.stateIs(id, { b: 2 });
		await observer.event('STATE_UPDATE', id, (d) => d.state.b === 2 && !('a' in d.state));
		await x.hop.channels.setState(id, (old) => ({ ...old, c: old.b + 1 }));
		await x.stateIs(id, { b: 2, c: 3 });
		await x.hop.channels.setState(id, async (old) => ({ sum: old.b + old.c }));
		await x.stateIs(id, { sum: 5 });
		await observer.event('STATE_UPDATE', id, (d) => d.state.sum === 5);
	});
}

async function patchState(x) {
	const id = x.unique('patch');
	await x.hop.channels.create(x.ChannelType.UNPROTECTED, id, { state: { a: 1, b: { c: 2, d: 3 } } });
	await x.beside(undefined, async (observer) => {
		await observer.subscribe(id);
		same(await x.hop.channels.patchState(id, { b: { c: 9 }, n: null }), undefined);
		const want = { a: 1, b: { c: 9 }, n: null };
		await x.stateIs(id, want);
		same((await observer.event('STATE_UPDATE', id)).d.state, want, 'the whole state is pushed');
		await x.hop.channels.patchState(id, (old) => ({ e: old.a + 2 }));
		await x.stateIs(id, { ...want, e: 3 });
	});
	const answer = await x.raw('PATCH', `/v1/channels/${id}/state`, { d: 4 });
	same([answer.status, answer.body.data.state.d, answer.body.data.state.a], [200, 4, 1], 'answer of PATCH');
	const put = await x.raw('PUT', `/v1/channels/${id}/state`, { z: 1 });
	same([put.status, put.body], [200, { success: true, data: { state: { z: 1 } } }], 'answer of PUT');
}

async function concurrentPatches(x) {
	const id = x.unique('race');
	await x.hop.channels.create(x.ChannelType.UNPROTECTED, id);
	await x.beside(undefined, async (one) => {
		await x.beside(undefined, async (two) => {
			await one.subscribe(id);
			await two.subscribe(id);
			await Promise.all(Array.from({ length: 60 }, (_, n) => x.hop.channels.patchState(id, { [`k${n}`]: n })));
			const want = Object.fromEntries(Array.from({ length: 60 }, (_, n) => [`k${n}`, n]));
			await x.stateIs(id, want);
			const states = [];
			for (const observer of [one, two]) {
				await observer.event('STATE_UPDATE', id, (d) => Object.keys(d.state).length === 60);
				states.push(observer.events('STATE_UPDATE', id).map(({ d }) => Object.keys(d.state).sort()));
			}
			same(states[0], states[1], 'one order for both subscribers');
		});
	});
}

async function publish(x) {
	const id = x.unique('publish');
	await x.hop.channels.create(x.ChannelType.UNPROTECTED, id);
	const payloads = [{ hi: 1 }, 1, 'text', null, true, [1, { a: [] }], undefined, { 'ключ': '𝄞\u2028\u0000' }, -0.5];
	await x.beside(undefined, async (observer) => {
		await observer.subscribe(id);
		for (const data of payloads) same(await x.hop.channels.publishMessage(id, 'MSG', data), undefined);
		same((await x.raw('POST', `/v1/channels/${id}/publish`, { e: 'LAST', d: {} })).status, 204, 'the alias /publish');
		await observer.event('MESSAGE', id, (d) => d.e === 'LAST');
		const got = observer.events('MESSAGE', id).map(({ d }) => d);
		const want = [...payloads.map((data) => ({ e: 'MSG', d: data ?? null })), { e: 'LAST', d: {} }];
		same(got, want, 'each once, in order');
		for (const frame of observer.events('MESSAGE', id)) same([frame.c, frame.u], [id, false], 'channel and unicast');
	});
}

async function publishLarge(x) {
	const id = x.unique('large');
	await x.hop.channels.create(x.ChannelType.UNPROTECTED, id);
	const size = x.browser ? 60 : 200; // KiB; a browser caps keepalive bodies at 64
	const text = 'é"x\\'.repeat((size * 1024) / 8);
	await x.beside(undefined, async (observer) => {
		await observer.subscribe(id);
		await x.hop.channels.publishMessage(id, 'BIG', { text });
		const got = await observer.event('MESSAGE', id, (d) => d.e === 'BIG');
		ok(got.d.d.text === text, `all ${size} KiB, unchanged`);
	});
}

async function stats(x) {
	const id = x.unique('stats');
	await x.hop.channels.create(x.ChannelType.UNPROTECTED, id);
	same(await x.hop.channels.getStats(id), { online_count: 0 });
	await x.beside(undefined, async (observer) => {
		await observer.subscribe(id);
		await until('one online', async () => (await x.hop.channels.getStats(id)).online_count === 1);
		const { body } = await x.raw('GET', `/v1/channels/${id}/stats`);
		same(body.data, { stats: { online_count: 1 }, online_count: 1 }, 'in stats and beside it');
	});
	await until('nobody online', async () => (await x.hop.channels.getStats(id)).online_count === 0);
}

async function remove(x) {
	const id = x.unique('gone');
	await x.hop.channels.create(x.ChannelType.UNPROTECTED, id);
	await x.beside(undefined, async (observer) => {
		await observer.subscribe(id);
		same(await x.hop.channels.delete(id), undefined);
		same((await observer.event('UNAVAILABLE', id)).d, { graceful: true }, 'subscribers are told');
	});
	same((await x.raw('GET', `/v1/channels/${id}`)).status, 404);
	await x.hop.channels.create(x.ChannelType.PUBLIC, id); // the id is free again
}

async function objectMethods(x) {
	const channel = await x.hop.channels.create(x.ChannelType.PRIVATE, x.unique('object'), { state: { n: 1 } });
	const [first, second] = [await x.hop.channels.tokens.create(), await x.hop.channels.tokens.create()];
	await x.beside(first.id, async (observer) => {
		await channel.subscribeToken(first.id);
		await observer.event('AVAILABLE', channel.id, (d) => d.channel.id === channel.id);
		await channel.subscribeTokens([first.id, second.id]);
		await channel.setState({ n: 2 });
		await channel.patchState({ m: 3 });
		await observer.event('STATE_UPDATE', channel.id, (d) => d.state.m === 3 && d.state.n === 2);
		await channel.setState((old) => ({ n: old.n + 1 }));
		await x.stateIs(channel.id, { n: 3 });
		await channel.publishMessage('E', { v: 1 });
		same((await observer.event('MESSAGE', channel.id)).d, { e: 'E', d: { v: 1 } });
		await channel.removeToken(first.id);
		same((await observer.event('UNAVAILABLE', channel.id)).d, { graceful: true });
	});
	const left = await x.hop.channels.getAllTokens(channel.id);
	same(left.map(({ id }) => id), [second.id], 'tokens left');
}

export const channelCalls = [
	['b14 b18 channels.create(type) makes an id and answers the whole channel', createWithoutId],
	['b14 b15 channels.create(type, id, {state}) for each type', createEachType],
	['b10 channels.create with the key\'s own project', createWithProject],
	['b14 b17 ids with spaces, colons and letters of any script', unusualIds],
	['b19 channels.getAll() and getAll(project)', getAll],
	['b19 getAll answers everything, pages add up', listIsWhole],
	['b21 channels.setState, with an object, a function, an async function', setState],
	['b21 channels.patchState merges the top level only', patchState],
	['b22 60 concurrent patches lose none and every subscriber sees one order', concurrentPatches],
	['b23 b24 channels.publishMessage, every JSON value, once and in order', publish],
	['b8 b23 a publish of 200 KiB (60 KiB from a browser)', publishLarge],
	['b27 channels.getStats', stats],
	['b20 channels.delete', remove],
	['b21 b23 b25 the methods of a channel object', objectMethods],
];
