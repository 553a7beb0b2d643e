//! Tickets: what stands for a token once where the token itself cannot be sent.

use http::StatusCode;
use serde::{Deserialize, Serialize};
use tollgate_core::Result;
use tollgate_core::command::PresentedSecret;
use tollgate_node::TICKET_MS;

use crate::answer::Answer;
use crate::call::Call;
use crate::fields;

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Wanted {
    token: Option<String>,
}

#[derive(Serialize)]
struct Made<'a> {
    ticket: &'a str,
    expires_in_ms: u64,
}

/// `POST /v2/tickets`.
pub(crate) async fn create(call: &Call) -> Result<Answer> {
    let wanted: Wanted = if call.body.is_empty() { Wanted::default() } else { fields::object(&call.body)? };
    let token = wanted.token.map(PresentedSecret::new);
    let ticket = call.node.create_ticket(&call.caller, &call.presented()?, token.as_ref()).await?;
    let text = ticket.expose();
    Ok(Answer::json(StatusCode::CREATED, &Made { ticket: &text, expires_in_ms: TICKET_MS }))
}
