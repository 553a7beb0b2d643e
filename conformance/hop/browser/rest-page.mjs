//! The page that runs the REST suites with the browser build of `@onehop/js`, from another origin than the server's.

import { checkAnswers, recordFetch } from '../lib/record.mjs';
import { restContext } from '../suites/rest-context.mjs';
import { channelCalls } from '../suites/rest-channels.mjs';
import { tokenCalls } from '../suites/rest-tokens.mjs';
import { refusals } from '../suites/rest-errors.mjs';

const answers = recordFetch();
const { Hop, ChannelType } = await import('@onehop/js');
const suites = [...channelCalls, ...tokenCalls, ...refusals];
let context;

window.rest = {
	prepare(place) {
		context = restContext({ Hop, ChannelType }, place, { WebSocket, browser: true });
	},
	run(name) {
		return suites.find(([each]) => each === name)[1](context);
	},
	/** Publishes more than a browser sends with keepalive; returns what the SDK's caller gets. */
	async tooLarge() {
		const channel = await context.hop.channels.create('public');
		return channel.publishMessage('BIG', { text: 'x'.repeat(70 * 1024) }).then(() => 'sent', (error) => error.message);
	},
	checkAnswers() {
		checkAnswers(answers, { browser: true });
		return answers.length;
	},
};
