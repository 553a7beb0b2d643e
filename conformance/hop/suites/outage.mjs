//! Ten seconds without a server (Hop behaviour 65): an anonymous app and one with a token come back by themselves, with every
//! channel available and the state that was written while they could not see it.

import { setTimeout as sleep } from 'node:timers/promises';
import { ok, same } from '../lib/check.mjs';

const DOWN_MS = 10_000;
const BACK_MS = 20_000;

/** Stops the server by `signal`, writes state on another port while the apps are cut off, and starts it where it was. */
async function outage(w, server, signal, changed) {
	const start = Date.now();
	const home = { url: server.url, ws: server.ws };
	const end = await server.down(signal);
	if (signal === 'SIGKILL') same(end.signal, 'SIGKILL');
	await server.up({ port: 0 });
	ok(server.url !== home.url, 'the stand-in listens elsewhere');
	const standIn = new w.Hop(w.key, server.url);
	for (const id of changed) await standIn.channels.patchState(id, { changed: signal });
	await server.down(signal);
	await sleep(Math.max(0, start + DOWN_MS - Date.now())); // the outage is a length of time, not a condition
	const announce = await server.up();
	same([announce.key, server.url], [undefined, home.url], 'same data folder, same port, no new key');
}

/** The whole story with apps made by `w.client`. */
export async function comeBack(w, server, signal) {
	const ids = { unprotected: [], token: [] };
	for (let n = 0; n < 5; n += 1) {
		ids.unprotected.push(await w.channel('unprotected', { state: { n } }));
		ids.token.push(await w.channel(['private', 'public', 'unprotected'][n % 3], { state: { n } }));
	}
	const token = await w.token(...ids.token.slice(0, 4));
	const [anonymous, known] = [await w.client(), await w.client(token)];
	for (const id of ids.unprotected) await anonymous.subscribe(id);
	await known.subscribe(ids.token[4]); // a subscription the client made itself
	const all = [[anonymous, ids.unprotected], [known, ids.token]];

	// An acknowledged change right before the end must be there afterwards.
	await Promise.all([ids.unprotected[0], ids.token[0]].map((id) => w.hop.channels.patchState(id, { last: true })));
	await outage(w, server, signal, [...ids.unprotected.slice(1), ...ids.token.slice(1)]);

	for (const [app, channels] of all) {
		const back = (seen) => seen.connection === 'connected' && channels.every((id) => seen.channels[id]?.subscription === 'available');
		await app.until('every channel available again', back, { within: BACK_MS });
		const seen = await app.look();
		ok(seen.states.includes('errored'), 'the app did notice');
		channels.forEach((id, n) => {
			const want = n === 0 ? { n, last: true } : { n, changed: signal };
			same(seen.channels[id], { subscription: 'available', state: want, error: null }, `channel ${n}`);
		});
		await w.settle(app);
		for (const [n, id] of channels.entries()) {
			await w.hop.channels.publishMessage(id, 'BACK', n);
			await app.message(id, 'BACK');
			same(await app.messages(id), [['BACK', n]], 'delivered once, however often the SDK subscribed again');
			same(await w.hop.channels.getStats(id), { online_count: 1 }, 'counted once');
		}
	}
	same(await w.hop.channels.tokens.isOnline(token), true);
}
