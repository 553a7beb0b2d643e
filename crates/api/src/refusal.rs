//! What a refused request is answered with: the one place where error kinds become HTTP statuses.

use http::StatusCode;
use tollgate_core::delivery::Position;
use tollgate_core::{Error, ErrorKind};

use crate::json::Object;

/// Seconds after which a caller may try again, where trying again can help.
const RETRY_AFTER_S: u32 = 1;

/// An error as HTTP tells it.
#[derive(Clone, Debug)]
pub(crate) struct Refusal {
    status: StatusCode,
    code: &'static str,
    message: String,
    /// Methods that the path does have, for `Allow`.
    allow: Option<String>,
    retry_after_s: Option<u32>,
    /// With `version_mismatch`: the version that the thing is at.
    version: Option<u64>,
    /// With `position_lost`: where the channel is.
    position: Option<Position>,
}

/// Whose words an answer is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Door {
    /// Hop's envelope.
    Hop,
    /// Our own: problem details (RFC 9457).
    V2,
    /// social.plus's envelope.
    SocialPlus,
}

impl Door {
    /// The door that a path belongs to, whether it has a route or not.
    pub(crate) fn of(path: &str) -> Self {
        let path = path.trim_start_matches('/');
        let end = path.bytes().position(|byte| byte == b'/').unwrap_or(path.len());
        match &path[..end] {
            // `/connect` and what is under it speak our own protocol; where they are not opened, the words are ours, too.
            "v2" | "connect" => Self::V2,
            "api" | ".amity.co" => Self::SocialPlus,
            _ => Self::Hop,
        }
    }
}

/// Errors of HTTP itself, which no operation knows: code, status, meaning.
pub(crate) const OF_HTTP: &[(&str, StatusCode, &str)] = &[
    (
        "method_not_allowed",
        StatusCode::METHOD_NOT_ALLOWED,
        "The path exists, but not with this method; `Allow` lists those it has.",
    ),
    (
        "request_timeout",
        StatusCode::REQUEST_TIMEOUT,
        "The body did not arrive in time. The connection is closed; send the request again.",
    ),
    (
        "upgrade_required",
        StatusCode::UPGRADE_REQUIRED,
        "The path is a WebSocket's; the request did not ask for one, or not in version 13.",
    ),
];

