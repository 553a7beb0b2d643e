//! Every operation of `/v2`, as the running server's own document lists them: each caller who must not have it is refused, uniformly and
//! without effect, and each operation that changes something leaves exactly one entry in the audit log. A new operation is covered by
//! being described; it fails here until the table has a valid request for it.
#![allow(clippy::unwrap_used, clippy::disallowed_methods)]

mod audited;
mod document;
mod refused;
mod table;
mod things;
