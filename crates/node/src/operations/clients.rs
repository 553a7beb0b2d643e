//! What clients ask for over their connections. Each command goes through three steps: the shard prepares it, the operation here decides and
//! makes it durable, and the shard settles what it came to.

use std::sync::Arc;

use tokio::sync::oneshot;
use tollgate_core::authorize::{self, Caller, Standing, SubscribeDecision};
use tollgate_core::clock::UnixMillis;
use tollgate_core::command::{
    Command, Connected, ConnectedToken, PresentedSecret, Published, Reply, Resume, StartFrom, SubscribeWish,
};
use tollgate_core::credentials::RowKind;
use tollgate_core::error::{Error, ErrorKind, Result};
use tollgate_core::ids::{ChannelId, ChannelKey, ConnectionId, ProjectId, TokenId};
use tollgate_core::json::JsonObject;
use tollgate_core::limits::{CONNECTIONS_PER_TOKEN_MAX, SUBSCRIPTIONS_PER_ANONYMOUS_MAX};
use tollgate_core::model::{Capabilities, ChannelType, Subscription};
use tollgate_core::peer::Peer;
use tollgate_core::ports::Pending;
use tollgate_core::ports::store::{StoreError, Subject};
use tollgate_core::records::HookQuestion;

use super::client_channels::{check_face, check_resume};
use super::hooks::{Hooked, asks, denied};
use super::presented::{Place, TokenRefused, refused_by};
use super::recognise::{Recognised, Unprepared};
use super::refusal;
use super::weighing::{Weighed, WriteRule, writing};
use super::writing::{Origin, at_origin, with_origin};
use crate::Node;
use crate::directory::{LiveConnection, ProjectEntry, TokenEntry, UsageDelta, expiry};
use crate::hub::{Admission, ConnectionRef, Renewal};

/// Who asks: made by [`crate::Shard::prepare`].
#[derive(Debug)]
pub struct Client {
    pub(crate) connection: ConnectionRef,
    /// Nobody yet, before the connection is identified.
    pub(crate) caller: Option<Caller>,
    /// The connection's public id, once it is identified.
    pub(crate) id: ConnectionId,
    /// Whether the connection is subscribed to the channel that the command names.
    pub(crate) subscribed: bool,
    /// The same for each message of a batch.
    pub(crate) subscribed_each: Vec<bool>,
    /// How many channels the connection is subscribed to.
    pub(crate) subscriptions: usize,
    /// Whether its protocol knows sessions, and it belongs to its token's.
    pub(crate) attends: bool,
    /// Of the channels that it publishes into and is on its way into: each answers when it is in, so that it hears its own message.
    pub(crate) settles: Vec<oneshot::Receiver<()>>,
    /// Who is at the other end, when the transport knows it: for a connect, and without its user agent for a renewal.
    pub(crate) peer: Option<Arc<Peer>>,
}

impl Client {
    /// Says who is at the other end. To be told with a connect; address and origin are kept after it.
    #[must_use]
    pub fn with_peer(self, peer: Option<Arc<Peer>>) -> Self {
        Self { peer, ..self }
    }
}

impl Client {
    /// Waits until it is in where it was on its way in.
    async fn settle(&mut self) {
        for answer in self.settles.drain(..) {
            let _shard_ended = answer.await;
        }
    }

    /// Where it comes from.
    pub(super) fn place(&self) -> Place<'_> {
        let peer = self.peer.as_deref();
        Place { address: peer.map(|peer| peer.address), origin: peer.and_then(|peer| peer.origin.as_deref()) }
    }

    /// What a token keeps of this connection.
    pub(super) fn live(&self, id: ConnectionId, recognised: Recognised, since: UnixMillis) -> LiveConnection {
        LiveConnection {
            connection: self.connection,
            id,
            address: self.peer.as_ref().map(|peer| peer.address),
            origin: self.peer.as_ref().and_then(|peer| peer.origin.clone()),
            generation: recognised.claims.generation,
            key_number: recognised.claims.key_number,
            since,
            jwt: recognised.jwt.map(Box::new),
        }
    }
}

/// How far a client could be identified without waiting.
pub(super) enum Step {
    Done(Outcome),
    /// Its JWT needs something first.
    Due(Arc<ProjectEntry>, Unprepared),
    /// The project's access hook is to be asked first, about this token or an anonymous client.
    Ask(Arc<ProjectEntry>, Option<TokenId>),
}

