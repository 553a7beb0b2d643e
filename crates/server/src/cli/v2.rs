//! Commands that are requests to `/v2`, made as the operator of a project: what can be typed, and which request it is. The API decides
//! everything else, so that the command line can do what it can, and says what it says.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use serde_json::{Map, Value, json};

use super::{Output, Task, admin};
use crate::admin::{KeyringPart, Request};

/// Which project, and how to answer.
#[derive(Debug, Args)]
pub(crate) struct Where {
    /// The project's id; may be left out while there is one project
    #[arg(long)]
    project: Option<String>,
    #[command(flatten)]
    output: Output,
}

/// Which part of a list.
#[derive(Debug, Args)]
pub(crate) struct Paging {
    /// At most so many, 1 to 1000 [default: 100]
    #[arg(long)]
    limit: Option<u32>,
    /// Where the page before ended
    #[arg(long)]
    cursor: Option<String>,
}

impl Where {
    fn get(self, path: &str, query: &[(&str, Option<String>)]) -> Task {
        let mut path = path.to_owned();
        for (name, value) in query.iter().filter_map(|(name, value)| Some((name, value.as_ref()?))) {
            path.push(if path.contains('?') { '&' } else { '?' });
            path += &format!("{name}={}", encoded(value));
        }
        self.request("GET", path, None)
    }

    fn post(self, path: &str, body: &Value) -> Task {
        self.request("POST", path.to_owned(), Some(body.to_string()))
    }

    fn patch(self, path: &str, body: &Value) -> Task {
        self.request("PATCH", path.to_owned(), Some(body.to_string()))
    }

    fn request(self, method: &str, path: String, body: Option<String>) -> Task {
        let request =
            Request::Api { project: self.project, method: method.to_owned(), path, body, idempotency_key: None };
        admin(request, &self.output)
    }
}

/// Text as one segment or value of a URL.
fn encoded(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~');
    text.bytes().map(|byte| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") }).collect()
}

/// An object of the fields that were given.
fn object<const N: usize>(fields: [(&str, Option<Value>); N]) -> Value {
    let given = fields.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?)));
    Value::Object(given.collect::<Map<_, _>>())
}

/// A JSON object that was typed.
fn typed_object(text: &str) -> Result<Value, String> {
    match serde_json::from_str(text) {
        Ok(value @ Value::Object(_)) => Ok(value),
        Ok(_) => Err("it must be a JSON object, like '{\"key\": 1}'".into()),
        Err(error) => Err(format!("it is not JSON: {error}")),
    }
}

/// `publish,subscribe:room-*`: operations, a colon, a pattern of channels.
fn typed_capability(text: &str) -> Result<Value, String> {
    let (operations, channels) = text
        .split_once(':')
        .ok_or("it must be operations, a colon and a channel or a pattern, like publish,subscribe:room-*")?;
    let operations: Vec<&str> = operations.split(',').map(str::trim).collect();
    Ok(json!({ "channels": channels, "operations": operations }))
}

/// `burst/per_second`.
fn typed_bucket(text: &str) -> Result<Value, String> {
    let wrong = || "it must be BURST/PER_SECOND, like 100/20, or `default`".to_owned();
    if text == "default" {
        return Ok(Value::Null);
    }
    let (burst, per_second) = text.split_once('/').ok_or_else(wrong)?;
    let burst: u32 = burst.parse().map_err(|_| wrong())?;
    let per_second: f64 = per_second.parse().map_err(|_| wrong())?;
    Ok(json!({ "burst": burst, "per_second": per_second }))
}

