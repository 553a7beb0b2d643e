//! The backend of the chat: it makes the room, gives visitors their tokens, and hands out the page. Real applications know their users from a login.

import { createServer } from 'node:http';
import { readFile } from 'node:fs/promises';
import { Server, TollgateError } from 'tollgate/server';

const { TOLLGATE_URL: url = 'http://127.0.0.1:8080', TOLLGATE_PROJECT: project, TOLLGATE_KEY: key, PORT = '3000' } = process.env;
const tollgate = new Server({ url, key });

const settings = { history: { size: 1_000, ttl_ms: 7 * 24 * 3_600_000, durable: true }, presence: true };
await tollgate.channels.create('lobby', { type: 'private', settings }).catch((error) => {
	if (!(error instanceof TollgateError) || error.code !== 'already_exists') throw error;
});
const may = [{ channels: 'lobby', operations: ['subscribe', 'publish', 'presence', 'history', 'state.read'] }];

const here = (file) => readFile(new URL(file, import.meta.url));
const sdk = new URL('../', import.meta.resolve('tollgate/client'));

const server = createServer(async (request, response) => {
	const { pathname, searchParams } = new URL(request.url, 'http://localhost');
	const send = (type, body) => response.writeHead(200, { 'content-type': type }).end(body);
	try {
		const module = /^\/sdk\/((?:client\/|shared\/)?[\w-]+\.js)$/.exec(pathname)?.[1];
		if (pathname === '/') return send('text/html; charset=utf-8', await here('index.html'));
		if (pathname === '/chat.js') return send('text/javascript', await here('chat.js'));
		if (module) return send('text/javascript', await readFile(new URL(module, sdk)));
		if (pathname === '/config') return send('application/json', JSON.stringify({ url, project }));
		if (pathname === '/token') {
			const fresh = searchParams.get('refused') === 'true';
			return send('text/plain', await tollgate.tokenFor(searchParams.get('name') ?? 'guest', { capabilities: may }, { fresh }));
		}
		return response.writeHead(404).end();
	} catch (error) {
		console.error(error);
		return response.writeHead(500).end();
	}
});
server.listen(Number(PORT), '127.0.0.1', () => console.log(`The chat is at http://127.0.0.1:${server.address().port}`));
