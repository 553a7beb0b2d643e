//! Our own protocol under load, over real sockets: channels that clients of all protocols share, everybody coming back at once, and a client that
//! does not read. What the SDKs make of it is in `rust_sdk`. `NATIVE_LOAD` is the number of clients that come back (300), and
//! `SLOW_READER=strict` holds the slow reader to a quiet machine's bound. The tests print their figures.
#![allow(clippy::unwrap_used, clippy::disallowed_methods, clippy::print_stdout, clippy::large_futures)]

mod mixed;
mod slow;
mod storm;
mod wire;

use std::time::Duration;

use serde_json::{Value, json};
use tokio::sync::Mutex;
use tollgate_testkit::Server;

/// The tests measure times, so they run one after another.
static TURN: Mutex<()> = Mutex::const_new(());

/// A private channel in which tokens may do what they want.
fn channel(server: &Server, id: &str, settings: &Value) {
    let capabilities = ["token_publish", "token_set_state"];
    let wanted = json!({"id": id, "type": "private", "capabilities": capabilities, "settings": settings});
    server.v2("POST", "/v2/channels", &wanted);
}

/// The secrets of new tokens that are subscribed to these channels.
fn tokens(server: &Server, channels: &[&str], count: usize) -> Vec<String> {
    let mut secrets = Vec::new();
    while secrets.len() < count {
        let entries = vec![json!({"channels": channels}); (count - secrets.len()).min(1_000)];
        let made = server.v2("POST", "/v2/tokens/batch", &json!({"action": "create", "entries": entries}));
        secrets
            .extend(made["results"].as_array().unwrap().iter().map(|one| one["secret"].as_str().unwrap().to_owned()));
    }
    secrets
}

/// The part below which `share` of these are.
fn percentile(times: &mut [Duration], share: f64) -> Duration {
    times.sort_unstable();
    times[((times.len() - 1) as f64 * share) as usize]
}
