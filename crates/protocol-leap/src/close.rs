//! Leap's close codes and their texts (source: Hop's documentation, and which of them make its clients come back).
//! Not the reasons themselves, which are the core's.

use tollgate_core::CloseReason;

/// The code and the usual text for each reason. A text has at most 123 bytes, the room of a close frame.
pub(crate) const fn code_and_text(reason: CloseReason) -> (u16, &'static str) {
    match reason {
        // 4001 is the one code after which clients stay away for good.
        CloseReason::InvalidCredential => (4001, "Invalid auth"),
        CloseReason::TokenExpired => (4001, "Token expired"),
        CloseReason::TokenRevoked => (4001, "Token revoked"),
        CloseReason::IdentifyTimeout => (4002, "Identify timeout"),
        CloseReason::NotIdentified => (4003, "Not authenticated: send op 2 first"),
        CloseReason::UnknownOperation => (4004, "Unknown opcode: clients may send 0, 2, 3 and 10"),
        CloseReason::InvalidPayload => (4005, "Invalid payload"),
        CloseReason::Idle => (4007, "Out of sync: no heartbeat"),
        CloseReason::SlowConsumer => (4000, "Too slow: unread data was dropped, reconnect"),
        CloseReason::MessageTooBig => (1009, "Message too big"),
        CloseReason::ProtocolError => (1002, "Protocol error"),
        CloseReason::InvalidUtf8 => (1007, "Invalid UTF-8"),
        CloseReason::RateLimited => (1008, "Too many frames at once: slow down"),
        CloseReason::Draining => (1012, "Restarting, reconnect"),
        CloseReason::Dismissed => (1012, "Ended by an operator, reconnect"),
        CloseReason::ClientGone => (1000, ""),
        CloseReason::Internal => (4000, "Unknown error, reconnect"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Hop's clients stay away for good after 4001 and come back after all others, so 4001 must mean just that.
    #[test]
    fn codes_say_whether_to_come_back() {
        let table = [
            (CloseReason::InvalidCredential, 4001),
            (CloseReason::TokenExpired, 4001),
            (CloseReason::TokenRevoked, 4001),
            (CloseReason::IdentifyTimeout, 4002),
            (CloseReason::NotIdentified, 4003),
            (CloseReason::UnknownOperation, 4004),
            (CloseReason::InvalidPayload, 4005),
            (CloseReason::Idle, 4007),
            (CloseReason::SlowConsumer, 4000),
            (CloseReason::MessageTooBig, 1009),
            (CloseReason::ProtocolError, 1002),
            (CloseReason::InvalidUtf8, 1007),
            (CloseReason::RateLimited, 1008),
            (CloseReason::Draining, 1012),
            (CloseReason::Dismissed, 1012),
            (CloseReason::ClientGone, 1000),
            (CloseReason::Internal, 4000),
        ];
        for (reason, code) in table {
            let (actual, text) = code_and_text(reason);
            assert_eq!((actual, actual != 4001), (code, reason.may_return()), "{reason:?}");
            assert!(text.len() <= 123, "{text}");
        }
    }
}
