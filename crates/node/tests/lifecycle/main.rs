//! The life of a token as the operations have it, and that of what channels keep: over the store in memory, with a clock that tests own and connections driven by hand.
#![allow(clippy::unwrap_used)]

mod bench;
mod capabilities;
mod change;
mod connections;
mod create;
mod direct_fates;
mod explain;
mod explain_hook;
mod fates;
mod find;
mod histories;
mod hooks;
mod issuers;
mod mailbox;
mod presence;
mod read;
mod refusals;
mod renew;
mod rotate;
mod search;
mod signing;
mod tickets;
