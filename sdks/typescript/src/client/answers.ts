//! Replies of the protocol as the application sees them. Pure; what a field means is on the protocol's page.

import { TollgateError } from '../shared/error.js';
import { parsePosition } from './position.js';
import type { Message, Outgoing, Published, PublishOptions, PresencePage } from './types.js';
import { type Fields, isFields, list, number, refusal, text } from './wire.js';
import { drawId } from '../shared/random.js';

/** A message as the application gets it. */
export function asMessage<Events>(channel: string, position: string, fields: Fields): Message<Events> {
	const { event, data, at, sender, id, offset } = fields;
	return {
		channel, event, data: data ?? null, at, position, offset,
		...(isFields(sender) && { sender }),
		...(typeof id === 'string' && { id }),
	} as unknown as Message<Events>;
}

/** The messages of a page of history; their positions are of the run of offsets that the page is of. */
export function asMessages<Events>(channel: string, ok: Fields): Message<Events>[] {
	const epoch = parsePosition(ok.position)?.epoch ?? '0';
	return list(ok.messages).map((fields) => asMessage<Events>(channel, `${epoch}-${number(fields.offset) ?? 0}`, fields));
}

export function asPublished(ok: Fields): Published {
	const position = text(ok.position);
	return { ...(position !== undefined && { position }), duplicate: ok.duplicate === true, conflated: ok.conflated === true };
}

/** What came of each message of a batch, in its order. */
export function asResults(ok: Fields): (Published | { error: TollgateError })[] {
	return list(ok.results).map((entry) => (isFields(entry.error) ? { error: refusal(entry.error) } : asPublished(entry)));
}

export function asPresence(ok: Fields): PresencePage {
	const next = text(ok.next);
	return {
		count: number(ok.count) ?? 0,
		members: list(ok.members) as unknown as PresencePage['members'],
		...(next !== undefined && { next }),
	};
}

/** A message as it is sent, with an id of its own. */
export function outgoing(channel: string, event: string, data: unknown, options: Omit<PublishOptions, 'timeoutMs'>): Fields {
	const { id = drawId(), echo, key } = options;
	return { channel, event, data: data ?? null, id, ...(echo !== undefined && { echo }), ...(key !== undefined && { key }) };
}

export function outgoingAll<Events>(messages: Outgoing<Events>[]): Fields[] {
	return messages.map(({ channel, event, data, ...options }) => outgoing(channel, event, data, options));
}
