//! Which close code each reason has, and each refusal of a `connect`. Not the codes' meaning to clients, which is [`crate::wire`]'s.

use tollgate_core::{CloseReason, ErrorKind};

use crate::wire::CloseCode;

/// The code and the usual text for each reason. A text has at most 123 bytes, the room of a close frame.
pub(crate) const fn code_and_text(reason: CloseReason) -> (u16, &'static str) {
    let (close, text) = match reason {
        CloseReason::InvalidCredential => (CloseCode::InvalidCredential, "The token is not good here"),
        CloseReason::TokenExpired => (CloseCode::TokenExpired, "The token has ended"),
        CloseReason::TokenRevoked => (CloseCode::TokenRevoked, "The token was revoked"),
        CloseReason::IdentifyTimeout => (CloseCode::ConnectTimeout, "Send connect within 10 seconds"),
        CloseReason::NotIdentified => (CloseCode::Protocol, "The first request is connect"),
        CloseReason::UnknownOperation | CloseReason::InvalidPayload => {
            (CloseCode::Protocol, "A frame is {} or a JSON object with an id and one request")
        }
        CloseReason::ProtocolError => (CloseCode::Protocol, "The rules of WebSocket were broken"),
        CloseReason::InvalidUtf8 => (CloseCode::Protocol, "A text message must be UTF-8"),
        CloseReason::Idle => (CloseCode::Idle, "Nothing was heard: answer pings with {}"),
        CloseReason::SlowConsumer => (CloseCode::SlowConsumer, "Too slow: come back and resume"),
        CloseReason::MessageTooBig => (CloseCode::MessageTooBig, "The message is larger than the limit"),
        CloseReason::RateLimited => (CloseCode::RateLimited, "Too many frames at once: slow down"),
        CloseReason::Draining => (CloseCode::Draining, "Restarting: come back"),
        CloseReason::Dismissed => (CloseCode::Dismissed, "Ended by an operator: come back"),
        CloseReason::Internal => (CloseCode::Internal, "The server failed: come back"),
        CloseReason::ClientGone => return (1000, ""),
    };
    (close.code(), text)
}

/// How a connection ends whose `connect` was refused: the code, and the reason for the log.
pub(crate) const fn refused_connect(kind: ErrorKind) -> (CloseCode, CloseReason) {
    match kind {
        ErrorKind::TokenExpired => (CloseCode::TokenExpired, CloseReason::TokenExpired),
        ErrorKind::TokenRevoked => (CloseCode::TokenRevoked, CloseReason::TokenRevoked),
        ErrorKind::InvalidAuth
        | ErrorKind::TokenNotYetValid
        | ErrorKind::TokenRotated
        | ErrorKind::NotFound
        | ErrorKind::Gone
        | ErrorKind::WrongState
        | ErrorKind::Forbidden
        | ErrorKind::NotGranted => (CloseCode::InvalidCredential, CloseReason::InvalidCredential),
        ErrorKind::UserBanned | ErrorKind::WrongPlace => (CloseCode::Refused, CloseReason::InvalidCredential),
        ErrorKind::LimitReached => (CloseCode::Refused, CloseReason::RateLimited),
        ErrorKind::RateLimited => (CloseCode::RateLimited, CloseReason::RateLimited),
        ErrorKind::InvalidBody
        | ErrorKind::InvalidInput
        | ErrorKind::TooLarge
        | ErrorKind::AlreadyExists
        | ErrorKind::VersionMismatch
        | ErrorKind::PositionLost
        | ErrorKind::IdempotencyMismatch => (CloseCode::Protocol, CloseReason::InvalidPayload),
        ErrorKind::HookUnavailable | ErrorKind::Unavailable | ErrorKind::Internal => {
            (CloseCode::Internal, CloseReason::Internal)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::CloseAdvice;

    #[test]
    fn codes_say_whether_to_come_back() {
        let table = [
            (CloseReason::InvalidCredential, 4100),
            (CloseReason::TokenExpired, 4101),
            (CloseReason::TokenRevoked, 4102),
            (CloseReason::IdentifyTimeout, 4005),
            (CloseReason::NotIdentified, 4200),
            (CloseReason::UnknownOperation, 4200),
            (CloseReason::InvalidPayload, 4200),
            (CloseReason::Idle, 4002),
            (CloseReason::SlowConsumer, 4001),
            (CloseReason::MessageTooBig, 4201),
            (CloseReason::ProtocolError, 4200),
            (CloseReason::InvalidUtf8, 4200),
            (CloseReason::RateLimited, 4003),
            (CloseReason::Draining, 4000),
            (CloseReason::Dismissed, 4006),
            (CloseReason::ClientGone, 1000),
            (CloseReason::Internal, 4004),
        ];
        for (reason, code) in table {
            let (actual, text) = code_and_text(reason);
            assert_eq!(actual, code, "{reason:?}");
            assert!(text.len() <= 123, "{text}");
            let is_same = CloseAdvice::of(code) == CloseAdvice::Return;
            assert!(
                is_same <= reason.may_return(),
                "who cannot succeed unchanged is not told to come back so: {reason:?}"
            );
        }
    }

    #[test]
    fn a_refused_connect_ends_with_these_codes() {
        let codes: Vec<u16> = ErrorKind::ALL.iter().map(|kind| refused_connect(*kind).0.code()).collect();
        for (code, kind) in codes.into_iter().zip(ErrorKind::ALL) {
            let expected = match kind.code() {
                "token_expired" => 4101,
                "token_revoked" => 4102,
                "user_banned" | "wrong_place" | "limit_reached" => 4202,
                "rate_limited" => 4003,
                "hook_unavailable" | "unavailable" | "internal_error" => 4004,
                "invalid_body"
                | "invalid_input"
                | "payload_too_large"
                | "already_exists"
                | "version_mismatch"
                | "position_lost"
                | "idempotency_mismatch" => 4200,
                _ => 4100,
            };
            assert_eq!(code, expected, "{kind:?}");
        }
    }
}
