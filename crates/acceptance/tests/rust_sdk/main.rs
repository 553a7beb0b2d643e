//! The Rust SDK against the real server, over a network that is cut and a server that is killed.
#![allow(clippy::unwrap_used, clippy::disallowed_methods, clippy::large_futures)]

mod access;
mod aeroplane;
mod chat;
mod disruption;
mod snippet;

use std::time::Duration;

use serde_json::{Value, json};
use tollgate_client::{Builder, Client, Event, Subscription};
use tollgate_testkit::Server;

/// Nothing here takes so long, but for what says otherwise.
const PATIENCE: Duration = Duration::from_secs(20);

async fn soon<T>(what: &str, doing: impl IntoFuture<Output = T>) -> T {
    match tokio::time::timeout(PATIENCE, doing).await {
        Ok(done) => done,
        Err(_) => panic!("waited {PATIENCE:?} in vain for: {what}"),
    }
}

/// A channel `room`.
fn room(server: &Server, kind: &str, settings: &Value) {
    let capabilities = ["token_publish", "anonymous_publish"];
    let wanted = json!({"id": "room", "type": kind, "capabilities": capabilities, "settings": settings});
    server.v2("POST", "/v2/channels", &wanted);
}

/// The secret of a new token: of this user, subscribed to `room`.
fn token(server: &Server, user: &str) -> String {
    let made = server.v2("POST", "/v2/tokens", &json!({"user_id": user, "channels": ["room"]}));
    let secret = made["secret"].as_str().unwrap().to_owned();
    server.remember(&secret);
    secret
}

fn client(server: &Server) -> Builder {
    Client::builder(&format!("http://{}", server.addr), &server.project)
}

/// The next message's data; the gaps before it are a failure.
async fn next_message(room: &mut Subscription) -> Value {
    loop {
        match soon("a message", room.next()).await {
            Some(Event::Message(message)) => return message.data.read().unwrap(),
            Some(Event::Gap { from, to }) => panic!("a gap from {from:?} to {to}"),
            Some(Event::Ended { reason, error }) => panic!("{reason:?} {error:?}"),
            Some(_) => {}
            None => panic!("the stream ended"),
        }
    }
}
