//! H1: thousands of clients come back to a channel at once, each having missed as many messages. Beside that, in the same round: the same messages to
//! the same clients while they are there, and clients that come without having missed anything, which is what connecting costs.
use crate::audience::Audience;
use crate::child::Measured;
use crate::dialect::{Channels, native::Native};
use crate::failure::{Outcome, cannot};
use crate::fanout::{Hall, Plan};
use crate::kernel::{self, Poller};
use crate::publisher::{Pace, Publisher};
use crate::settings::Settings;
use crate::{say, stage};
use std::time::Duration;

/// Messages that each client missed.
pub(crate) const MISSED: u64 = 100;

/// What a round cost.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Resumed {
    pub(crate) clients: usize,
    /// Server CPU of delivering the messages live.
    pub(crate) live: Duration,
    /// Server CPU of connecting and subscribing without a past.
    pub(crate) connecting: Duration,
    /// The same with everything missed.
    pub(crate) resuming: Duration,
    /// From the first connection to the last message.
    pub(crate) wall: Duration,
    /// The same for those without a past.
    pub(crate) connecting_wall: Duration,
}

impl Resumed {
    /// CPU of the missed messages alone, as a multiple of that of delivering them live.
    pub(crate) fn times_live(&self) -> f64 {
        self.resuming.saturating_sub(self.connecting).as_secs_f64() / self.live.as_secs_f64()
    }
}

pub(crate) fn run(settings: &Settings) -> Outcome<Vec<Resumed>> {
    (0..settings.workload_rounds())
        .map(|number| {
            let resumed = measure(settings, u8::try_from(number % 60).unwrap_or(0) * 4)?;
            say(&format!(
                "resume round {} of {}: live {:.2} s of CPU, connecting {:.2} s, connecting and catching up {:.2} s ({:.2} times live), {:.1} s on the clock",
                number + 1,
                settings.workload_rounds(),
                resumed.live.as_secs_f64(),
                resumed.connecting.as_secs_f64(),
                resumed.resuming.as_secs_f64(),
                resumed.times_live(),
                resumed.wall.as_secs_f64()
            ));
            Ok(resumed)
        })
        .collect()
}

fn measure(settings: &Settings, wave: u8) -> Outcome<Resumed> {
    let server = Measured::server(&settings.server, &settings.server_arguments, settings.cores)?;
    let (api, project, channel) = (stage::api(&server), server.project.as_str(), stage::CHANNEL);
    stage::create_channel(&api, "unprotected")?;
    let channels = Channels::one(channel);
    let fresh = Native { api: &api, project, channels: channels.clone(), tokens: None, from: None };
    let (template, padding) = stage::learn_frame(server.address, &fresh, settings.frame_bytes)?;
    // The first messages warm the server up; then as many live ones as will be missed.
    let mut poller = Poller::new()?;
    let audience = Audience::gather(settings.subscribers, wave, server.address, &fresh, &mut poller)?;
    let plan = Plan { pace: Pace::Pending(1), span: Duration::ZERO, warm_up: 20 };
    let mut hall = Hall { audience, poller, template: &template, next_sequence: 1, channels: 1, pid: server.pid() };
    let publisher = Publisher::of(&fresh, padding, plan, &hall.poller)?;
    hall.run(plan, publisher)?;
    let before = kernel::cpu_time(server.pid())?;
    let plan = Plan { pace: Pace::Pending(1), span: Duration::ZERO, warm_up: MISSED };
    let publisher = Publisher::of(&fresh, padding, plan, &hall.poller)?;
    hall.run(plan, publisher)?;
    let live = kernel::cpu_time(server.pid())?.saturating_sub(before);
    let first = hall.next_sequence;
    drop(hall);
    stage::await_online(&api, 0)?;

    let (before, began) = (kernel::cpu_time(server.pid())?, kernel::now());
    let mut poller = Poller::new()?;
    drop(Audience::gather(settings.subscribers, wave + 1, server.address, &fresh, &mut poller)?);
    let connecting_wall = began.elapsed();
    stage::await_online(&api, 0)?;
    let connecting = kernel::cpu_time(server.pid())?.saturating_sub(before);

    // The position of the last message that everybody had.
    let path = format!("/v2/channels/{channel}/messages");
    let mut position = None;
    for sequence in first..=first + MISSED {
        let body = format!(r#"{{"event":"tick","data":"{}"}}"#, crate::frame::payload(sequence, padding));
        let answer = api.call("POST", &path, &body)?;
        position = position.or_else(|| answer["position"].as_str().map(str::to_owned));
    }
    let Some(position) = position else { return cannot("the answer to a publication has no position") };

    let (before, began) = (kernel::cpu_time(server.pid())?, kernel::now());
    let mut poller = Poller::new()?;
    let back = Native { api: &api, project, channels, tokens: None, from: Some(&position) };
    let mut audience = Audience::gather(settings.subscribers, wave + 2, server.address, &back, &mut poller)?;
    audience.catch_up(MISSED, &template, &mut poller)?;
    let wall = began.elapsed();
    drop(audience);
    stage::await_online(&api, 0)?;
    let resuming = kernel::cpu_time(server.pid())?.saturating_sub(before);
    Ok(Resumed { clients: settings.subscribers, live, connecting, resuming, wall, connecting_wall })
}
