//! A channel's state: read, replace, merge, each optionally only at an expected version.

use tollgate_core::authorize::{Action, Caller};
use tollgate_core::error::{Error, Result};
use tollgate_core::ids::{ChannelId, ChannelKey};
use tollgate_core::json::JsonObject;
use tollgate_core::ports::store::{StateChange, StoreError};

use super::bearers::Wish;
use super::refusal;
use crate::Node;

impl Node {
    /// The state and its version.
    ///
    /// # Errors
    /// `not_found`, `forbidden`.
    pub fn channel_state(&self, caller: &Caller, channel: &ChannelId) -> Result<(JsonObject, u64)> {
        let entry = match *caller {
            Caller::Token { project, token } => self.allow_token(project, token, channel, Wish::ReadState)?,
            _ => self.authorize(caller, Action::ReadChannels)?,
        };
        let records = entry.read();
        let found = records.channel(channel).ok_or_else(|| Error::not_found("channel", channel))?;
        Ok((found.snapshot.state.clone(), found.snapshot.version))
    }

    /// Changes the state and answers the whole new one. Subscribers get it after it is durable, in the order of the changes.
    ///
    /// # Errors
    /// `not_found`, `forbidden`, `not_granted` for a token that may not, `version_mismatch` when `if_version` is not the current one, `payload_too_large` for a merged state beyond
    /// the limit, `unavailable`.
    pub async fn change_state(
        &self,
        caller: &Caller,
        channel: &ChannelId,
        change: StateChange,
        if_version: Option<u64>,
    ) -> Result<(JsonObject, u64)> {
        let entry = match *caller {
            Caller::Token { project, token } => self.allow_token(project, token, channel, Wish::SetState)?,
            _ => self.authorize(caller, Action::UpdateChannelState)?,
        };
        let key = ChannelKey { project: entry.project.id, channel: channel.clone() };
        self.put_state(&key, change, if_version).await.map_err(|error| refusal(error, channel))
    }

    /// Changes the state for a caller who may; all subscribers are on their way to being told when it is answered, and who comes next is given it.
    pub(super) async fn put_state(
        &self,
        channel: &ChannelKey,
        change: StateChange,
        if_version: Option<u64>,
    ) -> std::result::Result<(JsonObject, u64), StoreError> {
        let changed = self.store.change_state(channel.project, channel.channel.clone(), change, if_version).await?;
        self.settled_for_subscribers(channel).await;
        Ok(changed)
    }
}
