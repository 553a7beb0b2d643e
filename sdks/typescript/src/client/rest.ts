//! Requests of the protocol carried out by `/v2`, for a client that only receives by its connection. What has no path there is said so.

import { positionOf } from '../shared/place.js';
import { type Fields, isFields, list, number, text } from './wire.js';

/** What a reply has behind its id. */
export type Outcome = { ok: Fields } | { error: Fields };

export interface Way {
	url: string;
	token: string | undefined;
	fetch: typeof fetch;
	signal: AbortSignal;
}

interface Route {
	method: string;
	path: string;
	query?: Record<string, unknown>;
	body?: unknown;
	headers?: Record<string, string>;
	/** The reply that the answer stands for. */
	read: (answer: Fields) => Fields;
}

const of = (channel: unknown, rest: string) => `/v2/channels/${encodeURIComponent(String(channel))}/${rest}`;
const asIs = (answer: Fields) => answer;

/** Where each request goes; undefined: nowhere. */
function route(name: string, body: Fields): Route | undefined {
	const { channel, ...rest } = body;
	switch (name) {
		case 'publish':
			return { method: 'POST', path: of(channel, 'messages'), body: rest, read: published };
		case 'batch':
			return { method: 'POST', path: '/v2/publish', body, read: batch };
		case 'state': {
			const { set, merge, if_version } = body;
			const headers: Record<string, string> = if_version === undefined ? {} : { 'If-Match': `"${Number(if_version)}"` };
			const read = ({ version }: Fields) => ({ version });
			return { method: set ? 'PUT' : 'PATCH', path: of(channel, 'state'), body: set ?? merge, headers, read };
		}
		case 'history':
			return { method: 'GET', path: of(channel, 'history'), query: rest, read: asIs };
		case 'presence':
			return { method: 'GET', path: of(channel, 'presence'), query: rest, read: asIs };
		default:
			return undefined;
	}
}

/** The place of a message: as its position, or by its parts. */
function published(answer: Fields): Fields {
	const { epoch: _, offset: __, ...rest } = answer;
	const position = positionOf(answer);
	return { ...rest, ...(position !== undefined && { position }) };
}

function batch(answer: Fields): Fields {
	return { results: list(answer.results).map((entry) => (isFields(entry.error) ? { error: refused(number(entry.error.status) ?? 0, entry.error, null) } : published(entry))) };
}

/** Never rejects. */
export async function perform(way: Way, name: string, body: Fields): Promise<Outcome> {
	const found = route(name, body);
	if (!found) {
		const message = `\`${name}\` needs a WebSocket, and this client only receives (fallback: 'sse').`;
		return { error: { code: 'unsupported', message, retry: 'later' } };
	}
	if (way.token === undefined) {
		return { error: { code: 'not_granted', message: 'Without a WebSocket this needs a token.', retry: 'auth' } };
	}
	const { method, path, query = {}, headers } = found;
	const known = Object.entries(query).filter(([, value]) => value !== undefined);
	const asked = known.length === 0 ? '' : `?${new URLSearchParams(known.map(([key, value]) => [key, String(value)]))}`;
	try {
		const answer = await way.fetch(way.url + path + asked, {
			method,
			headers: { Authorization: `Bearer ${way.token}`, 'Content-Type': 'application/json', ...headers },
			body: found.body === undefined ? null : JSON.stringify(found.body),
			signal: way.signal,
			cache: 'no-store',
		});
		const value: unknown = await answer.json().catch(() => null);
		if (answer.ok) return { ok: found.read(isFields(value) ? value : {}) };
		return { error: refused(answer.status, isFields(value) ? value : {}, answer.headers.get('retry-after')) };
	} catch {
		return { error: { code: 'unavailable', message: `\`${name}\` got no answer.`, retry: 'later' } };
	}
}

/** Problem details, as the protocol says errors. */
export function refused(status: number, problem: Fields, retryAfter: string | null): Fields {
	const { code, detail, retryable, version, position } = problem;
	const retry = retryable === true || status >= 500 ? 'later' : status === 401 || status === 403 ? 'auth' : 'never';
	const after = Number(retryAfter ?? Number.NaN);
	return {
		code: text(code) ?? `http_${status}`,
		message: text(detail) ?? `HTTP ${status}`,
		retry,
		...(Number.isFinite(after) && { retry_after_ms: after * 1_000 }),
		...(number(version) !== undefined && { version }),
		...(text(position) !== undefined && { position }),
	};
}
