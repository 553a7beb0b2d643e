//! A client without sockets, timers and promises: time and what happened come in, effects go out on a list. docs/sdk/typescript.md has its
//! states; docs/protocol/native.md says what each frame means.

import { asError, TollgateError } from '../shared/error.js';
import { type Close, fate, LASTED_MS, nameOf, NORMAL, retryDelay } from './backoff.js';
import { type Call, Calls, type For } from './calls.js';
import { Channels, entries, type Enter, type Wanted } from './channels.js';
import { type Counters, type Effect, type News, noCounts, type State } from './effects.js';
import { formatPosition, judge, parsePosition, type Position } from './position.js';
import { type Fields, hear, isFields, number, request, text } from './wire.js';

export interface MachineOptions {
	project: string;
	sdk: string;
	/** A fixed token; `provider`: it is asked for; neither: anonymous. */
	token?: string | undefined;
	provider: boolean;
	/** What the provider gives are tickets: each for one try. */
	tickets?: boolean;
	data?: object | undefined;
	queueLimit: number;
	tokenTimeoutMs: number;
	/** After so many WebSockets in a row that did not open, receive by SSE; null: never. */
	sseAfter: number | null;
	resume?: ResumePoint | undefined;
	/** From [0, 1). */
	random: () => number;
}

/** Where a client stood, for another one to go on from. */
export interface ResumePoint {
	session?: string;
	positions: Record<string, string>;
	direct?: string;
}

/** What the application asks for. */
export interface Asked {
	ref: number;
	name: string;
	body: object;
	timeoutMs: number;
	/** For how long after it was first sent it may be sent again; 0: never. */
	resendMs: number;
}

/** From opening a connection to the reply to `connect`. */
const CONNECT_MS = 15_000;
/** After a nudge, something must be heard so soon. */
const PROBE_MS = 5_000;
/** Tries that the application's surroundings cut short are at least so far apart. */
const NUDGE_MS = 1_000;
/** Until the server says how many. */
const REQUESTS_MAX = 64;

/** The longest number of a request. */
const ID_MAX = 4_294_967_295;

/** How we name an end that no close frame told. */
const BROKEN = 1006;

export class Machine {
	readonly counters: Counters = noCounts();
	readonly channels: Channels;
	state: State = 'idle';
	limits: Fields = {};
	token: Fields | null = null;

	#effects: Effect[] = [];
	readonly #calls: Calls;
	#sockets = 0;
	/** The one that is in use, or 0. */
	#socket = 0;
	#kind: 'websocket' | 'sse' = 'websocket';
	#heardAt = 0;
	#silenceMs = CONNECT_MS;
	#deadline = Infinity;
	#connectedAt = 0;
	#triedAt = -Infinity;
	#tries = 0;
	/** Something changed while a try was under way: if it fails, the next comes soon. */
	#isHurried = false;
	#unopened = 0;
	#opened = false;
	#probeUntil = Infinity;
	#refusal: TollgateError | null = null;
	#secret: string | undefined;
	#secretEndsAt = Infinity;
	#flight = 0;
	/** The server did not take the last token. */
	#isRefused = false;
	#asking = false;
	#renewAt = Infinity;
	#renewTries = 0;
	#session: string | undefined;
	#direct: Position | null;
	#requests = REQUESTS_MAX;

