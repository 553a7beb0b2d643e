//! What the outcome of a command means to a client: one table, no state. Not how it is spelled, which is `write`.

use tollgate_core::command::{Connected, Published, Renewed, Reply};
use tollgate_core::delivery::Position;
use tollgate_core::{Error, ErrorKind, Result};

use crate::busy::Kind;
use crate::wire::ErrorCode;
use crate::write;

/// Why a request was not done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Failure {
    pub(crate) code: ErrorCode,
    pub(crate) message: String,
    pub(crate) retry_after_ms: Option<u64>,
    pub(crate) version: Option<u64>,
    pub(crate) position: Option<Position>,
}

impl Failure {
    pub(crate) fn new(code: ErrorCode, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), retry_after_ms: None, version: None, position: None }
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self { retry_after_ms: error.retry_after_ms, ..Self::new(code(error.kind), error.detail) }
    }
}

/// The code of each kind of error.
const fn code(kind: ErrorKind) -> ErrorCode {
    match kind {
        ErrorKind::InvalidAuth => ErrorCode::InvalidAuth,
        ErrorKind::TokenExpired => ErrorCode::TokenExpired,
        ErrorKind::TokenRevoked => ErrorCode::TokenRevoked,
        ErrorKind::TokenNotYetValid => ErrorCode::TokenNotYetValid,
        ErrorKind::TokenRotated => ErrorCode::TokenRotated,
        ErrorKind::Forbidden => ErrorCode::Forbidden,
        ErrorKind::UserBanned => ErrorCode::UserBanned,
        ErrorKind::WrongPlace => ErrorCode::WrongPlace,
        ErrorKind::NotFound => ErrorCode::NotFound,
        ErrorKind::InvalidBody => ErrorCode::InvalidBody,
        // What only other doors know of. The sentence says what is wrong.
        ErrorKind::InvalidInput
        | ErrorKind::AlreadyExists
        | ErrorKind::IdempotencyMismatch
        | ErrorKind::WrongState
        | ErrorKind::Gone => ErrorCode::InvalidInput,
        ErrorKind::VersionMismatch => ErrorCode::VersionMismatch,
        ErrorKind::PositionLost => ErrorCode::PositionLost,
        ErrorKind::TooLarge => ErrorCode::PayloadTooLarge,
        ErrorKind::LimitReached => ErrorCode::LimitReached,
        ErrorKind::RateLimited => ErrorCode::RateLimited,
        ErrorKind::NotGranted => ErrorCode::NotGranted,
        ErrorKind::HookUnavailable => ErrorCode::HookUnavailable,
        ErrorKind::Unavailable => ErrorCode::Unavailable,
        ErrorKind::Internal => ErrorCode::InternalError,
    }
}

fn not_allowed() -> Failure {
    Failure::new(ErrorCode::NotGranted, "The channel's settings, or the token's rights, do not allow this.")
}

fn not_subscribed() -> Failure {
    Failure::new(ErrorCode::NotSubscribed, "Subscribe to this channel first.")
}

/// What became of a message of a batch, told as it would be of one alone.
fn of_a_batch(result: Result<Reply>) -> std::result::Result<Published, Failure> {
    match result? {
        Reply::Published(published) => Ok(published),
        Reply::NotAllowed => Err(not_allowed()),
        Reply::NotSubscribed => Err(not_subscribed()),
        // No such reply belongs to a message: a defect.
        _ => Err(Failure::new(ErrorCode::InternalError, "Something went wrong here; it is logged.")),
    }
}

/// What follows from an outcome.
#[derive(Debug)]
pub(crate) enum Outcome {
    /// The connection is identified.
    Connected(Box<Connected>),
    /// It is not, and ends.
    NotConnected(Error),
    /// The connection goes on with its new token.
    Renewed(Box<Renewed>),
    /// The subscription begins with the news of it.
    Waits,
    /// The subscription has ended.
    Left,
    /// The reply has this body.
    Ok(Vec<u8>),
    /// The reply is this error.
    Failed(Failure),
    /// No such reply belongs to such a request: a defect.
    Nonsense,
}

