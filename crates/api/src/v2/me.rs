//! What a client may see and do of its own token.

use http::StatusCode;
use tollgate_core::Result;

use super::token_shown::show;
use super::token_use::listed;
use crate::answer::Answer;
use crate::call::Call;

/// `GET /v2/me`.
pub(crate) async fn get(call: &Call) -> Result<Answer> {
    Ok(Answer::json(StatusCode::OK, &show(&call.node.own_token(&call.caller)?, None)))
}

/// `DELETE /v2/me`: the token ends itself.
pub(crate) async fn revoke(call: &Call) -> Result<Answer> {
    call.node.revoke_own_token(&call.caller).await?;
    Ok(Answer::nothing())
}

/// `GET /v2/me/subscriptions`.
pub(crate) async fn subscriptions(call: &Call) -> Result<Answer> {
    Ok(listed(call.node.own_subscriptions(&call.caller)?))
}
