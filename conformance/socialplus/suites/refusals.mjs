//! How `createUserToken` is refused: each row produces the error as a real app would, and says what that app must be told. For any package
//! anywhere. The words after the code reach a developer only through the SDK's message, so they are held here.

import { matches, same } from '../../lib/check.mjs';
import { until } from '../../lib/wait.mjs';
import { newUser } from '../lib/place.mjs';

/** Rows of `[name, {params, apiKey, secure}, code, pattern of the text]`; functions are given the place. */
const ROWS = [
	['8 an unknown API key', { apiKey: 'ptk_nobody_has_this_one' }, 400400, /api key/i],
	['8 an empty API key', { apiKey: '' }, 400400, /api key/i],
	['35 no userId', { params: () => ({}) }, 500000, /userId/],
	['35 an empty userId', { params: () => ({ userId: '' }) }, 500000, /user ?id.*50/i],
	['35 a userId that is a number', { params: () => ({ userId: 7 }) }, 500000, /userId/],
	['35 a userId of 51 characters', { params: () => ({ userId: 'u'.repeat(51) }) }, 500000, /user ?id.*50/i],
	['35 a userId of 300 characters', { params: () => ({ userId: 'u'.repeat(300) }) }, 500000, /user ?id.*50/i],
	['35 the reserved prefix ADMIN_', { params: () => ({ userId: 'ADMIN_root' }) }, 500000, /ADMIN_/],
	['35 the reserved prefix DELETED_', { params: () => ({ userId: 'DELETED_1' }) }, 500000, /DELETED_/],
	['36 a displayName of 101 characters', { params: () => ({ userId: 'u', displayName: 'n'.repeat(101) }) }, 500000, /display ?name.*100/i],
	['36 a displayName that is an object', { params: () => ({ userId: 'u', displayName: {} }) }, 500000, /displayName/],
	['12 37 no authToken in secure mode', { secure: true }, 400300, /authToken/],
	['12 37 a made-up authToken', { secure: true, params: (_, userId) => ({ userId, authToken: 'made-up' }) }, 400300, /authToken/],
	['12 37 an authToken of another user', {
		secure: true,
		params: async (place, userId) => ({ userId, authToken: await place.authToken(newUser('other')) }),
	}, 400300, /another user|other user|not .*this user/i],
	['12 37 an authToken that was used', {
		secure: true,
		params: async (place, userId) => {
			const authToken = await place.authToken(userId);
			same((await place.session({ userId, authToken })).status, 200, 'its first use');
			return { userId, authToken };
		},
	}, 400300, /used/],
	['12 37 an authToken that has expired', {
		secure: true,
		params: async (place, userId) => {
			const short = () => place.authToken(userId);
			const authToken = await place.with({ auth_token_ttl_s: 1 }, { auth_token_ttl_s: null }, short);
			const over = Date.now() + 1100;
			await until('its second to be over', () => Date.now() > over);
			return { userId, authToken };
		},
	}, 400300, /expired/],
	['6 a banned user', {
		params: async (place, userId) => {
			same((await place.session({ userId })).status, 200, 'before the ban');
			await place.v2('POST', `/v2/users/${userId}/ban`, undefined, place.serverKey);
			return { userId };
		},
	}, 400312, /banned/],
	['14 a ttl that is none', { params: (_, userId) => ({ userId, ttl: -5 }) }, 500000, /ttl/],
	['14 more than a publishable key may give', {
		params: (_, userId) => ({ userId, capabilities: [{ channels: '*', operations: ['publish'] }] }),
	}, 400300, /capabilities/],
	['14 a channel that a publishable key may not give', { params: (_, userId) => ({ userId, channels: ['anywhere'] }) }, 400300, /anywhere/],
];

/** Calls the SDK as a row says, and gives what the app's `catch` saw. */
export async function refusal({ place, app }, { params = (_, userId) => ({ userId }), apiKey, secure }) {
	const call = async () => app.mint(await params(place, newUser()), { apiKey });
	const { answer, refused, pending } = await (secure ? place.secure(call) : call());
	if (answer || pending) throw new Error(`expected to be refused, but ${pending ? 'it never settled' : JSON.stringify(answer)}`);
	return refused;
}

export const refusalRows = ROWS;

/** As `@amityco/ts-sdk` and its React Native sister tell it. */
export const refusals = ROWS.map(([name, call, code, pattern]) => [name, async (context) => {
	const { message, code: got, level } = await refusal(context, call);
	same([got, level], [code, 'error'], `code and level of: ${message}`);
	matches(message, new RegExp(`^Amity SDK \\(${code}\\): .`), 'the message');
	matches(message, pattern, 'the message');
}]);

/** With the key's rate of mints used up (social.plus item 41). */
export const limited = ['41 the rate limit of a key', async ({ place, app }) => {
	await place.with({ limits: { mint_per_key: { burst: 1, per_second: 0.5 } } }, { limits: { mint_per_key: null } }, async () => {
		const results = [];
		for (let n = 0; n < 6 && !results.at(-1)?.refused; n += 1) results.push(await app.mint({ userId: newUser() }));
		const { code, message } = results.at(-1).refused ?? {};
		same(code, 400311, `the code after ${results.length} mints: ${message}`);
		matches(message, /^Amity SDK \(400311\): ./, 'the message');
	});
	await until('a mint after the limit', async () => (await app.mint({ userId: newUser() })).answer);
}];
