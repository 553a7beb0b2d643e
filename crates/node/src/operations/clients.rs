//! What clients ask for over their connections. Each command goes through three steps: the shard prepares it, the operation here decides and
//! makes it durable, and the shard settles what it came to.

use std::sync::Arc;

use tollgate_core::authorize::{self, Caller, SubscribeDecision};
use tollgate_core::clock::UnixMillis;
use tollgate_core::command::{Command, Connected, ConnectedToken, PresentedSecret, Reply};
use tollgate_core::credentials::{RowKind, TokenClaims};
use tollgate_core::error::{Error, ErrorKind, Result};
use tollgate_core::ids::{ChannelId, ChannelKey, ProjectId};
use tollgate_core::limits::{CONNECTIONS_PER_TOKEN_MAX, SUBSCRIPTIONS_PER_ANONYMOUS_MAX};
use tollgate_core::model::{ChannelType, Subscription};
use tollgate_core::peer::Peer;
use tollgate_core::ports::Pending;
use tollgate_core::ports::hook::SubscribeQuestion;
use tollgate_core::ports::store::{StateChange, StoreError, Subject};

use super::publish::publication;
use super::writing::{Origin, at_origin};
use super::refusal;
use crate::Node;
use crate::directory::{LiveConnection, ProjectEntry, UsageDelta, expiry};
use crate::hub::{Admission, ConnectionRef, Renewal};

/// Who asks: made by [`crate::Shard::prepare`].
#[derive(Clone, Debug)]
pub struct Client {
    pub(crate) connection: ConnectionRef,
    /// Nobody yet, before the connection is identified.
    pub(crate) caller: Option<Caller>,
    /// Whether the connection is subscribed to the channel that the command names.
    pub(crate) subscribed: bool,
    /// How many channels the connection is subscribed to.
    pub(crate) subscriptions: usize,
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

/// What a command came to: to be given to [`crate::Shard::settle`] on the connection's shard, without waiting for anything else first.
#[derive(Debug)]
pub enum Outcome {
    /// Answer with this.
    Reply(Reply),
    /// Subscribe the connection, then answer.
    Join(ChannelKey),
    /// A message or state of the client was taken: count it, then answer.
    Written,
    /// The connection is identified.
    Admit(Box<Admission>),
    /// The connection goes on with another secret; then answer.
    Renewed(Box<Renewal>),
}

/// A channel that a client named, as it stands.
struct Named {
    key: ChannelKey,
    kind: ChannelType,
    capabilities: tollgate_core::model::Capabilities,
}

impl Node {
    /// Decides on a client's command and makes its outcome durable.
    ///
    /// # Errors
    /// `invalid_auth` for a connect, or for any other command before it; `not_granted`, `not_found`, `invalid_input` and `limit_reached` for a
    /// subscribe; `unavailable`.
    pub fn perform(&self, client: Client, command: Command) -> Pending<'_, Result<Outcome>> {
        match command {
            // Identified within this call, before it returns: the connection is registered and then settled with nothing in between.
            Command::Connect { project, token } => {
                let address = client.peer.as_ref().map(|peer| peer.address);
                let came = Origin { request_id: None, address };
                let outcome = at_origin(came, || self.identify(&client, &project, token.as_ref()));
                if outcome.is_err() { &self.counters.connects_refused } else { &self.counters.connects }.add(1);
                Box::pin(std::future::ready(outcome))
            }
            Command::Renew { token } => {
                let outcome = self.renew(&client, &token);
                if outcome.is_err() { &self.counters.renewals_refused } else { &self.counters.renewals }.add(1);
                Box::pin(std::future::ready(outcome))
            }
            Command::Subscribe { channel } => Box::pin(async move { self.client_subscribe(&client, &channel).await }),
            Command::Unsubscribe { channel } => {
                Box::pin(async move { self.client_unsubscribe(&client, &channel).await })
            }
            Command::Publish { channel, event, data } => Box::pin(async move {
                let named = match self.writable(&client, &channel, authorize::client_publish)? {
                    Ok(named) => named,
                    Err(refused) => return Ok(Outcome::Reply(refused)),
                };
                self.broker.publish(named.key, publication(&event, data)?).await?;
                Ok(Outcome::Written)
            }),
            Command::SetState { channel, state } => Box::pin(async move {
                let named = match self.writable(&client, &channel, authorize::client_set_state)? {
                    Ok(named) => named,
                    Err(refused) => return Ok(Outcome::Reply(refused)),
                };
                let ChannelKey { project, channel } = named.key;
                self.store
                    .change_state(project, channel.clone(), StateChange::Replace(state), None)
                    .await
                    .map_err(|error| refusal(error, &channel))?;
                Ok(Outcome::Written)
            }),
        }
    }

    fn identify(&self, client: &Client, project: &str, token: Option<&PresentedSecret>) -> Result<Outcome> {
        let refused = || Error::new(ErrorKind::InvalidAuth, "The project or the token is not valid.");
        let entry = project
            .parse::<ProjectId>()
            .ok()
            .and_then(|project| self.directory.project(project))
            .ok_or_else(|| self.failed_authentication(None, "unknown_project", refused()))?;
        let project = entry.project.id;
        let id = self.next_connection();
        let connected = Connected { connection: id, project, token: None, connection_count: 1, channels: Vec::new() };
        let peer = client.peer.clone();
        let address = peer.as_ref().map(|peer| peer.address);
        let came = |token| {
            let delta = UsageDelta { connects: 1, addresses: address.into_iter().collect(), ..UsageDelta::default() };
            self.directory.used([((project, token), delta)]);
        };
        let Some(presented) = token else {
            came(None);
            let admission = Admission { project, token: None, peer, channels: Vec::new(), connected };
            return Ok(Outcome::Admit(Box::new(admission)));
        };
        // The signature first: a forged token costs no look-up.
        let claims = self
            .claims_of(&entry, presented.expose())
            .ok_or_else(|| self.failed_authentication(Some(project), "forged", refused()))?;
        let (channels, connected) =
            self.register(&entry, client.connection, claims, connected).ok_or_else(|| {
                self.refusals.note(Some(project), "token_ended", address);
                refused()
            })?;
        came(Some(claims.token));
        Ok(Outcome::Admit(Box::new(Admission { project, token: Some(claims.token), peer, channels, connected })))
    }

