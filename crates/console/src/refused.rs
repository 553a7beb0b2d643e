//! What a refused request looks like: a page with the operation's own sentence. The console's map of error kinds to statuses.

use askama::Template;
use http::StatusCode;
use tollgate_core::{Error, ErrorKind};

use crate::answer::Answer;
use crate::assets::Assets;
use crate::frame::Frame;

#[derive(Template)]
#[template(path = "refused.html")]
struct Inside<'a> {
    frame: Frame,
    heading: &'a str,
    said: &'a str,
    code: &'a str,
    request_id: &'a str,
}

#[derive(Template)]
#[template(path = "refused_outside.html")]
struct Outside<'a> {
    assets: &'a Assets,
    theme: Option<&'static str>,
    heading: &'a str,
    said: &'a str,
    code: &'a str,
    request_id: &'a str,
}

/// The status of each kind of error, as pages have it.
#[deny(clippy::wildcard_enum_match_arm)]
pub(crate) const fn status(kind: ErrorKind) -> StatusCode {
    match kind {
        ErrorKind::InvalidAuth
        | ErrorKind::TokenExpired
        | ErrorKind::TokenRevoked
        | ErrorKind::TokenNotYetValid
        | ErrorKind::TokenRotated
        | ErrorKind::InvalidBody
        | ErrorKind::InvalidInput
        | ErrorKind::IdempotencyMismatch => StatusCode::UNPROCESSABLE_ENTITY,
        ErrorKind::Forbidden | ErrorKind::UserBanned | ErrorKind::WrongPlace | ErrorKind::NotGranted => {
            StatusCode::FORBIDDEN
        }
        ErrorKind::NotFound => StatusCode::NOT_FOUND,
        ErrorKind::AlreadyExists | ErrorKind::LimitReached | ErrorKind::WrongState | ErrorKind::VersionMismatch => {
            StatusCode::CONFLICT
        }
        ErrorKind::Gone | ErrorKind::PositionLost => StatusCode::GONE,
        ErrorKind::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
        ErrorKind::RateLimited => StatusCode::TOO_MANY_REQUESTS,
        ErrorKind::Unavailable | ErrorKind::HookUnavailable => StatusCode::SERVICE_UNAVAILABLE,
        ErrorKind::Internal => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

fn heading(kind: ErrorKind) -> &'static str {
    match status(kind) {
        StatusCode::NOT_FOUND => "There is nothing here",
        StatusCode::FORBIDDEN => "This is not yours to do",
        StatusCode::GONE => "It is not here any more",
        StatusCode::TOO_MANY_REQUESTS => "Too much at once",
        StatusCode::SERVICE_UNAVAILABLE => "Something does not answer",
        StatusCode::INTERNAL_SERVER_ERROR => "Something failed inside the server",
        _ => "That did not work",
    }
}

/// A refusal within the console's frame.
pub(crate) fn inside(frame: Frame, error: &Error, request_id: &str) -> Answer {
    log(error);
    let page = Inside { frame, heading: heading(error.kind), said: &error.detail, code: error.kind.code(), request_id };
    Answer::page_as(status(error.kind), &page).unwrap_or_else(|_| Answer::nothing(StatusCode::INTERNAL_SERVER_ERROR))
}

/// A refusal to somebody who is not signed in: says nothing of what is inside.
pub(crate) fn outside(
    assets: &Assets,
    theme: Option<&'static str>,
    said: (StatusCode, &str),
    request_id: &str,
) -> Answer {
    let (status, said) = said;
    let code = status.as_str();
    let page = Outside { assets, theme, heading: "That did not work", said, code, request_id };
    Answer::page_as(status, &page).unwrap_or_else(|_| Answer::nothing(StatusCode::INTERNAL_SERVER_ERROR))
}

fn log(error: &Error) {
    let code = error.kind.code();
    if status(error.kind).is_server_error() {
        tracing::error!(code, "a page failed: {}", error.detail);
    } else {
        tracing::debug!(code, "a page was refused");
    }
}
