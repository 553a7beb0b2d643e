//! What Tollgate is asked to prepare: a channel, tokens; and the exact frame that any server sends. Everything as any user would.
use crate::audience::Audience;
use crate::child::Measured;
use crate::dialect::{Channels, Dialect, Publishing};
use crate::failure::{Outcome, cannot};
use crate::frame::{self, Template};
use crate::kernel::{self, Poller};
use crate::rest::{self, Api};
use std::net::SocketAddr;
use std::time::Duration;

pub(crate) const CHANNEL: &str = "bench";
const CONCURRENCY: usize = 64;
const PATIENCE: Duration = Duration::from_secs(20);

pub(crate) fn api(server: &Measured) -> Api {
    Api { address: server.address, key: server.key.clone() }
}

pub(crate) fn create_channel(api: &Api, kind: &str) -> Outcome<()> {
    let body = format!(r#"{{"type":"{kind}","state":{{}}}}"#);
    api.call("PUT", &format!("/v1/channels/{CHANNEL}"), &body).map(drop)
}

/// Channels that anybody may join.
pub(crate) fn create_channels(api: &Api, channels: &Channels) -> Outcome<()> {
    let body = r#"{"type":"unprotected","state":{}}"#;
    let path = |channel| format!("/v1/channels/{}", channels.name(channel));
    let requests: Vec<Vec<u8>> = (0..channels.count).map(|channel| api.request("PUT", &path(channel), body)).collect();
    rest::call_all(api, &requests, CONCURRENCY).map(drop)
}

/// Creates tokens, many requests at a time so that the store can commit them in groups.
pub(crate) fn create_tokens(api: &Api, count: usize) -> Outcome<Vec<String>> {
    let request = api.request("POST", "/v1/channels/tokens", r#"{"state":{}}"#);
    let answers = rest::call_all(api, &vec![request; count], CONCURRENCY)?;
    let tokens: Option<Vec<String>> =
        answers.iter().map(|answer| answer["token"]["id"].as_str().map(str::to_owned)).collect();
    match tokens {
        Some(tokens) => Ok(tokens),
        None => cannot("the answer to a token's creation has no token.id"),
    }
}

pub(crate) fn subscribe_tokens(api: &Api, tokens: &[String]) -> Outcome<()> {
    let path = |token| format!("/v1/channels/{CHANNEL}/subscribers/{token}");
    let requests: Vec<Vec<u8>> = tokens.iter().map(|token| api.request("PUT", &path(token), "")).collect();
    rest::call_all(api, &requests, CONCURRENCY).map(drop)
}

/// Waits until the server itself counts so many in the channel.
pub(crate) fn await_online(api: &Api, count: usize) -> Outcome<()> {
    await_online_in(api, CHANNEL, count)
}

/// How many the server counts in the channel, once it is so few, or has not come to be within the deadline.
pub(crate) fn online_at_most(api: &Api, most: usize) -> Outcome<usize> {
    let deadline = kernel::now() + PATIENCE;
    loop {
        let stats = api.call("GET", &format!("/v1/channels/{CHANNEL}/stats"), "")?;
        match stats["online_count"].as_u64().and_then(|count| usize::try_from(count).ok()) {
            Some(count) if count <= most || kernel::now() > deadline => return Ok(count),
            Some(_) => std::thread::sleep(Duration::from_millis(50)),
            None => return cannot(format!("a channel's stats have no online_count: {stats}")),
        }
    }
}

/// The same in another channel.
pub(crate) fn await_online_in(api: &Api, channel: &str, count: usize) -> Outcome<()> {
    let deadline = kernel::now() + PATIENCE;
    loop {
        let stats = api.call("GET", &format!("/v1/channels/{channel}/stats"), "")?;
        if stats["online_count"] == count {
            return Ok(());
        }
        if kernel::now() > deadline {
            return cannot(format!("the server counts {} online, not {count}", stats["online_count"]));
        }
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// The frame of a publication with enough padding to be `bytes` long on the wire, and that padding.
pub(crate) fn learn_frame(to: SocketAddr, dialect: &dyn Dialect, bytes: usize) -> Outcome<(Template, usize)> {
    let mut poller = Poller::new()?;
    let mut audience = Audience::gather(1, 0, to, dialect, &mut poller)?;
    let mut padding = 0;
    // A longer frame may need a longer head, so the first correction can be off by that.
    for _ in 0..4 {
        let template = observe(dialect, &mut audience, &mut poller, padding)?;
        match (padding + bytes).checked_sub(template.len()) {
            Some(right) if right == padding => return Ok((template, padding)),
            Some(better) => padding = better,
            None => return cannot(format!("the server's frames are at least {} bytes, not {bytes}", template.len())),
        }
    }
    cannot(format!("no padding makes the server's frame {bytes} bytes long"))
}

fn observe(
    dialect: &dyn Dialect,
    audience: &mut Audience<'_>,
    poller: &mut Poller,
    padding: usize,
) -> Outcome<Template> {
    let publication = dialect.publish(0, &frame::payload(0, padding));
    match dialect.publishing() {
        Publishing::Requests(address) => rest::exchange(address, &publication)?.accepted()?,
        Publishing::Messages => audience.say(&publication)?,
    }
    let (start, mut ready) = (kernel::now(), Vec::new());
    while start.elapsed() < PATIENCE {
        poller.wait(Duration::from_millis(100), &mut ready)?;
        for number in &ready {
            if let Some(template) = audience.learn(*number)? {
                return Ok(template);
            }
        }
    }
    cannot("a publication did not reach the first subscriber")
}
