//! The machine of one Leap connection: what it has been told, and what follows. Parsing is `frame`, spelling is `write`, the meaning of
//! outcomes is `outcome`; only order and time are here.

use std::sync::Arc;

use tollgate_core::clock::Monotonic;
use tollgate_core::command::{Command, Connected, Expiry, NewMessage, Notice, Reply};
use tollgate_core::limits::CHANNEL_ID_BYTES_MAX;
use tollgate_core::{CloseReason, Result};
use tollgate_protocol::{Dialect, Effect, ExpiryWatch, Frame, RequestNumber};

use crate::busy::{Busy, Full, Pending};
use crate::close::code_and_text;
use crate::config::{LeapConfig, MOVE_TO_BYTES_MAX};
use crate::frame::{Asked, ClientFrame, Refusal, event};
use crate::outcome::{Outcome, outcome};
use crate::write::{self, ErrorCode};

/// One connection that speaks Leap. An idle one holds nothing on the heap.
#[derive(Debug)]
pub struct LeapDialect {
    config: Arc<LeapConfig>,
    phase: Phase,
    /// When the client's last frame came.
    heard_at: Monotonic,
    /// When we last asked for a sign of life; that moment is also the tag.
    probed_at: Option<Monotonic>,
    /// The number of the last command.
    requests: u32,
    busy: Option<Box<Busy>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// The client has until then to identify itself.
    Opened { identify_by: Monotonic },
    /// It has; the answer is on its way.
    Identifying,
    /// The client has had INIT.
    Live { expiry: ExpiryWatch },
    /// A close was the last effect.
    Ended,
}

impl LeapDialect {
    /// A connection that has not been opened yet.
    #[must_use]
    pub fn new(config: Arc<LeapConfig>) -> Self {
        let never = Monotonic(u64::MAX);
        let phase = Phase::Opened { identify_by: never };
        Self { config, phase, heard_at: Monotonic(0), probed_at: None, requests: 0, busy: None }
    }

    fn busy(&mut self) -> &mut Busy {
        self.busy.get_or_insert_default()
    }

    /// Gives the memory back when nothing is outstanding.
    fn rest(&mut self) {
        if self.busy.as_ref().is_some_and(|busy| busy.is_empty()) {
            self.busy = None;
        }
    }

    /// Ends the connection. Hop's client, waiting for an ack on a closed socket, later writes to one that is not open yet and takes its
    /// process down: so whatever ack is outstanding goes first.
    fn end(&mut self, reason: CloseReason, text: Option<&'static str>, effects: &mut Vec<Effect>) {
        self.send_acks(Monotonic(u64::MAX), effects);
        self.busy = None;
        self.phase = Phase::Ended;
        let move_to = self.config.move_to.as_str();
        let moves = reason == CloseReason::Draining && (1..=MOVE_TO_BYTES_MAX).contains(&move_to.len());
        let (code, usual) = if moves { (4006, move_to) } else { code_and_text(reason) };
        effects.push(Effect::Close { code, text: text.unwrap_or(usual).to_owned(), reason });
    }

    fn send_acks(&mut self, now: Monotonic, effects: &mut Vec<Effect>) {
        while let Some(frame) = self.busy.as_mut().and_then(|busy| busy.due_ack(now)) {
            effects.push(Effect::Send(frame));
        }
    }

    fn frame(&mut self, now: Monotonic, frame: ClientFrame<'_>, effects: &mut Vec<Effect>) {
        match (frame, self.phase) {
            (ClientFrame::Heartbeat { tag }, _) => self.heartbeat(now, tag.as_deref(), effects),
            (ClientFrame::Identify { project, token }, Phase::Opened { .. }) => {
                self.phase = Phase::Identifying;
                self.perform(Command::Connect { project, token, resume: None }, effects);
            }
            (ClientFrame::Identify { .. }, _) => {
                self.end(CloseReason::InvalidPayload, Some("Invalid payload: already identified"), effects);
            }
            (ClientFrame::Renew { token }, Phase::Live { .. }) => self.perform(Command::Renew { token }, effects),
            (ClientFrame::Renew { .. }, Phase::Identifying) => {
                self.end(CloseReason::InvalidPayload, Some("Invalid payload: a renewal comes after INIT"), effects);
            }
            (ClientFrame::Event(_) | ClientFrame::Renew { .. }, Phase::Opened { .. } | Phase::Ended) => {
                self.end(CloseReason::NotIdentified, None, effects)
            }
            (ClientFrame::Event(d), Phase::Identifying) => {
                if let Err(Full) = self.busy().keep_early(d) {
                    self.end(
                        CloseReason::InvalidPayload,
                        Some("Invalid payload: too many events before INIT"),
                        effects,
                    );
                }
            }
            (ClientFrame::Event(d), _) => self.event(d, effects),
        }
    }

