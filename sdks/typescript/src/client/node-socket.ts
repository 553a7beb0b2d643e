//! A WebSocket client for Node (RFC 6455), because Node 20 has none: text frames, no extensions. Not for browsers, and not for servers.

import { NORMAL } from './backoff.js';
import type { Listener, Transport } from './transport.js';

/** The longest message that is taken, in bytes. */
const MESSAGE_MAX = 16 * 1024 * 1024;

// Of Node, as much as is used here, so that the package needs no types of Node.
interface Stream {
	write(bytes: Uint8Array): void;
	end(bytes?: Uint8Array): void;
	destroy(): void;
	on(event: string, listener: (value: never) => void): this;
	setNoDelay(on: boolean): void;
}
interface Request {
	on(event: string, listener: (first: never, second: never, third: never) => void): this;
	end(): void;
	destroy(): void;
}
interface Response {
	statusCode?: number;
	headers: Record<string, string | undefined>;
	resume(): void;
}
interface Http {
	request(url: string, options: object): Request;
}
interface Crypto {
	createHash(name: string): { update(text: string): { digest(form: string): string } };
}
interface NodeProcess {
	release?: { name?: string };
	versions?: Record<string, string>;
	getBuiltinModule?: (name: string) => unknown;
}

function nodeProcess(): NodeProcess | undefined {
	return (globalThis as { process?: NodeProcess }).process;
}

/** Whether this is Node itself, and neither a browser nor what only resembles Node. */
export function isPlainNode(): boolean {
	const process = nodeProcess();
	const like = process?.versions?.bun ?? process?.versions?.deno ?? (globalThis as { document?: unknown }).document;
	return process?.release?.name === 'node' && like === undefined && process.getBuiltinModule !== undefined;
}

const OP = { continuation: 0, text: 1, binary: 2, close: 8, ping: 9, pong: 10 } as const;
const GUID = '258EAFA5-E914-47DA-95CA-C5AB0DC85B11';

export function connectNode(url: string, subprotocol: string, listener: Listener): Transport {
	const builtin = nodeProcess()!.getBuiltinModule!;
	const http = builtin(url.startsWith('wss:') ? 'node:https' : 'node:http') as Http;
	const key = btoa(String.fromCharCode(...crypto.getRandomValues(new Uint8Array(16))));
	const accept = (builtin('node:crypto') as Crypto).createHash('sha1').update(key + GUID).digest('base64');
	const headers = {
		Connection: 'Upgrade',
		Upgrade: 'websocket',
		'Sec-WebSocket-Version': '13',
		'Sec-WebSocket-Key': key,
		'Sec-WebSocket-Protocol': subprotocol,
	};
	let live = true;
	let stream: Stream | undefined;
	const lost = (code: number, reason: string) => {
		if (!live) return;
		live = false;
		stream?.destroy();
		listener.lost({ code, reason });
	};
	const request = http.request(url.replace(/^ws/, 'http'), { headers, agent: false });
	request.on('error', (error: { code?: string }) => lost(1006, error.code ?? 'error'));
	request.on('response', (response: Response) => {
		response.resume();
		request.destroy();
		lost(1006, `HTTP ${response.statusCode}`);
	});
	request.on('upgrade', (response: Response, socket: Stream, head: Uint8Array) => {
		if (!live) return socket.destroy();
		stream = socket;
		socket.setNoDelay(true);
		const spoken = response.headers['sec-websocket-protocol'] === subprotocol;
		if (response.headers['sec-websocket-accept'] !== accept || !spoken) return lost(1006, 'not this protocol');
		const frames = new Frames({
			message: (text) => live && listener.frame(text),
			pong: (payload) => socket.write(frame(OP.pong, payload)),
			closed: (code, reason) => {
				socket.write(frame(OP.close, closing(code, '')));
				lost(code, reason);
			},
		});
		const take = (bytes: Uint8Array) => {
			const broken = live ? frames.take(bytes) : null;
			if (broken) lost(1006, broken);
		};
		socket.on('data', take);
		socket.on('error', (error: { code?: string }) => lost(1006, error.code ?? 'error'));
		socket.on('close', () => lost(1006, ''));
		listener.opened();
		if (head.length > 0) take(head);
	});
	request.end();
	return {
		send: (text) => {
			if (live) stream?.write(frame(OP.text, new TextEncoder().encode(text)));
		},
		close: (code, reason) => {
			live = false;
			if (!stream) return request.destroy();
			const last = stream;
			// What a dead connection still says, comes late: a goodbye would end what its successor has begun.
			if (code !== NORMAL) return last.destroy();
			last.end(frame(OP.close, closing(code, reason)));
			// The end was written to the kernel, or never will be: a silent peer keeps nobody waiting.
			queueMicrotask(() => setTimeout(() => last.destroy(), 0));
		},
	};
}

