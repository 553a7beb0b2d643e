//! Reading a `text/event-stream` (the HTML standard, section 9.2): lines into events. Where it comes from, and what an event says, is not here.

export interface StreamEvent {
	kind: string;
	data: string;
}

/** The longest event that is taken, in characters. */
const EVENT_MAX = 16 * 1024 * 1024;

/** Puts pieces of a stream together. */
export class EventReader {
	#rest = '';
	#kind = '';
	#data: string[] = [];
	#length = 0;

	/** `event` for each whole event, `sign` for each comment. */
	constructor(private readonly event: (event: StreamEvent) => void, private readonly sign: () => void) {}

	/** False: it is longer than anything that belongs here. */
	take(piece: string): boolean {
		const lines = (this.#rest + piece).split('\n');
		this.#rest = lines.pop() ?? '';
		for (const line of lines) this.#line(line.endsWith('\r') ? line.slice(0, -1) : line);
		return this.#rest.length + this.#length <= EVENT_MAX;
	}

	#line(line: string): void {
		if (line === '') return this.#end();
		if (line.startsWith(':')) return this.sign();
		const colon = line.indexOf(':');
		const name = colon < 0 ? line : line.slice(0, colon);
		const value = colon < 0 ? '' : line.slice(line[colon + 1] === ' ' ? colon + 2 : colon + 1);
		if (name === 'event') this.#kind = value;
		if (name === 'data') {
			this.#data.push(value);
			this.#length += value.length;
		}
	}

	#end(): void {
		const [kind, data] = [this.#kind, this.#data];
		this.#kind = '';
		this.#data = [];
		this.#length = 0;
		if (data.length > 0) this.event({ kind: kind || 'message', data: data.join('\n') });
	}
}
