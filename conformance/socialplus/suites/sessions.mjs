//! Sessions of `Client.login` and what ends them, for 6.35.3 and later with the SDK's own setting for the address. Each row gets
//! `{place, start}`; `start(apiKey?)` gives a fresh app with an open client, since a session lives in its process or page.

import { matches, ok, same } from '../../lib/check.mjs';
import { good } from '../lib/apps.mjs';
import { newUser } from '../lib/place.mjs';
import { checkToken } from '../lib/token.mjs';

/** An app logged in as a new user. */
async function loggedIn({ start }, params = {}) {
	const [app, userId] = [await start(), newUser()];
	same(good(await app.login({ userId, displayName: 'Jane', ...params })), true, 'login');
	return { app, userId };
}

const days = (token) => (Date.parse(token.expiresAt) - Date.parse(token.issuedAt)) / 86_400_000;

/** Holds that the bearer is dead for the facade: 401 with 400100, and that it is inactive. */
export async function isDead(place, token) {
	const { status, json } = await place.as(token, 'GET', '/api/v3/users/me');
	same([status, json?.status, json?.code], [401, 'error', 400100], 'a dead bearer');
	same((await place.introspect(token)).active, false, 'its introspection');
}

export const sessions = [
	['10 login establishes a session of thirty days that the SDK need not renew', async (context) => {
		const { app, userId } = await loggedIn(context);
		const seen = await app.look();
		same([seen.state, seen.userId, seen.renewals], ['established', userId, 0], 'the session');
		same(Math.round(days(seen.token)), 30, 'its life in days');
		checkToken(seen.token.accessToken, context.place, userId, 'Jane');
		same(await app.nameOf(userId), 'Jane', 'its own profile, through the SDK');
		await app.close();
	}],

	['6 secureLogout ends the session and kills its token, and no other', async (context) => {
		const { place } = context;
		const { app, userId } = await loggedIn(context);
		const other = await app.token({ userId });
		const { token } = await app.look();
		same(good(await app.secureLogout()), true, 'secureLogout');
		same((await app.look()).state, 'notLoggedIn', 'the state');
		await isDead(place, token.accessToken);
		same((await place.introspect(other)).active, true, 'the other token of the user');
		await app.close();
	}],

	['8 revocation is seen at the next call: 400100, and the session is terminated', async (context) => {
		const { place } = context;
		const { app, userId } = await loggedIn(context);
		const { token } = await app.look();
		await place.revoke({ user_id: userId });
		same((await app.errorAbout(newUser())).code, 400100, 'the code that the app gets');
		await app.until('the session to be terminated', ({ state }) => state === 'terminated');
		await isDead(place, token.accessToken);
		await app.close();
	}],

	['8 a failed createUserToken leaves the session of its process alone', async (context) => {
		const { place } = context;
		const { app, userId } = await loggedIn(context);
		await place.secure(async () => {
			for (const authToken of [undefined, 'wrong', await place.authToken('somebody-else')]) {
				const { refused } = await app.mint({ userId, authToken });
				same(refused?.code, 400300, `a mint with ${authToken}`);
			}
		});
		same((await app.mint({ userId }, { apiKey: 'ptk_unknown' })).refused?.code, 400400, 'a mint with another key');
		same((await app.mint({ userId: 'ADMIN_' })).refused?.code, 500000, 'a mint for a reserved user');
		same((await app.look()).state, 'established', 'the state');
		same(await app.nameOf(userId), 'Jane', 'a call under the session');
		await app.close();
	}],

	['8 41 the rate limit of a user refuses calls and ends no session', async (context) => {
		const { place } = context;
		const { app, userId } = await loggedIn(context);
		await place.with({ limits: { mint_per_user: { burst: 1, per_second: 0.5 } } }, { limits: { mint_per_user: null } }, async () => {
			const codes = [];
			for (let n = 0; n < 6 && !codes.includes(400311); n += 1) codes.push((await app.mint({ userId, displayName: `Jane ${n}` })).refused?.code);
			same(codes.at(-1), 400311, `the last of ${codes.length} mints`);
		});
		same((await app.look()).state, 'established', 'the state');
		await app.close();
	}],

	['11 a user token made in the same process does not end the login', async (context) => {
		const { place } = context;
		const { app, userId } = await loggedIn(context);
		const minted = [await app.token({ userId }), await app.token({ userId })];
		const { token, state } = await app.look();
		same(state, 'established', 'the state');
		same(await app.nameOf(userId), 'Jane', 'a call under the session');
		for (const each of [token.accessToken, minted[1]]) same((await place.introspect(each)).active, true, 'each token');
		ok(!minted.includes(token.accessToken), 'the login to have a token of its own');
		await app.close();
	}],

	['12 37 login in secure mode', async (context) => {
		const { place, start } = context;
		await place.secure(async () => {
			const [app, userId] = [await start(), newUser()];
			const { refused } = await app.login({ userId });
			same(refused?.code, 400300, `a login without an authToken: ${refused?.message}`);
			matches(refused.message, /authToken/, 'the message');
			good(await app.login({ userId, authToken: await place.authToken(userId) }));
			same((await app.look()).state, 'established', 'the state');
			await app.close();
		});
	}],

	['5 a user id with signs of its own', async (context) => {
		const userId = `${newUser()} ü/?#%+@`;
		const { app } = await loggedIn(context, { userId });
		same(await app.nameOf(userId), 'Jane', 'its own profile, through the SDK');
		await app.close();
	}],
];
