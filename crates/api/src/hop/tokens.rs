//! Tokens. A path names one by its secret, as Hop has it, or by its public id.

use serde::Deserialize;
use serde_json::value::RawValue;
use tollgate_core::Result;
use tollgate_core::limits::TOKEN_STATE_BYTES_MAX;
use tollgate_node::{NewToken, TokenUpdate};

use super::render;
use crate::answer::Answer;
use crate::call::Call;
use crate::fields;

/// The body of a create or a change; absent and `null` are different things. The second spelling of the expiry is that of
/// Hop's JS types, and counts where the first is absent.
#[derive(Default, Deserialize)]
struct Wanted<'a> {
    #[serde(borrow, default, deserialize_with = "fields::present")]
    state: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "fields::present")]
    expires_at: Option<&'a RawValue>,
    #[serde(borrow, default, rename = "expiresAt", deserialize_with = "fields::present")]
    expires_at_camel: Option<&'a RawValue>,
    #[serde(borrow)]
    channels: Option<&'a RawValue>,
}

/// `POST /v1/channels/tokens`: the body may be missing altogether.
pub(crate) async fn create(call: &Call) -> Result<Answer> {
    let wanted: Wanted = if call.body.is_empty() { Wanted::default() } else { fields::object(&call.body)? };
    let TokenUpdate { state, expires_at, .. } = wanted.update()?;
    let channels = wanted.channels.map(fields::channels).transpose()?.unwrap_or_default();
    let token = call
        .node
        .create_token(
            &call.caller,
            NewToken { state: state.flatten(), expires_at: expires_at.flatten(), channels, ..NewToken::default() },
        )
        .await?;
    Ok(render::one("token", &render::token(&token)))
}

pub(crate) async fn get(call: &Call) -> Result<Answer> {
    let token = call.node.token(&call.caller, &call.token()?)?;
    Ok(render::one("token", &render::token(&token)))
}

pub(crate) async fn list(call: &Call) -> Result<Answer> {
    let page = call.query().page()?;
    let page_size = page.size;
    let tokens = call.node.tokens(&call.caller, page)?;
    Ok(render::list("tokens", &tokens, page_size, render::token))
}

/// `PATCH /v1/channels/tokens/:token`: what the body lacks stays as it is.
pub(crate) async fn change(call: &Call) -> Result<Answer> {
    let update = fields::object::<Wanted>(&call.body)?.update()?;
    let token = call.node.change_token(&call.caller, &call.token()?, update).await?;
    Ok(render::one("token", &render::token(&token)))
}

pub(crate) async fn delete(call: &Call) -> Result<Answer> {
    call.node.delete_token(&call.caller, &call.token()?).await?;
    Ok(Answer::nothing())
}

impl Wanted<'_> {
    fn update(&self) -> Result<TokenUpdate> {
        let state = self.state.map(|raw| fields::nullable_state(raw, "token", TOKEN_STATE_BYTES_MAX)).transpose()?;
        let expires_at = self.expires_at.or(self.expires_at_camel).map(fields::expiry).transpose()?;
        Ok(TokenUpdate { state, expires_at, ..TokenUpdate::default() })
    }
}
