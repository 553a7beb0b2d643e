//! Turns tables of `[name, run(context)]` into tests.

import { test } from 'node:test';

/** One test for each row, named after the package and where it runs; `context()` is asked when the test starts. */
export function suite(where, rows, context = () => undefined) {
	for (const [name, run] of rows) test(`sp${name.replaceAll(/(?<=^[\d ]*) (?=\d)/g, ' sp')} — ${where}`, () => run(context()));
}
