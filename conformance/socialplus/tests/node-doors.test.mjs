//! How the packages get here from Node with nothing but a region (method A), over the server's own TLS: with each shim, and without.

import { after, before, test } from 'node:test';
import { matches, ok, same } from '../../lib/check.mjs';
import { NodeApp } from '../lib/apps.mjs';
import { certificates } from '../lib/certificates.mjs';
import { Place, newUser } from '../lib/place.mjs';
import { checkToken } from '../lib/token.mjs';

let place;

before(async () => {
	place = await Place.open({ tls: certificates() });
});
after(() => place?.close());

const region = () => `x@127.0.0.1:${place.server.port}/`;
const start = (sdk, shim) => new NodeApp(sdk, { apiKey: place.apiKey, region: region(), shim }).open();

for (const [name, sdk, shim] of [
	['ts-sdk 6.2.0', 'ts-sdk-6-2-0'],
	['ts-sdk 6.27.0', 'ts-sdk-6-27-0'],
	['ts-sdk 6.35.3 with the fetch adapter', '@amityco/ts-sdk', 'fetch'],
	['ts-sdk 6.35.3 with the global origin', '@amityco/ts-sdk', 'origin'],
]) {
	test(`sp2 sp5 — ${name}, Node, method A with a port`, async () => {
		const [app, userId] = [await start(sdk, shim), newUser()];
		checkToken(await app.token({ userId, displayName: 'Jane' }), place, userId, 'Jane');
		const { refused } = await app.mint({ userId: 'ADMIN_1' });
		matches(refused?.message, /^Amity SDK \(500000\): .*ADMIN_/, 'a refusal on the same way');
		await app.close();
	});
}

// Both build a `Request` for their own bookkeeping after the answer, of an address that Node does not take: the token is made, and lost.
for (const [name, sdk, complaint] of [
	['ts-sdk 6.35.3 without a shim', '@amityco/ts-sdk', /^TypeError: Failed to parse URL/],
	['ts-sdk-react-native 7.20.0 with a name in the region', '@amityco/ts-sdk-react-native', /^TypeError: .*includes credentials/],
]) {
	test(`sp13 sp14 — ${name}, Node: it fails after the mint, and a key keeps its retries at one token`, async () => {
		const [app, userId] = [await start(sdk), newUser()];
		const params = { userId, idempotencyKey: newUser('once') };
		for (let n = 0; n < 3; n += 1) matches((await app.mint(params)).refused?.text, complaint, 'what the SDK rejects with');
		same((await place.tokensOf(userId)).length, 1, 'the tokens of the user');
		await app.close();
	});
}

test('sp1 — ts-sdk 6.32 and later, Node: there must be a client first, says the SDK', async () => {
	const app = new NodeApp('@amityco/ts-sdk', { apiKey: place.apiKey, region: region(), shim: 'fetch' });
	const { refused } = await app.mint({ userId: newUser() });
	ok(refused.code === 800000 && /no active client/i.test(refused.message), `its own complaint, got ${JSON.stringify(refused)}`);
	await app.close();
});
