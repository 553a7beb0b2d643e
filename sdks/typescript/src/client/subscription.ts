//! One channel that an application is in: what it hears of it. Where the channel stands is the machine's.

import { TollgateError } from '../shared/error.js';
import { asMessage } from './answers.js';
import type { News } from './effects.js';
import { Listeners } from './listeners.js';
import { between, Place, type Ask } from './places.js';
import { Reader } from './reader.js';
import type {
	AnyEvents, EventName, Gap, JsonObject, Message, PresenceChange, SubscriptionEvents, Unsubscribed,
} from './types.js';

/** What a subscription needs of its client. */
export interface Owner {
	ask: Ask;
	leave(channel: string): Promise<void>;
	position(channel: string): string | null;
	setPresence(channel: string, data: object): Promise<void>;
}

/** Readers of one subscription. */
const READERS_MAX = 64;

export class Subscription<Events = AnyEvents, S = JsonObject> extends Place<Events> implements AsyncIterable<Message<Events>> {
	/** `pending`: nothing was heard of it yet. */
	status: 'pending' | 'active' | 'ended' = 'pending';
	type: string | undefined;
	state: S | undefined;
	version: number | undefined;
	/** Resolves when the server has let us in, rejects if it does not. Nobody has to wait for it. */
	readonly ready: Promise<void>;

	readonly #listeners = new Listeners<SubscriptionEvents<Events, S>>();
	readonly #readers = new Set<Reader<Message<Events>>>();
	#resolve!: () => void;
	#reject!: (error: TollgateError) => void;

	/** @internal */
	constructor(channel: string, private readonly owner: Owner) {
		super(channel, owner.ask);
		this.ready = new Promise((resolve, reject) => {
			this.#resolve = resolve;
			this.#reject = reject;
		});
		this.ready.catch(() => {});
	}

	/** Everything up to here was handed out. */
	get position(): string | null {
		return this.owner.position(this.channel);
	}

	/** Returns what ends it. */
	on<K extends keyof SubscriptionEvents<Events, S>>(kind: K, listener: (told: SubscriptionEvents<Events, S>[K]) => void): () => void {
		return this.#listeners.on(kind, listener);
	}

	/** Messages of one event. */
	onEvent<N extends EventName<Events>>(event: N, listener: (message: Message<Events, N>) => void): () => void {
		return this.on('message', (message) => {
			if ((message as { event: string }).event === event) listener(message as Message<Events, N>);
		});
	}

	/** The messages from here on; ends with the subscription. */
	[Symbol.asyncIterator](): AsyncIterableIterator<Message<Events>> {
		if (this.#readers.size >= READERS_MAX) {
			throw new TollgateError('limit_reached', `A subscription has at most ${READERS_MAX} readers; end some of them.`, 'never');
		}
		const reader = new Reader<Message<Events>>((gone) => this.#readers.delete(gone));
		if (this.status === 'ended') reader.end(null);
		else this.#readers.add(reader);
		return reader;
	}

	/** Leaves the channel: nothing is handed out from here on. */
	unsubscribe(): Promise<void> {
		return this.owner.leave(this.channel);
	}

	/** What members of this channel see of this client. */
	setPresence(data: object): Promise<void> {
		return this.owner.setPresence(this.channel, data);
	}

	/** @internal */
	hear(news: News, message: Message<Events> | null, gap: Gap<Events> | null): void {
		switch (news.is) {
			case 'message':
				if (!message) return;
				this.#listeners.tell('message', message);
				for (const reader of [...this.#readers]) reader.push(message);
				return;
			case 'state':
				this.state = news.state as S;
				this.version = news.version;
				return this.#listeners.tell('state', { state: this.state, version: news.version });
			case 'presence':
				return this.#listeners.tell('presence', presenceOf(news.fields));
			case 'gap':
				return gap ? this.#listeners.tell('gap', gap) : undefined;
			case 'subscribed':
				this.type = news.type ?? this.type;
				this.status = 'active';
				this.#resolve();
				return this.#listeners.tell('subscribed', { channel: this.channel, position: news.position });
			case 'unsubscribed':
				return this.end({ channel: this.channel, reason: news.reason as Unsubscribed['reason'], error: news.error });
			case 'direct':
			case 'direct_lost':
		}
	}

	/** @internal */
	end(told: Unsubscribed): void {
		if (this.status === 'ended') return;
		this.status = 'ended';
		this.#reject(told.error ?? new TollgateError('ended', `The subscription of ${this.channel} ended: ${told.reason}.`, 'never'));
		this.#listeners.tell('unsubscribed', told);
		for (const reader of [...this.#readers]) reader.end(told.error);
	}
}

function presenceOf(fields: Record<string, unknown>): PresenceChange {
	const { count, joined, left } = fields;
	return {
		count: typeof count === 'number' ? count : 0,
		...(Array.isArray(joined) && { joined }),
		...(Array.isArray(left) && { left }),
	};
}

/** A gap as the application hears of it. */
export function asGap<Events>(ask: Ask, channel: string, from: string | null, to: string): Gap<Events> {
	return { channel, from, to, messages: () => between<Events>(ask, { channel, from, to }) };
}

/** The message of a piece of news, made once for everybody who hears it. */
export function messageOf<Events>(channel: string, news: News): Message<Events> | null {
	return news.is === 'message' ? asMessage<Events>(channel, news.position, news.fields) : null;
}
