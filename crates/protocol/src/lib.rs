//! The Dialect seam: a wire protocol as a pure machine, one per connection.
//!
//! A dialect never waits, never reads a clock and never touches a socket. It is told what happened and what time it is, and it
//! appends what should follow to a list of [`Effect`]s that the caller hands in; the caller carries them out in that order.
//! Handing the list in, instead of queueing inside and being polled, keeps the order in the caller's hands.

mod expiry;
pub mod transcript;

pub use expiry::ExpiryWatch;

use bytes::Bytes;
use tollgate_core::clock::Monotonic;
use tollgate_core::command::{Command, Notice, Reply};
use tollgate_core::{CloseReason, Result};

/// One whole message from the client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Frame<'a> {
    /// A text message.
    Text(&'a str),
    /// A binary message.
    Binary(&'a [u8]),
}

/// Which command an answer belongs to. Numbers count from 1 on each connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RequestNumber(pub u32);

/// What should follow from what the dialect was told.
#[derive(Debug)]
pub enum Effect {
    /// Send this text message to the client.
    Send(Bytes),
    /// Send this binary message to the client.
    SendBinary(Bytes),
    /// Ask the operations for this; the answer comes back through [`Dialect::answer`]. Commands of one connection are carried out one after
    /// another, in order.
    Perform(RequestNumber, Command),
    /// Close the connection with this code and text (at most 123 bytes), after what was sent before. Nothing may follow.
    Close {
        /// The code for the WebSocket close frame.
        code: u16,
        /// The text for it.
        text: String,
        /// Why, for logs and metrics.
        reason: CloseReason,
    },
}

/// A wire protocol's machine for one connection.
///
/// Contract:
/// - `open` is the first call, once. After an [`Effect::Close`] no method but `wake_at` is called again.
/// - Every [`Effect::Perform`] is answered exactly once, unless the connection ends before.
/// - Nothing about a channel is sent before the dialect has told its client of the subscription ([`Reply::Connected`], [`Notice::Subscribed`]).
/// - The caller calls `wake` at or after `wake_at`, never before; deadlines that moved are read again after each call.
/// - No input makes a dialect panic; what is not allowed becomes an answer or a close in the protocol's own words.
pub trait Dialect: Send {
    /// The connection is up.
    fn open(&mut self, now: Monotonic, effects: &mut Vec<Effect>);
    /// The client sent a message.
    fn receive(&mut self, now: Monotonic, frame: Frame<'_>, effects: &mut Vec<Effect>);
    /// A command was carried out.
    fn answer(&mut self, now: Monotonic, request: RequestNumber, result: Result<Reply>, effects: &mut Vec<Effect>);
    /// Something reached this connection.
    fn notify(&mut self, now: Monotonic, notice: Notice, effects: &mut Vec<Effect>);
    /// The time asked for by `wake_at` has come.
    fn wake(&mut self, now: Monotonic, effects: &mut Vec<Effect>);
    /// The next moment at which the dialect wants to be woken.
    fn wake_at(&self) -> Option<Monotonic>;
    /// The server ends the connection: the dialect settles what is outstanding and appends the [`Effect::Close`] with its own code.
    fn close(&mut self, now: Monotonic, reason: CloseReason, effects: &mut Vec<Effect>);
}
