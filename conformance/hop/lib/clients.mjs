//! Handles on `@onehop/client` apps: one in a Node process, with the same words as one in a browser page (`chromium.mjs`).

import { fileURLToPath } from 'node:url';
import { AppProcess } from '../../lib/app-process.mjs';
import { until } from '../../lib/wait.mjs';

const AGENT = fileURLToPath(new URL('../agents/client-node.mjs', import.meta.url));

/** What the packages print when a frame or an event is not as they expect. */
const COMPLAINT = /unsupported opcode|Handling service message failed|badly formatted|respond to heartbeat/;

/** What tests say to a client, wherever it runs. A subclass brings `ask(method, ...args)` and `dispose()`. */
export class Client {
	/** Initialises the SDK and waits until it says `connected`. */
	async connect({ project, ws }, token) {
		await this.init({ project, ws }, token);
		await this.until('connected', (seen) => seen.connection === 'connected');
		return this;
	}

	init({ project, ws }, token) {
		return this.ask('init', token === undefined ? { projectId: project } : { projectId: project, token }, { leapSocketUrl: ws });
	}

	look() {
		return this.ask('look');
	}

	/** Polls what the app has seen until `probe(seen)` is truthy, and returns that. */
	async until(what, probe, options) {
		let seen;
		const told = () => `${what}; the app saw ${JSON.stringify({ ...seen, service: undefined }).slice(0, 1500)}`;
		return until(told, async () => probe((seen = await this.look())), { every: 30, ...options });
	}

	/** Ends the app; fails if its SDK had complained, or if it had died. */
	async close() {
		if (this.disposed) return;
		const { warnings } = await this.look();
		await this.dispose();
		const complaint = warnings.find((line) => COMPLAINT.test(line));
		if (complaint) throw new Error(`the SDK complained: ${complaint}`);
	}

	/** Calls a method of the SDK's client; fails if it throws. */
	async call(method, ...args) {
		const error = await this.ask('call', method, ...args);
		if (error) throw new Error(`${method} threw: ${error}`);
	}

	/** Subscribes and waits for the answer. */
	async subscribe(channel) {
		await this.call('subscribeToChannel', channel);
		return this.answer(channel);
	}

	/** Waits for the answer to a subscribe: the channel's entry in the app's map. */
	answer(channel) {
		return this.until(`an answer for ${channel}`, ({ channels }) => channels[channel]?.subscription !== 'pending' && channels[channel]);
	}

	/** Waits until the channel's entry satisfies `probe`. */
	channel(channel, what, probe, options) {
		return this.until(`${channel} ${what}`, ({ channels }) => channels[channel] && probe(channels[channel]), options);
	}

	/** The messages of one channel (null: direct messages) the app has seen so far, as [event, data] pairs. */
	async messages(channel) {
		const { messages } = await this.look();
		return messages.filter((message) => message.channel === channel).map(({ event, data }) => [event, data]);
	}

	/** Waits for a message with this event name on this channel (null: a direct message). */
	message(channel, event) {
		const matching = (message) => message.channel === channel && message.event === event;
		return this.until(`message ${event} on ${channel}`, ({ messages }) => messages.find(matching));
	}
}

export class NodeClient extends Client {
	process = new AppProcess(AGENT);

	ask(method, ...args) {
		return this.process.ask(method, ...args);
	}

	/** Ends the process; fails if it had died by itself. */
	async dispose() {
		this.disposed = true;
		await this.process.end();
	}
}
