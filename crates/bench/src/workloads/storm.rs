//! C1: what a connection costs on its way in: TCP, the upgrade, the token, the subscription.
use crate::audience::Audience;
use crate::child::Measured;
use crate::dialect::{Channels, Dialect, leap::Leap, native::Native};
use crate::failure::Outcome;
use crate::kernel::{self, Poller};
use crate::report::{Row, Spread};
use crate::rest::Api;
use crate::settings::Settings;
use crate::{rounds, say, stage};
use serde_json::json;
use std::time::Duration;

/// How they come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    /// Over Leap; the token has its subscription already.
    Leap,
    /// The same over the native protocol.
    Native,
    /// Over the native protocol, with a token that subscribes now, durably.
    NewSubscription,
}

const WAYS: [Way; 3] = [Way::Leap, Way::Native, Way::NewSubscription];
/// Where tokens may subscribe themselves.
const OPEN: &str = "open";

impl Way {
    fn words(self) -> &'static str {
        match self {
            Way::Leap => "over Leap, token with its subscription",
            Way::Native => "over the native protocol, token with its subscription",
            Way::NewSubscription => "over the native protocol, token that subscribes now, durably",
        }
    }
}

/// What a storm cost.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Storm {
    way: Way,
    connections: usize,
    server: Duration,
    wall: Duration,
}

impl Storm {
    pub(crate) fn seconds_each(&self) -> f64 {
        self.server.as_secs_f64() / self.connections as f64
    }
}

pub(crate) fn run(settings: &Settings) -> Outcome<Vec<Storm>> {
    let mut storms = Vec::new();
    for round in 0..settings.workload_rounds() {
        let server = Measured::server(&settings.server, &settings.server_arguments, settings.cores)?;
        let api = stage::api(&server);
        stage::create_channel(&api, "private")?;
        api.call("PUT", &format!("/v1/channels/{OPEN}"), r#"{"type":"public","state":{}}"#)?;
        let tokens = stage::create_tokens(&api, settings.subscribers)?;
        stage::subscribe_tokens(&api, &tokens)?;
        let warm_up = &tokens[..tokens.len() / 10];
        storm(&server, &api, Way::Leap, warm_up, rounds::wave(round, 5))?;
        for (way, step) in WAYS.into_iter().zip(1..) {
            let fresh =
                if way == Way::NewSubscription { Some(stage::create_tokens(&api, tokens.len())?) } else { None };
            let storm = storm(&server, &api, way, fresh.as_deref().unwrap_or(&tokens), rounds::wave(round, 5) + step)?;
            say(&format!(
                "C1 round {} of {}, {}: {:.1} µs of CPU each, {:.2} s on the clock",
                round + 1,
                settings.workload_rounds(),
                way.words(),
                storm.seconds_each() * 1e6,
                storm.wall.as_secs_f64()
            ));
            storms.push(storm);
        }
    }
    Ok(storms)
}

/// Everybody comes at once, and goes again.
pub(crate) fn storm(server: &Measured, api: &Api, way: Way, tokens: &[String], wave: u8) -> Outcome<Storm> {
    let channel = if way == Way::NewSubscription { OPEN } else { stage::CHANNEL };
    let (project, channels, some) = (server.project.as_str(), Channels::one(channel), Some(tokens));
    let dialect: Box<dyn Dialect + '_> = match way {
        Way::Leap => Box::new(Leap { api, project, channels, tokens: some }),
        Way::Native | Way::NewSubscription => Box::new(Native { api, project, channels, tokens: some, from: None }),
    };
    let mut poller = Poller::new()?;
    let (before, began) = (kernel::cpu_time(server.pid())?, kernel::now());
    let audience = Audience::gather(tokens.len(), wave, server.address, &*dialect, &mut poller)?;
    let (wall, after) = (began.elapsed(), kernel::cpu_time(server.pid())?);
    stage::await_online_in(api, channel, tokens.len())?;
    drop(audience);
    stage::await_online_in(api, channel, 0)?;
    Ok(Storm { way, connections: tokens.len(), server: after.saturating_sub(before), wall })
}

pub(crate) fn rows(settings: &Settings, storms: &[Storm]) -> Vec<Row> {
    let row = |way: Way| {
        let of_way = || storms.iter().filter(|storm| storm.way == way);
        let each = Spread::of(of_way().map(Storm::seconds_each));
        let rate = Spread::of(of_way().map(|storm| storm.connections as f64 / storm.wall.as_secs_f64()));
        let limit = if way == Way::NewSubscription { settings.targets.connect_new } else { settings.targets.connect };
        Row {
            id: "C1",
            workload: format!("{} clients connect at once {}", settings.subscribers, way.words()),
            floor: "–".to_owned(),
            server: each.with(1e6, 1, " µs of CPU each"),
            result: rate.with(1.0, 0, " a second on the clock"),
            target: format!("≤ {:.0} µs", limit * 1e6),
            reached: Some(each.median <= limit),
            generator: "–".to_owned(),
            raw: json!(
                of_way()
                    .map(|storm| json!({
                        "connections": storm.connections,
                        "server_cpu_s": storm.server.as_secs_f64(),
                        "wall_s": storm.wall.as_secs_f64(),
                    }))
                    .collect::<Vec<_>>()
            ),
        }
    };
    WAYS.into_iter().map(row).collect()
}
