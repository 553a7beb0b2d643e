//! Requests that wait to be sent or to be answered, bounded, with their deadlines: plain data. It sends nothing.

import { TollgateError } from '../shared/error.js';

/** For whom a reply is. */
export type For =
	| { who: 'app'; ref: number }
	| { who: 'connect' }
	| { who: 'renew' }
	| { who: 'probe' }
	| { who: 'enter'; channel: string; positioned: boolean };

/** A request on its way. */
export interface Call {
	name: string;
	body: object;
	to: For;
	/** Until when it may wait, on the machine's clock; null: as long as the connection lasts. */
	deadline: number | null;
	/** For how long after it was first sent it may be sent again on another connection; 0: never. */
	resendMs: number;
	firstSentAt: number | null;
	/** Its deadline is over, but the server has not answered: its id is still taken. */
	given_up: boolean;
}

export class Calls {
	readonly #waiting: Call[] = [];
	readonly #flying = new Map<number, Call>();
	#id = 0;

	constructor(private readonly queueLimit: number) {}

	/** Puts a call into the queue; what the application asks for is bounded. */
	add(call: Call): TollgateError | null {
		if (call.to.who === 'app' && this.#waiting.filter(({ to }) => to.who === 'app').length >= this.queueLimit) {
			const text = `${this.queueLimit} calls wait already (queueLimit). Wait for some of them, or for the connection.`;
			return new TollgateError('queue_full', text, 'later');
		}
		// The machine's own come first, in their order: who subscribes and then publishes hears it.
		const app = this.#waiting.findIndex(({ to }) => to.who === 'app');
		this.#waiting.splice(call.to.who === 'app' || app < 0 ? this.#waiting.length : app, 0, call);
		return null;
	}

	/** A call that is sent now, whatever waits; its id. */
	fly(now: number, call: Call): number {
		this.#id += 1;
		call.firstSentAt ??= now;
		this.#flying.set(this.#id, call);
		return this.#id;
	}

	/** The next call that may be sent, if fewer than `most` are unanswered. */
	next(most: number): Call | undefined {
		return this.#flying.size < most ? this.#waiting.shift() : undefined;
	}

	/** The call that this reply answers. */
	answered(id: number): Call | undefined {
		const call = this.#flying.get(id);
		this.#flying.delete(id);
		return call;
	}

	/** The connection ended: what may be sent again waits in front, in its order; returns the rest, whose fate is not known. */
	lost(now: number): Call[] {
		const open = [...this.#flying.values()].filter((call) => !call.given_up);
		const again = (call: Call) => call.firstSentAt !== null && now - call.firstSentAt < call.resendMs;
		this.#flying.clear();
		this.#id = 0;
		this.#waiting.unshift(...open.filter(again));
		// The machine asks for these anew on the next connection.
		const own = ({ to }: Call) => to.who !== 'app';
		const queue = this.#waiting.filter((call) => !own(call));
		this.#waiting.splice(0, this.#waiting.length, ...queue);
		return open.filter((call) => !again(call) && !own(call));
	}

	/** Takes out what may wait no longer. */
	overdue(now: number): Call[] {
		const late = (call: Call) => call.deadline !== null && call.deadline <= now && !call.given_up;
		const all = [...this.#waiting.filter(late), ...[...this.#flying.values()].filter(late)];
		const kept = this.#waiting.filter((call) => !late(call));
		this.#waiting.splice(0, this.#waiting.length, ...kept);
		for (const call of all) call.given_up = true;
		return all;
	}

	/** Takes out everything that the application waits for. */
	end(): Call[] {
		const all = [...this.#flying.values(), ...this.#waiting].filter(({ to, given_up }) => to.who === 'app' && !given_up);
		this.#flying.clear();
		this.#waiting.length = 0;
		this.#id = 0;
		return all;
	}

	/** When `overdue` has something. */
	earliest(): number {
		let at = Infinity;
		for (const call of this.#waiting) at = Math.min(at, call.deadline ?? Infinity);
		for (const call of this.#flying.values()) if (!call.given_up) at = Math.min(at, call.deadline ?? Infinity);
		return at;
	}
}
