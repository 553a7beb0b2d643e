//! A client without sockets, timers and futures: time and what happened come in, effects go out on a list. docs/sdk/rust.md has its states;
//! docs/protocol/native.md says what each frame means. The same machine as the TypeScript SDK's, in Rust.

use serde_json::value::RawValue;
use tollgate_protocol_native::wire::{
    self, CloseAdvice, Push, REQUESTS_MAX, Request, Retry, Secret, ServerFrame, reconnect_delay_ms,
};

use crate::calls::{Call, Calls, For, NEVER};
use crate::channels::Channels;
use crate::position::{Judgement, judge};
use crate::{Counters, Direct, DirectMessage, Error, Event, Payload, Position, Refusal, ResumePoint, State};

/// From opening a connection to the reply to `connect`, in milliseconds.
const CONNECT_MS: u64 = 15_000;
/// A connection that lasted so long makes the count of tries start again, in milliseconds.
const LASTED_MS: u64 = 10_000;
/// The most bytes of a message until the server says how many.
const MESSAGE_BYTES: u64 = 1024 * 1024;
/// What a request may have beside the data of a message, in bytes.
const FRAME_BYTES_MORE: u64 = 4_096;
/// How we name an end that no close frame told.
pub(crate) const BROKEN: u16 = 1006;
/// The end from the client's own side.
pub(crate) const NORMAL: u16 = 1000;

/// What the machine wants done, in order. Who does it is the shell.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Effect {
    /// Ask the token provider; answer with `provided`.
    AskToken,
    /// Make a connection; answer with `opened`, `frame`, `lost` and this number.
    Open(u64),
    Send(u64, String),
    /// Close it; nothing more is wanted of it.
    Close(u64, u16),
    State(State, Option<Error>),
    /// The application's call with this number came to its end: the reply's text, or why not.
    Settle(u64, Result<String, Error>),
    Tell(String, Event),
    TellDirect(Direct),
}

/// What a client is made with.
#[derive(Default)]
pub(crate) struct Setup {
    pub(crate) project: String,
    /// A fixed token.
    pub(crate) token: Option<String>,
    /// A provider is asked for tokens.
    pub(crate) has_provider: bool,
    /// What it gives are tickets: each for one try.
    pub(crate) is_ticket: bool,
    pub(crate) data: Option<Payload>,
    pub(crate) queue_limit: usize,
    pub(crate) token_timeout_ms: u64,
    pub(crate) resume: ResumePoint,
}

pub(crate) struct Machine {
    pub(crate) channels: Channels,
    setup: Setup,
    random: fn() -> f64,
    state: State,
    effects: Vec<Effect>,
    calls: Calls,
    sockets: u64,
    /// The one that is in use, or 0.
    socket: u64,
    heard_at: u64,
    silence_ms: u64,
    deadline: u64,
    connected_at: u64,
    tries: u32,
    /// Why `connect` was refused, until the close that follows.
    refusal: Option<Error>,
    secret: Option<String>,
    secret_ends_at: u64,
    is_asking: bool,
    renew_at: u64,
    renew_tries: u32,
    session: Option<String>,
    direct: Option<Position>,
    requests_max: usize,
    message_bytes_max: u64,
}

impl Machine {
    /// `random` draws from 0 to below 1.
    pub(crate) fn new(mut setup: Setup, random: fn() -> f64) -> Self {
        let mut channels = Channels::default();
        let resume = std::mem::take(&mut setup.resume);
        channels.seed(resume.positions);
        Self {
            channels,
            random,
            state: State::Idle,
            effects: Vec::new(),
            calls: Calls::new(setup.queue_limit),
            sockets: 0,
            socket: 0,
            heard_at: 0,
            silence_ms: CONNECT_MS,
            deadline: NEVER,
            connected_at: 0,
            tries: 0,
            refusal: None,
            secret: setup.token.clone(),
            secret_ends_at: NEVER,
            is_asking: false,
            renew_at: NEVER,
            renew_tries: 0,
            session: resume.session,
            direct: resume.direct,
            requests_max: REQUESTS_MAX,
            message_bytes_max: MESSAGE_BYTES,
            setup,
        }
    }

