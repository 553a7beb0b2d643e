//! Bodies and answers of `/v2`, as its description (`/v2/openapi.json`) has them. Times are texts (RFC 3339).

export type Json = Record<string, unknown>;

export type Operation = 'subscribe' | 'publish' | 'presence' | 'history' | 'state.read' | 'state.write';

export interface Capability {
	/** A channel's id, `prefix*`, or `*`. */
	channels: string;
	operations: Operation[];
}

export interface TokenChange {
	name?: string | null;
	expires_at?: string | null;
	ttl_s?: number | null;
	not_before?: string | null;
	capabilities?: Capability[] | null;
	max_connections?: number | null;
	networks?: string[] | null;
	origins?: string[] | null;
	metadata?: Json | null;
}

export interface NewToken extends TokenChange {
	user_id?: string | null;
	display_name?: string | null;
	state?: Json | null;
	/** What it is subscribed to. */
	channels?: string[] | null;
	device_id?: string | null;
}

export interface Token {
	id: string;
	kind: 'plain' | 'user_token' | 'session' | 'issued';
	status: 'active' | 'expired' | 'revoked' | 'not_yet_valid';
	user_id: string | null;
	state: Json | null;
	state_version: number;
	capabilities: Capability[] | null;
	metadata: Json | null;
	version: number;
	generation: number;
	created_at: string;
	expires_at: string | null;
	revoked: { decided_at: string; effective_at: string; reason: string | null } | null;
	connections: number;
	/** Only in the answer that made it. */
	secret?: string;
	[more: string]: unknown;
}

/** Good for one connection, once. */
export interface Ticket {
	ticket: string;
	expires_in_ms: number;
}

/** Every token that all given criteria fit. */
export interface Revoke {
	token?: string;
	tokens?: string[];
	user_id?: string;
	device_id?: string;
	key_number?: number;
	made_by?: string;
	capability?: Capability;
	metadata?: Json;
	kind?: Token['kind'];
	issued_before?: string;
	all?: boolean;
	grace_s?: number;
	reason?: string;
	dry_run?: boolean;
	delete?: boolean;
}

export interface Revoked {
	matched: number;
	revoked: number;
	connections_closed: number;
	last_closed_at: string | null;
	effective_at: string;
	dry_run: boolean;
}

export interface Introspection {
	active: boolean;
	refusal?: { code: string; reason: string; since: string | null };
	token?: Token;
	[more: string]: unknown;
}

export interface Batch {
	action: 'create' | 'revoke' | 'rotate' | 'introspect';
	mode?: 'best_effort' | 'atomic';
	entries: unknown[];
}

export interface Outcome {
	status: string;
	id?: string;
	secret?: string;
	code?: string;
	detail?: string;
	generation?: number;
}

export interface User {
	id: string;
	user_id: string;
	display_name: string | null;
	attributes: Json | null;
	created_at: string;
	updated_at: string;
	banned_at: string | null;
	active_tokens: number;
	is_online: boolean;
}

export interface TokensEnded {
	user_id: string;
	tokens: number;
	connections_closed: number;
}

export interface Versioned<S> {
	state: S;
	version: number;
}

export interface ListOptions {
	/** 1 to 1,000; 100. */
	limit?: number;
	cursor?: string;
}

export type ChannelType = 'private' | 'public' | 'unprotected';

/** Who may publish and set the state, beside backends. */
export type ChannelCapability = 'ephemeral' | 'token_publish' | 'anonymous_publish' | 'token_set_state' | 'anonymous_set_state';

/** What is left out, or null, stays; of a new channel it is the default. */
export interface ChannelSettings {
	history?: { size?: number | null; ttl_ms?: number | null; durable?: boolean | null } | null;
	presence?: boolean | null;
	echo?: boolean | null;
	retain?: boolean | null;
	conflate_per_second?: number | null;
}

export interface Channel {
	id: string;
	type: ChannelType;
	capabilities: ChannelCapability[];
	settings: {
		history: { size: number; ttl_ms: number; durable: boolean };
		presence: boolean;
		echo: boolean;
		retain: boolean;
		conflate_per_second: number;
	};
	state: Json;
	/** Of the state. */
	version: number;
	created_at: string;
	/** Where one channel is asked for. */
	position?: string;
	online?: number;
}

export interface NewMessage {
	event: string;
	data?: unknown;
	/** 1 to 64 bytes; drawn if it is not given. The same id within two minutes is the same message. */
	id?: string;
	echo?: boolean;
	key?: string;
}

export interface Published {
	/** `EPOCH-OFFSET`; absent if it was conflated. */
	position?: string;
	/** It was published before, with the same id. */
	duplicate: boolean;
	conflated: boolean;
}

export interface Message {
	offset: number;
	event: string;
	data: unknown;
	/** Milliseconds since 1970. */
	at: number;
	sender?: { user?: string; token?: string };
	id?: string;
}

export interface HistoryOptions {
	after?: string;
	before?: string;
	sinceAt?: number;
	limit?: number;
	order?: 'oldest' | 'newest';
	/** With `after`: wait so long for a message behind it. */
	waitMs?: number;
}

export interface HistoryPage {
	messages: Message[];
	/** Where the channel is now. */
	position: string;
	next?: string;
}

export interface Member {
	member: string;
	data?: Json;
	since_at: number;
}

export interface MembersPage {
	count: number;
	members: Member[];
	next?: string;
}

export interface Online {
	online: boolean;
	connections: number;
	last_seen_at: string | null;
}