function closing(code: number, reason: string): Uint8Array {
	const text = new TextEncoder().encode(reason).slice(0, 123);
	const bytes = new Uint8Array(2 + text.length);
	new DataView(bytes.buffer).setUint16(0, code === 1006 || code === 1005 ? 1000 : code);
	bytes.set(text, 2);
	return bytes;
}

/** One masked frame, in whole. */
export function frame(op: number, payload: Uint8Array): Uint8Array {
	const { length } = payload;
	const extended = length < 126 ? 0 : length < 65_536 ? 2 : 8;
	const bytes = new Uint8Array(2 + extended + 4 + length);
	const view = new DataView(bytes.buffer);
	bytes[0] = 0x80 | op;
	bytes[1] = 0x80 | (extended === 0 ? length : extended === 2 ? 126 : 127);
	if (extended === 2) view.setUint16(2, length);
	if (extended === 8) view.setBigUint64(2, BigInt(length));
	const mask = bytes.subarray(2 + extended, 6 + extended);
	crypto.getRandomValues(mask);
	const body = bytes.subarray(6 + extended);
	for (let at = 0; at < length; at += 1) body[at] = payload[at]! ^ mask[at & 3]!;
	return bytes;
}

interface FrameEvents {
	message(text: string): void;
	pong(payload: Uint8Array): void;
	closed(code: number, reason: string): void;
}

/** Puts the server's frames together. */
export class Frames {
	#rest = new Uint8Array(0);
	#parts: Uint8Array[] = [];
	#length = 0;
	#isText = false;
	readonly #utf8 = new TextDecoder('utf-8', { fatal: true });

	constructor(private readonly told: FrameEvents) {}

	/** What is wrong, if anything is. */
	take(bytes: Uint8Array): string | null {
		let rest = this.#rest.length === 0 ? bytes : join([this.#rest, bytes]);
		for (;;) {
			const found = parse(rest);
			if (typeof found === 'string') return found;
			if (found === null) break;
			rest = rest.subarray(found.size);
			const broken = this.#frame(found);
			if (broken) return broken;
		}
		this.#rest = rest.slice();
		return null;
	}

	#frame({ op, final, payload }: Parsed): string | null {
		if (op === OP.ping) this.told.pong(payload.slice());
		else if (op === OP.close) {
			const code = payload.length >= 2 ? new DataView(payload.buffer, payload.byteOffset).getUint16(0) : 1005;
			this.told.closed(code, new TextDecoder().decode(payload.subarray(2)));
		} else if (op === OP.text || op === OP.binary || op === OP.continuation) {
			return this.#part(op, final, payload);
		} else if (op !== OP.pong) {
			return 'an unknown kind of frame';
		}
		return null;
	}

	#part(op: number, final: boolean, payload: Uint8Array): string | null {
		const begins = op !== OP.continuation;
		if (begins !== (this.#parts.length === 0)) return 'a message inside another';
		if (begins) this.#isText = op === OP.text;
		this.#length += payload.length;
		if (this.#length > MESSAGE_MAX) return `a message of more than ${MESSAGE_MAX} bytes`;
		this.#parts.push(payload.slice());
		if (!final) return null;
		const whole = join(this.#parts);
		this.#parts = [];
		this.#length = 0;
		try {
			this.told.message(this.#isText ? this.#utf8.decode(whole) : '');
		} catch (thrown) {
			if (thrown instanceof TypeError) return 'a text that is not UTF-8';
			throw thrown;
		}
		return null;
	}
}

interface Parsed {
	op: number;
	final: boolean;
	payload: Uint8Array;
	size: number;
}

/** The first frame; null if it is not whole; a text if it is none. */
function parse(bytes: Uint8Array): Parsed | null | string {
	if (bytes.length < 2) return null;
	const [first, second] = [bytes[0]!, bytes[1]!];
	if ((first & 0x70) !== 0 || (second & 0x80) !== 0) return 'a frame with reserved bits, or masked';
	const short = second & 0x7f;
	const extended = short < 126 ? 0 : short === 126 ? 2 : 8;
	if (bytes.length < 2 + extended) return null;
	const view = new DataView(bytes.buffer, bytes.byteOffset);
	const length = extended === 0 ? short : extended === 2 ? view.getUint16(2) : Number(view.getBigUint64(2));
	if (length > MESSAGE_MAX) return `a frame of more than ${MESSAGE_MAX} bytes`;
	const size = 2 + extended + length;
	if (bytes.length < size) return null;
	return { op: first & 0x0f, final: (first & 0x80) !== 0, payload: bytes.subarray(2 + extended, size), size };
}

function join(parts: Uint8Array[]): Uint8Array<ArrayBuffer> {
	const whole = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0));
	let at = 0;
	for (const part of parts) {
		whole.set(part, at);
		at += part.length;
	}
	return whole;
}