    /// The effects since the last time, in order.
    pub(crate) fn take(&mut self) -> Vec<Effect> {
        std::mem::take(&mut self.effects)
    }

    /// When `wake` has something to do, if nothing else happens before; in milliseconds.
    pub(crate) fn wake_at(&self) -> u64 {
        let at = self.calls.earliest().min(self.deadline);
        if self.state == State::Connected {
            return at.min(self.silent_at()).min(self.channels.retry_at()).min(self.renew_at);
        }
        at
    }

    pub(crate) const fn state(&self) -> State {
        self.state
    }

    pub(crate) const fn counters(&mut self) -> &mut Counters {
        &mut self.channels.counters
    }

    const fn silent_at(&self) -> u64 {
        self.heard_at.saturating_add(self.silence_ms)
    }

    /// Whether subscriptions are the token's, and outlive connections.
    const fn is_durable(&self) -> bool {
        self.setup.has_provider || self.setup.token.is_some()
    }

    pub(crate) fn resume_point(&self) -> ResumePoint {
        ResumePoint { session: self.session.clone(), positions: self.channels.positions(), direct: self.direct }
    }

    pub(crate) fn connect(&mut self, now: u64) {
        if self.state == State::Idle {
            self.attempt(now);
        }
    }

    /// The application has had enough: whatever is open ends, and is told so.
    pub(crate) fn close(&mut self) {
        if self.state == State::Closed {
            return;
        }
        if self.socket != 0 {
            self.effects.push(Effect::Close(self.socket, NORMAL));
        }
        self.stop(&Error::Closed, None);
    }

    /// Asks for something; queued while there is no connection. `resend_ms` after it was first sent it is not sent again.
    pub(crate) fn call(&mut self, now: u64, call: Call, number: u64, timeout_ms: u64, resend_ms: u64) {
        let refused = if self.state == State::Closed {
            Some(Error::Closed)
        } else if call.len() as u64 > self.message_bytes_max.saturating_add(FRAME_BYTES_MORE) {
            Some(too_large(call.name, self.message_bytes_max))
        } else {
            self.calls.add(call.numbered(number, now.saturating_add(timeout_ms), resend_ms)).err()
        };
        if let Some(error) = refused {
            self.effects.push(Effect::Settle(number, Err(error)));
        }
        self.flush(now);
    }

    pub(crate) fn subscribe(
        &mut self,
        now: u64,
        channel: &str,
        wanted: crate::channels::Wanted,
        from: Option<Position>,
    ) {
        self.channels.want(channel, wanted, from, self.state == State::Connected);
        self.flush(now);
    }

    /// Ends a subscription. Whether the server has to be told, which is `call`'s.
    pub(crate) fn unsubscribe(&mut self, channel: &str) -> bool {
        let is_durable = self.is_durable();
        self.channels.leave(channel, self.state == State::Connected, is_durable)
    }

    pub(crate) fn left(&mut self, now: u64, channel: &str) {
        self.channels.left(channel, self.state == State::Connected);
        self.flush(now);
    }

    /// What the provider gave, or why it gave nothing.
    pub(crate) fn provided(&mut self, now: u64, outcome: Result<String, Error>) {
        if !std::mem::take(&mut self.is_asking) {
            return;
        }
        match (self.state, outcome) {
            (State::NeedsToken, Ok(token)) => {
                self.secret = Some(token);
                self.secret_ends_at = NEVER;
                self.open(now);
            }
            (State::NeedsToken, Err(error)) if error.retry() == Retry::Never => self.stop(&error, Some(error.clone())),
            (State::NeedsToken, Err(error)) => self.wait(now, BROKEN, error),
            (State::Connected, Ok(token)) => {
                let (token_named, ticket) = self.named(Some(&token));
                let request = Request::Renew(wire::Renew { token: token_named, ticket });
                self.own(Call::own(&request, For::Renew));
                self.secret = (!self.setup.is_ticket).then_some(token);
                self.flush(now);
            }
            (State::Connected, Err(_)) => self.renew_later(now),
            (State::Idle | State::Connecting | State::Waiting | State::Closed, _) => {}
        }
    }

