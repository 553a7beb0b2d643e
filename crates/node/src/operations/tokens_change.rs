//! Changing what a token is: its terms and times, and its state.

use std::sync::Arc;

use tollgate_core::authorize::{self, Action, Caller};
use tollgate_core::clock::UnixMillis;
use tollgate_core::command::PresentedSecret;
use tollgate_core::credentials::RowKind;
use tollgate_core::error::{Error, ErrorKind, Result};
use tollgate_core::grants::Grant;
use tollgate_core::ids::{ChannelId, ChannelKey, TokenId};
use tollgate_core::json::JsonObject;
use tollgate_core::limits::{METADATA_BYTES_MAX, TOKEN_STATE_BYTES_MAX};
use tollgate_core::policy::Asked;
use tollgate_core::ports::store::StateChange;
use tollgate_core::records::TokenRecord;

use super::terms::{check_end, check_state, check_terms, end_of};
use super::token_views::TokenDetail;
use super::tokens::no_such_token;
use super::views::{MetadataChange, TokenLoss, TokenUpdate};
use super::{refusal, shards_of};
use crate::Node;
use crate::directory::{ProjectEntry, Records, TokenEntry};

impl Node {
    /// Changes a token, in effect for its live connections when this answers: those that may not be any more are closed, those whose end
    /// moved hear of it, and subscriptions that the new capabilities do not allow are left.
    ///
    /// # Errors
    /// As [`Node::issue_token`], `not_found`, and `version_mismatch` when the token is not at the revision that was asked for.
    pub async fn update_token(
        &self,
        caller: &Caller,
        token: &PresentedSecret,
        update: TokenUpdate,
    ) -> Result<TokenDetail> {
        let (entry, token) = self.updated(caller, token, update).await?;
        self.detail_of(&entry, token)
    }

    /// What [`Node::update_token`] would take from the token if it were called now. A read: it changes nothing and leaves no audit entry.
    ///
    /// # Errors
    /// As [`Node::update_token`].
    pub fn would_lose(&self, caller: &Caller, token: &PresentedSecret, update: &TokenUpdate) -> Result<TokenLoss> {
        let entry = self.authorize(caller, Action::UpdateToken)?;
        let token = self.resolve_token(&entry, token)?;
        check_state(update.state.as_ref().and_then(Option::as_ref))?;
        let (mut record, revision) = {
            let records = entry.read();
            let found = records.token(token).ok_or_else(no_such_token)?;
            expect_revision(found, update.if_revision)?;
            (found.record(), found.revision)
        };
        let before = record.terms.grants.clone();
        self.edit(caller, &entry, &mut record, update)?;
        let edited = TokenEntry::new(record, revision, 0);
        let (records, now) = (entry.read(), self.now());
        let found = records.token(token).ok_or_else(no_such_token)?;
        let after = edited.terms().and_then(|terms| terms.grants.as_deref());
        let mut subscriptions =
            if update.grants.is_none() { Vec::new() } else { lost(&records, found, before.as_deref(), after) };
        subscriptions.sort_unstable();
        let must_go = found.live_connections().iter().filter(|live| edited.must_go(live, now).is_some());
        Ok(TokenLoss { subscriptions, connections: must_go.count() })
    }

    pub(super) async fn updated(
        &self,
        caller: &Caller,
        token: &PresentedSecret,
        update: TokenUpdate,
    ) -> Result<(Arc<ProjectEntry>, TokenId)> {
        let entry = self.authorize(caller, Action::UpdateToken)?;
        let token = self.resolve_token(&entry, token)?;
        check_state(update.state.as_ref().and_then(Option::as_ref))?;
        if update.grants.is_none() {
            let _minting = entry.minting.read().await;
            self.update_committed(caller, &entry, token, &update).await?;
        } else {
            // Alone, so that no client subscribes by the old capabilities after we have looked.
            let _alone = entry.minting.write().await;
            let before = self.update_committed(caller, &entry, token, &update).await?;
            self.leave_what_is_not_granted(&entry, token, before.as_deref()).await?;
        }
        self.settled_if_live(&entry, token).await;
        Ok((entry, token))
    }

