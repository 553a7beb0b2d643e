//! A page of docs/ as its reader runs it: whole files, which begin with their name, are saved; the lines of its `sh` listings run from top to bottom in one
//! shell; what is shown right below some lines is what the last of them prints, with `…` for any text. Listings of another kind are for reading.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, readFile, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { binary, cleanEnv } from '../../../../conformance/lib/server.mjs';

const DOCS = new URL('../../../../docs/', import.meta.url);
const FENCE = /^```(\w+)\n([\s\S]*?)^```$/gm;
const FILE_NAME = /^(?:\/\/|<!--) ([a-z-]+\.[a-z]+)(?: -->)?\n/;
const DEADLINE_MS = 120_000;

/** The files of a page, and its lines with what is shown below them. */
export async function page(path) {
	const text = await readFile(new URL(path, DOCS), 'utf8');
	const files = new Map();
	const steps = [];
	let end = -1;
	for (const { 0: whole, 1: kind, 2: body, index } of text.matchAll(FENCE)) {
		const [, name] = FILE_NAME.exec(body) ?? [];
		if (name && files.has(name)) throw new Error(`${path}: ${name} is there twice`);
		if (name) files.set(name, body);
		const isBelow = end >= 0 && text.slice(end, index).trim() === '';
		if (kind === 'sh') steps.push({ lines: body });
		else if (isBelow && (kind === 'json' || kind === 'text')) steps.at(-1).shown = { kind, body };
		end = kind === 'sh' ? index + whole.length : -1;
	}
	return { files, steps };
}

/** Runs a page's steps against this server in the folder; gives what each printed. */
export async function run({ files, steps }, server, folder) {
	const bin = join(folder, 'bin');
	await mkdir(bin, { recursive: true });
	await symlink(binary(), join(bin, 'tollgate'));
	for (const [name, body] of files) await writeFile(join(folder, name), body);
	const mark = (n) => `@@ ${n} @@\n`;
	const lines = steps.map((step, n) => `${step.lines}\nprintf '%s' '${mark(n)}'\n`).join('');
	const script = `set -euo pipefail\n${lines}`;
	const env = cleanEnv({
		PATH: `${bin}:${process.env.PATH}`, TOLLGATE_DATA_DIR: server.dataDir, URL: server.url, KEY: server.key, PROJECT: server.project,
	});
	const child = spawn('bash', ['-c', script], { cwd: folder, env, detached: true, stdio: ['ignore', 'pipe', 'pipe'] });
	const said = { out: '', err: '' };
	child.stdout.setEncoding('utf8').on('data', (text) => (said.out += text));
	child.stderr.setEncoding('utf8').on('data', (text) => (said.err += text));
	const endAll = () => {
		try {
			process.kill(-child.pid, 'SIGKILL');
		} catch {
			// All have ended.
		}
	};
	const timer = setTimeout(endAll, DEADLINE_MS);
	// What runs in the background ends with the lines; then both pipes are closed, and all that was printed is here.
	child.on('exit', endAll);
	const [code, signal] = await once(child, 'close');
	clearTimeout(timer);
	let rest = said.out;
	return steps.map((step, n) => {
		const at = rest.indexOf(mark(n));
		if (at < 0) throw new Error(`These lines ended with ${code ?? signal}:\n${step.lines}\n${rest}\n${said.err}`);
		const printed = rest.slice(0, at);
		rest = rest.slice(at + mark(n).length);
		return printed.trim();
	});
}

const isText = (shown, came) => {
	const parts = shown.split('…').map((part) => part.replace(/[.*+?^${}()|[\]\\]/g, '\\$&'));
	return new RegExp(`^${parts.join('.*')}$`).test(came);
};

/** Whether everything that is shown came. A number as large as a moment stands for any. */
export function fits(shown, came) {
	if (typeof shown === 'string') return typeof came === 'string' && isText(shown, came);
	if (typeof shown === 'number' && shown > 1e12) return Number.isInteger(came);
	if (Array.isArray(shown)) return Array.isArray(came) && shown.length === came.length && shown.every((one, n) => fits(one, came[n]));
	if (shown === null || typeof shown !== 'object') return shown === came;
	return typeof came === 'object' && came !== null && Object.entries(shown).every(([name, one]) => name in came && fits(one, came[name]));
}

/** Whether a step printed what the page shows. */
export function isShown({ kind, body }, printed) {
	if (kind === 'text') return isText(body.trim(), printed);
	try {
		return fits(JSON.parse(body), JSON.parse(printed));
	} catch {
		return false;
	}
}
