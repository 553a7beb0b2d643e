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
/// Subscribers that one step of a pass writes to before other work gets its turn: some 0.4 ms of a core. A small channel beside a saturated large one waits for two or three.
pub const PASS_CHUNK: usize = 64;
/// Most capabilities (grants) of one token, and of one key's or issuer's bounds.
pub const GRANTS_PER_TOKEN_MAX: usize = 32;
/// Most entries of a token's address list, and of its origin list.
pub const NETWORKS_PER_TOKEN_MAX: usize = 32;
/// Most words in a list of a channel's capabilities, or of a key's permissions, the same word again and again counted each time.
pub const WORDS_MAX: usize = 32;
/// Longest name of a token, in bytes of UTF-8.
pub const TOKEN_NAME_BYTES_MAX: usize = 255;
/// Most entries on a page of a list.
pub const PAGE_ENTRIES_MAX: usize = 1_000;
/// Entries on a page of a list unless the caller says otherwise.
pub const PAGE_ENTRIES_DEFAULT: usize = 100;
/// Most records that one page of a filtered list looks at; a page with fewer entries than asked for says where to go on.
pub const PAGE_LOOKS_MAX: usize = 20_000;
/// The same of tokens.
pub const TOKEN_LOOKS_MAX: usize = 100_000;
/// Entries of the audit log that one page of a search looks at.
pub const AUDIT_LOOKS_MAX: u64 = 50_000;
/// Connections that a shard looks at in one turn to list some of them. The others of the shard get their turn in between.
pub const CONNECTION_LOOKS_PER_TURN: usize = 4_096;
/// Largest metadata of a token or attributes of a user, in bytes of JSON text.
pub const METADATA_BYTES_MAX: usize = 8 * 1024;
/// Longest display name, in characters (source: social.plus's OpenAPI).
pub const DISPLAY_NAME_CHARS_MAX: usize = 100;
/// Longest user id that a project may allow, in characters; the default is [`USER_ID_CHARS_DEFAULT`].
pub const USER_ID_CHARS_MAX: usize = 900;
/// Longest user id unless the project says otherwise, in characters (source: social.plus's OpenAPI).
pub const USER_ID_CHARS_DEFAULT: usize = 50;
/// Longest device id, in characters (source: social.plus's OpenAPI).
pub const DEVICE_ID_CHARS_MAX: usize = 150;
/// Most tokens of one user that are neither expired nor revoked.
pub const TOKENS_PER_USER_MAX: usize = 1_000;
/// Longest life of a token that has an expiry, in milliseconds: ten years.
pub const TOKEN_LIFE_MS_MAX: u64 = 10 * 365 * 86_400_000;
/// Longest grace of a rotation or revocation, in milliseconds: seven days.
pub const GRACE_MS_MAX: u64 = 7 * 86_400_000;
/// Grace of a rotation unless the caller says otherwise, in milliseconds.
pub const ROTATION_GRACE_MS_DEFAULT: u64 = 60_000;
/// Most entries of one batch request.
pub const BATCH_MAX: usize = 1_000;
/// Most tokens of one job.
pub const JOB_TOKENS_MAX: usize = 1_000_000;
/// Most parts of one job.
pub const JOB_PARTS_MAX: u16 = 1_000;
/// How long the results of a job are kept, and how long its parts may take to arrive, in milliseconds: a day.
pub const JOB_KEPT_MS: u64 = 86_400_000;
/// Most jobs of a project that are not finished.
pub const JOBS_MAX: usize = 16;
/// Longest idempotency key, in bytes.
pub const IDEMPOTENCY_KEY_BYTES_MAX: usize = 255;
/// How long an idempotency key is remembered, in milliseconds.
pub const IDEMPOTENCY_MS: u64 = 86_400_000;
/// How long an auth token lasts unless its maker says otherwise, in milliseconds (source: social.plus's documentation).
pub const AUTH_TOKEN_LIFE_MS_DEFAULT: u64 = 600_000;
/// How long a session or user token lasts unless the project or its maker says otherwise, in milliseconds: 30 days (source:
/// social.plus's documentation).
pub const SESSION_LIFE_MS_DEFAULT: u64 = 30 * 86_400_000;
/// Shortest life of a login session that social.plus's SDKs renew in time, in milliseconds: they look every 10 minutes in the last
/// fifth of it (source: their behaviour; 0.2 × (life − 5 min) must hold a tick).
pub const LOGIN_LIFE_MS_MIN: u64 = 55 * 60_000;
/// How long a token is kept after its end unless the project says otherwise, in milliseconds: seven days.
pub const ENDED_TOKEN_LIFE_MS_DEFAULT: u64 = 7 * 86_400_000;
/// Ended tokens that are kept of one user; the oldest go when new ones are made.
pub const ENDED_TOKENS_PER_USER_MAX: usize = 100;
/// Within so many milliseconds the same request for a session from the same device is answered with the same token.
pub const DUPLICATE_MS: u64 = 10_000;
/// Most auth tokens of a project that have not ended.
pub const AUTH_TOKENS_MAX: usize = 100_000;
/// How long an auth token is remembered after its end, so that its refusal can say why, in milliseconds.
pub const AUTH_TOKEN_REMEMBERED_MS: u64 = 3_600_000;
/// Longest model of a device, in characters (source: social.plus's OpenAPI). A longer one is cut: it is for reading only.
pub const DEVICE_MODEL_CHARS_MAX: usize = 100;
/// Most issuers, and most webhook endpoints, of a project.
pub const ISSUERS_MAX: usize = 32;
/// Most signing keys of a project that still verify.
pub const SIGNING_KEYS_MAX: usize = 16;
/// How long a signing key signs unless the project says otherwise, in milliseconds: 90 days.
pub const SIGNING_KEY_LIFE_MS_DEFAULT: u64 = 90 * 86_400_000;
/// Shortest time that the schedule publishes a signing key before it signs, in milliseconds: twice as long as readers keep the key set.
pub const SIGNING_KEY_OVERLAP_MS_MIN: u64 = 600_000;
/// Most active project keys of a project.
pub const PROJECT_KEYS_MAX: usize = 256;
/// Most webhook messages of a project that wait to be delivered; more are dropped and counted.
pub const DELIVERIES_MAX: usize = 100_000;
/// Most event patterns of one webhook endpoint.
pub const WEBHOOK_EVENTS_MAX: usize = 64;
/// For how long a message that an endpoint does not take is tried, in milliseconds: a day. For as long may an endpoint fail before it is
/// disabled.
pub const DELIVERY_TRIED_MS: u64 = 86_400_000;
/// How long a message that was given up is kept to be replayed, in milliseconds: three days.
pub const DELIVERY_KEPT_MS: u64 = 3 * 86_400_000;
/// Messages that were delivered are kept to be looked at: so many for each endpoint, for at most a day.
pub const DELIVERED_MAX: usize = 1_000;
/// How long one try of a delivery may take, in milliseconds.
pub const DELIVERY_TIMEOUT_MS: u64 = 15_000;
/// The longest that an access hook may take to answer, in milliseconds, and how long it has unless the project says otherwise.
pub const HOOK_TIMEOUT_MS_MAX: u64 = 5_000;
/// The shortest deadline that a project may set its access hook, in milliseconds.
pub const HOOK_TIMEOUT_MS_MIN: u64 = 50;
/// Longest answer of an access hook that is read, in bytes.
pub const HOOK_ANSWER_BYTES_MAX: usize = 4_096;
/// The longest that an answer of an access hook is kept, whatever it says, in milliseconds: an hour.
pub const HOOK_CACHE_MS_MAX: u64 = 3_600_000;
/// Longest reason of an access hook that is passed on, in bytes.
pub const HOOK_REASON_BYTES_MAX: usize = 255;
/// How long the secret before signs, too, after a rotation, unless the caller says otherwise, in milliseconds: a day.
pub const WEBHOOK_GRACE_MS_DEFAULT: u64 = 86_400_000;
/// Most messages that a channel keeps.
pub const HISTORY_SIZE_MAX: u32 = 10_000;
/// Messages that a channel keeps unless its settings say otherwise.
pub const HISTORY_SIZE_DEFAULT: u32 = 256;
/// Longest time that a channel keeps messages, in milliseconds: ten years.
pub const HISTORY_TTL_MS_MAX: u64 = 10 * 365 * 86_400_000;
/// How long a channel keeps messages unless its settings say otherwise, in milliseconds: as long as a session.
pub const HISTORY_TTL_MS_DEFAULT: u64 = 120_000;
/// Most bytes of one channel's messages that are kept in memory.
pub const HISTORY_CHANNEL_BYTES_MAX: usize = 8 * 1024 * 1024;
/// Most bytes of messages that one shard keeps in memory for all its channels; the oldest go first.
pub const HISTORY_SHARD_BYTES_MAX: usize = 128 * 1024 * 1024;
/// Most messages of a key that a conflating channel lets through in a second.
pub const CONFLATE_PER_SECOND_MAX: u16 = 100;
/// Most keys of a conflating channel that are held back at a time.
pub const CONFLATE_KEYS_MAX: usize = 10_000;
/// Most messages on a page of history, and of a rewind.
pub const HISTORY_PAGE_MAX: usize = 1_000;
/// Most messages of one batch.
pub const PUBLISH_BATCH_MAX: usize = 100;
/// Longest id of a publication, and longest conflation key, in bytes.
pub const PUBLICATION_ID_BYTES_MAX: usize = 64;
/// How long a publication's id is remembered, in milliseconds.
pub const PUBLICATION_ID_MS: u64 = 120_000;
/// Ids of publications that are remembered of one channel.
pub const PUBLICATION_IDS_MAX: usize = 4_096;
/// Longest data of a member of a channel, in bytes of JSON text.
pub const MEMBER_DATA_BYTES_MAX: usize = 1_024;
/// Most members on a page of presence.
pub const MEMBERS_PAGE_MAX: usize = 1_000;
/// Members of a channel above which only their count is told.
pub const MEMBERS_TOLD_MAX: usize = 1_000;
/// How long joins and leaves are gathered before they are told, in milliseconds.
pub const PRESENCE_GATHER_MS: u64 = 500;
/// The same where only the count is told.
pub const PRESENCE_COUNT_MS: u64 = 5_000;
/// How long a session of the native protocol outlives its last connection, in milliseconds.
pub const NATIVE_SESSION_MS: u64 = 120_000;
/// Most who wait for the next message of a channel without a connection.
pub const POLLS_PER_CHANNEL_MAX: usize = 10_000;
/// Direct messages of a token that are kept for the time of its session.
pub const DIRECT_KEPT_MAX: u32 = 256;
/// Bytes of them.
pub const DIRECT_KEPT_BYTES_MAX: usize = 256 * 1024;
/// Most positions of one connect.
pub const POSITIONS_MAX: usize = 1_024;
/// Most unacknowledged direct messages in a token's mailbox that a project may ask for.
pub const MAILBOX_SIZE_MAX: u32 = 1_000;
/// Longest time that a project may have them kept, in milliseconds: 30 days.
pub const MAILBOX_TTL_MS_MAX: u64 = 30 * 86_400_000;
/// Bytes in one mailbox, about; the newest message always fits.
pub const MAILBOX_BYTES_MAX: usize = 2 * 1024 * 1024;
/// Most times that a project's mailboxes can be switched on.
pub const MAILBOX_RUNS_MAX: u32 = 0xf_ffff;
/// Most operators of a server, invited and disabled ones among them.
pub const OPERATORS_MAX: usize = 256;
/// Most links that wait for somebody to use them.
pub const INVITATIONS_MAX: usize = 64;
/// How long such a link works, in milliseconds: a day.
pub const INVITATION_MS: u64 = 86_400_000;
/// Longest name of an operator, in characters.
pub const OPERATOR_NAME_CHARS_MAX: usize = 64;
/// Fewest characters of an operator's password.
pub const PASSWORD_CHARS_MIN: usize = 15;
/// Most bytes of one.
pub const PASSWORD_BYTES_MAX: usize = 1_024;
/// Networks that are remembered of an operator.
pub const OPERATOR_NETWORKS_MAX: usize = 8;
/// For how long, in milliseconds: 30 days.
pub const OPERATOR_NETWORK_MS: u64 = 30 * 86_400_000;
