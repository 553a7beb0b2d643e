//! What clients may do with a channel, and by which rule: decided here and nowhere else, for connections, for tokens over REST, and for whoever asks why.

use super::Caller;
use crate::grants::{self, Grant, Operation};
use crate::ids::ChannelId;
use crate::model::{Capabilities, ChannelType};

/// What a client's wish to subscribe comes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SubscribeDecision {
    /// Let it in.
    Allow,
    /// Turn it away.
    Refuse,
    /// Only the access hook can say.
    AskHook,
}

/// The rule by which a decision fell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rule {
    /// Whether it is subscribed to the channel.
    Subscribed,
    /// This one of the token's grants, by its place from 0, allows it.
    Grant(u8),
    /// The token has grants, and none of them allows it.
    NoGrantFits,
    /// The token has no grants: the channel's type says it.
    Type,
    /// Without grants: whether the channel has this capability.
    Capability(u32),
    /// Such callers are no clients.
    NoClient,
}

/// A decision, and what it fell by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Decided {
    /// Whether it is allowed.
    pub allowed: bool,
    /// By which rule.
    pub by: Rule,
}

impl Decided {
    const fn new(allowed: bool, by: Rule) -> Self {
        Self { allowed, by }
    }
}

/// What a token is to a channel, for the rules below.
#[derive(Clone, Copy, Debug)]
pub struct Standing<'a> {
    /// What the token may do; `None` follows the channel's type.
    pub grants: Option<&'a [Grant]>,
    /// Whether the token is subscribed to the channel already.
    pub subscribed: bool,
}

impl Standing<'_> {
    /// Of a client without a token, and of a token without grants and subscriptions.
    pub const NONE: Self = Self { grants: None, subscribed: false };

    /// What the grants say; nothing where there are none.
    #[inline]
    fn granted(self, operation: Operation, channel: &ChannelId) -> Option<Decided> {
        // A token has at most 32 grants.
        let place = |at: usize| Rule::Grant(u8::try_from(at).unwrap_or(u8::MAX));
        self.grants.map(|grants| match grants::which(grants, operation, channel.as_str()) {
            Some(at) => Decided::new(true, place(at)),
            None => Decided::new(false, Rule::NoGrantFits),
        })
    }
}

/// Whether a client may subscribe to a channel of its project. A token with grants gets exactly what they say, on any type of channel and
/// without the hook; whoever is subscribed may be.
#[inline]
#[must_use]
pub fn decide_subscribe(
    caller: &Caller,
    kind: ChannelType,
    channel: &ChannelId,
    standing: Standing<'_>,
) -> (SubscribeDecision, Rule) {
    use SubscribeDecision::{Allow, AskHook, Refuse};
    match (caller, kind) {
        (Caller::Token { .. }, _) if standing.subscribed => (Allow, Rule::Subscribed),
        (Caller::Token { .. }, kind) => match (standing.granted(Operation::Subscribe, channel), kind) {
            (Some(decided), _) => (if decided.allowed { Allow } else { Refuse }, decided.by),
            (None, ChannelType::Public | ChannelType::Unprotected) => (Allow, Rule::Type),
            (None, ChannelType::Private) => (AskHook, Rule::Type),
        },
        (Caller::Anonymous { .. }, ChannelType::Unprotected) => (Allow, Rule::Type),
        (Caller::Anonymous { .. }, ChannelType::Public | ChannelType::Private) => (Refuse, Rule::Type),
        _ => (Refuse, Rule::NoClient),
    }
}

/// [`decide_subscribe`] without the rule.
#[inline]
#[must_use]
pub fn client_subscribe(
    caller: &Caller,
    kind: ChannelType,
    channel: &ChannelId,
    standing: Standing<'_>,
) -> SubscribeDecision {
    decide_subscribe(caller, kind, channel, standing).0
}

