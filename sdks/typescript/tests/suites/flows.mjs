//! What an application does with the client half on a real server: the same flows in Node and in a page of Chromium. `context` has the place, the
//! application (see ../lib/app.mjs), a relay that can be cut, and where tokens are got.

import { ok, same } from '../../../../conformance/lib/check.mjs';
import { before, until } from '../../../../conformance/lib/wait.mjs';

let numbers = 0;
/** A name that no other flow has. */
const fresh = (word) => `${word}-${(numbers += 1)}-${Math.random().toString(36).slice(2, 8)}`;

const offsets = (messages) => messages.map(({ position }) => Number(position.split('-')[1]));
const datas = (messages) => messages.map(({ data }) => data);

/** A channel of its own, and a way to make clients of it. */
async function room(context, { type = 'private', ...options } = {}) {
	const { place, app, proxy } = context;
	const channel = fresh('room');
	await place.backend.channels.create(channel, { type, ...options });
	const made = [];
	const join = async (user, { wish = {}, ttl, ...more } = {}) => {
		const name = fresh(user);
		made.push(name);
		const id = `${user}-${channel}`;
		const tokenUrl = user === 'nobody' ? undefined : `${context.origin}/token?${new URLSearchParams({ user: id, ...(ttl && { ttl }), ...(more.tickets && { ticket: 'yes' }) })}`;
		await app.make(name, { url: proxy.url, project: place.server.project, ...(tokenUrl && { tokenUrl }), channels: { [channel]: wish }, ...more });
		await app.connect(name);
		return name;
	};
	const hears = (name, count) =>
		until(async () => `${count} messages, has ${JSON.stringify(await app.log(name)).slice(0, 900)}`, async () => {
			const log = await app.log(name);
			return log.messages.length >= count && log;
		}, { within: 60_000 });
	const say = (data) => place.backend.channels.publish(channel, 'said', data);
	return { channel, join, hears, say, user: (name) => `${name}-${channel}`, done: () => Promise.all(made.map((name) => app.close(name))) };
}

/** Everything from 1 on, once, in order. */
function isWhole(messages, count) {
	same(datas(messages), Array.from({ length: count }, (_, at) => at + 1), 'what was heard');
	const all = offsets(messages);
	ok(all.every((offset, at) => at === 0 || offset === all[at - 1] + 1), `offsets without a hole: ${all}`);
}

