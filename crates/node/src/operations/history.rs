//! Reading a channel's past, waiting for what comes next, and who is there: for backends, tokens and connected clients.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tollgate_core::authorize::{Action, Caller};
use tollgate_core::command::{HistoryFrom, HistoryPage, HistoryQuery, MembersPage, MembersQuery, StartFrom};
use tollgate_core::delivery::Position;
use tollgate_core::error::{Error, ErrorKind, Result};
use tollgate_core::ids::{ChannelId, ChannelKey};
use tollgate_core::limits::{HISTORY_PAGE_MAX, POLLS_PER_CHANNEL_MAX};
use tollgate_core::ports::broker::History;
use tollgate_core::ports::store::StoreError;

use super::bearers::Wish;
use super::refusal;
use crate::Node;
use crate::directory::ProjectEntry;
use crate::hub::ShardIndex;

/// Longest wait for a message, in milliseconds.
pub const WAIT_MS_MAX: u64 = 60_000;

/// When to ask again who found too many waiting, in milliseconds.
const FULL_RETRY_MS: u64 = 5_000;

/// How often a page is read that the channel's settings take away meanwhile.
const READS_MAX: usize = 3;

/// Channels whose older messages are being fetched: who comes meanwhile waits and finds them in memory.
#[derive(Debug, Default)]
pub(crate) struct Fetches(Mutex<HashMap<ChannelKey, Arc<tokio::sync::Mutex<()>>>>);

/// A page of history, or word that what was asked for is not kept any more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HistoryView {
    /// This is it.
    Page(HistoryPage),
    /// The channel is here.
    Lost(Position),
}

impl Node {
    /// A page of a channel's past.
    ///
    /// # Errors
    /// `not_found`, `forbidden`, `not_granted`, `unavailable`.
    pub async fn history(&self, caller: &Caller, channel: &ChannelId, query: HistoryQuery) -> Result<HistoryView> {
        let key = self.readable(caller, channel, Wish::ReadHistory)?;
        self.page_of(key, query).await
    }

    /// The same, but when there is nothing behind the position, waits for the first message there, at most `wait_ms` (up to a minute).
    ///
    /// # Errors
    /// As [`Node::history`]; `rate_limited` when there is nothing behind the position and too many wait for that.
    pub async fn history_waiting(
        &self,
        caller: &Caller,
        channel: &ChannelId,
        query: HistoryQuery,
        wait_ms: u64,
    ) -> Result<HistoryView> {
        let key = self.readable(caller, channel, Wish::ReadHistory)?;
        if let HistoryFrom::After(position) = query.from {
            let waits = self.broker.after(key.clone(), position);
            let wait = Duration::from_millis(wait_ms.min(WAIT_MS_MAX));
            // An empty page would be asked for again at once.
            if let Ok(Ok(false)) = tokio::time::timeout(wait, waits).await {
                return Err(Error::rate_limited(
                    format!(
                        "At most {POLLS_PER_CHANNEL_MAX} may wait for the next message of a channel. Ask again in {} s, or without `wait_ms`.",
                        FULL_RETRY_MS / 1_000
                    ),
                    FULL_RETRY_MS,
                ));
            }
            // The right to read may have ended meanwhile.
            self.readable(caller, channel, Wish::ReadHistory)?;
        }
        self.page_of(key, query).await
    }

    /// Where a channel is.
    ///
    /// # Errors
    /// `not_found`, `forbidden`, `not_granted`, `unavailable`.
    pub async fn channel_position(&self, caller: &Caller, channel: &ChannelId) -> Result<Position> {
        let key = self.readable(caller, channel, Wish::ReadHistory)?;
        let last = HistoryQuery { from: HistoryFrom::End, newest_first: true, limit: 1 };
        Ok(match self.broker.history(key, last).await? {
            History::Page(HistoryPage { position, .. })
            | History::Lost(position)
            | History::InStore { position, .. } => position,
        })
    }

    /// Who is in a channel: with all whose entering was answered before, and none whose leaving was.
    ///
    /// # Errors
    /// `not_found`, `forbidden`, `not_granted`; `wrong_state` when the channel does not keep presence.
    pub async fn members(&self, caller: &Caller, channel: &ChannelId, query: MembersQuery) -> Result<MembersPage> {
        let key = self.readable(caller, channel, Wish::ReadPresence)?;
        self.members_of(key, self.hub.shards(), query).await
    }

    /// Members, as the channel's home knows them once it has heard what these shards told it.
    pub(super) async fn members_of(
        &self,
        key: ChannelKey,
        shards: impl IntoIterator<Item = ShardIndex>,
        query: MembersQuery,
    ) -> Result<MembersPage> {
        let entry = self.project(key.project)?;
        let keeps = entry.read().channel(&key.channel).is_some_and(|found| found.snapshot.settings.presence);
        if !keeps {
            return Err(Error::new(
                ErrorKind::WrongState,
                format!("The channel {} does not keep presence; switch on its setting `presence`.", key.channel),
            ));
        }
        self.settled(shards, &key).await;
        self.broker.members(key, query).await
    }

