//! What lies between a client and the server: a TCP relay that can be cut, be shut for a while, and stall: then nothing passes, and nobody is told.

import { createServer, connect } from 'node:net';
import { once } from 'node:events';

export class Proxy {
	static async to(port) {
		const proxy = new Proxy();
		proxy.port = port;
		proxy.pairs = new Set();
		/** Taken while nothing passes. */
		proxy.held = new Set();
		proxy.isShut = false;
		proxy.isStalled = false;
		proxy.accepted = 0;
		proxy.server = createServer({ allowHalfOpen: true, pauseOnConnect: true }, (near) => {
			proxy.accepted += 1;
			near.on('error', () => {});
			if (proxy.isShut) near.destroy();
			else if (proxy.isStalled) proxy.held.add(near);
			else proxy.relay(near);
		});
		proxy.server.listen(0, '127.0.0.1');
		await once(proxy.server, 'listening');
		proxy.url = `http://127.0.0.1:${proxy.server.address().port}`;
		return proxy;
	}

	relay(near) {
		const far = connect({ port: this.port, host: '127.0.0.1', allowHalfOpen: true });
		const pair = [near, far];
		this.pairs.add(pair);
		for (const [one, other] of [[near, far], [far, near]]) {
			one.on('error', () => {});
			one.on('data', (bytes) => {
				if (other.write(bytes)) return;
				one.pause();
				other.once('drain', () => this.isStalled || one.resume());
			});
			one.on('end', () => this.passes(() => other.end()));
			one.on('close', () => this.passes(() => {
				other.destroySoon();
				this.pairs.delete(pair);
			}));
			one.resume();
		}
	}

	/** Does it when something passes again. */
	passes(tell) {
		if (this.isStalled) this.late.push(tell);
		else tell();
	}

	/** From now on nothing passes in either direction, no end of a connection and no newcomer. They stay open: nobody can see it. */
	stall() {
		this.isStalled = true;
		this.late = [];
		for (const socket of [...this.pairs].flat()) socket.pause();
	}

	/** What was sent since then comes late, as it does when TCP sends it again. */
	flow() {
		this.isStalled = false;
		for (const tell of this.late.splice(0)) tell();
		for (const socket of [...this.pairs].flat()) socket.resume();
		for (const near of this.held) this.relay(near);
		this.held.clear();
	}

	/** Every connection breaks, without a word. */
	cut() {
		for (const socket of [...[...this.pairs].flat(), ...this.held]) socket.resetAndDestroy();
		this.held.clear();
	}

	/** Nobody gets through. */
	shut() {
		this.isShut = true;
		this.cut();
	}

	open() {
		this.isShut = false;
	}

	async stop() {
		this.isStalled = false;
		this.cut();
		this.server.close();
		await once(this.server, 'close');
	}
}
