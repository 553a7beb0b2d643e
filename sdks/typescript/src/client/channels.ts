//! The channels of one client: which it is in, up to where it has everything, and what each push means for that. Pure: requests and news come
//! out as lists. It knows no connection.

import type { TollgateError } from '../shared/error.js';
import type { Counters, News } from './effects.js';
import { formatPosition, judge, land, parsePosition, type Position } from './position.js';
import { type Fields, isFields, list, number, text } from './wire.js';

/** What the application wants of a channel. */
export interface Wanted {
	presence: boolean;
	rewind?: { last: number } | { since_at: number };
	data?: object;
}

/** A `subscribe` that has to be sent. */
export interface Enter {
	channel: string;
	body: Fields;
	/** It names a position or a rewind: everything until its reply comes again after it. */
	positioned: boolean;
}

/** out: the server does not send it. entering: our request is on its way. resuming: the server's `subscribed` will come. */
type Phase = 'out' | 'entering' | 'resuming' | 'in';

interface Track {
	phase: Phase;
	/** Messages are left out until the reply: they come again. */
	deaf: boolean;
	wanted: Wanted | null;
	/** Everything up to here was handed out. */
	position: Position | null;
	version: number;
	/** `presence` and `data` of `wanted` were asked for on this connection. */
	attended: boolean;
	/** An `unsubscribe` is on its way; what is wanted after it. */
	leaving: { next: { wanted: Wanted; position: Position | null } | null } | null;
	/** When a refused `subscribe` is tried again. */
	retryAt: number | null;
	tries: number;
}

/** The most positions that one `connect` may name. */
const POSITIONS_MAX = 1_024;
/** And so many bytes of them; the frame has at most 64 KiB. */
const POSITIONS_BYTES_MAX = 48 * 1_024;
const OWN_CONNECTIONS_MAX = 32;

export class Channels {
	readonly #tracks = new Map<string, Track>();
	/** Our connections: messages marked with one were published by us without echo. */
	readonly #own: string[] = [];
	#isRenewing = false;

	constructor(
		private readonly counters: Counters,
		private readonly tell: (channel: string, news: News) => void,
		private readonly enter: (request: Enter) => void,
	) {}

	/** Where an earlier client stood. */
	seed(positions: Record<string, string>): void {
		for (const [channel, position] of Object.entries(positions)) this.#add(channel).position = parsePosition(position);
	}

	/** For `connect`: as many positions as fit. The other channels are entered one by one, once there is a connection. */
	resuming(): Record<string, string> {
		let left = POSITIONS_BYTES_MAX;
		const fits = ([id, position]: [string, string]) => (left -= new TextEncoder().encode(JSON.stringify(id)).length + position.length + 4) >= 0;
		return Object.fromEntries(Object.entries(this.positions()).slice(0, POSITIONS_MAX).filter(fits));
	}

