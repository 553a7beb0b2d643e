//! Whether and when a connection that ended is made again: pure functions of how it ended. They read no clock and draw nothing.

/** What the end of a connection means: come back; get another token first; stop. */
export type Fate = 'back' | 'auth' | 'stop';

/** How a connection ended, as far as anybody knows: 1006 if it just broke. */
export interface Close {
	code: number;
	reason: string;
}

/** The longest wait, in milliseconds. */
export const WAIT_MAX_MS = 30_000;
/** The first wait is at most this long; each further one may take twice as long. */
export const WAIT_FIRST_MS = 500;
/** After a server that restarts, the first time. */
export const WAIT_DRAINING_MS = 5_000;
/** The code of an end from the client's own side, for good: with it the membership in presence ends, too. */
export const NORMAL = 1000;

/** A connection that lasted so long makes the count of tries start again. */
export const LASTED_MS = 10_000;

export const DRAINING = 4000;

/** What the ends that another try by itself does not mend are called, as in the protocol's table of closes. */
const NAMES: Readonly<Record<number, string>> = {
	4100: 'invalid_credential',
	4101: 'token_expired',
	4102: 'token_revoked',
	4200: 'protocol',
	4201: 'message_too_big',
	4202: 'refused',
};

/** The code of the error that tells of this end. */
export function nameOf(code: number): string {
	return NAMES[code] ?? 'connection_lost';
}

/** By the range alone; whatever is not in the table ended by accident. */
export function fate(code: number): Fate {
	if (code >= 4100 && code <= 4199) return 'auth';
	return code >= 4200 && code <= 4299 ? 'stop' : 'back';
}

/**
 * How long to wait before the try of number `tries` in a row (from 0), in milliseconds: full jitter. `random` is from [0, 1).
 * null: there is no other try.
 */
export function retryDelay(close: Close, tries: number, random: number): number | null {
	if (fate(close.code) === 'stop') return null;
	if (close.code === DRAINING && tries === 0) return random * WAIT_DRAINING_MS;
	return random * Math.min(WAIT_MAX_MS, WAIT_FIRST_MS * 2 ** Math.min(tries, 16));
}
