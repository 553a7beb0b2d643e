//! The private CA and the certificate that `run.sh` made by the lines of docs/compatibility/socialplus.md.

import { createHash, X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';

/** The folder with `ca.pem`, `server.pem` and `server.key`. */
export function certificates() {
	const folder = process.env.CERTIFICATES;
	if (!folder) throw new Error('CERTIFICATES is not set: start the suites with ./run.sh [path-to-tollgate]');
	return folder;
}

/** The fingerprint of the server's public key, as Chromium takes it. */
export function fingerprint() {
	const { publicKey } = new X509Certificate(readFileSync(join(certificates(), 'server.pem')));
	return createHash('sha256').update(publicKey.export({ type: 'spki', format: 'der' })).digest('base64');
}
