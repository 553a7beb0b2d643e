//! What connected clients do with channels beyond entering and leaving them: publish, read the past, see who is there, and what they resume.

use std::sync::Arc;

use tollgate_core::authorize::{self, Caller, Standing};
use tollgate_core::command::{HistoryQuery, MembersQuery, NewMessage, PresentedSecret, Published, Reply, Resume};
use tollgate_core::command::{StartFrom, SubscribeWish};
use tollgate_core::delivery::Position;
use tollgate_core::error::{Error, ErrorKind, Result};
use tollgate_core::grants::{self, Operation};
use tollgate_core::ids::{ChannelId, ChannelKey, ProjectId, TokenId};
use tollgate_core::json::JsonObject;
use tollgate_core::limits::{MEMBER_DATA_BYTES_MAX, POSITIONS_MAX};

use super::clients::{Client, Named, Outcome, identified};
use super::history::HistoryView;
use super::hooks::Hooked;
use super::publish::{check_batch, refused_message};
use crate::Node;
use crate::directory::ProjectEntry;

/// What is to be in memory before a connection begins in a channel's past.
pub(super) type Due = (Arc<ProjectEntry>, ChannelKey, StartFrom);

impl Node {
    /// Publishes for a client, or says what is missing.
    pub(super) async fn client_publish(
        &self,
        client: &Client,
        subscribed: bool,
        message: NewMessage,
    ) -> Result<std::result::Result<Published, Reply>> {
        let caller = identified(client)?;
        let named = match self.writable(client, subscribed, &message.channel, authorize::decide_publish)? {
            Ok(named) => named,
            Err(refused) => return Ok(Err(refused)),
        };
        let (entry, channel) = (self.project(named.key.project)?, message.channel.clone());
        let (mut publication, how) = self.publication(&entry, &named.key, &caller, Some(client.id), message)?;
        match self.publish_hooked(caller, &named.key, named.kind, &publication).await? {
            Hooked::NotAsked => {}
            Hooked::Denied(reason) => return Err(refused_message(&named.key.channel, reason.as_deref())),
            // The hook took its time: whether the client may is asked again.
            Hooked::Allowed => {
                if let Err(refused) = self.writable(client, subscribed, &channel, authorize::decide_publish)? {
                    return Ok(Err(refused));
                }
                publication.at = self.now();
            }
        }
        self.place(&entry, named.key, None, publication, how).await.map(Ok)
    }

    /// Publishes a batch for a client; each message has an outcome of its own.
    pub(super) async fn client_publish_batch(&self, client: &Client, messages: Vec<NewMessage>) -> Result<Outcome> {
        check_batch(&messages)?;
        let mut outcomes = Vec::with_capacity(messages.len());
        for (at, message) in messages.into_iter().enumerate() {
            let subscribed = client.subscribed_each.get(at).copied().unwrap_or(false);
            let done = self.client_publish(client, subscribed, message).await;
            outcomes.push(done.map(|done| done.map_or_else(|refused| refused, Reply::Published)));
        }
        Ok(Outcome::Written(Reply::Batch(outcomes)))
    }

    /// A page of the past for a client.
    pub(super) async fn client_history(&self, client: &Client, channel: &str, query: HistoryQuery) -> Result<Outcome> {
        let key = self.client_reads(client, channel, Operation::History)?;
        Ok(Outcome::Reply(match self.page_of(key, query).await? {
            HistoryView::Page(page) => Reply::History(page),
            HistoryView::Lost(position) => Reply::PositionLost(position),
        }))
    }

    /// Members of a channel for a client: with it among them, and as it shows itself, if it was answered that it is in.
    pub(super) async fn client_members(&self, client: &Client, channel: &str, query: MembersQuery) -> Result<Outcome> {
        let key = self.client_reads(client, channel, Operation::Presence)?;
        Ok(Outcome::Reply(Reply::Members(self.members_of(key, [client.connection.shard], query).await?)))
    }

    /// What members of a channel are to see of a client that is in it.
    pub(super) fn client_shows_face(
        &self,
        client: &Client,
        channel: &str,
        data: Option<JsonObject>,
    ) -> Result<Outcome> {
        let caller = identified(client)?;
        if !client.subscribed {
            return Ok(Outcome::Reply(Reply::NotSubscribed));
        }
        check_face(data.as_ref())?;
        Ok(Outcome::ShowFace(self.named(&caller, channel)?.1.key, data))
    }

