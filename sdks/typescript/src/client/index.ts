//! `tollgate/client`: for browsers, and for Node.

export { Client } from './client.js';
export { Subscription } from './subscription.js';
export { fate, retryDelay, type Close, type Fate } from './backoff.js';
export { TollgateError, type Retry } from '../shared/error.js';
export type { Counters, State } from './effects.js';
export type { ResumePoint } from './machine.js';
export type * from './types.js';