/// Whether a client may publish into a channel: by its grants, where it has some, and else by the channel's settings.
#[inline]
#[must_use]
pub fn decide_publish(
    caller: &Caller,
    capabilities: Capabilities,
    channel: &ChannelId,
    standing: Standing<'_>,
) -> Decided {
    let of_tokens = (Operation::Publish, Capabilities::TOKEN_PUBLISH);
    decide_write(caller, capabilities, channel, standing, of_tokens, Capabilities::ANONYMOUS_PUBLISH)
}

/// Whether a client may replace a channel's state: by its grants, where it has some, and else by the channel's settings.
#[inline]
#[must_use]
pub fn decide_set_state(
    caller: &Caller,
    capabilities: Capabilities,
    channel: &ChannelId,
    standing: Standing<'_>,
) -> Decided {
    let of_tokens = (Operation::StateWrite, Capabilities::TOKEN_SET_STATE);
    decide_write(caller, capabilities, channel, standing, of_tokens, Capabilities::ANONYMOUS_SET_STATE)
}

#[inline]
fn decide_write(
    caller: &Caller,
    capabilities: Capabilities,
    channel: &ChannelId,
    standing: Standing<'_>,
    (operation, of_tokens): (Operation, u32),
    of_anonymous: u32,
) -> Decided {
    let by_capability = |needed| Decided::new(capabilities.has(needed), Rule::Capability(needed));
    match caller {
        Caller::Token { .. } => standing.granted(operation, channel).unwrap_or_else(|| by_capability(of_tokens)),
        Caller::Anonymous { .. } => by_capability(of_anonymous),
        Caller::ProjectKey { .. }
        | Caller::Person { .. }
        | Caller::Operator
        | Caller::ProjectOperator { .. }
        | Caller::System => Decided::new(false, Rule::NoClient),
    }
}

/// Whether a token may read a channel's state, past or presence. Who is subscribed is sent the state anyway.
#[inline]
#[must_use]
pub fn decide_reads(kind: ChannelType, channel: &ChannelId, standing: Standing<'_>, what: Operation) -> Decided {
    if standing.subscribed && what == Operation::StateRead {
        return Decided::new(true, Rule::Subscribed);
    }
    standing.granted(what, channel).unwrap_or_else(|| {
        if standing.subscribed {
            Decided::new(true, Rule::Subscribed)
        } else {
            Decided::new(kind != ChannelType::Private, Rule::Type)
        }
    })
}

/// [`decide_reads`] without the rule.
#[inline]
#[must_use]
pub fn token_reads(kind: ChannelType, channel: &ChannelId, standing: Standing<'_>, what: Operation) -> bool {
    decide_reads(kind, channel, standing, what).allowed
}

/// Whether a connected client may read a channel's past, or who is there. One without a token only where it is subscribed.
#[must_use]
pub fn client_reads(
    caller: &Caller,
    kind: ChannelType,
    channel: &ChannelId,
    standing: Standing<'_>,
    what: Operation,
) -> bool {
    match caller {
        Caller::Token { .. } => token_reads(kind, channel, standing, what),
        Caller::Anonymous { .. } => standing.subscribed && kind == ChannelType::Unprotected,
        Caller::ProjectKey { .. }
        | Caller::Person { .. }
        | Caller::Operator
        | Caller::ProjectOperator { .. }
        | Caller::System => false,
    }
}

/// Whether a token may write into a channel without being subscribed to it: where its grants say so; one without grants, where it could
/// subscribe without asking anybody.
#[must_use]
pub fn token_writes_from_outside(kind: ChannelType, standing: Standing<'_>) -> bool {
    standing.subscribed || standing.grants.is_some() || kind != ChannelType::Private
}

/// Whether a token that was subscribed under `before` loses its subscription when its grants become `after`: it does where it loses the right to
/// subscribe. What a server subscribed beyond any right of the token's stays.
#[must_use]
pub fn loses_subscription(
    kind: ChannelType,
    channel: &ChannelId,
    before: Option<&[Grant]>,
    after: Option<&[Grant]>,
) -> bool {
    let may = |grants: Option<&[Grant]>| match grants {
        Some(grants) => grants::allows(grants, Operation::Subscribe, channel.as_str()),
        None => kind != ChannelType::Private,
    };
    may(before) && !may(after)
}
