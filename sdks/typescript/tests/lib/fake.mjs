//! A server that speaks as much of the protocol as a test tells it to: for what the real one does not do, such as lying, or saying nothing.

import { createHash } from 'node:crypto';
import { createServer } from 'node:http';
import { once } from 'node:events';
import { frame, Frames } from '../../dist/esm/client/node-socket.js';
import { CONNECTED } from './bench.mjs';

const GUID = '258EAFA5-E914-47DA-95CA-C5AB0DC85B11';

/** A server's frame is not masked: the client's, with the mask taken out. */
function unmasked(op, payload) {
	const masked = Buffer.from(frame(op, payload));
	const header = masked.length - payload.length - 4;
	masked[1] &= 0x7f;
	return Buffer.concat([masked.subarray(0, header), payload]);
}

/** And the other way round: what a client sent, as `Frames` reads it. */
function unmask(bytes) {
	const out = [];
	let rest = bytes;
	while (rest.length >= 6) {
		const short = rest[1] & 0x7f;
		const extended = short < 126 ? 0 : short === 126 ? 2 : 8;
		const length = extended === 0 ? short : extended === 2 ? rest.readUInt16BE(2) : Number(rest.readBigUInt64BE(2));
		const end = 6 + extended + length;
		if (rest.length < end) break;
		const mask = rest.subarray(2 + extended, 6 + extended);
		const body = Buffer.from(rest.subarray(6 + extended, end).map((byte, at) => byte ^ mask[at & 3]));
		const header = Buffer.from(rest.subarray(0, 2 + extended));
		header[1] &= 0x7f;
		out.push(header, body);
		rest = rest.subarray(end);
	}
	return { whole: Buffer.concat(out), rest };
}

export class Fake {
	/** `answer(name, body, connection)` gives the reply to a request: `{ ok }`, `{ error }` or undefined for none. */
	static async start({ answer = () => ({ ok: {} }), http = null, upgrade = true } = {}) {
		const fake = new Fake();
		fake.connections = [];
		fake.requests = [];
		fake.answer = answer;
		fake.upgrade = upgrade;
		fake.server = createServer(http ?? ((_, response) => response.writeHead(404).end()));
		fake.server.on('upgrade', (request, socket) => fake.take(request, socket));
		fake.server.listen(0, '127.0.0.1');
		await once(fake.server, 'listening');
		fake.url = `http://127.0.0.1:${fake.server.address().port}`;
		return fake;
	}

	take(request, socket) {
		if (!this.upgrade) return socket.end('HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\nconnection: close\r\n\r\n');
		const accept = createHash('sha1').update(request.headers['sec-websocket-key'] + GUID).digest('base64');
		const protocol = request.headers['sec-websocket-protocol'];
		socket.write(`HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ${accept}\r\nSec-WebSocket-Protocol: ${protocol}\r\n\r\n`);
		const connection = {
			socket,
			url: request.url,
			send: (value, op = 1) => socket.write(unmasked(op, Buffer.isBuffer(value) ? value : Buffer.from(typeof value === 'string' ? value : JSON.stringify(value)))),
			close: (code) => {
				const payload = Buffer.alloc(2);
				payload.writeUInt16BE(code);
				socket.end(unmasked(8, payload));
			},
		};
		this.connections.push(connection);
		const frames = new Frames({
			message: (text) => this.heard(connection, JSON.parse(text)),
			pong: () => {},
			closed: (code) => {
				connection.closed = code;
			},
		});
		let rest = Buffer.alloc(0);
		socket.on('error', () => {});
		socket.on('data', (bytes) => {
			const taken = unmask(Buffer.concat([rest, bytes]));
			rest = taken.rest;
			frames.take(taken.whole);
		});
	}

	heard(connection, { id, ...named }) {
		const [[name, body] = ['pong', null]] = Object.entries(named);
		this.requests.push({ name, body });
		if (name === 'pong') return;
		const told = name === 'connect' && this.answer === undefined ? { ok: CONNECTED } : this.answer(name, body, connection);
		if (told) connection.send({ id, ...told });
	}

	get last() {
		return this.connections.at(-1);
	}

	async stop() {
		for (const { socket } of this.connections) socket.destroy();
		this.server.closeAllConnections();
		this.server.close();
		await once(this.server, 'close');
	}
}

/** Replies as an empty server would. */
export function plain(name, body) {
	if (name === 'connect') return { ok: CONNECTED };
	if (name === 'subscribe') return { ok: { channel: body.channel, type: 'public', state: {}, version: 0, position: 'a-0' } };
	return { ok: {} };
}
