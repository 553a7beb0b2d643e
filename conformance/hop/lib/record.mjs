//! Records every HTTP answer that `@onehop/js` gets. The SDK captures `fetch` when it is imported, so install this first; the
//! SDK itself stays as published.

import { ok } from './check.mjs';

/** Replaces the global `fetch` by one that keeps what was answered; returns the list it fills. */
export function recordFetch() {
	const real = globalThis.fetch;
	const answers = [];
	globalThis.fetch = async (input, init) => {
		const answer = await real(input, init);
		answers.push({
			call: `${input.method ?? init?.method ?? 'GET'} ${new URL(input.url ?? input).pathname}`,
			status: answer.status,
			type: answer.headers.get('content-type'),
			allowOrigin: answer.headers.get('access-control-allow-origin'),
			text: answer.status === 204 ? '' : await answer.clone().text(),
		});
		return answer;
	};
	return answers;
}

/** Holds Hop behaviours 4, 5 and (outside a browser, which hides that header) 6 on every recorded answer. */
export function checkAnswers(answers, { browser = false } = {}) {
	for (const { call, status, type, allowOrigin, text } of answers) {
		const where = `${call} → ${status}`;
		if (!browser) ok(allowOrigin === '*', `${where}: Access-Control-Allow-Origin *, got ${allowOrigin}`);
		if (status === 204) continue;
		ok(status === 200 || status >= 400, `${where}: 200, 204 or an error`);
		ok(/^application\/json/.test(type ?? ''), `${where}: JSON content type, got ${type}`);
		const body = JSON.parse(text);
		if (status === 200) {
			ok(body.success === true && body.data && typeof body.data === 'object', `${where}: success envelope, got ${text.slice(0, 200)}`);
			continue;
		}
		ok(body.success === false, `${where}: success false`);
		ok(typeof body.error?.code === 'string' && typeof body.error?.message === 'string', `${where}: error envelope, got ${text.slice(0, 200)}`);
	}
}
