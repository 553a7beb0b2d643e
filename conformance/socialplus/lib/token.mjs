//! What an access token must be, checked without the server: its claims, and its signature against the published keys.

import { createPublicKey, verify } from 'node:crypto';
import { matches, ok, same } from '../../lib/check.mjs';

const part = (text) => JSON.parse(Buffer.from(text, 'base64url').toString());

/** The header and the claims of a JWT. */
export function decoded(token) {
	matches(token, /^[\w-]+\.[\w-]+\.[\w-]+$/, 'a JWT');
	const [header, claims] = token.split('.');
	return { header: part(header), claims: part(claims) };
}

/** Holds social.plus item 5 and gives the claims. */
export function checkToken(token, place, userId, displayName) {
	const { header, claims } = decoded(token);
	matches(header.kid, /./, 'kid');
	for (const name of ['sub', 'iss', 'jti']) matches(claims[name], /./, name);
	ok(Number.isInteger(claims.iat) && Number.isInteger(claims.exp) && claims.exp > claims.iat, 'iat and exp in order');
	ok(Math.abs(claims.iat - Date.now() / 1000) < 60, `iat to be now, got ${claims.iat}`);
	const { user } = claims;
	same([user.publicUserId, user.networkId], [userId, place.server.project], 'publicUserId and networkId');
	matches(user.userId, /./, 'user.userId');
	if (displayName !== undefined) same(user.displayName, displayName, 'user.displayName');
	ok(!/refresh/i.test(JSON.stringify(claims)), 'no refresh token inside');
	return claims;
}

const ALGORITHMS = { ES256: 'sha256', RS256: 'sha256', EdDSA: null };

/** Verifies the signature as any third party would, with the keys that the project publishes. */
export async function checkSignature(token, place) {
	const { header } = decoded(token);
	const { json } = await place.ask('GET', `/.well-known/jwks.json?project=${place.server.project}`);
	const key = json?.keys?.find(({ kid }) => kid === header.kid);
	ok(key, `a published key ${header.kid}, got ${JSON.stringify(json)}`);
	ok(header.alg in ALGORITHMS && key.d === undefined, `${header.alg} with a public key`);
	const end = token.lastIndexOf('.');
	const options = { key: createPublicKey({ key, format: 'jwk' }), dsaEncoding: 'ieee-p1363' };
	const signature = Buffer.from(token.slice(end + 1), 'base64url');
	ok(verify(ALGORITHMS[header.alg], Buffer.from(token.slice(0, end)), options, signature), 'a signature that the published key verifies');
}
