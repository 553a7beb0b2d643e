//! What the flows need beside an application: a server, its backend, a relay before it, and where users get tokens.

import { Place } from './place.mjs';
import { serve } from './page.mjs';
import { Proxy } from './proxy.mjs';

const OPERATIONS = ['subscribe', 'publish', 'presence', 'history', 'state.read', 'state.write'];

export async function openContext(options) {
	const place = await Place.open(options);
	const proxy = await Proxy.to(place.server.port);
	const tokens = await serve(({ user, ttl, ticket }) => {
		const wish = { capabilities: [{ channels: '*', operations: OPERATIONS }], ...(ttl && { ttl_s: Number(ttl) }) };
		return ticket ? place.backend.ticketFor(user, wish) : place.backend.tokenFor(user, wish);
	});
	const close = async () => {
		await tokens.stop();
		await proxy.stop();
		await place.close();
	};
	return { place, proxy, origin: tokens.url, close };
}
