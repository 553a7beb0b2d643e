//! An unchanged program that knows Hop's addresses only, brought here by DNS and a certificate as docs/compatibility/hop.md says
//! (Hop behaviour 68), in a network namespace of its own.

import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { same, matches } from '../lib/check.mjs';
import { Listings } from '../lib/listings.mjs';

const HOST = fileURLToPath(new URL('../agents/default-address-host.mjs', import.meta.url));

test('b68 default addresses by DNS and a private CA, for @onehop/js and @onehop/client', async () => {
	const page = await Listings.of('certificates.sh');
	try {
		await page.run(['-e', 'certificates.sh'], {}, 'sh').end();
		const args = ['--map-root-user', '--net', '--mount', process.execPath, HOST];
		const outcome = await page.run(args, { FOLDER: page.folder }, 'unshare').end();
		const { trusting, stranger } = JSON.parse(outcome);
		same([trusting.status, trusting.stdout], [0, 'ARRIVED {"n":1}\n'], `trusting the CA; ${trusting.stderr}`);
		same(stranger.stdout, '', 'without the CA nothing arrives');
		matches(stranger.stderr, /UNABLE_TO_VERIFY_LEAF_SIGNATURE/, 'without the CA');
	} finally {
		await page.close();
	}
});
