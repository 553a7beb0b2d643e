//! Reading tokens without their secrets: one, page by page, their connections and subscriptions.

use std::collections::BTreeSet;
use std::ops::Bound::{Excluded, Unbounded};

use tollgate_core::authorize::{Action, Caller};
use tollgate_core::command::PresentedSecret;
use tollgate_core::error::Result;
use tollgate_core::ids::{ChannelId, TokenId, UserId};
use tollgate_core::limits::{PAGE_ENTRIES_MAX, TOKEN_LOOKS_MAX};

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

    /// A page of the tokens that fit, in order of creation or the newest first, behind `after`. What is created meanwhile comes at the end (or
    /// before the beginning), so that no page repeats or skips what another had. A page may have fewer than `limit`, or none, and yet a next one:
    /// no page looks at more than [`TOKEN_LOOKS_MAX`] tokens, nor much longer than 20 ms, and it looks at them in stretches, between which others have
    /// the records.
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
        let source = Source::of(&entry.read(), filter);
        let limit = limit.clamp(1, PAGE_ENTRIES_MAX);
        let mut page = TokenPage { tokens: Vec::new(), next: None, looks: 0, total: 0 };
        let (mut at, begun) = (after, self.clock.monotonic());
        loop {
            let (records, now) = (entry.read(), self.now());
            page.total = records.token_count();
            let Some(wanted) = Wanted::of(&records, filter) else { return Ok(page) };
            let before = page.looks;
            let mut some = source.behind(&records, at, filter.newest_first).peekable();
            while page.looks < before + STRETCH && page.looks < TOKEN_LOOKS_MAX && page.tokens.len() < limit {
                let Some(id) = some.next() else { return Ok(page) };
                at = Some(id);
                let Some(token) = records.token(id) else { continue };
                page.looks += 1;
                if filter.admits(token, now) && wanted.has(&records, id, token) {
                    page.tokens.push(self.detail(&entry, &records, id, token));
                }
            }
            let is_late = self.clock.monotonic().since(begun) >= LOOKS_MS_MAX;
            if page.looks >= TOKEN_LOOKS_MAX || page.tokens.len() >= limit || is_late {
                page.next = at.filter(|_| some.peek().is_some());
                return Ok(page);
            }
        }
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

/// How long a page looks for tokens that fit, in milliseconds.
const LOOKS_MS_MAX: u64 = 20;
/// Tokens that are looked at before others have the records.
const STRETCH: usize = 1_000;
/// Most tokens that are put in order for one page.
const IN_ORDER_MAX: usize = 4_000;

/// The shortest list that has all tokens which can fit.
enum Source {
    All,
    /// Those that are revoked, or work only from some moment on.
    Marked,
    Channel(ChannelId),
    /// These, oldest first.
    These(Vec<TokenId>),
}

impl Source {
    fn of(records: &Records, filter: &TokenFilter) -> Self {
        let sorted = |mut tokens: Vec<TokenId>| {
            tokens.sort_unstable();
            Self::These(tokens)
        };
        if let Some(user_id) = &filter.user_id {
            return sorted(records.user_named(user_id).map(|(_, user)| user.tokens.clone()).unwrap_or_default());
        }
        if let Some(tokens) = filter.user_prefix.as_deref().and_then(|prefix| tokens_of_users(records, prefix)) {
            return sorted(tokens);
        }
        match (&filter.channel, filter.status) {
            (Some(channel), _) => Self::Channel(channel.clone()),
            (None, Some(TokenStatus::Revoked | TokenStatus::NotYetValid)) => Self::Marked,
            (None, Some(TokenStatus::Active | TokenStatus::Expired) | None) => Self::All,
        }
    }

    /// Those behind one, in the order that is asked for; among them some that are gone.
    fn behind<'r>(&'r self, records: &'r Records, after: Option<TokenId>, newest_first: bool) -> Ids<'r> {
        match self {
            Self::All if newest_first => Box::new(records.tokens_before(after).map(|(id, _)| id)),
            Self::All => Box::new(records.tokens_after(after).map(|(id, _)| id)),
            Self::Marked => between(records.marked(), after, newest_first),
            Self::Channel(channel) => match records.channel(channel) {
                Some(found) => between(&found.tokens, after, newest_first),
                None => Box::new(std::iter::empty()),
            },
            Self::These(tokens) if newest_first => {
                let to = after.map_or(tokens.len(), |after| tokens.partition_point(|id| *id < after));
                Box::new(tokens[..to].iter().rev().copied())
            }
            Self::These(tokens) => {
                let from = after.map_or(0, |after| tokens.partition_point(|id| *id <= after));
                Box::new(tokens[from..].iter().copied())
            }
        }
    }
}

/// Whose tokens are wanted, and in which channel.
struct Wanted<'f> {
    user: Option<UserId>,
    user_prefix: Option<&'f str>,
    channel: Option<&'f ChannelId>,
}

impl<'f> Wanted<'f> {
    /// Nothing where there is no such user or channel.
    fn of(records: &Records, filter: &'f TokenFilter) -> Option<Self> {
        let user = match &filter.user_id {
            Some(user_id) => Some(records.user_named(user_id)?.0),
            None => None,
        };
        if let Some(channel) = &filter.channel {
            records.channel(channel)?;
        }
        Some(Self { user, user_prefix: filter.user_prefix.as_deref(), channel: filter.channel.as_ref() })
    }

    fn has(&self, records: &Records, id: TokenId, token: &TokenEntry) -> bool {
        let begins = |prefix: &str| {
            token.user.and_then(|user| records.user(user)).is_some_and(|user| user.name.starts_with(prefix))
        };
        self.user.is_none_or(|user| token.user == Some(user))
            && self.user_prefix.is_none_or(begins)
            && self.channel.is_none_or(|channel| records.is_subscribed(id, channel))
    }
}

/// Some tokens, in the order that is asked for.
type Ids<'r> = Box<dyn Iterator<Item = TokenId> + 'r>;

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
        if looks + tokens.len() + user.tokens.len() > IN_ORDER_MAX {
            return None;
        }
        tokens.extend(&user.tokens);
    }
    Some(tokens)
}
