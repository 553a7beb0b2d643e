//! Both halves. `tollgate/client` and `tollgate/server` are each of them alone; types that both have are under those names there.

export * from './client/index.js';
export { Server, Tickets, Tokens, Users, Channels } from './server/index.js';
export type { Page, ServerOptions, NewToken, Ticket, Token, User } from './server/index.js';