#[derive(Debug, Args)]
pub(crate) struct TokenNew {
    /// Whose token it is: your own id of the user, who is made if there is none
    #[arg(long, value_name = "USER_ID")]
    user: Option<String>,
    /// What people call the user
    #[arg(long)]
    display_name: Option<String>,
    /// What people call the token
    #[arg(long)]
    name: Option<String>,
    /// Seconds until it ends by itself
    #[arg(long, value_name = "SECONDS", conflicts_with = "expires_at")]
    ttl: Option<u64>,
    /// When it ends by itself, as 2030-01-31T12:00:00Z
    #[arg(long, value_name = "TIME")]
    expires_at: Option<String>,
    /// From when it works
    #[arg(long, value_name = "TIME")]
    not_before: Option<String>,
    /// A channel that it is subscribed to from the start; may be repeated
    #[arg(long = "channel", value_name = "CHANNEL")]
    channels: Vec<String>,
    /// What it may do where, as publish,subscribe:room-*; may be repeated
    #[arg(long = "capability", value_name = "OPERATIONS:CHANNELS", value_parser = typed_capability)]
    capabilities: Vec<Value>,
    /// Its state, a JSON object
    #[arg(long, value_name = "JSON", value_parser = typed_object)]
    state: Option<Value>,
    /// Your own notes, a JSON object
    #[arg(long, value_name = "JSON", value_parser = typed_object)]
    metadata: Option<Value>,
    /// Most connections at a time
    #[arg(long, value_name = "N")]
    max_connections: Option<u32>,
    /// A network that it may come from, as 10.0.0.0/8; may be repeated
    #[arg(long = "network", value_name = "CIDR")]
    networks: Vec<String>,
    /// An origin of web pages that it may come from; may be repeated
    #[arg(long = "origin", value_name = "ORIGIN")]
    origins: Vec<String>,
}

impl TokenNew {
    fn body(self) -> Value {
        let some = |list: Vec<String>| (!list.is_empty()).then(|| json!(list));
        object([
            ("user_id", self.user.map(Value::from)),
            ("display_name", self.display_name.map(Value::from)),
            ("name", self.name.map(Value::from)),
            ("ttl_s", self.ttl.map(Value::from)),
            ("expires_at", self.expires_at.map(Value::from)),
            ("not_before", self.not_before.map(Value::from)),
            ("channels", some(self.channels)),
            ("capabilities", (!self.capabilities.is_empty()).then_some(Value::Array(self.capabilities))),
            ("state", self.state),
            ("metadata", self.metadata),
            ("max_connections", self.max_connections.map(Value::from)),
            ("networks", some(self.networks)),
            ("origins", some(self.origins)),
        ])
    }
}

