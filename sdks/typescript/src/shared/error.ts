//! The one error of the SDK, and keeping credentials out of it. It does not decide what is tried again.

/** Whether the same call may succeed later: never, later by itself, or with another token. */
export type Retry = 'never' | 'later' | 'auth';

/** What an error may say besides its code. */
export interface ErrorDetails {
	/** When it makes sense to try again, in milliseconds from now. */
	retryAfterMs?: number;
	/** At which version the state is (`version_mismatch`). */
	version?: number;
	/** Where the channel is (`position_lost`). */
	position?: string;
	/** The HTTP status, if it came by HTTP. */
	status?: number;
	/** What finds the request in the server's log. */
	requestId?: string;
}

/** Why something was not done. Its text never holds a token or a key. */
export class TollgateError extends Error {
	override readonly name = 'TollgateError';
	readonly retryAfterMs?: number;
	readonly version?: number;
	readonly position?: string;
	readonly status?: number;
	readonly requestId?: string;

	constructor(
		/** Stable: see the lists of the protocol's page and of docs/errors.md. */
		readonly code: string,
		message: string,
		readonly retry: Retry,
		details: ErrorDetails = {},
	) {
		super(redact(message));
		Object.assign(this, details);
	}

	/** Whether the same call may succeed later, without another token. */
	get retryable(): boolean {
		return this.retry === 'later';
	}
}

/** Spellings of tokens, tickets and keys: ours, Hop's, JSON Web Tokens. */
const SECRETS = /\b(tg[a-z]_|ptk_|leap_token_|whsec_|eyJ)[\w.~-]{6,}/g;

/** The text without credentials: an error's message may come from anywhere, an application's token provider included. */
export function redact(text: string): string {
	return text.replace(SECRETS, '$1…');
}

/** Anything that was thrown, as one of ours. */
export function asError(thrown: unknown, code: string, retry: Retry): TollgateError {
	if (thrown instanceof TollgateError) return thrown;
	return new TollgateError(code, thrown instanceof Error ? thrown.message : String(thrown), retry);
}
