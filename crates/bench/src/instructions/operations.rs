//! What instructions are counted of: each operation by itself, one after the other, so that nothing depends on how fast a machine is. Prepared over REST and
//! joined over Leap or the native protocol, as in the other workloads.
use super::counter::Counter;
use crate::audience::Audience;
use crate::child::Measured;
use crate::dialect::{Channels, Client, Dialect, Heard, Publishing, Shape, Upgrade, leap::Leap, native::Native};
use crate::failure::{Outcome, cannot};
use crate::fanout::{Hall, Plan};
use crate::guard::figure::{Better, Figure};
use crate::kernel::Poller;
use crate::publisher::{Pace, Publisher};
use crate::rest::{self, Api};
use crate::{frame, stage};
use serde_json::json;
use std::time::Duration;

/// Bytes of a frame on the wire, as in F1.
const FRAME_BYTES: usize = 200;
/// Of requests and messages.
const MANY: usize = 200;
/// Of connections.
const SOME: usize = 200;
/// Connections before the first that counts.
const WARM_UP: usize = 20;
/// Of publications to many subscribers.
const FEW: u64 = 10;
const SUBSCRIBERS: usize = 1_000;
/// Messages that somebody who comes back has missed.
const MISSED: u64 = 100;
/// Where tokens are subscribed.
const KEPT: &str = "kept";

const fn instructions(key: &'static str, what: &'static str) -> Figure {
    Figure { key, what, shown: (1.0, 0, ""), better: Better::Less }
}

/// One thing to count.
pub(super) struct Operation {
    pub(super) figure: Figure,
    /// Counts it a good many times, and gives the instructions of one.
    pub(super) count: fn(&mut Counter) -> Outcome<f64>,
}

pub(super) static OPERATIONS: [Operation; 6] = [
    Operation { figure: instructions("publication", "a publication over REST, nobody subscribed"), count: publication },
    Operation { figure: instructions("delivery", "a delivery of a publication to one of 1,000"), count: delivery },
    Operation {
        figure: instructions("connection", "a connection, native, with a token and its subscription"),
        count: connection,
    },
    Operation { figure: instructions("token", "a durable creation of a token over REST"), count: token },
    Operation {
        figure: instructions("resume", "a connection, native, that comes back and missed 100 messages"),
        count: resume,
    },
    Operation { figure: instructions("leap", "a message of a client over Leap, to itself"), count: leap },
];