impl Step {
    /// What came of it, where nothing may be due any more.
    pub(super) fn done(self) -> Result<Outcome> {
        match self {
            Self::Done(outcome) => Ok(outcome),
            Self::Due(..) | Self::Ask(..) => Err(Error::new(
                ErrorKind::Unavailable,
                "The record of this JWT's user is being changed by too many at once. Try again.",
            )),
        }
    }
}

/// What a command came to: to be given to [`crate::Shard::settle`] on the connection's shard, without waiting for anything else first.
#[derive(Debug)]
pub enum Outcome {
    /// Answer with this.
    Reply(Reply),
    /// Subscribe the connection, then answer.
    Join(ChannelKey),
    /// Its subscription has ended: have the connection out of the channel, then answer.
    Left(ChannelKey),
    /// A message, some, or a state of the client was taken: count it, then answer with this.
    Written(Reply),
    /// The client is to be seen so in the channel: then answer.
    ShowFace(ChannelKey, Option<JsonObject>),
    /// The connection is identified.
    Admit(Box<Admission>),
    /// The connection goes on with another secret; then answer.
    Renewed(Box<Renewal>),
}

/// A channel that a client named, as it stands.
pub(super) struct Named {
    pub(super) key: ChannelKey,
    pub(super) kind: ChannelType,
    capabilities: Capabilities,
}

