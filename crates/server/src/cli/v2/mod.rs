//! Commands that are requests to `/v2`, made as the operator of a project: what can be typed, and which request it is. The API decides
//! everything else, so that the command line can do what it can, and says what it says. One file for each noun.

mod audit;
mod channels;
mod connections;
mod explain;
mod issuers;
mod jobs;
mod keyring;
mod messages;
mod operators;
mod projects;
mod signing_keys;
mod tokens;
mod users;

use clap::Args;
use serde_json::{Map, Value, json};

use super::{Output, Task, admin};
use crate::admin::Request;

pub(crate) use audit::Audit;
pub(crate) use channels::Channel;
pub(crate) use connections::Connection;
pub(crate) use explain::{Explain, ExplainMessage};
pub(crate) use issuers::Issuer;
pub(crate) use jobs::Job;
pub(crate) use keyring::Keyring;
pub(crate) use messages::{History, Publish, Tail};
pub(crate) use operators::Operator;
pub(crate) use projects::{KeyRotate, ProjectSet, ProjectShow, ProjectTestHook};
pub(crate) use signing_keys::SigningKey;
pub(crate) use tokens::Token;
pub(crate) use users::User;

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

/// `size/ttl_ms`.
fn typed_mailbox(text: &str) -> Result<Value, String> {
    let wrong = || "it must be SIZE/TTL_MS, like 100/604800000, or `none`".to_owned();
    if text == "none" {
        return Ok(Value::Null);
    }
    let (size, ttl_ms) = text.split_once('/').ok_or_else(wrong)?;
    let (size, ttl_ms): (u32, u64) = (size.parse().map_err(|_| wrong())?, ttl_ms.parse().map_err(|_| wrong())?);
    Ok(json!({ "size": size, "ttl_ms": ttl_ms }))
}
