//! Every limit of the operations, in one place. Limits of sockets and HTTP live in the gateway's configuration.

/// Longest channel id, in bytes of UTF-8.
pub const CHANNEL_ID_BYTES_MAX: usize = 255;
/// Longest event name of a message, in bytes of UTF-8.
pub const EVENT_BYTES_MAX: usize = 255;
/// Largest data of one message, in bytes of JSON text.
pub const MESSAGE_BYTES_MAX: usize = 1024 * 1024;
/// Largest state of a channel, in bytes of JSON text.
pub const CHANNEL_STATE_BYTES_MAX: usize = 1024 * 1024;
/// Largest state of a token, in bytes of JSON text.
pub const TOKEN_STATE_BYTES_MAX: usize = 32 * 1024;
/// Deepest nesting of any JSON value that we accept.
pub const JSON_DEPTH_MAX: usize = 128;
/// Most channels that one token may be subscribed to.
pub const SUBSCRIPTIONS_PER_TOKEN_MAX: usize = 1_024;
/// Most channels that one anonymous connection may be subscribed to.
pub const SUBSCRIPTIONS_PER_ANONYMOUS_MAX: usize = 1_024;
/// Most live connections of one token.
pub const CONNECTIONS_PER_TOKEN_MAX: usize = 1_024;
/// Longest project name, in bytes of UTF-8.
pub const PROJECT_NAME_BYTES_MAX: usize = 255;
/// How long a token's session outlives its last connection, in milliseconds (source: Hop's documentation).
pub const SESSION_GRACE_MS: u64 = 30_000;
/// Bytes waiting for one connection that reads too slowly before it is closed.
pub const OUTBOX_BYTES_MAX: usize = 1024 * 1024;
/// Writes waiting for one connection that reads too slowly before it is closed.
pub const OUTBOX_WRITES_MAX: usize = 1_024;
/// Subscribers that one step of a pass writes to before other work gets its turn.
pub const PASS_CHUNK: usize = 256;
