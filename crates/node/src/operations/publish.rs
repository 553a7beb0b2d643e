//! Publishing into a channel, and direct messages to tokens, users and single connections.

use std::sync::Arc;

use tokio::sync::oneshot;
use tollgate_core::authorize::{Action, Caller};
use tollgate_core::command::{NewMessage, PresentedSecret, PublishOptions, Published};
use tollgate_core::credentials::fingerprint;
use tollgate_core::delivery::{Extra, Publication};
use tollgate_core::error::{Error, ErrorKind, Result};
use tollgate_core::ids::{ChannelId, ChannelKey, ConnectionId, ProjectId, TokenId};
use tollgate_core::json::JsonValue;
use tollgate_core::limits::{EVENT_BYTES_MAX, MESSAGE_BYTES_MAX, PUBLICATION_ID_BYTES_MAX, PUBLISH_BATCH_MAX};
use tollgate_core::ports::broker::PublishHow;
use tollgate_core::ports::store::StoreError;

use super::bearers::Wish;
use super::hooks::{Hooked, denied};
use super::refusal;
use super::writing::actor;
use crate::Node;
use crate::directory::ProjectEntry;
use crate::hub::Request;

/// How often a message is offered again to whoever orders the channel, when its settings change meanwhile.
const OFFERS_MAX: usize = 3;

impl Node {
    /// Publishes a message into a channel; answered once it has its place and is as durable as the channel promises.
    ///
    /// # Errors
    /// `not_found`, `forbidden`, `not_granted` for a token that may not, `invalid_body` for a bad event name, id or key, `payload_too_large`,
    /// `unavailable`.
    pub async fn publish(&self, caller: &Caller, message: NewMessage) -> Result<Published> {
        let channel = ChannelId::new(&message.channel)?;
        let entry = match *caller {
            Caller::Token { project, token } => self.allow_token(project, token, &channel, Wish::Publish)?,
            _ => self.authorize(caller, Action::Publish)?,
        };
        let known =
            entry.read().channel(&channel).map(|found| (found.snapshot.kind, found.snapshot.settings.history.durable));
        let (kind, is_durable) = known.ok_or_else(|| Error::not_found("channel", &channel))?;
        let key = ChannelKey { project: entry.project.id, channel };
        let (mut publication, how) = self.publication(&entry, &key, caller, None, message)?;
        match (self.publish_hooked(*caller, &key, kind, &publication).await?, *caller) {
            (Hooked::Denied(reason), _) => return Err(refused_message(&key.channel, reason.as_deref())),
            // The hook took its time: whether the token may is asked again.
            (Hooked::Allowed, Caller::Token { project, token }) => {
                self.allow_token(project, token, &key.channel, Wish::Publish)?;
                publication.at = self.now();
            }
            (Hooked::Allowed | Hooked::NotAsked, _) => {}
        }
        self.place(&entry, key, Some(is_durable), publication, how).await
    }

    /// Publishes messages, one after another; each has an outcome of its own.
    ///
    /// # Errors
    /// `limit_reached` for more than 100, `forbidden` for a key that may publish nothing.
    pub async fn publish_batch(&self, caller: &Caller, messages: Vec<NewMessage>) -> Result<Vec<Result<Published>>> {
        if !matches!(caller, Caller::Token { .. }) {
            self.authorize(caller, Action::Publish)?;
        }
        check_batch(&messages)?;
        let mut outcomes = Vec::with_capacity(messages.len());
        for message in messages {
            outcomes.push(self.publish(caller, message).await);
        }
        Ok(outcomes)
    }

    /// Gives a message of an allowed caller its place: the home's, or the store's where the history is durable, as it was when the channel was looked up
    /// if it was. Who was wrong about that is told so, and looks again.
    pub(super) async fn place(
        &self,
        entry: &Arc<ProjectEntry>,
        key: ChannelKey,
        mut known: Option<bool>,
        publication: Publication,
        how: PublishHow,
    ) -> Result<Published> {
        for _ in 0..OFFERS_MAX {
            let looked_up = || entry.read().channel(&key.channel).map(|found| found.snapshot.settings.history.durable);
            let is_durable =
                known.take().or_else(looked_up).ok_or_else(|| Error::not_found("channel", &key.channel))?;
            if is_durable {
                let (project, channel) = (key.project, key.channel.clone());
                match self.store.append(project, channel, publication.clone(), how.once).await {
                    Err(StoreError::NotDurable) => {}
                    appended => return appended.map_err(|error| refusal(error, &key.channel)),
                }
            } else if let Some(published) = self.broker.publish(key.clone(), publication.clone(), how.clone()).await? {
                return Ok(published);
            }
        }
        Err(refusal(StoreError::NotDurable, &key.channel))
    }

