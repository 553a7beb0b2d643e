//! What goes over the connection, as docs/protocol/native.md spells it. Only shapes and reading them; what they mean is decided elsewhere.

import { TollgateError, type Retry } from '../shared/error.js';

/** An object as it came from outside: fields of any kind. */
export type Fields = Record<string, unknown>;

export type Heard =
	| { is: 'ping' }
	| { is: 'reply'; id: number; ok: Fields }
	| { is: 'refusal'; id: number; error: TollgateError }
	| { is: 'push'; kind: string; fields: Fields }
	| { is: 'nonsense' };

/** One frame of the server. A frame that is none of the page's is `nonsense`. */
export function hear(text: string): Heard {
	let frame: unknown;
	try {
		frame = JSON.parse(text);
	} catch {
		return { is: 'nonsense' };
	}
	if (!isFields(frame)) return { is: 'nonsense' };
	const { id, ok, error, push } = frame;
	if (typeof push === 'string') return { is: 'push', kind: push, fields: frame };
	if (typeof id === 'number' && isFields(ok)) return { is: 'reply', id, ok };
	if (typeof id === 'number' && isFields(error)) return { is: 'refusal', id, error: refusal(error) };
	return Object.keys(frame).length === 0 ? { is: 'ping' } : { is: 'nonsense' };
}

export function isFields(value: unknown): value is Fields {
	return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** The error of a reply, or of one entry of a batch. */
export function refusal(fields: Fields): TollgateError {
	const { code, message, retry, retry_after_ms, version, position } = fields;
	return new TollgateError(text(code) ?? 'internal_error', text(message) ?? 'The server gave no reason.', asRetry(retry), {
		...(typeof retry_after_ms === 'number' && { retryAfterMs: retry_after_ms }),
		...(typeof version === 'number' && { version }),
		...(typeof position === 'string' && { position }),
	});
}

function asRetry(value: unknown): Retry {
	return value === 'later' || value === 'auth' ? value : 'never';
}

export function text(value: unknown): string | undefined {
	return typeof value === 'string' ? value : undefined;
}

export function number(value: unknown): number | undefined {
	return typeof value === 'number' && Number.isFinite(value) ? value : undefined;
}

/** A list of objects; whatever else is in it is left out. */
export function list(value: unknown): Fields[] {
	return Array.isArray(value) ? value.filter(isFields) : [];
}

/** A request's frame. */
export function request(id: number, name: string, body: object): string {
	return JSON.stringify({ id, [name]: body });
}
