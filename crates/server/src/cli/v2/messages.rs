//! `tollgate publish`, `tollgate history` and `tollgate tail`.

use clap::Args;
use serde_json::Value;

use super::{Where, encoded, object};
use crate::cli::Task;

#[derive(Debug, Args)]
pub(crate) struct Publish {
    /// The channel
    #[arg(value_name = "CHANNEL")]
    channel: String,
    /// The event's name
    #[arg(value_name = "EVENT")]
    event: String,
    /// The data: JSON, or else the text as it is [default: null]
    #[arg(value_name = "DATA")]
    data: Option<String>,
    /// Your own id of it; the same again within two minutes is not published again
    #[arg(long)]
    id: Option<String>,
    /// In a channel that conflates: what it is the latest of
    #[arg(long)]
    key: Option<String>,
    #[command(flatten)]
    place: Where,
}

impl Publish {
    pub(crate) fn task(self) -> Task {
        let data = self.data.map(|text| serde_json::from_str(&text).unwrap_or(Value::String(text)));
        let body = object([
            ("event", Some(Value::from(self.event))),
            ("data", data),
            ("id", self.id.map(Value::from)),
            ("key", self.key.map(Value::from)),
        ]);
        self.place.post(&format!("/v2/channels/{}/messages", encoded(&self.channel)), &body)
    }
}

/// A message that goes to connections, not into a channel.
#[derive(Debug, Args)]
pub(crate) struct Direct {
    /// The event's name
    #[arg(value_name = "EVENT")]
    event: String,
    /// The data: JSON, or else the text as it is [default: null]
    #[arg(value_name = "DATA")]
    data: Option<String>,
}

impl Direct {
    pub(super) fn body(self) -> Value {
        let data = self.data.map(|text| serde_json::from_str(&text).unwrap_or(Value::String(text)));
        object([("event", Some(Value::from(self.event))), ("data", data)])
    }
}

#[derive(Debug, Args)]
pub(crate) struct History {
    /// The channel
    #[arg(value_name = "CHANNEL")]
    channel: String,
    /// Only messages behind this position
    #[arg(long, value_name = "POSITION")]
    after: Option<String>,
    /// Only messages before this position
    #[arg(long, value_name = "POSITION")]
    before: Option<String>,
    /// Only messages accepted at this moment or later, in milliseconds since 1970
    #[arg(long, value_name = "MS")]
    since_at: Option<u64>,
    /// At most so many, 1 to 1000 [default: 100]
    #[arg(long)]
    limit: Option<u32>,
    /// The latest first
    #[arg(long)]
    newest: bool,
    #[command(flatten)]
    place: Where,
}

impl History {
    pub(crate) fn task(self) -> Task {
        let query = [
            ("after", self.after),
            ("before", self.before),
            ("since_at", self.since_at.map(|at| at.to_string())),
            ("limit", self.limit.map(|limit| limit.to_string())),
            ("order", self.newest.then(|| "newest".to_owned())),
        ];
        self.place.get(&format!("/v2/channels/{}/history", encoded(&self.channel)), &query)
    }
}

#[derive(Debug, Args)]
pub(crate) struct Tail {
    /// The channel
    #[arg(value_name = "CHANNEL")]
    channel: String,
    /// Show so many of its past first
    #[arg(long, value_name = "N", default_value_t = 0, value_parser = clap::value_parser!(u32).range(0..=1000))]
    history: u32,
    /// End after so many messages
    #[arg(long, value_name = "N")]
    count: Option<u64>,
    #[command(flatten)]
    place: Where,
}

impl Tail {
    pub(crate) fn task(self) -> Task {
        let Where { project, output } = self.place;
        let channel = format!("/v2/channels/{}", encoded(&self.channel));
        let (history, count) = (self.history, self.count);
        Task::Tail(crate::tail::Tail { project, channel, history, count, json: output.json })
    }
}
