//! The machine of one connection: what it has been told, and what follows. Parsing is `wire` and `read`, spelling is `write`, the meaning of
//! outcomes is `outcome`; only order and time are here.

use std::sync::Arc;

use bytes::Bytes;
use tollgate_core::clock::Monotonic;
use tollgate_core::command::{Command, Connected, Notice, Reply, StartFrom, SubscribeWish, Subscribed};
use tollgate_core::{CloseReason, Error, Result};
use tollgate_protocol::{Dialect, Effect, ExpiryWatch, Frame, RequestNumber};

use crate::busy::{Busy, Full, Kind, Pending};
use crate::close::{code_and_text, refused_connect};
use crate::config::NativeConfig;
use crate::outcome::{Failure, Outcome, outcome};
use crate::sse::{self, SSE_SUBSCRIBES_MAX, SseChannel, SseStart};
use crate::wire::{ClientFrame, CloseCode, ErrorCode, Malformed, PING, REQUESTS_MAX, Request};
use crate::{read, write};

/// One connection that speaks `tollgate.v1`. An idle one holds nothing on the heap.
#[derive(Debug)]
pub struct NativeDialect {
    config: Arc<NativeConfig>,
    phase: Phase,
    /// When the client's last frame came.
    heard_at: Monotonic,
    /// When to ping next.
    ping_at: Monotonic,
    /// The number of the last command.
    requests: u32,
    form: Form,
    busy: Option<Box<Busy>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// The client has until then to connect.
    Opened { connect_by: Monotonic },
    /// It asked to; the answer is on its way.
    Connecting,
    /// It is connected.
    Live { expiry: ExpiryWatch },
    /// A close was the last effect.
    Ended,
}

/// How words become bytes.
#[derive(Debug)]
enum Form {
    /// Each is a message of a WebSocket; requests come by the same way.
    Socket,
    /// Each is an event of a stream; what is asked for was said when it was opened, and is kept until it is carried out.
    Stream(Option<Box<SseStart>>),
}

impl NativeDialect {
    /// A WebSocket that has not been opened yet.
    #[must_use]
    pub fn new(config: Arc<NativeConfig>) -> Self {
        Self::of(config, Form::Socket)
    }

    /// An event stream that has not been opened yet. What it sends is the stream's text. Channels beyond [`SSE_SUBSCRIBES_MAX`] are left out.
    #[must_use]
    pub fn stream(config: Arc<NativeConfig>, mut start: SseStart) -> Self {
        start.channels.truncate(SSE_SUBSCRIBES_MAX);
        Self::of(config, Form::Stream(Some(Box::new(start))))
    }

