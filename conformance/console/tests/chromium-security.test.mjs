//! What other pages can do to somebody who is signed in: nothing. And how sessions end, and how guessing is slowed down.

import { after, before, test } from 'node:test';
import { createServer, request } from 'node:http';
import { ok, same } from '../../lib/check.mjs';
import { OWNER, Place } from '../lib/place.mjs';

let place;
let page;
let elsewhere;
before(async () => {
	place = await Place.open();
	page = await place.owner();
	elsewhere = createServer((request, answer) => answer.writeHead(200, { 'content-type': 'text/html' }).end('<!doctype html><title>Elsewhere</title><p>A page of somebody else.'));
	await new Promise((go) => elsewhere.listen(0, '127.0.0.1', go));
});
after(async () => {
	elsewhere?.close();
	await place?.close();
});

/** A page of another origin, in the browser that is signed in. `localhost` is another site; the same host with another port is the same site. */
async function foreign(host) {
	const other = await page.context().newPage();
	await other.goto(`http://${host}:${elsewhere.address().port}/`);
	return other;
}

for (const host of ['localhost', '127.0.0.1']) {
	test(`a page of ${host} reads nothing and changes nothing`, async () => {
		const other = await foreign(host);
		const { url } = place.server;
		const paths = ['/console/', '/console/sign-in', `/console/p/${place.server.project}/channels`];
		for (const path of paths) {
			for (const credentials of ['include', 'omit']) {
				const outcome = await other.evaluate(
					([address, how]) => fetch(address, { credentials: how }).then((answer) => `read ${answer.status}`, () => 'refused'),
					[url + path, credentials],
				);
				same(outcome, 'refused', path);
			}
		}
		const before = await place.server.command('audit', 'list', '--json');
		const answer = await Promise.all([
			other.waitForResponse(`${url}/console/p/${place.server.project}/channels/new`),
			other.evaluate((action) => {
				const form = Object.assign(document.createElement('form'), { method: 'post', action });
				for (const [name, value] of [['id', 'planted'], ['type', 'private'], ['history_size', '1'], ['history_ttl_s', '60'], ['conflate_per_second', '0']]) {
					form.append(Object.assign(document.createElement('input'), { name, value }));
				}
				document.body.append(form);
				form.submit();
			}, `${url}/console/p/${place.server.project}/channels/new`),
		]);
		same(answer[0].status(), 403);
		same(await place.server.command('audit', 'list', '--json'), before, 'the log');
		await other.close();
	});

	test(`a page of ${host} cannot frame the console, nor hold on to its window`, async () => {
		const other = await foreign(host);
		await other.evaluate((src) => document.body.append(Object.assign(document.createElement('iframe'), { src })), `${place.server.url}/console/`);
		await other.waitForFunction(() => document.querySelector('iframe'));
		const frame = other.frames().find((one) => one !== other.mainFrame());
		await frame.waitForLoadState().catch(() => {});
		const text = await frame.evaluate(() => document.body?.textContent ?? '').catch(() => '');
		ok(!text.includes('Overview') && !text.includes('Sign in'), `nothing is shown in a frame, but: ${text.slice(0, 80)}`);
		const [opened] = await Promise.all([
			page.context().waitForEvent('page'),
			other.evaluate((address) => {
				window.held = window.open(address);
			}, `${place.server.url}/console/`),
		]);
		await opened.waitForSelector('h1');
		same(await opened.evaluate(() => window.opener), null);
		await other.close();
		await opened.close();
	});
}

test('no text becomes a header', async () => {
	await page.goto(place.at('/users'));
	const csrf = await page.getAttribute('input[name=_csrf]', 'value');
	const cookie = (await page.context().cookies()).map(({ name, value }) => `${name}=${value}`).join('; ');
	const headers = { cookie, 'sec-fetch-site': 'same-origin', 'content-type': 'application/x-www-form-urlencoded' };
	const ask = (method, path, form) => new Promise((resolve, reject) => {
		const asked = request(`${place.server.url}${path}`, { method, headers }, (answer) => {
			answer.resume().on('end', () => resolve(answer));
		});
		asked.on('error', reject).end(form === undefined ? undefined : new URLSearchParams({ _csrf: csrf, ...form }).toString());
	});
	const base = `/console/p/${place.server.project}`;
	const evil = 'a\r\nX-Planted: 1\r\n\r\n<script>';
	const spelled = encodeURIComponent(evil);
	const answers = [
		await ask('GET', `/console/sign-in?to=/console/${spelled}`),
		await ask('POST', '/console/theme', { theme: evil, to: `/console/${evil}` }),
		await ask('POST', `${base}/users`, { user_id: evil }),
		await ask('GET', `${base}/users/${spelled}`),
		await ask('GET', `${base}/channels?prefix=${spelled}&cursor=${spelled}`),
		await ask('POST', `${base}/channels/new`, { id: evil, type: 'private' }),
		await ask('GET', `${base}/audit?subject=${spelled}&action=${spelled}`),
		await ask('GET', `${base}/${spelled}`),
		await ask('GET', `/console/p/${spelled}/channels`),
	];
	for (const [at, answer] of answers.entries()) {
		ok(answer.statusCode < 500, `answer ${at}: ${answer.statusCode}`);
		same(answer.headers['x-planted'], undefined, `answer ${at}`);
		ok(answer.rawHeaders.every((text) => !/[\r\n]/.test(text)), `answer ${at}`);
	}
	same(answers[2].statusCode, 422, 'such an id is no user’s');
	const { headers: made } = await ask('POST', `${base}/users`, { user_id: 'a%0d%0aX-Planted: 1' });
	ok(made.location?.includes('a%250d%250aX-Planted'), `what is in an id already is spelled once more: ${made.location}`);
});

