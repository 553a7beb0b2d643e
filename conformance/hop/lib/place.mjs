//! Where the REST suites run: a server with a second project and a read-only key beside its first key. Plain data, so that a
//! browser page can be handed the same.

import { randomBytes } from 'node:crypto';
import { Tollgate } from '../../lib/server.mjs';

function first(text, pattern, what) {
	const [found] = pattern.exec(text) ?? [];
	if (!found) throw new Error(`no ${what} in what the command printed: ${JSON.stringify(text)}`);
	return found;
}

const PROJECT = /\bproject_[A-Za-z0-9_-]+/;
const KEY = /\bptk_[A-Za-z0-9_-]+/;

/** Starts a server and makes the extra project and key through its command line. */
export async function restPlace() {
	const server = await Tollgate.start();
	const made = await server.command('project', 'create', '--name', 'other');
	const otherProject = first(made, PROJECT, 'project id');
	const otherKey = KEY.test(made)
		? first(made, KEY, 'project key')
		: first(await server.command('key', 'create', '--project', otherProject), KEY, 'project key');
	const readKey = first(
		await server.command('key', 'create', '--project', server.project, '--permissions', 'read_channels,read_leap_tokens'),
		KEY,
		'project key',
	);
	const { url, ws, project, key } = server;
	return { server, place: { url, ws, project, key, otherProject, otherKey, readKey, run: randomBytes(4).toString('hex') } };
}
