//! Handles on apps that have one of the packages: one in a Node process, with the same words as one in a browser page (`pages.mjs`).

import { fileURLToPath } from 'node:url';
import { AppProcess } from '../../lib/app-process.mjs';
import { cleanEnv } from '../../lib/server.mjs';
import { until } from '../../lib/wait.mjs';
import { show } from '../../lib/check.mjs';

const agent = (name) => fileURLToPath(new URL(`../agents/${name}`, import.meta.url));

export const REACT_NATIVE = '@amityco/ts-sdk-react-native';

/** Node's arguments and environment for a program with this package, as `agents/platform.cjs` and `agents/wrap.cjs` explain them. */
export function surroundings(sdk, base) {
	const loaded = [sdk === REACT_NATIVE && 'platform.cjs', base && 'wrap.cjs'].filter(Boolean);
	return { execArgv: loaded.flatMap((name) => ['--require', agent(name)]), env: { SDK: sdk, ...(base && { BASE_URL: base }) } };
}

/** What tests say to an app, wherever it runs. A subclass brings `ask(method, ...args)` and `close()`. */
export class App {
	/** The region that the app gives to the SDK, and its API key. */
	constructor(apiKey, region) {
		this.apiKey = apiKey;
		this.region = region;
	}

	/** Makes the client, as `createUserToken` of 6.32 and later wants it. */
	async open(apiEndpoint) {
		await this.ask('open', this.apiKey, this.region, apiEndpoint);
		return this;
	}

	/** `createUserToken(…)`: `{answer}` or `{refused}`. */
	mint(params, { apiKey = this.apiKey, region = this.region } = {}) {
		return this.ask('mint', apiKey, region, params);
	}

	mintMany(params, count) {
		return this.ask('mintMany', this.apiKey, this.region, params, count);
	}

	/** The access token of a mint that must succeed. */
	async token(params, options) {
		return good(await this.mint(params, options)).accessToken;
	}

	login(params) {
		return this.ask('login', params);
	}

	loginWithAccessToken(token) {
		return this.ask('loginWithAccessToken', token);
	}

	resumeSession(userId, token) {
		return this.ask('resumeSession', userId, token);
	}

	secureLogout() {
		return this.ask('secureLogout');
	}

	look() {
		return this.ask('look');
	}

	/** Polls what the app sees until `probe(seen)` is truthy, and returns that. */
	until(what, probe) {
		let seen;
		return until(() => `${what}; the app saw ${show(seen)}`, async () => probe((seen = await this.look())));
	}

	/** Reads a user's profile through the SDK, and gives the name. */
	async nameOf(id) {
		await this.ask('user', id);
		return this.until(`the name of ${id}`, ({ users }) => users[id]?.name);
	}

	/** Reads a user's profile, which must fail, and gives the error. Not of a user whom the SDK knows: it would ask its cache. */
	async errorAbout(id) {
		await this.ask('user', id);
		return this.until(`an error about ${id}`, ({ users }) => users[id]?.error);
	}
}

/** The answer of a call that must succeed. */
export function good({ answer, refused }) {
	if (refused) throw new Error(`the SDK refused: ${show(refused)}`);
	return answer;
}

export class NodeApp extends App {
	/** An app with this package: with `base` its `axios.create` is wrapped, and `shim` is explained in `agents/node.mjs`. */
	constructor(sdk, { apiKey, region = 'sg', base, shim }) {
		super(apiKey, region);
		const { execArgv, env } = surroundings(sdk, base);
		this.process = new AppProcess(agent('node.mjs'), { execArgv, env: cleanEnv({ ...env, ...(shim && { SHIM: shim }) }) });
	}

	ask(method, ...args) {
		return this.process.ask(method, ...args);
	}

	close() {
		return this.process.end();
	}
}
