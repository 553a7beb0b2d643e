//! The one task of a client: it lets the machine decide, and does what the machine wants. It owns the socket, the token provider's flight,
//! the streams of subscriptions and everybody who waits for an answer. What to do when is not decided here.

use std::collections::HashMap;
use std::pin::Pin;
use std::time::Duration;

use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};

use crate::builder::{Provider, TokenFuture};
use crate::calls::{Call, NEVER};
use crate::channels::Wanted;
use crate::machine::{Effect, Machine, NORMAL};
use crate::socket::{Address, Heard, Socket};
use crate::subscription::{End, Ended};
use crate::{Counters, Direct, EndReason, Error, Event, Payload, Position, ResumePoint, State, Status};

/// What a handle asks of the driver.
pub(crate) enum Command {
    Call { call: Call, timeout_ms: u64, resend_ms: u64, reply: oneshot::Sender<Result<String, Error>> },
    Subscribe { channel: String, wanted: Wanted, from: Option<Position>, reader: Reader },
    Unsubscribe { call: Call, channel: String, timeout_ms: u64, reply: oneshot::Sender<Result<String, Error>> },
    Shown { channel: String, data: Payload },
    Look(oneshot::Sender<(Counters, ResumePoint)>),
    Close(oneshot::Sender<ResumePoint>),
}

/// The driver's end of a subscription's stream.
pub(crate) struct Reader {
    pub(crate) events: mpsc::Sender<Event>,
    pub(crate) end: End<(EndReason, Option<Error>)>,
    /// Who waits for the first answer.
    pub(crate) ready: Option<oneshot::Sender<Result<(), Error>>>,
}

/// The driver's end of the stream of direct messages.
pub(crate) struct DirectReader {
    pub(crate) events: mpsc::Sender<Direct>,
    pub(crate) end: End<Error>,
}

/// Who waits for a reply.
struct Waiter {
    reply: oneshot::Sender<Result<String, Error>>,
    /// The channel that is left by it.
    leaves: Option<String>,
}

enum Link {
    None,
    Opening(u64, Pin<Box<dyn Future<Output = Result<Socket, u16>> + Send>>),
    Open(u64, Box<Socket>),
}

enum Step {
    Opened(u64, Box<Socket>),
    Frame(u64, String),
    Lost(u64, u16),
}

impl Link {
    /// What the connection tells next; never, if there is none. Can be dropped without losing anything.
    async fn step(&mut self) -> Step {
        match self {
            Self::None => std::future::pending().await,
            Self::Opening(socket, opening) => match opening.await {
                Ok(opened) => Step::Opened(*socket, Box::new(opened)),
                Err(code) => Step::Lost(*socket, code),
            },
            Self::Open(socket, open) => match open.step().await {
                Heard::Frame(text) => Step::Frame(*socket, text),
                Heard::Lost(code) => Step::Lost(*socket, code),
            },
        }
    }
}

pub(crate) struct Driver {
    pub(crate) machine: Machine,
    pub(crate) address: Address,
    pub(crate) provider: Option<Provider>,
    pub(crate) commands: mpsc::Receiver<Command>,
    pub(crate) status: watch::Sender<Status>,
    pub(crate) direct: Option<DirectReader>,
    pub(crate) buffer: usize,
    origin: Option<Instant>,
    link: Link,
    flight: Option<TokenFuture>,
    readers: HashMap<String, Reader>,
    waiters: HashMap<u64, Waiter>,
    numbers: u64,
    closings: JoinSet<()>,
}

impl Driver {
    pub(crate) fn new(
        machine: Machine,
        address: Address,
        provider: Option<Provider>,
        commands: mpsc::Receiver<Command>,
        (status, direct, buffer): (watch::Sender<Status>, DirectReader, usize),
    ) -> Self {
        Self {
            machine,
            address,
            provider,
            commands,
            status,
            direct: Some(direct),
            buffer,
            origin: None,
            link: Link::None,
            flight: None,
            readers: HashMap::new(),
            waiters: HashMap::new(),
            numbers: 0,
            closings: JoinSet::new(),
        }
    }

