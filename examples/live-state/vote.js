//! The page of the vote. Two who vote at once both count: a change names the version that it was made from, and is made again from the next one if it came too late.

import { Client } from './sdk/client/index.js';

const name = new URLSearchParams(location.search).get('name') ?? `guest${Math.floor(Math.random() * 1000)}`;
const { url, project } = await (await fetch('config')).json();
const token = async ({ refused }) => {
	const answer = await fetch(`token?${new URLSearchParams({ name, refused })}`);
	if (!answer.ok) throw new Error(`no token: ${answer.status}`);
	return answer.text();
};

const client = new Client({ url, project, token });
const vote = client.subscribe('vote');
const $ = (id) => document.getElementById(id);

client.on('state', ({ state }) => {
	$('state').textContent = state;
});
vote.on('state', ({ state }) => {
	for (const drink of ['tea', 'coffee']) {
		$(drink).querySelector('span').textContent = state[drink];
		// Connected is not yet subscribed: only now there is a count to add to.
		$(drink).disabled = false;
	}
});

/** Until a state comes that is newer than this version. */
function newerThan(version) {
	if (vote.version > version) return Promise.resolve();
	return new Promise((resolve) => {
		const off = vote.on('state', (told) => {
			if (told.version <= version) return;
			off();
			resolve();
		});
	});
}

async function count(drink) {
	for (;;) {
		const { state, version } = vote;
		try {
			return await vote.mergeState({ [drink]: state[drink] + 1 }, { ifVersion: version });
		} catch (error) {
			if (error.code !== 'version_mismatch') throw error;
			await newerThan(version);
		}
	}
}

for (const drink of ['tea', 'coffee']) {
	$(drink).addEventListener('click', () => count(drink).catch((error) => ($('state').textContent = error.message)));
}

await client.connect();