/// Makes what all of them need.
pub(super) fn prepare(server: &Measured) -> Outcome<()> {
    let api = stage::api(server);
    stage::create_channel(&api, "unprotected")?;
    let open = r#"{"capabilities":["anonymous_publish"]}"#;
    api.call("PATCH", &format!("/v2/channels/{}", stage::CHANNEL), open)?;
    api.call("PUT", &format!("/v1/channels/{KEPT}"), r#"{"type":"private","state":{}}"#).map(drop)
}

/// The same request so many times on one connection, which is warm.
fn requests(counter: &mut Counter, path: &str, body: &str) -> Outcome<f64> {
    let api = stage::api(&counter.server);
    let request = api.request("POST", path, body);
    rest::call_all(&api, &vec![request.clone(); MANY / 10], 1)?;
    let all = counter.count(|_| rest::call_all(&api, &vec![request; MANY], 1).map(drop))?;
    Ok(all / MANY as f64)
}

fn publication(counter: &mut Counter) -> Outcome<f64> {
    let body = format!(r#"{{"event":"tick","data":"{}"}}"#, frame::payload(0, 100));
    requests(counter, &format!("/v2/channels/{}/messages", stage::CHANNEL), &body)
}

fn token(counter: &mut Counter) -> Outcome<f64> {
    requests(counter, "/v2/tokens", "{}")
}

/// What a publication to many takes more than one to a single subscriber, for each of them.
fn delivery(counter: &mut Counter) -> Outcome<f64> {
    let api = stage::api(&counter.server);
    let project = counter.server.project.clone();
    let dialect = Leap { api: &api, project: &project, channels: Channels::one(stage::CHANNEL), tokens: None };
    let one = published(counter, &dialect, 1, 11)?;
    let many = published(counter, &dialect, SUBSCRIBERS, 12)?;
    Ok((many - one) / (SUBSCRIBERS - 1) as f64)
}

fn leap(counter: &mut Counter) -> Outcome<f64> {
    let api = stage::api(&counter.server);
    let project = counter.server.project.clone();
    let leap = Leap { api: &api, project: &project, channels: Channels::one(stage::CHANNEL), tokens: None };
    published(counter, &Talker(leap), 1, 13)
}

/// Instructions of one publication to so many, each of whom gets it before the next one.
fn published(counter: &mut Counter, dialect: &dyn Dialect, subscribers: usize, wave: u8) -> Outcome<f64> {
    let api = stage::api(&counter.server);
    let (template, padding) = stage::learn_frame(counter.server.address, dialect, FRAME_BYTES)?;
    stage::await_online(&api, 0)?;
    let mut poller = Poller::new()?;
    let audience = Audience::gather(subscribers, wave, counter.server.address, dialect, &mut poller)?;
    let pid = counter.server.pid();
    let mut hall = Hall { audience, poller, template: &template, next_sequence: 1, channels: 1, pid };
    let count = if subscribers == 1 { MANY as u64 } else { FEW };
    let mut publish = |count: u64| {
        let plan = Plan { pace: Pace::Pending(1), span: Duration::ZERO, warm_up: count };
        let publisher = Publisher::of(dialect, padding, plan, &hall.poller)?;
        hall.run(plan, publisher).map(drop)
    };
    publish(FEW)?;
    let all = counter.count(|_| publish(count))?;
    drop(hall);
    stage::await_online(&api, 0)?;
    Ok(all / count as f64)
}

fn connection(counter: &mut Counter) -> Outcome<f64> {
    let api = stage::api(&counter.server);
    let tokens = stage::create_tokens(&api, WARM_UP + SOME)?;
    let path = |token| format!("/v1/channels/{KEPT}/subscribers/{token}");
    let subscriptions: Vec<Vec<u8>> = tokens.iter().map(|token| api.request("PUT", &path(token), "")).collect();
    rest::call_all(&api, &subscriptions, 1)?;
    let project = counter.server.project.clone();
    let (channels, tokens) = (Channels::one(KEPT), Some(&tokens[..]));
    let dialect = Native { api: &api, project: &project, channels, tokens, from: None };
    joined(counter, &api, &dialect, 14)
}

/// Connecting included: beside it the messages are so cheap that a difference of two counts would hardly hold.
fn resume(counter: &mut Counter) -> Outcome<f64> {
    let api = stage::api(&counter.server);
    let project = counter.server.project.clone();
    let path = format!("/v2/channels/{}/messages", stage::CHANNEL);
    let mut position = None;
    for sequence in 0..=MISSED {
        let body = json!({"event": "tick", "data": frame::payload(sequence, 100)}).to_string();
        let answer = api.call("POST", &path, &body)?;
        position = position.or_else(|| answer["position"].as_str().map(str::to_owned));
    }
    let Some(position) = position else { return cannot("the answer to a publication has no position") };
    let (channels, from) = (Channels::one(stage::CHANNEL), Some(&position[..]));
    joined(counter, &api, &Native { api: &api, project: &project, channels, tokens: None, from }, 16)
}

/// Instructions of one who joins, one after the other, with what each is sent then.
fn joined(counter: &mut Counter, api: &Api, dialect: &dyn Dialect, wave: u8) -> Outcome<f64> {
    let mut poller = Poller::new()?;
    let mut audience = Audience::gather(WARM_UP, wave, counter.server.address, dialect, &mut poller)?;
    let joining = WARM_UP + 1..=WARM_UP + SOME;
    let all = counter.count(|_| joining.clone().try_for_each(|count| audience.grow(count, &mut poller)))?;
    drop(audience);
    for channel in [stage::CHANNEL, KEPT] {
        stage::await_online_in(api, channel, 0)?;
    }
    Ok(all / SOME as f64)
}

/// Leap, where the first subscriber publishes by itself.
#[derive(Debug)]
struct Talker<'a>(Leap<'a>);

impl Dialect for Talker<'_> {
    fn upgrade(&self, index: usize) -> Option<Upgrade> {
        self.0.upgrade(index)
    }

    fn open(&self, client: &mut Client) -> Heard {
        self.0.open(client)
    }

    fn hear(&self, client: &mut Client, message: &[u8]) -> Outcome<Heard> {
        self.0.hear(client, message)
    }

    fn shape(&self) -> Shape {
        self.0.shape()
    }

    fn publishing(&self) -> Publishing {
        Publishing::Messages
    }

    fn publish(&self, channel: usize, payload: &str) -> Vec<u8> {
        let channel = self.0.channels.name(channel);
        let message = json!({"e": "MESSAGE", "c": channel, "d": {"e": "tick", "d": payload}});
        json!({"op": 0, "d": message}).to_string().into_bytes()
    }
}
