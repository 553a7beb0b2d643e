//! What a REST suite works with: the SDK as loaded by the caller, the server's addresses, and a bare `fetch` to look behind the
//! SDK's back. Made from plain data, so that a browser page can build the same from what the test hands it.

import { Observer } from '../../lib/observer.mjs';
import { same } from '../lib/check.mjs';

let names = 0;

/** `sdk` is `{Hop, ChannelType}`; `place` is `{url, ws, project, key, readKey, otherProject, otherKey, run}`. */
export function restContext(sdk, place, { WebSocket, browser = false }) {
	const fetch = globalThis.fetch;
	return {
		...sdk,
		...place,
		browser,
		hop: new sdk.Hop(place.key, place.url),

		/** A name no other scenario of any run uses. */
		unique: (stem) => `${stem}-${place.run}-${++names}`,

		/** One bare request: `{status, body, headers}`. */
		async raw(method, path, body, key = place.key) {
			const headers = { authorization: key };
			if (body !== undefined) headers['content-type'] = 'application/json';
			const answer = await fetch(place.url + path, { method, headers, body: body === undefined ? undefined : JSON.stringify(body) });
			const text = await answer.text();
			return { status: answer.status, headers: answer.headers, text, body: text === '' ? undefined : JSON.parse(text) };
		},

		/** Runs `work` beside a bare Leap client of this token (or an anonymous one) and closes it afterwards. */
		async beside(token, work) {
			const observer = await Observer.open(WebSocket, place.ws, place.project, token);
			try {
				return await work(observer);
			} finally {
				observer.close();
			}
		},

		/** The state the server holds, read bare. */
		async stateIs(id, want) {
			const { status, body } = await this.raw('GET', `/v1/channels/${encodeURIComponent(id)}/state`);
			same({ status, state: body?.data?.state }, { status: 200, state: want }, `state of ${id}`);
		},
	};
}