    fn readable(&self, caller: &Caller, channel: &ChannelId, wish: Wish) -> Result<ChannelKey> {
        let entry = match *caller {
            Caller::Token { project, token } => self.allow_token(project, token, channel, wish)?,
            _ => self.authorize(caller, Action::ReadChannels)?,
        };
        if entry.read().channel(channel).is_none() {
            return Err(Error::not_found("channel", channel));
        }
        Ok(ChannelKey { project: entry.project.id, channel: channel.clone() })
    }

    /// A page, from memory or from the store.
    pub(super) async fn page_of(&self, key: ChannelKey, query: HistoryQuery) -> Result<HistoryView> {
        for _ in 0..READS_MAX {
            let position = match self.broker.history(key.clone(), query).await? {
                History::Page(page) => return Ok(HistoryView::Page(page)),
                History::Lost(position) => return Ok(HistoryView::Lost(position)),
                History::InStore { position, .. } => position,
            };
            let view = self.page_in_store(&key, query, position).await?;
            // What was read is of the run that the home meant if the channel is in it still.
            if self.durable_epoch(&key) == Some(position.epoch) {
                return Ok(view);
            }
        }
        Err(refusal(StoreError::NotDurable, &key.channel))
    }

    /// The epoch of a channel's durable history. Never behind an answer that the store gave before.
    fn durable_epoch(&self, key: &ChannelKey) -> Option<u64> {
        let entry = self.project(key.project).ok()?;
        entry.read().channel(&key.channel).and_then(|found| found.snapshot.durable_epoch)
    }

    async fn page_in_store(&self, key: &ChannelKey, query: HistoryQuery, position: Position) -> Result<HistoryView> {
        let limit = query.limit.clamp(1, HISTORY_PAGE_MAX);
        let (from, to, since) = match query.from {
            HistoryFrom::End => (1, position.offset, None),
            HistoryFrom::After(after) => (after.offset + 1, position.offset, None),
            HistoryFrom::Before(before) => (1, before.offset.saturating_sub(1), None),
            HistoryFrom::Since(at) => (1, position.offset, Some(at)),
        };
        let channel = key.channel.clone();
        let read =
            |from, to, newest, limit| self.store.messages(key.project, channel.clone(), from..=to, newest, limit);
        self.counters.history_reads.add(1);
        let mut begin = from;
        if let (Some(at), false) = (since, query.newest_first) {
            // By halves: the moments of a channel grow with its offsets, but for jumps of the clock.
            let (mut low, mut high) = (from, to + 1);
            while low < high {
                let middle = low + (high - low) / 2;
                let found = read(middle, to, false, 1).await.map_err(|error| refusal(error, &channel))?;
                match found.first() {
                    Some((_, publication)) if publication.at >= at => high = middle,
                    Some((offset, _)) => low = offset + 1,
                    None => high = middle,
                }
            }
            begin = low;
        }
        let mut messages =
            read(begin, to, query.newest_first, limit + 1).await.map_err(|error| refusal(error, &channel))?;
        if let HistoryFrom::After(after) = query.from
            && messages.first().map_or(position.offset > after.offset, |(offset, _)| *offset > after.offset + 1)
            && !query.newest_first
        {
            return Ok(HistoryView::Lost(position));
        }
        if query.newest_first {
            messages.reverse();
            messages.retain(|(_, publication)| since.is_none_or(|at| publication.at >= at));
        }
        let more = messages.len() > limit;
        messages.truncate(limit);
        Ok(HistoryView::Page(HistoryPage { messages, position, more }))
    }

    /// Has in memory what somebody needs that is about to begin in a channel's past. Many who come at once cost one look into the store.
    pub(super) async fn fetch(&self, entry: &ProjectEntry, key: &ChannelKey, from: Option<StartFrom>) -> Result<()> {
        let Some(from) = from else { return Ok(()) };
        let epoch = entry.read().channel(&key.channel).and_then(|found| found.snapshot.durable_epoch);
        let Some(epoch) = epoch else { return Ok(()) };
        if self.broker.missing(key.clone(), from).await?.is_none() {
            return Ok(());
        }
        let lock = {
            let mut fetches = self.fetches.0.lock().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(fetches.entry(key.clone()).or_default())
        };
        let fetching = lock.lock().await;
        let fetched = match self.broker.missing(key.clone(), from).await {
            Ok(Some((first, last))) => {
                self.counters.history_reads.add(1);
                let limit = usize::try_from(last - first + 1).unwrap_or(usize::MAX);
                match self.store.messages(key.project, key.channel.clone(), first..=last, true, limit).await {
                    // They may be of a later run, whose home needs none of them yet.
                    Ok(messages) if self.durable_epoch(key) == Some(epoch) => {
                        self.broker.fill(key.clone(), epoch, messages).await
                    }
                    Ok(_) => Ok(()),
                    Err(error) => Err(refusal(error, &key.channel)),
                }
            }
            Ok(None) => Ok(()),
            Err(error) => Err(error),
        };
        drop(fetching);
        let mut fetches = self.fetches.0.lock().unwrap_or_else(PoisonError::into_inner);
        // Nobody else waits: the map has one, and so have we.
        if Arc::strong_count(&lock) <= 2 {
            fetches.remove(key);
        }
        fetched
    }
}