    /// A checked publication, with what is known of its publisher.
    pub(super) fn publication(
        &self,
        entry: &ProjectEntry,
        key: &ChannelKey,
        caller: &Caller,
        connection: Option<ConnectionId>,
        message: NewMessage,
    ) -> Result<(Publication, PublishHow)> {
        let mut publication = self.checked_message(&message.event, message.data)?;
        let options = message.options.map(|options| *options).unwrap_or_default();
        check_options(&options)?;
        let token = if let Caller::Token { token, .. } = *caller { Some(token) } else { None };
        let records = entry.read();
        let echoes = || records.channel(&key.channel).is_none_or(|found| found.snapshot.settings.echo);
        // Who is not to hear it.
        let left_out = connection.filter(|_| !options.echo.unwrap_or_else(echoes));
        // Two publishers may choose the same id: it is theirs alone. Whoever has no token is told from others by its connection.
        let once = options.id.as_ref().map(|id| {
            let publisher = match (*caller, connection) {
                (Caller::Anonymous { .. }, Some(connection)) => connection.to_string(),
                _ => actor(caller),
            };
            let hash = fingerprint(&[publisher.as_bytes(), id.as_bytes()]);
            *hash.first_chunk().expect("invariant: a hash has more bytes")
        });
        let user = token.and_then(|token| records.user_name_of(token));
        drop(records);
        let id = options.id.map(Arc::<str>::from);
        if token.is_some() || left_out.is_some() || id.is_some() {
            publication.extra = Some(Arc::new(Extra { token, user, connection: left_out, id }));
        }
        Ok((publication, PublishHow { once, key: options.key.map(Arc::from) }))
    }

    /// Sends a direct message to all connections of a token; answers how many there are. With nobody online it is kept for the rest of the token's session, or in
    /// its mailbox, if the project has those.
    ///
    /// # Errors
    /// `not_found`, `forbidden`, `invalid_body` for a bad event name, `payload_too_large`, `unavailable`.
    pub async fn direct_message(
        &self,
        caller: &Caller,
        token: &PresentedSecret,
        event: &str,
        data: JsonValue,
    ) -> Result<u32> {
        let entry = self.authorize(caller, Action::MessageToken)?;
        let publication = self.checked_message(event, data)?;
        let token = self.resolve_token(&entry, token)?;
        if Self::keeps_mailboxes(&entry) {
            return Ok(self.mail(&entry, &[token], &publication).await?.connections);
        }
        Ok(self.send_direct(entry.project.id, token, publication).await)
    }

    /// Sends a direct message to one connection of a token; answers whether it is there. It is not kept.
    ///
    /// # Errors
    /// As [`Node::direct_message`], and `not_found` for a connection that the token does not have.
    pub async fn direct_message_to_connection(
        &self,
        caller: &Caller,
        token: &PresentedSecret,
        connection: ConnectionId,
        event: &str,
        data: JsonValue,
    ) -> Result<bool> {
        let entry = self.authorize(caller, Action::MessageToken)?;
        let publication = self.checked_message(event, data)?;
        let token = self.resolve_token(&entry, token)?;
        let found = entry
            .read()
            .token(token)
            .and_then(|found| {
                found.live_connections().iter().find(|live| live.id == connection).map(|live| live.connection)
            })
            .ok_or_else(|| Error::not_found("connection", &connection))?;
        self.counters.direct_messages.add(1);
        let (reply, answer) = oneshot::channel();
        self.hub.ask(found.shard, Request::DirectTo(found.key, publication, reply)).await;
        Ok(answer.await.unwrap_or(false))
    }

    /// Sends a direct message to a token; answers how many connections it has.
    pub(super) async fn send_direct(&self, project: ProjectId, token: TokenId, publication: Publication) -> u32 {
        self.counters.direct_messages.add(1);
        let (reply, answer) = oneshot::channel();
        let home = self.hub.home_of_token(token);
        self.hub.ask(home, Request::Direct(project, token, publication, reply)).await;
        let reached = answer.await.unwrap_or(0);
        self.counters.direct_messages_unheard.add(u64::from(reached == 0));
        reached
    }

    /// A checked publication of a backend.
    pub(super) fn checked_message(&self, event: &str, data: JsonValue) -> Result<Publication> {
        if event.is_empty() || event.len() > EVENT_BYTES_MAX {
            return Err(Error::new(
                ErrorKind::InvalidBody,
                format!("The event name `e` has {} bytes; it must be a string of 1 to {EVENT_BYTES_MAX}.", event.len()),
            ));
        }
        if data.as_str().len() > MESSAGE_BYTES_MAX {
            return Err(Error::new(
                ErrorKind::TooLarge,
                format!("The message data has {} bytes; at most {MESSAGE_BYTES_MAX} are allowed.", data.as_str().len()),
            ));
        }
        Ok(Publication::new(event, data, self.now()))
    }
}

/// What the access hook's no means to whoever publishes.
pub(super) fn refused_message(channel: &ChannelId, reason: Option<&str>) -> Error {
    Error::new(ErrorKind::NotGranted, denied(&format!("this message in the channel {channel}"), reason))
}

/// Refuses a batch that is too large.
pub(super) fn check_batch(messages: &[NewMessage]) -> Result<()> {
    if messages.len() > PUBLISH_BATCH_MAX {
        return Err(Error::new(
            ErrorKind::LimitReached,
            format!("A batch has at most {PUBLISH_BATCH_MAX} messages; this one has {}.", messages.len()),
        ));
    }
    Ok(())
}

fn check_options(options: &PublishOptions) -> Result<()> {
    for (name, given) in [("id", &options.id), ("key", &options.key)] {
        if given.as_ref().is_some_and(|text| text.is_empty() || text.len() > PUBLICATION_ID_BYTES_MAX) {
            return Err(Error::new(
                ErrorKind::InvalidBody,
                format!("`{name}` of a message is a text of 1 to {PUBLICATION_ID_BYTES_MAX} bytes."),
            ));
        }
    }
    Ok(())
}
