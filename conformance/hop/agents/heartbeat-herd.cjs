//! A hundred `@onehop/leap-edge-js` clients in one process, heartbeating. Reports what they did and every complaint they
//! printed; judges nothing.
'use strict';

const { LeapEdgeClient } = require('@onehop/leap-edge-js');

const seen = { heartbeats: 0, acks: 0, hellos: 0, inits: 0, errored: 0, warnings: [] };
console.log = (direction, frame) => {
	if (direction === 'send:') seen.heartbeats += frame.op === 3 ? 1 : 0;
	else if (direction === 'recv:') {
		seen.acks += frame.op === 4 ? 1 : 0;
		seen.hellos += frame.op === 1 ? 1 : 0;
	} else seen.warnings.push(String(direction));
};
console.warn = (...args) => seen.warnings.push(args.map(String).join(' '));

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