    /// Runs until the client is closed, by the application or because another try makes no sense.
    pub(crate) async fn run(mut self) {
        let now = self.now();
        self.machine.connect(now);
        loop {
            self.perform();
            if self.machine.state() == State::Closed {
                break;
            }
            self.turn().await;
        }
        for (_, reader) in self.readers.drain() {
            reader.finish(EndReason::Closed, Some(Error::Closed));
        }
        if let Some(direct) = self.direct.take() {
            direct.end.set(Error::Closed);
        }
        self.commands.close();
        while self.closings.join_next().await.is_some() {}
    }

    /// Waits for whatever happens first.
    async fn turn(&mut self) {
        let wake_at = self.instant(self.machine.wake_at());
        tokio::select! {
            command = self.commands.recv() => match command {
                Some(command) => self.obey(command),
                None => self.machine.close(),
            },
            step = self.link.step() => self.stepped(step),
            outcome = async {
                match &mut self.flight {
                    Some(flight) => flight.await,
                    None => std::future::pending().await,
                }
            } => {
                self.flight = None;
                let now = self.now();
                self.machine.provided(now, outcome);
            }
            () = async {
                match wake_at {
                    Some(at) => sleep_until(at).await,
                    None => std::future::pending().await,
                }
            } => {
                let now = self.now();
                self.machine.wake(now);
            }
        }
        while self.closings.try_join_next().is_some() {}
    }

    fn stepped(&mut self, step: Step) {
        let now = self.now();
        match step {
            Step::Opened(socket, open) => {
                self.link = Link::Open(socket, open);
                self.machine.opened(now, socket);
            }
            Step::Frame(socket, text) => self.machine.frame(now, socket, &text),
            Step::Lost(socket, code) => {
                if let Link::Open(_, open) = std::mem::replace(&mut self.link, Link::None) {
                    self.closings.spawn(open.close());
                }
                self.machine.lost(now, socket, code);
            }
        }
    }

    fn obey(&mut self, command: Command) {
        let now = self.now();
        match command {
            Command::Call { call, timeout_ms, resend_ms, reply } => {
                let number = self.waits(Waiter { reply, leaves: None });
                self.machine.call(now, call, number, timeout_ms, resend_ms);
            }
            Command::Subscribe { channel, wanted, from, reader } => {
                if let Some(earlier) = self.readers.insert(channel.clone(), reader) {
                    earlier.finish(EndReason::Replaced, Some(Error::Replaced));
                }
                self.machine.subscribe(now, &channel, wanted, from);
            }
            Command::Unsubscribe { call, channel, timeout_ms, reply } => {
                if let Some(reader) = self.readers.remove(&channel) {
                    reader.finish(EndReason::Left, None);
                }
                if self.machine.unsubscribe(&channel) {
                    let number = self.waits(Waiter { reply, leaves: Some(channel) });
                    self.machine.call(now, call, number, timeout_ms, NEVER);
                } else {
                    let _ = reply.send(Ok("{}".to_owned()));
                }
            }
            Command::Shown { channel, data } => self.machine.channels.shown(&channel, data),
            Command::Look(reply) => {
                let _ = reply.send((*self.machine.counters(), self.machine.resume_point()));
            }
            Command::Close(reply) => {
                let point = self.machine.resume_point();
                self.machine.close();
                let _ = reply.send(point);
            }
        }
    }

    fn waits(&mut self, waiter: Waiter) -> u64 {
        self.numbers += 1;
        self.waiters.insert(self.numbers, waiter);
        self.numbers
    }

    /// Does what the machine wants, until it wants nothing more.
    fn perform(&mut self) {
        loop {
            let effects = self.machine.take();
            if effects.is_empty() {
                return;
            }
            for effect in effects {
                self.effect(effect);
            }
        }
    }

