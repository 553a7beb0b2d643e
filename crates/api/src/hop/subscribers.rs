//! Which tokens are subscribed to a channel.

use tollgate_core::Result;

use super::render;
use crate::answer::Answer;
use crate::call::Call;
use crate::json::array;

pub(crate) async fn list(call: &Call) -> Result<Answer> {
    let tokens = call.node.channel_tokens(&call.caller, &call.channel()?)?;
    Ok(render::one("tokens", &array(tokens.iter().map(render::token))))
}

/// `PUT …/subscribers/:token`; with `?ephemeral=true` (ours) the subscription ends with the token's session.
pub(crate) async fn subscribe(call: &Call) -> Result<Answer> {
    let ephemeral = call.query().flag("ephemeral")?;
    call.node.subscribe_token(&call.caller, &call.channel()?, &call.token()?, ephemeral).await?;
    Ok(Answer::nothing())
}

pub(crate) async fn unsubscribe(call: &Call) -> Result<Answer> {
    call.node.unsubscribe_token(&call.caller, &call.channel()?, &call.token()?).await?;
    Ok(Answer::nothing())
}
