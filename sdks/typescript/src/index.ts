//! Both halves. `tollgate/client` and `tollgate/server` are each of them alone.

export * from './client/index.js';
export * from './server/index.js';
