//! Reading tokens without their secrets: one, page by page, their connections and subscriptions.

use std::collections::BTreeSet;
use std::ops::Bound::{Excluded, Unbounded};

use tollgate_core::authorize::{Action, Caller};
use tollgate_core::command::PresentedSecret;
use tollgate_core::error::Result;
use tollgate_core::ids::TokenId;
use tollgate_core::limits::{PAGE_ENTRIES_MAX, PAGE_LOOKS_MAX};

use super::token_views::{ConnectionView, SubscriptionView, TokenDetail, TokenFilter, TokenPage};
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

    /// A page of the tokens that fit, in order of creation or the newest first, behind `after`. What is created meanwhile comes at the end (or
    /// before the beginning), so that no page repeats or skips what another had. A page may have fewer than `limit`, or none, and yet a next one:
    /// no page looks at more than 20,000 tokens.
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
        let newest_first = filter.newest_first;
        let entry = self.authorize(caller, Action::SeeTokens)?;
        let (records, now) = (entry.read(), self.now());
        let total = records.token_count();
        let nothing = TokenPage { tokens: Vec::new(), next: None, looks: 0, total };
        let user = match filter.user_id.as_deref().map(|user_id| records.user_named(user_id)) {
            Some(None) => return Ok(nothing),
            Some(Some((id, _))) => Some(id),
            None => None,
        };
        let channel = match filter.channel.as_ref().map(|channel| records.channel(channel)) {
            Some(None) => return Ok(nothing),
            found => found.flatten(),
        };
        let begins = |token: &TokenEntry, prefix: &String| {
            token.user.and_then(|user| records.user(user)).is_some_and(|user| user.name.starts_with(prefix.as_str()))
        };
        let fits = |id: TokenId, token: &TokenEntry| {
            filter.admits(token, now)
                && user.is_none_or(|user| token.user == Some(user))
                && filter.user_prefix.as_ref().is_none_or(|prefix| begins(token, prefix))
                && filter.channel.as_ref().is_none_or(|channel| records.is_subscribed(id, channel))
        };
        // From the shortest list that has them all.
        let some: Ids<'_> = if let Some(user) = user.and_then(|user| records.user(user)) {
            Box::new(part(user.tokens.clone(), after, newest_first))
        } else if let Some(prefix) = filter.user_prefix.as_deref()
            && let Some(tokens) = tokens_of_users(&records, prefix)
        {
            Box::new(part(tokens, after, newest_first))
        } else if let Some(channel) = channel {
            between(&channel.tokens, after, newest_first)
        } else if newest_first {
            Box::new(records.tokens_before(after).map(|(id, _)| id))
        } else {
            Box::new(records.tokens_after(after).map(|(id, _)| id))
        };
        let mut some = some.filter_map(|id| with(&records, id)).peekable();
        let limit = limit.clamp(1, PAGE_ENTRIES_MAX);
        let (mut tokens, mut looks, mut last) = (Vec::new(), 0, None);
        while tokens.len() < limit && looks < PAGE_LOOKS_MAX {
            let Some((id, token)) = some.next() else { break };
            (looks, last) = (looks + 1, Some(id));
            if fits(id, token) {
                tokens.push(self.detail(&entry, &records, id, token));
            }
        }
        let next = if some.peek().is_some() { last } else { None };
        Ok(TokenPage { tokens, next, looks, total })
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

/// Some tokens, in the order that is asked for.
type Ids<'r> = Box<dyn Iterator<Item = TokenId> + 'r>;

/// Of these, those behind one.
fn part(mut tokens: Vec<TokenId>, after: Option<TokenId>, newest_first: bool) -> impl Iterator<Item = TokenId> {
    tokens.sort_unstable();
    if newest_first {
        tokens.reverse();
    }
    let is_behind = move |id: &TokenId| after.is_none_or(|after| if newest_first { *id < after } else { *id > after });
    tokens.into_iter().filter(is_behind)
}

fn between(tokens: &BTreeSet<TokenId>, after: Option<TokenId>, newest_first: bool) -> Ids<'_> {
    let end = after.map_or(Unbounded, Excluded);
    if newest_first {
        Box::new(tokens.range((Unbounded, end)).rev().copied())
    } else {
        Box::new(tokens.range((end, Unbounded)).copied())
    }
}

/// The tokens of all users whose ids begin so; nothing if they are too many to be put in order for one page.
fn tokens_of_users(records: &Records, prefix: &str) -> Option<Vec<TokenId>> {
    let mut tokens = Vec::new();
    for (looks, (_, user)) in records.users_named(prefix, None).enumerate() {
        if looks + tokens.len() + user.tokens.len() > PAGE_LOOKS_MAX {
            return None;
        }
        tokens.extend(&user.tokens);
    }
    Some(tokens)
}
