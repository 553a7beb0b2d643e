//! What a request is answered with: Hop's envelope, and the headers that every answer has.

use bytes::Bytes;
use http::header::{self, HeaderName};
use http::{HeaderMap, HeaderValue, Response, StatusCode};
use http_body_util::Full;

use crate::json::Object;
use crate::refusal::{Door, Refusal};

/// The headers of an answer that has none of its own: copied whole, which costs less than putting each in its place.
#[derive(Debug)]
pub(crate) struct Usual(HeaderMap);

impl Usual {
    pub(crate) fn new() -> Self {
        let mut headers = HeaderMap::with_capacity(ALWAYS.len() + 2);
        headers.extend(ALWAYS.iter().cloned());
        headers.insert(header::CONTENT_TYPE, JSON.clone());
        // Its place, for the id of each request.
        headers.insert(REQUEST_ID, HeaderValue::from_static(""));
        Self(headers)
    }
}

/// The whole of an answer's body, in one piece.
pub(crate) type Reply = Response<Full<Bytes>>;

/// What is on every answer, errors included: no cache and no referrer may keep what secrets are in, and any web page may
/// call (Hop's users call from browsers; there are no cookies, so nothing is gained by telling origins apart).
static ALWAYS: [(HeaderName, HeaderValue); 5] = [
    (header::ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*")),
    (header::ACCESS_CONTROL_EXPOSE_HEADERS, HeaderValue::from_static("ETag, Retry-After, X-Request-Id")),
    (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
    (header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
    (header::REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
];

static JSON: HeaderValue = HeaderValue::from_static("application/json");

pub(crate) const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// What a browser wants to know before it calls.
static PREFLIGHT: [(HeaderName, HeaderValue); 3] = [
    (header::ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static("GET, POST, PUT, PATCH, DELETE")),
    (
        header::ACCESS_CONTROL_ALLOW_HEADERS,
        HeaderValue::from_static(
            "Authorization, Content-Type, Idempotency-Key, If-Match, Last-Event-ID, X-Request-Id, X-Tollgate-Project",
        ),
    ),
    (header::ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("86400")),
];

/// The outcome of a request that was not refused, before it is HTTP.
#[derive(Debug)]
pub(crate) struct Answer {
    status: StatusCode,
    /// JSON text unless the headers say otherwise; none with 204.
    body: Option<String>,
    headers: HeaderMap,
}

impl Answer {
    /// 200 with `data`, JSON text, in the envelope. (Never 201: Hop's Rust SDK and CLI drop its body.)
    pub(crate) fn data(data: &str) -> Self {
        Self::plain(StatusCode::OK, Object::new().flag("success", true).raw("data", data).close())
    }

    /// 204.
    pub(crate) fn nothing() -> Self {
        Self { status: StatusCode::NO_CONTENT, body: None, headers: HeaderMap::new() }
    }

    /// 304: what the caller has is what it would get.
    pub(crate) fn unchanged() -> Self {
        Self { status: StatusCode::NOT_MODIFIED, body: None, headers: HeaderMap::new() }
    }

    /// JSON text without the envelope, for probes.
    pub(crate) fn plain(status: StatusCode, body: String) -> Self {
        Self { status, body: Some(body), headers: HeaderMap::new() }
    }

    /// A value as JSON, with a status.
    pub(crate) fn json<T: serde::Serialize>(status: StatusCode, value: &T) -> Self {
        Self::plain(status, serde_json::to_string(value).expect("invariant: our answers are maps with text keys"))
    }

    /// Text of another type than JSON.
    pub(crate) fn text(status: StatusCode, content_type: &'static str, body: String) -> Self {
        Self::plain(status, body).with(header::CONTENT_TYPE, content_type)
    }

    /// An error in the words of its door.
    pub(crate) fn refused(refusal: &Refusal, door: Door, request_id: &HeaderValue) -> Self {
        let body = refusal.body(door, request_id.to_str().unwrap_or_default());
        let mut answer = Self::plain(refusal.status(), body);
        if door == Door::V2 {
            answer = answer.with(header::CONTENT_TYPE, "application/problem+json");
        }
        if refusal.status() == StatusCode::UNAUTHORIZED {
            // RFC 6750, section 3.1: with the word where the credential was one of ours.
            let challenge = if refusal.code().starts_with("token_") {
                "Bearer realm=\"tollgate\", error=\"invalid_token\""
            } else {
                "Bearer realm=\"tollgate\""
            };
            answer = answer.with(header::WWW_AUTHENTICATE, challenge);
        }
        if let Some(allow) = refusal.allow() {
            answer = answer.with(header::ALLOW, allow);
        }
        if let Some(seconds) = refusal.retry_after_s() {
            answer = answer.with(header::RETRY_AFTER, &seconds.to_string());
        }
        answer
    }

    /// The answer to `OPTIONS` on any path.
    pub(crate) fn preflight() -> Self {
        let mut answer = Self::nothing();
        answer.headers.extend(PREFLIGHT.iter().cloned());
        answer
    }

    /// With the version of what is answered, for a later `If-Match`.
    pub(crate) fn version(self, version: u64) -> Self {
        self.with(header::ETAG, &format!("\"{version}\""))
    }

    pub(crate) fn with(mut self, name: HeaderName, value: &str) -> Self {
        self.headers
            .insert(name, HeaderValue::from_str(value).expect("invariant: our own header values are plain ASCII"));
        self
    }

    /// As HTTP. `closing` says that this is the connection's last answer.
    pub(crate) fn reply(self, usual: &Usual, request_id: HeaderValue, closing: bool) -> Reply {
        let mut headers = usual.0.clone();
        if self.body.is_none() {
            headers.remove(header::CONTENT_TYPE);
        }
        headers.insert(REQUEST_ID, request_id);
        if closing {
            headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
        // The answer's own stand in place of what is usual.
        if !self.headers.is_empty() {
            headers.extend(self.headers);
        }
        let mut reply = Response::new(Full::new(Bytes::from(self.body.unwrap_or_default())));
        *reply.status_mut() = self.status;
        *reply.headers_mut() = headers;
        reply
    }
}
