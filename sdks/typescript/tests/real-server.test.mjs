//! The server half against the real server: every group of calls does what it says.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { TollgateError } from '../dist/esm/server/index.js';
import { Place } from './lib/place.mjs';

let place;
let backend;
before(async () => {
	place = await Place.open();
	({ backend } = place);
});
after(() => place?.close());

const refused = (code, status) => (error) => {
	assert.ok(error instanceof TollgateError, `${error}`);
	assert.deepEqual([error.code, error.status], [code, status]);
	assert.ok(error.requestId, 'every refusal has the id of its request');
	return true;
};

test('tokens: made, read, changed, rotated, introspected, revoked, restored, deleted', async () => {
	const made = await backend.tokens.create({ user_id: 'ann', ttl_s: 3_600, channels: [], metadata: { plan: 'free' } });
	assert.match(made.secret, /^\w+/);
	const shown = await backend.tokens.get(made.id);
	assert.deepEqual([shown.user_id, shown.status, 'secret' in shown], ['ann', 'active', false]);
	const changed = await backend.tokens.change(made.id, { name: 'laptop' }, { ifVersion: shown.version });
	await assert.rejects(backend.tokens.change(made.id, { name: 'x' }, { ifVersion: shown.version }), refused('version_mismatch', 412));
	assert.equal(changed.name, 'laptop');
	const rotated = await backend.tokens.rotate(made.id, { grace_s: 0 });
	assert.notEqual(rotated.secret, made.secret);
	assert.equal((await backend.tokens.introspect(made.secret)).active, false);
	assert.equal((await backend.tokens.introspect(rotated.secret)).active, true);
	assert.equal((await backend.tokens.revoke({ tokens: [made.id], reason: 'test' })).revoked, 1);
	assert.equal((await backend.tokens.introspect(rotated.secret)).refusal.code, 'token_revoked');
	assert.equal((await backend.tokens.restore(made.id)).restored, true);
	await backend.tokens.delete(made.id);
	await assert.rejects(backend.tokens.get(made.id), refused('not_found', 404));
});

test('lists go on page by page; batches; states; subscriptions', async () => {
	const outcomes = await backend.tokens.batch({ action: 'create', entries: [1, 2, 3].map(() => ({ user_id: 'lists' })) });
	assert.deepEqual(outcomes.map(({ status }) => status), ['created', 'created', 'created']);
	const ids = [];
	for await (const { id } of backend.tokens.all({ user_id: 'lists', limit: 2 })) ids.push(id);
	assert.deepEqual(ids.sort(), outcomes.map(({ id }) => id).sort());
	assert.deepEqual((await backend.tokens.setState(ids[0], { n: 1 })).state, { n: 1 });
	const { version } = await backend.tokens.mergeState(ids[0], { m: 2 });
	assert.deepEqual(await backend.tokens.state(ids[0]), { state: { n: 1, m: 2 }, version });
	await backend.channels.create('lists');
	await backend.tokens.subscribe(ids[0], 'lists');
	assert.deepEqual(await backend.tokens.subscriptions(ids[0]), [{ channel: 'lists', ephemeral: false }]);
	await backend.tokens.unsubscribe(ids[0], 'lists');
	assert.deepEqual(await backend.tokens.subscriptions(ids[0]), []);
	assert.deepEqual(await backend.tokens.connections(ids[0]), []);
	assert.deepEqual(await backend.tokens.message(ids[0], 'hi', { n: 1 }), { connections: 0 });
});

test('users: made, changed, listed, banned, deleted', async () => {
	const user = 'ünal / 7';
	await backend.users.create({ user_id: user, display_name: 'Ünal' });
	await backend.users.change(user, { attributes: { a: 1 } });
	const shown = await backend.users.get(user);
	assert.deepEqual([shown.user_id, shown.display_name, shown.attributes], [user, 'Ünal', { a: 1 }]);
	const all = [];
	for await (const { user_id } of backend.users.all({ limit: 1 })) all.push(user_id);
	assert.ok(all.includes(user));
	assert.deepEqual(await backend.users.message(user, 'hi'), { connections: 0, mailboxes: 0 });
	await backend.users.ban(user);
	await assert.rejects(backend.tokens.create({ user_id: user }), (error) => error.code === 'user_banned');
	await backend.users.unban(user);
	assert.deepEqual((await backend.users.tokens(user)).data, []);
	await backend.users.delete(user);
	await assert.rejects(backend.users.get(user), refused('not_found', 404));
});

test('channels: made, published into, states by version, deleted', async () => {
	const channel = await backend.channels.create('room', { type: 'public', state: { topic: 'tea' } });
	assert.deepEqual([channel.id, channel.type, channel.state], ['room', 'public', { topic: 'tea' }]);
	await assert.rejects(backend.channels.create('room'), (error) => error.code === 'already_exists');
	assert.equal((await backend.channels.get('room')).id, 'room');
	const [first, second] = [await backend.channels.publish('room', 'said', 1), await backend.channels.publish('room', 'said', 2)];
	const [[epoch, one], [again, two]] = [first, second].map(({ position }) => position.split('-'));
	assert.deepEqual([again, Number(two)], [epoch, Number(one) + 1]);
	const { version } = await backend.channels.state('room');
	assert.deepEqual((await backend.channels.mergeState('room', { n: 1 }, { ifVersion: version })).state, { topic: 'tea', n: 1 });
	await assert.rejects(backend.channels.setState('room', {}, { ifVersion: version }), refused('version_mismatch', 412));
	assert.deepEqual((await backend.channels.setState('room', { n: 2 })).state, { n: 2 });
	await backend.channels.delete('room');
	await assert.rejects(backend.channels.get('room'), (error) => error.code === 'not_found');
});

test('a token for a user is made once, and again after a revocation', async () => {
	const [one, two] = await Promise.all([backend.tokenFor('cyd'), backend.tokenFor('cyd')]);
	assert.equal(one, two);
	assert.equal((await backend.users.tokens('cyd')).data.length, 1);
	await backend.tokens.revoke({ user_id: 'cyd' });
	const three = await backend.tokenFor('cyd');
	assert.notEqual(three, one);
	assert.equal((await backend.tokens.introspect(three)).active, true);
});
