//! `@onehop/js` in Node, loaded by `require`: every call, every refusal (Hop behaviour 64).
'use strict';

const { after, before, test } = require('node:test');
const { WebSocket } = require('ws');

async function main() {
	const { checkAnswers, recordFetch } = await import('../lib/record.mjs');
	const { restPlace } = await import('../lib/place.mjs');
	const { restContext } = await import('../suites/rest-context.mjs');
	const { channelCalls } = await import('../suites/rest-channels.mjs');
	const { tokenCalls } = await import('../suites/rest-tokens.mjs');
	const { refusals, refusalsOutsideBrowsers } = await import('../suites/rest-errors.mjs');

	const answers = recordFetch();
	const { Hop, ChannelType } = require('@onehop/js');
	let server;
	let context;

	before(async () => {
		const started = await restPlace();
		server = started.server;
		context = restContext({ Hop, ChannelType }, started.place, { WebSocket });
	});
	after(() => server?.destroy());

	for (const [name, run] of [...channelCalls, ...tokenCalls, ...refusals, ...refusalsOutsideBrowsers]) {
		test(`b64 js CJS: ${name}`, () => run(context));
	}

	test('b4 b5 b6 js CJS: every answer of this run has the envelope, the status and the headers', () => {
		if (answers.length < 300) throw new Error(`only ${answers.length} answers were recorded`);
		checkAnswers(answers);
	});
}

void main();
