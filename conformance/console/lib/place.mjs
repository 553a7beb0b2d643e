//! A server, a browser, and somebody in the console. Every page that is opened here is watched: an uncaught error, a message of the policy of
//! contents or a request to another origin fails the test at its end.

import { mkdir } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { createRequire } from 'node:module';
import { readFile } from 'node:fs/promises';
import { chromium } from 'playwright-core';
import { startBrowser } from '../../lib/browser.mjs';
import { Tollgate } from '../../lib/server.mjs';
import { until } from '../../lib/wait.mjs';

const SHOTS = fileURLToPath(new URL('../../../target/console-shots/', import.meta.url));
export const OWNER = { name: 'mara', password: 'correct horse battery' };
const axeSource = await readFile(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');

/** The violations of a page, each with the elements; empty is good. Run beside the page's policy, not through it. */
export async function violations(page) {
	await page.evaluate(axeSource);
	const { violations: found } = await page.evaluate(() => window.axe.run(document, { resultTypes: ['violations'] }));
	return found.map(({ id, nodes }) => `${id}: ${nodes.map(({ target, failureSummary }) => `${target} ${failureSummary}`).join(' | ')}`);
}

export class Place {
	/** Starts a server with nobody in it, and a browser. */
	static async open(options) {
		const place = new Place();
		place.server = await Tollgate.start(options);
		place.browser = await startBrowser(chromium);
		place.complaints = [];
		await mkdir(SHOTS, { recursive: true });
		return place;
	}

	/** The link that the server printed, which makes its first owner. */
	get link() {
		return JSON.parse(this.server.stdout.split('\n')[0]).console;
	}

	/** Where the project's pages are. */
	at(below) {
		return `${this.server.url}/console/p/${this.server.project}${below}`;
	}

	/** Asks `/v2` as the project's backend does; gives the answer's JSON. */
	async api(method, path, body) {
		const headers = { authorization: `Bearer ${this.server.key}`, 'content-type': 'application/json' };
		return (await fetch(`${this.server.url}${path}`, { method, headers, body: JSON.stringify(body) })).json();
	}

	/** A `tollgate.v1` client with this token, in a browser context of its own; its window has `endedWith`, the code of its end, and `heard`, all that came. */
	async client(token) {
		const client = await (await this.browser.newContext()).newPage();
		await client.evaluate(([url, connect]) => new Promise((resolve) => {
			const socket = new WebSocket(url, 'tollgate.v1');
			window.endedWith = new Promise((done) => { socket.onclose = ({ code }) => done(code); });
			socket.onopen = () => socket.send(JSON.stringify({ id: 1, connect }));
			window.heard = [];
			socket.onmessage = ({ data }) => {
				window.heard.push(data);
				resolve();
			};
		}), [`${this.server.url.replace('http', 'ws')}/connect`, { project: this.server.project, token }]);
		return client;
	}

	/** A page in a browser context of its own. */
	async page(options = {}) {
		const context = await this.browser.newContext(options);
		const page = await context.newPage();
		page.on('pageerror', (error) => this.complaints.push(`${page.url()}: ${error}`));
		page.on('console', (message) => {
			const text = message.text();
			if (/Content Security Policy|Refused to/.test(text)) this.complaints.push(`${page.url()}: ${text}`);
		});
		page.on('dialog', (dialog) => {
			this.complaints.push(`${page.url()}: a dialog: ${dialog.message()}`);
			void dialog.dismiss();
		});
		page.on('request', (request) => {
			const url = request.url();
			if (url.startsWith('http') && !url.startsWith(this.server.url)) this.complaints.push(`a request to ${url}`);
		});
		return page;
	}

	/** A page of the first owner, made by the link. */
	async owner(options) {
		const page = await this.page(options);
		await page.goto(this.link);
		await page.fill('#username', OWNER.name);
		await page.fill('#password', OWNER.password);
		await page.fill('#again', OWNER.password);
		await page.click('main button');
		await page.waitForURL('**/console/p/*/');
		return page;
	}

	/** A page of the owner who exists already. */
	async again(options) {
		const page = await this.page(options);
		await page.goto(`${this.server.url}/console/sign-in`);
		await page.fill('#username', OWNER.name);
		await page.fill('#password', OWNER.password);
		await page.click('main button');
		await page.waitForURL('**/console/p/*/');
		return page;
	}

	/** Keeps what the page looks like, in both themes and at both widths, and fails where axe finds a fault or the page scrolls sideways. */
	async shoot(page, name) {
		for (const theme of ['light', 'dark']) {
			for (const width of [1360, 390]) {
				await page.setViewportSize({ width, height: 900 });
				await page.emulateMedia({ colorScheme: theme });
				await page.screenshot({ path: `${SHOTS}${name}-${theme}-${width}.png`, fullPage: true });
				const wide = await page.evaluate(() => {
					const { scrollWidth, clientWidth } = document.documentElement;
					const beyond = [...document.querySelectorAll('main *, header *')].filter((one) => one.getBoundingClientRect().right > clientWidth && !one.closest('.scroll, pre, .tabs'));
					return scrollWidth > clientWidth ? beyond.map((one) => `too wide: ${one.outerHTML.slice(0, 120)}`) : [];
				});
				const faults = [...(await violations(page)), ...wide];
				if (faults.length > 0) throw new Error(`${name}, ${theme}, ${width}: ${faults.join('\n')}`);
			}
		}
		await page.setViewportSize({ width: 1360, height: 900 });
		await page.emulateMedia({ colorScheme: 'light' });
	}

	/** Fails for anything that was complained of. */
	checkComplaints() {
		if (this.complaints.length > 0) throw new Error(this.complaints.join('\n'));
	}

	async close() {
		await this.browser?.close();
		await this.server?.destroy();
	}
}

export { until };