    fn heartbeat(&mut self, now: Monotonic, tag: Option<&str>, effects: &mut Vec<Effect>) {
        // Zero would be read as "no answer" in places, so what is unknown or immediate is spelled 1.
        let latency = |tag: &str| match self.probed_at {
            Some(probed_at) if tag == probed_at.0.to_string() => now.since(probed_at).max(1),
            Some(_) | None => 1,
        };
        let ack = write::ack(tag.map(|tag| (tag, latency(tag))));
        let due = now.plus(u64::from(self.config.ack_delay_ms));
        if let Err(Full) = self.busy().keep_ack(due, ack) {
            self.end(CloseReason::RateLimited, None, effects);
        }
    }

    /// An event of an identified client.
    fn event(&mut self, d: &str, effects: &mut Vec<Effect>) {
        match event(d) {
            Ok(Asked::Perform(command)) => self.perform(command, effects),
            Ok(Asked::PipeRoom(join_token)) => effects.push(Effect::Send(write::pipe_room_refused(&join_token))),
            Ok(Asked::Nothing) => {}
            Ok(Asked::UnknownEvent) => self.config.counters.unknown_events.one(),
            Ok(Asked::Malformed) => self.config.counters.malformed_events.one(),
            Err(Refusal { reason, text }) => self.end(reason, text, effects),
        }
    }

    fn perform(&mut self, command: Command, effects: &mut Vec<Effect>) {
        match &command {
            // No channel has such an id. Said here, so that no text without a limit is kept while a command is on its way.
            Command::Subscribe { channel, .. }
            | Command::Publish(NewMessage { channel, .. })
            | Command::SetState { channel, .. }
                if channel.len() > CHANNEL_ID_BYTES_MAX =>
            {
                effects.push(Effect::Send(write::refused(channel, ErrorCode::Unknown)));
                return;
            }
            Command::Unsubscribe { channel } if channel.len() > CHANNEL_ID_BYTES_MAX => return,
            Command::Subscribe { channel, .. } if self.busy().merges_subscribe(channel) => {
                self.config.counters.merged_subscribes.one();
                return;
            }
            Command::Connect { .. }
            | Command::Renew { .. }
            | Command::Subscribe { .. }
            | Command::Unsubscribe { .. }
            | Command::Publish(_)
            | Command::SetState { .. }
            | Command::Batch(_)
            | Command::History { .. }
            | Command::Members { .. }
            | Command::SetMember { .. }
            | Command::Acknowledge { .. } => {}
        }
        self.requests = self.requests.wrapping_add(1);
        let number = RequestNumber(self.requests);
        match self.busy().begin(Pending::of(number, &command)) {
            Ok(()) => effects.push(Effect::Perform(number, command)),
            Err(Full) => self.end(CloseReason::RateLimited, None, effects),
        }
    }

    fn init(&mut self, now: Monotonic, connected: &Connected, effects: &mut Vec<Effect>) {
        let mut expiry = ExpiryWatch::default();
        expiry.set(now, connected.token.as_ref().and_then(|token| token.expiry));
        self.phase = Phase::Live { expiry };
        effects.push(Effect::Send(write::init(connected)));
        for d in self.busy().take_early() {
            if self.phase != Phase::Ended {
                self.event(&d, effects);
            }
        }
    }

    fn renewed(&mut self, now: Monotonic, outcome: &Result<Option<Expiry>>, effects: &mut Vec<Effect>) {
        effects.push(Effect::Send(write::renewed(outcome)));
        if let (Phase::Live { expiry }, Ok(renewed)) = (&mut self.phase, outcome) {
            expiry.set(now, *renewed);
        }
    }

    /// Why the connection has to end by now, if it has to.
    fn overdue(&self, now: Monotonic) -> Option<CloseReason> {
        match self.phase {
            Phase::Opened { identify_by } if identify_by <= now => Some(CloseReason::IdentifyTimeout),
            Phase::Live { expiry } if expiry.has_ended(now) => Some(CloseReason::TokenExpired),
            Phase::Opened { .. } | Phase::Identifying | Phase::Live { .. } if self.idle_at() <= now => {
                Some(CloseReason::Idle)
            }
            Phase::Opened { .. } | Phase::Identifying | Phase::Live { .. } | Phase::Ended => None,
        }
    }

