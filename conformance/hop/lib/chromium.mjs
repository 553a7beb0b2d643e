//! Headless Chromium with pages from an origin of their own, holding the packages as published, bundled at test time into a
//! temporary folder.

import { createServer } from 'node:http';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import { chromium } from 'playwright-core';
import { startBrowser } from '../../lib/browser.mjs';
import { Client } from './clients.mjs';

/** Starts the browser alone. */
export function launch() {
	return startBrowser(chromium);
}

/** Bundles `entries` (files of `browser/`) for a browser; returns the folder. */
async function bundle(entries) {
	const folder = await mkdtemp(join(tmpdir(), 'tollgate-pages-'));
	await build({
		entryPoints: entries.map((name) => fileURLToPath(new URL(`../browser/${name}.mjs`, import.meta.url))),
		outdir: folder,
		bundle: true,
		format: 'esm',
		platform: 'browser',
		target: 'es2022',
		logLevel: 'error',
	});
	return folder;
}

/** Serves each `NAME.js` of the folder, and at `/NAME` an empty page that loads it. */
async function serve(folder) {
	const server = createServer(async ({ url }, answer) => {
		const name = /^\/([a-z-]+)(\.js)?$/.exec(url);
		if (!name) return answer.writeHead(404).end();
		if (!name[2]) {
			return answer.writeHead(200, { 'content-type': 'text/html' }).end(`<!doctype html><script type="module" src="/${name[1]}.js"></script>`);
		}
		return answer.writeHead(200, { 'content-type': 'text/javascript' }).end(await readFile(join(folder, `${name[1]}.js`)));
	});
	await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
	return server;
}

export class Pages {
	/** A browser, and an origin that serves the pages named. */
	static async open(...entries) {
		const pages = new Pages();
		pages.folder = await bundle(entries);
		pages.server = await serve(pages.folder);
		pages.browser = await launch();
		pages.origin = `http://127.0.0.1:${pages.server.address().port}`;
		return pages;
	}

	/** A page in a browser context of its own, once `window[ready]` is there. */
	async page(name, ready) {
		const context = await this.browser.newContext();
		const page = await context.newPage();
		await page.goto(`${this.origin}/${name}`);
		await page.waitForFunction((key) => key in window, ready);
		return page;
	}

	async client() {
		return new PageClient(await this.page('client-page', 'agent'));
	}

	async close() {
		await this.browser.close();
		this.server.closeAllConnections();
		await new Promise((resolve) => this.server.close(resolve));
		await rm(this.folder, { recursive: true, force: true });
	}
}

/** An `@onehop/client` app in a browser page. */
class PageClient extends Client {
	constructor(page) {
		super();
		this.page = page;
		this.errors = [];
		page.on('pageerror', (error) => this.errors.push(error));
	}

	ask(method, ...args) {
		return this.page.evaluate(([name, list]) => window.agent[name](...list) ?? null, [method, args]);
	}

	/** Closes the page; fails if it had an uncaught error. */
	async dispose() {
		this.disposed = true;
		await this.page.context().close();
		if (this.errors.length > 0) throw this.errors[0];
	}
}
