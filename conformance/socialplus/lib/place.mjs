//! Where the suites run: a server, a publishable key for the apps, a server key for the customer's backend, and what that backend asks.

import { randomBytes } from 'node:crypto';
import { WebSocket } from 'ws';
import { same, show } from '../../lib/check.mjs';
import { Observer } from '../../lib/observer.mjs';
import { Tollgate } from '../../lib/server.mjs';

/** What another publishable key may give: ten days at most, and channels that begin with `ext-`. */
const POLICY = { ttl_s_max: 864_000, channels: ['ext-*'], capabilities: [{ channels: 'ext-*', operations: ['subscribe', 'publish'] }] };
const SERVER_PERMISSIONS = 'create_auth_token,manage_tokens,manage_users';

/** A user id that nobody had before. */
export const newUser = (name = 'user') => `${name}_${randomBytes(5).toString('hex')}`;

/** A session request as 6.35.3 sends it, with the parameters given. */
export const sessionBody = (params) => ({
	deviceId: `ascWebSdk#${randomBytes(8).toString('hex')}`,
	deviceInfo: { kind: 'web', model: 'token management API on TS-SDK', sdkVersion: 'v6.35.3-cjs' },
	...params,
});

export class Place {
	static async open(options) {
		const place = new Place();
		place.server = await Tollgate.start(options);
		place.url = place.server.url;
		place.apiKey = await place.keyWith('create_session');
		place.serverKey = await place.keyWith(SERVER_PERMISSIONS);
		const generous = { permissions: ['create_session'], policy: POLICY };
		place.generousKey = (await place.v2('POST', '/v2/keys', generous)).secret;
		return place;
	}

	async keyWith(permissions) {
		const { project } = this.server;
		const printed = await this.server.command('key', 'create', '--project', project, '--permissions', permissions, '--json');
		return JSON.parse(printed).key;
	}

	/** One request as it is: `{status, headers, text, json}`; `body` is sent as JSON. */
	async ask(method, path, { headers = {}, body } = {}) {
		const typed = body === undefined ? headers : { 'content-type': 'application/json', ...headers };
		const sent = typeof body === 'string' || body === undefined ? body : JSON.stringify(body);
		const answer = await fetch(this.url + path, { method, headers: typed, body: sent, signal: AbortSignal.timeout(10_000) });
		const text = await answer.text();
		let json;
		try {
			json = JSON.parse(text);
		} catch {
			json = undefined;
		}
		return { status: answer.status, headers: answer.headers, text, json };
	}

	as(token, method, path, options = {}) {
		return this.ask(method, path, { ...options, headers: { authorization: `Bearer ${token}`, ...options.headers } });
	}

	session(params, { path = '/api/v5/sessions', key = this.apiKey, headers } = {}) {
		return this.ask('POST', path, { headers: { 'x-api-key': key, ...headers }, body: sessionBody(params) });
	}

	/** A request of the customer's backend to our own API, which must succeed. */
	async v2(method, path, body, key = this.server.key) {
		const answer = await this.ask(method, path, { headers: { authorization: `Bearer ${key}` }, body });
		if (answer.status >= 300) throw new Error(`${method} ${path} with ${show(body)}: ${answer.status} ${answer.text}`);
		return answer.json;
	}

	introspect(token) {
		return this.v2('POST', '/v2/tokens/introspect', { token }, this.serverKey);
	}

	revoke(selector) {
		return this.v2('POST', '/v2/tokens/revoke', selector, this.serverKey);
	}

	/** The live tokens of a user. */
	async tokensOf(userId) {
		return (await this.v2('GET', `/v2/tokens?status=active&user_id=${encodeURIComponent(userId)}`)).data;
	}

	async authToken(userId, more = {}) {
		const answer = await this.ask('POST', '/api/v4/authentication/token', {
			headers: { 'x-server-key': this.serverKey },
			body: { userId, ...more },
		});
		same([answer.status, answer.headers.get('content-type')?.split(';')[0]], [200, 'text/plain'], 'the answer with an auth token');
		return answer.text;
	}

	/** Runs with these project settings, and puts `before` back afterwards. */
	async with(settings, before, run) {
		await this.v2('PATCH', '/v2/project', settings);
		try {
			return await run();
		} finally {
			await this.v2('PATCH', '/v2/project', before);
		}
	}

	secure(run) {
		return this.with({ secure_mode: 'required' }, { secure_mode: 'off' }, run);
	}

	/** Makes a private channel. */
	async channel(id) {
		const answer = await this.ask('PUT', `/v1/channels/${id}`, { headers: { authorization: this.server.key }, body: { type: 'private' } });
		if (answer.status !== 200 && answer.status !== 409) throw new Error(`channel ${id}: ${answer.status} ${answer.text}`);
	}

	/** Connects to Leap Edge with the token, and gives the connection once it is initialised. */
	leap(token) {
		return Observer.open(WebSocket, this.server.ws, this.server.project, token);
	}

	close() {
		return this.server.destroy();
	}
}
