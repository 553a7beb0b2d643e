//! The other routes of social.plus on the raw wire: auth tokens, users, revocation, refresh, visitors and bots, CORS. A table of
//! `[name, run(place)]`.

import { matches, ok, same } from '../../lib/check.mjs';
import { newUser } from '../lib/place.mjs';
import { isDead } from './sessions.mjs';
import { readable } from './wire-sessions.mjs';

const minted = async (place, userId, more) => (await place.session({ userId, ...more })).json;
const ORIGIN = 'https://app.example.com';

/** An answer's CORS words. */
const cors = ({ headers }) => [headers.get('access-control-allow-origin'), headers.get('access-control-allow-credentials')];

export const otherCalls = [
	['6 auth tokens, in both generations, for server keys only', async (place) => {
		const server = { 'x-server-key': place.serverKey };
		const old = await place.ask('GET', '/api/v3/authentication/token?userId=jane', { headers: server });
		same([old.status, typeof old.json], [200, 'string'], `GET v3: ${old.text}`);
		const now = await place.authToken('jane');
		for (const token of [old.json, now]) matches(token, /^[A-Za-z0-9_-]{20,100}$/, 'an auth token');
		const bad = await place.ask('POST', '/api/v4/authentication/token', { headers: { 'x-server-key': 'wrong' }, body: { userId: 'jane' } });
		same([bad.status, bad.text], [401, 'Unauthorized'], 'a wrong server key');
		matches(bad.headers.get('content-type'), /^text\/plain/, 'its type');
		const publishable = { 'x-server-key': place.apiKey };
		const weak = await place.ask('POST', '/api/v4/authentication/token', { headers: publishable, body: { userId: 'jane' } });
		ok(weak.status === 401 || weak.status === 403, `a publishable key to be refused: ${weak.status} ${weak.text}`);
		const none = await place.ask('POST', '/api/v4/authentication/token', { headers: server, body: {} });
		same(none.status, 422, `no user: ${none.text}`);
		readable(none);
	}],

	['6 verify, the user by id, and the settings of the chat', async (place) => {
		const userId = newUser();
		const { accessToken, users: [user] } = await minted(place, userId, { displayName: 'Jane' });
		ok('lastCachePurge' in (await place.as(accessToken, 'GET', '/api/v3/sessions')).json, 'lastCachePurge');
		const { json } = await place.as(accessToken, 'GET', `/api/v3/users/${userId}`);
		same([json.users[0].userId, json.users[0]._id], [userId, user._id], 'the user');
		const { messagePreview } = (await place.as(accessToken, 'GET', '/api/v3/network-settings/chat')).json;
		same(Object.keys(messagePreview).sort(), ['enabled', 'isIncludeDeleted'], 'messagePreview');
		const nobody = await place.as(accessToken, 'GET', `/api/v3/users/${newUser('nobody')}`);
		same([nobody.status, readable(nobody).code], [404, 400400], 'a user who does not exist');
	}],

	['6 the ways to revoke', async (place) => {
		const admin = { 'x-admin-token': place.serverKey };
		const bearer = { authorization: `Bearer ${place.serverKey}` };
		for (const [how, call] of [
			['own', (token) => place.as(token, 'DELETE', '/api/v4/sessions')],
			['query', (_, id) => place.ask('DELETE', `/api/v4/sessions?userId=${id}&isPublic=true`, { headers: admin })],
			['path', (_, id) => place.ask('DELETE', `/api/v4/sessions/users/${id}`, { headers: bearer })],
			['body', (_, id) => place.ask('DELETE', '/api/v4/sessions', { headers: admin, body: { userId: id } })],
		]) {
			const userId = newUser();
			const { accessToken } = await minted(place, userId);
			const { status, json } = await call(accessToken, userId);
			same([status, json?.success], [200, true], how);
			await isDead(place, accessToken);
			ok((await place.session({ userId })).status === 200, 'a new session after it');
		}
	}],

	['6 nobody revokes others with a user token or a publishable key', async (place) => {
		const [victim, other] = [newUser('victim'), newUser('other')];
		const { accessToken } = await minted(place, victim);
		const attacker = (await minted(place, other)).accessToken;
		for (const token of [attacker, place.apiKey]) {
			const answer = await place.as(token, 'DELETE', `/api/v4/sessions/users/${victim}`);
			ok(answer.status === 401 || answer.status === 403, `refused, got ${answer.status} ${answer.text}`);
		}
		same((await place.introspect(accessToken)).active, true, 'the victim');
	}],

	['6 refresh, and not with somebody else’s token', async (place) => {
		const userId = newUser();
		const { refreshToken } = await minted(place, userId);
		const at = (token) => `/api/v1/accessToken?userId=${userId}&refreshToken=${encodeURIComponent(token)}`;
		const headers = { 'x-api-key': place.apiKey };
		const { status, json } = await place.ask('GET', at(refreshToken), { headers });
		same(status, 200, `refresh: ${JSON.stringify(json)}`);
		same((await place.introspect(json.accessToken)).active, true, 'the refreshed token');
		const stolen = (await minted(place, newUser())).refreshToken;
		const refused = await place.ask('GET', at(stolen), { headers });
		ok(refused.status >= 400 && refused.status < 500, `another user's refresh token: ${refused.status}`);
		readable(refused);
	}],

	['6 visitors and bots', async (place) => {
		const headers = { 'x-api-key': place.apiKey };
		for (const [kind, body] of [['visitor', {}], ['bot', { userId: newUser('bot') }]]) {
			const device = { deviceId: newUser('device'), deviceInfo: { kind: 'web' } };
			const answer = await place.ask('POST', `/api/v5/sessions/${kind}`, { headers, body: { ...device, ...body } });
			same([answer.status, answer.json?.userType, typeof answer.json?.accessToken], [200, kind, 'string'], `${kind}: ${answer.text}`);
		}
	}],

	['3 preflight and CORS, with credentials only for listed origins', async (place) => {
		const asked = 'content-type,x-api-key,authorization,set-access-token-cookie';
		const preflight = { origin: ORIGIN, 'access-control-request-method': 'POST', 'access-control-request-headers': asked };
		const sides = async () => [
			await place.ask('OPTIONS', '/api/v5/sessions', { headers: preflight }),
			await place.session({ userId: newUser() }, { headers: { origin: ORIGIN } }),
			await place.session({}, { headers: { origin: ORIGIN } }),
		];
		const open = await sides();
		for (const answer of open) same(cors(answer), ['*', null], 'an origin that is not listed');
		const { status, headers } = open[0];
		ok(status === 200 || status === 204, `the preflight: ${status}`);
		const allowed = (name) => headers.get(name).toLowerCase().split(/ *, */);
		for (const name of asked.split(',')) ok(allowed('access-control-allow-headers').includes(name), `${name} to be allowed`);
		for (const method of ['get', 'post', 'put', 'patch', 'delete']) ok(allowed('access-control-allow-methods').includes(method), `${method} to be allowed`);
		ok(Number(headers.get('access-control-max-age')) >= 60, 'the preflight to be kept');
		await place.with({ allowed_origins: [ORIGIN] }, { allowed_origins: [] }, async () => {
			for (const answer of await sides()) {
				same(cors(answer), [ORIGIN, 'true'], 'a listed origin');
				matches(answer.headers.get('vary'), /origin/i, 'vary');
			}
		});
	}],
];
