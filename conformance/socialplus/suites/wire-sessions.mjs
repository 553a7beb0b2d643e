//! Sessions on the raw wire, beside the SDKs: what an SDK does not show of its answers, and what other generations of it send. A table of
//! `[name, run(place)]`.

import { request } from 'node:http';
import { matches, ok, same } from '../../lib/check.mjs';
import { until } from '../../lib/wait.mjs';
import { newUser, sessionBody } from '../lib/place.mjs';

const PATHS = ['/api/v3/sessions', '/api/v4/sessions', '/api/v5/sessions'];
const FIELDS = ['accessToken', 'refreshToken', 'issuedAt', 'expiresAt', 'users', 'files', 'roles', 'lastCachePurge', 'userType'];

/** A POST of a session by Node's own client, which lets us choose the target and the framing. */
function posted({ url, apiKey }, { target, headers, userId }) {
	const { hostname, port } = new URL(url);
	return new Promise((resolve, reject) => {
		const options = { hostname, port, path: target, method: 'POST', headers: { 'content-type': 'application/json', 'x-api-key': apiKey, ...headers } };
		const sent = request(options, (answer) => {
			let text = '';
			answer.setEncoding('utf8').on('data', (more) => {
				text += more;
			});
			answer.on('end', () => resolve({ status: answer.statusCode, text }));
		});
		sent.on('error', reject);
		const body = JSON.stringify(sessionBody({ userId }));
		sent.write(body.slice(0, 10)); // without a length, so in chunks
		sent.end(body.slice(10));
	});
}

/** A refusal in the shape that every SDK can read (item 7). */
export function readable({ status, headers, json, text }) {
	matches(headers.get('content-type'), /^application\/json/, `content type of ${status} ${text}`);
	same([json?.status, Number.isInteger(json?.code), typeof json?.message], ['error', true, 'string'], `the shape of ${text}`);
	ok(json.message.length > 5 && 'detail' in (json.data ?? {}), `a message and data.detail: ${text}`);
	return json;
}

export const sessionCalls = [
	['1 three generations of the path give the same answer, without an envelope', async (place) => {
		for (const path of PATHS) {
			const userId = newUser();
			const { status, headers, json } = await place.session({ userId, displayName: 'Jane' }, { path });
			same([status, headers.get('content-type')?.split(';')[0]], [200, 'application/json'], path);
			same(FIELDS.filter((field) => !(field in json)), [], `missing fields of ${path}`);
			const [user] = json.users;
			same([json.users.length, user.userId, user.displayName], [1, userId, 'Jane'], 'the user');
			same(user.path, `${place.server.project}/user/${user._id}`, 'users[0].path');
			same([user.isDeleted, user.isGlobalBanned, json.userType], [false, false, 'signed-in'], 'flags');
			ok(typeof json.refreshToken === 'string' && Array.isArray(json.files) && Array.isArray(json.roles), 'types for Flutter');
			for (const time of [json.issuedAt, json.expiresAt]) matches(time, /^\d{4}-\d\d-\d\dT[\d:.]+Z$/, 'a time');
			same(headers.get('cache-control'), 'no-store', 'cache-control');
		}
	}],

	['2 the same under /.amity.co, with a stray Basic', async (place) => {
		const headers = { authorization: `Basic ${Buffer.from('apix.x:').toString('base64')}` };
		for (const path of PATHS) {
			const { status, json } = await place.session({ userId: newUser() }, { path: `/.amity.co${path}`, headers });
			same(status, 200, path);
			same((await place.as(json.accessToken, 'GET', '/.amity.co/api/v3/users/me')).status, 200, '/.amity.co/api/v3/users/me');
		}
	}],

	['2 absolute-form targets, and bodies in chunks', async (place) => {
		for (const target of ['http://apix.sg.amity.co/api/v5/sessions', 'https://apix.sg.amity.co/api/v5/sessions', '/api/v5/sessions']) {
			const { status, text } = await posted(place, { target, userId: newUser() });
			same([status, typeof JSON.parse(text).accessToken], [200, 'string'], `${target}: ${text}`);
		}
	}],

	['4 what Flutter sends: nulls, also for the device', async (place) => {
		const nulls = { deviceInfo: null, displayName: null, authToken: null };
		const { status, text } = await place.session({ userId: newUser(), deviceId: newUser('uuid'), ...nulls }, { path: '/api/v3/sessions' });
		same(status, 200, text);
	}],

	['4 what js-sdk sends, and the limits of a device id', async (place) => {
		const device = { deviceId: `ascwebsdkx0${newUser()}`, deviceInfo: { version: '5.37.4', kind: 'web', model: 'Mozilla/5.0' } };
		same((await place.session({ userId: newUser(), ...device }, { path: '/api/v4/sessions' })).status, 200, 'js-sdk');
		same((await place.session({ userId: newUser(), deviceId: 'd'.repeat(150) })).status, 200, 'a device id of 150');
		const { status, json } = await place.session({ userId: newUser(), deviceId: 'd'.repeat(151) });
		same([status, json.code], [422, 500000], 'a device id of 151');
	}],

	['13 the same request again, as Chromium may send it, leaves no second token', async (place) => {
		const userId = newUser();
		const same_device = { userId, deviceId: newUser('device') };
		const answers = await Promise.all([1, 2, 3].map(() => place.session(same_device)));
		same(answers.map(({ status }) => status), [200, 200, 200], 'all three');
		same((await place.tokensOf(userId)).length, 1, 'the live tokens of the user');
	}],

	['12 of two who use one auth token at once, one is let in', async (place) => {
		await place.secure(async () => {
			const userId = newUser();
			const authToken = await place.authToken(userId);
			const answers = await Promise.all([1, 2, 3, 4].map(() => place.session({ userId, authToken })));
			same(answers.map(({ status }) => status).sort(), [200, 403, 403, 403], 'the four');
		});
	}],
];