/// Which tokens to revoke: all that every given part fits.
#[derive(Debug, Args)]
#[group(required = true, multiple = true, args = ["tokens", "user", "device", "key_number", "made_by", "capability", "metadata", "issued_before", "all"])]
pub(crate) struct Selector {
    /// A token's public id; may be repeated
    #[arg(long = "token", value_name = "TOKEN_ID")]
    tokens: Vec<String>,
    /// Every token of this user
    #[arg(long, value_name = "USER_ID")]
    user: Option<String>,
    /// Every token of this device
    #[arg(long, value_name = "DEVICE_ID")]
    device: Option<String>,
    /// Every token whose secret was spelled under this key of the keyring
    #[arg(long, value_name = "N")]
    key_number: Option<u16>,
    /// Every token made with this project key
    #[arg(long, value_name = "KEY_ID")]
    made_by: Option<String>,
    /// Every token that may do this, as publish:room-1
    #[arg(long, value_name = "OPERATIONS:CHANNEL", value_parser = typed_capability)]
    capability: Option<Value>,
    /// Every token whose metadata has these keys with these values
    #[arg(long, value_name = "JSON", value_parser = typed_object)]
    metadata: Option<Value>,
    /// Every token issued before this time
    #[arg(long, value_name = "TIME")]
    issued_before: Option<String>,
    /// Every token of the project
    #[arg(long)]
    all: bool,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Token {
    /// Create a token; its secret is shown only once
    Create {
        #[command(flatten)]
        new: Box<TokenNew>,
        #[command(flatten)]
        place: Where,
    },
    /// Show a token, never its secret
    Get {
        /// The token's id, `tok_…`
        #[arg(value_name = "TOKEN_ID")]
        token: String,
        #[command(flatten)]
        place: Where,
    },
    /// List tokens
    List {
        /// Only those of this user
        #[arg(long, value_name = "USER_ID")]
        user: Option<String>,
        /// Only those subscribed to this channel
        #[arg(long)]
        channel: Option<String>,
        /// Only active, expired, revoked or not_yet_valid ones
        #[arg(long)]
        status: Option<String>,
        #[command(flatten)]
        paging: Paging,
        #[command(flatten)]
        place: Where,
    },
    /// Change a token
    Change {
        /// The token's id, `tok_…`
        #[arg(value_name = "TOKEN_ID")]
        token: String,
        /// What to change, a JSON object as PATCH /v2/tokens takes it
        #[arg(long, value_name = "JSON", value_parser = typed_object)]
        set: Value,
        #[command(flatten)]
        place: Where,
    },
    /// Make a new secret; the old one works until its grace ends
    Rotate {
        /// The token's id, `tok_…`
        #[arg(value_name = "TOKEN_ID")]
        token: String,
        /// Seconds that the old secret goes on working
        #[arg(long, value_name = "SECONDS")]
        grace: Option<u64>,
        #[command(flatten)]
        place: Where,
    },
    /// Say whether a secret works, and if not, why; the secret is read from standard input
    Introspect {
        #[command(flatten)]
        place: Where,
    },
    /// Revoke tokens, durably and at once
    Revoke {
        #[command(flatten)]
        selector: Selector,
        /// Why, for the record
        #[arg(long)]
        reason: Option<String>,
        /// Seconds until it takes effect
        #[arg(long, value_name = "SECONDS")]
        grace: Option<u64>,
        /// Only say how many it would be
        #[arg(long)]
        dry_run: bool,
        #[command(flatten)]
        place: Where,
    },
    /// Delete a token
    Delete {
        /// The token's id, `tok_…`
        #[arg(value_name = "TOKEN_ID")]
        token: String,
        #[command(flatten)]
        place: Where,
    },
    /// Create many tokens from a file of JSON lines, each as POST /v2/tokens takes it
    Import {
        /// The file
        file: PathBuf,
        /// Where the results go, secrets among them (made readable by you alone)
        #[arg(long)]
        out: PathBuf,
        #[command(flatten)]
        place: Where,
    },
}

impl Token {
    pub(super) fn task(self) -> Task {
        let path = |token: &str, rest: &str| format!("/v2/tokens/{}{rest}", encoded(token));
        match self {
            Self::Create { new, place } => place.post("/v2/tokens", &new.body()),
            Self::Get { token, place } => place.get(&path(&token, ""), &[]),
            Self::List { user, channel, status, paging, place } => place.get(
                "/v2/tokens",
                &[
                    ("user_id", user),
                    ("channel", channel),
                    ("status", status),
                    ("limit", paging.limit.map(|limit| limit.to_string())),
                    ("cursor", paging.cursor),
                ],
            ),
            Self::Change { token, set, place } => place.patch(&path(&token, ""), &set),
            Self::Rotate { token, grace, place } => {
                place.post(&path(&token, "/rotate"), &object([("grace_s", grace.map(Value::from))]))
            }
            Self::Introspect { place } => {
                let Where { project, output } = place;
                Task::Introspect { project, json: output.json }
            }
            Self::Revoke { selector, reason, grace, dry_run, place } => {
                let body = object([
                    ("tokens", (!selector.tokens.is_empty()).then(|| json!(selector.tokens))),
                    ("user_id", selector.user.map(Value::from)),
                    ("device_id", selector.device.map(Value::from)),
                    ("key_number", selector.key_number.map(Value::from)),
                    ("made_by", selector.made_by.map(Value::from)),
                    ("capability", selector.capability),
                    ("metadata", selector.metadata),
                    ("issued_before", selector.issued_before.map(Value::from)),
                    ("all", selector.all.then_some(Value::Bool(true))),
                    ("reason", reason.map(Value::from)),
                    ("grace_s", grace.map(Value::from)),
                    ("dry_run", dry_run.then_some(Value::Bool(true))),
                ]);
                place.post("/v2/tokens/revoke", &body)
            }
            Self::Delete { token, place } => place.request("DELETE", path(&token, ""), None),
            Self::Import { file, out, place } => {
                let Where { project, output } = place;
                Task::Import { project, file, out, json: output.json }
            }
        }
    }
}

#[derive(Debug, Subcommand)]
pub(crate) enum User {
    /// Create a user
    Create {
        /// Your own id of the user
        #[arg(value_name = "USER_ID")]
        user: String,
        /// What people call the user
        #[arg(long)]
        display_name: Option<String>,
        /// Your own notes, a JSON object
        #[arg(long, value_name = "JSON", value_parser = typed_object)]
        attributes: Option<Value>,
        #[command(flatten)]
        place: Where,
    },
    /// Show a user
    Get {
        #[arg(value_name = "USER_ID")]
        user: String,
        #[command(flatten)]
        place: Where,
    },
    /// List users
    List {
        #[command(flatten)]
        paging: Paging,
        #[command(flatten)]
        place: Where,
    },
    /// Change a user
    Change {
        #[arg(value_name = "USER_ID")]
        user: String,
        /// What to change, a JSON object as PATCH /v2/users takes it
        #[arg(long, value_name = "JSON", value_parser = typed_object)]
        set: Value,
        #[command(flatten)]
        place: Where,
    },
    /// Keep a user out, on all devices and at once
    Ban {
        #[arg(value_name = "USER_ID")]
        user: String,
        #[command(flatten)]
        place: Where,
    },
    /// Let a user in again
    Unban {
        #[arg(value_name = "USER_ID")]
        user: String,
        #[command(flatten)]
        place: Where,
    },
    /// Delete a user with all tokens
    Delete {
        #[arg(value_name = "USER_ID")]
        user: String,
        #[command(flatten)]
        place: Where,
    },
}

impl User {
    pub(super) fn task(self) -> Task {
        let path = |user: &str, rest: &str| format!("/v2/users/{}{rest}", encoded(user));
        match self {
            Self::Create { user, display_name, attributes, place } => {
                let body = object([
                    ("user_id", Some(Value::from(user))),
                    ("display_name", display_name.map(Value::from)),
                    ("attributes", attributes),
                ]);
                place.post("/v2/users", &body)
            }
            Self::Get { user, place } => place.get(&path(&user, ""), &[]),
            Self::List { paging, place } => place
                .get("/v2/users", &[("limit", paging.limit.map(|limit| limit.to_string())), ("cursor", paging.cursor)]),
            Self::Change { user, set, place } => place.patch(&path(&user, ""), &set),
            Self::Ban { user, place } => place.post(&path(&user, "/ban"), &json!({})),
            Self::Unban { user, place } => place.post(&path(&user, "/unban"), &json!({})),
            Self::Delete { user, place } => place.request("DELETE", path(&user, ""), None),
        }
    }
}

#[derive(Debug, Subcommand)]
pub(crate) enum Issuer {
    /// Register an issuer whose JWTs are let in
    Create {
        /// What POST /v2/issuers takes, a JSON object
        #[arg(long, value_name = "JSON", value_parser = typed_object)]
        set: Value,
        #[command(flatten)]
        place: Where,
    },
    /// List issuers
    List {
        #[command(flatten)]
        place: Where,
    },
    /// Show an issuer
    Get {
        #[arg(value_name = "ISSUER_ID")]
        issuer: String,
        #[command(flatten)]
        place: Where,
    },
    /// Change an issuer
    Change {
        #[arg(value_name = "ISSUER_ID")]
        issuer: String,
        /// What to change, a JSON object as PATCH /v2/issuers takes it
        #[arg(long, value_name = "JSON", value_parser = typed_object)]
        set: Value,
        #[command(flatten)]
        place: Where,
    },
    /// Believe an issuer no more
    Delete {
        #[arg(value_name = "ISSUER_ID")]
        issuer: String,
        #[command(flatten)]
        place: Where,
    },
}

impl Issuer {
    pub(super) fn task(self) -> Task {
        let path = |issuer: &str| format!("/v2/issuers/{}", encoded(issuer));
        match self {
            Self::Create { set, place } => place.post("/v2/issuers", &set),
            Self::List { place } => place.get("/v2/issuers", &[]),
            Self::Get { issuer, place } => place.get(&path(&issuer), &[]),
            Self::Change { issuer, set, place } => place.patch(&path(&issuer), &set),
            Self::Delete { issuer, place } => place.request("DELETE", path(&issuer), None),
        }
    }
}

#[derive(Debug, Subcommand)]
pub(crate) enum SigningKey {
    /// List signing keys, oldest first
    List {
        #[command(flatten)]
        place: Where,
    },
    /// Make a key that signs from a time to come, and is published until then
    Create {
        /// ES256, EdDSA or RS256 [default: the project's]
        #[arg(long)]
        algorithm: Option<String>,
        /// Seconds until it signs [default: as the schedule does]
        #[arg(long, value_name = "SECONDS")]
        signs_in: Option<u64>,
        #[command(flatten)]
        place: Where,
    },
    /// Make a key that signs at once; what was signed before works until it ends
    Rotate {
        #[command(flatten)]
        place: Where,
    },
    /// End a key
    Retire {
        /// The key's id, as JWTs and key sets name it
        #[arg(value_name = "KID")]
        kid: String,
        /// Accept nothing that it signed any more, and close the connections that came in by it
        #[arg(long)]
        emergency: bool,
        #[command(flatten)]
        place: Where,
    },
}

impl SigningKey {
    pub(super) fn task(self) -> Task {
        match self {
            Self::List { place } => place.get("/v2/signing-keys", &[]),
            Self::Create { algorithm, signs_in, place } => place.post(
                "/v2/signing-keys",
                &object([("algorithm", algorithm.map(Value::from)), ("signs_in_s", signs_in.map(Value::from))]),
            ),
            Self::Rotate { place } => place.post("/v2/signing-keys/rotate", &json!({})),
            Self::Retire { kid, emergency, place } => {
                place.post(&format!("/v2/signing-keys/{}/retire", encoded(&kid)), &json!({ "emergency": emergency }))
            }
        }
    }
}

#[derive(Debug, Subcommand)]
pub(crate) enum Job {
    /// List background jobs
    List {
        #[command(flatten)]
        place: Where,
    },
    /// Show how far a job is
    Get {
        #[arg(value_name = "JOB_ID")]
        job: String,
        #[command(flatten)]
        place: Where,
    },
    /// Stop a job; what was done stays done
    Cancel {
        #[arg(value_name = "JOB_ID")]
        job: String,
        #[command(flatten)]
        place: Where,
    },
}

impl Job {
    pub(super) fn task(self) -> Task {
        match self {
            Self::List { place } => place.get("/v2/jobs", &[]),
            Self::Get { job, place } => place.get(&format!("/v2/jobs/{}", encoded(&job)), &[]),
            Self::Cancel { job, place } => place.post(&format!("/v2/jobs/{}/cancel", encoded(&job)), &json!({})),
        }
    }
}

#[derive(Debug, Args)]
pub(crate) struct AuditFilter {
    /// Only entries about this id
    #[arg(long)]
    subject: Option<String>,
    /// Only entries of this actor
    #[arg(long)]
    actor: Option<String>,
    /// Only entries of this action, or of all that begin so (`token.`)
    #[arg(long)]
    action: Option<String>,
    /// Only entries not before this time
    #[arg(long, value_name = "TIME")]
    since: Option<String>,
    /// Only entries before this time
    #[arg(long, value_name = "TIME")]
    until: Option<String>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Audit {
    /// Show entries, the latest first
    List {
        #[command(flatten)]
        filter: AuditFilter,
        #[command(flatten)]
        paging: Paging,
        #[command(flatten)]
        place: Where,
    },
    /// Print up to 1,000 entries as JSON lines, the oldest first
    Export {
        #[command(flatten)]
        filter: AuditFilter,
        /// The sequence of the last entry that you have
        #[arg(long, value_name = "SEQUENCE")]
        after: Option<u64>,
        #[command(flatten)]
        place: Where,
    },
    /// Prove that no entry was changed, dropped, moved or added
    Verify {
        #[command(flatten)]
        output: Output,
    },
}

impl AuditFilter {
    fn query(self) -> [(&'static str, Option<String>); 5] {
        [
            ("subject", self.subject),
            ("actor", self.actor),
            ("action", self.action),
            ("since", self.since),
            ("until", self.until),
        ]
    }
}

impl Audit {
    pub(super) fn task(self) -> Task {
        match self {
            Self::List { filter, paging, place } => {
                let mut query = filter.query().to_vec();
                query.push(("limit", paging.limit.map(|limit| limit.to_string())));
                query.push(("cursor", paging.cursor));
                place.get("/v2/audit", &query)
            }
            Self::Export { filter, after, place } => {
                let mut query = filter.query().to_vec();
                query.push(("after", after.map(|after| after.to_string())));
                place.get("/v2/audit/export", &query)
            }
            Self::Verify { output } => admin(Request::VerifyAudit {}, &output),
        }
    }
}

#[derive(Debug, Subcommand)]
pub(crate) enum Keyring {
    /// Show which keys there are and what hangs on them
    Status {
        #[command(flatten)]
        output: Output,
    },
    /// Make a new key; the old one goes on working
    Rotate {
        /// Which key
        #[arg(value_enum, default_value = "tokens")]
        what: KeyringPart,
        #[command(flatten)]
        output: Output,
    },
    /// Retire a token key: every secret spelled under it is refused from now on
    Retire {
        /// Its number
        #[arg(value_name = "N")]
        number: u16,
        #[command(flatten)]
        output: Output,
    },
}

impl Keyring {
    pub(super) fn task(self) -> Task {
        match self {
            Self::Status { output } => admin(Request::KeyringStatus {}, &output),
            Self::Rotate { what, output } => admin(Request::RotateKeyring { what }, &output),
            Self::Retire { number, output } => admin(Request::RetireKeyringKey { number }, &output),
        }
    }
}

#[derive(Debug, Args)]
pub(crate) struct KeyRotate {
    /// The key's id, `ptkid_…`
    #[arg(value_name = "KEY_ID")]
    key: String,
    /// Seconds that the old key goes on working [default: 86400]
    #[arg(long, value_name = "SECONDS")]
    grace: Option<u64>,
    #[command(flatten)]
    place: Where,
}

impl KeyRotate {
    pub(super) fn task(self) -> Task {
        let path = format!("/v2/keys/{}/rotate", encoded(&self.key));
        self.place.post(&path, &object([("grace_s", self.grace.map(Value::from))]))
    }
}

#[derive(Debug, Args)]
pub(crate) struct ProjectSet {
    /// The project's id; may be left out while there is one project
    #[arg(value_name = "PROJECT")]
    project: Option<String>,
    /// Whether sessions need an auth token: off or required
    #[arg(long)]
    secure_mode: Option<String>,
    /// A web origin that may send credentials; may be repeated, and replaces those before
    #[arg(long = "allowed-origin", value_name = "ORIGIN")]
    allowed_origins: Vec<String>,
    /// Tokens made with one key, as BURST/PER_SECOND
    #[arg(long, value_parser = typed_bucket)]
    mint_per_key: Option<Value>,
    /// Tokens made for one user
    #[arg(long, value_parser = typed_bucket)]
    mint_per_user: Option<Value>,
    /// Tokens made from one address
    #[arg(long, value_parser = typed_bucket)]
    mint_per_address: Option<Value>,
    /// Failed authentications from one address
    #[arg(long, value_parser = typed_bucket)]
    failed_auth_per_address: Option<Value>,
    /// The backend that is asked what clients may do, or "none"
    #[arg(long, value_name = "URL")]
    hook_url: Option<String>,
    /// What it is asked: subscribe, publish or connect; may be repeated, and replaces those before
    #[arg(long = "hook-question", value_name = "QUESTION")]
    hook_questions: Vec<String>,
    /// Whether it is asked about anonymous clients, too
    #[arg(long, value_name = "BOOL")]
    hook_anonymous: Option<bool>,
    /// How long it has to answer, 50 to 5000
    #[arg(long, value_name = "MS")]
    hook_timeout_ms: Option<u64>,
    /// What holds for connecting and publishing while it does not answer: deny or allow
    #[arg(long, value_name = "WORD")]
    hook_on_failure: Option<String>,
    /// Draws a new secret for it; the one before signs, too, for a day
    #[arg(long)]
    hook_rotate_secret: bool,
    /// More settings, a JSON object as PATCH /v2/project takes it
    #[arg(long, value_name = "JSON", value_parser = typed_object)]
    set: Option<Value>,
    #[command(flatten)]
    output: Output,
}

impl ProjectSet {
    pub(super) fn task(self) -> Task {
        let limits = object([
            ("mint_per_key", self.mint_per_key),
            ("mint_per_user", self.mint_per_user),
            ("mint_per_address", self.mint_per_address),
            ("failed_auth_per_address", self.failed_auth_per_address),
        ]);
        let hook = match self.hook_url.as_deref() {
            Some("none") => Some(Value::Null),
            url => Some(object([
                ("url", url.map(Value::from)),
                ("questions", (!self.hook_questions.is_empty()).then(|| json!(self.hook_questions))),
                ("anonymous", self.hook_anonymous.map(Value::from)),
                ("timeout_ms", self.hook_timeout_ms.map(Value::from)),
                ("on_failure", self.hook_on_failure.map(Value::from)),
                ("rotate_secret", self.hook_rotate_secret.then_some(Value::Bool(true))),
            ]))
            .filter(|hook| hook.as_object().is_some_and(|hook| !hook.is_empty())),
        };
        let mut body = object([
            ("hook", hook),
            ("secure_mode", self.secure_mode.map(Value::from)),
            ("allowed_origins", (!self.allowed_origins.is_empty()).then(|| json!(self.allowed_origins))),
            ("limits", limits.as_object().is_some_and(|limits| !limits.is_empty()).then_some(limits)),
        ]);
        if let (Value::Object(body), Some(Value::Object(more))) = (&mut body, self.set) {
            body.extend(more);
        }
        Where { project: self.project, output: self.output }.patch("/v2/project", &body)
    }
}
