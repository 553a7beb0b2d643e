//! Runs as root of a mount namespace of its own: starts Tollgate with its data on a small disk, logs in, fills the disk, mints, makes room, mints
//! again, and prints what the SDK said each time.

import { execFileSync } from 'node:child_process';
import { closeSync, mkdtempSync, openSync, rmdirSync, rmSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { until } from '../../lib/wait.mjs';
import { NodeApp, good } from '../lib/apps.mjs';
import { Place, newUser } from '../lib/place.mjs';

const disk = mkdtempSync(join(tmpdir(), 'tollgate-disk-'));
execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=32m', 'tmpfs', disk]);
process.on('exit', () => {
	execFileSync('umount', ['--lazy', disk]);
	rmdirSync(disk);
});
process.env.TMPDIR = disk; // where the data folder comes to be

/** Takes all the room that is left. */
function fill(path) {
	const file = openSync(path, 'w');
	const chunks = [Buffer.alloc(1 << 16), Buffer.alloc(1)];
	for (const chunk of chunks) {
		try {
			for (;;) writeSync(file, chunk);
		} catch (error) {
			if (error.code !== 'ENOSPC') throw error;
		}
	}
	closeSync(file);
}

const place = await Place.open();
const [app, userId] = [await new NodeApp('@amityco/ts-sdk', { apiKey: place.apiKey, base: place.url }).open({ http: place.url }), newUser()];
good(await app.login({ userId, displayName: 'Jane' }));
fill(join(disk, 'filler'));

// The store may have some room left in files that it has already.
let full;
await until('a mint to be refused', async () => (full = (await app.mint({ userId: newUser() })).refused));
const { state } = await app.look();
const name = await app.nameOf(userId);
rmSync(join(disk, 'filler'));
await until('a mint to work again', async () => (await app.mint({ userId: newUser() })).answer, { within: 15_000 });
await app.close();
await place.close();
console.log(JSON.stringify({ full, state, name }));
