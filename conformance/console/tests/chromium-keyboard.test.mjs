//! The first-run story without a mouse: every page is reached and every form sent by Tab, typing, Enter and Space, from the one-time link to the end of
//! a token, and each thing that is stopped at shows that it is.

import { after, before, test } from 'node:test';
import { ok, same } from '../../lib/check.mjs';
import { OWNER, Place, until } from '../lib/place.mjs';

/** More stops than any page of the story has. */
const STOPS_MAX = 120;

let place;
let page;
before(async () => {
	place = await Place.open();
	page = await place.page();
	await page.goto(place.link);
});
after(async () => {
	await place?.close();
	place?.checkComplaints();
});

/** Presses Tab until what has the focus fits a selector and, if one is given, a text; fails where nothing does, or where the focus cannot be seen. */
async function reach(selector, text) {
	const passed = [];
	for (let stop = 0; stop < STOPS_MAX; stop++) {
		await page.keyboard.press('Tab');
		const at = await page.evaluate(([selector, text]) => {
			const here = document.activeElement;
			const { outlineStyle, outlineWidth } = getComputedStyle(here);
			const said = here.textContent.trim();
			return {
				fits: here.matches(selector) && (text === undefined || said === text),
				is: `${here.tagName.toLowerCase()}#${here.id} ${said.slice(0, 30)}`,
				seen: outlineStyle !== 'none' && parseFloat(outlineWidth) >= 1,
			};
		}, [selector, text]);
		passed.push(at.is);
		if (!at.fits) continue;
		ok(at.seen, `the focus can be seen on ${at.is}`);
		return;
	}
	throw new Error(`${selector} ${text ?? ''} cannot be reached by Tab on ${page.url()}: ${passed.join(' | ')}`);
}

/** Reaches a field and puts this in the place of what it has. */
async function type(selector, text) {
	await reach(selector);
	await page.keyboard.press('Control+a');
	await page.keyboard.type(text);
}

/** Reaches a link or button and presses it; another page comes of it. */
async function follow(selector, text) {
	await reach(selector, text);
	await Promise.all([page.waitForNavigation(), page.keyboard.press('Enter')]);
}

test('the whole story by keyboard', async () => {
	same(await page.evaluate(() => document.activeElement.id), 'username', 'typing can begin at once');
	await page.keyboard.type(OWNER.name);
	await type('#password', OWNER.password);
	await type('#again', OWNER.password);
	await page.keyboard.press('Enter');
	await page.waitForURL('**/console/p/*/');

	await follow('main a', 'New channel');
	await type('#id', 'chat');
	await follow('main button.first');
	same(await page.textContent('h1'), 'chat');

	await follow('nav a', 'Tokens');
	await follow('main a.btn', 'New token');
	await type('#user', 'ann');
	await type('#channels', 'chat');
	await follow('main button.first');
	const secret = await page.textContent('#secret');
	await reach('main button', 'Copy');
	// Who takes the time to paste it somewhere finds the page still asking.
	await page.waitForFunction(() => document.querySelector('#connected')?.textContent.includes('offline'));
	const client = await place.client(secret);
	const heard = () => client.evaluate(() => window.heard.join('\n'));
	await page.bringToFront(); // What is not looked at does not ask.
	await page.waitForFunction(() => document.querySelector('#connected')?.textContent.includes('online'));

	await follow('nav a', 'Tokens');
	await follow('#tokens a.name');
	await type('#message #data', '{"text":"for you alone"}');
	await reach('#message button.first');
	await page.keyboard.press('Space');
	await page.waitForSelector('#message [role=status]');
	await until('the message arrives', async () => (await heard()).includes('for you alone'));

	await follow('nav a', 'Channels');
	await follow('main a.name', 'chat');
	await type('#state-text', '{"topic": "lunch"}');
	await reach('#state button.first');
	await page.keyboard.press('Enter');
	await page.waitForFunction(() => document.querySelector('#state')?.textContent.includes('version 2'));
	await until('the state arrives', async () => (await heard()).includes('lunch'));

	await follow('nav a', 'Tokens');
	await follow('#tokens a.name');
	await follow('main a.btn', 'Explain');
	await reach('#wish');
	await page.keyboard.type('Publish');
	await type('#channel', 'chat');
	await reach('main button.first');
	await page.keyboard.press('Enter');
	await page.waitForSelector('.verdict');
	ok((await page.textContent('.verdict')).length > 0, 'there is an answer');

	await follow('.verdict a.mono');
	await follow('main a.bad', 'Revoke…');
	await type('#reason', 'the story is over');
	await follow('#revoke .bad.full');
	const code = await client.evaluate(() => window.endedWith);
	ok(code >= 4100 && code < 4200, `its client is closed with ${code}`);
});
