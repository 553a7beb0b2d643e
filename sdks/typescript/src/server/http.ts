//! Requests to `/v2` with a project key: what is tried again, how errors are read. What there is to request is in the other files.

import { redact, type Retry, TollgateError } from '../shared/error.js';
import { drawId } from '../shared/random.js';

export interface ServerOptions {
	/** `https://tollgate.example.com`. */
	url: string;
	/** The project's key. */
	key: string;
	/** How often a request that may be repeated is made at most; 4. */
	tries?: number;
	/** How long one try may take; 30,000. */
	timeoutMs?: number;
	/** Users whose tokens `tokenFor` keeps; 10,000. */
	tokensKept?: number;
	fetch?: typeof fetch;
	/** From [0, 1). */
	random?: () => number;
}

export interface Call {
	/** `GET` … */
	method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
	path: string;
	query?: Record<string, string | number | boolean | undefined>;
	body?: unknown;
	headers?: Record<string, string>;
	/** Doing it twice is doing it once: what only reads, and what has a key of its own. */
	repeatable?: boolean;
	/** Draw an `Idempotency-Key`, which makes it repeatable. */
	once?: boolean;
}

const TRIES = 4;
const TIMEOUT_MS = 30_000;
const WAIT_FIRST_MS = 250;
const WAIT_MAX_MS = 8_000;
/** However late the server wants us back, a caller waits no longer. */
const RETRY_AFTER_MAX_MS = 60_000;
/** Statuses after which a request that may be repeated is. */
const PASSING = new Set([408, 429, 502, 503, 504]);
/** Errors of the network before anything was sent. */
const UNSENT = new Set(['ECONNREFUSED', 'ENOTFOUND', 'EAI_AGAIN']);

/** How long to wait before the try after number `tries` (from 0), in milliseconds: full jitter, or what the server says. */
export function waitBefore(tries: number, random: number, retryAfterMs?: number): number {
	if (retryAfterMs !== undefined) return Math.min(retryAfterMs, RETRY_AFTER_MAX_MS);
	return random * Math.min(WAIT_MAX_MS, WAIT_FIRST_MS * 2 ** tries);
}

export class Http {
	readonly #base: string;
	readonly #options: ServerOptions;

	constructor(options: ServerOptions) {
		this.#base = options.url.replace(/\/+$/, '');
		this.#options = options;
	}

	/** The answer's body; null if there is none. Rejects with a `TollgateError`. */
	async call<T>(call: Call): Promise<T> {
		const headers: Record<string, string> = { Authorization: `Bearer ${this.#options.key}`, Accept: 'application/json', ...call.headers };
		if (call.once) headers['Idempotency-Key'] = drawId();
		if (call.body !== undefined) headers['Content-Type'] = 'application/json';
		const { tries = TRIES, random = Math.random } = this.#options;
		const repeatable = call.method === 'GET' || call.repeatable === true || call.once === true;
		for (let tried = 0; ; tried += 1) {
			try {
				return (await this.#once(call, headers)) as T;
			} catch (thrown) {
				const failure = thrown as Failure;
				if (!(failure instanceof Failure)) throw thrown;
				const again = failure.untouched || (repeatable && failure.passing);
				if (!again || tried + 1 >= tries) throw failure.error;
				await sleep(waitBefore(tried, random(), failure.error.retryAfterMs));
			}
		}
	}

	async #once(call: Call, headers: Record<string, string>): Promise<unknown> {
		const { fetch: get = fetch, timeoutMs = TIMEOUT_MS } = this.#options;
		const body = call.body === undefined ? null : JSON.stringify(call.body);
		let answer: Response;
		let text: string;
		try {
			const signal = AbortSignal.timeout(timeoutMs);
			answer = await get(this.#base + call.path + query(call.query), { method: call.method, headers, body, signal });
			// The body is always read to its end: only then is the connection free for the next request.
			text = await answer.text();
		} catch (thrown) {
			throw unanswered(thrown, call);
		}
		const value = parse(text);
		if (answer.ok && value !== undefined) return value;
		if (answer.ok) throw new Failure(new TollgateError('bad_answer', `The answer to ${call.method} ${call.path} is not JSON.`, 'never'), true, false);
		throw new Failure(problem(answer, value), PASSING.has(answer.status), answer.status === 429);
	}
}

class Failure extends Error {
	constructor(
		readonly error: TollgateError,
		/** It may be different the next time. */
		readonly passing: boolean,
		/** Nothing was done, for sure. */
		readonly untouched: boolean,
	) {
		super(error.message);
	}
}

function unanswered(thrown: unknown, { method, path }: Call): Failure {
	const { name, cause } = thrown as { name?: string; cause?: { code?: string } };
	const why = name === 'TimeoutError' ? 'no answer in time' : (cause?.code ?? redact(String(thrown)));
	const error = new TollgateError('unavailable', `${method} ${path}: ${why}.`, 'later');
	return new Failure(error, true, UNSENT.has(cause?.code ?? ''));
}

/** Problem details (RFC 9457), or the envelope of `/v1`. */
function problem(answer: Response, value: unknown): TollgateError {
	const { status, headers } = answer;
	const fields = (value ?? {}) as { code?: string; detail?: string; retryable?: boolean; request_id?: string; error?: { code?: string; message?: string } };
	const after = Number(headers.get('retry-after') ?? NaN);
	const later = fields.retryable ?? PASSING.has(status);
	const retry: Retry = later ? 'later' : status === 401 || status === 403 ? 'auth' : 'never';
	const requestId = fields.request_id ?? headers.get('x-request-id') ?? undefined;
	const code = fields.code ?? fields.error?.code ?? `http_${status}`;
	return new TollgateError(code, fields.detail ?? fields.error?.message ?? `HTTP ${status}`, retry, {
		status,
		...(requestId !== undefined && { requestId }),
		...(Number.isFinite(after) && { retryAfterMs: after * 1_000 }),
	});
}

/** undefined: not JSON. An empty body is null. */
function parse(text: string): unknown {
	if (text === '') return null;
	try {
		return JSON.parse(text) as unknown;
	} catch {
		return undefined;
	}
}

function query(given: Call['query'] = {}): string {
	const known = Object.entries(given).filter(([, value]) => value !== undefined);
	return known.length === 0 ? '' : `?${new URLSearchParams(known.map(([name, value]) => [name, String(value)]))}`;
}

function sleep(ms: number): Promise<void> {
	return new Promise((resolve) => setTimeout(resolve, ms));
}

/** A path with its parameters encoded: `` path`/v2/users/${user}` ``. */
export function path(parts: TemplateStringsArray, ...values: string[]): string {
	return parts.reduce((all, part, at) => all + part + (at < values.length ? encodeURIComponent(values[at]!) : ''), '');
}

/** A page of a list. */
export interface Page<T> {
	data: T[];
	next_cursor: string | null;
}

/** Everything of a list, page by page. */
export async function* everything<T>(page: (cursor?: string) => Promise<Page<T>>): AsyncIterableIterator<T> {
	let cursor: string | undefined;
	do {
		const { data, next_cursor } = await page(cursor);
		yield* data;
		cursor = next_cursor ?? undefined;
	} while (cursor !== undefined);
}
