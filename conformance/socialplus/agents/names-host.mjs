//! Runs as root of a network namespace of its own: gives the names in `$NAMES` to loopback, starts Tollgate with the certificate on port 443,
//! mints with each package and region of `$MINTS`, trusting the private CA and once not, and prints the outcomes.

import { execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { NodeApp } from '../lib/apps.mjs';
import { certificates } from '../lib/certificates.mjs';
import { Place, newUser } from '../lib/place.mjs';

execFileSync('ip', ['link', 'set', 'lo', 'up']);
const hosts = join(certificates(), 'hosts');
writeFileSync(hosts, `127.0.0.1 localhost ${process.env.NAMES}\n`);
execFileSync('mount', ['--bind', hosts, '/etc/hosts']);

const place = await Place.open({ tls: certificates(), port: 443 });
const outcomes = [];
for (const [sdk, region, shim] of JSON.parse(process.env.MINTS)) {
	const app = await new NodeApp(sdk, { apiKey: place.apiKey, region, shim }).open();
	const userId = newUser();
	const outcome = await app.mint({ userId });
	const live = outcome.answer && (await place.introspect(outcome.answer.accessToken));
	outcomes.push({ ...outcome, userId, live });
	await app.close();
}
delete process.env.NODE_EXTRA_CA_CERTS;
const stranger = await new NodeApp('@amityco/ts-sdk', { apiKey: place.apiKey, region: 'sg', shim: 'origin' }).open();
const untrusted = await stranger.mint({ userId: newUser() });
await stranger.close();
await place.server.down();
await place.close();
console.log(JSON.stringify({ outcomes, untrusted }));
