//! The few assertions of the suites, without Node's `assert`, because the same suites run inside a browser page.

/** The value as text, cut where it gets long. */
export function show(value) {
	const text = JSON.stringify(value);
	return text === undefined ? String(value) : text.length > 600 ? `${text.slice(0, 600)}…` : text;
}

/** The value with every object's keys sorted, so that two spellings of the same JSON compare equal. */
function sorted(value) {
	if (Array.isArray(value)) return value.map(sorted);
	if (value === null || typeof value !== 'object') return value;
	return Object.fromEntries(Object.keys(value).sort().map((key) => [key, sorted(value[key])]));
}

/** Fails unless `condition` is truthy. */
export function ok(condition, what) {
	if (!condition) throw new Error(`expected ${what}`);
}

/** Fails unless both are the same JSON value; the order of keys does not matter. */
export function same(got, want, what = 'value') {
	const [left, right] = [JSON.stringify(sorted(got)), JSON.stringify(sorted(want))];
	if (left !== right) throw new Error(`${what}: got ${show(got)}, want ${show(want)}`);
}

/** Fails unless `got` matches the pattern. */
export function matches(got, pattern, what = 'value') {
	if (typeof got !== 'string' || !pattern.test(got)) throw new Error(`${what}: ${show(got)} does not match ${pattern}`);
}