    fn of(config: Arc<NativeConfig>, form: Form) -> Self {
        let never = Monotonic(u64::MAX);
        let phase = Phase::Opened { connect_by: never };
        Self { config, phase, heard_at: Monotonic(0), ping_at: never, requests: 0, form, busy: None }
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

    const fn is_stream(&self) -> bool {
        matches!(self.form, Form::Stream(_))
    }

    fn end(&mut self, reason: CloseReason, effects: &mut Vec<Effect>) {
        let (code, text) = code_and_text(reason);
        self.end_with(code, text, reason, effects);
    }

    fn end_with(&mut self, code: u16, text: &str, reason: CloseReason, effects: &mut Vec<Effect>) {
        self.busy = None;
        self.phase = Phase::Ended;
        effects.push(Effect::Close { code, text: text.to_owned(), reason });
    }

    /// A frame that is not of the page.
    fn violation(&mut self, text: &str, effects: &mut Vec<Effect>) {
        self.end_with(CloseCode::Protocol.code(), text, CloseReason::InvalidPayload, effects);
    }

    fn push(&self, kind: &str, frame: Bytes, effects: &mut Vec<Effect>) {
        effects.push(Effect::Send(match self.form {
            Form::Socket => frame,
            Form::Stream(_) => {
                let mut out = Vec::new();
                sse::event(&mut out, None, kind, &frame);
                out.into()
            }
        }));
    }

    /// The reply to a request. Nothing is answered before `connect` is. Streams know no request, and tell what comes of it.
    fn reply(&mut self, id: u32, reply: Bytes, effects: &mut Vec<Effect>) {
        if self.is_stream() {
            return;
        }
        if self.phase == Phase::Connecting {
            self.busy().keep_early(id, reply);
        } else {
            effects.push(Effect::Send(reply));
        }
    }

    /// The request was not done. `channel` is what it was about, for streams, which know no request.
    fn fail(&mut self, id: u32, channel: &str, failure: &Failure, effects: &mut Vec<Effect>) {
        if self.is_stream() {
            self.push("refused", write::refused(channel, failure), effects);
        } else {
            self.reply(id, write::error(id, failure), effects);
        }
    }

    fn frame(&mut self, now: Monotonic, frame: ClientFrame<'_>, effects: &mut Vec<Effect>) {
        let ClientFrame::Request(id, request) = frame else { return };
        let is_connect = matches!(request, Ok(Request::Connect(_)));
        match (self.phase, &request) {
            (Phase::Opened { .. }, Ok(Request::Connect(_))) => {
                self.phase = Phase::Connecting;
                self.ping_at = now.plus(self.config.ping_ms() / 2);
            }
            // Said, because who writes a client begins with this frame.
            (Phase::Opened { .. }, Err(Malformed::Body(why))) => {
                effects.push(Effect::Send(write::error(id, &Failure::new(ErrorCode::InvalidBody, why.clone()))));
                return self.violation("The first request is connect, as the page says", effects);
            }
            (Phase::Opened { .. }, _) => return self.end(CloseReason::NotIdentified, effects),
            (_, Ok(Request::Connect(_))) => return self.violation("This connection is connected already", effects),
            (Phase::Connecting | Phase::Live { .. } | Phase::Ended, _) => {}
        }
        if self.busy().has(id) {
            return self.violation("An unanswered request has this id", effects);
        }
        if self.busy().is_full() {
            return self.over(id, effects);
        }
        let failure = match request {
            Ok(request) => match read::command(request) {
                Ok(command) => return self.perform(id, command, effects),
                Err(error) if is_connect => return self.not_connected(id, error, effects),
                Err(error) => error.into(),
            },
            Err(Malformed::Unknown) => {
                self.config.counters.unknown_requests.one();
                Failure::new(ErrorCode::UnknownRequest, format!("The requests are {}.", Request::NAMES.join(", ")))
            }
            Err(Malformed::Body(why)) => {
                self.config.counters.malformed_requests.one();
                Failure::new(ErrorCode::InvalidBody, why)
            }
        };
        self.fail(id, "", &failure, effects);
    }

    /// There are too many requests without an answer. Where replies have to wait, there is no room for one more of them either.
    fn over(&mut self, id: u32, effects: &mut Vec<Effect>) {
        self.config.counters.refused_requests.one();
        if self.phase == Phase::Connecting {
            return self.end(CloseReason::RateLimited, effects);
        }
        let why = format!("At most {REQUESTS_MAX} requests, or 8 MiB of them, may wait for an answer; wait for one.");
        self.fail(id, "", &Failure::new(ErrorCode::RateLimited, why), effects);
    }

    fn perform(&mut self, id: u32, command: Command, effects: &mut Vec<Effect>) {
        let (kind, channel, wants_past): (Kind, &str, bool) = match &command {
            Command::Connect { .. } => (Kind::Connect, "", false),
            Command::Renew { .. } => (Kind::Renew, "", false),
            Command::Subscribe { channel, wish } => {
                (Kind::Subscribe, channel, wish.as_ref().is_some_and(|wish| wish.from.is_some()))
            }
            Command::Unsubscribe { channel } => (Kind::Unsubscribe, channel, false),
            Command::Publish(_)
            | Command::Batch(_)
            | Command::SetState { .. }
            | Command::History { .. }
            | Command::Members { .. }
            | Command::Acknowledge { .. } => (Kind::Other, "", false),
            Command::SetMember { channel, .. } => (Kind::Other, channel, false),
        };
        self.requests = self.requests.wrapping_add(1);
        let number = RequestNumber(self.requests);
        let pending = Pending {
            id,
            number,
            kind,
            channel: channel.into(),
            wants_past,
            performed: false,
            told: false,
            bytes: read::bytes(&command),
        };
        match self.busy().begin(pending) {
            Ok(()) => effects.push(Effect::Perform(number, command)),
            Err(Full) => self.over(id, effects),
        }
    }

    fn not_connected(&mut self, id: u32, error: Error, effects: &mut Vec<Effect>) {
        let (close, reason) = refused_connect(error.kind);
        let text = close.word();
        // A stream that never began is answered for by whoever carries it, from the code.
        if !self.is_stream() {
            effects.push(Effect::Send(write::error(id, &error.into())));
        }
        self.end_with(close.code(), text, reason, effects);
    }

    fn connected(&mut self, now: Monotonic, id: u32, connected: &Connected, effects: &mut Vec<Effect>) {
        let mut expiry = ExpiryWatch::default();
        expiry.set(now, connected.token.as_ref().and_then(|token| token.expiry));
        self.phase = Phase::Live { expiry };
        let resuming = connected.channels.iter().filter(|one| one.is_resuming);
        self.busy().resuming = resuming.map(|one| one.channel.channel.clone()).collect();
        let body = write::connected(&self.config, connected);
        if !self.is_stream() {
            effects.push(Effect::Send(write::ok(id, &body)));
            effects.extend(self.busy().take_early().into_iter().map(|(_, reply)| Effect::Send(reply)));
            return;
        }
        self.push("connected", write::push("connected", &body), effects);
        let Form::Stream(start) = &mut self.form else { return };
        let Some(start) = start.take() else { return };
        for wanted in start.channels {
            let held = connected.channels.iter().find(|one| one.channel.channel.as_str() == wanted.channel);
            // A token is in its channels already, and a position and the wish to watch have been said with the connect.
            let is_settled = held.is_some_and(|held| wanted.wish.from.is_none() || held.is_resuming);
            let SseChannel { channel, wish } = wanted;
            if !is_settled {
                let wish = (wish != SubscribeWish::default()).then(|| Box::new(wish));
                self.perform(0, Command::Subscribe { channel, wish }, effects);
            } else if wish.data.is_some() {
                self.perform(0, Command::SetMember { channel, data: wish.data }, effects);
            }
        }
    }

    /// A subscription begins. Told as the reply to who asked for it, or else as news.
    fn subscribed(&mut self, subscribed: &Subscribed, effects: &mut Vec<Effect>) {
        let channel = subscribed.channel.channel.as_str();
        let mut body = Vec::new();
        write::subscribed(&mut body, subscribed);
        let asked = if self.busy().resumed(channel) {
            None
        } else {
            self.busy().subscribed(channel, subscribed.recovered.is_some())
        };
        match asked {
            Some(id) if !self.is_stream() => effects.push(Effect::Send(write::ok(id, &body))),
            Some(_) | None => self.push("subscribed", write::push("subscribed", &body), effects),
        }
    }

    /// A subscription has ended, or will not begin.
    fn unsubscribed(&mut self, channel: &tollgate_core::ids::ChannelId, effects: &mut Vec<Effect>) {
        let was_resuming = self.busy().resumed(channel.as_str());
        let failure =
            Failure::new(ErrorCode::NotFound, format!("There is no channel {channel}, or it ended meanwhile."));
        let mut any = !was_resuming;
        let mut is_answer = false;
        while let Some(id) = self.busy().ended(channel.as_str(), any) {
            any = false;
            is_answer = true;
            self.fail(id, channel.as_str(), &failure, effects);
        }
        if !is_answer {
            let mut frame = Vec::new();
            write::unsubscribed(&mut frame, channel, "ended");
            self.push("unsubscribed", frame.into(), effects);
        }
    }

    /// This connection has left the channel: what waited to enter it before does not.
    fn left(&mut self, pending: &Pending, effects: &mut Vec<Effect>) {
        self.busy().resumed(&pending.channel);
        let failure = Failure::new(ErrorCode::NotSubscribed, "The subscription was ended before it began.");
        while let Some(id) = self.busy().ended(&pending.channel, false) {
            self.fail(id, &pending.channel, &failure, effects);
        }
        effects.push(Effect::Send(write::ok(pending.id, b"")));
    }

    /// Why the connection has to end by now, if it has to.
    fn overdue(&self, now: Monotonic) -> Option<CloseReason> {
        match self.phase {
            Phase::Opened { connect_by } if connect_by <= now => Some(CloseReason::IdentifyTimeout),
            Phase::Live { expiry } if expiry.has_ended(now) => Some(CloseReason::TokenExpired),
            Phase::Connecting | Phase::Live { .. } if self.idle_at().is_some_and(|at| at <= now) => {
                Some(CloseReason::Idle)
            }
            Phase::Opened { .. } | Phase::Connecting | Phase::Live { .. } | Phase::Ended => None,
        }
    }

    /// When a client that stays silent is dead. A stream's client says nothing in its life.
    fn idle_at(&self) -> Option<Monotonic> {
        (!self.is_stream()).then(|| self.heard_at.plus(self.config.silence_ms()))
    }
}

impl Dialect for NativeDialect {
    fn open(&mut self, now: Monotonic, effects: &mut Vec<Effect>) {
        self.heard_at = now;
        self.phase = Phase::Opened { connect_by: now.plus(u64::from(self.config.connect_timeout_ms)) };
        let Form::Stream(Some(start)) = &mut self.form else { return };
        let mut resume = std::mem::take(&mut start.resume);
        for SseChannel { channel, wish } in &start.channels {
            if let Some(StartFrom::Position(position)) = wish.from {
                resume.positions.retain(|(other, _)| other != channel);
                resume.positions.push((channel.clone(), position));
            }
            if wish.watches && !resume.watches.contains(channel) {
                resume.watches.push(channel.clone());
            }
        }
        let (project, token) = (std::mem::take(&mut start.project), start.token.take());
        self.phase = Phase::Connecting;
        self.ping_at = now.plus(self.config.ping_ms() / 2);
        self.perform(0, Command::Connect { project, token, resume: Some(Box::new(resume)) }, effects);
    }