	constructor(private readonly options: MachineOptions) {
		this.#calls = new Calls(options.queueLimit);
		const enter = ({ channel, body, positioned }: Enter) =>
			this.#own('subscribe', body, { who: 'enter', channel, positioned });
		this.channels = new Channels(this.counters, (channel, news) => this.#tell(channel, news), enter);
		this.channels.seed(options.resume?.positions ?? {});
		this.#session = options.resume?.session;
		this.#direct = parsePosition(options.resume?.direct);
		this.#secret = options.token;
	}

	/** The effects since the last time, in order. */
	take(): Effect[] {
		return this.#effects.splice(0);
	}

	/** When `wake` has something to do, if nothing else happens before. */
	wakeAt(): number {
		const { state } = this;
		let at = Math.min(this.#calls.earliest(), this.#deadline);
		if (state === 'connected') {
			at = Math.min(at, this.#heardAt + this.#silenceMs, this.#probeUntil, this.channels.retryAt(), this.#renewAt);
		}
		return at;
	}

	get isDurable(): boolean {
		return this.options.provider || this.options.token !== undefined;
	}

	/** Where to go on from. */
	resumePoint(): ResumePoint {
		const session = this.#session === undefined ? {} : { session: this.#session };
		return { ...session, positions: this.channels.positions(), ...(this.#direct && { direct: formatPosition(this.#direct) }) };
	}

	connect(now: number): void {
		if (this.state !== 'idle' && this.state !== 'closed') return;
		this.#tries = 0;
		this.#unopened = 0;
		this.#attempt(now);
	}

	/** The application has had enough: whatever is open ends, and is told so. */
	close(): void {
		if (this.state === 'closed') return;
		const error = new TollgateError('closed', 'The client was closed.', 'never');
		if (this.#socket && (this.state === 'connecting' || this.state === 'connected')) this.#drop(NORMAL, 'closed');
		this.#stop(error, null);
	}

	/** Asks for something; queued while there is no connection. */
	call(now: number, { ref, name, body, timeoutMs, resendMs }: Asked): void {
		if (this.state === 'closed') {
			const error = new TollgateError('closed', 'The client is closed; connect() begins again.', 'never');
			this.#effects.push({ do: 'fail', ref, error });
			return;
		}
		const call = pending(name, body, { who: 'app', ref });
		Object.assign(call, { deadline: now + timeoutMs, resendMs });
		const refused = this.#calls.add(call);
		if (refused) this.#effects.push({ do: 'fail', ref, error: refused });
		this.#flush(now);
	}

	subscribe(now: number, channel: string, wanted: Wanted, position: Position | null): void {
		this.channels.want(channel, wanted, position, this.state === 'connected');
		this.#flush(now);
	}

	/** Ends a subscription; true if the server has to be told, which is `call`'s. */
	unsubscribe(channel: string): boolean {
		return this.channels.leave(channel, this.state === 'connected', this.isDurable);
	}

	left(now: number, channel: string): void {
		this.channels.left(channel, this.state === 'connected');
		this.#flush(now);
	}

	/** What the provider gave, or why it gave nothing. */
	provided(now: number, flight: number, outcome: string | TollgateError): void {
		if (flight !== this.#flight || !this.#asking) return;
		this.#asking = false;
		if (this.state === 'needs_token') {
			if (typeof outcome === 'string') {
				this.#secret = outcome;
				this.#secretEndsAt = Infinity;
				this.#open(now);
			} else if (outcome.retry === 'never') {
				this.#stop(outcome, outcome);
			} else {
				this.#wait(now, { code: BROKEN, reason: 'token_provider_failed' }, outcome);
			}
		} else if (this.state === 'connected') {
			if (typeof outcome !== 'string') return this.#renewLater(now);
			this.#secret = this.options.tickets ? undefined : outcome;
			this.#own('renew', this.#named(outcome), { who: 'renew' });
			this.channels.renewing();
			this.#flush(now);
		}
	}

	/** The connection is open: `connect` is the first request. */
	opened(now: number, socket: number): void {
		if (socket !== this.#socket || this.state !== 'connecting') return;
		this.#opened = true;
		// Receiving by SSE works: one WebSocket is tried before it is taken again.
		this.#unopened = this.#kind === 'sse' ? this.#unopened - 1 : 0;
		this.#heardAt = now;
		const { project, sdk, data } = this.options;
		const resumed = this.isDurable ? this.#resumed() : {};
		const body = { project, ...(this.#secret !== undefined && this.#named(this.#secret)), sdk, ...resumed, ...(data && { data }) };
		if (this.options.tickets) this.#secret = undefined;
		this.#send(now, pending('connect', body, { who: 'connect' }));
	}

	/** A secret as `connect` and `renew` name it. */
	#named(secret: string): object {
		return this.options.tickets ? { ticket: secret } : { token: secret };
	}

	frame(now: number, socket: number, frame: string): void {
		if (socket !== this.#socket) return;
		this.#heardAt = now;
		this.#probeUntil = Infinity;
		const heard = hear(frame);
		switch (heard.is) {
			case 'ping':
				this.#effects.push({ do: 'send', socket, text: '{}' });
				return;
			case 'push':
				if (this.state === 'connected') this.#push(now, heard.kind, heard.fields);
				break;
			case 'reply':
			case 'refusal': {
				const call = this.#calls.answered(heard.id);
				if (!call || call.given_up) this.counters.strays += 1;
				else if (heard.is === 'reply') this.#done(now, call, heard.ok);
				else this.#refused(now, call, heard.error);
				break;
			}
			case 'nonsense':
				this.counters.nonsense += 1;
				this.#drop(BROKEN, 'nonsense');
				return this.lost(now, socket, { code: BROKEN, reason: 'nonsense' });
		}
		this.#flush(now);
	}

	/** The connection ended, or was not made. */
	lost(now: number, socket: number, close: Close): void {
		if (socket !== this.#socket || socket === 0) return;
		this.counters.losses += 1;
		if (!this.#opened && this.#kind === 'websocket') this.#unopened += 1;
		this.#socket = 0;
		this.#disconnected(now);
		const told = `The connection ended: ${close.code}${close.reason && ` ${close.reason}`}.`;
		const what = fate(close.code);
		const error = this.#refusal ?? new TollgateError(nameOf(close.code), told, what === 'back' ? 'later' : what === 'auth' ? 'auth' : 'never');
		this.#refusal = null;
		if (what === 'auth') this.#isRefused = true;
		if (what === 'auth') this.#secret = this.options.provider ? undefined : this.options.token;
		// A ticket that was not sent is too old by the next try.
		if (this.options.tickets) this.#secret = undefined;
		if (what === 'stop' || (what === 'auth' && !this.options.provider)) this.#stop(error, error);
		else this.#wait(now, close, error);
	}

	/** Time went by. */
	wake(now: number): void {
		for (const call of this.#calls.overdue(now)) {
			const error = new TollgateError('timeout', `\`${call.name}\` was not answered in time.`, 'later');
			this.#fail(call, error);
		}
		if (this.state === 'connected') {
			const silent = now >= this.#heardAt + this.#silenceMs || now >= this.#probeUntil;
			if (silent) return this.#dead(now, 'silent');
			this.channels.retry(now);
			if (now >= this.#renewAt) this.#ask();
			this.#flush(now);
		} else if (now >= this.#deadline) {
			this.#deadline = Infinity;
			if (this.state === 'connecting') this.#dead(now, 'connect_timeout');
			else if (this.state === 'waiting') this.#attempt(now);
			else if (this.state === 'needs_token') {
				this.provided(now, this.#flight, new TollgateError('timeout', 'The token provider gave no token in time.', 'later'));
			}
		}
	}

	/** The machine woke up, is online again, or its page is looked at: what waits is tried, what seems alive is asked. */
	nudge(now: number): void {
		if (this.state === 'connecting') this.#isHurried = true;
		if (this.state === 'waiting' && now - this.#triedAt >= NUDGE_MS) this.#attempt(now);
		else if (this.state === 'waiting') this.#deadline = Math.min(this.#deadline, this.#triedAt + NUDGE_MS);
		if (this.state !== 'connected' || this.#probeUntil !== Infinity) return;
		if (now >= this.#heardAt + this.#silenceMs) return this.#dead(now, 'silent');
		this.#probeUntil = now + PROBE_MS;
		// Any reply is a sign of life, that there is no such request, too.
		this.#send(now, pending('ping', {}, { who: 'probe' }));
	}

	#attempt(now: number): void {
		this.#triedAt = now;
		this.#deadline = Infinity;
		if (now >= this.#secretEndsAt && this.options.provider) this.#secret = undefined;
		if (!this.options.provider || this.#secret !== undefined) return this.#open(now);
		this.#deadline = now + this.options.tokenTimeoutMs;
		this.#enter('needs_token', null);
		this.#ask();
	}

	/** One flight at a time. */
	#ask(): void {
		this.#renewAt = Infinity;
		if (this.#asking) return;
		this.#asking = true;
		this.#flight += 1;
		this.#effects.push({ do: 'ask_token', flight: this.#flight, refused: this.#isRefused });
	}

	#open(now: number): void {
		const { sseAfter } = this.options;
		this.#sockets += 1;
		this.#socket = this.#sockets;
		this.#opened = false;
		this.#deadline = now + CONNECT_MS;
		this.#enter('connecting', null);
		this.#kind = sseAfter !== null && this.#unopened >= sseAfter ? 'sse' : 'websocket';
		this.#effects.push({ do: 'open', socket: this.#socket, kind: this.#kind });
	}

	#resumed(): object {
		const { positions: _, ...rest } = this.resumePoint();
		const positions = this.channels.resuming();
		return { ...rest, ...(Object.keys(positions).length > 0 && { positions }) };
	}

	#push(now: number, kind: string, fields: Fields): void {
		if (kind === 'expiring') {
			if (this.options.provider) this.#ask();
		} else if (kind === 'direct') {
			this.#heardDirect(fields);
		} else if (['message', 'state', 'subscribed', 'unsubscribed', 'position', 'presence'].includes(kind)) {
			this.channels.push(kind, fields);
		}
		this.#flush(now);
	}

	#heardDirect(fields: Fields): void {
		const offset = number(fields.offset);
		if (offset === undefined) return this.#tell('', { is: 'direct', position: null, fields });
		if (this.#direct) {
			const judged = judge(this.#direct, offset);
			if (judged === 'duplicate') {
				this.counters.duplicates += 1;
				return;
			}
			if (judged === 'hole') this.#tell('', { is: 'direct_lost' });
			this.#direct = { epoch: this.#direct.epoch, offset };
		}
		this.#tell('', { is: 'direct', position: this.#direct && formatPosition(this.#direct), fields });
	}

	#done(now: number, call: Call, ok: Fields): void {
		const { to } = call;
		switch (to.who) {
			case 'connect':
				return this.#connected(now, ok);
			case 'enter':
				return this.channels.entered(to.channel, to.positioned, ok);
			case 'renew':
				this.#renewTries = 0;
				this.channels.renewed();
				// Of the same token nothing else changes; another one has a session and direct messages of its own.
				if (text(ok.session) !== undefined) {
					this.#session = text(ok.session);
					this.#direct = parsePosition(ok.direct);
					if (ok.direct_lost === true) this.#tell('', { is: 'direct_lost' });
				}
				if (isFields(ok.token)) this.#holds(now, ok.token);
				return;
			case 'app':
				this.#effects.push({ do: 'settle', ref: to.ref, ok });
				return;
			case 'probe':
		}
	}

	#refused(now: number, call: Call, error: TollgateError): void {
		const { to } = call;
		switch (to.who) {
			case 'connect':
				// The close that follows says what to do.
				this.#refusal = error;
				return;
			case 'enter':
				return this.channels.refused(to.channel, error, (tries) => now + (error.retryAfterMs ?? this.#delay(tries)));
			case 'renew':
				this.channels.renewed();
				return this.#renewLater(now);
			case 'app':
				this.#effects.push({ do: 'fail', ref: to.ref, error });
				return;
			case 'probe':
		}
	}

	#connected(now: number, ok: Fields): void {
		const { limits, token } = ok;
		this.limits = isFields(limits) ? limits : {};
		this.#requests = Math.max(1, number(this.limits.requests) ?? REQUESTS_MAX);
		this.#silenceMs = (number(ok.ping_ms) ?? 25_000) + (number(ok.timeout_ms) ?? 10_000);
		this.#isRefused = false;
		this.#session = text(ok.session);
		this.#deadline = Infinity;
		this.#connectedAt = now;
		this.#renewTries = 0;
		this.token = null;
		if (isFields(token)) this.#holds(now, token);
		const direct = parsePosition(ok.direct);
		if (ok.direct_lost === true) this.#tell('', { is: 'direct_lost' });
		if (direct && (ok.direct_lost === true || !this.#direct || this.#direct.epoch !== direct.epoch)) this.#direct = direct;
		this.#isHurried = false;
		this.#enter('connected', null);
		this.channels.connected(text(ok.connection), entries(ok));
	}

	#holds(now: number, token: Fields): void {
		this.token = token;
		const left = number(token.expires_in_ms);
		this.#secretEndsAt = left === undefined ? Infinity : now + left;
	}

	#renewLater(now: number): void {
		this.#renewAt = now + this.#delay(this.#renewTries);
		this.#renewTries += 1;
	}

	#delay(tries: number): number {
		return retryDelay({ code: BROKEN, reason: '' }, tries, this.options.random()) ?? 0;
	}

	#dead(now: number, reason: string): void {
		const socket = this.#socket;
		this.#effects.push({ do: 'close', socket, code: BROKEN, reason });
		this.lost(now, socket, { code: BROKEN, reason });
	}

	#drop(code: number, reason: string): void {
		this.#effects.push({ do: 'close', socket: this.#socket, code, reason });
	}

	/** What was under way on the connection is put back or given up. */
	#disconnected(now: number): void {
		if (this.state === 'connected') {
			if (now - this.#connectedAt >= LASTED_MS) this.#tries = 0;
			this.channels.lost();
		}
		this.#probeUntil = Infinity;
		this.#renewAt = Infinity;
		this.#asking = false;
		for (const call of this.#calls.lost(now)) {
			const text = `The connection ended before the reply to \`${call.name}\`: it may or may not have been done.`;
			this.#fail(call, new TollgateError('connection_lost', text, 'later'));
		}
	}

	#wait(now: number, close: Close, error: TollgateError): void {
		const delay = retryDelay(close, this.#tries, this.options.random());
		if (delay === null) return this.#stop(error, error);
		this.#tries += 1;
		this.#deadline = now + (this.#isHurried ? Math.min(delay, NUDGE_MS) : delay);
		this.#isHurried = false;
		this.#enter('waiting', error);
	}

	#stop(why: TollgateError, error: TollgateError | null): void {
		this.#socket = 0;
		this.#deadline = Infinity;
		this.#probeUntil = Infinity;
		this.#renewAt = Infinity;
		this.#asking = false;
		this.#enter('closed', error);
		for (const call of this.#calls.end()) this.#fail(call, why);
		this.channels.end('closed');
	}

	#fail(call: Call, error: TollgateError): void {
		if (call.to.who === 'app') this.#effects.push({ do: 'fail', ref: call.to.ref, error });
		else if (call.to.who === 'enter') this.channels.refused(call.to.channel, asError(error, 'internal_error', 'later'), () => 0);
	}

	#enter(state: State, error: TollgateError | null): void {
		if (this.state === state && error === null) return;
		this.state = state;
		this.#effects.push({ do: 'state', state, error });
	}

	#tell(channel: string, news: News): void {
		this.#effects.push({ do: 'tell', channel, news });
	}

	/** A request of the machine's own; it waits only for its turn. */
	#own(name: string, body: object, to: For): void {
		this.#calls.add(pending(name, body, to));
	}

	#flush(now: number): void {
		if (this.state !== 'connected') return;
		const most = number(this.limits.message_bytes) ?? Infinity;
		for (let call = this.#calls.next(this.#requests); call; call = this.#calls.next(this.#requests)) {
			if (bytes(request(ID_MAX, call.name, call.body), most) <= most) this.#send(now, call);
			else this.#fail(call, new TollgateError('payload_too_large', `\`${call.name}\` has more than ${most} bytes, which the server does not take.`, 'never'));
		}
	}

	#send(now: number, call: Call): void {
		const id = this.#calls.fly(now, call);
		this.#effects.push({ do: 'send', socket: this.#socket, text: request(id, call.name, call.body) });
	}
}

function pending(name: string, body: object, to: For): Call {
	return { name, body, to, deadline: null, resendMs: 0, firstSentAt: null, given_up: false };
}

/** The text's bytes; counted only where they may be more than `most`. */
function bytes(text: string, most: number): number {
	return text.length * 3 <= most ? text.length : new TextEncoder().encode(text).length;
}
