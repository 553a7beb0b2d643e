//! Subscriptions of tokens, as their backend manages them.

use tollgate_core::authorize::{Action, Caller};
use tollgate_core::command::PresentedSecret;
use tollgate_core::error::{Error, Result};
use tollgate_core::ids::{ChannelId, ChannelKey};
use tollgate_core::model::Subscription;

use super::views::TokenView;
use super::{refusal, shards_of};
use crate::Node;
use crate::directory::TokenEntry;

impl Node {
    /// Subscribes a token to a channel of any type, live at once; idempotent. Who hears the answer and then publishes reaches the token.
    ///
    /// # Errors
    /// `not_found` for the channel or the token, `limit_reached`, `forbidden`, `unavailable`.
    pub async fn subscribe_token(
        &self,
        caller: &Caller,
        channel: &ChannelId,
        token: &PresentedSecret,
        ephemeral: bool,
    ) -> Result<()> {
        let entry = self.authorize(caller, Action::ManageSubscribers)?;
        let project = entry.project.id;
        if entry.read().channel(channel).is_none() {
            return Err(Error::not_found("channel", channel));
        }
        let token = self.resolve_token(&entry, token)?;
        let subscription = Subscription { project, token, channel: channel.clone(), ephemeral };
        let mut audit = self.entry_of(caller, Some(project), "subscription.create", &token);
        audit.detail = Some(channel.to_string());
        self.store.insert_subscription(subscription, Some(audit)).await.map_err(|error| refusal(error, channel))?;
        let connections = entry.read().token(token).map(TokenEntry::connections).unwrap_or_default();
        self.settled(shards_of(&connections), &ChannelKey { project, channel: channel.clone() }).await;
        Ok(())
    }

    /// Ends a token's subscription; idempotent. Nothing of the channel reaches the token after the answer.
    ///
    /// # Errors
    /// `not_found` for the channel or the token, `forbidden`, `unavailable`.
    pub async fn unsubscribe_token(&self, caller: &Caller, channel: &ChannelId, token: &PresentedSecret) -> Result<()> {
        let entry = self.authorize(caller, Action::ManageSubscribers)?;
        if entry.read().channel(channel).is_none() {
            return Err(Error::not_found("channel", channel));
        }
        let token = self.resolve_token(&entry, token)?;
        let mut audit = self.entry_of(caller, Some(entry.project.id), "subscription.delete", &token);
        audit.detail = Some(channel.to_string());
        self.store
            .delete_subscription(entry.project.id, token, channel.clone(), Some(audit))
            .await
            .map_err(|error| refusal(error, channel))?;
        let connections = entry.read().token(token).map(TokenEntry::connections).unwrap_or_default();
        let key = ChannelKey { project: entry.project.id, channel: channel.clone() };
        self.settled(shards_of(&connections), &key).await;
        Ok(())
    }

    /// The tokens subscribed to a channel, in order of creation.
    ///
    /// # Errors
    /// `not_found`, `forbidden`.
    pub fn channel_tokens(&self, caller: &Caller, channel: &ChannelId) -> Result<Vec<TokenView>> {
        let entry = self.authorize(caller, Action::ReadTokens)?;
        let records = entry.read();
        let found = records.channel(channel).ok_or_else(|| Error::not_found("channel", channel))?;
        let tokens = found.tokens.iter().filter_map(|token| Some((*token, records.token(*token)?)));
        Ok(tokens.map(|(id, token)| self.view_token(&entry, id, token)).collect())
    }
}
