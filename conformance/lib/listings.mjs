//! The complete files shown on a page of docs/compatibility, cut out of it and put into a folder, to be run as a reader would.

import { spawn } from 'node:child_process';
import { mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { cleanEnv } from './server.mjs';
import { until } from './wait.mjs';

const PAGES = fileURLToPath(new URL('../../docs/compatibility/', import.meta.url));
const FENCE = /^```\w+\n([\s\S]*?)^```$/gm;
const FILE_NAME = /^(?:\/\/|#|<!--) ([a-z-]+\.[a-z]+)(?: -->)?\n/;

/** The listings of the page that name a file: `Map` of file name to text. */
async function listings(page) {
	const files = new Map();
	for (const [, text] of (await readFile(join(PAGES, page), 'utf8')).matchAll(FENCE)) {
		const [, name] = FILE_NAME.exec(text) ?? [];
		if (name && files.has(name)) throw new Error(`${name} is on the page twice`);
		if (name) files.set(name, text);
	}
	return files;
}

/** A folder with files of a page and the packages it says to install; `run` starts Node in it. */
export class Listings {
	/** These files of the page (`hop.md`), beside the packages in this `node_modules`. */
	static async of(page, modules, ...names) {
		const all = await listings(page);
		const listed = new Listings();
		listed.folder = await mkdtemp(join(tmpdir(), 'tollgate-page-'));
		listed.children = [];
		for (const name of names) {
			if (!all.has(name)) throw new Error(`no listing ${name} on the page, only ${[...all.keys()]}`);
			await writeFile(join(listed.folder, name), all.get(name));
		}
		await symlink(modules, join(listed.folder, 'node_modules'));
		return listed;
	}

	/** Starts `node ARGS` (or another command) and returns a handle: `line(pattern)` waits for output, `end()` for its end with code 0. */
	run(args, env, command = process.execPath) {
		const child = spawn(command, args, { cwd: this.folder, env: cleanEnv(env), stdio: ['ignore', 'pipe', 'pipe'] });
		const handle = { child, text: '' };
		for (const stream of [child.stdout, child.stderr]) {
			stream.setEncoding('utf8').on('data', (text) => {
				handle.text += text;
			});
		}
		child.on('exit', (code, signal) => {
			handle.ended = { code, signal };
		});
		const told = (what) => () => `${what}; ${args.join(' ')} ended ${JSON.stringify(handle.ended)}, printed:\n${handle.text}`;
		handle.line = (pattern) => until(told(`${pattern}`), () => pattern.exec(handle.text), { within: 20_000 });
		handle.end = async () => {
			await until(told('its end'), () => handle.ended, { within: 20_000 });
			if (handle.ended.code !== 0) throw new Error(told('to succeed')());
			return handle.text.trim();
		};
		this.children.push(handle);
		return handle;
	}

	/** Ends what still runs and removes the folder. */
	async close() {
		for (const { child, ended } of this.children) if (!ended) child.kill('SIGKILL');
		await rm(this.folder, { recursive: true, force: true });
	}
}
