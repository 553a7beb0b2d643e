//! One Tollgate process under test: started on a data folder of its own, stopped, killed, started again on the same port.
//! It knows the command line only; it never looks into the data folder.

import { spawn, execFile } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { before } from './wait.mjs';

const START_MS = 30_000;
const STOP_MS = 30_000;
const LOG_LINES_MAX = 400;

const alive = new Set();
process.on('exit', () => {
	for (const child of alive) child.kill('SIGKILL');
});
for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => process.exit(1));

/** Path of the program under test, as `run.sh` hands it over. */
export function binary() {
	const path = process.env.CONFORMANCE_BINARY;
	if (!path) throw new Error('CONFORMANCE_BINARY is not set: start the suites with ./run.sh [path-to-tollgate]');
	return path;
}

/** The environment without the settings a developer may have around. */
export function cleanEnv(extra) {
	const kept = Object.entries(process.env).filter(([name]) => !name.startsWith('TOLLGATE_'));
	return { ...Object.fromEntries(kept), ...extra };
}

export class Tollgate {
	/** Starts a server on a fresh data folder and a free port, or this one; `env` adds `TOLLGATE_*` settings to every start. With `tls`,
	 * a folder that has `server.pem` and `server.key`, it speaks TLS. */
	static async start({ env = {}, port, tls } = {}) {
		const server = new Tollgate();
		const files = tls && { TOLLGATE_TLS_CERTIFICATE: join(tls, 'server.pem'), TOLLGATE_TLS_KEY: join(tls, 'server.key') };
		server.env = { ...files, ...env };
		server.secure = tls ? 's' : '';
		server.port = port;
		server.dataDir = await mkdtemp(join(tmpdir(), 'tollgate-conformance-'));
		server.log = [];
		await server.up();
		if (!server.key) throw new Error('the first start of a data folder must announce a project key');
		return server;
	}

	/** Starts the process: on the port it had before, unless told another. */
	async up({ port = this.port ?? 0 } = {}) {
		const args = ['serve', '--data-dir', this.dataDir, '--listen', `127.0.0.1:${port}`, '--announce', 'json'];
		const child = spawn(binary(), args, { env: cleanEnv(this.env), stdio: ['ignore', 'pipe', 'pipe'] });
		alive.add(child);
		this.child = child;
		this.stdout = '';
		this.exited = new Promise((resolve) => {
			child.on('error', (error) => resolve({ error }));
			child.on('exit', (code, signal) => {
				alive.delete(child);
				resolve({ code, signal });
			});
		});
		child.stderr.setEncoding('utf8').on('data', (text) => this.remember(text));
		const announce = await before(START_MS, `announce line; log:\n${this.log.join('')}`, this.firstLine(child));
		if (this.project && announce.project !== this.project) throw new Error('a second start announced another project');
		this.project ??= announce.project;
		this.key ??= announce.key;
		const [, bound] = /^127\.0\.0\.1:(\d+)$/.exec(announce.listen) ?? [];
		if (!bound) throw new Error(`announced no loopback address: ${JSON.stringify(announce)}`);
		this.port ??= Number(bound);
		this.url = `http${this.secure}://127.0.0.1:${bound}`;
		this.ws = `ws${this.secure}://127.0.0.1:${bound}/ws`;
		return announce;
	}

	remember(text) {
		this.log.push(text);
		if (this.log.length > LOG_LINES_MAX) this.log.splice(0, this.log.length - LOG_LINES_MAX);
	}

	firstLine(child) {
		return new Promise((resolve, reject) => {
			child.stdout.setEncoding('utf8').on('data', (text) => {
				this.stdout += text;
				const end = this.stdout.indexOf('\n');
				if (end < 0) return;
				try {
					resolve(JSON.parse(this.stdout.slice(0, end)));
				} catch (error) {
					reject(new Error(`the announce line is not JSON: ${this.stdout}`, { cause: error }));
				}
			});
			void this.exited.then((end) => reject(new Error(`ended before announcing (${JSON.stringify(end)}):\n${this.log.join('')}`)));
		});
	}

	/** Sends the signal and waits for the end; a SIGTERM must end with code 0 and nothing on stdout but the announce line. */
	async down(signal = 'SIGTERM') {
		const { child } = this;
		child.kill(signal);
		const end = await before(STOP_MS, `exit after ${signal}; log:\n${this.log.join('')}`, this.exited);
		if (signal === 'SIGTERM' && end.code !== 0) throw new Error(`SIGTERM ended with ${JSON.stringify(end)}:\n${this.log.join('')}`);
		const lines = this.stdout.split('\n').filter(Boolean);
		if (lines.length !== 1) throw new Error(`stdout must hold the announce line only, got ${JSON.stringify(lines)}`);
		return end;
	}

	/** Runs another `tollgate` command on this server's data folder and returns what it printed. */
	async command(...args) {
		const run = promisify(execFile)(binary(), [...args, '--data-dir', this.dataDir], { env: cleanEnv(this.env), timeout: START_MS });
		const { stdout } = await run;
		return stdout;
	}

	/** Kills what is left and removes the data folder. */
	async destroy() {
		if (alive.has(this.child)) {
			this.child.kill('SIGKILL');
			await this.exited;
		}
		await rm(this.dataDir, { recursive: true, force: true });
	}
}
