//! Programs that know social.plus's addresses only (method D), and programs with a region of ours (method A), brought here by names, port 443 and
//! a private CA alone, in a network namespace of their own. Nothing is wrapped.

import { execFile } from 'node:child_process';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { matches, same } from '../../lib/check.mjs';

const HOST = fileURLToPath(new URL('../agents/names-host.mjs', import.meta.url));
const HOSTS = ['example.com', 'sg.amity.co', 'eu.amity.co', 'us.amity.co'].flatMap((name) => [`api.${name}`, `apix.${name}`]);

/** Package, region, shim. */
const MINTS = [
	['ts-sdk-6-2-0', 'sg'],
	['ts-sdk-6-2-0', 'example.com/'],
	['ts-sdk-6-27-0', 'eu'],
	['ts-sdk-6-27-0', 'example.com/'],
	['@amityco/ts-sdk', 'us', 'origin'],
	['@amityco/ts-sdk', 'sg', 'fetch'],
	['@amityco/ts-sdk', 'example.com/', 'origin'],
	['@amityco/ts-sdk', 'example.com/', 'fetch'],
	['@amityco/ts-sdk-react-native', 'sg'],
	['@amityco/ts-sdk-react-native', 'example.com/'],
];

test('sp2 sp5 sp21 the packages by names and a private CA, methods A and D', async () => {
	const args = ['--map-root-user', '--net', '--mount', process.execPath, HOST];
	const env = { ...process.env, NAMES: HOSTS.join(' '), MINTS: JSON.stringify(MINTS) };
	const { stdout } = await promisify(execFile)('unshare', args, { env, timeout: 60_000 });
	const { outcomes, untrusted } = JSON.parse(stdout);
	for (const [index, { userId, live, refused }] of outcomes.entries()) {
		same([live?.active, live?.sub, refused], [true, userId, undefined], `${MINTS[index]}`);
	}
	matches(untrusted.refused?.text, /self[- ]signed|UNABLE_TO_VERIFY|unable to verify/i, 'without the CA');
});
