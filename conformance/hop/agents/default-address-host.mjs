//! Runs as root of a network namespace of its own: gives Hop's names to loopback, starts Tollgate with the certificate of the folder
//! in `$FOLDER` on port 443, and runs the program there twice: trusting the private CA, and not. Prints both outcomes.

import { execFileSync, spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Tollgate } from '../../lib/server.mjs';

const folder = process.env.FOLDER;
const program = fileURLToPath(new URL('./default-address-app.mjs', import.meta.url));

execFileSync('ip', ['link', 'set', 'lo', 'up']);
writeFileSync(join(folder, 'hosts'), '127.0.0.1 localhost api.hop.io leap.hop.io\n');
execFileSync('mount', ['--bind', join(folder, 'hosts'), '/etc/hosts']);

const server = await Tollgate.start({ tls: folder, port: 443 });

function run(env) {
	const { stdout, stderr, status } = spawnSync(process.execPath, [program], {
		env: { ...process.env, HOP_TOKEN: server.key, PROJECT_ID: server.project, ...env },
		encoding: 'utf8',
		timeout: 30_000,
	});
	return { stdout, stderr, status };
}

const trusting = run({ NODE_EXTRA_CA_CERTS: join(folder, 'ca.pem') });
const stranger = run({});
await server.down();
await server.destroy();
console.log(JSON.stringify({ trusting, stranger }));
