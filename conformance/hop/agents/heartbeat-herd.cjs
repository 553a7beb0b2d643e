//! A hundred `@onehop/leap-edge-js` clients in one process, heartbeating. Reports what they did and every complaint they
//! printed; judges nothing. Each complaint says how long this process was held up between the sending of the heartbeat in question and
//! the client's taking the time of it, which it does afterwards: an ack that came meanwhile is in the same millisecond for the client,
//! whenever it was sent.
'use strict';

const { LeapEdgeClient } = require('@onehop/leap-edge-js');

let sentAt = null;
let heldMs = 0;
const { setTimeout: start } = globalThis;
globalThis.setTimeout = (act, ms, ...rest) => {
	if (sentAt === null) return start(act, ms, ...rest);
	// The client's next act after a heartbeat: it will look for the ack.
	const held = performance.now() - sentAt;
	sentAt = null;
	return start(() => {
		heldMs = held;
		act(...rest);
		heldMs = 0;
	}, ms);
};

const complain = (text) => seen.warnings.push({ text, heldMs });
const seen = { heartbeats: 0, acks: 0, hellos: 0, inits: 0, errored: 0, warnings: [] };
console.log = (direction, frame) => {
	if (direction === 'send:') {
		if (frame.op !== 3) return;
		seen.heartbeats += 1;
		sentAt = performance.now();
	} else if (direction === 'recv:') {
		seen.acks += frame.op === 4 ? 1 : 0;
		seen.hellos += frame.op === 1 ? 1 : 0;
	} else complain(String(direction));
};
console.warn = (...args) => complain(args.map(String).join(' '));

process.on('message', ({ projectId, socketUrl, clients }) => {
	if (projectId === undefined) {
		process.send(seen);
		return;
	}
	for (let n = 0; n < clients; n += 1) {
		const client = new LeapEdgeClient({ projectId }, { socketUrl, debug: true });
		client.on('connectionStateUpdate', (state) => {
			seen.inits += state === 'connected' ? 1 : 0;
			seen.errored += state === 'errored' ? 1 : 0;
		});
		void client.connect();
	}
});
process.on('disconnect', () => process.exit(0));
