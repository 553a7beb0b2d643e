//! Tokens and users of a project. What a field means is in the description of `/v2`.

import { everything, type Http, type Page, path } from './http.js';
import type {
	Batch, Introspection, Json, ListOptions, NewToken, Outcome, Revoke, Revoked, Ticket, Token, TokenChange, TokensEnded, User, Versioned,
} from './types.js';
import type { KeptTokens } from './kept.js';

type TokenList = ListOptions & { user_id?: string; channel?: string; status?: string };

function ifMatch(version: number | undefined): { headers?: Record<string, string> } {
	return version === undefined ? {} : { headers: { 'If-Match': `"${version}"` } };
}

export class Tokens {
	constructor(private readonly http: Http, private readonly kept: KeptTokens) {}

	/** Its secret is in this answer alone. */
	create(wish: NewToken = {}): Promise<Token & { secret: string }> {
		return this.http.call({ method: 'POST', path: '/v2/tokens', body: wish, once: true });
	}

	get(token: string): Promise<Token> {
		return this.http.call({ method: 'GET', path: path`/v2/tokens/${token}` });
	}

	list(options: TokenList = {}): Promise<Page<Token>> {
		return this.http.call({ method: 'GET', path: '/v2/tokens', query: { ...options } });
	}

	all(options: Omit<TokenList, 'cursor'> = {}): AsyncIterableIterator<Token> {
		return everything((cursor) => this.list({ ...options, ...(cursor !== undefined && { cursor }) }));
	}

	change(token: string, change: TokenChange, options: { ifVersion?: number } = {}): Promise<Token> {
		return this.http.call({ method: 'PATCH', path: path`/v2/tokens/${token}`, body: change, ...ifMatch(options.ifVersion) });
	}

	async delete(token: string): Promise<void> {
		this.kept.forgetToken(token);
		await this.http.call({ method: 'DELETE', path: path`/v2/tokens/${token}` });
		this.kept.forgetToken(token);
	}

	/** A new secret, in this answer alone; the old one works until its grace ends. */
	async rotate(token: string, options: { grace_s?: number } = {}): Promise<Token & { secret: string }> {
		this.kept.forgetToken(token);
		return this.http.call({ method: 'POST', path: path`/v2/tokens/${token}/rotate`, body: options, once: true });
	}

	/** Every token that all criteria fit, durably and at once. */
	async revoke(criteria: Revoke): Promise<Revoked> {
		// Before, so that none is handed out meanwhile; and after, for those that were made meanwhile.
		const forget = () => (criteria.user_id === undefined ? this.kept.forgetAll() : this.kept.forgetUser(criteria.user_id));
		if (!criteria.dry_run) forget();
		const revoked = await this.http.call<Revoked>({ method: 'POST', path: '/v2/tokens/revoke', body: criteria });
		if (!criteria.dry_run) forget();
		return revoked;
	}

	restore(token: string): Promise<{ id: string; restored: boolean }> {
		return this.http.call({ method: 'POST', path: path`/v2/tokens/${token}/restore` });
	}

	/** What a token is, and exactly why it is refused. */
	introspect(token: string, more: { address?: string; origin?: string } = {}): Promise<Introspection> {
		return this.http.call({ method: 'POST', path: '/v2/tokens/introspect', body: { token, ...more }, repeatable: true });
	}

	async batch(batch: Batch): Promise<Outcome[]> {
		if (batch.action === 'revoke' || batch.action === 'rotate') this.kept.forgetAll();
		const repeatable = batch.action === 'introspect';
		const { results } = await this.http.call<{ results: Outcome[] }>({ method: 'POST', path: '/v2/tokens/batch', body: batch, repeatable });
		return results;
	}

	state(token: string): Promise<Versioned<Json | null>> {
		return this.http.call({ method: 'GET', path: path`/v2/tokens/${token}/state` });
	}

	setState(token: string, state: Json | null, options: { ifVersion?: number } = {}): Promise<Versioned<Json | null>> {
		return this.http.call({ method: 'PUT', path: path`/v2/tokens/${token}/state`, body: state, ...ifMatch(options.ifVersion) });
	}

	mergeState(token: string, state: Json, options: { ifVersion?: number } = {}): Promise<Versioned<Json | null>> {
		return this.http.call({ method: 'PATCH', path: path`/v2/tokens/${token}/state`, body: state, ...ifMatch(options.ifVersion) });
	}

