//! Channels: create, read, list, change settings, delete, statistics.

use std::hash::{DefaultHasher, Hash, Hasher};

use tollgate_core::authorize::{Action, Caller};
use tollgate_core::error::{Error, Result};
use tollgate_core::ids::{ChannelId, ChannelKey, ProjectId};
use tollgate_core::limits::PAGE_ENTRIES_MAX;
use tollgate_core::model::{Channel, ChannelType};

use super::refusal;
use super::views::{ChannelUpdate, ChannelView, Listed, NewChannel, Page, ProjectView};
use crate::Node;
use crate::directory::{ChannelEntry, ProjectEntry};

/// Locks of channels, each for many.
const LOCKS: usize = 256;

/// What makes changes of one channel's settings wait for each other: each is made of what the one before left. Not its state, which the store merges.
#[derive(Debug)]
pub(crate) struct ChannelLocks(Vec<tokio::sync::Mutex<()>>);

impl Default for ChannelLocks {
    fn default() -> Self {
        Self(std::iter::repeat_with(tokio::sync::Mutex::default).take(LOCKS).collect())
    }
}

impl ChannelLocks {
    async fn hold(&self, project: ProjectId, channel: &ChannelId) -> tokio::sync::MutexGuard<'_, ()> {
        let mut hasher = DefaultHasher::new();
        (project, channel).hash(&mut hasher);
        let place = usize::try_from(hasher.finish() % LOCKS as u64).unwrap_or(0);
        self.0[place].lock().await
    }
}

impl Node {
    /// Creates a channel.
    ///
    /// # Errors
    /// `already_exists` when the id is taken, `forbidden`, `unavailable`.
    pub async fn create_channel(&self, caller: &Caller, new: NewChannel) -> Result<ChannelView> {
        let entry = self.authorize(caller, Action::CreateChannel)?;
        new.settings.check()?;
        let id = new.id.unwrap_or_else(|| ChannelId::from_number(self.next_number()));
        let channel = Channel {
            project: entry.project.id,
            id: id.clone(),
            kind: new.kind,
            capabilities: new.capabilities,
            settings: new.settings,
            state: new.state,
            version: 1,
            created_at: self.now(),
            sequence: 0,
            run: 0,
            offset: 0,
        };
        let audit = self.entry_of(caller, Some(entry.project.id), "channel.create", &id);
        let kept = self.store.insert_channel(channel, Some(audit)).await.map_err(|error| refusal(error, &id))?;
        let Channel { id, kind, capabilities, settings, state, version, created_at, sequence, .. } = kept;
        let project = project_view(&entry);
        Ok(ChannelView { project, id, kind, capabilities, settings, state, version, created_at, sequence })
    }

    /// One channel.
    ///
    /// # Errors
    /// `not_found`, `forbidden`.
    pub fn channel(&self, caller: &Caller, channel: &ChannelId) -> Result<ChannelView> {
        let entry = self.authorize(caller, Action::ReadChannels)?;
        let records = entry.read();
        records.channel(channel).map(|found| view(&entry, found)).ok_or_else(|| Error::not_found("channel", channel))
    }

    /// The project's channels, in order of creation.
    ///
    /// # Errors
    /// `forbidden`.
    pub fn channels(&self, caller: &Caller, page: Page) -> Result<Listed<ChannelView>> {
        let entry = self.authorize(caller, Action::ReadChannels)?;
        let records = entry.read();
        let Listed { entries, total } = page.cut(records.channels_after(None).collect());
        Ok(Listed { entries: entries.into_iter().map(|found| view(&entry, found)).collect(), total })
    }

    /// At most `limit` of the project's channels in order of creation, those behind this place in it.
    ///
    /// # Errors
    /// `forbidden`.
    pub fn channel_page(&self, caller: &Caller, after: Option<u64>, limit: usize) -> Result<Vec<ChannelView>> {
        let entry = self.authorize(caller, Action::ReadChannels)?;
        let records = entry.read();
        Ok(records.channels_after(after).take(limit).map(|found| view(&entry, found)).collect())
    }