impl Node {
    /// Decides on a client's command and makes its outcome durable.
    ///
    /// # Errors
    /// `invalid_auth` for a connect, or for any other command before it; `not_granted`, `not_found`, `invalid_input` and `limit_reached` for a
    /// subscribe; `unavailable`.
    pub fn perform(&self, mut client: Client, command: Command) -> Pending<'_, Result<Outcome>> {
        match command {
            // Identified within one poll, at its end: the connection is registered and then settled with nothing in between. Only a JWT that needs
            // something first, a hook that is asked, and a past that has to be fetched make it wait, and then before.
            Command::Connect { project, token, resume } => {
                let token = token.map(|presented| self.exchanged(|| project.parse().ok(), presented));
                let came = Origin { address: client.place().address, ..Origin::default() };
                let due =
                    resume.as_deref().map_or_else(Vec::new, |resume| self.to_fetch(&project, token.as_ref(), resume));
                let first = at_origin(came.clone(), || {
                    if due.is_empty() {
                        Some(self.identify(&client, &project, token.as_ref(), resume.as_deref(), false))
                    } else {
                        None
                    }
                });
                match first {
                    None => Box::pin(with_origin(came, async move {
                        self.fetch_all(due).await;
                        let (token, resume) = (token.as_ref(), resume.as_deref());
                        let outcome = match self.identify(&client, &project, token, resume, false) {
                            Ok(step) => self.identified_later(&client, &project, token, resume, step).await,
                            Err(error) => Err(error),
                        };
                        self.note_connect(outcome)
                    })),
                    Some(Ok(step @ (Step::Due(..) | Step::Ask(..)))) => Box::pin(with_origin(came, async move {
                        let (token, resume) = (token.as_ref(), resume.as_deref());
                        self.note_connect(self.identified_later(&client, &project, token, resume, step).await)
                    })),
                    Some(step) => Box::pin(std::future::ready(self.note_connect(step.and_then(Step::done)))),
                }
            }
            Command::Renew { token } => {
                let token = match client.caller {
                    Some(Caller::Token { project, .. }) => self.exchanged(|| Some(project), token),
                    _ => token,
                };
                let came = Origin { address: client.place().address, ..Origin::default() };
                match at_origin(came.clone(), || self.renew(&client, &token)) {
                    Ok(Step::Due(entry, unprepared)) => Box::pin(with_origin(came, async move {
                        let outcome = match self.prepared(&entry, unprepared, Some(&token)).await {
                            Ok(()) => self.renew(&client, &token).and_then(Step::done),
                            Err(error) => Err(error),
                        };
                        self.note_renewal(outcome)
                    })),
                    step => Box::pin(std::future::ready(self.note_renewal(step.and_then(Step::done)))),
                }
            }
            Command::Subscribe { channel, wish } => {
                Box::pin(async move { self.client_subscribe(&client, &channel, wish.as_deref()).await })
            }
            Command::Unsubscribe { channel } => {
                Box::pin(async move { self.client_unsubscribe(&client, &channel).await })
            }
            Command::Publish(message) => Box::pin(async move {
                client.settle().await;
                self.client_publish(&client, client.subscribed, message).await.map(written)
            }),
            Command::Batch(messages) => Box::pin(async move {
                client.settle().await;
                self.client_publish_batch(&client, messages).await
            }),
            Command::SetState { channel, change, if_version } => Box::pin(async move {
                let named = match self.writable(&client, client.subscribed, &channel, authorize::decide_set_state)? {
                    Ok(named) => named,
                    Err(refused) => return Ok(Outcome::Reply(refused)),
                };
                match self.put_state(&named.key, change, if_version).await {
                    Ok((_, version)) => Ok(Outcome::Written(Reply::StateChanged(version))),
                    Err(StoreError::VersionMismatch { current }) => Ok(Outcome::Reply(Reply::VersionMismatch(current))),
                    Err(error) => Err(refusal(error, &named.key.channel)),
                }
            }),
            Command::History { channel, query } => {
                Box::pin(async move { self.client_history(&client, &channel, query).await })
            }
            Command::Members { channel, query } => {
                Box::pin(async move { self.client_members(&client, &channel, query).await })
            }
            Command::SetMember { channel, data } => {
                Box::pin(std::future::ready(self.client_shows_face(&client, &channel, data)))
            }
            Command::Acknowledge { direct } => Box::pin(async move { self.client_acknowledges(&client, direct).await }),
        }
    }

    fn note_connect(&self, outcome: Result<Outcome>) -> Result<Outcome> {
        if outcome.is_err() { &self.counters.connects_refused } else { &self.counters.connects }.add(1);
        outcome
    }

    fn note_renewal(&self, outcome: Result<Outcome>) -> Result<Outcome> {
        if outcome.is_err() { &self.counters.renewals_refused } else { &self.counters.renewals }.add(1);
        outcome
    }

    /// Does what a JWT needs before it is recognised, until it is.
    pub(super) async fn prepared(
        &self,
        entry: &Arc<ProjectEntry>,
        unprepared: Unprepared,
        token: Option<&PresentedSecret>,
    ) -> Result<()> {
        let done = match self.prepare(entry, unprepared).await {
            Ok(()) => self.recognise(entry, token.map_or("", PresentedSecret::expose)).await.map(drop),
            Err(told) => Err(told),
        };
        done.map_err(|told| match told.kind {
            ErrorKind::InvalidAuth => self.failed_authentication(Some(entry.project.id), told.code, told.into()),
            _ => told.into(),
        })
    }

    /// `asked` says that the project's access hook has let the client in already.
    pub(super) fn identify(
        &self,
        client: &Client,
        project: &str,
        token: Option<&PresentedSecret>,
        given: Option<&Resume>,
        asked: bool,
    ) -> Result<Step> {
        given.map_or(Ok(()), check_resume)?;
        let refused = || Error::new(ErrorKind::InvalidAuth, "The project or the token is not valid.");
        let entry = project
            .parse::<ProjectId>()
            .ok()
            .and_then(|project| self.directory.project(project))
            .ok_or_else(|| self.failed_authentication(None, "unknown_project", refused()))?;
        let project = entry.project.id;
        let id = self.next_connection();
        let connected = Connected {
            connection: id,
            project,
            token: None,
            connection_count: 1,
            session: None,
            resumed: false,
            direct: None,
            direct_lost: false,
            channels: Vec::new(),
        };
        let resume = |resume: Option<&Resume>| resume.map(|resume| Box::new(resume.clone()));
        let peer = client.peer.clone();
        let address = peer.as_ref().map(|peer| peer.address);
        let came = |token| {
            let delta = UsageDelta { connects: 1, addresses: address.into_iter().collect(), ..UsageDelta::default() };
            self.directory.used([((project, token), delta)]);
        };
        let Some(presented) = token else {
            if !asked && asks(&entry, HookQuestion::Connect, true) {
                return Ok(Step::Ask(entry, None));
            }
            came(None);
            let resume = resume(given);
            let admission = Admission { project, token: None, peer, channels: Vec::new(), resume, connected };
            return Ok(Step::Done(Outcome::Admit(Box::new(admission))));
        };
        // The signature first: a forged token costs no look-up.
        let recognised = match self.recognise_now(&entry, presented.expose()) {
            Ok(Ok(recognised)) => recognised,
            Ok(Err(unprepared)) => return Ok(Step::Due(entry, unprepared)),
            Err(told) if told.kind != ErrorKind::InvalidAuth => return Err(told.into()),
            Err(told) => {
                let code = told.code;
                let error = if Self::is_jwt(presented.expose()) { told.into() } else { refused() };
                return Err(self.failed_authentication(Some(project), code, error));
            }
        };
        let token = Some(recognised.claims.token);
        // Only about who would get in: what is refused anyhow is refused by us.
        if !asked
            && asks(&entry, HookQuestion::Connect, false)
            && self.would_register(&entry, recognised, client.place())
        {
            return Ok(Step::Ask(entry, token));
        }
        let live = client.live(id, recognised, self.now());
        let session = given.map(|given| given.session.as_deref());
        let registered = self.register(&entry, live, recognised, (client.place(), session), connected);
        let (channels, connected) = registered.inspect_err(|error| {
            self.refusals.note(Some(project), error.kind.code(), address);
            self.note_refusal(Some(project), token, error.kind.code());
        })?;
        came(token);
        Ok(Step::Done(Outcome::Admit(Box::new(Admission {
            project,
            token,
            peer,
            channels,
            resume: resume(given),
            connected,
        }))))
    }

    /// Whether [`Node::register`] would take the connection now.
    fn would_register(&self, entry: &ProjectEntry, recognised: Recognised, place: Place<'_>) -> bool {
        let (claims, records, now) = (recognised.claims, entry.read(), self.now());
        recognised.refused_by(&records, now).is_none()
            && records.token(claims.token).is_some_and(|token| {
                refused_by(&records, token, claims.generation, Some(place), now).is_none() && has_room(token).is_ok()
            })
    }

    /// Adds a connection to its token's session. In one step with reading the subscriptions: a change that comes later finds the connection.
    fn register(
        &self,
        entry: &ProjectEntry,
        live: LiveConnection,
        recognised: Recognised,
        (place, session): (Place<'_>, Option<Option<&str>>),
        mut connected: Connected,
    ) -> Result<(Vec<ChannelId>, Connected)> {
        let (claims, now) = (recognised.claims, self.now());
        let mut records = entry.write();
        if let Some(refused) = recognised.refused_by(&records, now) {
            return Err(refused.into());
        }
        let token = records.token(claims.token).ok_or_else(TokenRefused::deleted)?;
        if let Some(refused) = refused_by(&records, token, claims.generation, Some(place), now) {
            return Err(refused.into());
        }
        has_room(token)?;
        self.note_generation(claims, token);
        let user = records.user_name_of(claims.token);
        let record = records.token_mut(claims.token).ok_or_else(TokenRefused::deleted)?;
        let end = record.live_until(&live);
        if let Some(named) = session {
            let begun = session_text(record.begin_session(live.id));
            connected.resumed = named == Some(&*begun);
            connected.session = Some(begun);
        }
        records.connect(claims.token, live);
        let record = records.token(claims.token).ok_or_else(TokenRefused::deleted)?;
        connected.connection_count = u32::try_from(record.live_connections().len()).unwrap_or(u32::MAX);
        connected.token = Some(ConnectedToken {
            id: claims.token,
            user,
            state: record.state.as_deref().cloned(),
            expiry: expiry(record.created_at, end, now),
        });
        let channels = record.subscriptions().iter().map(|(channel, _)| channel.clone()).collect();
        self.directory.note_moment(&records, entry.project.id, claims.token, true);
        Ok((channels, connected))
    }

    async fn client_subscribe(&self, client: &Client, channel: &str, wish: Option<&SubscribeWish>) -> Result<Outcome> {
        let caller = identified(client)?;
        let (entry, named) = self.named(&caller, channel)?;
        check_face(wish.and_then(|wish| wish.data.as_ref()))?;
        // Whoever asks for nothing of the past is handed the last message where that is retained.
        let retains = entry.read().channel(&named.key.channel).is_some_and(|found| found.snapshot.settings.retain);
        let from = wish.and_then(|wish| wish.from).or_else(|| retains.then_some(StartFrom::Last(1)));
        let Caller::Token { project, token } = caller else {
            return match authorize::client_subscribe(&caller, named.kind, &named.key.channel, Standing::NONE) {
                SubscribeDecision::Allow
                    if client.subscriptions >= SUBSCRIPTIONS_PER_ANONYMOUS_MAX && !client.subscribed =>
                {
                    Err(self.refuse_subscribe(ErrorKind::LimitReached, &named))
                }
                SubscribeDecision::Allow => {
                    self.fetch(&entry, &named.key, from).await?;
                    Ok(Outcome::Join(named.key))
                }
                SubscribeDecision::Refuse | SubscribeDecision::AskHook => {
                    Err(self.refuse_subscribe(ErrorKind::NotGranted, &named))
                }
            };
        };
        if let Some(wish) = wish {
            self.check_wish(&entry, token, &named, wish)?;
        }
        let first = self.decision(&entry, token, &named)?;
        // Only for who gets in, as far as that can be known: who is refused costs the store nothing. And before each look at what is so now, not
        // behind it: the subscription may end meanwhile, and a join without one is answered by nobody.
        if first == SubscribeDecision::Allow || entry.read().is_subscribed(token, &named.key.channel) {
            self.fetch(&entry, &named.key, from).await?;
        }
        if entry.read().is_subscribed(token, &named.key.channel) {
            return Ok(Outcome::Join(named.key));
        }
        let mut hooked = Hooked::NotAsked;
        if first == SubscribeDecision::AskHook {
            hooked = self.subscribe_hooked(&entry, token, &named.key, named.kind).await?;
        }
        if hooked == Hooked::Allowed {
            self.fetch(&entry, &named.key, from).await?;
        }
        // Decided again, and kept so until it is durable: the token may have changed while the hook was asked.
        let minting = entry.minting.read().await;
        match (self.decision(&entry, token, &named)?, hooked) {
            (SubscribeDecision::Allow, _) | (SubscribeDecision::AskHook, Hooked::Allowed) => {}
            (SubscribeDecision::AskHook, Hooked::Denied(Some(reason))) => {
                let refused = self.refuse_subscribe(ErrorKind::NotGranted, &named);
                let what = format!("this client the channel {}", named.key.channel);
                return Err(Error { detail: denied(&what, Some(&reason)), ..refused });
            }
            // Our own no has no reason of anybody's, also where the hook gave one before.
            (SubscribeDecision::AskHook | SubscribeDecision::Refuse, _) => {
                return Err(self.refuse_subscribe(ErrorKind::NotGranted, &named));
            }
        }
        if entry.read().is_subscribed(token, &named.key.channel) {
            return Ok(Outcome::Join(named.key));
        }
        let subscription = Subscription { project, token, channel: named.key.channel.clone(), ephemeral: false };
        let inserted = self.store.insert_subscription(subscription, None).await;
        drop(minting);
        match inserted {
            // The change feed has told all connections of the token, this one among them; what it asks for next comes behind that.
            Ok(true) => {
                self.settled([client.connection.shard], &named.key).await;
                Ok(Outcome::Reply(Reply::Done))
            }
            Ok(false) => Ok(Outcome::Join(named.key)),
            // The token was deleted meanwhile; its connections are being closed.
            Err(StoreError::NotFound(Subject::Row(RowKind::Token))) => {
                Err(self.refuse_subscribe(ErrorKind::NotGranted, &named))
            }
            Err(error) => Err(refusal(error, &named.key.channel)),
        }
    }

    /// Whether a token may subscribe, by what it is now.
    fn decision(&self, entry: &ProjectEntry, token: TokenId, named: &Named) -> Result<SubscribeDecision> {
        let (records, channel) = (entry.read(), &named.key.channel);
        let found = self.still_in(&records, token)?;
        let grants = found.terms().and_then(|terms| terms.grants.as_deref());
        let standing = Standing { grants, subscribed: records.is_subscribed(token, channel) };
        let caller = Caller::Token { project: named.key.project, token };
        Ok(authorize::client_subscribe(&caller, named.kind, channel, standing))
    }

    async fn client_unsubscribe(&self, client: &Client, channel: &str) -> Result<Outcome> {
        let caller = identified(client)?;
        // This connection has left already, when the command was prepared.
        if let (Caller::Token { project, token }, Ok(channel)) = (caller, ChannelId::new(channel)) {
            self.store
                .delete_subscription(project, token, channel.clone(), None)
                .await
                .map_err(|error| refusal(error, &channel))?;
            return Ok(Outcome::Left(ChannelKey { project, channel }));
        }
        Ok(Outcome::Reply(Reply::Done))
    }

    /// The channel, if the client may write into it, by its settings or the token's grants; else the reply that says what is missing. A token
    /// with grants need not be subscribed.
    pub(super) fn writable(
        &self,
        client: &Client,
        subscribed: bool,
        channel: &str,
        rule: WriteRule,
    ) -> Result<std::result::Result<Named, Reply>> {
        let caller = identified(client)?;
        let Ok((entry, named)) = self.named(&caller, channel) else { return Ok(Err(Reply::NotSubscribed)) };
        let records = entry.read();
        let mut standing = Standing { grants: None, subscribed };
        if let Caller::Token { token, .. } = caller {
            let found = self.still_in(&records, token)?;
            standing.grants = found.terms().and_then(|terms| terms.grants.as_deref());
            standing.subscribed |= records.is_subscribed(token, &named.key.channel);
        }
        match writing(&caller, named.capabilities, &named.key.channel, standing, rule) {
            Weighed::Allowed(_) | Weighed::AskHook(_) => {}
            Weighed::NotSubscribed => return Ok(Err(Reply::NotSubscribed)),
            Weighed::NotGranted(_) | Weighed::Hidden(_) => {
                self.counters.client_writes_refused.add(1);
                return Ok(Err(Reply::NotAllowed));
            }
        }
        drop(records);
        Ok(Ok(named))
    }

    pub(super) fn named(&self, caller: &Caller, channel: &str) -> Result<(Arc<ProjectEntry>, Named)> {
        let (Caller::Token { project, .. } | Caller::Anonymous { project }) = *caller else {
            return Err(Error::new(ErrorKind::Forbidden, "Only clients subscribe and publish over a connection."));
        };
        let channel = ChannelId::new(channel)?;
        let entry = self.project(project)?;
        let found = entry.read().channel(&channel).map(|found| (found.snapshot.kind, found.snapshot.capabilities));
        let (kind, capabilities) = found.ok_or_else(|| Error::not_found("channel", &channel))?;
        Ok((entry, Named { key: ChannelKey { project, channel }, kind, capabilities }))
    }

    fn refuse_subscribe(&self, kind: ErrorKind, named: &Named) -> Error {
        self.counters.subscribes_refused.add(1);
        let detail = match kind {
            ErrorKind::LimitReached => {
                format!("An anonymous client may be subscribed to at most {SUBSCRIPTIONS_PER_ANONYMOUS_MAX} channels.")
            }
            _ => format!("This client may not subscribe to {}.", named.key.channel),
        };
        Error::new(kind, detail)
    }
}

