//! An app in a Node process of its own: an agent that holds an SDK and answers `{number, method, args}` with `{number, answer}`.

import { fork } from 'node:child_process';
import { before } from './wait.mjs';

const CALL_MS = 20_000;

export class AppProcess {
	/** Starts the agent; `options` are those of `fork`. */
	constructor(agent, options = {}) {
		this.waiting = new Map();
		this.numbers = 0;
		this.stderr = '';
		this.child = fork(agent, { stdio: ['ignore', 'ignore', 'pipe', 'ipc'], ...options });
		this.child.stderr.setEncoding('utf8').on('data', (text) => {
			this.stderr += text;
		});
		this.child.on('message', ({ number, answer }) => {
			this.waiting.get(number)?.resolve(answer);
			this.waiting.delete(number);
		});
		this.child.on('exit', (code, signal) => {
			this.ended = new Error(`the app's process died (${code ?? signal}): ${this.stderr}`);
			for (const { reject } of this.waiting.values()) reject(this.ended);
			this.waiting.clear();
		});
	}

	ask(method, ...args) {
		if (this.ended) return Promise.reject(this.ended);
		const number = ++this.numbers;
		const answer = new Promise((resolve, reject) => this.waiting.set(number, { resolve, reject }));
		this.child.send({ number, method, args });
		return before(CALL_MS, `answer of the app to ${method}`, answer);
	}

	/** Ends the process; fails if it had died by itself. */
	async end() {
		if (this.ended) throw this.ended;
		const gone = new Promise((resolve) => this.child.once('exit', resolve));
		this.child.kill('SIGKILL');
		await gone;
	}
}
