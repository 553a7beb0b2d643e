//! The same application inside a page of Chromium, and a small backend beside it: tokens for its users, and the page with the SDK.

import { createServer } from 'node:http';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { startBrowser } from '../../../../conformance/lib/browser.mjs';

const ROOT = new URL('../../', import.meta.url);
const PAGE = `<!doctype html><meta charset="utf-8"><title>app</title><script type="module">
	import { Client } from '/dist/esm/client/index.js';
	import { createApp } from '/tests/lib/app.mjs';
	window.app = createApp(Client);
</script>`;

/** Serves the page, and `/token?user=…` by this function. */
export async function serve(tokenFor) {
	const server = createServer(async (request, response) => {
		const { pathname, searchParams } = new URL(request.url, 'http://x');
		try {
			if (pathname === '/') return response.writeHead(200, { 'content-type': 'text/html' }).end(PAGE);
			if (pathname === '/token') return response.writeHead(200, { 'access-control-allow-origin': '*' }).end(await tokenFor(Object.fromEntries(searchParams)));
			if (!/^\/(dist\/esm|tests\/lib)\/[\w/.-]+\.m?js$/.test(pathname) || pathname.includes('..')) return response.writeHead(404).end();
			return response.writeHead(200, { 'content-type': 'text/javascript' }).end(await readFile(new URL(`.${pathname}`, ROOT)));
		} catch (error) {
			return response.writeHead(500, { 'access-control-allow-origin': '*' }).end(String(error));
		}
	});
	server.listen(0, '127.0.0.1');
	await once(server, 'listening');
	const stop = async () => {
		server.closeAllConnections();
		server.close();
		await once(server, 'close');
	};
	return { url: `http://127.0.0.1:${server.address().port}`, stop };
}

/** The application in a page: the same methods, each by way of the browser. */
export async function pageApp(origin) {
	const { chromium } = await import('playwright-core');
	const browser = await startBrowser(chromium);
	const context = await browser.newContext();
	const page = await context.newPage();
	const errors = [];
	page.on('pageerror', (error) => errors.push(String(error)));
	await page.goto(origin);
	await page.waitForFunction(() => window.app !== undefined);
	const methods = ['make', 'connect', 'call', 'subscribe', 'unsubscribe', 'collect', 'log', 'close', 'closeAll'];
	const app = Object.fromEntries(methods.map((method) => [
		method,
		async (...args) => page.evaluate(async ([name, given]) => window.app[name](...given.map((one) => one ?? undefined)), [method, args]),
	]));
	return { app, page, context, errors, close: () => browser.close() };
}
