//! Ids that nobody else draws. Not for secrets that must be kept: those come from the server.

/** 128 random bits as 32 hexadecimal digits. `crypto.randomUUID` is missing on pages without TLS; this is not. */
export function drawId(): string {
	return Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, '0')).join('');
}
