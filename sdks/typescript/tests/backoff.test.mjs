//! When a client comes back: the rule of section 9 of the protocol's page, as a table.

import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { test } from 'node:test';
import { fate, retryDelay } from '../dist/esm/client/index.js';

const close = (code) => ({ code, reason: '' });

for (const [code, want] of [
	[4000, 'back'], [4001, 'back'], [4005, 'back'], [4006, 'back'], [4099, 'back'], [1006, 'back'], [1001, 'back'], [1000, 'back'], [1011, 'back'],
	[4100, 'auth'], [4101, 'auth'], [4102, 'auth'], [4199, 'auth'],
	[4200, 'stop'], [4201, 'stop'], [4202, 'stop'], [4299, 'stop'],
	[4300, 'back'], [3999, 'back'],
]) {
	test(`a connection that ended with ${code} is to ${want}`, () => assert.equal(fate(code), want));
}

for (const [code, tries, random, want] of [
	[1006, 0, 0, 0], [1006, 0, 0.5, 250], [1006, 0, 1, 500], [1006, 1, 1, 1_000], [1006, 2, 1, 2_000], [1006, 5, 1, 16_000],
	[1006, 6, 1, 30_000], [1006, 7, 1, 30_000], [1006, 1_000_000, 1, 30_000], [1006, 6, 0.1, 3_000],
	[4000, 0, 1, 5_000], [4000, 0, 0.2, 1_000], [4000, 1, 1, 1_000], [4000, 9, 1, 30_000],
	[4001, 0, 1, 500], [4003, 3, 1, 4_000],
	[4100, 0, 1, 500], [4101, 1, 1, 1_000],
	[4200, 0, 1, null], [4202, 5, 0, null],
]) {
	test(`after ${code}, try ${tries}, with ${random}: ${want} ms`, () => assert.equal(retryDelay(close(code), tries, random), want));
}

test('every close code of the page has the fate that its range says', async () => {
	const page = await readFile(new URL('../../../docs/protocol/native.md', import.meta.url), 'utf8');
	const codes = [...page.matchAll(/^\| (4\d{3}) \|/gm)].map(([, code]) => Number(code));
	assert.ok(codes.length >= 10, `${codes}`);
	for (const code of codes) assert.equal(fate(code), { 40: 'back', 41: 'auth', 42: 'stop' }[Math.floor(code / 100)], `${code}`);
});

test('the version in the code is that of the package', async () => {
	const { version } = JSON.parse(await readFile(new URL('../package.json', import.meta.url), 'utf8'));
	const { VERSION } = await import('../dist/esm/version.js');
	assert.equal(VERSION, version);
});