    /// The connection is open: `connect` is the first request.
    pub(crate) fn opened(&mut self, now: u64, socket: u64) {
        if socket != self.socket || self.state != State::Connecting {
            return;
        }
        self.heard_at = now;
        if self.is_durable() {
            self.channels.watch();
        }
        let secret = if self.setup.is_ticket { self.secret.take() } else { self.secret.clone() };
        let (token, ticket) = self.named(secret.as_deref());
        let mut body = wire::Connect {
            project: self.setup.project.as_str().into(),
            token,
            ticket,
            sdk: Some(concat!("tollgate-rust/", env!("CARGO_PKG_VERSION")).into()),
            data: self.setup.data.as_ref().map(Payload::raw),
            ..wire::Connect::default()
        };
        if self.is_durable() {
            body.watch = self.channels.watched();
            body.session = self.session.as_deref().map(Into::into);
            body.positions = self.channels.named();
            body.direct = self.direct.map(|position| position.0);
        }
        let call = Call::own(&Request::Connect(body), For::Connect);
        self.send(now, call);
    }

    /// A secret as `connect` and `renew` name it: as the token, or as the ticket.
    fn named<'a>(&self, secret: Option<&'a str>) -> (Option<Secret<'a>>, Option<Secret<'a>>) {
        let secret = secret.map(|secret| Secret(secret.into()));
        if self.setup.is_ticket { (None, secret) } else { (secret, None) }
    }

    pub(crate) fn frame(&mut self, now: u64, socket: u64, text: &str) {
        if socket != self.socket || socket == 0 {
            return;
        }
        self.heard_at = now;
        match ServerFrame::parse(text) {
            Ok(ServerFrame::Ping) => self.effects.push(Effect::Send(socket, wire::PING.to_owned())),
            Ok(ServerFrame::Push(push)) if self.state == State::Connected => self.push(&push),
            Ok(ServerFrame::Push(_)) => self.channels.counters.strays += 1,
            Ok(ServerFrame::Reply(reply)) => match self.calls.answered(reply.id).filter(|call| !call.is_given_up) {
                Some(call) => {
                    let outcome = reply.outcome.map_err(Error::from);
                    if self.reply(now, &call, outcome).is_none() {
                        return self.nonsense(now);
                    }
                }
                None => self.channels.counters.strays += 1,
            },
            Err(_) => return self.nonsense(now),
        }
        self.flush(now);
    }

    fn nonsense(&mut self, now: u64) {
        self.channels.counters.nonsense += 1;
        self.dead(now);
    }

    /// The connection ended, or was not made.
    pub(crate) fn lost(&mut self, now: u64, socket: u64, code: u16) {
        if socket != self.socket || socket == 0 {
            return;
        }
        self.channels.counters.losses += 1;
        self.socket = 0;
        self.disconnected(now);
        let error = self.refusal.take().unwrap_or(Error::ConnectionLost(code));
        let advice = CloseAdvice::of(code);
        // A ticket that was not sent is too old by the next try.
        if self.setup.is_ticket || (advice == CloseAdvice::Reauthenticate && self.setup.has_provider) {
            self.secret = None;
        }
        match advice {
            CloseAdvice::Return => self.wait(now, code, error),
            CloseAdvice::Reauthenticate if self.setup.has_provider => self.wait(now, code, error),
            CloseAdvice::Reauthenticate | CloseAdvice::Stop => self.stop(&error, Some(error.clone())),
        }
    }

    /// Time went by.
    pub(crate) fn wake(&mut self, now: u64) {
        for (number, name) in self.calls.overdue(now) {
            self.effects.push(Effect::Settle(number, Err(Error::Timeout(name))));
        }
        if self.state == State::Connected {
            if now >= self.silent_at() {
                return self.dead(now);
            }
            self.channels.retry(now);
            if now >= self.renew_at {
                self.ask();
            }
            self.flush(now);
        } else if now >= self.deadline {
            self.deadline = NEVER;
            match self.state {
                State::Connecting => self.dead(now),
                State::Waiting => self.attempt(now),
                State::NeedsToken => {
                    let message = "it did not answer in time".to_owned();
                    self.provided(now, Err(Error::TokenProvider { message, retry: Retry::Later }));
                }
                State::Idle | State::Connected | State::Closed => {}
            }
        }
    }

    fn attempt(&mut self, now: u64) {
        self.deadline = NEVER;
        if now >= self.secret_ends_at && self.setup.has_provider {
            self.secret = None;
        }
        if !self.setup.has_provider || self.secret.is_some() {
            return self.open(now);
        }
        self.deadline = now.saturating_add(self.setup.token_timeout_ms);
        self.enter(State::NeedsToken, None);
        self.ask();
    }

    /// One flight at a time.
    fn ask(&mut self) {
        self.renew_at = NEVER;
        if !std::mem::replace(&mut self.is_asking, true) {
            self.effects.push(Effect::AskToken);
        }
    }

    fn open(&mut self, now: u64) {
        self.sockets += 1;
        self.socket = self.sockets;
        self.deadline = now.saturating_add(CONNECT_MS);
        self.enter(State::Connecting, None);
        self.effects.push(Effect::Open(self.socket));
    }

    fn push(&mut self, push: &Push<'_>) {
        match push {
            Push::Expiring(_) if self.setup.has_provider => self.ask(),
            Push::Direct(direct) => self.heard_direct(direct),
            other => self.channels.push(other),
        }
    }

    fn heard_direct(&mut self, direct: &wire::Direct<'_>) {
        let mut position = None;
        // One that was sent to this connection alone has no offset.
        if let (Some(had), Some(offset)) = (self.direct, direct.offset) {
            match judge(had, offset) {
                Judgement::Duplicate => {
                    self.channels.counters.duplicates += 1;
                    return;
                }
                Judgement::Hole => self.effects.push(Effect::TellDirect(Direct::Lost)),
                Judgement::Next => {}
            }
            position = Some(had.at(offset));
            self.direct = position;
        }
        let (event, data) = (direct.event.to_string(), direct.data.into());
        self.effects.push(Effect::TellDirect(Direct::Message(DirectMessage { position, event, data, at: direct.at })));
    }

    /// `None`: the reply is not what the page says.
    fn reply(&mut self, now: u64, call: &Call, outcome: Result<&RawValue, Error>) -> Option<()> {
        match (&call.to, outcome) {
            (For::App(number), outcome) => {
                let outcome = outcome.map(|ok| ok.get().to_owned());
                self.effects.push(Effect::Settle(*number, outcome));
            }
            (For::Connect, Ok(ok)) => self.connected(now, &serde_json::from_str(ok.get()).ok()?),
            // The close that follows says what to do.
            (For::Connect, Err(error)) => self.refusal = Some(error),
            (For::Enter { channel, positioned }, Ok(ok)) => {
                self.channels.entered(channel, *positioned, &serde_json::from_str(ok.get()).ok()?);
            }
            (For::Enter { channel, .. }, Err(error)) => {
                let after_ms = if let Error::Refused(refusal) = &error { refusal.retry_after_ms } else { None };
                let random = (self.random)();
                self.channels.refused(channel, error, |tries| {
                    now.saturating_add(after_ms.unwrap_or_else(|| delay_ms(tries, random)))
                });
            }
            (For::Renew, Ok(ok)) => {
                let renewed: wire::Renewed<'_> = serde_json::from_str(ok.get()).ok()?;
                self.renew_tries = 0;
                self.holds(now, renewed.token.expires_in_ms);
                // Of the same token nothing else changes; another one has a session and direct messages of its own.
                if let Some(session) = renewed.session {
                    self.session = Some(session.into_owned());
                    self.direct = renewed.direct.map(Position);
                    if renewed.direct_lost {
                        self.effects.push(Effect::TellDirect(Direct::Lost));
                    }
                }
            }
            (For::Renew, Err(_)) => self.renew_later(now),
        }
        Some(())
    }

    fn connected(&mut self, now: u64, told: &wire::Connected<'_>) {
        if self.state != State::Connecting {
            return;
        }
        self.requests_max = (told.limits.requests as usize).max(1);
        self.message_bytes_max = told.limits.message_bytes;
        self.silence_ms = told.ping_ms.saturating_add(told.timeout_ms);
        self.session = told.session.as_deref().map(str::to_owned);
        self.deadline = NEVER;
        self.connected_at = now;
        self.renew_tries = 0;
        if let Some(token) = &told.token {
            self.holds(now, token.expires_in_ms);
        }
        let direct = told.direct.map(Position);
        if told.direct_lost {
            self.effects.push(Effect::TellDirect(Direct::Lost));
        }
        if told.direct_lost || self.direct.is_none_or(|had| direct.is_some_and(|now| now.epoch() != had.epoch())) {
            self.direct = direct;
        }
        self.enter(State::Connected, None);
        self.channels.connected(&told.connection, &told.channels);
    }

    fn holds(&mut self, now: u64, expires_in_ms: Option<u64>) {
        self.secret_ends_at = expires_in_ms.map_or(NEVER, |left_ms| now.saturating_add(left_ms));
    }

    fn renew_later(&mut self, now: u64) {
        self.renew_at = now.saturating_add(delay_ms(self.renew_tries, (self.random)()));
        self.renew_tries = self.renew_tries.saturating_add(1);
    }

    /// It gives no sign of life, or is not to be understood.
    fn dead(&mut self, now: u64) {
        let socket = self.socket;
        self.effects.push(Effect::Close(socket, BROKEN));
        self.lost(now, socket, BROKEN);
    }

    /// What was under way on the connection is put back or given up.
    fn disconnected(&mut self, now: u64) {
        if self.state == State::Connected && now.saturating_sub(self.connected_at) >= LASTED_MS {
            self.tries = 0;
        }
        self.channels.lost();
        self.renew_at = NEVER;
        self.is_asking = false;
        for call in self.calls.lost(now) {
            if let For::App(number) = call.to {
                self.effects.push(Effect::Settle(number, Err(Error::ConnectionLost(BROKEN))));
            }
        }
    }

    fn wait(&mut self, now: u64, code: u16, error: Error) {
        let Some(delay_ms) = reconnect_delay_ms(code, self.tries, (self.random)()) else {
            return self.stop(&error, Some(error.clone()));
        };
        self.tries = self.tries.saturating_add(1);
        self.deadline = now.saturating_add(delay_ms);
        self.enter(State::Waiting, Some(error));
    }

    fn stop(&mut self, why: &Error, error: Option<Error>) {
        self.socket = 0;
        self.deadline = NEVER;
        self.renew_at = NEVER;
        self.is_asking = false;
        self.enter(State::Closed, error);
        for number in self.calls.end() {
            self.effects.push(Effect::Settle(number, Err(why.clone())));
        }
    }

    fn enter(&mut self, state: State, error: Option<Error>) {
        self.state = state;
        self.effects.push(Effect::State(state, error));
    }

    /// A request of the machine's own; it waits only for its turn.
    fn own(&mut self, call: Call) {
        self.calls.add(call).expect("invariant: only the application's calls are bounded");
    }

    /// What the channels have to say and ask, and as many waiting requests as may be under way.
    fn flush(&mut self, now: u64) {
        let told = std::mem::take(&mut self.channels.told);
        self.effects.extend(told.into_iter().map(|(channel, event)| Effect::Tell(channel, event)));
        for call in std::mem::take(&mut self.channels.asks) {
            self.own(call);
        }
        if self.state != State::Connected {
            return;
        }
        while let Some(frame) = self.calls.next(now, self.requests_max) {
            self.effects.push(Effect::Send(self.socket, frame));
        }
    }

    fn send(&mut self, now: u64, call: Call) {
        let frame = self.calls.fly(now, call);
        self.effects.push(Effect::Send(self.socket, frame));
    }
}

/// How long until something that failed for a while is tried again, in milliseconds.
fn delay_ms(tries: u32, random: f64) -> u64 {
    reconnect_delay_ms(BROKEN, tries, random).unwrap_or(0)
}

/// A frame of this size would end the connection for good.
fn too_large(name: &str, most: u64) -> Error {
    Error::Refused(Refusal {
        code: wire::ErrorCode::PayloadTooLarge.word().to_owned(),
        message: format!("`{name}` is larger than the {most} bytes that the server takes"),
        retry: Retry::Never,
        retry_after_ms: None,
        version: None,
        position: None,
    })
}

#[cfg(test)]
#[path = "machine_tests.rs"]
mod tests;
