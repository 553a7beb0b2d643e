//! A connection made of an event stream and `/v2`, in the shape of one over a WebSocket: the machine does not see the difference. What a stream is
//! to carry is said in the request that opens it, so entering one more channel opens it again, from where each channel and the session stand.

import { TollgateError } from '../shared/error.js';
import type { Wanted } from './channels.js';
import { EventReader, type StreamEvent } from './events.js';
import { parsePosition } from './position.js';
import { perform, refused } from './rest.js';
import type { Listener, Transport } from './transport.js';
import { type Fields, hear, isFields, list, number, text } from './wire.js';

/** The most channels that a stream is asked for. */
const CHANNELS_MAX = 64;

export interface WantedChannel {
	channel: string;
	position: string | null;
	wanted: Wanted;
}

/** What changes something, and is done in the order in which it was asked for, as over a WebSocket. */
const CHANGES = new Set(['publish', 'batch', 'state']);

/** A channel of the stream. */
interface Carried {
	/** Up to where it was told. */
	position: string | null;
	/** Where it begins, if it has no position yet, as the protocol spells it. */
	rewind: Fields | null;
	/** How the client takes part, beside that. */
	more: Fields;
	/** The number of the `subscribe` that waits for it. */
	asked: number | null;
	/** The fields of its subscription, once they were told on this stream. */
	told: Fields | null;
	/** The machine knows that it is in, from this stream or one before. */
	known: boolean;
	/** Until then, or until it is sure that it will not be in. */
	entered: Promise<void>;
	enter: () => void;
}

/** What a stream needs of the client. */
export interface Means {
	fetch: typeof fetch;
	/** One more ticket; nothing where tickets are not what lets the client in. */
	ticket: () => Promise<string | TollgateError | undefined>;
}

export function openSse(url: string, wanted: WantedChannel[], listener: Listener, means: Means): Transport {
	const stream = new SseTransport(url, wanted, listener, means);
	queueMicrotask(() => stream.open());
	return stream;
}

class SseTransport implements Transport {
	readonly #carried = new Map<string, Carried>();
	#connect: { id: number; body: Fields } | null = null;
	#renewal: number | null = null;
	#session: string | undefined;
	/** Up to where direct messages were told. */
	#direct: string | undefined;
	/** The id of the token that the stream was opened with. */
	#token: string | undefined;
	#stream = new AbortController();
	readonly #requests = new AbortController();
	#live = true;
	#reopening = false;
	/** The changes up to here: requests of their own, on connections of their own, would overtake each other. */
	#changes: Promise<void> = Promise.resolve();
	#isFirst = true;

	constructor(
		private readonly url: string,
		wanted: WantedChannel[],
		private readonly listener: Listener,
		private readonly means: Means,
	) {
		for (const { channel, position, wanted: one } of wanted.slice(0, CHANNELS_MAX)) this.#carry(channel, position, { ...one });
	}

