//! What a token may do for itself over REST: see itself, end itself, write into channels and read their state.
//!
//! A caller was authenticated when its request came in; what it asks for is decided on the token as it is when the operation begins.

use std::sync::Arc;

use tollgate_core::authorize::{self, Caller, Standing};
use tollgate_core::credentials::RowKind;
use tollgate_core::error::{Error, ErrorKind, Result};
use tollgate_core::ids::{ChannelId, ProjectId, TokenId};
use tollgate_core::records::Revocation;

use super::revoke::merged;
use super::token_views::{SubscriptionView, TokenDetail};
use super::tokens_read::subscriptions_of;
use super::weighing::{Weighed, over_rest};
use crate::Node;
use crate::directory::ProjectEntry;

/// What a token that ended itself says why.
const BY_ITS_HOLDER: &str = "ended by its holder";

/// What a token asks of a channel without a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wish {
    ReadState,
    ReadHistory,
    ReadPresence,
    Publish,
    SetState,
}

impl Node {
    /// The calling token, and its user.
    ///
    /// # Errors
    /// `forbidden` for other callers, and why the token does not work any more.
    pub fn own_token(&self, caller: &Caller) -> Result<TokenDetail> {
        let (entry, token) = self.own(caller)?;
        let records = entry.read();
        let found = self.still_in(&records, token)?;
        Ok(self.detail(&entry, &records, token, found))
    }

    /// The calling token's subscriptions, in the order of their channels' ids.
    ///
    /// # Errors
    /// As [`Node::own_token`].
    pub fn own_subscriptions(&self, caller: &Caller) -> Result<Vec<SubscriptionView>> {
        let (entry, token) = self.own(caller)?;
        let records = entry.read();
        Ok(subscriptions_of(self.still_in(&records, token)?))
    }

    /// Revokes the calling token: for a client that logs out. Its connections are closed when this answers.
    ///
    /// # Errors
    /// As [`Node::own_token`], and `unavailable`.
    pub async fn revoke_own_token(&self, caller: &Caller) -> Result<()> {
        let (entry, token) = self.own(caller)?;
        let mut audit = self.entry_of(caller, Some(entry.project.id), "token.revoke", &token);
        audit.detail = Some(BY_ITS_HOLDER.to_owned());
        let _minting = entry.minting.read().await;
        self.change(&token, || {
            let records = entry.read();
            let found = self.still_in(&records, token)?;
            let (mut record, now) = (found.record(), self.now());
            let reason = Some(BY_ITS_HOLDER.to_owned());
            let end = Revocation { decided_at: now, effective_at: now, reason };
            record.revoked = merged(record.revoked.as_ref(), &end).or(record.revoked);
            let write = self.update(&entry, RowKind::Token, token.get(), found.revision, &record);
            Ok((vec![write], vec![audit.clone()], ()))
        })
        .await?;
        self.settled_everywhere().await;
        Ok(())
    }

    fn own(&self, caller: &Caller) -> Result<(Arc<ProjectEntry>, TokenId)> {
        let (project, token) = authorize::as_token(caller)?;
        Ok((self.project(project)?, token))
    }

    /// Decides on a token's wish, by the token and the channel as they are.
    pub(super) fn allow_token(
        &self,
        project: ProjectId,
        token: TokenId,
        channel: &ChannelId,
        wish: Wish,
    ) -> Result<Arc<ProjectEntry>> {
        let entry = self.project(project)?;
        let records = entry.read();
        let found = self.still_in(&records, token)?;
        let known = records.channel(channel).map(|found| (found.snapshot.kind, found.snapshot.capabilities));
        let subscribed = records.is_subscribed(token, channel);
        let standing = Standing { grants: found.terms().and_then(|terms| terms.grants.as_deref()), subscribed };
        let caller = Caller::Token { project, token };
        match known.map(|known| over_rest(&caller, known, channel, standing, wish)) {
            // That a message is asked about, `publish` sees to.
            Some(Weighed::Allowed(_) | Weighed::AskHook(_)) => {
                drop(records);
                Ok(entry)
            }
            Some(Weighed::NotGranted(_) | Weighed::NotSubscribed) => {
                self.counters.client_writes_refused.add(u64::from(matches!(wish, Wish::Publish | Wish::SetState)));
                Err(Error::new(ErrorKind::NotGranted, format!("This token may not do this in the channel {channel}.")))
            }
            Some(Weighed::Hidden(_)) | None => Err(Error::not_found("channel", channel)),
        }
    }
}
