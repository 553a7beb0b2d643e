//! `@amityco/js-sdk` 5.37.4 in Chromium. It sends credentials, so the page's origin must be listed; and it repeats a call for ever unless the
//! refusal has one of a few codes, so what is held here is that every refusal ends.

import { after, before, test } from 'node:test';
import { matches, same } from '../../lib/check.mjs';
import { until } from '../../lib/wait.mjs';
import { certificates, fingerprint } from '../lib/certificates.mjs';
import { Pages } from '../lib/pages.mjs';
import { Place, newUser } from '../lib/place.mjs';
import { suite } from '../lib/suite.mjs';
import { mints } from '../suites/mints.mjs';
import { refusal, refusalRows } from '../suites/refusals.mjs';

const SDK = '@amityco/js-sdk';
const WHERE = 'js-sdk 5.37.4, Chromium';

let place;
let pages;
let app;

before(async () => {
	place = await Place.open({ tls: certificates() });
	const names = ['api.sg.amity.co', 'api.eu.amity.co', 'api.us.amity.co', 'api.example.com'];
	pages = await Pages.open({ names, at: `127.0.0.1:${place.server.port}`, fingerprint: fingerprint() });
	await place.v2('PATCH', '/v2/project', { allowed_origins: [pages.origin] });
	app = await pages.app(SDK, { apiKey: place.apiKey });
});
after(async () => {
	await pages?.close();
	await place?.close();
});

const one = ([name]) => !/fifty|null/.test(name); // it has no way to be handed null, and repeats itself
suite(WHERE, mints.filter(one), () => ({ place, app }));

for (const region of ['eu', 'us', 'example.com/']) {
	test(`sp2 sp3 — ${WHERE}, region ${region}`, async () => {
		matches(await app.token({ userId: newUser() }, { region }), /^[\w-]+\.[\w-]+\.[\w-]+$/, 'a JWT');
	});
}

// It says nothing of the reason: its own TypeError hides it. That it settles is the point.
// An empty key it refuses by itself, and keys of ours it does not pass on.
const sent = refusalRows.filter(([name, { apiKey }]) => apiKey !== '' && !name.startsWith('14 '));
const ends = sent.map(([name, call]) => [`${name} ends the loop`, async (context) => {
	matches((await refusal(context, call)).text, /^TypeError/, 'what it rejects with');
}]);
suite(WHERE, ends, () => ({ place, app }));

test(`sp8 sp41 the rate limit of a key ends the loop — ${WHERE}`, async () => {
	await place.with({ limits: { mint_per_key: { burst: 1, per_second: 0.5 } } }, { limits: { mint_per_key: null } }, async () => {
		await app.mint({ userId: newUser() });
		same((await app.mint({ userId: newUser() })).refused !== undefined, true, 'the second mint to be refused');
	});
	await until('a mint after the limit', async () => (await place.session({ userId: newUser() })).status === 200);
});

test(`sp3 an origin that is not listed gets no credentials, and the SDK repeats itself — ${WHERE}`, async () => {
	await place.with({ allowed_origins: [] }, { allowed_origins: [pages.origin] }, async () => {
		same(await app.ask('mint', app.apiKey, 'sg', { userId: newUser() }, 1500), { pending: true }, 'the call');
	});
});
