//! `tollgate/server`: for backends. The key it needs must never reach a browser.

export { Server } from './server.js';
export { Tickets, Tokens, Users } from './tokens.js';
export { Channels } from './channels.js';
export { TollgateError, type Retry } from '../shared/error.js';
export type { Page, ServerOptions } from './http.js';
export type * from './types.js';
