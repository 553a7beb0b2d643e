//! Hop's REST API under `/v1`: one file per resource, a handler is context, call, wrap. What is *not* here: Hop's other
//! products, and its users (only project keys exist).

pub(crate) mod channels;
pub(crate) mod messages;
pub(crate) mod projects;
pub(crate) mod render;
pub(crate) mod state;
pub(crate) mod subscribers;
pub(crate) mod tokens;
