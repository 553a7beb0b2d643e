//! The browser listings of docs/compatibility/hop.md, run as they stand on the page: two browsers chatting over a private channel,
//! the React app, the redirect of a bundle that knows Hop's address only.

import { after, before, test } from 'node:test';
import { readFile, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { join } from 'node:path';
import { build } from 'esbuild';
import { Hop } from '@onehop/js';
import { same } from '../lib/check.mjs';
import { launch } from '../lib/chromium.mjs';
import { Listings } from '../lib/listings.mjs';
import { Tollgate } from '../../lib/server.mjs';
import { until } from '../../lib/wait.mjs';

let browser;
let server;
let hop;
let page;

before(async () => {
	browser = await launch();
	server = await Tollgate.start();
	hop = new Hop(server.key, server.url);
	page = await Listings.of('backend.mjs', 'index.html', 'chat.js', 'app.jsx', 'redirect-socket.js');
});
after(async () => {
	await browser?.close();
	await page?.close();
	await server?.destroy();
});

/** A visitor of the chat, in a browser context of its own. */
async function visitor(address, name) {
	const tab = await (await browser.newContext()).newPage();
	const person = {
		tab,
		log: () => tab.locator('#log li').allTextContents(),
		shows: (selector, text) => until(`${name} to see ${text} in ${selector}`, async () => (await tab.locator(selector).textContent()) === text),
		async say(text) {
			await tab.fill('#text', text);
			await tab.click('#talk button');
		},
		hears: (line) => until(async () => `${name} to hear ${line}, heard ${await person.log()}`, async () => (await person.log()).includes(line)),
	};
	await tab.goto(address);
	await tab.fill('#name', name);
	await tab.click('#login button');
	await person.shows('#status', 'connected');
	return person;
}

test('page: two browsers chat over a private channel, and go on after the server was away', async () => {
	const env = { HOP_TOKEN: server.key, HOP_URL: server.url, PORT: '0' };
	const backend = page.run(['backend.mjs'], env);
	const [, address] = await backend.line(/open (http:\S+)/);
	const ada = await visitor(address, 'Ada');
	const bob = await visitor(address, 'Bob & <b>Co</b>');
	same((await hop.channels.get('lobby')).type, 'private');
	await ada.hears('Bob & <b>Co</b> joined');
	await ada.say('Hello Bob');
	await bob.hears('Ada: Hello Bob');
	await bob.say('Hello <i>Ada</i>');
	await ada.hears('Bob & <b>Co</b>: Hello <i>Ada</i>');
	await bob.hears('Bob & <b>Co</b>: Hello <i>Ada</i>');
	const talk = ['Ada: Hello Bob', 'Bob & <b>Co</b>: Hello <i>Ada</i>'];
	same([(await ada.log()).slice(-2), (await bob.log()).slice(-2)], [talk, talk], 'the same talk, each line once');

	const patch = { method: 'PATCH', headers: { Authorization: server.key, 'Content-Type': 'application/json' }, body: '{"topic":"Dinner"}' };
	same((await fetch(`${server.url}/v1/channels/lobby/state`, patch)).status, 200);
	for (const person of [ada, bob]) await person.shows('#topic', 'Dinner');

	await server.down();
	for (const person of [ada, bob]) await until('the page to notice', async () => (await person.tab.locator('#status').textContent()) !== 'connected');
	await server.up();
	for (const person of [ada, bob]) await person.shows('#status', 'connected');
	await bob.say('Still there?');
	for (const person of [ada, bob]) await person.hears('Bob & <b>Co</b>: Still there?');

	const again = page.run(['backend.mjs'], env); // the channel exists by now: 409
	await again.line(/open (http:\S+)/);
	for (const { tab } of [ada, bob]) await tab.context().close();
});

/** Serves one HTML text and one script, for as long as `work(address)` runs. */
async function served(html, script, work) {
	const site = createServer(({ url }, answer) => {
		const isScript = url === '/app.js';
		answer.writeHead(200, { 'content-type': isScript ? 'text/javascript' : 'text/html' }).end(isScript ? script : html);
	});
	await new Promise((resolve) => site.listen(0, '127.0.0.1', resolve));
	try {
		await work(`http://127.0.0.1:${site.address().port}/`);
	} finally {
		site.closeAllConnections();
		site.close();
	}
}

/** Bundles one file of the folder for a browser, and returns the script. */
async function bundled(file) {
	const options = { bundle: true, write: false, jsx: 'automatic', define: { 'process.env.NODE_ENV': '"production"' }, logLevel: 'error' };
	const { outputFiles } = await build({ ...options, entryPoints: [join(page.folder, file)] });
	return outputFiles[0].text;
}

test('b66 page: the React app in a browser', async () => {
	const { id: channel } = await hop.channels.create('public', undefined, { state: { n: 1 } });
	const { id: token } = await hop.channels.tokens.create();
	const settings = JSON.stringify({ projectId: server.project, token, leapSocketUrl: server.ws, channel });
	const html = `<!doctype html><div id="root"></div><script>window.settings = ${settings}</script><script src="/app.js"></script>`;
	await served(html, await bundled('app.jsx'), async (address) => {
		const tab = await browser.newPage();
		await tab.goto(address);
		const shows = (text) => until(`the app to show ${text}`, async () => (await tab.locator('#root').textContent()) === text);
		await shows('connected\navailable\n{"n":1}');
		await hop.channels.patchState(channel, { n: 2 });
		await shows('connected\navailable\n{"n":2}');
		await hop.channels.publishMessage(channel, 'SAID', 'hello');
		await shows('connected\navailable\n{"n":2}\n"hello"');
		await hop.channels.tokens.publishDirectMessage(token, 'NOTE', 'you');
		await shows('connected\navailable\n{"n":2}\n"hello"\n"you"');
		await tab.close();
	});
});

test('page: redirect-socket.js brings a bundle with Hop\'s address here', async () => {
	const { id: channel } = await hop.channels.create('unprotected', undefined, { state: { n: 1 } });
	const app = `import { hop } from '@onehop/client';
		const client = hop.init({ projectId: ${JSON.stringify(server.project)} });
		client.on('CONNECTION_STATE_UPDATE', (state) => state === 'connected' && client.subscribeToChannel(${JSON.stringify(channel)}));
		window.look = () => client.getChannelStateMap().get(${JSON.stringify(channel)})?.state?.n;`;
	await writeFile(join(page.folder, 'old-app.mjs'), app);
	const redirect = await readFile(join(page.folder, 'redirect-socket.js'), 'utf8');
	const html = `<!doctype html><script>window.LEAP_URL = ${JSON.stringify(server.ws)}</script><script>${redirect}</script><script src="/app.js"></script>`;
	await served(html, await bundled('old-app.mjs'), async (address) => {
		const tab = await browser.newPage();
		await tab.goto(address);
		await until('the channel of the unchanged app', () => tab.evaluate(() => window.look() === 1));
		await tab.close();
	});
});