/// The status of each kind of error.
#[deny(clippy::wildcard_enum_match_arm)]
pub(crate) const fn status(kind: ErrorKind) -> StatusCode {
    match kind {
        ErrorKind::InvalidAuth
        | ErrorKind::TokenExpired
        | ErrorKind::TokenRevoked
        | ErrorKind::TokenNotYetValid
        | ErrorKind::TokenRotated => StatusCode::UNAUTHORIZED,
        ErrorKind::Forbidden | ErrorKind::UserBanned | ErrorKind::WrongPlace | ErrorKind::NotGranted => {
            StatusCode::FORBIDDEN
        }
        ErrorKind::NotFound => StatusCode::NOT_FOUND,
        // A full collection is a conflict with what exists, like a taken id: the caller resolves it by removing something. 429 would
        // tell it to wait, and 403 to look for another key; neither helps.
        ErrorKind::AlreadyExists | ErrorKind::LimitReached | ErrorKind::WrongState => StatusCode::CONFLICT,
        ErrorKind::IdempotencyMismatch => StatusCode::UNPROCESSABLE_ENTITY,
        ErrorKind::Gone | ErrorKind::PositionLost => StatusCode::GONE,
        ErrorKind::InvalidBody | ErrorKind::InvalidInput => StatusCode::BAD_REQUEST,
        ErrorKind::VersionMismatch => StatusCode::PRECONDITION_FAILED,
        ErrorKind::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
        ErrorKind::RateLimited => StatusCode::TOO_MANY_REQUESTS,
        ErrorKind::Unavailable | ErrorKind::HookUnavailable => StatusCode::SERVICE_UNAVAILABLE,
        ErrorKind::Internal => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

impl Refusal {
    pub(crate) fn no_route() -> Self {
        Error::new(
            ErrorKind::NotFound,
            "There is no such path here. Our API is under /v2 (see /docs), Hop's under /v1, for example /v1/channels.",
        )
        .into()
    }

    pub(crate) fn wrong_method(allowed: &[&str]) -> Self {
        let allow = allowed.join(", ");
        let message = format!("This path does not have this method; it has {allow}.");
        Self { allow: Some(allow), ..Self::of_http("method_not_allowed", message) }
    }

    pub(crate) fn body_too_slow(deadline_s: u64) -> Self {
        Self::of_http("request_timeout", format!("The body did not arrive within {deadline_s} seconds; send it again."))
    }

    /// A defect on our side: the caller learns nothing but that, and the request's id.
    pub(crate) fn defect() -> Self {
        Error::new(
            ErrorKind::Internal,
            "Something failed inside the server; the X-Request-Id of this answer finds it in the log.",
        )
        .into()
    }

    fn of_http(code: &str, message: String) -> Self {
        let (code, status, _) =
            OF_HTTP.iter().find(|(known, ..)| *known == code).expect("invariant: the table has our own codes");
        Self { status: *status, code, message, allow: None, retry_after_s: None, version: None, position: None }
    }

    /// What lies behind the position that was asked for is not kept any more; the channel is here.
    pub(crate) fn position_lost(position: Position) -> Self {
        let detail =
            "What lies behind this position is not kept any more; go on from `position`, where the channel is now.";
        Self { position: Some(position), ..Error::new(ErrorKind::PositionLost, detail).into() }
    }

    pub(crate) const fn status(&self) -> StatusCode {
        self.status
    }

    /// In the words of a door: `/v2` says 422 where what a request says cannot be; 400 is left for requests that are no requests.
    pub(crate) fn through(mut self, door: Door) -> Self {
        let of_content = [ErrorKind::InvalidInput.code(), ErrorKind::InvalidBody.code()];
        if door == Door::V2 && of_content.contains(&self.code) {
            self.status = StatusCode::UNPROCESSABLE_ENTITY;
        }
        self
    }

    pub(crate) const fn code(&self) -> &'static str {
        self.code
    }

    pub(crate) fn message(&self) -> &str {
        &self.message
    }

    pub(crate) fn allow(&self) -> Option<&str> {
        self.allow.as_deref()
    }

    /// For `Retry-After`.
    pub(crate) fn retry_after_s(&self) -> Option<u32> {
        let retryable = matches!(self.status, StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE);
        retryable.then_some(self.retry_after_s.unwrap_or(RETRY_AFTER_S))
    }

    /// The error in the words of a door.
    pub(crate) fn body(&self, door: Door, request_id: &str) -> String {
        match door {
            Door::Hop => {
                let error = Object::new().text("code", self.code).text("message", &self.message).close();
                Object::new().flag("success", false).raw("error", &error).close()
            }
            Door::V2 => self.problem(request_id),
            Door::SocialPlus => crate::socialplus::envelope(self),
        }
    }

    /// Problem details (RFC 9457), with what a caller needs to go on.
    fn problem(&self, request_id: &str) -> String {
        let mut problem = Object::new()
            .text("type", &format!("/docs#{}", self.code))
            .text("title", self.status.canonical_reason().unwrap_or("Error"))
            .number("status", u64::from(self.status.as_u16()))
            .text("code", self.code)
            .text("detail", &self.message)
            .flag("retryable", self.retry_after_s().is_some())
            .text("request_id", request_id);
        if let Some(version) = self.version {
            problem = problem.number("version", version);
        }
        if let Some(position) = self.position {
            problem = problem.text("position", &position.to_string());
        }
        problem.close()
    }
}

impl From<Error> for Refusal {
    fn from(error: Error) -> Self {
        // Up, so that who waits exactly so long gets through.
        let retry_after_s = error.retry_after_ms.map(|ms| u32::try_from(ms.div_ceil(1_000)).unwrap_or(u32::MAX).max(1));
        let (status, code, version) = (status(error.kind), error.kind.code(), error.version);
        Self { status, code, message: error.detail, allow: None, retry_after_s, version, position: None }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    /// The text of docs/errors.md.
    fn page() -> String {
        let of_operations = ErrorKind::ALL.iter().map(|kind| (kind.code(), status(*kind), kind.meaning()));
        let rows = of_operations.chain(OF_HTTP.iter().copied());
        let mut page = String::from(
            "# Error codes\n\n\
             Every error of the REST API has one of these codes: under `/v1`, Hop's, as `{\"success\":false,\"error\":{\"code\":\"…\",\"message\":\"…\"}}`;\n\
             under `/v2` as problem details with `code` and `detail` (RFC 9457; [api.md](api.md)), where 400 for `invalid_body` and `invalid_input` is 422.\n\
             social.plus's paths have its own envelope ([compatibility/socialplus.md](compatibility/socialplus.md)). Codes and statuses are stable; messages\n\
             are for people and may change. 429 and 503 carry `Retry-After` in seconds.\n\n\
             This page is generated: `TOLLGATE_REGENERATE=1 cargo test -p tollgate-api errors_page`.\n\n\
             | code | status | meaning |\n|---|---|---|\n",
        );
        for (code, status, meaning) in rows {
            page += &format!("| `{code}` | {} | {} |\n", status.as_u16(), meaning.trim());
        }
        page
    }

    #[test]
    fn errors_page_is_current() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/errors.md");
        #[allow(clippy::disallowed_methods)] // a switch for people, not configuration
        if std::env::var("TOLLGATE_REGENERATE").is_ok() {
            std::fs::create_dir_all(concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs")).unwrap();
            std::fs::write(path, page()).unwrap();
        }
        let kept = std::fs::read_to_string(path).unwrap_or_default();
        assert!(
            kept == page(),
            "docs/errors.md is stale: run TOLLGATE_REGENERATE=1 cargo test -p tollgate-api errors_page"
        );
    }

    #[test]
    fn b04_every_kind_is_an_error_status_with_an_envelope() {
        for kind in ErrorKind::ALL {
            let refusal = Refusal::from(Error::new(*kind, "said \"so\""));
            assert!(refusal.status().as_u16() >= 400, "{kind:?}");
            let retry = matches!(kind, ErrorKind::RateLimited | ErrorKind::Unavailable | ErrorKind::HookUnavailable);
            assert_eq!(refusal.retry_after_s().is_some(), retry, "{kind:?}");
            assert_eq!(
                refusal.body(Door::Hop, ""),
                format!(r#"{{"success":false,"error":{{"code":"{}","message":"said \"so\""}}}}"#, kind.code())
            );
        }
    }
}
