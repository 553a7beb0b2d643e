//! The client half in a page of Chromium against a server of the tests' own: the platform's WebSocket, its network going away, its `fetch` as a stream.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { until } from '../../../conformance/lib/wait.mjs';
import { CONNECTED } from './lib/bench.mjs';
import { Fake, plain } from './lib/fake.mjs';
import { pageApp, serve } from './lib/page.mjs';

let origin;
let page;
before(async () => {
	origin = await serve(() => 'tgt_x');
	page = await pageApp(origin.url);
});
after(async () => {
	await page?.close();
	await origin?.stop();
});

const said = (offset) => ({ push: 'message', channel: 'room', offset, event: 'said', data: offset, at: 1 });
const heard = (name, count) => until(`${count} messages`, async () => (await page.app.log(name)).messages.length === count, { within: 15_000 });

test('a page connects, hears, is cut, and goes on where it was', async () => {
	const server = await Fake.start({ answer: plain });
	await page.app.make('a', { url: server.url, project: 'p', channels: { room: {} } });
	await page.app.connect('a');
	server.last.send(said(1));
	await heard('a', 1);
	server.last.socket.resetAndDestroy();
	const entries = () => server.requests.filter(({ name }) => name === 'subscribe');
	await until('it is back', () => entries().length === 2);
	assert.deepEqual(entries()[1].body, { channel: 'room', position: 'a-1' });
	await page.app.close('a');
	await until('the end, told', () => server.last.closed === 1000);
	await server.stop();
});

test('the network goes away and comes back: the page is back at once, and asks an old connection for a sign of life', async () => {
	const server = await Fake.start({ answer: plain });
	await page.app.make('b', { url: server.url, project: 'p' });
	await page.app.connect('b');
	await page.context.setOffline(true);
	for (let tries = 0; tries < 6; tries += 1) server.last.socket.resetAndDestroy();
	await until('it waits', async () => (await page.app.log('b')).now === 'waiting');
	await until('some tries fail', async () => (await page.app.log('b')).counters.losses >= 5, { within: 40_000 });
	await page.context.setOffline(false);
	await until('it is back', async () => (await page.app.log('b')).now === 'connected', { within: 5_000 });
	await page.page.evaluate(() => dispatchEvent(new Event('online')));
	await until('the question', () => server.requests.at(-1).name === 'ping');
	await page.app.close('b');
	await server.stop();
});

test('without WebSockets the page receives by a stream', async () => {
	const streams = [];
	let preflights = 0;
	const server = await Fake.start({
		upgrade: false,
		http: async (request, response) => {
			const allowed = { 'access-control-allow-origin': '*', 'access-control-allow-headers': 'authorization,content-type' };
			if (request.method === 'OPTIONS') {
				preflights += 1;
				return response.writeHead(204, allowed).end();
			}
			let asked = '';
			for await (const piece of request) asked += piece;
			response.writeHead(200, { ...allowed, 'content-type': 'text/event-stream' }).flushHeaders();
			streams.push({ request, asked: JSON.parse(asked), send: (kind, data) => response.write(`event: ${kind}\ndata: ${JSON.stringify({ ...data, push: kind })}\n\n`) });
			return undefined;
		},
	});
	await page.app.make('c', { url: server.url, project: 'p', channels: { room: {} }, fallback: 'sse', token: 'tgt_x' });
	const connecting = page.app.connect('c');
	const stream = await until('a stream', () => streams[0], { within: 15_000 });
	assert.deepEqual([stream.request.method, stream.request.url, stream.asked.connect.token], ['POST', '/connect/sse', 'tgt_x']);
	assert.equal(preflights, 0, 'nothing has to be allowed first');
	stream.send('connected', CONNECTED);
	stream.send('subscribed', { channel: 'room', type: 'public', state: {}, version: 0, position: 'a-0' });
	await connecting;
	stream.send('message', said(1));
	await heard('c', 1);
	await page.app.close('c');
	await server.stop();
});

test('nothing was thrown in the page', () => assert.deepEqual(page.errors, []));
