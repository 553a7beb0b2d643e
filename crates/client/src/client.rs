//! The handle of a client: every call, as one request of the protocol. It decides nothing; the driver's machine does.

use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde::Serialize;
use serde::de::Deserialize;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinSet;
use tollgate_protocol_native::wire::{self, Request};

use crate::calls::{Call, NEVER};
use crate::channels::Wanted;
use crate::driver::{Command, Reader};
use crate::requests::{History, HistoryPage, Members, MembersPage, Outgoing, Published};
use crate::subscription::{DirectMessages, Subscription, end};
use crate::{Builder, Counters, Error, Payload, Position, ResumePoint, Rewind, Status};

/// For how long after it was first sent a message may be sent again with its id, in milliseconds: less than the two minutes that the
/// server knows it.
const PUBLISH_RESEND_MS: u64 = 110_000;

/// How long calls may take.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Times {
    pub(crate) call: Duration,
    pub(crate) publish: Duration,
}

/// What may be done with a call when the connection ends before its answer.
#[derive(Clone, Copy, Debug)]
enum Nature {
    /// It may be sent again.
    Reads,
    /// It may be for the time of its id.
    Publishes,
    /// It may not.
    Changes,
}

/// The way to the driver. Does not keep the client alive.
#[derive(Clone)]
pub(crate) struct Handle {
    pub(crate) commands: mpsc::Sender<Command>,
    pub(crate) times: Times,
    pub(crate) buffer: usize,
}

impl Handle {
    async fn ask(&self, request: Request<'_>, nature: Nature) -> Result<String, Error> {
        let call = Call::app(&request);
        drop(request);
        let (timeout, resend_ms) = match nature {
            Nature::Reads => (self.times.call, NEVER),
            Nature::Publishes => (self.times.publish, PUBLISH_RESEND_MS),
            Nature::Changes => (self.times.call, 0),
        };
        let (reply, answer) = oneshot::channel();
        self.command(Command::Call { call, timeout_ms: millis(timeout), resend_ms, reply }).await?;
        answer.await.unwrap_or(Err(Error::Closed))
    }

    async fn command(&self, command: Command) -> Result<(), Error> {
        self.commands.send(command).await.map_err(|_| Error::Closed)
    }

    pub(crate) async fn unsubscribe(&self, channel: &str) -> Result<(), Error> {
        let call = Call::app(&Request::Unsubscribe(wire::Unsubscribe { channel: channel.into() }));
        let (reply, answer) = oneshot::channel();
        let timeout_ms = millis(self.times.call);
        self.command(Command::Unsubscribe { call, channel: channel.to_owned(), timeout_ms, reply }).await?;
        match answer.await.unwrap_or(Err(Error::Closed)) {
            Err(error) if error.code() == wire::ErrorCode::NotSubscribed.word() => Ok(()),
            outcome => outcome.map(|_| ()),
        }
    }
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(NEVER)
}

fn read<'a, T: Deserialize<'a>>(text: &'a str) -> Result<T, Error> {
    serde_json::from_str(text).map_err(|_| Error::BadAnswer)
}

/// A client of one project: one connection, however often it is made again. Cheap to clone; when the last clone is dropped, its connection
/// is cut, and the server keeps its session for a while. [`Client::close`] ends it in order.
#[derive(Clone)]
pub struct Client {
    pub(crate) handle: Handle,
    pub(crate) status: watch::Receiver<Status>,
    pub(crate) direct: Arc<Mutex<Option<DirectMessages>>>,
    /// The driver: it ends with the last clone.
    #[allow(dead_code, reason = "owned to be dropped")]
    pub(crate) tasks: Arc<Mutex<JoinSet<()>>>,
}

impl std::fmt::Debug for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Client").field("status", &*self.status.borrow()).finish_non_exhaustive()
    }
}

impl Client {
    /// A client of this project (`project_…`) at this server (`https://tollgate.example.com`; a path before `/connect` is kept). Without a
    /// token it is anonymous.
    #[must_use]
    pub fn builder(url: &str, project: &str) -> Builder {
        Builder::new(url, project)
    }

    /// Where the client is, to be read and waited upon.
    #[must_use]
    pub fn status(&self) -> watch::Receiver<Status> {
        self.status.clone()
    }

