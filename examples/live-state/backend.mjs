//! The backend of the vote: it makes the channel whose state is the count, and lets every visitor change it.

import { createServer } from 'node:http';
import { readFile } from 'node:fs/promises';
import { Server, TollgateError } from 'tollgate/server';

const { TOLLGATE_URL: url = 'http://127.0.0.1:8080', TOLLGATE_PROJECT: project, TOLLGATE_KEY: key, PORT = '3000' } = process.env;
const tollgate = new Server({ url, key });

await tollgate.channels.create('vote', { type: 'public', state: { tea: 0, coffee: 0 } }).catch((error) => {
	if (!(error instanceof TollgateError) || error.code !== 'already_exists') throw error;
});
const may = [{ channels: 'vote', operations: ['subscribe', 'state.read', 'state.write'] }];

const here = (file) => readFile(new URL(file, import.meta.url));
const sdk = new URL('../', import.meta.resolve('tollgate/client'));

const server = createServer(async (request, response) => {
	const { pathname, searchParams } = new URL(request.url, 'http://localhost');
	const send = (type, body) => response.writeHead(200, { 'content-type': type }).end(body);
	try {
		const module = /^\/sdk\/((?:client\/|shared\/)?[\w-]+\.js)$/.exec(pathname)?.[1];
		if (pathname === '/') return send('text/html; charset=utf-8', await here('index.html'));
		if (pathname === '/vote.js') return send('text/javascript', await here('vote.js'));
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
server.listen(Number(PORT), '127.0.0.1', () => console.log(`The vote is at http://127.0.0.1:${server.address().port}`));
