//! `@amityco/ts-sdk-react-native` 7.20.0 in Node, with React Native's own modules stood in for: minting, and sessions by a token just minted.

import { after, before } from 'node:test';
import { matches, same } from '../../lib/check.mjs';
import { NodeApp, REACT_NATIVE, good } from '../lib/apps.mjs';
import { Place, newUser } from '../lib/place.mjs';
import { suite } from '../lib/suite.mjs';
import { checkToken } from '../lib/token.mjs';
import { extensions, mints } from '../suites/mints.mjs';
import { limited, refusals } from '../suites/refusals.mjs';
import { isDead, sessions } from '../suites/sessions.mjs';

const WHERE = 'ts-sdk-react-native 7.20.0';

let place;
let app;

const start = () => new NodeApp(REACT_NATIVE, { apiKey: place.apiKey, base: place.url }).open({ http: place.url, upload: place.url });

before(async () => {
	place = await Place.open();
	app = await start();
});
after(async () => {
	await app?.close();
	await place?.close();
});

suite(WHERE, [...mints, ...extensions, ...refusals, limited, ...sessions], () => ({ place, app, start }));

const withTokens = [
	['5 39 loginWithAccessToken with the token just minted', async () => {
		const [session, userId] = [await start(), newUser()];
		const token = await session.token({ userId, displayName: 'Jane' });
		same(good(await session.loginWithAccessToken(token)), true, 'loginWithAccessToken');
		const seen = await session.look();
		same([seen.state, seen.userId, seen.token.accessToken], ['established', userId, token], 'the session');
		same(await session.nameOf(userId), 'Jane', 'its own profile, through the SDK');
		same(good(await session.secureLogout()), true, 'secureLogout');
		await isDead(place, token);
		await session.close();
	}],

	['5 39 resumeSession with the token just minted', async () => {
		const [session, userId] = [await start(), newUser()];
		const accessToken = await session.token({ userId, displayName: 'Jane' });
		const { iat, exp } = checkToken(accessToken, place, userId);
		const [issuedAt, expiresAt] = [iat, exp].map((seconds) => new Date(seconds * 1000).toISOString());
		same(good(await session.resumeSession(userId, { accessToken, issuedAt, expiresAt })), true, 'resumeSession');
		// This version says `establishing` for ever after resumeSession; the session works all the same.
		same((await session.look()).userId, userId, 'the user');
		same(await session.nameOf(userId), 'Jane', 'its own profile, through the SDK');
		await session.close();
	}],

	['8 39 a session by token is terminated by revocation', async () => {
		const [session, userId] = [await start(), newUser()];
		const token = await session.token({ userId });
		good(await session.loginWithAccessToken(token));
		await place.revoke({ user_id: userId });
		same((await session.errorAbout(userId)).code, 400100, 'the next call');
		await session.until('the session to be terminated', ({ state }) => state === 'terminated');
		await session.close();
	}],

	['8 39 a revoked token opens no session', async () => {
		const [session, userId] = [await start(), newUser()];
		const token = await session.token({ userId });
		await place.revoke({ user_id: userId });
		const { refused } = await session.loginWithAccessToken(token);
		same(refused?.code, 400100, `the code: ${refused?.message}`);
		matches(refused.message, /^Amity SDK \(400100\): ./, 'the message');
		same((await session.look()).state, 'notLoggedIn', 'the state');
		await session.close();
	}],
];

suite(WHERE, withTokens);
