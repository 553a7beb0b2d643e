//! Revoking by rule, as an operator does it: rehearsed, then done, while a page shows how far it is. A real client among those that are meant is closed.

import { after, before, test } from 'node:test';
import { ok, same } from '../../lib/check.mjs';
import { Place, until, violations } from '../lib/place.mjs';

const MANY = 3_000;
let place;
let page;
before(async () => {
	place = await Place.open();
	page = await place.owner();
});
after(async () => {
	await place?.close();
	place?.checkComplaints();
});

test('many tokens are ended by a rule, after a rehearsal that changes nothing', { timeout: 240_000 }, async () => {
	const left = [...Array(MANY).keys()];
	const make = async () => {
		while (left.pop() !== undefined) await place.api('POST', '/v2/tokens', { metadata: { crowd: 'a' } });
	};
	await Promise.all(Array.from({ length: 8 }, make));
	const { secret } = await place.api('POST', '/v2/tokens', { user_id: 'bo', metadata: { crowd: 'a', more: 1 } });
	const kept = await place.api('POST', '/v2/tokens', { user_id: 'ann' });
	const client = await place.client(secret);

	await page.goto(place.at('/tokens'));
	await page.click('text=Revoke by rule');
	await page.fill('#metadata', '{"crowd": "a"}');
	await page.keyboard.press('Enter');
	await page.waitForSelector('#deed');
	same(await page.textContent('#count'), '3,001 tokens');
	same(await page.locator('#rehearsed tbody tr').count(), 20);
	same(await violations(page), []);
	await place.shoot(page, 'revoke-rehearsed');
	same((await place.api('GET', '/v2/tokens?status=revoked')).data.length, 0, 'a rehearsal changes nothing');

	await page.fill('#reason', 'a lost phone');
	await page.click('text=Revoke 3,001 tokens');
	await page.waitForURL('**/works/*');
	await until('it is done', async () => (await page.textContent('#work')).includes('It is done'));
	const said = await page.textContent('#work');
	ok(said.includes('3,001'), said);
	same(await violations(page), []);
	await place.shoot(page, 'revoke-done');
	ok((await client.evaluate(() => window.endedWith)) >= 4000, 'its client is closed');
	same((await place.api('GET', `/v2/tokens/${kept.id}`)).status, 'active');
	await page.goto(place.at('/audit?what=token.revoke'));
	same(await page.locator('tbody tr').count(), 1);
	ok((await page.textContent('tbody')).includes('a lost phone'));
});
