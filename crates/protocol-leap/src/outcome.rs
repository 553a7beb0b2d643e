//! What the outcome of a command means to a Leap client: one table, no state. Not how it is spelled, which is `write`.

use tollgate_core::command::{Connected, Expiry, Reply};
use tollgate_core::{CloseReason, ErrorKind, Result};

use crate::busy::Kind;
use crate::write::ErrorCode;

/// What follows from an outcome.
#[derive(Debug)]
pub(crate) enum Outcome {
    /// The connection is identified.
    Init(Box<Connected>),
    /// The connection goes on with its new token, or with the old one: then this says why.
    Renewed(Result<Option<Expiry>>),
    /// Nothing is said.
    Nothing,
    /// A write was not allowed: said to nobody, counted. An `UNAVAILABLE` would make Hop's clients drop the channel's state.
    Refused,
    /// A write failed: said to nobody, counted. The protocol has no word for it, and closing would make the client loop.
    Failed,
    /// The channel is not available.
    Unavailable(ErrorCode),
    /// The connection ends.
    Close(CloseReason),
}

/// The outcome of a command of this kind.
pub(crate) fn outcome(kind: Kind, result: Result<Reply>) -> Outcome {
    match result {
        Ok(reply) => succeeded(kind, reply),
        Err(error) => match kind {
            Kind::Renew => Outcome::Renewed(Err(error)),
            Kind::Connect => connect_failed(error.kind),
            Kind::Subscribe => subscribe_failed(error.kind),
            Kind::Unsubscribe => unsubscribe_failed(error.kind),
            Kind::Publish | Kind::SetState => write_failed(error.kind),
        },
    }
}

fn succeeded(kind: Kind, reply: Reply) -> Outcome {
    match (kind, reply) {
        (Kind::Connect, Reply::Connected(connected)) => Outcome::Init(connected),
        (Kind::Renew, Reply::Renewed(renewed)) => Outcome::Renewed(Ok(renewed.token.expiry)),
        (Kind::Publish, Reply::Published(_)) | (Kind::SetState, Reply::StateChanged(_)) => Outcome::Nothing,
        (Kind::Connect | Kind::Renew, Reply::Done | Reply::NotAllowed | Reply::NotSubscribed)
        | (
            _,
            Reply::Connected(_)
            | Reply::Renewed(_)
            | Reply::Published(_)
            | Reply::Batch(_)
            | Reply::StateChanged(_)
            | Reply::VersionMismatch(_)
            | Reply::History(_)
            | Reply::PositionLost(_)
            | Reply::Members(_),
        ) => Outcome::Close(CloseReason::Internal),
        (_, Reply::Done) => Outcome::Nothing,
        (Kind::Subscribe, Reply::NotAllowed) => Outcome::Unavailable(ErrorCode::NotGranted),
        (Kind::Unsubscribe, Reply::NotAllowed | Reply::NotSubscribed) => Outcome::Nothing,
        (Kind::Publish | Kind::SetState, Reply::NotAllowed) => Outcome::Refused,
        (Kind::Subscribe | Kind::Publish | Kind::SetState, Reply::NotSubscribed) => {
            Outcome::Unavailable(ErrorCode::Unknown)
        }
    }
}

fn connect_failed(kind: ErrorKind) -> Outcome {
    Outcome::Close(match kind {
        ErrorKind::InvalidAuth
        | ErrorKind::TokenNotYetValid
        | ErrorKind::TokenRotated
        | ErrorKind::UserBanned
        | ErrorKind::WrongPlace
        | ErrorKind::NotFound
        | ErrorKind::Forbidden
        | ErrorKind::NotGranted
        | ErrorKind::InvalidInput
        | ErrorKind::InvalidBody => CloseReason::InvalidCredential,
        ErrorKind::TokenExpired => CloseReason::TokenExpired,
        ErrorKind::TokenRevoked => CloseReason::TokenRevoked,
        ErrorKind::LimitReached | ErrorKind::RateLimited => CloseReason::RateLimited,
        ErrorKind::AlreadyExists
        | ErrorKind::VersionMismatch
        | ErrorKind::PositionLost
        | ErrorKind::IdempotencyMismatch
        | ErrorKind::WrongState
        | ErrorKind::Gone
        | ErrorKind::TooLarge
        | ErrorKind::HookUnavailable
        | ErrorKind::Unavailable
        | ErrorKind::Internal => CloseReason::Internal,
    })
}

fn subscribe_failed(kind: ErrorKind) -> Outcome {
    match kind {
        ErrorKind::NotGranted
        | ErrorKind::Forbidden
        | ErrorKind::LimitReached
        | ErrorKind::RateLimited
        | ErrorKind::HookUnavailable => Outcome::Unavailable(ErrorCode::NotGranted),
        ErrorKind::NotFound | ErrorKind::InvalidInput => Outcome::Unavailable(ErrorCode::Unknown),
        ErrorKind::InvalidAuth
        | ErrorKind::TokenNotYetValid
        | ErrorKind::TokenRotated
        | ErrorKind::UserBanned
        | ErrorKind::WrongPlace => Outcome::Close(CloseReason::InvalidCredential),
        ErrorKind::TokenExpired => Outcome::Close(CloseReason::TokenExpired),
        ErrorKind::TokenRevoked => Outcome::Close(CloseReason::TokenRevoked),
        // The client cannot know whether it is subscribed; coming back, it learns it from INIT or asks again.
        ErrorKind::AlreadyExists
        | ErrorKind::InvalidBody
        | ErrorKind::VersionMismatch
        | ErrorKind::PositionLost
        | ErrorKind::IdempotencyMismatch
        | ErrorKind::WrongState
        | ErrorKind::Gone
        | ErrorKind::TooLarge
        | ErrorKind::Unavailable
        | ErrorKind::Internal => Outcome::Close(CloseReason::Internal),
    }
}

