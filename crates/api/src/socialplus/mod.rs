//! social.plus's HTTP API for sessions and tokens, as its published SDKs call it: a facade over the same operations. What each SDK makes of an
//! answer, and why it is shaped so, is in docs/compatibility/socialplus.md.
//!
//! Everything answers under `/api/…` and under `/.amity.co/api/…`, where SDKs end up whose region was given as `example.com/`.
//!
//! What is *not* here: MQTT, chat and social features, and cookies. A login may ask for a cookie; none is set, and none is ever read, so
//! that no page can act for a user who only visits it.

pub(crate) mod auth_tokens;
mod body;
mod caller;
mod failure;
mod render;
pub(crate) mod sessions;
pub(crate) mod users;

use std::time::Duration;

use http::{HeaderMap, header};
use tokio::time::timeout;
use tollgate_core::ports::Pending;
use tollgate_node::Node;

use crate::answer::Answer;
use crate::call::Asked;
use crate::refusal::Refusal;
pub(crate) use caller::Called;
pub(crate) use failure::{Failure, envelope};

/// The SDKs wait for ever, so every request is answered within this.
const DEADLINE: Duration = Duration::from_secs(10);

/// What a browser may send: the SDKs' headers.
const ALLOWED_HEADERS: &str = "content-type, x-api-key, authorization, set-access-token-cookie, x-request-id";
const ALLOWED_METHODS: &str = "GET, POST, PUT, PATCH, DELETE";
/// How long a browser may remember that, in seconds.
const PREFLIGHT_S: &str = "7200";

/// Runs a handler: whatever comes of it, there is an answer in time, in social.plus's words.
pub(crate) async fn run(
    asked: &Asked,
    handler: for<'c> fn(&'c Called<'c>) -> Pending<'c, Result<Answer, Failure>>,
) -> Result<Answer, Refusal> {
    let called = Called::new(asked);
    let outcome = timeout(DEADLINE, handler(&called)).await.unwrap_or_else(|_| Err(Failure::too_late(DEADLINE)));
    let answer = outcome.unwrap_or_else(|failure| failure.answer(asked));
    let origin = asked.parts.headers.get(header::ORIGIN).and_then(|origin| origin.to_str().ok());
    let allowed = origin.filter(|origin| asked.node.allows_origin(called.caller(), origin));
    Ok(with_origin(answer, allowed))
}

/// The answer to a browser that asks beforehand. It sends no key, so that whoever some project lists is let through to ask.
pub(crate) fn preflight(node: &Node, headers: &HeaderMap) -> Answer {
    let origin = headers.get(header::ORIGIN).and_then(|origin| origin.to_str().ok());
    let answer = Answer::nothing()
        .with(header::ACCESS_CONTROL_ALLOW_METHODS, ALLOWED_METHODS)
        .with(header::ACCESS_CONTROL_ALLOW_HEADERS, ALLOWED_HEADERS)
        .with(header::ACCESS_CONTROL_MAX_AGE, PREFLIGHT_S);
    with_origin(answer, origin.filter(|origin| node.allows_origin(None, origin)))
}

/// Lets the page at a listed origin read the answer of a request with credentials, as js-sdk 5 sends them; all others get the `*` of every answer.
fn with_origin(answer: Answer, allowed: Option<&str>) -> Answer {
    let answer = answer.with(header::VARY, "Origin");
    match allowed {
        Some(origin) => answer
            .with(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin)
            .with(header::ACCESS_CONTROL_ALLOW_CREDENTIALS, "true"),
        None => answer,
    }
}
