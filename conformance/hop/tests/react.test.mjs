//! The hooks of `@onehop/react` in jsdom, pointed here by one `hop.init` outside React (Hop behaviour 66).

import { after, before, test } from 'node:test';
import { createRequire } from 'node:module';
import { JSDOM } from 'jsdom';
import { same } from '../lib/check.mjs';
import { Tollgate } from '../../lib/server.mjs';
import { until } from '../../lib/wait.mjs';

// The packages look for a browser when they are loaded, so it has to be there first. The backend's copy of the SDK is loaded
// before that, for Node.
const { Hop } = await import('@onehop/js');
const dom = new JSDOM('<!doctype html><div id="root"></div>', { url: 'http://127.0.0.1:3000/', pretendToBeVisual: true });
Object.assign(globalThis, { window: dom.window, document: dom.window.document, IS_REACT_ACT_ENVIRONMENT: true });
Object.defineProperty(globalThis, 'navigator', { value: dom.window.navigator, configurable: true });

const require = createRequire(import.meta.url);
const React = require('react');
const { createRoot } = require('react-dom/client');
const { hop: sdk, leap } = require('@onehop/client');
const client = leap.instance;
const hooks = require('@onehop/react');

const seen = { named: [], direct: [] };
const complaints = [];
let server;
let hop;
let token;
let root;

console.error = (...args) => complaints.push(args.map(String).join(' '));

function App({ readable, spoken }) {
	const connection = hooks.useConnectionState();
	const { subscription, state, error } = hooks.useReadChannelState(readable);
	hooks.useChannelMessage(spoken, 'SAID', React.useCallback((data) => seen.named.push(data), []));
	hooks.useDirectMessage('NOTE', React.useCallback((data) => seen.direct.push(data), []));
	return React.createElement('output', null, JSON.stringify({ connection, subscription, state, error }));
}

/** Lets React render, then waits until what it shows satisfies `probe`. */
function shows(what, probe) {
	return until(() => `${what}; the page shows ${document.body.textContent}`, async () => {
		await React.act(async () => {});
		return probe(JSON.parse(document.querySelector('output').textContent));
	});
}

/** Renders the app; a new key for a new channel, because the hook does not look again when its argument changes. */
function render(props) {
	return React.act(async () => root.render(React.createElement(App, { key: props.readable, ...props })));
}

before(async () => {
	server = await Tollgate.start();
	hop = new Hop(server.key, server.url);
	for (const id of ['readable', 'spoken', 'second']) await hop.channels.create('public', id, { state: { id, n: 0 } });
	await hop.channels.create('private', 'locked');
	token = (await hop.channels.tokens.create({ user: 1 })).id;
	sdk.init({ projectId: server.project, token }, { leapSocketUrl: server.ws });
	root = createRoot(document.getElementById('root'));
	await render({ readable: 'readable', spoken: 'spoken' });
});

after(async () => {
	await React.act(async () => root.unmount());
	await hop.channels.tokens.delete(token); // 4001: the SDK's client ends for good
	await until('the client to stop', () => client.getConnectionState() === 'errored');
	await server.destroy();
});

test('b66 useConnectionState and useReadChannelState subscribe and show the state', async () => {
	await shows('the channel', ({ subscription }) => subscription === 'available');
	await shows('the state', ({ connection, state }) => connection === 'connected' && state.n === 0);
	const subscribed = async (id) => (await hop.channels.getAllTokens(id)).length === 1;
	await until('both hooks to have subscribed', async () => (await subscribed('readable')) && subscribed('spoken'));
});

test('b21 b66 useReadChannelState follows every change', async () => {
	await hop.channels.patchState('readable', { n: 1 });
	await shows('the patch', ({ state }) => state.n === 1 && state.id === 'readable');
	await hop.channels.setState('readable', { fresh: [1, 2] });
	await shows('the new state', ({ state }) => JSON.stringify(state) === '{"fresh":[1,2]}');
});

test('b66 useChannelMessage hears its event once per message', async () => {
	for (let n = 0; n < 5; n += 1) {
		await hop.channels.publishMessage('spoken', 'OTHER', n);
		await hop.channels.publishMessage('spoken', 'SAID', { n });
	}
	await until('five messages', () => seen.named.length >= 5);
	await hop.channels.tokens.publishDirectMessage(token, 'NOTE', 'fence');
	await until('the fence', () => seen.direct.length > 0);
	same(seen.named, [0, 1, 2, 3, 4].map((n) => ({ n })));
});

test('b31 b66 useDirectMessage hears messages to the token', async () => {
	seen.direct.length = 0;
	await hop.channels.tokens.publishDirectMessage(token, 'ELSE', {});
	await hop.channels.tokens.publishDirectMessage(token, 'NOTE', { hello: 1 });
	await until('the note', () => seen.direct.length > 0);
	same(seen.direct, [{ hello: 1 }]);
});

test('b49 b66 useReadChannelState on another channel, a refused one, an unknown one', async () => {
	await render({ readable: 'second', spoken: 'spoken' });
	await shows('the other channel', ({ state }) => state?.id === 'second');
	await render({ readable: 'locked', spoken: 'spoken' });
	await shows('the refusal', ({ error }) => error?.error_code === 'NOT_GRANTED');
	await hop.channels.subscribeToken('locked', token);
	await shows('the grant', ({ subscription, error }) => subscription === 'available' && error === null);
	await hop.channels.removeToken('locked', token);
	await shows('the removal', ({ subscription, error }) => subscription === 'unavailable' && error.graceful === true);
	await render({ readable: 'nowhere', spoken: 'spoken' });
	await shows('unknown', ({ error }) => error?.error_code === 'UNKNOWN');
});

test('b66 the hooks come back after the server was away', async () => {
	await render({ readable: 'readable', spoken: 'spoken' });
	await shows('available', ({ subscription }) => subscription === 'available');
	await server.down('SIGKILL');
	await shows('errored', ({ connection, subscription }) => connection !== 'connected' && subscription === 'pending');
	await server.up();
	await shows('back', ({ connection, subscription }) => connection === 'connected' && subscription === 'available');
	seen.named.length = 0;
	await hop.channels.publishMessage('spoken', 'SAID', 'back');
	await until('a message', () => seen.named.length > 0);
	await hop.channels.patchState('readable', { again: true });
	await shows('the state', ({ state }) => state.again === true);
});
