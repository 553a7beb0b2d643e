//! How a connection ends: our close frame behind what waits, theirs, then both directions of the stream, each within a deadline. An event stream
//! ends alike, but for the frames: it has a last event, and nothing is waited for but the end of the stream.

use tollgate_core::CloseReason;
use tollgate_node::hub::ConnectionKey;
use tollgate_protocol::Effect;

use super::engine::{Engine, wheel_key};
use super::outlet::Work;
use super::table::Closing;
use crate::events;
use crate::frame::{self, CloseFrame, Violation};

/// Codes that a protocol gives a meaning of its own (RFC 6455 section 7.4.2).
const OWN_CODES: std::ops::RangeInclusive<u16> = 4000..=4999;
/// The code of a close after which nobody means to come back (RFC 6455 section 7.4.1).
const CLOSE_NORMAL: u16 = 1000;

impl Engine {
    /// The dialect closes, by its own will or because it was told to.
    pub(super) fn close(&mut self, key: ConnectionKey, code: u16, text: &str, reason: CloseReason) {
        tracing::debug!(code, reason = reason.word(), "closing a connection");
        self.begin_close(key, Some(code), text, reason, false);
    }

    /// The peer broke the rules of framing: the gateway's own matter, in its own words. The dialect settles what is outstanding; if it has a
    /// code of its own for this, that one tells its clients whether to come back.
    pub(super) fn refuse(&mut self, key: ConnectionKey, violation: Violation) {
        self.counters.frames_invalid.one();
        let reason = match violation.close_code() {
            1007 => CloseReason::InvalidUtf8,
            1009 => CloseReason::MessageTooBig,
            1008 => CloseReason::RateLimited,
            _ => CloseReason::ProtocolError,
        };
        let own = self.settle_dialect(key, reason).filter(|code| OWN_CODES.contains(code));
        let code = own.unwrap_or(violation.close_code());
        tracing::debug!(%violation, code, "closing a connection that broke the rules of framing");
        self.begin_close(key, Some(code), &violation.to_string(), reason, true);
        // What it sends cannot be read any more, so its close frame is not waited for.
        self.note_peer_closed(key);
    }

    /// The peer's close frame: echoed, unless it answers ours.
    pub(super) fn peer_closed(&mut self, key: ConnectionKey, close: &CloseFrame<'_>) {
        if close.code == Some(CLOSE_NORMAL) {
            self.shard.says_goodbye(key);
        }
        self.begin_close(key, close.code, "", CloseReason::ClientGone, true);
        self.note_peer_closed(key);
    }

    fn note_peer_closed(&mut self, key: ConnectionKey) {
        let Some(connection) = self.table.get_mut(key) else { return };
        if let Some(closing) = &mut connection.rare_mut().closing {
            closing.peer_closed = true;
        }
        self.closing_goes_on(key);
    }

    /// Stops deliveries and puts our close frame behind what waits. Does nothing if that has happened already.
    fn begin_close(
        &mut self,
        key: ConnectionKey,
        code: Option<u16>,
        text: &str,
        reason: CloseReason,
        peer_closed: bool,
    ) {
        let deadline = self.now.plus(self.limits.write_stall_ms);
        let Some(connection) = self.table.get_mut(key) else { return };
        if connection.closing().is_some() {
            return;
        }
        self.counters.closed(reason).one();
        connection.dialect = None;
        connection.rare_mut().commands.clear();
        // The client of an event stream has no close frame to answer with.
        let peer_closed = peer_closed || connection.is_events;
        connection.rare_mut().closing = Some(Closing { deadline, peer_closed, is_sent: false, is_shut: false });
        let bytes = if connection.is_events {
            last_event(key, code, text, connection.take_unanswered())
        } else {
            let mut bytes = connection.take_switching();
            frame::encode_close(code, text, &mut bytes);
            bytes
        };
        let (shard, mut sockets) = self.split();
        shard.stop(key, reason, &mut sockets);
        self.send_bytes(key, &bytes.into());
        self.wheel.arm(wheel_key(key), deadline.0);
        self.closing_goes_on(key);
    }

    /// Takes the next steps of a close as far as they can be taken now. Called whenever something that it waits for has happened.
    pub(super) fn closing_goes_on(&mut self, key: ConnectionKey) {
        let deadline = self.now.plus(self.limits.close_deadline_ms);
        let Some(mut closing) = self.table.get(key).and_then(|connection| connection.closing()) else { return };
        if !closing.is_sent && self.is_flushed(key) {
            closing.is_sent = true;
            closing.deadline = deadline;
            let (shard, mut sockets) = self.split();
            shard.gone(key, &mut sockets);
        }
        let Some(connection) = self.table.get_mut(key) else { return };
        if closing.is_sent && closing.peer_closed && !closing.is_shut {
            closing.is_shut = true;
            connection.socket.shutdown();
        }
        connection.rare_mut().closing = Some(closing);
        self.wheel.arm(wheel_key(key), closing.deadline.0);
    }

    /// Whether everything that was sent to a connection has left this process.
    pub(super) fn is_flushed(&self, key: ConnectionKey) -> bool {
        self.shard.is_flushed(key) && self.table.get(key).is_none_or(|connection| !connection.socket.holds_back())
    }

    /// A closing connection's timer has fired.
    pub(super) fn closing_overdue(&mut self, key: ConnectionKey, closing: Closing) {
        if closing.deadline > self.now {
            return self.wheel.arm(wheel_key(key), closing.deadline.0);
        }
        self.counters.dropped_overdue.one();
        self.remove(key);
    }

    /// Lets the dialect say its last words, and drops the close that it wants: the gateway has its own words. The code that it wanted.
    fn settle_dialect(&mut self, key: ConnectionKey, reason: CloseReason) -> Option<u16> {
        let mut own = None;
        self.tell(key, |dialect, now, effects| {
            dialect.close(now, reason, effects);
            effects.retain(|effect| {
                if let Effect::Close { code, .. } = effect {
                    own = Some(*code);
                }
                !matches!(effect, Effect::Close { .. })
            });
        });
        // What the dialect said goes out before the close frame.
        let words = std::mem::take(&mut self.work);
        for (to, word) in words {
            match word {
                Work::Effect(Effect::Send(payload)) if to == key => self.send(key, frame::Opcode::Text, &payload),
                other => self.work.push_back((to, other)),
            }
        }
        own
    }
}

/// What an event stream ends with: its last event, or, where its request has no answer yet and coming back would not help, an error in place of
/// the stream.
fn last_event(key: ConnectionKey, code: Option<u16>, text: &str, is_unanswered: bool) -> Vec<u8> {
    let refusal = code.filter(|_| is_unanswered).and_then(|code| events::refusal(code, text));
    refusal.unwrap_or_else(|| {
        let head = if is_unanswered { events::HEAD } else { "" };
        [head.as_bytes(), &events::closed(code, text, key.slot.wrapping_add(key.generation))].concat()
    })
}
