//! Who listens to what. A listener that throws does not keep the others from hearing: its error goes where uncaught ones go.

export class Listeners<Kinds> {
	readonly #all = new Map<keyof Kinds, Set<(told: never) => void>>();

	/** Returns what ends it. */
	on<K extends keyof Kinds>(kind: K, listener: (told: Kinds[K]) => void): () => void {
		const set = this.#all.get(kind) ?? new Set();
		this.#all.set(kind, set);
		set.add(listener as (told: never) => void);
		return () => set.delete(listener as (told: never) => void);
	}

	tell<K extends keyof Kinds>(kind: K, told: Kinds[K]): void {
		for (const listener of [...(this.#all.get(kind) ?? [])]) {
			try {
				(listener as (told: Kinds[K]) => void)(told);
			} catch (thrown) {
				queueMicrotask(() => {
					throw thrown;
				});
			}
		}
	}

	clear(): void {
		this.#all.clear();
	}
}
