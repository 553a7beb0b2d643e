//! `tollgate tail`: a channel's messages as they come, by long polls over the control socket. It misses nothing, and says so when the channel itself keeps no
//! longer what it would have to show.

use std::time::Duration;

use serde_json::Value;

use crate::Failure;
use crate::admin::{Answer, Request, show};
use crate::announce;
use crate::config::Config;
use crate::control::{CallError, call};
use crate::data_dir;

/// How long one poll waits, in milliseconds: well within the deadline of the control socket.
const WAIT_MS: u64 = 5_000;
/// Messages of one page.
const PAGE: u64 = 1_000;
/// After a poll that the server could not take.
const PAUSE: Duration = Duration::from_millis(200);
/// How often a server that is started again is asked, all in all half a minute.
const ATTEMPTS: u32 = 150;

/// What is to be shown.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Tail {
    pub(crate) project: Option<String>,
    /// Its path: `/v2/channels/…`.
    pub(crate) channel: String,
    /// So many of its past first.
    pub(crate) history: u32,
    /// Ends after so many messages.
    pub(crate) count: Option<u64>,
    pub(crate) json: bool,
}

/// Shows messages until it is ended, or has shown as many as were wanted.
pub(crate) fn tail(config: &Config, wanted: &Tail) -> Result<(), Failure> {
    let mut left = wanted.count.unwrap_or(u64::MAX);
    let mut position = begin(config, wanted, &mut left)?;
    while left > 0 {
        let path = format!("{}/history?after={position}&wait_ms={WAIT_MS}&limit={PAGE}", wanted.channel);
        let (status, page) = ask(config, wanted, &path)?;
        match status {
            200 => show_all(page["messages"].as_array().into_iter().flatten(), wanted, &mut left)?,
            410 => tracing::warn!(
                "messages were lost: the channel began anew, or keeps less than came; going on with what comes now"
            ),
            429 | 503 => {
                std::thread::sleep(PAUSE);
                continue;
            }
            _ => return Err(refusal(&page).into()),
        }
        // A page that is not the last one says where the next begins.
        let next = page["next"].as_str().or_else(|| page["position"].as_str());
        position = next.ok_or("the server answered without a position")?.to_owned();
    }
    Ok(())
}

/// Shows what is wanted of the past; gives the position behind it.
fn begin(config: &Config, wanted: &Tail, left: &mut u64) -> Result<String, Failure> {
    let path = match wanted.history {
        0 => wanted.channel.clone(),
        past => format!("{}/history?order=newest&limit={past}", wanted.channel),
    };
    let (status, page) = ask(config, wanted, &path)?;
    if status != 200 {
        return Err(refusal(&page).into());
    }
    show_all(page["messages"].as_array().into_iter().flatten().rev(), wanted, left)?;
    Ok(page["position"].as_str().ok_or("the server answered without a position")?.to_owned())
}

fn show_all<'a>(messages: impl Iterator<Item = &'a Value>, wanted: &Tail, left: &mut u64) -> Result<(), Failure> {
    for message in messages {
        if *left == 0 {
            break;
        }
        *left -= 1;
        announce::out(&line(message, wanted.json))?;
    }
    Ok(())
}

/// JSON, or time, event, sender and data.
fn line(message: &Value, json: bool) -> String {
    if json {
        return format!("{message}\n");
    }
    let at = message["at"].as_u64().map(|at| crate::admin::rfc3339(tollgate_core::clock::UnixMillis(at)));
    let sender = &message["sender"];
    let sender = sender["user"].as_str().or(sender["token"].as_str());
    let event = message["event"].as_str().unwrap_or_default();
    let text = format!("{}  {event}  {}  {}", at.unwrap_or_default(), sender.unwrap_or("backend"), message["data"]);
    show::plain(&text) + "\n"
}

fn refusal(problem: &Value) -> String {
    let part = |name: &str| problem[name].as_str().unwrap_or_default();
    format!("{}: {}", part("code"), part("detail"))
}

/// One request. A server that is being started again is waited for: the position says what was seen.
fn ask(config: &Config, wanted: &Tail, path: &str) -> Result<(u16, Value), Failure> {
    let (method, path, project) = ("GET".to_owned(), path.to_owned(), wanted.project.clone());
    let request = Request::Api { project, method, path, body: None, idempotency_key: None };
    let mut broken = false;
    for _ in 0..ATTEMPTS {
        match call(&data_dir::control_socket(&config.data_dir), &request) {
            Ok(Answer::Api { status, body }) => return Ok((status, serde_json::from_str(&body).unwrap_or_default())),
            Ok(Answer::Refused(why)) if why.starts_with("unavailable") => std::thread::sleep(PAUSE),
            Ok(Answer::Refused(why)) => return Err(why.into()),
            Ok(_) => return Err("the server answered something else; is the command of the same version?".into()),
            Err(CallError::NobodyListens) if !broken && !follows(&request) => break,
            Err(CallError::NobodyListens | CallError::Broken(_)) => {
                broken = true;
                std::thread::sleep(PAUSE);
            }
        }
    }
    Err("no server uses the data folder; messages are only live where one runs: tollgate serve".into())
}

/// Whether the request is one of those that follow the first.
fn follows(request: &Request) -> bool {
    matches!(request, Request::Api { path, .. } if path.contains("&wait_ms="))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_message_is_a_line_whatever_is_in_it() {
        let message = serde_json::json!({"offset": 1, "at": 1_700_000_000_123_u64, "event": "a\u{1b}[2J\nb", "data": {"x": "\u{1b}\n"}, "sender": {"user": "ann"}});
        let text = line(&message, false);
        assert_eq!(text, "2023-11-14T22:13:20.123Z  a\u{fffd}[2J\u{fffd}b  ann  {\"x\":\"\\u001b\\n\"}\n");
        assert_eq!(serde_json::from_str::<Value>(&line(&message, true)).unwrap(), message);
    }
}
