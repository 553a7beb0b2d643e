//! What the machine wants done, and what it tells the application: plain data, in order. Who does it is the shell.

import type { TollgateError } from '../shared/error.js';
import type { Fields } from './wire.js';

/** The states of a client; docs/sdk/typescript.md has the table. */
export type State = 'idle' | 'needs_token' | 'connecting' | 'connected' | 'waiting' | 'closed';

export type Effect =
	/** Ask the token provider; answer with `provided` and this flight's number. `refused`: the server did not take the one before. */
	| { do: 'ask_token'; flight: number; refused: boolean }
	/** Make a connection; answer with `opened`, `frame`, `lost` and this socket's number. */
	| { do: 'open'; socket: number; kind: 'websocket' | 'sse' }
	| { do: 'send'; socket: number; text: string }
	/** Close it; nothing more is wanted of it. */
	| { do: 'close'; socket: number; code: number; reason: string }
	| { do: 'state'; state: State; error: TollgateError | null }
	/** A call came to its end. */
	| { do: 'settle'; ref: number; ok: Fields }
	| { do: 'fail'; ref: number; error: TollgateError }
	/** What a channel has to say. */
	| { do: 'tell'; channel: string; news: News };

export type News =
	| { is: 'message'; position: string; fields: Fields }
	| { is: 'state'; state: Fields; version: number }
	| { is: 'subscribed'; type: string | undefined; position: string | null }
	| { is: 'gap'; from: string | null; to: string }
	| { is: 'unsubscribed'; reason: string; error: TollgateError | null }
	| { is: 'presence'; fields: Fields }
	/** Of the client's own: the channel is ''. */
	| { is: 'direct'; position: string | null; fields: Fields }
	| { is: 'direct_lost' };

/** What was left out or went wrong without an error that anybody would hear. */
export interface Counters {
	/** Messages that had come before. */
	duplicates: number;
	/** Messages that came too early: the channel was entered again. */
	holes: number;
	/** Messages left out while a channel is entered again, which brings them again. */
	deferred: number;
	/** Messages of this client's own, published without echo. */
	echoes: number;
	/** Pushes of channels that are not subscribed, replies that nobody waits for, states older than the one known. */
	strays: number;
	/** Frames that are none. */
	nonsense: number;
	/** Connections that ended or were not made. */
	losses: number;
	/** Gaps that were told. */
	gaps: number;
}

export function noCounts(): Counters {
	return { duplicates: 0, holes: 0, deferred: 0, echoes: 0, strays: 0, nonsense: 0, losses: 0, gaps: 0 };
}
