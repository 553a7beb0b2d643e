//! Hop's REST API, one folder a resource, one file a verb. What the socket shows of an operation is checked here too where
//! the operation is what matters; the rules of the socket itself are in `tests/leap`.
#![allow(clippy::unwrap_used)]

mod authorization;
mod channels;
mod general;
mod messages;
mod projects;
mod state;
mod stats;
mod subscribers;
mod tokens;