	/** Where each channel stands; those that the application wants come first. */
	positions(): Record<string, string> {
		const known = [...this.#tracks].filter(([, track]) => track.position !== null && !track.leaving);
		known.sort(([, a], [, b]) => Number(b.wanted !== null) - Number(a.wanted !== null));
		return Object.fromEntries(known.map(([id, { position }]) => [id, formatPosition(position!)]));
	}

	position(channel: string): string | null {
		const position = this.#tracks.get(channel)?.position;
		return position ? formatPosition(position) : null;
	}

	/** Channels that the application wants, for a connection that has to name them when it is made. */
	wanted(): { channel: string; position: string | null; wanted: Wanted }[] {
		const all = [...this.#tracks].filter(([, { wanted, leaving }]) => wanted && !leaving);
		return all.map(([channel, { wanted }]) => ({ channel, position: this.position(channel), wanted: wanted! }));
	}

	/** The application subscribes. */
	want(channel: string, wanted: Wanted, position: Position | null, connected: boolean): void {
		const track = this.#tracks.get(channel) ?? this.#add(channel);
		if (track.leaving) {
			track.leaving.next = { wanted, position };
			return;
		}
		track.wanted = wanted;
		track.attended = false;
		if (position) track.position = position;
		if (!connected) return;
		if (track.phase === 'out' || (track.phase === 'in' && position)) this.#ask(channel, track);
		else if (track.phase === 'in') this.#arrived(channel, track);
	}

	/** The application leaves: nothing of the channel is told from here on. False: the server need not be told. */
	leave(channel: string, connected: boolean, durable: boolean): boolean {
		const track = this.#tracks.get(channel);
		if (!track) return false;
		if (track.leaving) {
			track.leaving.next = null;
			return false;
		}
		if (!connected && !durable) {
			this.#tracks.delete(channel);
			return false;
		}
		track.wanted = null;
		track.leaving = { next: null };
		return true;
	}

	/** The reply to `unsubscribe`, or it was given up. */
	left(channel: string, connected: boolean): void {
		const next = this.#tracks.get(channel)?.leaving?.next;
		if (this.#tracks.get(channel)?.leaving) this.#tracks.delete(channel);
		if (next) this.want(channel, next.wanted, next.position, connected);
	}

	/** A connection is made; these are the subscriptions that the server has. */
	connected(connection: string | undefined, entries: Fields[]): void {
		if (connection !== undefined) this.#own.push(connection);
		if (this.#own.length > OWN_CONNECTIONS_MAX) this.#own.shift();
		const there = new Set<string>();
		for (const fields of entries) {
			const channel = text(fields.channel);
			if (channel === undefined) continue;
			there.add(channel);
			const track = this.#tracks.get(channel) ?? this.#add(channel);
			if (track.leaving) continue;
			if (fields.resuming === true) {
				track.phase = 'resuming';
				track.deaf = true;
				this.#state(channel, track, fields);
			} else if (track.position && fields.position !== formatPosition(track.position)) {
				// It was not named, or not understood: asked by itself, it is decided what is between.
				this.#state(channel, track, fields);
				this.#ask(channel, track);
			} else {
				this.#landed(channel, track, fields);
			}
		}
		for (const [channel, track] of [...this.#tracks]) {
			if (there.has(channel) || track.leaving) continue;
			if (track.wanted) this.#ask(channel, track);
			else this.#end(channel, 'ended', null);
		}
	}

	/** The connection ended. */
	lost(): void {
		this.#isRenewing = false;
		for (const track of this.#tracks.values()) Object.assign(track, { phase: 'out', deaf: false, attended: false, retryAt: null });
	}

	/** The reply to a `subscribe`. */
	entered(channel: string, positioned: boolean, fields: Fields): void {
		const track = this.#tracks.get(channel);
		if (!track || track.leaving) return;
		track.tries = 0;
		if (positioned && track.wanted) delete track.wanted.rewind;
		// A reply to one that named no position says nothing of where we stand, if we are in or wait for one that does.
		if (!positioned && (track.phase === 'in' || track.deaf)) return this.#state(channel, track, fields);
		this.#landed(channel, track, fields);
	}

	/** A `subscribe` was refused; tried again at `retryAt`, if that is a time. */
	refused(channel: string, error: TollgateError, retryAt: (tries: number) => number): void {
		const track = this.#tracks.get(channel);
		if (!track || track.leaving) return;
		if (error.retry === 'later') {
			track.retryAt = retryAt(track.tries);
			track.tries += 1;
		} else {
			this.#end(channel, 'refused', error);
		}
	}

	/** Asks again for what was refused for a while. */
	retry(now: number): void {
		for (const [channel, track] of this.#tracks) if (track.retryAt !== null && track.retryAt <= now) this.#ask(channel, track);
	}

	retryAt(): number {
		return Math.min(Infinity, ...[...this.#tracks.values()].map(({ retryAt }) => retryAt ?? Infinity));
	}

	/** A push about a channel. */
	push(kind: string, fields: Fields): void {
		const channel = text(fields.channel) ?? '';
		const track = this.#tracks.get(channel);
		if (kind === 'subscribed') return this.#subscribed(channel, track, fields);
		if (!track || track.leaving) {
			if (!track) this.counters.strays += 1;
			return;
		}
		if (kind === 'message') this.#message(channel, track, fields);
		else if (kind === 'state') this.#state(channel, track, fields, true);
		else if (kind === 'unsubscribed') this.#unsubscribed(channel, track, text(fields.reason) ?? 'ended');
		else if (kind === 'presence' && track.wanted?.presence) this.tell(channel, { is: 'presence', fields });
		else if (kind === 'position' && track.phase === 'in') track.position = parsePosition(fields.position) ?? track.position;
	}

	/** The connection is about to go on with another token, which has subscriptions of its own. */
	renewing(): void {
		this.#isRenewing = true;
	}

	/** It does, or it does not: what only the token before was subscribed to is entered again, where we stood. */
	renewed(): void {
		this.#isRenewing = false;
		for (const [channel, track] of this.#tracks) if (track.wanted && !track.leaving && track.phase === 'out' && track.retryAt === null) this.#ask(channel, track);
	}

	/** What members see of us was changed; it is asked for again with the subscription. */
	shown(channel: string, data: object): void {
		const wanted = this.#tracks.get(channel)?.wanted;
		if (wanted) wanted.data = data;
	}

	/** Ends everything, for this reason. */
	end(reason: string): void {
		for (const [channel, { wanted }] of [...this.#tracks]) if (wanted) this.#end(channel, reason, null);
		this.#tracks.clear();
	}

	#add(channel: string): Track {
		const track: Track = {
			phase: 'out', deaf: false, wanted: null, position: null, version: -1, attended: false, leaving: null, retryAt: null, tries: 0,
		};
		this.#tracks.set(channel, track);
		return track;
	}

	#unsubscribed(channel: string, track: Track, reason: string): void {
		if (this.#isRenewing && track.wanted && reason === 'ended') Object.assign(track, { phase: 'out', deaf: false, attended: false });
		else this.#end(channel, reason, null);
	}

	/** Another connection of the token subscribed, the backend did, or a resumption is decided. */
	#subscribed(channel: string, known: Track | undefined, fields: Fields): void {
		const track = known ?? this.#add(channel);
		if (track.leaving) return;
		if (track.phase === 'in' || (track.phase === 'entering' && track.deaf)) return this.#state(channel, track, fields);
		this.#landed(channel, track, fields);
	}

	/** Messages come from here on. */
	#landed(channel: string, track: Track, fields: Fields): void {
		const now = parsePosition(fields.position);
		track.phase = 'in';
		track.deaf = false;
		track.retryAt = null;
		const before = track.position;
		if (now) {
			const landing = land(before, now, typeof fields.recovered === 'boolean' ? fields.recovered : undefined);
			track.position = landing.position;
			if (landing.gap) {
				this.counters.gaps += 1;
				this.tell(channel, { is: 'gap', from: before && formatPosition(before), to: formatPosition(now) });
			}
		}
		this.#state(channel, track, fields);
		// With a rewind still to come it has only begun.
		if (!track.wanted?.rewind) this.tell(channel, { is: 'subscribed', type: text(fields.type), position: this.position(channel) });
		this.#arrived(channel, track);
	}

	/** What was not part of being subscribed already is asked for. */
	#arrived(channel: string, track: Track): void {
		const { wanted } = track;
		if (!wanted || track.leaving || track.attended) return;
		if (wanted.presence || wanted.data || wanted.rewind) this.#ask(channel, track, true);
	}

	/** Sends `subscribe`: with where we stand, unless we are in and only want more of it. */
	#ask(channel: string, track: Track, more = false): void {
		const { wanted } = track;
		const body: Fields = { channel };
		if (wanted?.rewind) {
			body.rewind = wanted.rewind;
			track.position = null;
		} else if (track.position && !more) {
			body.position = formatPosition(track.position);
		}
		if (wanted?.presence) body.presence = true;
		if (wanted?.data) body.data = wanted.data;
		const positioned = 'rewind' in body || 'position' in body;
		track.attended = true;
		track.retryAt = null;
		if (!more || positioned) {
			track.phase = 'entering';
			track.deaf = positioned;
		}
		this.enter({ channel, body, positioned });
	}

	#message(channel: string, track: Track, fields: Fields): void {
		const offset = number(fields.offset);
		if (track.deaf) this.counters.deferred += 1;
		else if (offset === undefined || !track.position || track.phase !== 'in') this.counters.strays += 1;
		else this.#judged(channel, track, track.position, offset, fields);
	}

	#judged(channel: string, track: Track, position: Position, offset: number, fields: Fields): void {
		switch (judge(position, offset)) {
			case 'duplicate':
				this.counters.duplicates += 1;
				return;
			case 'hole':
				this.counters.holes += 1;
				return this.#ask(channel, track);
			case 'next':
				track.position = { epoch: position.epoch, offset };
				if (typeof fields.connection === 'string' && this.#own.includes(fields.connection)) this.counters.echoes += 1;
				else this.tell(channel, { is: 'message', position: formatPosition(track.position), fields });
		}
	}

	#state(channel: string, track: Track, fields: Fields, pushed = false): void {
		const version = number(fields.version);
		if (version === undefined || !isFields(fields.state) || version === track.version) return;
		if (pushed && version < track.version) {
			this.counters.strays += 1;
			return;
		}
		track.version = version;
		this.tell(channel, { is: 'state', state: fields.state, version });
	}

	#end(channel: string, reason: string, error: TollgateError | null): void {
		this.#tracks.delete(channel);
		this.tell(channel, { is: 'unsubscribed', reason, error });
	}
}

/** The entries of `channels` in the reply to `connect`. */
export function entries(ok: Fields): Fields[] {
	return list(ok.channels);
}
