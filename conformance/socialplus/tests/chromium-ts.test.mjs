//! The TypeScript packages in Chromium, as published, from another origin than the server's: brought here by the region alone (method A), or
//! by name and certificate (method D). The server speaks TLS itself.

import { after, before, test } from 'node:test';
import { same } from '../../lib/check.mjs';
import { certificates, fingerprint } from '../lib/certificates.mjs';
import { Pages } from '../lib/pages.mjs';
import { Place, newUser } from '../lib/place.mjs';
import { suite } from '../lib/suite.mjs';
import { checkToken } from '../lib/token.mjs';
import { extensions, mints } from '../suites/mints.mjs';
import { limited, refusals } from '../suites/refusals.mjs';
import { sessions } from '../suites/sessions.mjs';

const PACKAGES = { '6.2.0': 'ts-sdk-6-2-0', '6.27.0': 'ts-sdk-6-27-0', '6.35.3': '@amityco/ts-sdk' };
const BY_REGION = ['apix.example.com', 'api.example.com'];
const BY_NAME = ['sg', 'eu', 'us'].flatMap((region) => [`apix.${region}.amity.co`, `api.${region}.amity.co`]);

let place;
let pages;
const apps = {};

const open = async (version, region) => (await pages.app(PACKAGES[version], { apiKey: place.apiKey, region })).open();

before(async () => {
	place = await Place.open({ tls: certificates() });
	const at = `127.0.0.1:${place.server.port}`;
	pages = await Pages.open({ names: [...BY_REGION, ...BY_NAME], at, fingerprint: fingerprint() });
	for (const version of Object.keys(PACKAGES)) apps[version] = await open(version, 'example.com/');
});
after(async () => {
	await pages?.close();
	await place?.close();
});

const context = (version) => () => ({ place, app: apps[version] });
suite('ts-sdk 6.35.3, Chromium, method A', [...mints, ...extensions, ...refusals, limited], context('6.35.3'));
for (const version of ['6.27.0', '6.2.0']) suite(`ts-sdk ${version}, Chromium, method A`, [...mints, limited], context(version));

const region = () => `x@127.0.0.1:${place.server.port}/`;
const mintsAt = async (version, where) => {
	const [app, userId] = [await open(version, where), newUser()];
	checkToken(await app.token({ userId }), place, userId);
	await app.close();
};
for (const version of Object.keys(PACKAGES)) {
	test(`sp2 sp3 — ts-sdk ${version}, Chromium, method A with a port`, () => mintsAt(version, region()));
	for (const where of ['sg', 'eu', 'us']) test(`sp3 — ts-sdk ${version}, Chromium, method D, region ${where}`, () => mintsAt(version, where));
}

// Here the device id of a login and of `createUserToken` is one and the same, out of the page's local storage.
const start = async () => (await pages.app('@amityco/ts-sdk', { apiKey: place.apiKey, region: 'example.com/' })).open({ http: place.url });
suite('ts-sdk 6.35.3, Chromium', sessions, () => ({ place, start }));

test('sp11 — ts-sdk 6.35.3, Chromium: login and user token come from one device', async () => {
	const app = await start();
	const sent = [];
	app.page.on('request', (request) => request.method() === 'POST' && sent.push(request.postDataJSON()));
	await app.login({ userId: newUser() });
	await app.token({ userId: newUser() });
	same(sent.map(({ deviceId }) => deviceId === sent[0].deviceId), [true, true], 'the device of both');
	await app.close();
});
