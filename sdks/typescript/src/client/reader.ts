//! What `for await` reads: a bounded queue between the connection and a reader that takes its time.

import { TollgateError } from '../shared/error.js';

/** A reader may be so many messages behind. */
export const BEHIND_MAX = 4_096;

export class Reader<T> implements AsyncIterableIterator<T> {
	readonly #queue: T[] = [];
	#waiting: { resolve: (result: IteratorResult<T>) => void; reject: (error: Error) => void }[] = [];
	#ended: { error: TollgateError | null } | null = null;

	constructor(private readonly gone: (reader: Reader<T>) => void) {}

	push(value: T): void {
		if (this.#ended) return;
		const first = this.#waiting.shift();
		if (first) return first.resolve({ value, done: false });
		this.#queue.push(value);
		if (this.#queue.length > BEHIND_MAX) {
			this.#queue.pop();
			const text = `This reader is ${BEHIND_MAX} messages behind and was ended; read on from the last message's position by history.`;
			this.end(new TollgateError('reader_too_slow', text, 'never'));
		}
	}

	/** Nothing more comes; what is queued is still read. */
	end(error: TollgateError | null): void {
		if (this.#ended) return;
		this.#ended = { error };
		this.gone(this);
		for (const { resolve, reject } of this.#waiting.splice(0)) {
			if (error) reject(error);
			else resolve({ value: undefined, done: true });
		}
	}

	next(): Promise<IteratorResult<T>> {
		const value = this.#queue.shift();
		if (value !== undefined) return Promise.resolve({ value, done: false });
		if (this.#ended) {
			const { error } = this.#ended;
			this.#ended = { error: null };
			return error ? Promise.reject(error) : Promise.resolve({ value: undefined, done: true });
		}
		return new Promise((resolve, reject) => this.#waiting.push({ resolve, reject }));
	}

	return(): Promise<IteratorResult<T>> {
		this.#queue.length = 0;
		this.end(null);
		return Promise.resolve({ value: undefined, done: true });
	}

	[Symbol.asyncIterator](): this {
		return this;
	}
}
