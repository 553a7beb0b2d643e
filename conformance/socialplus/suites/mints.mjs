//! What `createUserToken` gives, and what its token then opens. A table of `[name, run({place, app})]`, for any package anywhere.
//! Names begin with the numbers of the social.plus items that they hold.

import { matches, ok, same } from '../../lib/check.mjs';
import { newUser } from '../lib/place.mjs';
import { checkSignature, checkToken, decoded } from '../lib/token.mjs';

/** Claims, signature, and every door that the token opens (social.plus items 5, 35, 36, 38, 39). */
async function works(place, token, userId, displayName) {
	const claims = checkToken(token, place, userId, displayName);
	await checkSignature(token, place);
	const me = await place.as(token, 'GET', '/api/v3/users/me');
	same([me.status, me.json.users?.length], [200, 1], `GET /users/me: ${me.text}`);
	same([me.json.users[0].userId, me.json.users[0]._id], [userId, claims.user.userId], 'who I am');
	same((await place.as(token, 'GET', '/api/v3/sessions')).status, 200, 'GET /sessions');
	const word = await place.introspect(token);
	same([word.active, word.sub], [true, userId], 'introspection');
	ok(Math.abs(word.exp - claims.exp) <= 1, `the same end everywhere, got ${word.exp} and ${claims.exp}`); // one rounds up
	const leap = await place.leap(token);
	leap.close();
	return claims;
}

export const mints = [
	['5 35 36 38 39 a token that works everywhere', async ({ place, app }) => {
		const userId = newUser();
		const answer = (await app.mint({ userId, displayName: 'Jane Doe' })).answer;
		same(Object.keys(answer ?? {}).filter((key) => key !== 'err'), ['accessToken'], 'what createUserToken gives');
		await works(place, answer.accessToken, userId, 'Jane Doe');
	}],

	['36 a name in any script is stored, and the next one replaces it', async ({ place, app }) => {
		const userId = newUser('ユーザー');
		const name = async (token) => (await place.as(token, 'GET', '/api/v3/users/me')).json.users[0].displayName;
		const first = await app.token({ userId, displayName: 'Zoë 👩‍🚀 العربية' });
		same(await name(first), 'Zoë 👩‍🚀 العربية', 'the first name');
		const second = await app.token({ userId, displayName: 'Zoë II' });
		same(await name(second), 'Zoë II', 'the second name');
		const third = await app.token({ userId });
		same(await name(third), 'Zoë II', 'a mint without a name keeps it');
	}],

	['4 35 null is as good as absent, and unknown keys are accepted', async ({ place, app }) => {
		const userId = newUser();
		const token = await app.token({ userId, displayName: null, authToken: null, favouriteColour: 'blue' });
		checkToken(token, place, userId);
	}],

	['35 the longest user id, and the longest name', async ({ place, app }) => {
		const [userId, displayName] = [newUser('u').padEnd(50, 'x'), '名'.repeat(100)];
		checkToken(await app.token({ userId, displayName }), place, userId, displayName);
	}],

	['13 25 fifty at once, and none is lost', async ({ place, app }) => {
		const userId = newUser();
		const results = await app.mintMany({ userId }, 50);
		same(results.filter(({ answer }) => !answer), [], 'the mints that failed');
		for (const { answer } of results) same((await place.introspect(answer.accessToken)).active, true, 'each token');
	}],
];

const inSeconds = (seconds) => Math.floor(Date.now() / 1000) + seconds;

/** Keys of our own that ride through the SDK's parameters (social.plus item 14). */
export const extensions = [
	['14 ttl', async ({ place, app }) => {
		const { iat, exp } = checkToken(await app.token({ userId: 'ext-ttl', ttl: 7200 }), place, 'ext-ttl');
		ok(Math.abs(exp - iat - 7200) <= 1, `a life of 7200 s, got ${exp - iat}`); // its end is rounded to a whole second
	}],

	['14 expiresAt', async ({ place, app }) => {
		const end = inSeconds(86_400);
		const token = await app.token({ userId: 'ext-end', expiresAt: new Date(end * 1000).toISOString() });
		same(checkToken(token, place, 'ext-end').exp, end, 'its end');
	}],

	['14 channels, by a key whose policy allows them', async ({ place, app }) => {
		await place.channel('ext-room');
		const leap = await place.leap(await app.token({ userId: 'ext-channels', channels: ['ext-room'] }, { apiKey: place.generousKey }));
		same(leap.init.channels.map(({ id }) => id), ['ext-room'], 'the channels at the start');
		leap.close();
	}],

	['14 capabilities, by a key whose policy allows them', async ({ place, app }) => {
		for (const id of ['ext-open', 'ext-shut']) await place.channel(id);
		const capabilities = [{ channels: 'ext-open', operations: ['subscribe'] }];
		const leap = await place.leap(await app.token({ userId: 'ext-capable', capabilities }, { apiKey: place.generousKey }));
		same((await leap.subscribe('ext-open')).e, 'AVAILABLE', 'the channel that is named');
		same((await leap.subscribe('ext-shut')).e, 'UNAVAILABLE', 'another one');
		leap.close();
	}],

	['14 no longer life than the policy of the key', async ({ place, app }) => {
		const { refused } = await app.mint({ userId: 'ext-long', ttl: 1_000_000 }, { apiKey: place.generousKey });
		matches(refused?.message, /864000/, 'the refusal');
	}],

	['14 metadata', async ({ place, app }) => {
		const metadata = { plan: 'gold', seats: 3 };
		const { token } = await place.introspect(await app.token({ userId: 'ext-metadata', metadata }));
		same(token.metadata, metadata, 'metadata');
	}],

	['14 30 the same idempotencyKey gives the same token, whatever the device', async ({ app }) => {
		const params = { userId: 'ext-once', idempotencyKey: newUser('once') };
		const [first, second] = [await app.token(params), await app.token(params)].map((token) => decoded(token).claims.jti);
		same(first, second, 'the token of a repeated mint');
		const { jti } = decoded(await app.token({ ...params, idempotencyKey: newUser('twice') })).claims;
		ok(jti !== first, 'another key to mint another token');
	}],
];