    fn effect(&mut self, effect: Effect) {
        match effect {
            Effect::AskToken => {
                if let (None, Some(provider)) = (&self.flight, &self.provider) {
                    self.flight = Some(provider());
                }
            }
            Effect::Open(socket) => self.link = Link::Opening(socket, Box::pin(self.address.clone().open())),
            Effect::Send(socket, text) => {
                if let Link::Open(of, open) = &mut self.link
                    && *of == socket
                {
                    open.send(text);
                }
            }
            Effect::Close(_, code) => {
                if let (Link::Open(_, open), NORMAL) = (std::mem::replace(&mut self.link, Link::None), code) {
                    self.closings.spawn(open.close());
                }
            }
            Effect::State(state, error) => {
                self.status.send_replace(Status { state, error });
            }
            Effect::Settle(number, outcome) => {
                let Some(waiter) = self.waiters.remove(&number) else { return };
                // Who has gone does not need it.
                let _ = waiter.reply.send(outcome);
                if let Some(channel) = waiter.leaves {
                    let now = self.now();
                    self.machine.left(now, &channel);
                }
            }
            Effect::Tell(channel, event) => self.tell(&channel, event),
            Effect::TellDirect(event) => self.tell_direct(event),
        }
    }

    fn tell(&mut self, channel: &str, event: Event) {
        let messages = u64::from(matches!(event, Event::Message(_)));
        let Some(reader) = self.readers.get_mut(channel) else {
            self.machine.counters().unheard += messages;
            return;
        };
        if let Event::Subscribed { .. } = event
            && let Some(ready) = reader.ready.take()
        {
            let _ = ready.send(Ok(()));
        }
        let (reason, error) = match event {
            Event::Ended { reason, error } => (reason, error),
            event => match reader.events.try_send(event) {
                Ok(()) => return,
                Err(TrySendError::Full(_)) => (EndReason::TooSlow, Some(Error::ReaderTooSlow(self.buffer))),
                Err(TrySendError::Closed(_)) => (EndReason::Left, None),
            },
        };
        if matches!(reason, EndReason::TooSlow | EndReason::Left) {
            self.machine.counters().unheard += messages;
            self.machine.channels.forget(channel);
        }
        if let Some(reader) = self.readers.remove(channel) {
            reader.finish(reason, error);
        }
    }

    fn tell_direct(&mut self, event: Direct) {
        let Some(reader) = &self.direct else {
            self.machine.counters().unheard += 1;
            return;
        };
        let error = match reader.events.try_send(event) {
            Ok(()) => return,
            Err(TrySendError::Full(_)) => Error::ReaderTooSlow(self.buffer),
            Err(TrySendError::Closed(_)) => Error::Closed,
        };
        self.machine.counters().unheard += 1;
        if let Some(reader) = self.direct.take() {
            reader.end.set(error);
        }
    }

    /// Milliseconds since the driver began.
    fn now(&mut self) -> u64 {
        let now = clock();
        let origin = *self.origin.get_or_insert(now);
        u64::try_from(now.duration_since(origin).as_millis()).unwrap_or(NEVER)
    }

    /// A moment of the machine's on tokio's clock; a millisecond later, so that it has come when we are woken.
    fn instant(&mut self, at_ms: u64) -> Option<Instant> {
        self.now();
        if at_ms == NEVER {
            return None;
        }
        self.origin?.checked_add(Duration::from_millis(at_ms.saturating_add(1)))
    }
}

impl Reader {
    fn finish(self, reason: EndReason, error: Option<Error>) {
        if let Some(ready) = self.ready {
            let _ = ready.send(Err(error.clone().unwrap_or(Error::Closed)));
        }
        self.end.set((reason, error));
    }
}

/// Monotonic: it does not jump when the machine's date is changed.
#[allow(clippy::disallowed_methods, reason = "this is the client's one clock")]
fn clock() -> Instant {
    Instant::now()
}

// Only to name it in one place.
pub(crate) type SubscriptionEnd = Ended<(EndReason, Option<Error>)>;
