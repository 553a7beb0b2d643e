//! The page of the chat. What is written while the network is away waits, and what others say meanwhile comes afterwards, all of it and once.

import { Client } from './sdk/client/index.js';

const name = new URLSearchParams(location.search).get('name') ?? `guest${Math.floor(Math.random() * 1000)}`;
const { url, project } = await (await fetch('config')).json();
const token = async ({ refused }) => {
	const answer = await fetch(`token?${new URLSearchParams({ name, refused })}`);
	if (!answer.ok) throw new Error(`no token: ${answer.status}`);
	return answer.text();
};

const client = new Client({ url, project, token, data: { name }, fallback: 'sse' });
const lobby = client.subscribe('lobby', { rewind: { last: 50 }, presence: true });
const $ = (id) => document.getElementById(id);

function show(text, kind = '') {
	const line = document.createElement('li');
	line.textContent = text;
	line.className = kind;
	$('messages').append(line);
	return line;
}

client.on('state', ({ state }) => {
	$('state').textContent = state;
});
lobby.onEvent('said', ({ data, sender }) => show(`${sender?.user ?? 'backend'}: ${data.text}`));
lobby.on('gap', ({ from, to }) => show(`(Messages between ${from} and ${to} are not kept any more.)`));
lobby.on('presence', ({ count }) => {
	$('there').textContent = `${count} here`;
});
lobby.on('unsubscribed', ({ reason, error }) => show(`You are out: ${error?.message ?? reason}`));

$('form').addEventListener('submit', async (event) => {
	event.preventDefault();
	const text = $('text').value.trim();
	if (text === '') return;
	$('text').value = '';
	const waiting = show(`${name}: ${text}`, 'waiting');
	try {
		// It comes back as a message in its place among the others, so the line that waits goes.
		await lobby.publish('said', { text });
		waiting.remove();
	} catch (error) {
		waiting.textContent = `Not sent: ${text} (${error.message})`;
	}
});

await client.connect();
