//! `@onehop/js` in Node, imported as an ES module: every call, every refusal (Hop behaviour 64).

import { after, before, test } from 'node:test';
import { WebSocket } from 'ws';
import { checkAnswers, recordFetch } from '../lib/record.mjs';
import { restPlace } from '../lib/place.mjs';
import { restContext } from '../suites/rest-context.mjs';
import { channelCalls } from '../suites/rest-channels.mjs';
import { tokenCalls } from '../suites/rest-tokens.mjs';
import { refusals, refusalsOutsideBrowsers } from '../suites/rest-errors.mjs';

const answers = recordFetch();
const sdk = await import('@onehop/js');
let server;
let context;

before(async () => {
	const started = await restPlace();
	server = started.server;
	context = restContext({ Hop: sdk.Hop, ChannelType: sdk.ChannelType }, started.place, { WebSocket });
});
after(() => server?.destroy());

for (const [name, run] of [...channelCalls, ...tokenCalls, ...refusals, ...refusalsOutsideBrowsers]) {
	test(`b64 js ESM: ${name}`, () => run(context));
}

test('b4 b5 b6 js ESM: every answer of this run has the envelope, the status and the headers', () => {
	if (answers.length < 300) throw new Error(`only ${answers.length} answers were recorded`);
	checkAnswers(answers);
});

test('js ESM: the server still stops cleanly', () => server.down());
