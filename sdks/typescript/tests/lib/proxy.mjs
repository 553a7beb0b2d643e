//! What lies between a client and the server: a TCP relay that can be cut, and be shut for a while.

import { createServer, connect } from 'node:net';
import { once } from 'node:events';

export class Proxy {
	static async to(port) {
		const proxy = new Proxy();
		proxy.pairs = new Set();
		proxy.isShut = false;
		proxy.accepted = 0;
		proxy.server = createServer((near) => {
			proxy.accepted += 1;
			if (proxy.isShut) return near.destroy();
			const far = connect(port, '127.0.0.1');
			const pair = [near, far];
			proxy.pairs.add(pair);
			for (const [one, other] of [[near, far], [far, near]]) {
				one.on('error', () => {});
				one.on('close', () => {
					other.destroy();
					proxy.pairs.delete(pair);
				});
				one.pipe(other);
			}
			return undefined;
		});
		proxy.server.listen(0, '127.0.0.1');
		await once(proxy.server, 'listening');
		proxy.url = `http://127.0.0.1:${proxy.server.address().port}`;
		return proxy;
	}

	/** Every connection breaks, without a word. */
	cut() {
		for (const [near, far] of this.pairs) {
			near.resetAndDestroy();
			far.resetAndDestroy();
		}
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
		this.cut();
		this.server.close();
		await once(this.server, 'close');
	}
}