    /// A client has direct messages up to this one.
    pub(super) async fn client_acknowledges(&self, client: &Client, direct: Position) -> Result<Outcome> {
        if let Caller::Token { project, token } = identified(client)? {
            let entry = self.project(project)?;
            self.still_in(&entry.read(), token)?;
            self.acknowledge(&entry, token, direct).await?;
        }
        Ok(Outcome::Reply(Reply::Done))
    }

    fn client_reads(&self, client: &Client, channel: &str, what: Operation) -> Result<ChannelKey> {
        let caller = identified(client)?;
        let (entry, named) = self.named(&caller, channel)?;
        let records = entry.read();
        let mut standing = Standing { grants: None, subscribed: client.subscribed };
        if let Caller::Token { token, .. } = caller {
            let found = self.still_in(&records, token)?;
            standing.grants = found.terms().and_then(|terms| terms.grants.as_deref());
            standing.subscribed |= records.is_subscribed(token, &named.key.channel);
        }
        if authorize::client_reads(&caller, named.kind, &named.key.channel, standing, what) {
            return Ok(named.key);
        }
        Err(Error::new(
            ErrorKind::NotGranted,
            format!("This client may not use `{}` of {}.", what.word(), named.key.channel),
        ))
    }

    /// Refuses wishes that a token's capabilities do not allow. What it missed it may always have; what was before it is history.
    pub(super) fn check_wish(
        &self,
        entry: &ProjectEntry,
        token: TokenId,
        named: &Named,
        wish: &SubscribeWish,
    ) -> Result<()> {
        let records = entry.read();
        let found = self.still_in(&records, token)?;
        let Some(grants) = found.terms().and_then(|terms| terms.grants.as_deref()) else { return Ok(()) };
        let reads_past = matches!(wish.from, Some(StartFrom::Last(_) | StartFrom::Since(_)));
        for (wanted, operation) in [(reads_past, Operation::History), (wish.watches, Operation::Presence)] {
            if wanted && !grants::allows(grants, operation, named.key.channel.as_str()) {
                return Err(Error::new(
                    ErrorKind::NotGranted,
                    format!("This token may not use `{}` of {}.", operation.word(), named.key.channel),
                ));
            }
        }
        Ok(())
    }

    /// What has to be in memory before a client that comes back is let in. Nothing for a token that is not good: who looks into the store for
    /// anybody can be kept busy by anybody.
    pub(super) fn to_fetch(&self, project: &str, token: Option<&PresentedSecret>, resume: &Resume) -> Vec<Due> {
        let entry = project.parse::<ProjectId>().ok().and_then(|project| self.directory.project(project));
        let (Some(entry), Some(token)) = (entry, token) else { return Vec::new() };
        if resume.positions.is_empty() {
            return Vec::new();
        }
        let Ok(Ok(recognised)) = self.recognise_now(&entry, token.expose()) else { return Vec::new() };
        let records = entry.read();
        let mut due = Vec::new();
        for (channel, position) in resume.positions.iter().take(POSITIONS_MAX) {
            let Ok(channel) = ChannelId::new(channel) else { continue };
            let is_durable = records.channel(&channel).is_some_and(|found| found.snapshot.settings.history.durable);
            if is_durable && records.is_subscribed(recognised.claims.token, &channel) {
                let key = ChannelKey { project: entry.project.id, channel };
                due.push((Arc::clone(&entry), key, StartFrom::Position(*position)));
            }
        }
        due
    }

    /// Has it in memory. What cannot be had is told to the client as lost.
    pub(super) async fn fetch_all(&self, due: Vec<Due>) {
        for (entry, key, from) in due {
            if let Err(error) = self.fetch(&entry, &key, Some(from)).await {
                tracing::warn!(%error, "a channel's past could not be read for a client that came back");
            }
        }
    }
}

/// Refuses to go on with more than a client can have had.
pub(super) fn check_resume(resume: &Resume) -> Result<()> {
    check_face(resume.data.as_ref())?;
    let most = resume.positions.len().max(resume.watches.len());
    if most > POSITIONS_MAX {
        return Err(Error::new(
            ErrorKind::LimitReached,
            format!("A connect names at most {POSITIONS_MAX} channels; this one names {most}."),
        ));
    }
    Ok(())
}

/// Refuses too much to show.
pub(super) fn check_face(data: Option<&JsonObject>) -> Result<()> {
    match data.map(|data| data.as_str().len()) {
        Some(bytes) if bytes > MEMBER_DATA_BYTES_MAX => Err(Error::new(
            ErrorKind::TooLarge,
            format!("What members see of a client has at most {MEMBER_DATA_BYTES_MAX} bytes; this has {bytes}."),
        )),
        _ => Ok(()),
    }
}
