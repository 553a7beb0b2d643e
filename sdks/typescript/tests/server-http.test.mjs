//! What the server half tries again and what not, how it reads errors, and what it keeps: against answers that a test makes up.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Server, TollgateError } from '../dist/esm/server/index.js';
import { waitBefore } from '../dist/esm/server/http.js';
import { KeptTokens } from '../dist/esm/server/kept.js';

const KEY = 'ptk_secretsecretsecret';

/** A server whose requests get these answers, one after the other, the last one again and again. */
function scripted(...answers) {
	const seen = [];
	const get = async (url, init) => {
		seen.push({ url, ...init });
		const answer = answers[Math.min(seen.length, answers.length) - 1];
		if (answer instanceof Error) throw answer;
		const [status, body, headers = {}] = answer;
		return new Response(status === 204 ? null : typeof body === 'string' ? body : JSON.stringify(body), { status, headers });
	};
	return { server: new Server({ url: 'http://x/', key: KEY, fetch: get, random: () => 0 }), seen };
}

const problem = (status, code, more = {}) => [status, { type: `/docs#${code}`, title: 'x', status, code, detail: 'why', retryable: false, request_id: 'req_1', ...more }];
const broken = (code) => Object.assign(new TypeError('fetch failed'), { cause: { code } });
const TOKEN = { id: 'tok_1', secret: 'tgt_1', created_at: '2026-01-01T00:00:00Z', expires_at: '2026-01-01T01:00:00Z' };

for (const [what, answers, ask, tries] of [
	['a read after 503', [problem(503, 'unavailable', { retryable: true }), [200, {}]], (s) => s.users.get('a'), 2],
	['a read after no answer', [broken('ECONNRESET'), [200, {}]], (s) => s.users.get('a'), 2],
	['a creation with its key after 502', [[502, 'bad gateway'], [201, TOKEN]], (s) => s.tokens.create(), 2],
	['a ban after 429', [problem(429, 'rate_limited', { retryable: true }), [200, {}]], (s) => s.users.ban('a'), 2],
	['a ban that was never sent', [broken('ECONNREFUSED'), [200, {}]], (s) => s.users.ban('a'), 2],
]) {
	test(`${what} is tried again`, async () => {
		const { server, seen } = scripted(...answers);
		await ask(server);
		assert.equal(seen.length, tries);
		assert.equal(seen[0].headers['Idempotency-Key'], seen[1].headers['Idempotency-Key']);
	});
}

for (const [what, answer, ask] of [
	['a ban after no answer', broken('ECONNRESET'), (s) => s.users.ban('a')],
	['a ban after 503', problem(503, 'unavailable', { retryable: true }), (s) => s.users.ban('a')],
	['a change of state after 503', problem(503, 'unavailable', { retryable: true }), (s) => s.channels.setState('a', {})],
	['a read after 404', problem(404, 'not_found'), (s) => s.users.get('a')],
	['a read after 500', problem(500, 'internal_error'), (s) => s.users.get('a')],
]) {
	test(`${what} is not tried again`, async () => {
		const { server, seen } = scripted(answer);
		await assert.rejects(ask(server), TollgateError);
		assert.equal(seen.length, 1);
	});
}

test('a ticket for a user is made for the token that is kept, and for another one when somebody ended that', async () => {
	const { server, seen } = scripted([201, TOKEN], [201, { ticket: 'tkt_1', expires_in_ms: 30_000 }], problem(401, 'token_revoked'), [201, { ...TOKEN, secret: 'tgt_2' }], [201, { ticket: 'tkt_2', expires_in_ms: 30_000 }]);
	assert.equal(await server.ticketFor('ann'), 'tkt_1');
	assert.equal(await server.ticketFor('ann'), 'tkt_2');
	const asked = seen.map(({ url, body }) => [new URL(url).pathname, JSON.parse(body).token]);
	const [tokens, tickets] = ['/v2/tokens', '/v2/tickets'];
	assert.deepEqual(asked, [[tokens, undefined], [tickets, 'tgt_1'], [tickets, 'tgt_1'], [tokens, undefined], [tickets, 'tgt_2']]);
	const other = scripted(problem(403, 'forbidden'));
	await assert.rejects(other.server.tickets.create('tok_1'), { code: 'forbidden' });
});

