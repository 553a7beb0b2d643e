//! The shell around the machine: it makes connections, keeps one timer, and settles promises. What to do when is decided in `machine.ts`.

import { TollgateError } from '../shared/error.js';
import { asResults, outgoingAll } from './answers.js';
import type { Counters, Effect, News, State } from './effects.js';
import { Listeners } from './listeners.js';
import { Machine, type ResumePoint } from './machine.js';
import { type Ask, changeState, history, members, messages, presence, publish } from './places.js';
import { parsePosition } from './position.js';
import { openSse } from './sse.js';
import { asGap, messageOf, Subscription } from './subscription.js';
import { watchSurroundings } from './surroundings.js';
import { TokenFlights } from './tokens.js';
import { baseUrl, openWebSocket, socketUrl, type Transport } from './transport.js';
import type {
	AnyEvents, ClientEvents, DirectMessage, EventName, HistoryOptions, HistoryPage, JsonObject, Member, Message, Options, Outgoing,
	PresenceOptions, PresencePage, Published, PublishOptions, SubscribeOptions,
} from './types.js';
import { type Fields, number } from './wire.js';
import { VERSION } from '../version.js';

const QUEUE_LIMIT = 256;
const TIMEOUT_MS = 30_000;
/** With its id, a message may be published again for two minutes; so it must have been given up before. */
const PUBLISH_TIMEOUT_MS = 100_000;
const PUBLISH_RESEND_MS = 110_000;
const TOKEN_TIMEOUT_MS = 30_000;
/** WebSockets in a row that did not open, before receiving by SSE. */
const SSE_AFTER = 3;
/** setTimeout takes no more than this. */
const TIMER_MAX_MS = 2 ** 31 - 1;

interface Waiter {
	resolve: (ok: Fields) => void;
	reject: (error: TollgateError) => void;
}

/** A client of one project: one connection, however often it is made again. `Events` is the application's event map. */
export class Client<Events = AnyEvents> {
	readonly #machine: Machine;
	readonly #options: Options;
	readonly #tokens: TokenFlights | null;
	/** Of event streams alone: a ticket that was fetched for one thing is not good for another. */
	readonly #streamTickets: TokenFlights | null;
	readonly #listeners = new Listeners<ClientEvents<Events>>();
	readonly #subscriptions = new Map<string, Subscription<Events, unknown>>();
	readonly #waiters = new Map<number, Waiter>();
	readonly #url: string;
	#transport: { socket: number; transport: Transport } | null = null;
	#timer: ReturnType<typeof setTimeout> | undefined;
	#timerAt = Infinity;
	#refs = 0;
	#running = false;
	#unwatch: (() => void) | null = null;
	#connecting: Waiter[] = [];

