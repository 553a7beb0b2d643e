//! `tollgate explain …` and `tollgate explain-message …`.

use clap::Args;
use serde_json::Value;

use super::{Where, object};
use crate::cli::Task;

#[derive(Debug, Args)]
pub(crate) struct Explain {
    /// The token's id, `tok_…`
    #[arg(value_name = "TOKEN_ID")]
    token: String,
    /// What its client would do: connect, subscribe, publish, history, presence, state.read or state.write
    #[arg(value_name = "WISH")]
    wish: String,
    /// In which channel; not of connect
    #[arg(value_name = "CHANNEL")]
    channel: Option<String>,
    /// By a request over REST, instead of over a connection
    #[arg(long)]
    rest: bool,
    /// From this address
    #[arg(long, value_name = "ADDRESS")]
    address: Option<String>,
    /// From a page of this origin
    #[arg(long, value_name = "ORIGIN")]
    origin: Option<String>,
    #[command(flatten)]
    place: Where,
}

impl Explain {
    pub(crate) fn task(self) -> Task {
        let body = object([
            ("token", Some(Value::from(self.token))),
            ("wish", Some(Value::from(self.wish))),
            ("channel", self.channel.map(Value::from)),
            ("by", self.rest.then(|| Value::from("rest"))),
            ("address", self.address.map(Value::from)),
            ("origin", self.origin.map(Value::from)),
        ]);
        self.place.post("/v2/explain", &body)
    }
}

#[derive(Debug, Args)]
pub(crate) struct ExplainMessage {
    /// The token's id, `tok_…`
    #[arg(value_name = "TOKEN_ID")]
    token: String,
    /// In which channel it was sent; without one it was a direct message
    #[arg(value_name = "CHANNEL", requires = "position")]
    channel: Option<String>,
    /// The message's position, as `18c3f-41`
    #[arg(value_name = "POSITION")]
    position: Option<String>,
    /// The position of the direct message, as its client was told it [default: the last]
    #[arg(long, value_name = "POSITION", conflicts_with = "channel")]
    direct: Option<String>,
    #[command(flatten)]
    place: Where,
}

impl ExplainMessage {
    pub(crate) fn task(self) -> Task {
        let body = object([
            ("token", Some(Value::from(self.token))),
            ("channel", self.channel.map(Value::from)),
            ("position", self.position.or(self.direct).map(Value::from)),
        ]);
        self.place.post("/v2/explain/message", &body)
    }
}