/// The outcome of a request of this kind.
pub(crate) fn outcome(kind: Kind, result: Result<Reply>) -> Outcome {
    let reply = match (kind, result) {
        (Kind::Connect, Err(error)) => return Outcome::NotConnected(error),
        (_, Err(error)) => return Outcome::Failed(error.into()),
        (_, Ok(reply)) => reply,
    };
    match (kind, reply) {
        (Kind::Connect, Reply::Connected(connected)) => Outcome::Connected(connected),
        (Kind::Connect, _) | (_, Reply::Connected(_)) => Outcome::Nonsense,
        (Kind::Renew, Reply::Renewed(renewed)) => Outcome::Renewed(renewed),
        (Kind::Renew, _) | (_, Reply::Renewed(_)) => Outcome::Nonsense,
        (Kind::Subscribe, Reply::Done) => Outcome::Waits,
        (Kind::Unsubscribe, Reply::Done | Reply::NotSubscribed) => Outcome::Left,
        (_, Reply::NotAllowed) => Outcome::Failed(not_allowed()),
        (_, Reply::NotSubscribed) => Outcome::Failed(not_subscribed()),
        (Kind::Subscribe | Kind::Unsubscribe, _) => Outcome::Nonsense,
        (Kind::Other, Reply::Done) => Outcome::Ok(Vec::new()),
        (Kind::Other, Reply::Published(published)) => {
            let mut body = Vec::with_capacity(48);
            write::published(&mut body, published);
            Outcome::Ok(body)
        }
        (Kind::Other, Reply::Batch(results)) => {
            let results: Vec<_> = results.into_iter().map(of_a_batch).collect();
            Outcome::Ok(write::batch(&results))
        }
        (Kind::Other, Reply::StateChanged(version)) => Outcome::Ok(write::versioned(version)),
        (Kind::Other, Reply::VersionMismatch(version)) => Outcome::Failed(Failure {
            version: Some(version),
            ..Failure::new(ErrorCode::VersionMismatch, format!("The state is at version {version}."))
        }),
        (Kind::Other, Reply::History(page)) => Outcome::Ok(write::history(&page)),
        (Kind::Other, Reply::PositionLost(position)) => Outcome::Failed(Failure {
            position: Some(position),
            ..Failure::new(ErrorCode::PositionLost, "What lies behind this position is not kept any more.")
        }),
        (Kind::Other, Reply::Members(page)) => Outcome::Ok(write::members_page(&page)),
    }
}

#[cfg(test)]
mod tests {
    use tollgate_core::command::ConnectedToken;
    use tollgate_core::ids::TokenId;

    use super::*;

    /// Whoever finds a kind on another door finds it here under the same word, but for five that this protocol has no use for.
    #[test]
    fn codes_are_those_of_the_kinds() {
        for &kind in ErrorKind::ALL {
            let expected = match kind.code() {
                "already_exists" | "idempotency_mismatch" | "wrong_state" | "gone" => "invalid_input",
                word => word,
            };
            assert_eq!(code(kind).word(), expected);
        }
    }

    #[test]
    fn a_reply_that_does_not_belong_is_nonsense() {
        for kind in [Kind::Connect, Kind::Renew] {
            assert!(matches!(outcome(kind, Ok(Reply::Done)), Outcome::Nonsense), "{kind:?}");
        }
        for kind in [Kind::Renew, Kind::Subscribe, Kind::Unsubscribe] {
            assert!(matches!(outcome(kind, Ok(Reply::StateChanged(1))), Outcome::Nonsense), "{kind:?}");
        }
        for kind in [Kind::Connect, Kind::Subscribe, Kind::Unsubscribe, Kind::Other] {
            let token = ConnectedToken { id: TokenId::new(1), user: None, state: None, expiry: None };
            let renewed = Box::new(Renewed { token, session: None, direct: None, direct_lost: false });
            assert!(matches!(outcome(kind, Ok(Reply::Renewed(renewed))), Outcome::Nonsense), "{kind:?}");
        }
    }
}
