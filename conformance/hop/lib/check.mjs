//! The assertion that only Hop's suites need: how their SDK refuses. The others come from the shared ones.

import { ok, same, show } from '../../lib/check.mjs';

export { matches, ok, same } from '../../lib/check.mjs';

/** Fails unless `call` throws the SDK's HopAPIError with this status and code (either may be left out). */
export async function refused(call, { status, code }, what = 'call') {
	let answer;
	try {
		answer = await call();
	} catch (error) {
		const got = { status: error.status, code: error.data?.error?.code };
		if (got.status === undefined) throw new Error(`${what}: failed without an API error: ${error.stack ?? error}`);
		const want = { status: status ?? got.status, code: code ?? got.code };
		same(got, want, `${what} refused`);
		ok(error.data.success === false, `${what}: success false`);
		ok(typeof error.message === 'string' && error.message.length > 3, `${what}: an error message, got ${show(error.message)}`);
		same(error.data.error.message, error.message, `${what}: message of the envelope`);
		return error;
	}
	throw new Error(`${what}: expected to be refused with ${show({ status, code })}, but it answered ${show(answer)}`);
}
