//! Probes, without a key. Alive means that this process answers; ready means that the store can make something durable.

use std::time::Duration;

use http::StatusCode;
use tokio::time::timeout;
use tollgate_node::Node;

use crate::answer::Answer;
use crate::json::Object;

/// A store that takes longer is not ready.
const READY_DEADLINE: Duration = Duration::from_secs(2);

pub(crate) async fn alive(_node: &Node) -> Answer {
    status(StatusCode::OK, "alive")
}

pub(crate) async fn ready(node: &Node) -> Answer {
    match timeout(READY_DEADLINE, node.ready()).await {
        Ok(true) => status(StatusCode::OK, "ready"),
        Ok(false) | Err(_) => status(StatusCode::SERVICE_UNAVAILABLE, "unavailable"),
    }
}

fn status(code: StatusCode, word: &str) -> Answer {
    Answer::plain(code, Object::new().text("status", word).close())
}