/// A message, or some, were taken.
fn written(published: std::result::Result<Published, Reply>) -> Outcome {
    match published {
        Ok(published) => Outcome::Written(Reply::Published(published)),
        Err(refused) => Outcome::Reply(refused),
    }
}

/// How a session is spelled.
pub(super) fn session_text(session: ConnectionId) -> Arc<str> {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    // By hand: every connection is told its session.
    let (number, mut text) = (session.get(), *b"ses_0000000000000000");
    let digits = (u64::BITS - number.leading_zeros()).div_ceil(4).max(1) as usize;
    for (place, digit) in text[4..4 + digits].iter_mut().rev().enumerate() {
        *digit = DIGITS[(number >> (4 * place)) as usize & 0xf];
    }
    std::str::from_utf8(&text[..4 + digits]).expect("invariant: ASCII").into()
}

/// Whether a token may have one more connection.
pub(super) fn has_room(token: &TokenEntry) -> Result<()> {
    let own = token.terms().and_then(|terms| terms.connections_max).map_or(usize::MAX, |max| max as usize);
    let most = own.min(CONNECTIONS_PER_TOKEN_MAX);
    if token.live_connections().len() < most {
        return Ok(());
    }
    Err(Error::new(
        ErrorKind::LimitReached,
        format!("This token may have at most {most} connections at a time; close one first."),
    ))
}

pub(super) fn identified(client: &Client) -> Result<Caller> {
    client.caller.ok_or_else(|| Error::new(ErrorKind::InvalidAuth, "Identify this connection first."))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_is_spelled_in_hexadecimal() {
        for number in [0, 9, 15, 16, 0xab, 0xabc, u64::MAX >> 4, u64::MAX] {
            assert_eq!(*session_text(ConnectionId::new(number)), format!("ses_{number:x}"));
        }
    }
}
