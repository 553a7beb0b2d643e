//! Where a message is, as `/v2` answers it and as positions spell it. Nothing else of either.

/** The position in an answer of `/v2`: as such, or by its parts, of which the epoch is in decimal there and in hexadecimal in positions. */
export function positionOf(answer: { position?: unknown; epoch?: unknown; offset?: unknown }): string | undefined {
	const { position, epoch, offset } = answer;
	if (typeof position === 'string') return position;
	if (typeof epoch !== 'string' || !/^\d{1,20}$/.test(epoch) || typeof offset !== 'number') return undefined;
	return `${BigInt(epoch).toString(16)}-${offset}`;
}
