//! Reading tokens without their secrets: one, page by page, their connections and subscriptions.

use tollgate_core::authorize::{Action, Caller};
use tollgate_core::command::PresentedSecret;
use tollgate_core::error::Result;
use tollgate_core::ids::TokenId;
use tollgate_core::limits::{PAGE_ENTRIES_MAX, PAGE_LOOKS_MAX};

use super::token_views::{ConnectionView, SubscriptionView, TokenDetail, TokenFilter, TokenPage, TokenStatus};
use super::tokens::no_such_token;
use crate::Node;
use crate::directory::{ProjectEntry, Records, TokenEntry};

impl Node {
    /// One token.
    ///
    /// # Errors
    /// `not_found`, `forbidden`.
    pub fn token_detail(&self, caller: &Caller, token: &PresentedSecret) -> Result<TokenDetail> {
        let entry = self.authorize(caller, Action::SeeTokens)?;
        let token = self.resolve_token(&entry, token)?;
        self.detail_of(&entry, token)
    }

    /// A page of the tokens that fit, in order of creation. What is created meanwhile comes at the end, so that no page repeats or skips
    /// what another had. A page may have fewer than `limit`, or none, and yet a next one: no page looks at more than 20,000 tokens.
    ///
    /// # Errors
    /// `forbidden`.
    pub fn token_page(
        &self,
        caller: &Caller,
        filter: &TokenFilter,
        after: Option<TokenId>,
        limit: usize,
    ) -> Result<TokenPage> {
        let entry = self.authorize(caller, Action::SeeTokens)?;
        let (records, now) = (entry.read(), self.now());
        let user = match filter.user_id.as_deref().map(|user_id| records.user_named(user_id)) {
            Some(None) => return Ok(TokenPage { tokens: Vec::new(), next: None }),
            Some(Some((id, user))) => Some((id, user)),
            None => None,
        };
        let fits = |id: TokenId, token: &TokenEntry| {
            filter.status.is_none_or(|status| TokenStatus::of(token, now) == status)
                && user.is_none_or(|(user, _)| token.user == Some(user))
                && filter.channel.as_ref().is_none_or(|channel| records.is_subscribed(id, channel))
        };
        // From the shortest list that has them all.
        let mut some: Box<dyn Iterator<Item = (TokenId, &TokenEntry)>> = if let Some((_, user)) = user {
            Box::new(user.tokens.iter().filter(move |id| Some(**id) > after).filter_map(|id| with(&records, *id)))
        } else if let Some(channel) = &filter.channel {
            match records.channel(channel) {
                None => return Ok(TokenPage { tokens: Vec::new(), next: None }),
                Some(channel) => Box::new(behind(&channel.tokens, after).filter_map(|id| with(&records, id))),
            }
        } else {
            Box::new(records.tokens_after(after))
        };
        let limit = limit.clamp(1, PAGE_ENTRIES_MAX);
        let (mut tokens, mut looks, mut last) = (Vec::new(), 0, None);
        while tokens.len() < limit && looks < PAGE_LOOKS_MAX {
            let Some((id, token)) = some.next() else { return Ok(TokenPage { tokens, next: None }) };
            (looks, last) = (looks + 1, Some(id));
            if fits(id, token) {
                tokens.push(self.detail(&entry, &records, id, token));
            }
        }
        let next = if some.next().is_some() { last } else { None };
        Ok(TokenPage { tokens, next })
    }

    /// A token's live connections, the oldest first.
    ///
    /// # Errors
    /// `not_found`, `forbidden`.
    pub fn token_connections(&self, caller: &Caller, token: &PresentedSecret) -> Result<Vec<ConnectionView>> {
        let entry = self.authorize(caller, Action::SeeTokens)?;
        let token = self.resolve_token(&entry, token)?;
        let records = entry.read();
        let found = records.token(token).ok_or_else(no_such_token)?;
        let view = |live: &crate::directory::LiveConnection| ConnectionView {
            id: live.id,
            since: live.since,
            address: live.address,
            generation: live.generation,
            ends_at: found.live_until(live),
        };
        Ok(found.live_connections().iter().map(view).collect())
    }

    /// A token's subscriptions, in the order of their channels' ids.
    ///
    /// # Errors
    /// `not_found`, `forbidden`.
    pub fn token_subscriptions(&self, caller: &Caller, token: &PresentedSecret) -> Result<Vec<SubscriptionView>> {
        let entry = self.authorize(caller, Action::SeeTokens)?;
        let token = self.resolve_token(&entry, token)?;
        let records = entry.read();
        Ok(subscriptions_of(records.token(token).ok_or_else(no_such_token)?))
    }

    pub(super) fn detail_of(&self, entry: &ProjectEntry, token: TokenId) -> Result<TokenDetail> {
        let records = entry.read();
        let found = records.token(token).ok_or_else(no_such_token)?;
        Ok(self.detail(entry, &records, token, found))
    }
}

pub(super) fn subscriptions_of(token: &TokenEntry) -> Vec<SubscriptionView> {
    let all = token.subscriptions().iter();
    let mut all: Vec<_> =
        all.map(|(channel, ephemeral)| SubscriptionView { channel: channel.clone(), ephemeral: *ephemeral }).collect();
    all.sort_unstable_by(|a, b| a.channel.cmp(&b.channel));
    all
}

fn with(records: &Records, id: TokenId) -> Option<(TokenId, &TokenEntry)> {
    Some((id, records.token(id)?))
}

fn behind(
    tokens: &std::collections::BTreeSet<TokenId>,
    after: Option<TokenId>,
) -> impl Iterator<Item = TokenId> + use<'_> {
    use std::ops::Bound::{Excluded, Unbounded};
    tokens.range((after.map_or(Unbounded, Excluded), Unbounded)).copied()
}
