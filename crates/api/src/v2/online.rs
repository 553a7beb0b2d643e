//! Who is online, of many at once.

use http::StatusCode;
use serde::{Deserialize, Serialize};
use tollgate_core::Result;
use tollgate_core::command::PresentedSecret;
use tollgate_node::OnlineView;

use super::Time;
use crate::answer::Answer;
use crate::call::Call;

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Wanted {
    tokens: Vec<String>,
    users: Vec<String>,
}

#[derive(Serialize)]
struct Answered {
    tokens: Vec<Shown>,
    users: Vec<Shown>,
}

/// In the place of the name that was asked for: a secret is not said again.
#[derive(Serialize)]
struct Shown {
    online: bool,
    connections: usize,
    last_seen_at: Option<Time>,
}

/// `POST /v2/online`.
pub(crate) async fn query(call: &Call) -> Result<Answer> {
    let Wanted { tokens, users } = call.object()?;
    let tokens: Vec<_> = tokens.into_iter().map(PresentedSecret::new).collect();
    let (tokens, users) = call.node.online(&call.caller, &tokens, &users)?;
    let show = |view: OnlineView| Shown {
        online: view.is_online(),
        connections: view.connections,
        last_seen_at: view.last_seen_at.map(Time),
    };
    let answered =
        Answered { tokens: tokens.into_iter().map(show).collect(), users: users.into_iter().map(show).collect() };
    Ok(Answer::json(StatusCode::OK, &answered))
}