    fn receive(&mut self, now: Monotonic, frame: Frame<'_>, effects: &mut Vec<Effect>) {
        if self.phase == Phase::Ended {
            return;
        }
        if self.is_stream() {
            self.config.counters.strays.one();
            return;
        }
        self.heard_at = now;
        match frame {
            Frame::Text(text) => match ClientFrame::parse(text) {
                Some(frame) => self.frame(now, frame, effects),
                None => self.end(CloseReason::InvalidPayload, effects),
            },
            Frame::Binary(_) => self.violation("Frames are text messages", effects),
        }
        self.rest();
    }

    fn answer(&mut self, now: Monotonic, request: RequestNumber, result: Result<Reply>, effects: &mut Vec<Effect>) {
        if self.phase == Phase::Ended {
            return;
        }
        let Some(pending) = self.busy.as_mut().and_then(|busy| busy.answered(request)) else {
            self.config.counters.strays.one();
            return;
        };
        let is_told = pending.told;
        match outcome(pending.kind, result) {
            Outcome::Nonsense => self.end(CloseReason::Internal, effects),
            _ if is_told => {}
            Outcome::Connected(connected) => self.connected(now, pending.id, &connected, effects),
            Outcome::NotConnected(error) => self.not_connected(pending.id, error, effects),
            Outcome::Renewed(renewed) => {
                if let Phase::Live { expiry } = &mut self.phase {
                    expiry.set(now, renewed.token.expiry);
                }
                self.reply(pending.id, write::ok(pending.id, &write::renewed(&renewed)), effects);
            }
            Outcome::Waits => self.busy().wait(pending),
            Outcome::Left => self.left(&pending, effects),
            Outcome::Ok(body) => self.reply(pending.id, write::ok(pending.id, &body), effects),
            Outcome::Failed(failure) => self.fail(pending.id, &pending.channel, &failure, effects),
        }
        self.rest();
    }