    /// What was left out or lost since the client was made.
    ///
    /// # Errors
    /// `closed`.
    pub async fn counters(&self) -> Result<Counters, Error> {
        self.look().await.map(|(counters, _)| counters)
    }

    /// Where another client can go on from.
    ///
    /// # Errors
    /// `closed`.
    pub async fn resume_point(&self) -> Result<ResumePoint, Error> {
        self.look().await.map(|(_, point)| point)
    }

    async fn look(&self) -> Result<(Counters, ResumePoint), Error> {
        let (reply, answer) = oneshot::channel();
        self.handle.command(Command::Look(reply)).await?;
        answer.await.map_err(|_| Error::Closed)
    }

    /// Ends the connection in order, for good: membership in presence ends, calls without an answer fail with `closed`. Returns when
    /// nothing is left of it, with where it stood; `None` if it was closed already.
    pub async fn close(mut self) -> Option<ResumePoint> {
        let (reply, answer) = oneshot::channel();
        let asked = self.handle.command(Command::Close(reply)).await;
        let point = if asked.is_ok() { answer.await.ok() } else { None };
        // The driver drops its side when it has ended.
        while self.status.changed().await.is_ok() {}
        point
    }

    /// Subscribes: to be awaited, for a [`Subscription`] once the channel is entered. A subscription of this client to the same channel
    /// ends as replaced.
    #[must_use = "nothing happens before it is awaited"]
    pub fn subscribe(&self, channel: &str) -> Subscribe {
        Subscribe { handle: self.handle.clone(), channel: channel.to_owned(), wanted: Wanted::default(), from: None }
    }

    /// Ends a token's subscription at the server.
    ///
    /// # Errors
    /// As every call.
    pub async fn unsubscribe(&self, channel: &str) -> Result<(), Error> {
        self.handle.unsubscribe(channel).await
    }

    /// The token's direct messages since the client was made. `None` if they were taken already.
    #[must_use]
    pub fn direct(&self) -> Option<DirectMessages> {
        self.direct.lock().expect("invariant: nobody panics with the lock").take()
    }

    /// Publishes with an id of its own, and returns when the message has its place. When the connection ends before the answer it is sent
    /// again; it is in the channel once.
    ///
    /// # Errors
    /// The server's; `timeout`, `queue_full`, `closed`; `invalid_input` when the data is not JSON.
    pub async fn publish<T>(&self, channel: &str, event: &str, data: &T) -> Result<Published, Error>
    where
        T: Serialize + ?Sized + Sync,
    {
        self.send(Outgoing::new(channel, event, data)?).await
    }

    /// Publishes a message with more to say of it.
    ///
    /// # Errors
    /// As [`Client::publish`].
    pub async fn send(&self, message: Outgoing) -> Result<Published, Error> {
        let text = self.handle.ask(Request::Publish(message.wire()), Nature::Publishes).await?;
        Ok(Published::of(read(&text)?))
    }

