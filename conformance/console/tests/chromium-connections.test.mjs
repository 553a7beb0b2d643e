//! Who is connected, as the console shows it: a real connection is found, explained and ended, and its client is told that it may come back.

import { after, before, test } from 'node:test';
import { ok, same } from '../../lib/check.mjs';
import { Place, until, violations } from '../lib/place.mjs';

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

test('a connection is found, why its token may not is explained, and it is ended', async () => {
	await place.api('POST', '/v2/channels', { id: 'room', type: 'private', capabilities: [] });
	const user = 'ann"><script>alert(1)</script>';
	const { id, secret } = await place.api('POST', '/v2/tokens', { user_id: user, channels: ['room'] });
	const client = await place.client(secret);
	await page.goto(place.at('/connections?protocol=native'));
	const row = page.locator('tbody tr');
	same(await row.count(), 1);
	const text = await row.textContent();
	ok(text.includes(id) && text.includes(user) && text.includes('127.0.0.1'), text);
	same(await violations(page), []);
	await place.shoot(page, 'connections');

	await page.click('text=Explain');
	await page.fill('#token', id);
	await page.fill('#channel', 'room');
	await page.click('main button.first');
	await page.waitForSelector('.verdict.no');
	ok((await page.textContent('.steps')).includes('token_publish'));
	same(await violations(page), []);
	await place.shoot(page, 'explain');
	await page.fill('#token', secret);
	await page.selectOption('#wish', 'history');
	await page.click('main button.first');
	await page.waitForSelector('.verdict.yes');
	ok(!page.url().includes(secret), 'a secret is in no address');

	// What is not there is said at its field, and a direct message is told of without a channel.
	await page.fill('#of', 'tok_AAAA');
	await page.click('text=Tell what became of it');
	await page.waitForSelector('#of-wrong');
	ok((await page.textContent('#of-wrong')).includes('no such token'));
	await place.api('PATCH', '/v2/project', { mailbox: { size: 5, ttl_ms: 60000 } });
	await place.api('POST', `/v2/tokens/${id}/messages`, { event: 'hello', data: 1 });
	await page.fill('#of', id);
	await page.click('text=Tell what became of it');
	await page.waitForSelector('.steps');
	const fate = await page.textContent('.steps');
	ok(fate.includes('Its mailbox keeps it') && fate.includes('No client of it has acknowledged it'), fate);
	ok(fate.includes('was written to its socket'), fate);
	same(await violations(page), []);
	await place.shoot(page, 'explain-direct');

	await page.goto(place.at(`/connections?q=${encodeURIComponent(user)}`));
	await page.click('text=Disconnect');
	same(await client.evaluate(() => window.endedWith), 4006);
	await until('the list is empty', async () => (await page.textContent('main')).includes('No connection fits'));
});
