//! Close codes, what each range tells a client to do, and how long it waits before it comes back. Pure, so that the server's tests and the
//! SDK use one piece of code.

/// What the code of a close tells the client to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CloseAdvice {
    /// Come back, with back-off.
    Return,
    /// Get another token, then come back.
    Reauthenticate,
    /// Stay away: the client or its set-up is wrong.
    Stop,
}

impl CloseAdvice {
    /// What this code of a server says. Whatever is not of the protocol (1006 and the like) is a broken connection: come back. An end that
    /// the client itself asked for is not for this function.
    #[must_use]
    pub const fn of(code: u16) -> Self {
        match code {
            4100..=4199 => Self::Reauthenticate,
            4200..=4299 => Self::Stop,
            _ => Self::Return,
        }
    }
}

macro_rules! closes {
    ($($(#[doc = $doc:literal])* $name:ident => $code:literal, $word:literal;)*) => {
        /// The codes that this version of the protocol closes with.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum CloseCode { $($(#[doc = $doc])* $name,)* }

        impl CloseCode {
            /// Every code, in the order of the page.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];

            /// The number in the close frame.
            #[must_use]
            pub const fn code(self) -> u16 {
                match self { $(Self::$name => $code,)* }
            }

            /// The word of the page.
            #[must_use]
            pub const fn word(self) -> &'static str {
                match self { $(Self::$name => $word,)* }
            }
        }
    };
}

closes! {
    /// The server stops or restarts.
    Draining => 4000, "draining";
    /// The client did not read fast enough.
    SlowConsumer => 4001, "slow_consumer";
    /// Nothing was heard from the client.
    Idle => 4002, "idle";
    /// More frames than the limit.
    RateLimited => 4003, "rate_limited";
    /// A defect of the server.
    Internal => 4004, "internal";
    /// No `connect` in time.
    ConnectTimeout => 4005, "connect_timeout";
    /// An operator ended this connection.
    Dismissed => 4006, "dismissed";
    /// The token is not good, or not for this project.
    InvalidCredential => 4100, "invalid_credential";
    /// The token has ended.
    TokenExpired => 4101, "token_expired";
    /// The token was revoked or deleted.
    TokenRevoked => 4102, "token_revoked";
    /// A frame that is not of the page.
    Protocol => 4200, "protocol";
    /// A message is larger than the limit.
    MessageTooBig => 4201, "message_too_big";
    /// This client may not connect.
    Refused => 4202, "refused";
}

/// The first step of the back-off, in milliseconds.
const STEP_MS: u64 = 500;
/// The longest wait, in milliseconds.
const WAIT_MS_MAX: u64 = 30_000;
/// The first wait after a server said that it drains, in milliseconds.
const DRAIN_WAIT_MS: u64 = 5_000;

/// How long to wait before the `tries`-th try in a row (from 0) after a connection ended with `code` (1006 where it just broke), in
/// milliseconds: `random` (from 0 to below 1) of what the page allows. `None` when there is to be no try.
#[must_use]
pub fn reconnect_delay_ms(code: u16, tries: u32, random: f64) -> Option<u64> {
    if CloseAdvice::of(code) == CloseAdvice::Stop {
        return None;
    }
    let most_ms = if code == CloseCode::Draining.code() && tries == 0 {
        DRAIN_WAIT_MS
    } else {
        STEP_MS.saturating_mul(1 << tries.min(16)).min(WAIT_MS_MAX)
    };
    // A fraction of at most 30,000: nothing is lost in the conversions.
    Some((most_ms as f64 * random.clamp(0.0, 1.0)) as u64)
}