    /// Adds a connection to its token's session. In one step with reading the subscriptions: a change that comes later finds the connection.
    fn register(
        &self,
        entry: &ProjectEntry,
        connection: ConnectionRef,
        claims: TokenClaims,
        mut connected: Connected,
    ) -> Option<(Vec<ChannelId>, Connected)> {
        let now: UnixMillis = self.now();
        let mut records = entry.write();
        let record = records.token_mut(claims.token).filter(|record| record.end(claims.generation, now).is_none())?;
        if record.live_connections().len() >= CONNECTIONS_PER_TOKEN_MAX {
            return None;
        }
        record.connect(LiveConnection {
            connection,
            generation: claims.generation,
            key_number: claims.key_number,
            since: now,
        });
        connected.connection_count = u32::try_from(record.live_connections().len()).unwrap_or(u32::MAX);
        connected.token = Some(ConnectedToken {
            state: record.state.as_deref().cloned(),
            expiry: expiry(record.created_at, record.ends_at(claims.generation), now),
        });
        let channels = record.subscriptions().iter().map(|(channel, _)| channel.clone()).collect();
        self.directory.note_moment(&records, entry.project.id, claims.token, true);
        Some((channels, connected))
    }

    async fn client_subscribe(&self, client: &Client, channel: &str) -> Result<Outcome> {
        let caller = identified(client)?;
        let (entry, named) = self.named(&caller, channel)?;
        let Caller::Token { project, token } = caller else {
            return match authorize::client_subscribe(&caller, named.kind, false) {
                SubscribeDecision::Allow
                    if client.subscriptions >= SUBSCRIPTIONS_PER_ANONYMOUS_MAX && !client.subscribed =>
                {
                    Err(self.refuse_subscribe(ErrorKind::LimitReached, &named))
                }
                SubscribeDecision::Allow => Ok(Outcome::Join(named.key)),
                SubscribeDecision::Refuse | SubscribeDecision::AskHook => {
                    Err(self.refuse_subscribe(ErrorKind::NotGranted, &named))
                }
            };
        };
        let granted = entry.read().is_subscribed(token, &named.key.channel);
        if granted {
            return Ok(Outcome::Join(named.key));
        }
        let allowed = match authorize::client_subscribe(&caller, named.kind, granted) {
            SubscribeDecision::Allow => true,
            SubscribeDecision::Refuse => false,
            SubscribeDecision::AskHook => {
                let token_state = entry.read().token(token).and_then(|found| found.state.as_deref().cloned());
                self.hook
                    .may_subscribe(SubscribeQuestion {
                        project,
                        channel: named.key.channel.clone(),
                        token,
                        token_state,
                    })
                    .await
            }
        };
        if !allowed {
            return Err(self.refuse_subscribe(ErrorKind::NotGranted, &named));
        }
        let subscription = Subscription { project, token, channel: named.key.channel.clone(), ephemeral: false };
        match self.store.insert_subscription(subscription, None).await {
            // The change feed has told all connections of the token, this one among them.
            Ok(true) => Ok(Outcome::Reply(Reply::Done)),
            Ok(false) => Ok(Outcome::Join(named.key)),
            // The token was deleted meanwhile; its connections are being closed.
            Err(StoreError::NotFound(Subject::Row(RowKind::Token))) => {
                Err(self.refuse_subscribe(ErrorKind::NotGranted, &named))
            }
            Err(error) => Err(refusal(error, &named.key.channel)),
        }
    }

    async fn client_unsubscribe(&self, client: &Client, channel: &str) -> Result<Outcome> {
        let caller = identified(client)?;
        // This connection has left already, when the command was prepared.
        if let (Caller::Token { project, token }, Ok(channel)) = (caller, ChannelId::new(channel)) {
            self.store
                .delete_subscription(project, token, channel.clone(), None)
                .await
                .map_err(|error| refusal(error, &channel))?;
        }
        Ok(Outcome::Reply(Reply::Done))
    }

    /// The channel, if the client is subscribed to it and its settings let it write; else the reply that says what is missing.
    fn writable(
        &self,
        client: &Client,
        channel: &str,
        rule: fn(&Caller, tollgate_core::model::Capabilities) -> bool,
    ) -> Result<std::result::Result<Named, Reply>> {
        let caller = identified(client)?;
        let Ok((entry, named)) = self.named(&caller, channel) else { return Ok(Err(Reply::NotSubscribed)) };
        let durably =
            matches!(caller, Caller::Token { token, .. } if entry.read().is_subscribed(token, &named.key.channel));
        if !client.subscribed && !durably {
            return Ok(Err(Reply::NotSubscribed));
        }
        if !rule(&caller, named.capabilities) {
            self.counters.client_writes_refused.add(1);
            return Ok(Err(Reply::NotAllowed));
        }
        Ok(Ok(named))
    }

    fn named(&self, caller: &Caller, channel: &str) -> Result<(Arc<ProjectEntry>, Named)> {
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

pub(super) fn identified(client: &Client) -> Result<Caller> {
    client.caller.ok_or_else(|| Error::new(ErrorKind::InvalidAuth, "Identify this connection first."))
}
