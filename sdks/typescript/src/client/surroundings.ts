//! What a browser says of its surroundings: online again, looked at again. Nothing of it is relied on; it only makes things faster.

interface Target {
	addEventListener?: (kind: string, listener: () => void) => void;
	removeEventListener?: (kind: string, listener: () => void) => void;
}

/** Calls `nudge` when a connection may be worth a try. Returns what ends it. */
export function watchSurroundings(nudge: () => void): () => void {
	const page = (globalThis as { document?: Target & { visibilityState?: string } }).document;
	const whole = globalThis as Target;
	const seen = () => {
		if (page?.visibilityState === 'visible') nudge();
	};
	whole.addEventListener?.('online', nudge);
	page?.addEventListener?.('visibilitychange', seen);
	return () => {
		whole.removeEventListener?.('online', nudge);
		page?.removeEventListener?.('visibilitychange', seen);
	};
}
