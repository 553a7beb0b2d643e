//! Waiting for a condition with a deadline, in Node and in a browser. It never waits for a length of time in place of a condition.

/** Polls `probe` until it returns something truthy, and returns that; fails naming `what` and the last value seen. */
export async function until(what, probe, { within = 8000, every = 15 } = {}) {
	const deadline = Date.now() + within;
	let last;
	for (;;) {
		last = await probe();
		if (last) return last;
		if (Date.now() > deadline) {
			throw new Error(`not within ${within} ms: ${typeof what === 'function' ? await what() : what}`);
		}
		await new Promise((resolve) => setTimeout(resolve, every));
	}
}

/** Settles as `promise` does, or fails naming `what` once `within` ms have passed. */
export function before(within, what, promise) {
	let timer;
	const late = new Promise((_, reject) => {
		timer = setTimeout(() => reject(new Error(`not within ${within} ms: ${what}`)), within);
	});
	return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}