    fn idle_at(&self) -> Monotonic {
        self.heard_at.plus(self.config.silence_ms()).plus(u64::from(self.config.idle_grace_ms))
    }

    /// When to ask for a sign of life; nothing if that was done in this silence.
    fn probe_at(&self) -> Option<Monotonic> {
        let asked = self.probed_at.is_some_and(|probed_at| probed_at > self.heard_at);
        (!asked).then(|| self.heard_at.plus(self.config.silence_ms()))
    }
}

impl Dialect for LeapDialect {
    fn open(&mut self, now: Monotonic, effects: &mut Vec<Effect>) {
        self.heard_at = now;
        self.phase = Phase::Opened { identify_by: now.plus(u64::from(self.config.identify_timeout_ms)) };
        effects.push(Effect::Send(write::hello(self.config.heartbeat_interval_ms)));
    }

    fn receive(&mut self, now: Monotonic, frame: Frame<'_>, effects: &mut Vec<Effect>) {
        if self.phase == Phase::Ended {
            return;
        }
        self.heard_at = now;
        match ClientFrame::parse(frame) {
            Ok(frame) => self.frame(now, frame, effects),
            Err(Refusal { reason, text }) => self.end(reason, text, effects),
        }
        self.rest();
    }

    fn answer(&mut self, now: Monotonic, request: RequestNumber, result: Result<Reply>, effects: &mut Vec<Effect>) {
        if self.phase == Phase::Ended {
            return;
        }
        let Some(pending) = self.busy.as_mut().and_then(|busy| busy.end(request)) else {
            self.config.counters.strays.one();
            return;
        };
        match outcome(pending.kind, result) {
            Outcome::Init(connected) => self.init(now, &connected, effects),
            Outcome::Renewed(outcome) => self.renewed(now, &outcome, effects),
            Outcome::Nothing => {}
            Outcome::Refused => self.config.counters.refused_writes.one(),
            Outcome::Failed => self.config.counters.failed_writes.one(),
            Outcome::Unavailable(code) => effects.push(Effect::Send(write::refused(&pending.channel, code))),
            Outcome::Close(reason) => self.end(reason, None, effects),
        }
        self.rest();
    }

    fn notify(&mut self, now: Monotonic, notice: Notice, effects: &mut Vec<Effect>) {
        let Phase::Live { expiry } = &mut self.phase else {
            // Nothing but INIT may be a client's first word, and the caller promised to tell nothing before.
            self.config.counters.strays.one();
            return;
        };
        let mut frame = Vec::new();
        match notice {
            Notice::Subscribed(begun) => return effects.push(Effect::Send(write::available(&begun.channel))),
            Notice::ExpiryChanged(changed) => return expiry.set(now, changed),
            Notice::Expiring { .. } if !self.config.announce_expiry => return,
            Notice::Expiring { left_ms } => write::expiring(&mut frame, left_ms),
            Notice::Unsubscribed(channel) => write::ended(&mut frame, &channel, true),
            Notice::Direct(_, publication) => write::message(&mut frame, None, &publication),
        }
        effects.push(Effect::Send(frame.into()));
    }

    fn wake(&mut self, now: Monotonic, effects: &mut Vec<Effect>) {
        self.send_acks(now, effects);
        if let Some(reason) = self.overdue(now) {
            return self.end(reason, None, effects);
        }
        if let Phase::Live { expiry } = &mut self.phase
            && let Some(left_ms) = expiry.warning(now)
        {
            self.notify(now, Notice::Expiring { left_ms }, effects);
        }
        if self.phase != Phase::Ended && self.probe_at().is_some_and(|at| at <= now) {
            self.probed_at = Some(now);
            effects.push(Effect::Send(write::heartbeat(&now.0.to_string())));
        }
        self.rest();
    }

    fn wake_at(&self) -> Option<Monotonic> {
        let deadline = match self.phase {
            Phase::Opened { identify_by } => Some(identify_by),
            Phase::Identifying => None,
            Phase::Live { expiry } => expiry.wake_at(),
            Phase::Ended => return None,
        };
        let ack_at = self.busy.as_ref().and_then(|busy| busy.ack_at());
        [deadline, ack_at, self.probe_at(), Some(self.idle_at())].into_iter().flatten().min()
    }

    fn close(&mut self, _now: Monotonic, reason: CloseReason, effects: &mut Vec<Effect>) {
        if self.phase != Phase::Ended {
            self.end(reason, None, effects);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_connection_is_small() {
        assert!(size_of::<LeapDialect>() <= 96, "{} bytes", size_of::<LeapDialect>());
    }
}
