//! Finding anything by one text.

use http::StatusCode;
use serde::{Deserialize, Serialize};
use tollgate_core::Result;
use tollgate_core::command::PresentedSecret;
use tollgate_node::Found;

use crate::answer::Answer;
use crate::call::Call;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Wanted {
    text: String,
}

#[derive(Serialize)]
struct Shown<'a> {
    kind: &'static str,
    id: &'a str,
    name: &'a str,
    named: bool,
}

#[derive(Serialize)]
struct All<'a> {
    data: Vec<Shown<'a>>,
}

/// `POST /v2/find`: the text may be a secret, so it is in no address.
pub(crate) async fn find(call: &Call) -> Result<Answer> {
    let wanted: Wanted = call.object()?;
    let found = call.node.find(&call.caller, &PresentedSecret::new(wanted.text)).await?;
    Ok(Answer::json(StatusCode::OK, &All { data: found.iter().map(show).collect() }))
}

fn show(found: &Found) -> Shown<'_> {
    Shown { kind: found.kind.word(), id: &found.id, name: &found.name, named: found.is_named }
}
