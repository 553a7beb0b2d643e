//! `tollgate user …`.

use clap::Subcommand;
use serde_json::{Value, json};

use super::messages::Direct;
use super::{Paging, Where, encoded, object, typed_object};
use crate::cli::Task;

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
    #[command(visible_alias = "show")]
    Get {
        /// Your own id of the user
        #[arg(value_name = "USER_ID")]
        user: String,
        #[command(flatten)]
        place: Where,
    },
    /// List users
    List {
        /// Only those whose ids begin so, in the order of your ids
        #[arg(long, value_name = "TEXT")]
        prefix: Option<String>,
        #[command(flatten)]
        paging: Paging,
        #[command(flatten)]
        place: Where,
    },
    /// Change a user
    #[command(visible_alias = "set")]
    Change {
        /// Your own id of the user
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
        /// Your own id of the user
        #[arg(value_name = "USER_ID")]
        user: String,
        #[command(flatten)]
        place: Where,
    },
    /// Let a user in again
    Unban {
        /// Your own id of the user
        #[arg(value_name = "USER_ID")]
        user: String,
        #[command(flatten)]
        place: Where,
    },
    /// Send a message to all connections of a user, and into the mailboxes of its tokens
    Message {
        /// Your own id of the user
        #[arg(value_name = "USER_ID")]
        user: String,
        #[command(flatten)]
        message: Direct,
        #[command(flatten)]
        place: Where,
    },
    /// Delete a user with all tokens
    Delete {
        /// Your own id of the user
        #[arg(value_name = "USER_ID")]
        user: String,
        #[command(flatten)]
        place: Where,
    },
}

impl User {
    pub(crate) fn task(self) -> Task {
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
            Self::List { prefix, paging, place } => {
                let limit = paging.limit.map(|limit| limit.to_string());
                place.get("/v2/users", &[("prefix", prefix), ("limit", limit), ("cursor", paging.cursor)])
            }
            Self::Change { user, set, place } => place.patch(&path(&user, ""), &set),
            Self::Ban { user, place } => place.post(&path(&user, "/ban"), &json!({})),
            Self::Unban { user, place } => place.post(&path(&user, "/unban"), &json!({})),
            Self::Message { user, message, place } => place.post(&path(&user, "/messages"), &message.body()),
            Self::Delete { user, place } => place.request("DELETE", path(&user, ""), None),
        }
    }
}