	constructor(options: Options) {
		const { project, token, ticket, data, resume } = options;
		if (token !== undefined && ticket !== undefined) throw new TollgateError('invalid_input', 'Give `token` or `ticket`.', 'never');
		const provider = ticket ?? (typeof token === 'function' ? token : undefined);
		this.#options = options;
		this.#url = baseUrl(options.url);
		const tokenTimeoutMs = options.tokenTimeoutMs ?? TOKEN_TIMEOUT_MS;
		this.#tokens = provider ? new TokenFlights(provider, tokenTimeoutMs) : null;
		this.#streamTickets = ticket ? new TokenFlights(ticket, tokenTimeoutMs) : null;
		this.#machine = new Machine({
			project, data, resume, tokenTimeoutMs,
			sdk: `tollgate-js/${VERSION}`,
			token: typeof token === 'string' ? token : undefined,
			provider: provider !== undefined,
			tickets: ticket !== undefined,
			queueLimit: options.queueLimit ?? QUEUE_LIMIT,
			sseAfter: options.fallback === 'sse' ? SSE_AFTER : null,
			random: Math.random,
		});
	}

	get state(): State {
		return this.#machine.state;
	}

	/** What was dropped, put off or lost, since the client was made. */
	get counters(): Readonly<Counters> {
		return { ...this.#machine.counters };
	}

	/** What the server says of our token: its id, user and state; null for anonymous clients. */
	get token(): Fields | null {
		return this.#machine.token;
	}

	/** Where another client can go on from. */
	resumePoint(): ResumePoint {
		return this.#machine.resumePoint();
	}

	/** Resolves when connected; rejects when no further try makes sense. */
	connect(): Promise<void> {
		if (this.state === 'connected') return Promise.resolve();
		const connected = new Promise<Fields>((resolve, reject) => this.#connecting.push({ resolve, reject }));
		this.#unwatch ??= watchSurroundings(() => this.#do((now) => this.#machine.nudge(now)));
		this.#do((now) => this.#machine.connect(now));
		return connected.then(() => {});
	}

	/** Ends the connection, for good unless `connect()` is called again. Nothing stays behind. */
	close(): void {
		this.#do(() => this.#machine.close());
	}

	/** Returns what ends it. */
	on<K extends keyof ClientEvents<Events>>(kind: K, listener: (told: ClientEvents<Events>[K]) => void): () => void {
		return this.#listeners.on(kind, listener);
	}

	/** Enters a channel, and again after every loss of the connection. The same subscription as before, if there is one. */
	subscribe<S = JsonObject>(channel: string, options: SubscribeOptions = {}): Subscription<Events, S> {
		const { position, rewind, presence: watched = false, data } = options;
		const at = position === undefined ? null : parsePosition(position);
		if (position !== undefined && !at) throw new TollgateError('invalid_input', `${position} is no position.`, 'never');
		let subscription = this.#subscriptions.get(channel) as Subscription<Events, S> | undefined;
		if (subscription && !position && !rewind && !watched && !data) return subscription;
		if (!subscription) {
			subscription = new Subscription<Events, S>(channel, {
				ask: this.#ask,
				leave: (left) => this.#leave(left),
				position: (of) => this.#machine.channels.position(of),
				setPresence: (of, shown) => this.setPresence(of, shown),
			});
			this.#subscriptions.set(channel, subscription as Subscription<Events, unknown>);
		}
		const wanted = {
			presence: watched,
			...(rewind && { rewind: 'last' in rewind ? rewind : { since_at: rewind.sinceAt } }),
			...(data && { data }),
		};
		this.#do((now) => this.#machine.subscribe(now, channel, wanted, at));
		return subscription;
	}

	/** When the message has its place in the channel. */
	publish<N extends EventName<Events>>(channel: string, event: N, data: Events[N], options: PublishOptions = {}): Promise<Published> {
		return publish(this.#ask, channel, event, data, options);
	}

	/** Up to 100 messages in one request; not a transaction. */
	async batch(all: Outgoing<Events>[], options: { timeoutMs?: number } = {}): Promise<(Published | { error: TollgateError })[]> {
		return asResults(await this.#ask('batch', { messages: outgoingAll(all) }, 'publishes', options.timeoutMs));
	}

	setState(channel: string, state: object, options: { ifVersion?: number } = {}): Promise<{ version: number }> {
		return changeState(this.#ask, channel, { set: state }, options);
	}

	mergeState(channel: string, state: object, options: { ifVersion?: number } = {}): Promise<{ version: number }> {
		return changeState(this.#ask, channel, { merge: state }, options);
	}

	history(channel: string, options: HistoryOptions = {}): Promise<HistoryPage<Events>> {
		return history<Events>(this.#ask, channel, options);
	}

	messages(channel: string, options: HistoryOptions = {}): AsyncIterableIterator<Message<Events>> {
		return messages<Events>(this.#ask, channel, options);
	}

	presence(channel: string, options: PresenceOptions = {}): Promise<PresencePage> {
		return presence(this.#ask, channel, options);
	}

	async count(channel: string): Promise<number> {
		return (await this.presence(channel, { limit: 0 })).count;
	}

	members(channel: string): AsyncIterableIterator<Member> {
		return members(this.#ask, channel);
	}

	async setPresence(channel: string, data: object): Promise<void> {
		await this.#ask('presence_set', { channel, data }, 'reads');
		this.#machine.channels.shown(channel, data);
	}

	/** One request of the protocol; `how` says what may be done with it when the connection ends before the reply. */
	readonly #ask: Ask = (name, body, how, timeoutMs) => {
		this.#refs += 1;
		const ref = this.#refs;
		const publishes = how === 'publishes';
		const limit = publishes ? (this.#options.publishTimeoutMs ?? PUBLISH_TIMEOUT_MS) : (this.#options.timeoutMs ?? TIMEOUT_MS);
		const resendMs = publishes ? PUBLISH_RESEND_MS : how === 'reads' ? Infinity : 0;
		const settled = new Promise<Fields>((resolve, reject) => this.#waiters.set(ref, { resolve, reject }));
		this.#do((now) => this.#machine.call(now, { ref, name, body, timeoutMs: timeoutMs ?? limit, resendMs }));
		return settled;
	};

	async #leave(channel: string): Promise<void> {
		const subscription = this.#subscriptions.get(channel);
		if (!subscription) return;
		this.#subscriptions.delete(channel);
		const tell = this.#machine.unsubscribe(channel);
		subscription.end({ channel, reason: 'left', error: null });
		if (!tell) return;
		try {
			await this.#ask('unsubscribe', { channel }, 'reads');
		} catch (thrown) {
			if (!(thrown instanceof TollgateError) || thrown.code !== 'not_subscribed') throw thrown;
		} finally {
			this.#do((now) => this.#machine.left(now, channel));
		}
	}

	/** Lets the machine decide, and does what it wants; whatever that leads to is done after it, not inside it. */
	#do(decide: (now: number) => void): void {
		decide(performance.now());
		if (this.#running) return;
		this.#running = true;
		try {
			for (let effects = this.#machine.take(); effects.length > 0; effects = this.#machine.take()) {
				for (const effect of effects) this.#perform(effect);
			}
		} finally {
			this.#running = false;
		}
		this.#wind();
	}

	#perform(effect: Effect): void {
		switch (effect.do) {
			case 'ask_token':
				void this.#tokens?.ask(performance.now(), effect.refused).then((outcome) => this.#do((now) => this.#machine.provided(now, effect.flight, outcome)));
				return;
			case 'open':
				return this.#open(effect.socket, effect.kind);
			case 'send':
				if (this.#transport?.socket === effect.socket) this.#transport.transport.send(effect.text);
				return;
			case 'close':
				if (this.#transport?.socket === effect.socket) this.#transport.transport.close(effect.code, effect.reason);
				return;
			case 'settle':
				this.#waiters.get(effect.ref)?.resolve(effect.ok);
				this.#waiters.delete(effect.ref);
				return;
			case 'fail':
				this.#waiters.get(effect.ref)?.reject(effect.error);
				this.#waiters.delete(effect.ref);
				return;
			case 'state':
				return this.#entered(effect.state, effect.error);
			case 'tell':
				return this.#hear(effect.channel, effect.news);
		}
	}

	#open(socket: number, kind: 'websocket' | 'sse'): void {
		const listener = {
			opened: () => this.#do((now) => this.#machine.opened(now, socket)),
			frame: (text: string) => this.#do((now) => this.#machine.frame(now, socket, text)),
			lost: (close: { code: number; reason: string }) => this.#do((now) => this.#machine.lost(now, socket, close)),
		};
		const wanted = this.#machine.channels.wanted();
		// A browser's `fetch` must not be called as somebody's method.
		const get: typeof fetch = (input, init) => (this.#options.fetch ?? fetch)(input, init);
		const transport =
			kind === 'sse'
				? openSse(this.#url, wanted, listener, { fetch: get, ticket: () => this.#ticket() })
				: openWebSocket(socketUrl(this.#url), listener, this.#options.WebSocket);
		this.#transport = { socket, transport };
	}

	/** One more for a stream, if tickets are what lets this client in. */
	async #ticket(): Promise<string | TollgateError | undefined> {
		return this.#streamTickets?.ask(performance.now(), false);
	}

	#entered(state: State, error: TollgateError | null): void {
		if (state === 'connected') for (const { resolve } of this.#connecting.splice(0)) resolve({});
		if (state === 'closed') {
			this.#unwatch?.();
			this.#unwatch = null;
			this.#transport = null;
			const why = error ?? new TollgateError('closed', 'The client was closed.', 'never');
			for (const { reject } of this.#connecting.splice(0)) reject(why);
		}
		this.#listeners.tell('state', { state, error });
	}

	#hear(channel: string, news: News): void {
		const subscription = this.#subscriptions.get(channel);
		if (news.is === 'direct') return this.#listeners.tell('direct', this.#direct(news.position, news.fields));
		if (news.is === 'direct_lost') return this.#listeners.tell('direct_lost', {});
		const message = messageOf<Events>(channel, news);
		const gap = news.is === 'gap' ? asGap<Events>(this.#ask, channel, news.from, news.to) : null;
		if (news.is === 'unsubscribed') this.#subscriptions.delete(channel);
		subscription?.hear(news, message, gap);
		if (message) this.#listeners.tell('message', message);
		if (gap) this.#listeners.tell('gap', gap);
		if (news.is === 'subscribed') this.#listeners.tell('subscribed', { channel, position: news.position });
		if (news.is === 'unsubscribed') {
			const reason = news.reason as ClientEvents<Events>['unsubscribed']['reason'];
			this.#listeners.tell('unsubscribed', { channel, reason, error: news.error });
		}
	}

	#direct(position: string | null, { event, data, at }: Fields): DirectMessage {
		const ack = async () => {
			if (position !== null) await this.#ask('ack', { direct: position }, 'reads');
		};
		return { event: String(event), data: data ?? null, at: number(at) ?? 0, position, ack };
	}

	/** One timer, for the machine's next moment. */
	#wind(): void {
		const at = this.#machine.wakeAt();
		if (at === this.#timerAt) return;
		clearTimeout(this.#timer);
		this.#timerAt = at;
		if (at === Infinity) return;
		const ms = Math.min(TIMER_MAX_MS, Math.max(0, Math.ceil(at - performance.now())));
		this.#timer = setTimeout(() => {
			this.#timerAt = Infinity;
			this.#do((now) => this.#machine.wake(now));
		}, ms);
	}
}