	open(): void {
		if (this.#live) this.listener.opened();
	}

	send(frame: string): void {
		const { id, ...named } = JSON.parse(frame) as Fields;
		const [name, body] = Object.entries(named)[0] ?? [];
		if (!this.#live || typeof id !== 'number' || name === undefined || !isFields(body)) return;
		if (name === 'connect') return this.#connected(id, body);
		if (name === 'subscribe') return this.#subscribe(id, body);
		if (name === 'renew') return this.#renew(id, body);
		if (name === 'unsubscribe') this.#drop(String(body.channel));
		if (name === 'unsubscribe' || name === 'ping') return void queueMicrotask(() => this.#reply({ id, ok: {} }));
		const way = { url: this.url, token: text(this.#connect?.body.token), fetch: this.means.fetch, signal: this.#requests.signal };
		const doing = () => perform(way, name, body).then((outcome) => this.#reply({ id, ...outcome }));
		if (CHANGES.has(name)) this.#changes = this.#changes.then(() => this.#entered(body)).then(doing);
		else void doing();
	}

	close(): void {
		this.#live = false;
		this.#stream.abort();
		this.#requests.abort();
	}

	#lost(code: number, reason: string): void {
		if (!this.#live) return;
		this.close();
		this.listener.lost({ code, reason });
	}

	#reply(frame: Fields): void {
		if (this.#live) this.listener.frame(JSON.stringify(frame));
	}

	#carry(channel: string, position: string | null, { rewind, presence, data }: Fields = {}): Carried {
		const more = { ...(presence === true && { presence }), ...(data !== undefined && { data }) };
		let enter = () => {};
		const entered = new Promise<void>((resolve) => (enter = resolve));
		const carried = { position, rewind: isFields(rewind) ? rewind : null, more, asked: null, told: null, known: false, entered, enter };
		this.#carried.set(channel, carried);
		return carried;
	}

	#drop(channel: string): void {
		this.#carried.get(channel)?.enter();
		this.#carried.delete(channel);
	}

	/** Who subscribes and then publishes hears it: what is published goes when its channels, as far as the stream is to carry them, are in. */
	async #entered({ channel, messages }: Fields): Promise<void> {
		const named = [channel, ...list(messages).map((message) => message.channel)];
		await Promise.all(named.map((one) => this.#carried.get(String(one))?.entered));
	}

	#connected(id: number, body: Fields): void {
		this.#connect = { id, body };
		for (const [channel, position] of Object.entries(isFields(body.positions) ? body.positions : {})) {
			if (!this.#carried.has(channel) && this.#carried.size < CHANNELS_MAX) this.#carry(channel, String(position));
		}
		void this.#read();
	}

	#renew(id: number, secret: Fields): void {
		if (!this.#connect) return;
		this.#connect.body = { ...this.#connect.body, ...secret };
		this.#renewal = id;
		this.#reopen();
	}

	#subscribe(id: number, body: Fields): void {
		const channel = String(body.channel);
		const carried = this.#carried.get(channel);
		const position = text(body.position) ?? null;
		if (isFields(body.rewind) && carried?.told) {
			return this.#refuse(id, 'unsupported', 'Without a WebSocket channels begin in the past when they are entered; read the rest by history().');
		}
		if (!carried && this.#carried.size >= CHANNELS_MAX) {
			return this.#refuse(id, 'limit_reached', `Without a WebSocket a client is in at most ${CHANNELS_MAX} channels.`);
		}
		if (!carried) {
			this.#carry(channel, position, body).asked = id;
			return this.#reopen();
		}
		const isMore = takesPart(carried, body);
		if (isMore || !carried.told) carried.asked = id;
		if (isMore) return this.#reopen();
		if (!carried.told) return;
		// A hole, or a beginning elsewhere: only another stream goes on from there.
		if (position !== null && position !== carried.position) return queueMicrotask(() => this.#lost(1006, 'another position'));
		const { told } = carried;
		queueMicrotask(() => this.#reply({ id, ok: { ...told, ...(position !== null && { position, recovered: true }) } }));
	}

	#refuse(id: number, code: string, message: string): void {
		queueMicrotask(() => this.#reply({ id, error: { code, message, retry: 'never' } }));
	}

	/** Once for all channels that are asked for in one go. */
	#reopen(): void {
		if (this.#reopening) return;
		this.#reopening = true;
		queueMicrotask(() => {
			this.#reopening = false;
			if (!this.#live) return;
			this.#stream.abort();
			for (const carried of this.#carried.values()) carried.told = null;
			void this.#read();
		});
	}

	async #read(): Promise<void> {
		const controller = new AbortController();
		this.#stream = controller;
		const current = () => this.#live && this.#stream === controller;
		try {
			const body = await this.#asked();
			if (!current()) return;
			if (body instanceof TollgateError) return this.#lost(body.retry === 'never' ? 4100 : 1006, body.code);
			// All of it in the body, as text: a page of another origin need not ask whether it may send this.
			const answer = await this.means.fetch(`${this.url}/connect/sse`, {
				method: 'POST',
				headers: { Accept: 'text/event-stream' },
				body: JSON.stringify(body),
				signal: controller.signal,
				cache: 'no-store',
			});
			if (!answer.ok || !answer.body) return await this.#refused(answer, current);
			const events = new EventReader(
				(event) => current() && this.#event(event),
				() => current() && this.listener.frame('{}'),
			);
			const decoder = new TextDecoder();
			const reader = answer.body.getReader();
			for (let read = await reader.read(); !read.done && current(); read = await reader.read()) {
				if (!events.take(decoder.decode(read.value, { stream: true }))) return this.#lost(1006, 'an endless event');
			}
			if (current()) this.#lost(1006, 'the stream ended');
		} catch {
			if (current()) this.#lost(1006, 'the stream broke');
		}
	}

	/** What a stream is opened with: what the machine said first, from where it stands now. A ticket is good for one stream. */
	async #asked(): Promise<Fields | TollgateError> {
		const { session, direct, ...first } = this.#connect?.body ?? {};
		if (this.#connect && 'ticket' in first) {
			const { ticket: _, ...rest } = this.#connect.body;
			this.#connect.body = rest;
		} else if (text(first.token) === undefined) {
			const more = await this.means.ticket();
			if (more instanceof TollgateError) return more;
			if (more !== undefined) first.ticket = more;
		}
		const others = Object.entries(isFields(first.positions) ? first.positions : {}).filter(([channel]) => !this.#carried.has(channel));
		const subscribe = [...this.#carried].map(([channel, { position, rewind, more }]) => {
			return { channel, ...(position !== null ? { position } : rewind && { rewind }), ...more };
		});
		const stands = { session: this.#session ?? session, direct: this.#direct ?? direct };
		const connect: Fields = { ...first, ...stands, positions: Object.fromEntries(others) };
		for (const name of ['session', 'direct']) if (connect[name] === undefined) delete connect[name];
		if (others.length === 0) delete connect.positions;
		return { connect, ...(subscribe.length > 0 && { subscribe }) };
	}

	/** The stream was not given: the status says what the code of a close would. */
	async #refused(answer: Response, current: () => boolean): Promise<void> {
		const problem: unknown = await answer.json().catch(() => null);
		if (!current()) return;
		const error = refused(answer.status, isFields(problem) ? problem : {}, null);
		if (this.#connect && this.#isFirst) this.#reply({ id: this.#connect.id, error });
		const codes: Record<number, number> = { 400: 4200, 401: 4100, 403: 4202, 422: 4200 };
		this.#lost(codes[answer.status] ?? 1006, text(error.code) ?? '');
	}

	#event({ kind, data }: StreamEvent): void {
		const heard = hear(data);
		const fields = heard.is === 'push' ? heard.fields : heard.is === 'nonsense' || heard.is === 'ping' ? (parse(data) ?? {}) : {};
		const { push: _, ...body } = fields;
		const channel = text(body.channel) ?? '';
		switch (kind) {
			case 'connected':
				return this.#began(body);
			case 'closed':
				return this.#lost(number(body.code) ?? 1006, text(body.reason) ?? text(body.message) ?? '');
			case 'refused':
				return this.#entryRefused(channel, isFields(body.error) ? body.error : {});
			case 'subscribed':
				return this.#subscribed(channel, body);
			case 'unsubscribed':
				this.#drop(channel);
				break;
			case 'direct':
				this.#heardDirect(number(body.offset));
				break;
			case 'message':
			case 'position':
				this.#moved(channel, kind, body);
		}
		this.#reply({ ...body, push: kind });
	}

	/** The first stream is the reply to `connect`; a further one only goes on. */
	#began(body: Fields): void {
		const isFirst = this.#isFirst;
		const before = this.#token;
		this.#isFirst = false;
		this.#token = isFields(body.token) ? text(body.token.id) : undefined;
		for (const fields of list(body.channels)) {
			const channel = text(fields.channel) ?? '';
			const carried = this.#carried.get(channel) ?? (this.#carried.size < CHANNELS_MAX ? this.#carry(channel, null) : null);
			// What resumes, or begins in the past, has its own event to come.
			const isToCome = fields.resuming === true || (carried?.rewind && carried.position === null);
			if (!carried || isToCome) continue;
			if (!isFirst) this.#subscribed(channel, fields);
			else {
				Object.assign(carried, { known: true, told: fields, position: fields.position });
				carried.enter();
			}
		}
		const isOther = !isFirst && this.#token !== before;
		// It does not go on without a gap: the machine is to find that out when it comes back.
		if (!isFirst && !isOther && body.direct_lost === true) return this.#lost(1006, 'direct messages cannot be taken up');
		this.#session = text(body.session);
		this.#directBegins(text(body.direct), isOther || body.direct_lost === true);
		if (isFirst && this.#connect) return this.#reply({ id: this.#connect.id, ok: body });
		if (this.#renewal !== null) {
			const { token, session, direct } = body;
			this.#reply({ id: this.#renewal, ok: { token, ...(isOther && { session, direct }) } });
		}
		this.#renewal = null;
	}

	/** A subscription on this stream: the reply to who waits for it, news, or what the stream before had already. */
	#subscribed(channel: string, fields: Fields): void {
		const carried = this.#carried.get(channel) ?? this.#carry(channel, null);
		const { asked, known } = carried;
		const whole = fields.recovered === true || fields.position === carried.position;
		// It does not go on without a gap: the machine is to find that out when it comes back.
		if (known && asked === null && !whole) return this.#lost(1006, 'the stream cannot be taken up');
		Object.assign(carried, { asked: null, known: true, told: fields, position: fields.position });
		carried.enter();
		if (asked !== null) this.#reply({ id: asked, ok: fields });
		else if (!known) this.#reply({ ...fields, push: 'subscribed' });
	}

	#entryRefused(channel: string, error: Fields): void {
		const carried = this.#carried.get(channel);
		this.#drop(channel);
		if (carried?.asked != null) this.#reply({ id: carried.asked, error });
		else if (carried) this.#reply({ push: 'unsubscribed', channel, reason: 'ended' });
	}

	/** Where direct messages begin; those behind a position that was named are still to come. */
	#directBegins(begins: string | undefined, anew: boolean): void {
		const named = this.#direct ?? text(this.#connect?.body.direct);
		const goesOn = !anew && named !== undefined && parsePosition(named)?.epoch === parsePosition(begins)?.epoch;
		this.#direct = goesOn ? named : begins;
	}

	#heardDirect(offset: number | undefined): void {
		const known = parsePosition(this.#direct);
		if (known && offset !== undefined && offset > known.offset) this.#direct = `${known.epoch}-${offset}`;
	}

	#moved(channel: string, kind: string, body: Fields): void {
		const carried = this.#carried.get(channel);
		if (!carried) return;
		const known = parsePosition(carried.position);
		if (kind === 'position') carried.position = text(body.position) ?? carried.position;
		else if (known) carried.position = `${known.epoch}-${number(body.offset) ?? known.offset}`;
	}
}

/** Whether the client is to take part in more than it was asked for before: what is asked for is kept. */
function takesPart({ more }: Carried, { presence, data }: Fields): boolean {
	const before = JSON.stringify(more);
	if (presence === true) more.presence = true;
	if (data !== undefined) more.data = data;
	return JSON.stringify(more) !== before;
}

function parse(data: string): Fields | null {
	try {
		const value: unknown = JSON.parse(data);
		return isFields(value) ? value : null;
	} catch {
		return null;
	}
}