fn unsubscribe_failed(kind: ErrorKind) -> Outcome {
    match kind {
        ErrorKind::NotFound | ErrorKind::InvalidInput | ErrorKind::NotGranted | ErrorKind::Forbidden => {
            Outcome::Nothing
        }
        ErrorKind::InvalidAuth
        | ErrorKind::TokenNotYetValid
        | ErrorKind::TokenRotated
        | ErrorKind::UserBanned
        | ErrorKind::WrongPlace => Outcome::Close(CloseReason::InvalidCredential),
        ErrorKind::TokenExpired => Outcome::Close(CloseReason::TokenExpired),
        ErrorKind::TokenRevoked => Outcome::Close(CloseReason::TokenRevoked),
        // The client has forgotten the channel, and it would go on getting its messages; coming back, it learns the truth from INIT.
        ErrorKind::AlreadyExists
        | ErrorKind::InvalidBody
        | ErrorKind::VersionMismatch
        | ErrorKind::PositionLost
        | ErrorKind::IdempotencyMismatch
        | ErrorKind::WrongState
        | ErrorKind::Gone
        | ErrorKind::TooLarge
        | ErrorKind::LimitReached
        | ErrorKind::RateLimited
        | ErrorKind::HookUnavailable
        | ErrorKind::Unavailable
        | ErrorKind::Internal => Outcome::Close(CloseReason::Internal),
    }
}

fn write_failed(kind: ErrorKind) -> Outcome {
    match kind {
        ErrorKind::NotFound => Outcome::Unavailable(ErrorCode::Unknown),
        ErrorKind::InvalidAuth
        | ErrorKind::TokenNotYetValid
        | ErrorKind::TokenRotated
        | ErrorKind::UserBanned
        | ErrorKind::WrongPlace => Outcome::Close(CloseReason::InvalidCredential),
        ErrorKind::TokenExpired => Outcome::Close(CloseReason::TokenExpired),
        ErrorKind::TokenRevoked => Outcome::Close(CloseReason::TokenRevoked),
        ErrorKind::NotGranted | ErrorKind::Forbidden => Outcome::Refused,
        ErrorKind::AlreadyExists
        | ErrorKind::InvalidBody
        | ErrorKind::InvalidInput
        | ErrorKind::VersionMismatch
        | ErrorKind::PositionLost
        | ErrorKind::IdempotencyMismatch
        | ErrorKind::WrongState
        | ErrorKind::Gone
        | ErrorKind::TooLarge
        | ErrorKind::LimitReached
        | ErrorKind::RateLimited
        | ErrorKind::HookUnavailable
        | ErrorKind::Unavailable
        | ErrorKind::Internal => Outcome::Failed,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tollgate_core::Error;

    /// One letter per kind of error, in the order of the core's table.
    fn letters(kind: Kind) -> String {
        let letter = |&error| match outcome(kind, Err(Error::new(error, "no"))) {
            Outcome::Init(_) => 'I',
            Outcome::Renewed(_) => 't',
            Outcome::Nothing => '.',
            Outcome::Refused => 'R',
            Outcome::Failed => 'F',
            Outcome::Unavailable(ErrorCode::NotGranted) => 'n',
            Outcome::Unavailable(ErrorCode::Unknown) => 'u',
            Outcome::Close(CloseReason::InvalidCredential) => '1',
            Outcome::Close(CloseReason::TokenExpired) => 'e',
            Outcome::Close(CloseReason::TokenRevoked) => 'v',
            Outcome::Close(CloseReason::RateLimited) => '8',
            Outcome::Close(CloseReason::Internal) => '0',
            Outcome::Close(_) => '?',
        };
        ErrorKind::ALL.iter().map(letter).collect()
    }

    #[test]
    fn errors_mean_this_to_a_client() {
        // invalid_auth, token_expired, token_revoked, token_not_yet_valid, token_rotated, forbidden, user_banned, wrong_place, not_found,
        // already_exists, invalid_body, invalid_input, version_mismatch, position_lost, idempotency_mismatch, wrong_state, gone, payload_too_large,
        // limit_reached, rate_limited, not_granted, hook_unavailable, unavailable,
        // internal_error
        assert_eq!(letters(Kind::Connect), "1ev111111011000000881000");
        assert_eq!(letters(Kind::Renew), "t".repeat(ErrorKind::ALL.len()), "no failure ends the connection");
        assert_eq!(letters(Kind::Subscribe), "1ev11n11u00u000000nnnn00");
        assert_eq!(letters(Kind::Unsubscribe), "1ev11.11.00.00000000.000");
        assert_eq!(letters(Kind::Publish), "1ev11R11uFFFFFFFFFFFRFFF");
        assert_eq!(letters(Kind::SetState), "1ev11R11uFFFFFFFFFFFRFFF");
    }
}