    /// Answers the capabilities before.
    async fn update_committed(
        &self,
        caller: &Caller,
        entry: &ProjectEntry,
        token: TokenId,
        update: &TokenUpdate,
    ) -> Result<Option<Vec<Grant>>> {
        let audit = self.entry_of(caller, Some(entry.project.id), "token.change", &token);
        self.change(&token, || {
            let records = entry.read();
            let found = records.token(token).ok_or_else(no_such_token)?;
            expect_revision(found, update.if_revision)?;
            let mut record = found.record();
            let (revision, before) = (found.revision, record.terms.grants.clone());
            drop(records);
            self.edit(caller, entry, &mut record, update)?;
            let write = self.update(entry, RowKind::Token, token.get(), revision, &record);
            Ok((vec![write], vec![audit.clone()], before))
        })
        .await
    }

    fn edit(
        &self,
        caller: &Caller,
        entry: &ProjectEntry,
        record: &mut TokenRecord,
        update: &TokenUpdate,
    ) -> Result<()> {
        let TokenUpdate {
            state,
            expires_at,
            life_ms,
            not_before,
            grants,
            connections_max,
            networks,
            origins,
            metadata,
            name,
            device,
            if_revision: _,
        } = update;
        let (now, mut expires_at) = (self.now(), *expires_at);
        if life_ms.is_some() {
            expires_at = Some(end_of(expires_at.flatten(), *life_ms, now)?);
        }
        if let Some(state) = state {
            record.state.clone_from(state);
            record.state_version += 1;
        }
        let terms = &mut record.terms;
        put(&mut terms.grants, grants.as_ref());
        put(&mut terms.connections_max, connections_max.as_ref());
        put(&mut terms.networks, networks.as_ref());
        put(&mut terms.origins, origins.as_ref());
        put(&mut terms.name, name.as_ref());
        put(&mut terms.device, device.as_ref());
        match metadata {
            None => {}
            Some(None) => terms.metadata = None,
            Some(Some(MetadataChange::Replace(new))) => terms.metadata = Some(new.clone()),
            Some(Some(MetadataChange::Patch(patch))) => {
                let old = terms.metadata.take().unwrap_or(JsonObject::empty());
                terms.metadata = Some(old.merge_patch(patch, METADATA_BYTES_MAX)?);
            }
        }
        record.terms = check_terms(std::mem::take(terms))?;
        put(&mut record.not_before, not_before.as_ref());
        put(&mut record.expires_at, expires_at.as_ref());
        // What the caller says is within its key's policy; what it leaves alone was within that of who made it.
        let asked = Asked {
            grants: grants.as_ref().and_then(|_| record.terms.grants.clone()),
            channels: Vec::new(),
            expires_at: expires_at.and(record.expires_at),
        };
        let bounded = self.mint(entry, caller).bounded(asked)?;
        if grants.is_some() {
            record.terms.grants = bounded.grants;
        }
        if expires_at.is_some() {
            record.expires_at = bounded.expires_at;
        }
        if expires_at.is_some() || not_before.is_some() {
            let end = if expires_at.is_some() { record.expires_at } else { None };
            check_end(end, *not_before.as_ref().unwrap_or(&None), now)?;
            check_order(record)?;
        }
        Ok(())
    }

    async fn leave_what_is_not_granted(
        &self,
        entry: &ProjectEntry,
        token: TokenId,
        before: Option<&[Grant]>,
    ) -> Result<()> {
        let (channels, connections) = {
            let records = entry.read();
            let Some(found) = records.token(token) else { return Ok(()) };
            let after = found.terms().and_then(|terms| terms.grants.as_deref());
            (lost(&records, found, before, after), found.connections())
        };
        let project = entry.project.id;
        for channel in channels {
            self.store
                .delete_subscription(project, token, channel.clone(), None)
                .await
                .map_err(|error| refusal(error, &channel))?;
            self.settled(shards_of(&connections), &ChannelKey { project, channel }).await;
        }
        Ok(())
    }

