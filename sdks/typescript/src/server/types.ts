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
