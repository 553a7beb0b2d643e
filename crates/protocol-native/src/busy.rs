//! What a connection holds while something is outstanding: requests without a reply, replies that wait for that of `connect`, channels that
//! still have to begin again. An idle connection has none of it. Each list has a limit, and being over it is an answer, never a silent drop.

use bytes::Bytes;
use tollgate_core::ids::ChannelId;
use tollgate_protocol::RequestNumber;

use crate::wire::REQUESTS_MAX;

/// Most bytes in requests on their way.
pub(crate) const REQUEST_BYTES_MAX: usize = 8 * 1024 * 1024;

/// What kind of request is on its way: decides what its outcome means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Connect,
    Renew,
    Subscribe,
    Unsubscribe,
    Other,
}

/// A request on its way.
#[derive(Debug)]
pub(crate) struct Pending {
    /// The client's id for it; 0 where there is none (event streams).
    pub(crate) id: u32,
    pub(crate) number: RequestNumber,
    pub(crate) kind: Kind,
    /// Of a subscribe or unsubscribe: the channel.
    pub(crate) channel: Box<str>,
    /// Of a subscribe: whether something of the past was asked for.
    pub(crate) wants_past: bool,
    /// The operation has answered; the news of the subscription is to come.
    pub(crate) performed: bool,
    /// The client has its reply; the operation's answer is to come.
    pub(crate) told: bool,
    pub(crate) bytes: usize,
}

/// Everything outstanding of one connection.
#[derive(Debug, Default)]
pub(crate) struct Busy {
    pending: Vec<Pending>,
    bytes: usize,
    /// Replies that may not come before that of `connect`, with the ids of their requests.
    early: Vec<(u32, Bytes)>,
    /// Channels that were in `positions` and have not begun yet.
    pub(crate) resuming: Vec<ChannelId>,
}

/// There is no room.
#[derive(Debug)]
pub(crate) struct Full;

impl Busy {
    pub(crate) fn is_empty(&self) -> bool {
        self.pending.is_empty() && self.early.is_empty() && self.resuming.is_empty()
    }

    /// Whether a request with this id has no reply yet.
    pub(crate) fn has(&self, id: u32) -> bool {
        self.pending.iter().any(|pending| pending.id == id && !pending.told)
            || self.early.iter().any(|(early, _)| *early == id)
    }

    /// Whether one more request would be too many.
    pub(crate) fn is_full(&self) -> bool {
        let unanswered = self.pending.iter().filter(|pending| !pending.told).count() + self.early.len();
        unanswered >= REQUESTS_MAX || self.pending.len() >= 2 * REQUESTS_MAX
    }

    /// Notes a request that is about to be performed.
    pub(crate) fn begin(&mut self, pending: Pending) -> Result<(), Full> {
        if self.is_full() || (self.bytes > 0 && self.bytes + pending.bytes > REQUEST_BYTES_MAX) {
            return Err(Full);
        }
        self.bytes += pending.bytes;
        self.pending.push(pending);
        Ok(())
    }

    /// The request with this number, whose operation has answered.
    pub(crate) fn answered(&mut self, number: RequestNumber) -> Option<Pending> {
        let place = self.pending.iter().position(|pending| pending.number == number && !pending.performed)?;
        Some(self.remove(place))
    }

    fn remove(&mut self, place: usize) -> Pending {
        let pending = self.pending.remove(place);
        self.bytes -= pending.bytes;
        pending
    }

    /// A subscribe that was performed goes on waiting for the news of its subscription.
    pub(crate) fn wait(&mut self, mut pending: Pending) {
        self.bytes += pending.bytes;
        pending.performed = true;
        self.pending.push(pending);
    }

    /// The channel is subscribed to now: the id of the request that waited for this, if one did. `is_past` says whether the news tells of the past.
    pub(crate) fn subscribed(&mut self, channel: &str, is_past: bool) -> Option<u32> {
        let waits = |pending: &Pending| {
            pending.kind == Kind::Subscribe
                && !pending.told
                && &*pending.channel == channel
                && pending.wants_past == is_past
        };
        // What was performed is older than what was not.
        let place = self.pending.iter().position(|pending| waits(pending) && pending.performed);
        let place = place.or_else(|| self.pending.iter().position(waits))?;
        Some(self.tell(place))
    }

    /// The client gets the reply of this request now; its id is free again.
    fn tell(&mut self, place: usize) -> u32 {
        let id = self.pending[place].id;
        if self.pending[place].performed {
            self.remove(place);
        } else {
            self.pending[place].told = true;
        }
        id
    }

    /// The channel will not begin: the id of a subscribe that waits for it. Those that were performed first; of the others only with `any`.
    pub(crate) fn ended(&mut self, channel: &str, any: bool) -> Option<u32> {
        let waits =
            |pending: &Pending| pending.kind == Kind::Subscribe && !pending.told && &*pending.channel == channel;
        let performed = self.pending.iter().position(|pending| waits(pending) && pending.performed);
        let place = performed.or_else(|| any.then(|| self.pending.iter().position(waits)).flatten())?;
        Some(self.tell(place))
    }

    /// Takes a channel off the list of those that still have to begin again.
    pub(crate) fn resumed(&mut self, channel: &str) -> bool {
        let place = self.resuming.iter().position(|one| one.as_str() == channel);
        place.map(|place| self.resuming.swap_remove(place)).is_some()
    }

    /// Keeps a reply until that of `connect` is out. The caller has asked whether there is room.
    pub(crate) fn keep_early(&mut self, id: u32, reply: Bytes) {
        self.early.push((id, reply));
    }

    /// The replies kept until now, in order.
    pub(crate) fn take_early(&mut self) -> Vec<(u32, Bytes)> {
        std::mem::take(&mut self.early)
    }
}
