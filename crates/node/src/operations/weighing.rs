//! What a client's wish in a channel comes to, from the records as they are: for who asks for it, by a connection or over REST, and for who asks why.
//!
//! The rules are `core::authorize`'s. Here is what of them applies to which way in, and what is hidden from whom.

use tollgate_core::authorize::{
    self, Caller, Decided, Rule, Standing, SubscribeDecision, decide_publish, decide_reads, decide_set_state,
};
use tollgate_core::grants::{self, Grant, Operation};
use tollgate_core::ids::ChannelId;
use tollgate_core::model::{Capabilities, ChannelType};

use super::bearers::Wish;

/// What it comes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Weighed {
    /// Done, as far as our rules go.
    Allowed(Rule),
    /// The access hook says.
    AskHook(Rule),
    /// Who writes over a connection is subscribed, or has grants.
    NotSubscribed,
    /// It may not.
    NotGranted(Rule),
    /// It may not, and is told that there is no such channel: so that nobody finds out which private channels exist.
    Hidden(Rule),
}

/// A rule for writing over a connection.
pub(super) type WriteRule = fn(&Caller, Capabilities, &ChannelId, Standing<'_>) -> Decided;

impl From<Decided> for Weighed {
    fn from(decided: Decided) -> Self {
        if decided.allowed { Self::Allowed(decided.by) } else { Self::NotGranted(decided.by) }
    }
}

/// Subscribing over a connection.
pub(super) fn subscribing(caller: &Caller, kind: ChannelType, channel: &ChannelId, standing: Standing<'_>) -> Weighed {
    match authorize::decide_subscribe(caller, kind, channel, standing) {
        (SubscribeDecision::Allow, by) => Weighed::Allowed(by),
        (SubscribeDecision::AskHook, by) => Weighed::AskHook(by),
        (SubscribeDecision::Refuse, by) => Weighed::NotGranted(by),
    }
}

/// Writing over a connection. A token with grants need not be subscribed.
#[inline]
pub(super) fn writing(
    caller: &Caller,
    capabilities: Capabilities,
    channel: &ChannelId,
    standing: Standing<'_>,
    rule: WriteRule,
) -> Weighed {
    if !standing.subscribed && standing.grants.is_none() {
        return Weighed::NotSubscribed;
    }
    rule(caller, capabilities, channel, standing).into()
}

/// What a token asks over REST.
pub(super) fn over_rest(
    caller: &Caller,
    (kind, capabilities): (ChannelType, Capabilities),
    channel: &ChannelId,
    standing: Standing<'_>,
    wish: Wish,
) -> Weighed {
    let write = |rule: WriteRule| {
        if authorize::token_writes_from_outside(kind, standing) {
            rule(caller, capabilities, channel, standing)
        } else {
            Decided { allowed: false, by: Rule::Type }
        }
    };
    let decided = match wish {
        Wish::ReadState => decide_reads(kind, channel, standing, Operation::StateRead),
        Wish::ReadHistory => decide_reads(kind, channel, standing, Operation::History),
        Wish::ReadPresence => decide_reads(kind, channel, standing, Operation::Presence),
        Wish::Publish => write(decide_publish),
        Wish::SetState => write(decide_set_state),
    };
    let named = |grants: &[Grant]| Operation::ALL.iter().any(|one| grants::allows(grants, *one, channel.as_str()));
    let sees = kind != ChannelType::Private || standing.subscribed || standing.grants.is_some_and(named);
    match Weighed::from(decided) {
        Weighed::NotGranted(by) if !sees => Weighed::Hidden(by),
        weighed => weighed,
    }
}
