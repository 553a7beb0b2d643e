//! What a client and its subscriptions share: the calls about one channel, each by its request. Written once, over anything that can ask.

import { TollgateError } from '../shared/error.js';
import { asMessages, asPresence, asPublished, outgoing } from './answers.js';
import { parsePosition } from './position.js';
import type {
	EventName, Gap, HistoryOptions, HistoryPage, Member, Message, PresenceOptions, PresencePage, Published, PublishOptions,
} from './types.js';
import { type Fields, number, text } from './wire.js';

/** Sends a request and settles with its reply. `reads`: it may be sent again. `publishes`: it may be, for the time of its id. */
export type Ask = (name: string, body: object, how: 'reads' | 'publishes' | 'changes', timeoutMs?: number) => Promise<Fields>;

export async function publish(ask: Ask, channel: string, event: string, data: unknown, options: PublishOptions): Promise<Published> {
	return asPublished(await ask('publish', outgoing(channel, event, data, options), 'publishes', options.timeoutMs));
}

export async function changeState(
	ask: Ask, channel: string, change: { set: object } | { merge: object }, options: { ifVersion?: number },
): Promise<{ version: number }> {
	const { ifVersion } = options;
	const body = { channel, ...change, ...(ifVersion !== undefined && { if_version: ifVersion }) };
	return { version: number((await ask('state', body, 'changes')).version) ?? 0 };
}

export async function history<Events>(ask: Ask, channel: string, options: HistoryOptions): Promise<HistoryPage<Events>> {
	const { after, before, sinceAt, limit, order } = options;
	const body = {
		channel,
		...(after !== undefined && { after }),
		...(before !== undefined && { before }),
		...(sinceAt !== undefined && { since_at: sinceAt }),
		...(limit !== undefined && { limit }),
		...((order === 'newest' || before !== undefined) && { order: 'newest' }),
	};
	const ok = await ask('history', body, 'reads');
	const next = text(ok.next);
	const backwards = before !== undefined || order === 'newest';
	const further = { ...(limit !== undefined && { limit }), ...(order !== undefined && { order }) };
	return {
		messages: asMessages<Events>(channel, ok),
		position: text(ok.position) ?? '',
		next: () =>
			next === undefined
				? Promise.resolve(null)
				: history<Events>(ask, channel, { ...further, ...(backwards ? { before: next } : { after: next }) }),
	};
}

export async function* messages<Events>(ask: Ask, channel: string, options: HistoryOptions): AsyncIterableIterator<Message<Events>> {
	let page: HistoryPage<Events> | null = await history<Events>(ask, channel, options);
	while (page) {
		yield* page.messages;
		page = await page.next();
	}
}

/** What is still kept of a gap. */
export async function* between<Events>(ask: Ask, { channel, from, to }: Pick<Gap, 'channel' | 'from' | 'to'>): AsyncIterableIterator<Message<Events>> {
	const end = parsePosition(to);
	const begin = parsePosition(from);
	let page: HistoryPage<Events> | null;
	try {
		page = await history<Events>(ask, channel, begin && begin.epoch === end?.epoch ? { after: from! } : {});
	} catch (thrown) {
		if (!(thrown instanceof TollgateError) || thrown.code !== 'position_lost') throw thrown;
		page = await history<Events>(ask, channel, {});
	}
	for (; page; page = await page.next()) {
		for (const message of page.messages) {
			const { epoch, offset } = parsePosition(message.position) ?? { epoch: '', offset: 0 };
			if (epoch === end?.epoch && offset > end.offset) return;
			if (epoch !== begin?.epoch || offset > begin.offset) yield message;
		}
	}
}

export async function presence(ask: Ask, channel: string, options: PresenceOptions): Promise<PresencePage> {
	const { limit, after, sample } = options;
	const body = {
		channel,
		...(limit !== undefined && { limit }),
		...(after !== undefined && { after }),
		...(sample && { sample }),
	};
	return asPresence(await ask('presence', body, 'reads'));
}

export async function* members(ask: Ask, channel: string): AsyncIterableIterator<Member> {
	let after: string | undefined;
	do {
		const page: PresencePage = await presence(ask, channel, { limit: 1_000, ...(after !== undefined && { after }) });
		yield* page.members;
		after = page.next;
	} while (after !== undefined);
}

/** The calls about one channel, for a subscription. */
export class Place<Events> {
	protected constructor(readonly channel: string, protected readonly ask: Ask) {}

	/** When the message has its place. */
	publish<N extends EventName<Events>>(event: N, data: Events[N], options: PublishOptions = {}): Promise<Published> {
		return publish(this.ask, this.channel, event, data, options);
	}

	setState(state: object, options: { ifVersion?: number } = {}): Promise<{ version: number }> {
		return changeState(this.ask, this.channel, { set: state }, options);
	}

	mergeState(state: object, options: { ifVersion?: number } = {}): Promise<{ version: number }> {
		return changeState(this.ask, this.channel, { merge: state }, options);
	}

	history(options: HistoryOptions = {}): Promise<HistoryPage<Events>> {
		return history<Events>(this.ask, this.channel, options);
	}

	messages(options: HistoryOptions = {}): AsyncIterableIterator<Message<Events>> {
		return messages<Events>(this.ask, this.channel, options);
	}

	presence(options: PresenceOptions = {}): Promise<PresencePage> {
		return presence(this.ask, this.channel, options);
	}

	async count(): Promise<number> {
		return (await this.presence({ limit: 0 })).count;
	}

	members(): AsyncIterableIterator<Member> {
		return members(this.ask, this.channel);
	}
}