    /// At most `limit` of the project's channels whose ids begin so, of one type or of any, in the order of their ids: those behind `after`. And where to
    /// go on, if there is more.
    ///
    /// # Errors
    /// `forbidden`.
    pub fn channels_named(
        &self,
        caller: &Caller,
        prefix: &str,
        kind: Option<ChannelType>,
        after: Option<&str>,
        limit: usize,
    ) -> Result<(Vec<ChannelView>, Option<ChannelId>)> {
        let entry = self.authorize(caller, Action::ReadChannels)?;
        let records = entry.read();
        let mut some = records.channels_named(prefix, kind, after);
        let limit = limit.clamp(1, PAGE_ENTRIES_MAX);
        let found: Vec<_> = some.by_ref().take(limit).map(|one| view(&entry, one)).collect();
        let last = found.last().map(|last| last.id.clone());
        let more = some.next().is_some();
        Ok((found, last.filter(|_| more)))
    }

    /// Makes sure that there is such a channel, for whoever may read its tokens.
    ///
    /// # Errors
    /// `not_found`, `forbidden`.
    pub fn know_channel(&self, caller: &Caller, channel: &ChannelId) -> Result<()> {
        let entry = self.authorize(caller, Action::SeeTokens)?;
        let is_known = entry.read().channel(channel).is_some();
        if is_known { Ok(()) } else { Err(Error::not_found("channel", channel)) }
    }

    /// Changes a channel's settings.
    ///
    /// # Errors
    /// `invalid_input`, `not_found`, `forbidden`, `unavailable`.
    pub async fn change_channel(
        &self,
        caller: &Caller,
        channel: &ChannelId,
        update: ChannelUpdate,
    ) -> Result<ChannelView> {
        let entry = self.authorize(caller, Action::ChangeChannel)?;
        // Until the change is in the directory, where the next one looks.
        let _alone = self.channel_changes.hold(entry.project.id, channel).await;
        let known = entry.read().channel(channel).map(|found| (found.snapshot.capabilities, found.snapshot.settings));
        let (capabilities, settings) = known.ok_or_else(|| Error::not_found("channel", channel))?;
        let (capabilities, settings) =
            (update.capabilities.unwrap_or(capabilities), update.settings.unwrap_or_default().applied_to(settings));
        settings.check()?;
        let audit = self.entry_of(caller, Some(entry.project.id), "channel.change", channel);
        self.store
            .change_settings(entry.project.id, channel.clone(), capabilities, settings, Some(audit))
            .await
            .map_err(|error| refusal(error, channel))?;
        self.settled_for_subscribers(&ChannelKey { project: entry.project.id, channel: channel.clone() }).await;
        let records = entry.read();
        records.channel(channel).map(|found| view(&entry, found)).ok_or_else(|| Error::not_found("channel", channel))
    }

    /// Deletes a channel; its subscribers are told.
    ///
    /// # Errors
    /// `not_found`, `forbidden`, `unavailable`.
    pub async fn delete_channel(&self, caller: &Caller, channel: &ChannelId) -> Result<()> {
        let entry = self.authorize(caller, Action::DeleteChannel)?;
        // What was changed of it is not put upon a successor.
        let _alone = self.channel_changes.hold(entry.project.id, channel).await;
        let audit = self.entry_of(caller, Some(entry.project.id), "channel.delete", channel);
        self.store
            .delete_channel(entry.project.id, channel.clone(), Some(audit))
            .await
            .map_err(|error| refusal(error, channel))
    }

    /// How many sessions are subscribed and connected now: a token counts once, an anonymous connection once.
    ///
    /// # Errors
    /// `not_found`, `forbidden`.
    pub fn online_count(&self, caller: &Caller, channel: &ChannelId) -> Result<u64> {
        let entry = self.authorize(caller, Action::ReadChannels)?;
        let records = entry.read();
        records
            .channel(channel)
            .map(|found| records.online_count(found))
            .ok_or_else(|| Error::not_found("channel", channel))
    }
}

pub(super) fn project_view(entry: &ProjectEntry) -> ProjectView {
    ProjectView { id: entry.project.id, name: entry.name().to_string(), created_at: entry.project.created_at }
}

fn view(entry: &ProjectEntry, channel: &ChannelEntry) -> ChannelView {
    let snapshot = &channel.snapshot;
    ChannelView {
        project: project_view(entry),
        id: snapshot.channel.clone(),
        kind: snapshot.kind,
        capabilities: snapshot.capabilities,
        settings: snapshot.settings,
        state: snapshot.state.clone(),
        version: snapshot.version,
        created_at: channel.created_at,
        sequence: snapshot.sequence,
    }
}
