//! One shard's connections after the upgrade: the engine that moves them, and the tasks that wake it.
//!
//! Not here: HTTP, the handshake, and what a message means.

mod closing;
mod engine;
mod outlet;
mod perform;
mod reader;
mod runner;
mod table;
mod traffic;
mod watcher;

pub(crate) use engine::Engine;
pub(crate) use runner::{Inboxes, run};
