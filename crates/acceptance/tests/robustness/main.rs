//! Bad input: every door gets what no proper client would send, answers or closes in its own words, and goes on serving.
//! That nothing panicked is checked by each server at its end.
#![allow(clippy::unwrap_used, clippy::disallowed_methods)]

mod bodies;
mod closing;
mod frames;
mod headers;
mod messages;
mod overload;
mod random;
mod urls;
