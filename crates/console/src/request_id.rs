//! Ids of the console's requests: always of our making, and told from those of the API by how they begin.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Makes ids that no other request of this server has.
#[derive(Debug)]
pub(crate) struct RequestIds {
    instance: u32,
    made: AtomicU64,
}

impl RequestIds {
    pub(crate) fn new(instance: u32) -> Self {
        Self { instance, made: AtomicU64::new(0) }
    }

    pub(crate) fn next(&self) -> Arc<str> {
        format!("con-{:x}-{:x}", self.instance, self.made.fetch_add(1, Ordering::Relaxed) + 1).into()
    }
}
