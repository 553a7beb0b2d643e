//! An app in a Node process that has the package `$SDK` and answers its parent. How it reaches Tollgate is decided by what was loaded before
//! (`wrap.cjs`) and by `SHIM`, one of the two shims of docs/compatibility/socialplus.md; with neither the package is left wholly to itself.

import { createRequire } from 'node:module';
import { words } from './words.mjs';

const { SDK, SHIM } = process.env;
const require = createRequire(import.meta.url);

if (SHIM === 'fetch') createRequire(require.resolve(SDK))('axios').defaults.adapter = 'fetch'; // on the copy that the SDK uses
if (SHIM === 'origin') globalThis[Symbol.for('undici.globalOrigin.1')] = new URL('http://localhost');

const app = words(require(SDK));
process.on('message', async ({ number, method, args }) => process.send({ number, answer: (await app[method](...args)) ?? null }));
// The SDK leaves promises behind that nobody listens to once a session ends; an app would survive them in a browser, and must here.
process.on('unhandledRejection', (error) => console.error('unhandled:', error));
