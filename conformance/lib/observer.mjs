//! A bare Leap Edge client for the suites: it shows every frame as it came, which the SDKs hide. It is not under test, never
//! reconnects, and works with the `WebSocket` of a browser or of the `ws` package alike.

import { until } from './wait.mjs';

export class Observer {
	/** Connects, identifies and returns once INIT is here. `token` absent means anonymous. */
	static async open(WebSocket, url, project, token) {
		const observer = new Observer();
		observer.frames = [];
		observer.socket = new WebSocket(url);
		observer.socket.addEventListener('message', ({ data }) => observer.take(JSON.parse(data)));
		observer.socket.addEventListener('close', ({ code, reason }) => {
			observer.closed = { code, reason };
		});
		observer.socket.addEventListener('error', () => {});
		await observer.until('Hello', () => observer.frames.some((frame) => frame.op === 1));
		observer.send({ op: 2, d: token === undefined ? { project_id: project } : { project_id: project, token } });
		observer.init = (await observer.event('INIT')).d;
		return observer;
	}

	take(frame) {
		this.frames.push(frame);
		if (frame.op === 3) this.send({ op: 3, d: { tag: frame.d.tag } });
	}

	send(frame) {
		this.socket.send(JSON.stringify(frame));
	}

	dispatch(e, c, d = null) {
		this.send({ op: 0, d: { e, d, c } });
	}

	/** The dispatches received so far, oldest first, optionally of one event and one channel. */
	events(e, c) {
		const all = this.frames.filter((frame) => frame.op === 0).map((frame) => frame.d);
		return all.filter((d) => (e === undefined || d.e === e) && (c === undefined || d.c === c));
	}

	until(what, probe) {
		const frames = () => `${what}; closed ${JSON.stringify(this.closed)}; got ${JSON.stringify(this.frames).slice(-800)}`;
		return until(frames, probe);
	}

	/** The first dispatch of this event (on this channel) for which `match(d)` holds, waited for. */
	event(e, c, match = () => true) {
		return this.until(`${e} ${c ?? ''}`, () => this.events(e, c).find((event) => match(event.d)));
	}

	/** Subscribes and returns the answer: AVAILABLE or UNAVAILABLE. */
	async subscribe(c) {
		const seen = this.events(undefined, c).length;
		this.dispatch('SUBSCRIBE', c);
		const answers = () => this.events(undefined, c).slice(seen).find(({ e }) => e === 'AVAILABLE' || e === 'UNAVAILABLE');
		return this.until(`answer to SUBSCRIBE ${c}`, answers);
	}

	close() {
		this.socket.close();
	}
}
