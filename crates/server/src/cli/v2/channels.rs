//! `tollgate channel …`.

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::{Paging, Where, encoded, object, typed_object};
use crate::cli::Task;

/// What a channel keeps and tells, and who may write into it.
#[derive(Debug, Args)]
pub(crate) struct Settings {
    /// Who may write beside backends: token_publish, anonymous_publish, token_set_state or anonymous_set_state; or that it ends when everybody
    /// has left: ephemeral. May be repeated, and replaces those before; "none" is none
    #[arg(long = "capability", value_name = "WORD")]
    capabilities: Vec<String>,
    /// Most messages that it keeps of its past, 0 to 10000
    #[arg(long, value_name = "N")]
    history_size: Option<u64>,
    /// For how long, in milliseconds
    #[arg(long, value_name = "MS")]
    history_ttl_ms: Option<u64>,
    /// Whether on the disk
    #[arg(long, value_name = "BOOL")]
    history_durable: Option<bool>,
    /// Whether it keeps who is in it
    #[arg(long, value_name = "BOOL")]
    presence: Option<bool>,
    /// Whether messages come back to who sent them
    #[arg(long, value_name = "BOOL")]
    echo: Option<bool>,
    /// Whether the last message is kept however old it is, and handed to who subscribes
    #[arg(long, value_name = "BOOL")]
    retain: Option<bool>,
    /// Of messages with the same key, at most so many a second: the latest; 0 is without such a limit
    #[arg(long, value_name = "N")]
    conflate_per_second: Option<u64>,
}

impl Settings {
    /// `capabilities` and `settings` as `/v2` takes them, as far as they were typed.
    fn fields(self) -> [(&'static str, Option<Value>); 2] {
        let capabilities = match self.capabilities.as_slice() {
            [] => None,
            [none] if none == "none" => Some(json!([])),
            words => Some(json!(words)),
        };
        let history = object([
            ("size", self.history_size.map(Value::from)),
            ("ttl_ms", self.history_ttl_ms.map(Value::from)),
            ("durable", self.history_durable.map(Value::from)),
        ]);
        let settings = object([
            ("history", given(history)),
            ("presence", self.presence.map(Value::from)),
            ("echo", self.echo.map(Value::from)),
            ("retain", self.retain.map(Value::from)),
            ("conflate_per_second", self.conflate_per_second.map(Value::from)),
        ]);
        [("capabilities", capabilities), ("settings", given(settings))]
    }
}

/// An object that has something in it.
fn given(object: Value) -> Option<Value> {
    Some(object).filter(|object| object.as_object().is_some_and(|object| !object.is_empty()))
}

#[derive(Debug, Subcommand)]
pub(crate) enum Channel {
    /// Create a channel
    Create {
        /// Its id; without one it gets one
        #[arg(value_name = "CHANNEL")]
        channel: Option<String>,
        /// Who may subscribe: private, public or unprotected
        #[arg(long = "type", value_name = "TYPE", default_value = "private")]
        kind: String,
        /// Its first state, a JSON object
        #[arg(long, value_name = "JSON", value_parser = typed_object)]
        state: Option<Value>,
        #[command(flatten)]
        settings: Settings,
        #[command(flatten)]
        place: Where,
    },
    /// List channels, oldest first
    List {
        /// Only those whose ids begin so, in the order of their ids
        #[arg(long, value_name = "TEXT")]
        prefix: Option<String>,
        #[command(flatten)]
        paging: Paging,
        #[command(flatten)]
        place: Where,
    },
    /// Show a channel, where it is and how many are online in it
    #[command(visible_alias = "get")]
    Show {
        /// The channel
        #[arg(value_name = "CHANNEL")]
        channel: String,
        #[command(flatten)]
        place: Where,
    },
    /// Change a channel's settings; what is left out stays
    #[command(visible_alias = "change")]
    Set {
        /// The channel
        #[arg(value_name = "CHANNEL")]
        channel: String,
        #[command(flatten)]
        settings: Settings,
        #[command(flatten)]
        place: Where,
    },
    /// Delete a channel with its past; its subscribers are told
    Delete {
        /// The channel
        #[arg(value_name = "CHANNEL")]
        channel: String,
        #[command(flatten)]
        place: Where,
    },
}

impl Channel {
    pub(crate) fn task(self) -> Task {
        let path = |channel: &str| format!("/v2/channels/{}", encoded(channel));
        match self {
            Self::Create { channel, kind, state, settings, place } => {
                let [capabilities, settings] = settings.fields();
                let new = [
                    ("id", channel.map(Value::from)),
                    ("type", Some(kind.into())),
                    ("state", state),
                    capabilities,
                    settings,
                ];
                place.post("/v2/channels", &object(new))
            }
            Self::List { prefix, paging, place } => {
                let limit = paging.limit.map(|limit| limit.to_string());
                place.get("/v2/channels", &[("prefix", prefix), ("limit", limit), ("cursor", paging.cursor)])
            }
            Self::Show { channel, place } => place.get(&path(&channel), &[]),
            Self::Set { channel, settings, place } => place.patch(&path(&channel), &object(settings.fields())),
            Self::Delete { channel, place } => place.request("DELETE", path(&channel), None),
        }
    }
}