    /// A token's state and its version.
    ///
    /// # Errors
    /// `not_found`, `forbidden`.
    pub fn token_state(&self, caller: &Caller, token: &PresentedSecret) -> Result<(Option<JsonObject>, u64)> {
        let entry = self.authorize(caller, Action::SeeTokens)?;
        let token = self.resolve_token(&entry, token)?;
        let records = entry.read();
        let found = records.token(token).ok_or_else(no_such_token)?;
        Ok((found.state.as_deref().cloned(), found.state_version))
    }

    /// Replaces a token's state (`None` is `null`), or merges into it one level deep, if it is at version `if_version` where one is given.
    /// Answers the whole new one. Concurrent merges lose nothing.
    ///
    /// # Errors
    /// `not_found`, `forbidden`, `version_mismatch`, `payload_too_large`, `unavailable`.
    pub async fn change_token_state(
        &self,
        caller: &Caller,
        token: &PresentedSecret,
        change: TokenStateChange,
        if_version: Option<u64>,
    ) -> Result<(Option<JsonObject>, u64)> {
        let entry = self.authorize(caller, Action::UpdateToken)?;
        let token = self.resolve_token(&entry, token)?;
        let audit = self.entry_of(caller, Some(entry.project.id), "token.state", &token);
        let _minting = entry.minting.read().await;
        self.change(&token, || {
            let records = entry.read();
            let found = records.token(token).ok_or_else(no_such_token)?;
            if if_version.is_some_and(|wanted| wanted != found.state_version) {
                return Err(Error::version_mismatch(
                    format!(
                        "The token's state has changed: it is at version {} now. Read it again and repeat the change.",
                        found.state_version
                    ),
                    found.state_version,
                ));
            }
            let mut record = found.record();
            record.state = match &change {
                None => None,
                Some(StateChange::Replace(state)) => Some(state.clone()),
                Some(StateChange::Merge(patch)) => {
                    let old = record.state.take().unwrap_or(JsonObject::empty());
                    Some(old.merge(patch, TOKEN_STATE_BYTES_MAX)?)
                }
            };
            check_state(record.state.as_ref())?;
            record.state_version += 1;
            let answer = (record.state.clone(), record.state_version);
            let write = self.update(&entry, RowKind::Token, token.get(), found.revision, &record);
            Ok((vec![write], vec![audit.clone()], answer))
        })
        .await
    }
}

/// How a token's state is to change; `None` puts `null` in its place.
pub type TokenStateChange = Option<StateChange>;

fn put<T: Clone>(place: &mut T, new: Option<&T>) {
    if let Some(new) = new {
        place.clone_from(new);
    }
}

/// The channels that a token loses when its grants were `before` and are `after`.
fn lost(records: &Records, token: &TokenEntry, before: Option<&[Grant]>, after: Option<&[Grant]>) -> Vec<ChannelId> {
    let loses = |channel: &ChannelId| {
        let kind = records.channel(channel).map(|channel| channel.snapshot.kind);
        kind.is_some_and(|kind| authorize::loses_subscription(kind, channel, before, after))
    };
    let all = token.subscriptions().iter().map(|(channel, _)| channel);
    all.filter(|channel| loses(channel)).cloned().collect()
}

fn check_order(record: &TokenRecord) -> Result<()> {
    let is_before = |start: UnixMillis| record.expires_at.is_none_or(|end| start < end);
    if record.not_before.is_none_or(is_before) {
        return Ok(());
    }
    Err(Error::new(ErrorKind::InvalidInput, "`not_before` must be earlier than the token's end."))
}

pub(super) fn expect_revision(found: &TokenEntry, wanted: Option<u32>) -> Result<()> {
    if wanted.is_none_or(|wanted| wanted == found.revision) {
        return Ok(());
    }
    Err(Error::version_mismatch(
        format!("The token has changed: it is at version {} now. Read it again and repeat the change.", found.revision),
        found.revision.into(),
    ))
}
