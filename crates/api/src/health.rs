//! Probes, without a key. Alive means that this process answers; ready means that the store can make something durable, that there is room for
//! more, and that every shard takes a word and answers it.

use http::StatusCode;
use tollgate_node::{Node, Readiness};

use crate::answer::Answer;
use crate::json::Object;

pub(crate) async fn alive(_node: &Node) -> Answer {
    Answer::plain(StatusCode::OK, Object::new().text("status", "alive").close())
}

pub(crate) async fn ready(node: &Node) -> Answer {
    let readiness = node.readiness().await;
    let Readiness { store, shards, disk } = readiness;
    let (code, status) =
        if readiness.is_ready() { (StatusCode::OK, "ready") } else { (StatusCode::SERVICE_UNAVAILABLE, "unavailable") };
    let word = |works| if works { "ok" } else { "failing" };
    let disk = if disk { "ok" } else { "low" };
    let parts = Object::new().text("status", status).text("store", word(store)).text("disk", disk);
    Answer::plain(code, parts.text("shards", word(shards)).close())
}
