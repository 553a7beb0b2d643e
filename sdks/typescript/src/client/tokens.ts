//! Asking the application for a token: one flight at a time, whoever wants it. When it is asked is the machine's.

import { TollgateError } from '../shared/error.js';

type Provider = (asked: { refused: boolean }) => Promise<string> | string;

export class TokenFlights {
	#flight: { since: number; outcome: Promise<string | TollgateError> } | null = null;

	constructor(private readonly provider: Provider, private readonly timeoutMs: number) {}

	/** Joins the flight that is under way, unless it has been for too long. Never rejects. */
	ask(now: number, refused: boolean): Promise<string | TollgateError> {
		if (this.#flight && now - this.#flight.since < this.timeoutMs) return this.#flight.outcome;
		const flight = { since: now, outcome: this.#fly(refused) };
		this.#flight = flight;
		void flight.outcome.then(() => {
			if (this.#flight === flight) this.#flight = null;
		});
		return flight.outcome;
	}

	async #fly(refused: boolean): Promise<string | TollgateError> {
		try {
			const token: unknown = await this.provider({ refused });
			if (typeof token === 'string' && token !== '') return token;
			return new TollgateError('token_provider_failed', 'The token provider gave no text.', 'later');
		} catch (thrown) {
			if (thrown instanceof TollgateError) return thrown;
			// Whatever its text says, it was the application's request: it may hold the token.
			const name = thrown instanceof Error ? thrown.name : typeof thrown;
			return new TollgateError('token_provider_failed', `The token provider failed (${name}).`, 'later');
		}
	}
}