const LEGACY = { deviceId: 'ascwebsdkx0abc', deviceInfo: { version: '5.37.4', kind: 'web', model: 'Mozilla/5.0' } };
const endsItsLoop = (code) => [400100, 400400, 400312].includes(code) || (code >= 400 && code <= 499);

export const sessionRefusals = [
	['7 8 each refusal has its status, a shape that SDKs read, and no code that ends a session', async (place) => {
		for (const [params, options, status, code] of [
			[{}, {}, 422, 500000],
			[{ userId: newUser() }, { key: 'nobody' }, 404, 400400],
			[{ userId: newUser(), authToken: 'a'.repeat(101) }, {}, 422, 500000],
		]) {
			const answer = await place.session(params, options);
			same([answer.status, readable(answer).code], [status, code], answer.text);
		}
		const missing = await place.ask('POST', '/api/v5/sessions', { body: sessionBody({ userId: newUser() }) });
		ok(missing.status !== 401 && readable(missing).code !== 400100, `no 401 for a missing API key: ${missing.text}`);
	}],

	['8 callers like js-sdk 5 get a code that ends their loop', async (place) => {
		const bad = [[{ userId: '' }, {}], [{ userId: newUser() }, { key: 'nobody' }], [{ userId: 'ADMIN_1' }, {}]];
		for (const [params, options] of bad) {
			const { code } = readable(await place.session({ ...LEGACY, ...params }, { path: '/api/v4/sessions', ...options }));
			ok(endsItsLoop(code), `a code that ends the loop, got ${code}`);
		}
		await place.secure(async () => {
			const { code } = readable(await place.session({ ...LEGACY, userId: newUser() }, { path: '/api/v4/sessions' }));
			ok(endsItsLoop(code) && code !== 400100, `a code that ends the loop, got ${code}`);
		});
	}],

	['7 nothing is answered but JSON, whatever is asked', async (place) => {
		const key = { 'x-api-key': place.apiKey, 'content-type': 'application/json' };
		for (const [method, path, options] of [
			['POST', '/api/v5/sessions', { headers: key, body: '{"userId":' }],
			['POST', '/api/v5/sessions', { headers: key, body: '[]' }],
			['POST', '/api/v5/sessions', { headers: key, body: '' }],
			['POST', '/api/v5/sessions', { headers: key, body: JSON.stringify({ userId: 'x'.repeat(3_000_000) }) }],
			['GET', '/api/v3/users/me', {}],
			['GET', '/api/v3/nothing/here', {}],
			['PUT', '/api/v5/sessions', { headers: key, body: '{}' }],
			['DELETE', '/api/v4/sessions', {}],
			['GET', '/.amity.co/api/v3/sessions', { headers: { authorization: 'Bearer nonsense' } }],
		]) {
			const answer = await place.ask(method, path, options);
			ok(answer.status >= 400 && answer.status < 500, `${method} ${path}: ${answer.status}`);
			readable(answer);
		}
	}],

	['41 whoever asks too often is told when to come back', async (place) => {
		await place.with({ limits: { mint_per_key: { burst: 1, per_second: 0.5 } } }, { limits: { mint_per_key: null } }, async () => {
			const answers = await Promise.all([1, 2, 3].map(() => place.session({ userId: newUser() })));
			const refused = answers.find(({ status }) => status === 429);
			ok(refused, `a 429 among ${answers.map(({ status }) => status)}`);
			same(readable(refused).code, 400311, 'its code');
			matches(refused.headers.get('retry-after'), /^[1-9]\d*$/, 'retry-after');
		});
		await until('a mint after the limit', async () => (await place.session({ userId: newUser() })).status === 200);
	}],
];
