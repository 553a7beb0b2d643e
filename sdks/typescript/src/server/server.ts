//! A project, as its backend holds it: a key, and what may be done with it.

import { TollgateError } from '../shared/error.js';
import { Channels, publishAll } from './channels.js';
import { Http, type ServerOptions } from './http.js';
import { KeptTokens } from './kept.js';
import { Tickets, Tokens, Users } from './tokens.js';
import type { NewMessage, NewToken, Online, Published, Token } from './types.js';

/** Users whose tokens are kept. */
const TOKENS_KEPT = 10_000;
/** The life of a token that `tokenFor` makes, unless told. */
const TTL_S = 3_600;

/** Why a token that was made is none any more. */
const ENDED = ['token_revoked', 'token_expired', 'token_rotated', 'not_found'];

export class Server {
	readonly tokens: Tokens;
	readonly tickets: Tickets;
	readonly users: Users;
	readonly channels: Channels;
	readonly #kept: KeptTokens;
	readonly #http: Http;

	constructor(options: ServerOptions) {
		const http = new Http(options);
		this.#http = http;
		const create = (wish: NewToken) =>
			http.call<Token & { secret: string }>({ method: 'POST', path: '/v2/tokens', body: wish, once: true });
		this.#kept = new KeptTokens(options.tokensKept ?? TOKENS_KEPT, create);
		this.tokens = new Tokens(http, this.#kept);
		this.tickets = new Tickets(http);
		this.users = new Users(http, this.#kept);
		this.channels = new Channels(http);
	}

	/**
	 * The secret of a token of this user: the same one until 80 % of its life (`ttl_s`, an hour) is over. Ask with the same wish
	 * each time a client of the user wants a token. `fresh`: not one that was made before, for a client whose token was refused.
	 */
	tokenFor(user: string, wish: Omit<NewToken, 'user_id'> = {}, options: { fresh?: boolean } = {}): Promise<string> {
		if (options.fresh) this.#kept.forgetUser(user);
		return this.#kept.secret(user, { ttl_s: TTL_S, ...wish });
	}

	/** A ticket for the token that `tokenFor` keeps: what a client's `ticket` asks this backend for, one for each connection. */
	async ticketFor(user: string, wish: Omit<NewToken, 'user_id'> = {}): Promise<string> {
		const made = async (fresh: boolean) => (await this.tickets.create(await this.tokenFor(user, wish, { fresh }))).ticket;
		try {
			return await made(false);
		} catch (thrown) {
			// Somebody else ended the token that is kept here.
			if (!(thrown instanceof TollgateError) || !ENDED.includes(thrown.code)) throw thrown;
			return made(true);
		}
	}

	/** Publishes many messages into as many channels, a hundred in a request; not a transaction. */
	publish(messages: (NewMessage & { channel: string })[]): Promise<(Published | { error: TollgateError })[]> {
		return publishAll(this.#http, messages);
	}

	/** Who is online and when they were seen last, in the order of the question. */
	online(who: { users?: string[]; tokens?: string[] }): Promise<{ users: Online[]; tokens: Online[] }> {
		return this.#http.call({ method: 'POST', path: '/v2/online', body: who, repeatable: true });
	}
}
