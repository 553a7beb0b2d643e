//! Hop's Leap Edge socket. Every frame that any test here receives is held against the wire rules by the test client.
#![allow(clippy::unwrap_used, clippy::disallowed_methods)]

mod client_events;
mod ending;
mod expiry;
mod frames;
mod heartbeat;
mod identify;
mod ordering;
mod sessions;
mod slow;
mod subscribe;
mod unsubscribe;
mod upgrade;
