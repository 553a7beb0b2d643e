//! A machine on virtual time, with what it did: every effect is named, in order, so that one too many is seen as well as one too few.

import assert from 'node:assert/strict';
import { Machine } from '../../dist/esm/client/machine.js';

const OPTIONS = {
	project: 'project_x', sdk: 'tollgate-js/test', provider: false, queueLimit: 4, tokenTimeoutMs: 30_000, sseAfter: null, random: () => 0.5,
};

export const CONNECTED = {
	connection: 'conn_1', session: 'ses_1', resumed: false, ping_ms: 25_000, timeout_ms: 10_000,
	limits: { message_bytes: 1_048_576, requests: 64, subscriptions: 1_024 }, channels: [],
};

export class Bench {
	constructor(options = {}) {
		this.machine = new Machine({ ...OPTIONS, ...options });
		this.now = 1_000;
		this.refs = 0;
		this.socket = 0;
	}

	/** The effects of what was done, as short lines. */
	did(decide) {
		decide(this.machine, this.now);
		return this.machine.take().map((effect) => this.show(effect));
	}

	show(effect) {
		switch (effect.do) {
			case 'ask_token':
				this.flight = effect.flight;
				return 'ask for a token';
			case 'open':
				this.socket = effect.socket;
				return `open ${effect.kind}`;
			case 'send':
				assert.equal(effect.socket, this.socket, 'it sends on the socket in use');
				this.sent = effect.text === '{}' ? this.sent : JSON.parse(effect.text);
				return `> ${effect.text}`;
			case 'close':
				return `close ${effect.code} ${effect.reason}`;
			case 'state':
				return effect.error ? `${effect.state}: ${effect.error.code} ${effect.error.retry}` : effect.state;
			case 'settle':
				return `${effect.ref} ok ${JSON.stringify(effect.ok)}`;
			case 'fail':
				return `${effect.ref} failed ${effect.error.code} ${effect.error.retry}`;
			case 'tell':
				return `${effect.channel} ${this.news(effect.news)}`;
			default:
				throw new Error(`an unknown effect: ${JSON.stringify(effect)}`);
		}
	}

	news(news) {
		switch (news.is) {
			case 'message': return `message ${news.position} ${JSON.stringify(news.fields.data)}`;
			case 'state': return `state ${news.version} ${JSON.stringify(news.state)}`;
			case 'gap': return `gap ${news.from} ${news.to}`;
			case 'subscribed': return `subscribed ${news.position}`;
			case 'unsubscribed': return `unsubscribed ${news.reason}`;
			case 'direct': return `direct ${news.position} ${JSON.stringify(news.fields.data)}`;
			default: return news.is;
		}
	}

	hear(frame) {
		const text = typeof frame === 'string' ? frame : JSON.stringify(frame);
		return this.did((machine, now) => machine.frame(now, this.socket, text));
	}

	reply(ok, id = this.sent.id) {
		return this.hear({ id, ok });
	}

	refuse(error, id = this.sent.id) {
		return this.hear({ id, error: { message: 'no', retry: 'never', ...error } });
	}

	lost(code, reason = '') {
		return this.did((machine, now) => machine.lost(now, this.socket, { code, reason }));
	}

	/** Time goes by, and the machine is woken whenever it asked to be. */
	pass(ms) {
		const until = this.now + ms;
		const all = [];
		for (let wakes = 0; this.machine.wakeAt() <= until; wakes += 1) {
			assert.ok(wakes < 10_000, 'the machine wants to be woken at one moment again and again');
			this.now = Math.max(this.now, this.machine.wakeAt());
			all.push(...this.did((machine, now) => machine.wake(now)));
		}
		this.now = until;
		return all;
	}

	/** Up to the next moment at which the machine asked to be woken. */
	next() {
		return this.pass(Math.max(0, this.machine.wakeAt() - this.now));
	}

	call(name, body, { timeoutMs = 30_000, resendMs = 0 } = {}) {
		this.refs += 1;
		return this.did((machine, now) => machine.call(now, { ref: this.refs, name, body, timeoutMs, resendMs }));
	}

	subscribe(channel, wanted = {}, position = null) {
		return this.did((machine, now) => machine.subscribe(now, channel, { presence: false, ...wanted }, position));
	}

	/** Up to `connected`, with this reply. */
	up(ok = {}) {
		this.did((machine, now) => machine.connect(now));
		return this.again(ok);
	}

	/** A connection that is being made is made. */
	again(ok = {}) {
		this.did((machine, now) => machine.opened(now, this.socket));
		return this.reply({ ...CONNECTED, ...ok });
	}

	/** A message with its offset as data, unless told other. */
	message(channel, offset, more = {}) {
		return this.hear({ push: 'message', channel, offset, event: 'e', data: offset, at: 1, ...more });
	}
}