test('the cookie opens no other door', async () => {
	const answer = await page.evaluate(async (project) => {
		const read = await fetch('/v2/channels').then(({ status }) => status);
		const socket = new WebSocket(`${location.origin.replace('http', 'ws')}/connect`, 'tollgate.v1');
		const first = await new Promise((resolve) => {
			socket.onopen = () => socket.send(JSON.stringify({ id: 1, connect: { project } }));
			socket.onmessage = ({ data }) => resolve(data);
			socket.onclose = ({ code }) => resolve(String(code));
		});
		return { read, first };
	}, place.server.project);
	same(answer.read, 401);
	ok(!answer.first.includes('opr_') && !answer.first.includes('"token"'), `anonymous as from anywhere: ${answer.first}`);
});

test('a cookie that was there before signing in is not taken over', async () => {
	const other = await place.page();
	const planted = 'A'.repeat(43);
	await other.context().addCookies([{ name: '__Host-tollgate', value: planted, url: place.server.url.replace('http', 'https'), secure: true, httpOnly: true, sameSite: 'Strict' }]);
	await other.goto(`${place.server.url}/console/sign-in`);
	await other.fill('#username', OWNER.name);
	await other.fill('#password', OWNER.password);
	await other.click('main button');
	await other.waitForURL('**/console/p/*/');
	const [kept] = (await other.context().cookies()).filter(({ name }) => name === '__Host-tollgate');
	ok(kept.value !== planted, 'the session has a name of its own');
});

test('guessing is slowed down, and the owner at another place is not locked out by it', async () => {
	const send = (password) =>
		fetch(`${place.server.url}/console/sign-in`, {
			method: 'POST',
			redirect: 'manual',
			headers: { 'content-type': 'application/x-www-form-urlencoded', 'sec-fetch-site': 'same-origin' },
			body: new URLSearchParams({ username: 'nobody-at-all', password }),
		});
	const statuses = [];
	for (let guess = 0; guess < 8; guess++) statuses.push((await send(`some words number ${guess}`)).status);
	same(statuses.filter((status) => status === 422).length, 5);
	same(statuses.slice(5), [429, 429, 429]);
	const again = await place.again();
	same(await again.textContent('h1'), 'Overview');
});

test('nothing that was typed or shown is in an address, a log or the browser’s storage', async () => {
	await page.goto(place.at('/tokens/new'));
	await page.fill('#user', 'ann');
	await page.click('main button.first');
	await page.waitForSelector('#secret');
	const secret = await page.textContent('#secret');
	const stored = await page.evaluate(() => JSON.stringify([{ ...localStorage }, { ...sessionStorage }]));
	same(stored, '[{},{}]');
	await page.goto(place.at('/tokens'));
	ok(!(await page.content()).includes(secret), 'no second page has it');
	const log = place.server.log.join('');
	for (const hidden of [secret, OWNER.password, new URL(place.link).hash.slice(1)]) ok(!log.includes(hidden), 'not in the log');
});

test('a first visit of any page weighs at most 150 KB', async () => {
	const cookie = (await page.context().cookies()).map(({ name, value }) => `${name}=${value}`).join('; ');
	const read = async (path) => {
		const answer = await fetch(new URL(path, place.server.url), { headers: { cookie }, redirect: 'error' });
		same(answer.status, 200, path);
		return answer.text();
	};
	for (const below of ['/', '/channels', '/channels/new', '/tokens', '/tokens/new', '/users']) {
		const html = await read(place.at(below));
		const files = new Set([...html.matchAll(/\/console\/assets\/[a-z0-9.-]+/g)].map(([path]) => path));
		ok(files.size === 4, `the style, the script, the icons and the small picture: ${[...files]}`);
		const sizes = await Promise.all([...files].map(async (path) => Buffer.byteLength(await read(path))));
		const bytes = sizes.reduce((sum, one) => sum + one, Buffer.byteLength(html));
		ok(bytes > 30_000 && bytes <= 150_000, `${below}: ${bytes} bytes`);
	}
});
