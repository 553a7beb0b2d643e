//! Headless Chromium with pages from an origin of their own. Each page has one of the packages as published, by a script tag.

import { createServer } from 'node:http';
import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { chromium } from 'playwright-core';
import { startBrowser } from '../../lib/browser.mjs';
import { App } from './apps.mjs';

const HERE = fileURLToPath(new URL('..', import.meta.url));

/** The browser build of each package. */
const BUILDS = {
	'@amityco/ts-sdk': 'dist/index.umd.js',
	'ts-sdk-6-27-0': 'dist/index.umd.js',
	'ts-sdk-6-2-0': 'dist/index.umd.js',
	'@amityco/js-sdk': 'build/client.min.js',
};

/** Serves `/page?PACKAGE`, the package's own file, and the agents. */
async function serve() {
	const files = new Set(['/agents/page.mjs', '/agents/words.mjs']);
	for (const [name, build] of Object.entries(BUILDS)) files.add(`/node_modules/${name}/${build}`);
	const server = createServer(async ({ url }, answer) => {
		const [path, name] = url.split('?');
		if (path === '/page' && name in BUILDS) {
			const scripts = `<script src="/node_modules/${name}/${BUILDS[name]}"></script><script type="module" src="/agents/page.mjs"></script>`;
			return answer.writeHead(200, { 'content-type': 'text/html' }).end(`<!doctype html><meta charset="utf-8">${scripts}`);
		}
		if (!files.has(path)) return answer.writeHead(404).end();
		return answer.writeHead(200, { 'content-type': 'text/javascript; charset=utf-8' }).end(await readFile(HERE + path));
	});
	await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
	return server;
}

export class Pages {
	/** A browser that finds `names` (`apix.example.com`) at this server, and takes certificates of the key with this fingerprint. */
	static async open({ names = [], at, fingerprint } = {}) {
		const pages = new Pages();
		const rules = names.map((name) => `MAP ${name}:443 ${at}`).join(',');
		const args = [`--host-resolver-rules=${rules}`, `--ignore-certificate-errors-spki-list=${fingerprint}`];
		pages.server = await serve();
		pages.origin = `http://127.0.0.1:${pages.server.address().port}`;
		pages.browser = await startBrowser(chromium, ...args);
		return pages;
	}

	/** A page with the package, in a browser context of its own unless it shares one. */
	async app(sdk, { apiKey, region = 'sg', context }) {
		const app = new PageApp(apiKey, region);
		app.context = context ?? (await this.browser.newContext());
		app.page = await app.context.newPage();
		await app.page.goto(`${this.origin}/page?${sdk}`);
		await app.page.waitForFunction(() => 'app' in window);
		return app;
	}

	async close() {
		await this.browser.close();
		this.server.closeAllConnections();
		await new Promise((resolve) => this.server.close(resolve));
	}
}

class PageApp extends App {
	ask(method, ...args) {
		return this.page.evaluate(([name, list]) => window.app[name](...list) ?? null, [method, args]);
	}

	close() {
		return this.page.close();
	}
}
