//! What a call says: the body of the question, and the signed request around it. Pure.

use bytes::Bytes;
use http_body_util::Full;
use hyper::header::{ACCEPT, CONTENT_TYPE, HOST, USER_AGENT};
use hyper::{Request, Uri};
use serde::Serialize;
use tollgate_core::credentials::sign_hook;
use tollgate_core::json::JsonObject;
use tollgate_core::ports::hook::SubscribeQuestion;

#[derive(Serialize)]
struct Body<'a> {
    event: &'static str,
    project_id: String,
    channel_id: &'a str,
    token_id: String,
    token_state: Option<&'a serde_json::value::RawValue>,
}

/// The body of a question.
pub(super) fn body(question: &SubscribeQuestion) -> Bytes {
    let state = question
        .token_state
        .as_ref()
        .map(JsonObject::as_str)
        .map(|text| serde_json::from_str(text).expect("invariant: a state is a JSON object"));
    let body = Body {
        event: "channel.subscribe",
        project_id: question.project.to_string(),
        channel_id: question.channel.as_str(),
        token_id: question.token.to_string(),
        token_state: state,
    };
    serde_json::to_vec(&body).expect("invariant: texts and JSON become JSON").into()
}

/// The POST with this body, signed at `unix_seconds`.
pub(super) fn signed(url: &Uri, secret: &[u8], unix_seconds: u64, body: Bytes) -> Request<Full<Bytes>> {
    let signature = sign_hook(secret, unix_seconds, &body);
    Request::post(url.clone())
        .header(HOST, url.authority().map_or("", hyper::http::uri::Authority::as_str))
        .header(CONTENT_TYPE, "application/json")
        .header(ACCEPT, "*/*")
        .header(USER_AGENT, concat!("Tollgate/", env!("CARGO_PKG_VERSION")))
        .header("x-tollgate-timestamp", unix_seconds.to_string())
        .header("x-tollgate-signature", signature)
        .body(Full::new(body))
        .expect("invariant: the address was checked and the headers are ASCII")
}
