//! Channels of a project and what is said in them, as a backend sees them. Clients have their own view, in `tollgate/client`.

import { TollgateError } from '../shared/error.js';
import { positionOf } from '../shared/place.js';
import { drawId } from '../shared/random.js';
import { everything, type Http, type Page, path } from './http.js';
import type {
	Channel, ChannelCapability, ChannelSettings, ChannelType, HistoryOptions, HistoryPage, Json, ListOptions, Member, MembersPage, Message, NewMessage,
	Published, Token, Versioned,
} from './types.js';

/** What came of a message. */
function placeOf(answer: Json | null): Published {
	const position = answer ? positionOf(answer) : undefined;
	return { ...(position !== undefined && { position }), duplicate: answer?.duplicate === true, conflated: position === undefined };
}

/** A message with an id, so that it may be sent again. */
function named<M extends { id?: string }>(message: M): M {
	return { ...message, id: message.id ?? drawId() };
}

export class Channels {
	constructor(private readonly http: Http) {}

	/** Refused with `already_exists` if there is one. */
	create(
		channel: string, options: { type?: ChannelType; capabilities?: ChannelCapability[]; settings?: ChannelSettings; state?: Json } = {},
	): Promise<Channel> {
		return this.http.call({ method: 'POST', path: '/v2/channels', body: { id: channel, type: 'private', ...options } });
	}

	/** With where it is, and how many are online in it. */
	get(channel: string): Promise<Channel> {
		return this.http.call({ method: 'GET', path: path`/v2/channels/${channel}` });
	}

	list(options: ListOptions = {}): Promise<Page<Channel>> {
		return this.http.call({ method: 'GET', path: '/v2/channels', query: { ...options } });
	}

	all(options: { limit?: number } = {}): AsyncIterableIterator<Channel> {
		return everything((cursor) => this.list({ ...options, ...(cursor !== undefined && { cursor }) }));
	}

	/** What is left out stays as it is. */
	change(channel: string, change: { capabilities?: ChannelCapability[]; settings?: ChannelSettings }): Promise<Channel> {
		return this.http.call({ method: 'PATCH', path: path`/v2/channels/${channel}`, body: change, repeatable: true });
	}

	/** With its past; its subscribers are told. */
	async delete(channel: string): Promise<void> {
		await this.http.call({ method: 'DELETE', path: path`/v2/channels/${channel}` });
	}

	/** The tokens that are subscribed, never their secrets. */
	subscribers(channel: string, options: ListOptions = {}): Promise<Page<Token>> {
		return this.http.call({ method: 'GET', path: path`/v2/channels/${channel}/subscribers`, query: { ...options } });
	}

	state<S extends Json = Json>(channel: string): Promise<Versioned<S>> {
		return this.http.call({ method: 'GET', path: path`/v2/channels/${channel}/state` });
	}

	setState<S extends Json = Json>(channel: string, state: S, options: { ifVersion?: number } = {}): Promise<Versioned<S>> {
		return this.#changeState('PUT', channel, state, options.ifVersion);
	}

	mergeState<S extends Json = Json>(channel: string, state: Partial<S>, options: { ifVersion?: number } = {}): Promise<Versioned<S>> {
		return this.#changeState('PATCH', channel, state, options.ifVersion);
	}

	/** When the message has its place in the channel, and is as durable as the channel promises. */
	async publish(channel: string, event: string, data: unknown = null, options: Omit<NewMessage, 'event' | 'data'> = {}): Promise<Published> {
		const body = named({ event, data, ...options });
		return placeOf(await this.http.call<Json>({ method: 'POST', path: path`/v2/channels/${channel}/messages`, body, repeatable: true }));
	}

	history(channel: string, options: HistoryOptions = {}): Promise<HistoryPage> {
		const { sinceAt, waitMs, ...rest } = options;
		const query = { ...rest, ...(options.before !== undefined && { order: 'newest' }), since_at: sinceAt, wait_ms: waitMs };
		return this.http.call({ method: 'GET', path: path`/v2/channels/${channel}/history`, query });
	}

	/** All pages of the past. */
	async *messages(channel: string, options: Omit<HistoryOptions, 'waitMs'> = {}): AsyncIterableIterator<Message> {
		const { limit, order } = options;
		const backwards = options.before !== undefined || order === 'newest';
		for (let page = await this.history(channel, options); ; ) {
			yield* page.messages;
			const { next } = page;
			if (next === undefined) return;
			page = await this.history(channel, { limit, order, ...(backwards ? { before: next } : { after: next }) });
		}
	}

	/** Who is in a channel that keeps presence. `limit: 0` is the count alone. */
	presence(channel: string, options: { limit?: number; after?: string; sample?: boolean } = {}): Promise<MembersPage> {
		return this.http.call({ method: 'GET', path: path`/v2/channels/${channel}/presence`, query: { ...options } });
	}

	async *members(channel: string): AsyncIterableIterator<Member> {
		let after: string | undefined;
		do {
			const page: MembersPage = await this.presence(channel, { limit: 1_000, after });
			yield* page.members;
			after = page.next;
		} while (after !== undefined);
	}

	#changeState<S>(method: 'PUT' | 'PATCH', channel: string, state: unknown, ifVersion: number | undefined): Promise<Versioned<S>> {
		const headers = ifVersion === undefined ? {} : { headers: { 'If-Match': `"${ifVersion}"` } };
		return this.http.call({ method, path: path`/v2/channels/${channel}/state`, body: state, ...headers });
	}
}

/** How many messages one request takes. */
const BATCH_MAX = 100;

/** Publishes many messages, of as many channels; what came of each is in the place of it. A hundred go in one request. */
export async function publishAll(http: Http, messages: (NewMessage & { channel: string })[]): Promise<(Published | { error: TollgateError })[]> {
	const all: (Published | { error: TollgateError })[] = [];
	for (let at = 0; at < messages.length; at += BATCH_MAX) {
		const body = { messages: messages.slice(at, at + BATCH_MAX).map(named) };
		const { results } = await http.call<{ results: Json[] }>({ method: 'POST', path: '/v2/publish', body, repeatable: true });
		all.push(...results.map((result) => (result.error ? { error: refused(result.error as Json) } : placeOf(result))));
	}
	return all;
}

function refused({ status, code, detail, retryable }: Json): TollgateError {
	const retry = retryable === true ? 'later' : status === 401 || status === 403 ? 'auth' : 'never';
	return new TollgateError(String(code), String(detail), retry, typeof status === 'number' ? { status } : {});
}
