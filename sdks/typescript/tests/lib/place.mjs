//! A real server, a project's backend, and clients of it, all ended together.

import { Tollgate } from '../../../../conformance/lib/server.mjs';
import { Client } from '../../dist/esm/client/index.js';
import { Server } from '../../dist/esm/server/index.js';

export class Place {
	static async open(options) {
		const place = new Place();
		place.server = await Tollgate.start(options);
		place.backend = new Server({ url: place.server.url, key: place.server.key });
		place.clients = [];
		return place;
	}

	/** A client that is closed with the place; of this user, if one is named. */
	client({ user, channels = [], ...options } = {}) {
		const token = user === undefined ? {} : { token: () => this.backend.tokenFor(user, { channels }) };
		const client = new Client({ url: this.server.url, project: this.server.project, ...token, ...options });
		this.clients.push(client);
		return client;
	}

	async close() {
		for (const client of this.clients) client.close();
		await this.server.destroy();
	}
}
