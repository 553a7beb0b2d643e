//! What the shell needs of a connection, and the one over the platform's WebSocket. It decides nothing: what is heard goes to the machine.

import { type Close, NORMAL } from './backoff.js';
import { connectNode, isPlainNode } from './node-socket.js';

/** What a connection tells. After `lost` it tells nothing. */
export interface Listener {
	opened(): void;
	frame(text: string): void;
	lost(close: Close): void;
}

export interface Transport {
	send(text: string): void;
	/** Ends it; nothing is told any more. With `NORMAL` the server is told that nobody means to come back, else it is to find out that this connection broke. */
	close(code: number, reason: string): void;
}

export const SUBPROTOCOL = 'tollgate.v1';

type Maker = new (url: string, protocols: string[]) => WebSocket;

/** Opens a WebSocket: of the platform, or in Node our own, which leaves nothing behind when it is closed. */
export function openWebSocket(url: string, listener: Listener, Given?: Maker): Transport {
	if (Given === undefined && isPlainNode()) return connectNode(url, SUBPROTOCOL, listener);
	const Socket: Maker = Given ?? WebSocket;
	let live = true;
	const lost = (close: Close) => {
		if (live) listener.lost(close);
		live = false;
	};
	let socket: WebSocket;
	try {
		socket = new Socket(url, [SUBPROTOCOL]);
	} catch (thrown) {
		// A page's policy, or an address that is none. Told later, as every other end is.
		queueMicrotask(() => lost({ code: 1006, reason: thrown instanceof Error ? thrown.name : 'refused' }));
		return { send() {}, close: () => void (live = false) };
	}
	socket.onopen = () => live && listener.opened();
	socket.onmessage = ({ data }) => live && listener.frame(typeof data === 'string' ? data : '');
	socket.onclose = ({ code, reason }) => lost({ code, reason });
	return {
		send: (text) => {
			if (live && socket.readyState === 1) socket.send(text);
		},
		close: (code, reason) => {
			live = false;
			if (code === NORMAL) socket.close(code, reason);
			else socket.close();
		},
	};
}

/** The address of the protocol under the server's: `https://host/base` → `wss://host/base/connect`. */
export function socketUrl(url: string): string {
	return `${baseUrl(url).replace(/^http/, 'ws')}/connect`;
}

/** The server's address without slashes at its end. */
export function baseUrl(url: string): string {
	const { protocol, host, pathname } = new URL(url);
	if (protocol !== 'http:' && protocol !== 'https:') throw new TypeError(`url must begin with http:// or https://, and is ${protocol}…`);
	return `${protocol}//${host}${pathname.replace(/\/+$/, '')}`;
}
