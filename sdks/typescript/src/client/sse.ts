//! stub
import type { Wanted } from './channels.js';
import type { Listener, Transport } from './transport.js';
export function openSse(_url: string, _wanted: { channel: string; position: string | null; wanted: Wanted }[], listener: Listener, _fetch: typeof fetch): Transport {
	queueMicrotask(() => listener.lost({ code: 1006, reason: 'sse' }));
	return { send() {}, close() {} };
}
