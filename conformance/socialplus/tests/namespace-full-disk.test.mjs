//! The server's own trouble, seen through the SDK: a disk that is full. In a mount namespace of its own.

import { execFile } from 'node:child_process';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { matches, same } from '../../lib/check.mjs';

const HOST = fileURLToPath(new URL('../agents/full-disk-host.mjs', import.meta.url));

test('sp8 sp30 a full disk is 500000, ends no session, and is over when there is room', async () => {
	const { stdout } = await promisify(execFile)('unshare', ['--map-root-user', '--mount', process.execPath, HOST], { timeout: 60_000 });
	const { full, state, name } = JSON.parse(stdout);
	same(full.code, 500000, `the code: ${full.message}`);
	matches(full.message, /^Amity SDK \(500000\): .{10}/, 'the message');
	same([state, name], ['established', 'Jane'], 'the session meanwhile');
});