export const flows = [
	['clients and the backend chat in a private channel, in one order', async (context) => {
		const { app } = context;
		const { channel, join, hears, say, done, user } = await room(context);
		const [ann, ben] = [await join('ann'), await join('ben')];
		for (let round = 0; round < 5; round += 1) {
			await Promise.all([app.call(ann, 'publish', channel, 'said', `a${round}`), app.call(ben, 'publish', channel, 'said', `b${round}`), say(`c${round}`)]);
		}
		const [one, other] = [await hears(ann, 15), await hears(ben, 15)];
		same(one.messages, other.messages, 'what both heard');
		same(new Set(datas(one.messages)).size, 15, 'all are different');
		same(one.messages.find(({ data }) => data === 'b0').user, user('ben'), 'the sender');
		same(one.messages.find(({ data }) => data === 'c0').user, undefined, 'the backend is no sender');
		await done();
	}],

	['nobody else gets into a private channel, and is told why', async (context) => {
		const { app, place, proxy } = context;
		const { channel } = await room(context);
		const name = fresh('stranger');
		await app.make(name, { url: proxy.url, project: place.server.project });
		await app.connect(name);
		const { error } = await app.subscribe(name, channel);
		same(error?.code, 'not_granted', 'a refusal');
		await app.close(name);
	}],

	['connections are cut again and again: nothing is lost, nothing comes twice', async (context) => {
		const { app } = context;
		const { join, hears, say, done } = await room(context);
		const ann = await join('ann');
		const cutting = setInterval(() => context.proxy.cut(), 250);
		const losses = async () => (await app.log(ann)).counters.losses;
		let said = 0;
		try {
			// How long she waits before she comes back is drawn: three cuts that she notices may take longer than 80 messages.
			while (said < 80 || (said < 240 && (await losses()) < 3)) {
				said += 1;
				await say(said);
				await new Promise((resolve) => setTimeout(resolve, 20));
			}
		} finally {
			clearInterval(cutting);
		}
		const log = await hears(ann, said);
		isWhole(log.messages, said);
		ok(log.counters.losses >= 3, `it was cut: ${JSON.stringify(log.counters)}`);
		same([log.gaps, log.counters.duplicates, log.counters.holes], [[], 0, 0], 'gaps, duplicates, holes');
		await done();
	}],

	['an anonymous client comes back to where it was, too', async (context) => {
		const { join, hears, say, done } = await room(context, { type: 'unprotected' });
		const nobody = await join('nobody');
		await say(1);
		await hears(nobody, 1);
		context.proxy.shut();
		await say(2);
		await say(3);
		context.proxy.open();
		const log = await hears(nobody, 3);
		isWhole(log.messages, 3);
		same(log.gaps, [], 'gaps');
		await done();
	}],

	['what is published without a connection waits, and arrives once and in order', async (context) => {
		const { app, proxy } = context;
		const { channel, join, hears, done } = await room(context);
		const [ann, ben] = [await join('ann'), await join('ben')];
		proxy.shut();
		const publishing = [1, 2, 3, 4, 5].map((n) => app.call(ann, 'publish', channel, 'said', n));
		await until('she noticed', async () => (await app.log(ann)).now !== 'connected');
		proxy.open();
		const results = await before(20_000, 'the replies', Promise.all(publishing));
		ok(results.every(({ value }) => value?.position), JSON.stringify(results));
		isWhole((await hears(ben, 5)).messages, 5);
		isWhole((await hears(ann, 5)).messages, 5);
		await done();
	}],

	['replies that were lost on the way are no second message', async (context) => {
		const { app, proxy } = context;
		const { channel, join, hears, done } = await room(context);
		const [ann, ben] = [await join('ann'), await join('ben')];
		for (let n = 1; n <= 20; n += 1) {
			const publishing = app.call(ann, 'publish', channel, 'said', n);
			if (n % 6 === 0) proxy.cut();
			const { value, error } = await publishing;
			ok(value?.position, `a place: ${JSON.stringify(error)}`);
		}
		isWhole((await hears(ben, 20)).messages, 20);
		const again = await app.call(ann, 'publish', channel, 'said', 'x', { id: 'mine' });
		const twice = await app.call(ann, 'publish', channel, 'said', 'x', { id: 'mine' });
		same([twice.value.duplicate, twice.value.position], [true, again.value.position], 'the same message');
		await done();
	}],

	['a token is exchanged before it ends, and the connection goes on', async (context) => {
		const { app, proxy } = context;
		const { join, hears, say, done } = await room(context);
		const ann = await join('ann', { ttl: 4 });
		await until('two more tokens', async () => (await app.log(ann)).asked >= 3, { within: 20_000 });
		await say(1);
		const log = await hears(ann, 1);
		same([log.counters.losses, log.states.filter((state) => state === 'connected').length], [0, 1], 'losses, connections');
		ok(proxy, 'a relay');
		await done();
	}],

	['a revoked token: another is asked for, and nothing is lost; a fixed one is the end', async (context) => {
		const { app, place, proxy } = context;
		const { channel, join, hears, say, done, user } = await room(context);
		const ann = await join('ann');
		const token = await place.backend.tokenFor(user('fixed'), { capabilities: [{ channels: channel, operations: ['subscribe'] }] });
		const fixed = fresh('fixed');
		await app.make(fixed, { url: proxy.url, project: place.server.project, token, channels: { [channel]: {} } });
		await app.connect(fixed);
		await say(1);
		await hears(ann, 1);
		await place.backend.tokens.revoke({ user_id: user('ann') });
		await place.backend.tokens.revoke({ user_id: user('fixed') });
		await say(2);
		const log = await hears(ann, 2);
		ok(log.asked >= 2, 'the provider was asked again');
		const ended = await until('the end of the other', async () => {
			const one = await app.log(fixed);
			return one.now === 'closed' && one;
		});
		same([ended.errors.at(-1).retry, ended.ended.at(-1).reason], ['auth', 'closed'], 'why');
		await done();
	}],

	['echo off, states by version, batches, history, a beginning in the past', async (context) => {
		const { app } = context;
		const { channel, join, hears, done } = await room(context);
		const [ann, ben] = [await join('ann'), await join('ben')];
		await app.call(ann, 'publish', channel, 'said', 1, { echo: false });
		const { value: results } = await app.call(ann, 'batch', [
			{ channel, event: 'said', data: 2 }, { channel: fresh('none'), event: 'said', data: 0 }, { channel, event: 'said', data: 3 },
		]);
		ok(results[0].position && results[1].error && results[2].position, JSON.stringify(results));
		isWhole((await hears(ben, 3)).messages, 3);
		const own = await hears(ann, 2);
		same([datas(own.messages), own.counters.echoes, own.counters.holes], [[2, 3], 1, 0], 'what she heard of her own');

		const { version } = own.channels[channel];
		same(await app.call(ann, 'mergeState', channel, { topic: 'tea' }, { ifVersion: version }), { value: { version: version + 1 } }, 'the change');
		const { error } = await app.call(ben, 'setState', channel, {}, { ifVersion: version });
		same([error.code, error.version, error.retry], ['version_mismatch', version + 1, 'never'], 'a change that comes too late');
		await until('the state at the other', async () => (await app.log(ben)).channels[channel].state?.topic === 'tea');

		const page = (await app.call(ben, 'history', channel, { limit: 2 })).value;
		same(datas(page.messages), [1, 2], 'the first page');
		same(datas(await app.collect(ben, 'messages', channel, { limit: 2 })), [1, 2, 3], 'all pages');
		same(datas(await app.collect(ben, 'messages', channel, { order: 'newest', limit: 2 })), [3, 2, 1], 'backwards');
		same(datas(await app.collect(ben, 'messages', channel, { after: page.messages[0].position })), [2, 3], 'after a position');
		const late = await join('cyd', { wish: { rewind: { last: 2 } } });
		same(datas((await hears(late, 2)).messages), [2, 3], 'the last two');
		const later = await join('dan', { wish: { position: page.messages[0].position } });
		same(datas((await hears(later, 2)).messages), [2, 3], 'after a position');
		await done();
	}],

	['who leaves hears nothing any more, and may come back', async (context) => {
		const { app } = context;
		const { channel, join, hears, say, done } = await room(context);
		const ann = await join('ann');
		await say(1);
		await hears(ann, 1);
		await app.unsubscribe(ann, channel);
		await say(2);
		await app.subscribe(ann, channel);
		await say(3);
		same(datas((await hears(ann, 2)).messages), [1, 3], 'what she heard');
		await done();
	}],

	['who is there: told, listed, counted, with what they show, and gone when they close', async (context) => {
		const { app, place } = context;
		const { channel, join, done, user } = await room(context, { settings: { presence: true } });
		const ann = await join('ann', { wish: { presence: true, data: { mood: 'good' } } });
		const ben = await join('ben', { data: { name: 'Ben' } });
		await until('the news', async () => (await app.log(ann)).presence.some(({ joined = [] }) => joined.some(({ member }) => member === user('ben'))));
		const members = await app.collect(ben, 'members', channel);
		same(members.map(({ member, data }) => [member, data]).sort(), [[user('ann'), { mood: 'good' }], [user('ben'), { name: 'Ben' }]], 'members');
		same((await app.call(ben, 'count', channel)).value, 2, 'how many');
		await app.call(ben, 'setPresence', channel, { name: 'Benjamin' });
		await until('the change', async () => (await app.log(ann)).presence.some(({ joined = [] }) => joined.some(({ data }) => data?.name === 'Benjamin')));
		same((await place.backend.channels.presence(channel, { limit: 0 })).count, 2, 'as the backend sees it');
		await app.close(ben);
		await until('the news', async () => (await app.log(ann)).presence.some(({ left = [] }) => left.includes(user('ben'))));
		context.proxy.cut();
		await until('she is back', async () => (await app.log(ann)).counters.losses === 1 && (await app.log(ann)).now === 'connected');
		const known = (await app.log(ann)).presence.length;
		await join('cyd');
		await until('the news on the new connection', async () => (await app.log(ann)).presence.length > known);
		await done();
	}],

	['without WebSockets: received by a stream, published by /v2, cut again and again, and nothing is lost', async (context) => {
		const { app } = context;
		const { channel, join, hears, say, done } = await room(context);
		await say(1);
		const ann = await join('ann', { noSockets: true, fallback: 'sse', wish: { rewind: { last: 10 } } });
		const ben = await join('ben');
		for (let n = 2; n <= 41; n += 1) {
			if (n % 10 === 0) context.proxy.cut();
			await (n % 2 === 0 ? say(n) : app.call(ben, 'publish', channel, 'said', n));
		}
		isWhole((await hears(ann, 41)).messages, 41);
		const { value, error } = await app.call(ann, 'publish', channel, 'said', 42, { id: 'mine' });
		ok(value?.position, `a place: ${JSON.stringify(error)}`);
		same((await app.call(ann, 'publish', channel, 'said', 42, { id: 'mine' })).value?.duplicate, true, 'the same message');
		const log = await hears(ann, 42);
		same([log.gaps, log.counters.duplicates, log.counters.holes], [[], 0, 0], 'gaps, duplicates, holes');
		same(datas((await app.call(ann, 'history', channel, { limit: 3 })).value.messages), [1, 2, 3], 'history');
		ok((await app.call(ann, 'mergeState', channel, { n: 1 })).value?.version > 0, 'a version');
		await done();
	}],

	['tickets let a client in that has no token: another one for each connection, each stream, and before the end of the token', async (context) => {
		const { app, place, proxy } = context;
		for (const how of [{}, { noSockets: true, fallback: 'sse' }]) {
			const { channel, join, hears, say, done, user } = await room(context);
			const ann = await join('ann', { tickets: true, ...how });
			const before = (await app.log(ann)).asked;
			ok(before >= 1 && (await app.log(ann)).token?.user === user('ann'), 'she is in');
			await say(1);
			await hears(ann, 1);
			proxy.cut();
			await until('she noticed', async () => (await app.log(ann)).counters.losses > (how.noSockets ? 3 : 0));
			await say(2);
			await place.backend.users.message(user('ann'), 'hi', 1);
			isWhole((await hears(ann, 2)).messages, 2);
			const log = await until('what was sent to her', async () => {
				const now = await app.log(ann);
				return now.directs.length === 1 && now;
			});
			ok(log.asked > before, 'another ticket for another connection');
			same([log.gaps, log.lost], [[], 0], 'gaps, losses');
			const other = fresh('other');
			await place.backend.channels.create(other, { type: 'private' });
			const entered = await app.subscribe(ann, other);
			ok(entered.position, `entered: ${JSON.stringify(entered)}`);
			await place.backend.channels.publish(other, 'said', 'here');
			await hears(ann, 3);
			const { requests } = await app.log(ann);
			ok(requests.every((url) => !/tkt_|tgt_/.test(url)), `nothing secret is in an address: ${requests}`);
			same(how.noSockets ? requests.length > 2 : requests.length === 0, true, 'streams are fetched');
			await done();
		}
		const { join, done } = await room(context);
		const ben = await join('ben', { tickets: true, ttl: 4 });
		const { token } = await app.log(ben);
		await until('two tokens more than the first', async () => {
			const now = await app.log(ben);
			return now.asked >= 3 && now.token.id !== token.id;
		}, { within: 20_000 });
		same((await app.log(ben)).counters.losses, 0, 'losses');
		await done();
	}],

	['direct messages to a user, received by streams, also those sent meanwhile', async (context) => {
		const { app, place, proxy } = context;
		const { join, done, user } = await room(context);
		const ann = await join('ann', { noSockets: true, fallback: 'sse' });
		await place.backend.users.message(user('ann'), 'hi', 1);
		await until('it', async () => (await app.log(ann)).directs.length === 1);
		const other = fresh('other');
		await place.backend.channels.create(other, { type: 'private' });
		await Promise.all([app.subscribe(ann, other), place.backend.users.message(user('ann'), 'hi', 2)]);
		await until('the second', async () => (await app.log(ann)).directs.length === 2);
		const { losses } = (await app.log(ann)).counters;
		proxy.shut();
		await until('she noticed', async () => (await app.log(ann)).counters.losses > losses);
		await place.backend.users.message(user('ann'), 'hi', 3);
		proxy.open();
		const log = await until('what was sent meanwhile', async () => {
			const now = await app.log(ann);
			return now.directs.length >= 3 && now;
		}, { within: 20_000 });
		same([datas(log.directs), log.lost], [[1, 2, 3], 0], 'direct messages');
		await done();
	}],

	['direct messages to a user and a token, also those sent meanwhile', async (context) => {
		const { app, place, proxy } = context;
		const { join, done, user } = await room(context);
		const ann = await join('ann');
		await place.backend.users.message(user('ann'), 'hi', 1);
		await until('it', async () => (await app.log(ann)).directs.length === 1);
		proxy.shut();
		await until('she noticed', async () => (await app.log(ann)).now !== 'connected');
		await place.backend.users.message(user('ann'), 'hi', 2);
		proxy.open();
		const log = await until('what was sent meanwhile', async () => {
			const now = await app.log(ann);
			return now.directs.length >= 2 && now;
		}, { within: 20_000 });
		same([datas(log.directs), log.lost], [[1, 2], 0], 'direct messages');
		await done();
	}],
];
