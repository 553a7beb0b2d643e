//! What a connection holds while something is outstanding: acks that wait, commands that are on their way, events that came before INIT.
//! An idle connection has none of it. Each queue has a limit, and being over it is an error for the caller, never a silent drop.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use bytes::Bytes;
use tollgate_core::clock::Monotonic;
use tollgate_core::command::Command;
use tollgate_core::ports::store::StateChange;
use tollgate_protocol::RequestNumber;

/// Most acks that wait at once. A client sends one heartbeat per interval and an ack waits a few milliseconds.
pub(crate) const ACKS_MAX: usize = 256;
/// Most events that a client may send between identify and INIT.
pub(crate) const EARLY_EVENTS_MAX: usize = 1_024;
/// Most bytes of them.
pub(crate) const EARLY_BYTES_MAX: usize = 64 * 1024;
/// Most commands on their way at once. Twice what a client with the most subscriptions can have open, merged as below.
pub(crate) const COMMANDS_MAX: usize = 4_096;
/// Most bytes in them.
pub(crate) const COMMAND_BYTES_MAX: usize = 8 * 1024 * 1024;
/// From this many commands on, a subscribe that an equal one on its way will answer is not performed again. After an outage Hop's client
/// repeats each subscribe about four times per second of outage, in one burst.
pub(crate) const MERGE_FROM: usize = 64;

/// What kind of command is on its way: decides what its outcome means to the client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Connect,
    Renew,
    Subscribe,
    Unsubscribe,
    Publish,
    SetState,
}

/// A command on its way.
#[derive(Debug)]
pub(crate) struct Pending {
    pub(crate) kind: Kind,
    /// The channel as the client spelled it; empty for a connect or a renewal.
    pub(crate) channel: Arc<str>,
    number: RequestNumber,
    bytes: usize,
}

impl Pending {
    /// What to remember of a command.
    pub(crate) fn of(number: RequestNumber, command: &Command) -> Self {
        let (kind, channel, payload): (Kind, &str, usize) = match command {
            Command::Connect { .. } => (Kind::Connect, "", 0),
            Command::Renew { token } => (Kind::Renew, "", token.expose().len()),
            Command::Subscribe { channel, .. } => (Kind::Subscribe, channel, 0),
            Command::Unsubscribe { channel } => (Kind::Unsubscribe, channel, 0),
            Command::Publish(message) => {
                (Kind::Publish, &message.channel, message.event.len() + message.data.as_str().len())
            }
            Command::SetState { channel, change: StateChange::Replace(state) | StateChange::Merge(state), .. } => {
                (Kind::SetState, channel, state.as_str().len())
            }
            // Leap has no words for these; nothing here makes them.
            Command::Batch(_)
            | Command::History { .. }
            | Command::Members { .. }
            | Command::SetMember { .. }
            | Command::Acknowledge { .. } => (Kind::Publish, "", 0),
        };
        Self { kind, channel: channel.into(), number, bytes: channel.len() + payload }
    }
}

/// Everything outstanding of one connection.
#[derive(Debug, Default)]
pub(crate) struct Busy {
    acks: VecDeque<(Monotonic, Bytes)>,
    commands: VecDeque<Pending>,
    command_bytes: usize,
    /// Channels whose last command on its way is a subscribe, with its number.
    subscribing: HashMap<Arc<str>, RequestNumber>,
    early: Vec<Box<str>>,
    early_bytes: usize,
}

/// A queue is at its limit.
#[derive(Debug)]
pub(crate) struct Full;

impl Busy {
    pub(crate) fn is_empty(&self) -> bool {
        self.acks.is_empty() && self.commands.is_empty() && self.early.is_empty()
    }

    /// Keeps an ack until `due`. Acks fall due in the order in which they were kept.
    pub(crate) fn keep_ack(&mut self, due: Monotonic, frame: Bytes) -> Result<(), Full> {
        if self.acks.len() >= ACKS_MAX {
            return Err(Full);
        }
        self.acks.push_back((due, frame));
        Ok(())
    }

    /// When the next ack is due.
    pub(crate) fn ack_at(&self) -> Option<Monotonic> {
        self.acks.front().map(|(due, _)| *due)
    }

    /// The next ack that is due by `now`.
    pub(crate) fn due_ack(&mut self, now: Monotonic) -> Option<Bytes> {
        self.acks.pop_front_if(|(due, _)| *due <= now).map(|(_, frame)| frame)
    }

    /// Keeps an event until the client has had INIT.
    pub(crate) fn keep_early(&mut self, d: &str) -> Result<(), Full> {
        if self.early.len() >= EARLY_EVENTS_MAX || self.early_bytes + d.len() > EARLY_BYTES_MAX {
            return Err(Full);
        }
        self.early_bytes += d.len();
        self.early.push(d.into());
        Ok(())
    }

    /// The events kept until now, in order.
    pub(crate) fn take_early(&mut self) -> Vec<Box<str>> {
        self.early_bytes = 0;
        std::mem::take(&mut self.early)
    }

    /// Whether the answer of a command on its way will also answer a subscribe to this channel, and there are enough of them to care.
    pub(crate) fn merges_subscribe(&self, channel: &str) -> bool {
        self.commands.len() >= MERGE_FROM && self.subscribing.contains_key(channel)
    }

    /// Notes a command that is about to be performed.
    pub(crate) fn begin(&mut self, pending: Pending) -> Result<(), Full> {
        if self.commands.len() >= COMMANDS_MAX || self.command_bytes + pending.bytes > COMMAND_BYTES_MAX {
            return Err(Full);
        }
        match pending.kind {
            Kind::Subscribe => _ = self.subscribing.insert(pending.channel.clone(), pending.number),
            Kind::Connect | Kind::Renew | Kind::Unsubscribe | Kind::Publish | Kind::SetState => {
                _ = self.subscribing.remove(&pending.channel)
            }
        }
        self.command_bytes += pending.bytes;
        self.commands.push_back(pending);
        Ok(())
    }

    /// The command with this number, which has been carried out. Answers come in order, so it is found at the front.
    pub(crate) fn end(&mut self, number: RequestNumber) -> Option<Pending> {
        let place = self.commands.iter().position(|pending| pending.number == number)?;
        let pending = self.commands.remove(place)?;
        self.command_bytes -= pending.bytes;
        if self.subscribing.get(&pending.channel) == Some(&number) {
            self.subscribing.remove(&pending.channel);
        }
        Some(pending)
    }
}
