//! The relay of the tests: what it does to a network, it must do whole.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect, createServer } from 'node:net';
import { after, before, test } from 'node:test';
import { until } from '../../../conformance/lib/wait.mjs';
import { Proxy } from './lib/proxy.mjs';

let proxy;
let server;
const ends = [];
before(async () => {
	server = createServer({ allowHalfOpen: true }, (socket) => {
		const end = { socket, heard: '', isOver: false };
		ends.push(end);
		socket.on('error', () => {}).on('data', (bytes) => (end.heard += bytes)).on('end', () => (end.isOver = true));
	}).listen(0, '127.0.0.1');
	await once(server, 'listening');
	proxy = await Proxy.to(server.address().port);
});
after(async () => {
	await proxy.stop();
	for (const { socket } of ends) socket.destroy();
	server.close();
});

async function dial() {
	const { port } = new URL(proxy.url);
	const near = { socket: connect({ port, host: '127.0.0.1', allowHalfOpen: true }), heard: '', isOver: false };
	near.socket.on('error', () => {}).on('data', (bytes) => (near.heard += bytes)).on('end', () => (near.isOver = true));
	await once(near.socket, 'connect');
	return near;
}

test('nothing passes a stalled relay, no byte, no newcomer and no end; and all of it comes late', async () => {
	const nears = [await dial(), await dial(), await dial()];
	for (const [at, near] of nears.entries()) near.socket.write(`${at}`);
	await until('three', () => ends.filter(({ heard }) => heard !== '').length === 3);
	const far = (at) => ends.find(({ heard }) => heard.startsWith(`${at}`));
	const [talker, listener, leaver] = [far(0), far(1), far(2)];
	proxy.stall();
	nears[0].socket.write(' up');
	listener.socket.write('down');
	nears[2].socket.destroy();
	const newcomer = await dial();
	newcomer.socket.write('new');
	await new Promise((resolve) => setTimeout(resolve, 100));
	assert.deepEqual([talker.heard, nears[1].heard, leaver.isOver, ends.length], ['0', '', false, 3]);
	proxy.flow();
	await until('all of it', () => talker.heard === '0 up' && nears[1].heard === 'down' && leaver.isOver && ends[3]?.heard === 'new');
	for (const { socket } of nears) socket.destroy();
	newcomer.socket.destroy();
});