    fn notify(&mut self, now: Monotonic, notice: Notice, effects: &mut Vec<Effect>) {
        let Phase::Live { expiry } = &mut self.phase else {
            // Nothing comes before the reply to `connect`, and the caller promised to tell nothing before.
            self.config.counters.strays.one();
            return;
        };
        match notice {
            Notice::Subscribed(subscribed) => self.subscribed(&subscribed, effects),
            Notice::Unsubscribed(channel) => self.unsubscribed(&channel, effects),
            Notice::ExpiryChanged(changed) => expiry.set(now, changed),
            Notice::Expiring { left_ms } => self.push("expiring", write::expiring(left_ms), effects),
            Notice::Direct(position, publication) => {
                let mut frame = Vec::new();
                write::direct(&mut frame, position, &publication);
                self.push("direct", frame.into(), effects);
            }
        }
        self.rest();
    }

    fn wake(&mut self, now: Monotonic, effects: &mut Vec<Effect>) {
        if let Some(reason) = self.overdue(now) {
            return self.end(reason, effects);
        }
        if let Phase::Live { expiry } = &mut self.phase
            && let Some(left_ms) = expiry.warning(now)
        {
            self.push("expiring", write::expiring(left_ms), effects);
        }
        if self.ping_at <= now && self.phase != Phase::Ended {
            self.ping_at = now.plus(self.config.ping_ms());
            effects.push(Effect::Send(match self.form {
                Form::Socket => Bytes::from_static(PING.as_bytes()),
                Form::Stream(_) => Bytes::from_static(sse::PING),
            }));
        }
    }

    fn wake_at(&self) -> Option<Monotonic> {
        match self.phase {
            Phase::Opened { connect_by } => Some(connect_by),
            Phase::Connecting => self.idle_at().into_iter().chain([self.ping_at]).min(),
            Phase::Live { expiry } => self.idle_at().into_iter().chain(expiry.wake_at()).chain([self.ping_at]).min(),
            Phase::Ended => None,
        }
    }

    fn close(&mut self, _now: Monotonic, reason: CloseReason, effects: &mut Vec<Effect>) {
        if self.phase != Phase::Ended {
            self.end(reason, effects);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_connection_is_small() {
        assert!(size_of::<NativeDialect>() <= 96, "{} bytes", size_of::<NativeDialect>());
    }
}
