//! Why a connection ends, and whether its client should come back. Wire codes belong to the dialects.

/// Why we ended a connection. Each dialect maps every reason to its own close code with one total `match`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CloseReason {
    /// The credential is unknown, forged, expired, revoked or of another project.
    InvalidCredential,
    /// The token's expiry has come while it was connected.
    TokenExpired,
    /// The token was deleted or revoked while it was connected.
    TokenRevoked,
    /// The client did not identify itself in time.
    IdentifyTimeout,
    /// The client asked for something before it identified itself.
    NotIdentified,
    /// The client used an operation that the protocol does not have.
    UnknownOperation,
    /// A frame was not what the protocol allows: not JSON, wrong shape, a second identify.
    InvalidPayload,
    /// Nothing was heard from the client for too long.
    Idle,
    /// The client read too slowly and its outbox is full, or a write stalled.
    SlowConsumer,
    /// A message was larger than the limit.
    MessageTooBig,
    /// The WebSocket rules themselves were broken (framing, masking, reserved bits).
    ProtocolError,
    /// A text frame was not UTF-8.
    InvalidUtf8,
    /// More frames than the limit allows.
    RateLimited,
    /// This node is shutting down; another, or the same one restarted, will serve the client.
    Draining,
    /// An operator ended this one connection. It may come back.
    Dismissed,
    /// The client closed, or its socket is gone.
    ClientGone,
    /// A defect on our side; the connection was given up so that the node goes on.
    Internal,
}

impl CloseReason {
    /// Every reason.
    pub const ALL: [Self; 17] = [
        Self::InvalidCredential,
        Self::TokenExpired,
        Self::TokenRevoked,
        Self::IdentifyTimeout,
        Self::NotIdentified,
        Self::UnknownOperation,
        Self::InvalidPayload,
        Self::Idle,
        Self::SlowConsumer,
        Self::MessageTooBig,
        Self::ProtocolError,
        Self::InvalidUtf8,
        Self::RateLimited,
        Self::Draining,
        Self::Dismissed,
        Self::ClientGone,
        Self::Internal,
    ];

    /// Whether the same client, unchanged, may succeed by coming back.
    #[must_use]
    pub const fn may_return(self) -> bool {
        match self {
            Self::InvalidCredential | Self::TokenExpired | Self::TokenRevoked => false,
            Self::IdentifyTimeout
            | Self::NotIdentified
            | Self::UnknownOperation
            | Self::InvalidPayload
            | Self::Idle
            | Self::SlowConsumer
            | Self::MessageTooBig
            | Self::ProtocolError
            | Self::InvalidUtf8
            | Self::RateLimited
            | Self::Draining
            | Self::Dismissed
            | Self::ClientGone
            | Self::Internal => true,
        }
    }

    /// A stable word for logs and metrics.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::InvalidCredential => "invalid_credential",
            Self::TokenExpired => "token_expired",
            Self::TokenRevoked => "token_revoked",
            Self::IdentifyTimeout => "identify_timeout",
            Self::NotIdentified => "not_identified",
            Self::UnknownOperation => "unknown_operation",
            Self::InvalidPayload => "invalid_payload",
            Self::Idle => "idle",
            Self::SlowConsumer => "slow_consumer",
            Self::MessageTooBig => "message_too_big",
            Self::ProtocolError => "protocol_error",
            Self::InvalidUtf8 => "invalid_utf8",
            Self::RateLimited => "rate_limited",
            Self::Draining => "draining",
            Self::Dismissed => "dismissed",
            Self::ClientGone => "client_gone",
            Self::Internal => "internal",
        }
    }
}
