//! Channels of a project, as a backend sees them. Clients have their own view, in `tollgate/client`.

import { positionOf } from '../shared/place.js';
import { type Http, path } from './http.js';
import type { Json, Versioned } from './types.js';

export type ChannelType = 'private' | 'public' | 'unprotected';

export interface Channel {
	id: string;
	type: ChannelType;
	state: Json;
	created_at: string;
	[more: string]: unknown;
}

export interface Published {
	/** `EPOCH-OFFSET`; absent if it was conflated. */
	position?: string;
	/** It was published before, with the same id. */
	duplicate: boolean;
	conflated: boolean;
}

/** What came of a message. */
export function placeOf(answer: Json | null): Published {
	const position = answer ? positionOf(answer) : undefined;
	return { ...(position !== undefined && { position }), duplicate: answer?.duplicate === true, conflated: position === undefined };
}

export class Channels {
	constructor(private readonly http: Http) {}

	/** Refused with `already_exists` if there is one. */
	async create(channel: string, options: { type?: ChannelType; state?: Json } = {}): Promise<Channel> {
		const { type = 'private', state } = options;
		const body = { type, ...(state && { state }) };
		return (await this.http.call<Enveloped>({ method: 'PUT', path: path`/v1/channels/${channel}`, body })).data.channel;
	}

	async get(channel: string): Promise<Channel> {
		return (await this.http.call<Enveloped>({ method: 'GET', path: path`/v1/channels/${channel}` })).data.channel;
	}

	async delete(channel: string): Promise<void> {
		await this.http.call({ method: 'DELETE', path: path`/v1/channels/${channel}` });
	}

	state(channel: string): Promise<Versioned<Json>> {
		return this.http.call({ method: 'GET', path: path`/v2/channels/${channel}/state` });
	}

	setState(channel: string, state: Json, options: { ifVersion?: number } = {}): Promise<Versioned<Json>> {
		return this.#change('PUT', channel, state, options.ifVersion);
	}

	mergeState(channel: string, state: Json, options: { ifVersion?: number } = {}): Promise<Versioned<Json>> {
		return this.#change('PATCH', channel, state, options.ifVersion);
	}

	/** When the message has its place in the channel. */
	async publish(channel: string, event: string, data: unknown = null): Promise<Published> {
		const answer = await this.http.call<Json | null>({ method: 'POST', path: path`/v2/channels/${channel}/messages`, body: { event, data } });
		return placeOf(answer);
	}

	#change(method: 'PUT' | 'PATCH', channel: string, state: Json, ifVersion: number | undefined): Promise<Versioned<Json>> {
		const headers = ifVersion === undefined ? {} : { headers: { 'If-Match': `"${ifVersion}"` } };
		return this.http.call({ method, path: path`/v2/channels/${channel}/state`, body: state, ...headers });
	}
}

/** As `/v1` wraps a channel. */
interface Enveloped {
	data: { channel: Channel };
}
