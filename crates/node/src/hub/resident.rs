//! The shard that a thread runs: what an operation on that thread asks of it is done at once, without a way through the inbox and back.
//!
//! Nothing is overtaken by it: what waits in the inbox is carried out first, or the request goes there, too. Not here: how the shard is reached, which is
//! the business of whoever runs it.

use std::cell::RefCell;
use std::rc::Rc;

use super::{Hub, Request, ShardIndex};

/// Whoever runs a shard on this thread.
pub trait Resident {
    /// Carries out what waits in the shard's inbox, and then this. Gives it back when it is for another shard or hub, or when it must wait: the shard is at
    /// work, takes no requests now, or has taken as many as it does in one turn.
    fn take(&self, hub: &Hub, shard: ShardIndex, request: Request) -> Option<Request>;
}

thread_local! {
    static RESIDENT: RefCell<Option<Rc<dyn Resident>>> = const { RefCell::new(None) };
}

/// From now on operations on this thread ask `resident` first.
pub fn reside(resident: Rc<dyn Resident>) {
    RESIDENT.set(Some(resident));
}

/// Gives a request to the shard of this thread; back when it does not take it.
pub(super) fn take(hub: &Hub, shard: ShardIndex, request: Request) -> Option<Request> {
    let resident = RESIDENT.try_with(|resident| resident.borrow().clone()).ok().flatten();
    match resident {
        Some(resident) => resident.take(hub, shard, request),
        None => Some(request),
    }
}