test('four tries are the end', async () => {
	const { server, seen } = scripted(problem(503, 'unavailable', { retryable: true }));
	await assert.rejects(server.users.get('a'), { code: 'unavailable', retry: 'later', status: 503, requestId: 'req_1', retryable: true });
	assert.equal(seen.length, 4);
});

test('errors say what the server said, and nothing of the key', async () => {
	for (const [answer, want] of [
		[problem(422, 'invalid_input'), { code: 'invalid_input', message: 'why', retry: 'never', status: 422 }],
		[problem(401, 'invalid_auth'), { code: 'invalid_auth', retry: 'auth' }],
		[[400, { success: false, error: { code: 'invalid_input', message: 'of v1' } }, { 'x-request-id': 'req_2' }], { code: 'invalid_input', message: 'of v1', requestId: 'req_2' }],
		[[418, 'teapot'], { code: 'http_418', retry: 'never' }],
		[[200, '<html>'], { code: 'bad_answer' }],
		[Object.assign(new Error(`cannot reach ${KEY}`)), { code: 'unavailable', retry: 'later' }],
	]) {
		const { server } = scripted(answer);
		const error = await server.tokens.get('t').then(() => assert.fail('it must reject'), (thrown) => thrown);
		assert.ok(error instanceof TollgateError);
		for (const [name, value] of Object.entries(want)) assert.equal(error[name], value, name);
		assert.ok(!`${error.stack}${JSON.stringify(error)}`.includes(KEY));
	}
});

test('how long to wait: full jitter, or what the server says, within reason', () => {
	for (const [tries, random, after, want] of [
		[0, 0, undefined, 0], [0, 1, undefined, 250], [1, 0.5, undefined, 250], [3, 1, undefined, 2_000], [9, 1, undefined, 8_000],
		[0, 1, 3_000, 3_000], [0, 0, 0, 0], [0, 0, 3_600_000, 60_000],
	]) {
		assert.equal(waitBefore(tries, random, after), want);
	}
});

test('paths hold any id', async () => {
	const { server, seen } = scripted([200, {}]);
	await server.users.get('a/b ?#ä');
	assert.equal(seen[0].url, 'http://x/v2/users/a%2Fb%20%3F%23%C3%A4');
	assert.equal(seen[0].headers.Authorization, `Bearer ${KEY}`);
});

test('a token is made once for all that ask at once, kept for 80 % of its life, and made again', async () => {
	let [now, made] = [0, 0];
	const kept = new KeptTokens(2, async (wish) => ({ ...TOKEN, secret: `${wish.user_id}${(made += 1)}` }), () => now);
	assert.deepEqual(await Promise.all([1, 2, 3].map(() => kept.secret('ann', { a: 1, b: 2 }))), ['ann1', 'ann1', 'ann1']);
	assert.equal(await kept.secret('ann', { b: 2, a: 1 }), 'ann1');
	assert.equal(await kept.secret('ann', { a: 2 }), 'ann2');
	now = 2_879_999;
	assert.equal(await kept.secret('ann', { a: 1, b: 2 }), 'ann1');
	now = 2_880_000;
	assert.equal(await kept.secret('ann', { a: 1, b: 2 }), 'ann3');
	assert.equal(await kept.secret('ben', {}), 'ben4');
	assert.equal(await kept.secret('ann', { a: 2 }), 'ann5', 'no more than two are kept');
});

test('a failure is not kept, and what is revoked is not handed out, even if it was being made', async () => {
	let release;
	const tokens = [Promise.reject(new Error('no')), new Promise((resolve) => (release = resolve)), Promise.resolve({ ...TOKEN, secret: 'tgt_2' })];
	tokens[0].catch(() => {});
	const kept = new KeptTokens(10, () => tokens.shift());
	await assert.rejects(kept.secret('ann', {}));
	const first = kept.secret('ann', {});
	kept.forgetUser('ann');
	release({ ...TOKEN, secret: 'tgt_1' });
	assert.equal(await first, 'tgt_1');
	assert.equal(await kept.secret('ann', {}), 'tgt_2');
	kept.forgetToken('tok_1');
	await assert.rejects(kept.secret('ann', {}), TypeError);
});