	/** To a channel of any type, live at once. */
	async subscribe(token: string, channel: string, options: { ephemeral?: boolean } = {}): Promise<void> {
		await this.http.call({ method: 'PUT', path: path`/v2/tokens/${token}/subscriptions/${channel}`, body: options, repeatable: true });
	}

	async unsubscribe(token: string, channel: string): Promise<void> {
		await this.http.call({ method: 'DELETE', path: path`/v2/tokens/${token}/subscriptions/${channel}` });
	}

	async subscriptions(token: string): Promise<{ channel: string; ephemeral: boolean }[]> {
		type Answer = { data: { channel: string; ephemeral: boolean }[] };
		return (await this.http.call<Answer>({ method: 'GET', path: path`/v2/tokens/${token}/subscriptions` })).data;
	}

	async connections(token: string): Promise<{ id: string; since: string; address: string | null }[]> {
		type Answer = { data: { id: string; since: string; address: string | null }[] };
		return (await this.http.call<Answer>({ method: 'GET', path: path`/v2/tokens/${token}/connections` })).data;
	}

	/** A direct message to one connection alone. */
	messageConnection(token: string, connection: string, event: string, data: unknown = null): Promise<{ connections: number }> {
		return this.http.call({ method: 'POST', path: path`/v2/tokens/${token}/connections/${connection}/messages`, body: { event, data } });
	}

	/** A direct message; how many connections there are to hear it. */
	message(token: string, event: string, data: unknown = null): Promise<{ connections: number }> {
		return this.http.call({ method: 'POST', path: path`/v2/tokens/${token}/messages`, body: { event, data } });
	}
}

/** One-time tickets, for clients that are not to have a token, or cannot send one. */
export class Tickets {
	constructor(private readonly http: Http) {}

	/** For a token, by its public id or secret: lets one connection in, within the time that it says. Each call makes another one. */
	create(token: string): Promise<Ticket> {
		// Made twice, the one whose answer was lost ends by itself.
		return this.http.call({ method: 'POST', path: '/v2/tickets', body: { token }, repeatable: true });
	}
}

/** Users, by the application's own ids. */
export class Users {
	constructor(private readonly http: Http, private readonly kept: KeptTokens) {}

	create(user: { user_id: string; display_name?: string | null; attributes?: Json | null }): Promise<User> {
		return this.http.call({ method: 'POST', path: '/v2/users', body: user });
	}

	get(user: string): Promise<User> {
		return this.http.call({ method: 'GET', path: path`/v2/users/${user}` });
	}

	list(options: ListOptions = {}): Promise<Page<User>> {
		return this.http.call({ method: 'GET', path: '/v2/users', query: { ...options } });
	}

	all(options: { limit?: number } = {}): AsyncIterableIterator<User> {
		return everything((cursor) => this.list({ ...options, ...(cursor !== undefined && { cursor }) }));
	}

	change(user: string, change: { display_name?: string | null; attributes?: Json | null }): Promise<User> {
		return this.http.call({ method: 'PATCH', path: path`/v2/users/${user}`, body: change });
	}

	/** With all tokens; none of them ever comes back. */
	delete(user: string): Promise<TokensEnded> {
		return this.#ending(user, { method: 'DELETE', path: path`/v2/users/${user}` });
	}

	/** Its tokens are revoked, and it gets no others. */
	ban(user: string): Promise<TokensEnded> {
		return this.#ending(user, { method: 'POST', path: path`/v2/users/${user}/ban` });
	}

	unban(user: string): Promise<User> {
		return this.http.call({ method: 'POST', path: path`/v2/users/${user}/unban` });
	}

	tokens(user: string, options: ListOptions & { channel?: string; status?: string } = {}): Promise<Page<Token>> {
		return this.http.call({ method: 'GET', path: path`/v2/users/${user}/tokens`, query: { ...options } });
	}

	/** A direct message to all connections of the user: to how many it went, and how many of its tokens' mailboxes keep it. */
	message(user: string, event: string, data: unknown = null): Promise<{ connections: number; mailboxes: number }> {
		return this.http.call({ method: 'POST', path: path`/v2/users/${user}/messages`, body: { event, data } });
	}

	async #ending(user: string, call: Parameters<Http['call']>[0]): Promise<TokensEnded> {
		this.kept.forgetUser(user);
		const ended = await this.http.call<TokensEnded>(call);
		this.kept.forgetUser(user);
		return ended;
	}
}
