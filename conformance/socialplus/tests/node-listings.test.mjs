//! The Node listings of docs/compatibility/socialplus.md, run as they stand on the page.

import { after, before, test } from 'node:test';
import { matches, ok, same } from '../../lib/check.mjs';
import { REACT_NATIVE, surroundings } from '../lib/apps.mjs';
import { certificates } from '../lib/certificates.mjs';
import { Listings } from '../lib/listings.mjs';
import { Place } from '../lib/place.mjs';
import { checkToken } from '../lib/token.mjs';

let plain;
let secure;
let page;

before(async () => {
	[plain, secure] = await Promise.all([Place.open(), Place.open({ tls: certificates() })]);
	page = await Listings.of('mint.mjs', 'mint.cjs', 'session.cjs', 'native.mjs', 'extended.cjs');
});
after(async () => {
	await page?.close();
	await plain?.close();
	await secure?.close();
});

const env = (place) => ({ API_KEY: place.apiKey, ADDRESS: place.url, REGION: `x@127.0.0.1:${place.server.port}/` });

test('sp2 page: mint.mjs, method A in Node', async () => {
	checkToken(await page.run(['mint.mjs'], env(secure)).end(), secure, 'jane', 'Jane Doe');
});

test('sp5 page: mint.cjs, method B in Node', async () => {
	checkToken(await page.run(['mint.cjs'], env(plain)).end(), plain, 'jane', 'Jane Doe');
});

test('sp40 page: mint.cjs prints what is wrong', async () => {
	const run = page.run(['mint.cjs'], { ...env(plain), API_KEY: 'ptk_wrong' });
	await run.line(/Amity SDK \(400400\): \S+/);
});

test('sp6 sp10 page: session.cjs logs in, reads a profile and logs out', async () => {
	const said = await page.run(['session.cjs'], env(plain)).end();
	same(said.split('\n').filter((line) => /^(established|Jane Doe|notLoggedIn)$/.test(line)), ['established', 'Jane Doe', 'notLoggedIn'], said);
});

test('sp39 page: native.mjs logs in with the token it minted', async () => {
	const { execArgv, env: around } = surroundings(REACT_NATIVE, plain.url);
	const run = page.run([...execArgv, 'native.mjs'], { ...around, ...env(plain) });
	await run.line(/^established$/m);
	await run.line(/^Jane Doe$/m);
});

test('sp14 page: extended.cjs, twice', async () => {
	const [first, second] = [await page.run(['extended.cjs'], env(plain)).end(), await page.run(['extended.cjs'], env(plain)).end()];
	const [{ iat, exp, jti }, again] = [first, second].map((token) => checkToken(token, plain, 'jane'));
	same(again.jti, jti, 'the token of the same idempotencyKey');
	ok(Math.abs(exp - iat - 3600) <= 1, `a life of 3600 s, got ${exp - iat}`);
	same((await plain.introspect(first)).token.metadata, { plan: 'gold' }, 'metadata');
	matches(first, /^ey/, 'a JWT');
});
