//! The access hook: the customer's backend decides who enters a private channel.

use super::Pending;
use crate::ids::{ChannelId, ProjectId, TokenId};
use crate::json::JsonObject;

/// A question to the customer's backend.
#[derive(Clone, Debug)]
pub struct SubscribeQuestion {
    /// The project.
    pub project: ProjectId,
    /// The private channel.
    pub channel: ChannelId,
    /// The token that wants in: its public id, never its secret.
    pub token: TokenId,
    /// The token's state, by which the backend knows its user.
    pub token_state: Option<JsonObject>,
}

/// Decides on subscriptions that no rule of ours allows.
///
/// Contract: answers within its deadline (5 s) with true only when the backend clearly said yes. A refusal, a failure, a
/// redirect and silence are all false.
pub trait AccessHook: Send + Sync {
    /// Whether the token may subscribe.
    fn may_subscribe(&self, question: SubscribeQuestion) -> Pending<'_, bool>;

    /// Whether there is anybody to ask: without, every answer is false.
    fn is_there(&self) -> bool {
        true
    }
}

/// The hook of a server that has none configured: nobody is let in.
#[derive(Debug)]
pub struct NoHook;

impl AccessHook for NoHook {
    fn may_subscribe(&self, _question: SubscribeQuestion) -> Pending<'_, bool> {
        Box::pin(std::future::ready(false))
    }

    fn is_there(&self) -> bool {
        false
    }
}