    /// Publishes up to 100 messages in one request, each with its own outcome in the same order; not a transaction.
    ///
    /// # Errors
    /// As [`Client::publish`], when none was.
    pub async fn batch(&self, messages: &[Outgoing]) -> Result<Vec<Result<Published, Error>>, Error> {
        let body = wire::Batch { messages: messages.iter().map(Outgoing::wire).collect() };
        let text = self.handle.ask(Request::Batch(body), Nature::Publishes).await?;
        let results: wire::BatchResults<'_> = read(&text)?;
        let outcome = |result: wire::BatchResult<'_>| match result.error {
            Some(error) => Err(error.into()),
            None => Ok(Published::of(result.published)),
        };
        Ok(results.results.into_iter().map(outcome).collect())
    }

    /// Puts a new state in place of the channel's, if that is at `if_version` (`None`: whatever it is at). Its new version.
    ///
    /// # Errors
    /// As every call; `version_mismatch`. It is not sent twice: after `connection_lost` it may or may not have been done.
    pub async fn set_state<T>(&self, channel: &str, state: &T, if_version: Option<u64>) -> Result<u64, Error>
    where
        T: Serialize + ?Sized + Sync,
    {
        let state = Payload::of(state)?;
        self.change(wire::SetState { channel: channel.into(), set: Some(state.raw()), merge: None, if_version }).await
    }

    /// Puts these top-level keys into the channel's state; else as [`Client::set_state`].
    ///
    /// # Errors
    /// As [`Client::set_state`].
    pub async fn merge_state<T>(&self, channel: &str, keys: &T, if_version: Option<u64>) -> Result<u64, Error>
    where
        T: Serialize + ?Sized + Sync,
    {
        let keys = Payload::of(keys)?;
        self.change(wire::SetState { channel: channel.into(), set: None, merge: Some(keys.raw()), if_version }).await
    }

    async fn change(&self, body: wire::SetState<'_>) -> Result<u64, Error> {
        let text = self.handle.ask(Request::State(body), Nature::Changes).await?;
        Ok(read::<wire::Versioned>(&text)?.version)
    }

    /// A page of what the channel keeps.
    ///
    /// # Errors
    /// As every call; `position_lost`.
    pub async fn history(&self, channel: &str, page: History) -> Result<HistoryPage, Error> {
        let text = self.handle.ask(Request::History(page.wire(channel)), Nature::Reads).await?;
        Ok(HistoryPage::of(&read(&text)?, page))
    }

    /// A page of who is in the channel.
    ///
    /// # Errors
    /// As every call.
    pub async fn members(&self, channel: &str, page: Members) -> Result<MembersPage, Error> {
        let text = self.handle.ask(Request::Presence(page.wire(channel)), Nature::Reads).await?;
        Ok(MembersPage::of(&read(&text)?))
    }

    /// Changes what members of the channel see of this client.
    ///
    /// # Errors
    /// As every call.
    pub async fn set_presence<T: Serialize + ?Sized + Sync>(&self, channel: &str, data: &T) -> Result<(), Error> {
        let data = Payload::of(data)?;
        let body = wire::PresenceSet { channel: channel.into(), data: data.raw() };
        self.handle.ask(Request::PresenceSet(body), Nature::Reads).await?;
        self.handle.command(Command::Shown { channel: channel.to_owned(), data }).await
    }

    /// Tells a mailbox that all direct messages up to this one need not be kept any more.
    ///
    /// # Errors
    /// As every call.
    pub async fn ack(&self, direct: Position) -> Result<(), Error> {
        self.handle.ask(Request::Ack(wire::Ack { direct: direct.0 }), Nature::Reads).await.map(|_| ())
    }
}

/// A subscription that is to be: `client.subscribe("room").from(position).await`.
#[must_use = "nothing happens before it is awaited"]
pub struct Subscribe {
    handle: Handle,
    channel: String,
    wanted: Wanted,
    from: Option<Position>,
}

impl std::fmt::Debug for Subscribe {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Subscribe").field("channel", &self.channel).finish_non_exhaustive()
    }
}

impl Subscribe {
    /// Begins behind this position. If that is lost there is one [`Event::Gap`](crate::Event::Gap) first.
    pub const fn from(mut self, position: Position) -> Self {
        self.from = Some(position);
        self
    }

    /// Begins with messages of the past.
    pub const fn rewind(mut self, rewind: Rewind) -> Self {
        self.wanted.rewind = Some(rewind);
        self
    }

    /// Be told who joins and leaves.
    pub const fn presence(mut self) -> Self {
        self.wanted.presence = true;
        self
    }

    /// What members of this channel see of this client, in place of the client's own: an object of at most 1 KiB.
    ///
    /// # Errors
    /// `invalid_input` when it is not JSON.
    pub fn data<T: Serialize + ?Sized>(mut self, data: &T) -> Result<Self, Error> {
        self.wanted.data = Some(Payload::of(data)?);
        Ok(self)
    }

    async fn enter(self) -> Result<Subscription, Error> {
        let (events, inbox) = mpsc::channel(self.handle.buffer);
        let (end, ended) = end();
        let (ready, entered) = oneshot::channel();
        let (channel, wanted, from) = (self.channel.clone(), self.wanted, self.from);
        let reader = Reader { events, end, ready: Some(ready) };
        self.handle.command(Command::Subscribe { channel, wanted, from, reader }).await?;
        entered.await.unwrap_or(Err(Error::Closed))?;
        Ok(Subscription { channel: self.channel, events: inbox, ended, position: from, client: self.handle })
    }
}

impl IntoFuture for Subscribe {
    type Output = Result<Subscription, Error>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.enter())
    }
}
