//! Positions of a channel: where they stand, and what a message's offset means there. No requests, no effects.

/** `EPOCH-OFFSET`, taken apart. The epoch is kept as it came. */
export interface Position {
	epoch: string;
	offset: number;
}

/** The position, or null if the text is none. */
export function parsePosition(text: unknown): Position | null {
	if (typeof text !== 'string') return null;
	const [, epoch, digits] = /^([\w.]{1,64})-(\d{1,16})$/.exec(text) ?? [];
	const offset = Number(digits);
	return epoch !== undefined && Number.isSafeInteger(offset) ? { epoch, offset } : null;
}

export function formatPosition({ epoch, offset }: Position): string {
	return `${epoch}-${offset}`;
}

/** What a message with this offset is to a reader at `position`. */
export type Judgement = 'next' | 'duplicate' | 'hole';

export function judge(position: Position, offset: number): Judgement {
	if (offset <= position.offset) return 'duplicate';
	return offset === position.offset + 1 ? 'next' : 'hole';
}

/** Where a reader stands after the server said from where it goes on, and whether anything between was lost to it. */
export interface Landing {
	position: Position;
	gap: boolean;
}

/**
 * A reader that has everything up to `had` is told `now`; `recovered` as the server said it (undefined: nothing was asked).
 * What was promised whole and is not (a position further on, in the same run of offsets) is a gap, too.
 */
export function land(had: Position | null, now: Position, recovered: boolean | undefined): Landing {
	if (had === null) return { position: now, gap: recovered === false };
	if (recovered === false) return { position: now, gap: true };
	const sameEpoch = had.epoch === now.epoch;
	if (recovered === true) {
		if (!sameEpoch) return { position: now, gap: false };
		return now.offset > had.offset ? { position: now, gap: true } : { position: had, gap: false };
	}
	return { position: now, gap: !sameEpoch || now.offset !== had.offset };
}
