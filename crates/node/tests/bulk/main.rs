//! Operations on many tokens: revocation and its order, batches, and jobs, over the store in memory and a clock of our own.
#![allow(clippy::unwrap_used)]

mod batches;
mod jobs;
mod revocation;
mod support;
