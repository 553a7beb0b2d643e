//! The types that an application sees. Its events come in as one map, name to data, and come out of everything that carries a message.

import type { TollgateError } from '../shared/error.js';
import type { State } from './effects.js';
import type { ResumePoint } from './machine.js';

/** What an application calls its events, and what each carries: `type Events = { said: { text: string }; typing: null }`. */
export type EventMap = Record<string, unknown>;
/** Any name, any JSON. */
// eslint-disable-next-line @typescript-eslint/no-explicit-any
export type AnyEvents = Record<string, any>;
export type EventName<Events> = keyof Events & string;
export type JsonObject = Record<string, unknown>;

/** Who sent a message: absent when the backend did. */
export interface Sender {
	user?: string;
	token?: string;
}

interface MessageOf<Name, Data> {
	/** Absent in pages of history by REST and in batches of one channel. */
	channel: string;
	event: Name;
	data: Data;
	/** When the server took it, in milliseconds since 1970. */
	at: number;
	/** Its place in the channel. */
	position: string;
	offset: number;
	sender?: Sender;
	/** If it was published with one. */
	id?: string;
}

/** A message, with its data as its event has it: `if (message.event === 'said') message.data.text`. */
export type Message<Events = AnyEvents, Name extends EventName<Events> = EventName<Events>> = {
	[N in Name]: MessageOf<N, Events[N]>;
}[Name];

/** A direct message; what it carries is not a channel's. */
export interface DirectMessage<Data = unknown> {
	event: string;
	data: Data;
	at: number;
	position: string | null;
	/** Tells a mailbox that all up to this one need not be kept any more. */
	ack(): Promise<void>;
}

export interface Gap<Events = AnyEvents> {
	channel: string;
	/** Everything up to here was handed out; null if that is not known. */
	from: string | null;
	/** What is after this is handed out next. */
	to: string;
	/** What the channel still keeps of what lies between, oldest first. */
	messages(): AsyncIterableIterator<Message<Events>>;
}

export interface StateChange<S = JsonObject> {
	state: S;
	version: number;
}

export interface Member<Data = JsonObject> {
	member: string;
	data?: Data;
	/** In milliseconds since 1970. */
	since_at: number;
}

export interface PresenceChange<Data = JsonObject> {
	count: number;
	/** Absent while the channel has more members than are told one by one. */
	joined?: Member<Data>[];
	left?: string[];
}

export interface PresencePage<Data = JsonObject> {
	count: number;
	members: Member<Data>[];
	/** `after` for the next page; absent behind the last. */
	next?: string;
}

/** `refused`: the server does not let us in, `error` says why. `left`: we did. `closed`: the client was. */
export interface Unsubscribed {
	channel: string;
	reason: 'ended' | 'deleted' | 'refused' | 'left' | 'closed';
	error: TollgateError | null;
}

export interface PublishOptions {
	/** 1 to 64 bytes; drawn if it is not given. The same id within two minutes is the same message. */
	id?: string;
	/** `false`: do not hand it to this client. Not given: as the channel's settings say. */
	echo?: boolean;
	/** In a channel that conflates. */
	key?: string;
	timeoutMs?: number;
}

export interface Published {
	/** Absent if it was conflated. */
	position?: string;
	/** It was published before, with the same id. */
	duplicate: boolean;
	conflated: boolean;
}

/** One message of a batch. */
export type Outgoing<Events = AnyEvents> = {
	[N in EventName<Events>]: { channel: string; event: N; data: Events[N] } & Omit<PublishOptions, 'timeoutMs'>;
}[EventName<Events>];

export interface HistoryOptions {
	/** Only what is after this position, oldest first. */
	after?: string;
	/** Only what is before it, the latest first. */
	before?: string;
	/** Only what is not before this moment (milliseconds since 1970). */
	sinceAt?: number;
	/** 1 to 1,000; 100. */
	limit?: number;
	order?: 'oldest' | 'newest';
}

export interface HistoryPage<Events = AnyEvents> {
	messages: Message<Events>[];
	/** Where the channel is now. */
	position: string;
	/** The page that goes on from here; null behind the last. */
	next(): Promise<HistoryPage<Events> | null>;
}

export interface PresenceOptions {
	/** 0 to 1,000; 0 is the count alone. */
	limit?: number;
	after?: string;
	/** `limit` members at random instead. */
	sample?: boolean;
}

export interface SubscribeOptions {
	/** Deliver everything after this position. */
	position?: string;
	/** Begin with messages of the past: the last so many, or since a moment. */
	rewind?: { last: number } | { sinceAt: number };
	/** Be told who joins and leaves. */
	presence?: boolean;
	/** What members of this channel see of this client, in place of the client's own. */
	data?: object;
}

export interface Options {
	/** `https://tollgate.example.com`. */
	url: string;
	project: string;
	/**
	 * The token, or what gets one. Without it the client is anonymous. `refused`: the server did not take the one before, so one that is kept
	 * somewhere is no use.
	 */
	token?: string | ((asked: { refused: boolean }) => Promise<string> | string);
	/** Instead: what gets a ticket from the backend, which never shows this client the token. Asked before each connection, for a ticket is good once. */
	ticket?: (asked: { refused: boolean }) => Promise<string> | string;
	data?: object;
	fallback?: 'sse';
	queueLimit?: number;
	timeoutMs?: number;
	publishTimeoutMs?: number;
	tokenTimeoutMs?: number;
	resume?: ResumePoint;
	/** Another WebSocket than the platform's, with the same interface. */
	WebSocket?: new (url: string, protocols: string[]) => WebSocket;
	fetch?: typeof fetch;
}

/** What `client.on` tells. */
export interface ClientEvents<Events> {
	state: { state: State; error: TollgateError | null };
	message: Message<Events>;
	direct: DirectMessage;
	subscribed: { channel: string; position: string | null };
	unsubscribed: Unsubscribed;
	gap: Gap<Events>;
	direct_lost: object;
}

/** What `subscription.on` tells. */
export interface SubscriptionEvents<Events, S> {
	message: Message<Events>;
	state: StateChange<S>;
	presence: PresenceChange;
	gap: Gap<Events>;
	subscribed: { channel: string; position: string | null };
	unsubscribed: Unsubscribed;
}
