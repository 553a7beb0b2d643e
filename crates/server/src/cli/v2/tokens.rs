//! `tollgate token …`.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::messages::Direct;
use super::{Paging, Where, encoded, object, typed_capability, typed_object};
use crate::cli::Task;

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
    #[command(visible_alias = "show")]
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
        /// Only those of users whose ids begin so
        #[arg(long, value_name = "TEXT")]
        user_prefix: Option<String>,
        /// Only those in whose names this occurs
        #[arg(long, value_name = "TEXT")]
        name: Option<String>,
        /// Only those with a live connection, or without: true or false
        #[arg(long, value_name = "BOOL")]
        online: Option<String>,
        /// The newest first
        #[arg(long)]
        newest_first: bool,
        #[command(flatten)]
        paging: Paging,
        #[command(flatten)]
        place: Where,
    },
    /// Change a token
    #[command(visible_alias = "set")]
    Change {
        /// The token's id, `tok_…`
        #[arg(value_name = "TOKEN_ID")]
        token: String,
        /// What to change, a JSON object as PATCH /v2/tokens takes it
        #[arg(long, value_name = "JSON", value_parser = typed_object)]
        set: Value,
        /// Only say what it would take: subscriptions, and live connections
        #[arg(long)]
        dry_run: bool,
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
    /// Say what a secret is, whose, and whether it works, and if not, why; the secret is read from standard input
    #[command(visible_alias = "introspect")]
    Inspect {
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
    /// Subscribe a token to a channel, durably and live at once
    Subscribe {
        /// The token's id, `tok_…`
        #[arg(value_name = "TOKEN_ID")]
        token: String,
        /// The channel
        #[arg(value_name = "CHANNEL")]
        channel: String,
        /// End the subscription with the token's session
        #[arg(long)]
        ephemeral: bool,
        #[command(flatten)]
        place: Where,
    },
    /// End a token's subscription
    Unsubscribe {
        /// The token's id, `tok_…`
        #[arg(value_name = "TOKEN_ID")]
        token: String,
        /// The channel
        #[arg(value_name = "CHANNEL")]
        channel: String,
        #[command(flatten)]
        place: Where,
    },
    /// Send a message to a token's connections, or into its mailbox
    Message {
        /// The token's id, `tok_…`
        #[arg(value_name = "TOKEN_ID")]
        token: String,
        #[command(flatten)]
        message: Direct,
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
    pub(crate) fn task(self) -> Task {
        let path = |token: &str, rest: &str| format!("/v2/tokens/{}{rest}", encoded(token));
        match self {
            Self::Create { new, place } => place.post("/v2/tokens", &new.body()),
            Self::Get { token, place } => place.get(&path(&token, ""), &[]),
            Self::List { user, channel, status, user_prefix, name, online, newest_first, paging, place } => place.get(
                "/v2/tokens",
                &[
                    ("user_id", user),
                    ("channel", channel),
                    ("status", status),
                    ("user_prefix", user_prefix),
                    ("name", name),
                    ("online", online),
                    ("order", newest_first.then(|| "desc".to_owned())),
                    ("limit", paging.limit.map(|limit| limit.to_string())),
                    ("cursor", paging.cursor),
                ],
            ),
            Self::Change { token, set, dry_run: true, place } => place.post(&path(&token, "/rehearse"), &set),
            Self::Change { token, set, dry_run: false, place } => place.patch(&path(&token, ""), &set),
            Self::Rotate { token, grace, place } => {
                place.post(&path(&token, "/rotate"), &object([("grace_s", grace.map(Value::from))]))
            }
            Self::Inspect { place } => {
                let Where { project, output } = place;
                Task::Inspect { project, json: output.json }
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
            Self::Subscribe { token, channel, ephemeral, place } => {
                let path = path(&token, &format!("/subscriptions/{}", encoded(&channel)));
                place.request("PUT", path, Some(json!({ "ephemeral": ephemeral }).to_string()))
            }
            Self::Unsubscribe { token, channel, place } => {
                place.request("DELETE", path(&token, &format!("/subscriptions/{}", encoded(&channel))), None)
            }
            Self::Message { token, message, place } => place.post(&path(&token, "/messages"), &message.body()),
            Self::Delete { token, place } => place.request("DELETE", path(&token, ""), None),
            Self::Import { file, out, place } => {
                let Where { project, output } = place;
                Task::Import { project, file, out, json: output.json }
            }
        }
    }
}
