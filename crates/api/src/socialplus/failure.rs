//! Errors in social.plus's words. Its SDKs show `code` and `message` alone, so that the whole remedy is in the message; and some codes make them
//! do things: 400100 ends a session that is live in the caller's process, and js-sdk 5 tries for ever again on most.

use std::time::Duration;

use http::{StatusCode, header};
use tollgate_core::{Error, ErrorKind};

use crate::answer::Answer;
use crate::call::Asked;
use crate::json::Object;
use crate::refusal::Refusal;

/// A refused request.
#[derive(Debug)]
pub(crate) struct Failure {
    error: Error,
    status: StatusCode,
    code: u64,
}

impl Failure {
    /// The API key is missing or unknown. Not 401 and 400100, which would end an unrelated session in the caller's process, and make Flutter's
    /// SDK log in again.
    pub(crate) fn unknown_key(error: Error) -> Self {
        match error.kind {
            ErrorKind::InvalidAuth => Self { error, status: StatusCode::NOT_FOUND, code: 400_400 },
            _ => error.into(),
        }
    }

    /// The deprecated call that social.plus answers with 403 for a bad key.
    pub(crate) fn forbidden_key(error: Error) -> Self {
        match error.kind {
            ErrorKind::InvalidAuth => Self { error, status: StatusCode::FORBIDDEN, code: 400_300 },
            _ => error.into(),
        }
    }

    pub(crate) fn too_late(deadline: Duration) -> Self {
        Error::new(
            ErrorKind::Unavailable,
            format!(
                "The server could not answer within {} seconds. Try again; the same request is not done twice.",
                deadline.as_secs()
            ),
        )
        .into()
    }

    /// With a code at which js-sdk 5 stops trying again: 400100, 400400, 400312, or one from 400 to 499. A failure of the server's own keeps
    /// its code: there trying again is right.
    pub(crate) fn for_legacy(mut self) -> Self {
        let stops = matches!(self.code, 400_100 | 400_400 | 400_312);
        if !stops && self.status.is_client_error() {
            self.code = u64::from(self.status.as_u16());
        }
        self
    }

    pub(super) fn answer(self, asked: &Asked) -> Answer {
        let retry_after_s = retry_after_s(&self.error);
        let (status, code) = (self.status.as_u16(), self.error.kind.code());
        if status >= 500 {
            tracing::error!(status, code, "request failed: {}", self.error.detail);
        } else {
            tracing::debug!(status, code, "request refused");
        }
        let request_id = asked.request_id.to_str().unwrap_or_default();
        let mut detail = Object::new().text("code", code).flag("retryable", retry_after_s.is_some());
        if let Some(seconds) = retry_after_s {
            detail = detail.number("retryAfter", u64::from(seconds));
        }
        let detail = detail.text("requestId", request_id).close();
        let message = format!("{} (request {request_id})", self.error.detail);
        let mut answer = Answer::plain(self.status, body(self.code, &message, &detail));
        if self.status == StatusCode::UNAUTHORIZED {
            answer = answer.with(header::WWW_AUTHENTICATE, "Bearer realm=\"tollgate\"");
        }
        match retry_after_s {
            Some(seconds) => answer.with(header::RETRY_AFTER, &seconds.to_string()),
            None => answer,
        }
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        let (status, code) = outcome(error.kind);
        Self { error, status, code }
    }
}

/// Status and code of each kind of error.
#[deny(clippy::wildcard_enum_match_arm)]
const fn outcome(kind: ErrorKind) -> (StatusCode, u64) {
    match kind {
        // This bearer token is dead: the SDK ends its session, and is right to.
        ErrorKind::InvalidAuth | ErrorKind::TokenExpired | ErrorKind::TokenRevoked | ErrorKind::TokenRotated => {
            (StatusCode::UNAUTHORIZED, 400_100)
        }
        ErrorKind::Forbidden | ErrorKind::NotGranted | ErrorKind::TokenNotYetValid | ErrorKind::WrongPlace => {
            (StatusCode::FORBIDDEN, 400_300)
        }
        ErrorKind::UserBanned => (StatusCode::FORBIDDEN, 400_312),
        ErrorKind::NotFound | ErrorKind::Gone | ErrorKind::PositionLost => (StatusCode::NOT_FOUND, 400_400),
        ErrorKind::AlreadyExists
        | ErrorKind::LimitReached
        | ErrorKind::WrongState
        | ErrorKind::VersionMismatch
        | ErrorKind::IdempotencyMismatch => (StatusCode::CONFLICT, 400_900),
        ErrorKind::InvalidBody | ErrorKind::InvalidInput | ErrorKind::TooLarge => {
            (StatusCode::UNPROCESSABLE_ENTITY, 500_000)
        }
        ErrorKind::RateLimited => (StatusCode::TOO_MANY_REQUESTS, 400_311),
        ErrorKind::Unavailable | ErrorKind::HookUnavailable => (StatusCode::SERVICE_UNAVAILABLE, 500_000),
        ErrorKind::Internal => (StatusCode::INTERNAL_SERVER_ERROR, 500_000),
    }
}

fn retry_after_s(error: &Error) -> Option<u32> {
    let retryable = matches!(error.kind, ErrorKind::RateLimited | ErrorKind::Unavailable | ErrorKind::HookUnavailable);
    let known = error.retry_after_ms.map(|ms| u32::try_from(ms.div_ceil(1_000)).unwrap_or(u32::MAX).max(1));
    retryable.then_some(known.unwrap_or(1))
}

fn body(code: u64, message: &str, detail: &str) -> String {
    let data = Object::new().raw("detail", detail).close();
    Object::new().text("status", "error").number("code", code).text("message", message).raw("data", &data).close()
}

/// The envelope (social.plus's OpenAPI) around what was refused before it came to a handler: no route, a body that is too large or too slow.
pub(crate) fn envelope(refusal: &Refusal) -> String {
    let code = match refusal.status().as_u16() {
        401 => 400_100,
        403 => 400_300,
        404 | 405 | 410 => 400_400,
        409 => 400_900,
        429 => 400_311,
        413 | 500.. => 500_000,
        _ => 400_000,
    };
    let detail =
        Object::new().text("code", refusal.code()).flag("retryable", refusal.retry_after_s().is_some()).close();
    body(code, refusal.message(), &detail)
}
