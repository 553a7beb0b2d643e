//! What a client flow works with: a backend (`@onehop/js`), and apps (`@onehop/client`) that it opens and that are closed after it.

import { Hop, ChannelType } from '@onehop/js';
import { WebSocket } from 'ws';
import { restContext } from './rest-context.mjs';
import { ok } from '../lib/check.mjs';

/** `place` as in `rest-context.mjs`; `makeClient` returns a fresh `Client` handle. */
export function clientContext(place, makeClient) {
	const backend = restContext({ Hop, ChannelType }, place, { WebSocket });
	const open = [];
	return {
		...backend,

		/** A new app, not initialised yet. */
		async app() {
			const client = await makeClient();
			open.push(client);
			return client;
		},

		/** A new app, connected: anonymous, or with this token. */
		async client(token) {
			const client = await this.app();
			return client.connect(place, token);
		},

		/** A channel of this type; returns its id. */
		async channel(type, { state = {}, capabilities } = {}) {
			const id = backend.unique(type);
			if (capabilities === undefined) await backend.hop.channels.create(type, id, { state });
			else {
				const { status, text } = await backend.raw('PUT', `/v1/channels/${id}`, { type, state, capabilities });
				ok(status === 200, `channel with capabilities ${capabilities}: ${status} ${text}`);
			}
			return id;
		},

		/** A token, subscribed to these channels; returns its id. */
		async token(...channels) {
			const { id } = await backend.hop.channels.tokens.create({ n: 1 });
			for (const channel of channels) await backend.hop.channels.subscribeToken(channel, id);
			return id;
		},

		/**
		 * Returns once the server has handled everything this app sent so far: its frames are handled in order. What follows for another channel
		 * may still be on its way: each channel has an order of its own.
		 */
		async settle(client) {
			await client.subscribe(await this.channel('unprotected'));
		},

		/** Closes every app; fails if one had died, or if its SDK complained of what we sent (Hop behaviours 43, 60). */
		async closeAll() {
			const results = await Promise.allSettled(open.splice(0).map((client) => client.close()));
			const failed = results.find(({ status }) => status === 'rejected');
			if (failed) throw failed.reason;
		},
	};
}
