//! Secrets of tokens that are handed out again until most of their life is over: in memory, bounded, one request for any number of callers.

import type { NewToken, Token } from './types.js';

/** Of its life a token is handed out for so much; the rest is for whoever got it last. */
const FRESH = 0.8;
/** setTimeout's and Date's limits are far away: a token without an end is kept so long. */
const FOR_EVER_MS = 24 * 3_600_000;

interface Kept {
	user: string;
	token: Promise<Token & { secret: string }>;
	id: string | undefined;
	secret: string | undefined;
	/** On the monotonic clock. */
	until: number;
}

export class KeptTokens {
	/** In the order of use: the first was not asked for the longest. */
	readonly #all = new Map<string, Kept>();

	constructor(
		private readonly most: number,
		private readonly create: (wish: NewToken) => Promise<Token & { secret: string }>,
		private readonly now: () => number = () => performance.now(),
	) {}

	/** A secret of a token of this user, made by this wish. */
	async secret(user: string, wish: NewToken): Promise<string> {
		const name = JSON.stringify([user, sorted(wish)]);
		const known = this.#all.get(name);
		if (known && known.until > this.now()) {
			this.#all.delete(name);
			this.#all.set(name, known);
			return (await known.token).secret;
		}
		const asked = this.now();
		const kept: Kept = { user, token: this.create({ ...wish, user_id: user }), id: undefined, secret: undefined, until: Infinity };
		this.#all.delete(name);
		this.#all.set(name, kept);
		for (const [oldest] of this.#all) {
			if (this.#all.size <= this.most) break;
			this.#all.delete(oldest);
		}
		try {
			const token = await kept.token;
			const life = token.expires_at === null ? FOR_EVER_MS : Date.parse(token.expires_at) - Date.parse(token.created_at);
			kept.until = asked + life * FRESH;
			kept.id = token.id;
			kept.secret = token.secret;
			return token.secret;
		} catch (thrown) {
			if (this.#all.get(name) === kept) this.#all.delete(name);
			throw thrown;
		}
	}

	/** Forgotten flights are finished for those who wait for them, and handed to nobody else. */
	forgetUser(user: string): void {
		for (const [name, kept] of this.#all) if (kept.user === user) this.#all.delete(name);
	}

	/** By its id or its secret. */
	forgetToken(token: string): void {
		for (const [name, kept] of this.#all) if (kept.id === token || kept.secret === token || kept.id === undefined) this.#all.delete(name);
	}

	forgetAll(): void {
		this.#all.clear();
	}
}

function sorted(value: unknown): unknown {
	if (Array.isArray(value)) return value.map(sorted);
	if (typeof value !== 'object' || value === null) return value;
	const fields = Object.entries(value).filter(([, field]) => field !== undefined);
	return Object.fromEntries(fields.sort(([a], [b]) => (a < b ? -1 : 1)).map(([key, field]) => [key, sorted(field)]));
}
