//! The package as npm would install it, in a folder of its own: packed, unpacked, and nothing beside it.

import { execFile, spawn } from 'node:child_process';
import { cp, mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { cleanEnv } from '../../../../conformance/lib/server.mjs';
import { until } from '../../../../conformance/lib/wait.mjs';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const run = promisify(execFile);

export class Installed {
	static async open() {
		const installed = new Installed();
		installed.folder = await mkdtemp(join(tmpdir(), 'tollgate-installed-'));
		installed.children = [];
		// `--ignore-scripts`: it is built already.
		const { stdout } = await run('npm', ['pack', '--silent', '--ignore-scripts', '--pack-destination', installed.folder], { cwd: ROOT });
		const target = join(installed.folder, 'node_modules', 'tollgate');
		await mkdir(target, { recursive: true });
		await run('tar', ['-xzf', join(installed.folder, stdout.trim()), '-C', target, '--strip-components=1']);
		return installed;
	}

	/** A copy of a folder of the repository, from where the package is found. */
	async copy(path) {
		const name = path.split('/').at(-1);
		await cp(join(ROOT, '../..', path), join(this.folder, name), { recursive: true });
		return join(this.folder, name);
	}

	/** Starts a program in the folder; `line(pattern)` waits for its output. */
	start(file, env = {}) {
		const child = spawn(process.execPath, [file], { cwd: this.folder, env: cleanEnv(env), stdio: ['ignore', 'pipe', 'pipe'] });
		const handle = { child, text: '' };
		for (const stream of [child.stdout, child.stderr]) {
			stream.setEncoding('utf8').on('data', (text) => {
				handle.text += text;
			});
		}
		handle.line = (pattern) => until(() => `${pattern}; it printed:\n${handle.text}`, () => pattern.exec(handle.text), { within: 20_000 });
		this.children.push(child);
		return handle;
	}

	async close() {
		for (const child of this.children) child.kill('SIGKILL');
		await rm(this.folder, { recursive: true, force: true });
	}
}
