//! M1: what an idle connection keeps resident in the server. The tokens and subscriptions exist before the first reading,
//! so the figure is the connection's own; what the records take is told apart.
//!
//! Memory that the allocator kept from earlier work can hold the first connections for nothing. So the connections come
//! in steps, and the figure is the larger of two: growth over all of them, and growth over the second half.
use crate::audience::Audience;
use crate::child::Measured;
use crate::dialect::{Channels, Dialect, leap::Leap, native::Native};
use crate::failure::Outcome;
use crate::fanout::{Hall, Plan};
use crate::kernel::{self, Poller};
use crate::publisher::{Pace, Publisher};
use crate::rest::Api;
use crate::settings::Settings;
use crate::wire::Certificate;
use crate::{say, stage};
use std::time::Duration;

const WARM_UP_CONNECTIONS: usize = 200;
/// Memory counts as settled when the last readings, 250 ms apart, are this close together.
const SETTLED_READINGS: usize = 12;
const QUICK_READINGS: usize = 3;
const SETTLED_KIB: u64 = 64;
const SETTLE_DEADLINE: Duration = Duration::from_secs(30);

/// Readings are taken before the first and after each of so many equal parts of the connections.
const STEPS: usize = 4;

/// The readings of a fresh server.
#[derive(Debug, Clone)]
pub(crate) struct Idle {
    pub(crate) connections: usize,
    pub(crate) empty_kib: u64,
    /// Without connections, then after each step.
    pub(crate) steps_kib: Vec<u64>,
}

impl Idle {
    pub(crate) fn kib_per_connection(&self) -> f64 {
        let growth = |from: usize| {
            let grown = self.kib(STEPS) - self.kib(from);
            grown / (self.connections * (STEPS - from) / STEPS) as f64
        };
        growth(0).max(growth(STEPS / 2))
    }

    /// A token with one subscription.
    pub(crate) fn kib_per_record(&self) -> f64 {
        (self.kib(0) - self.empty_kib as f64) / self.connections as f64
    }

    fn kib(&self, step: usize) -> f64 {
        self.steps_kib.get(step).map_or(f64::NAN, |kib| *kib as f64)
    }
}

pub(crate) fn run(settings: &Settings, rounds: usize, is_native: bool) -> Outcome<Vec<Idle>> {
    (1..=rounds)
        .map(|number| {
            let idle = measure(settings, is_native)?;
            say(&format!(
                "idle round {number} of {rounds}, {}: {:.2} KiB per connection ({:?} KiB in steps), {:.2} KiB per token with subscription",
                if is_native { "native" } else { "Leap" },
                idle.kib_per_connection(),
                idle.steps_kib,
                idle.kib_per_record()
            ));
            Ok(idle)
        })
        .collect()
}

/// The same over TLS, and Leap. The tokens and subscriptions are made before, by a server without TLS on the same data; nobody is asked how many are
/// there, for everybody has been told that it has joined.
pub(crate) fn run_tls(settings: &Settings) -> Outcome<Vec<Idle>> {
    (1..=settings.idle_rounds())
        .map(|number| {
            let idle = measure_tls(settings)?;
            say(&format!(
                "idle round {number} of {}, over TLS: {:.2} KiB per connection ({:?} KiB in steps)",
                settings.idle_rounds(),
                idle.kib_per_connection(),
                idle.steps_kib
            ));
            Ok(idle)
        })
        .collect()
}

fn measure_tls(settings: &Settings) -> Outcome<Idle> {
    let server = Measured::server(&settings.server, &settings.server_arguments, settings.cores)?;
    let api = stage::api(&server);
    stage::create_channel(&api, "private")?;
    let tokens = stage::create_tokens(&api, settings.subscribers)?;
    stage::subscribe_tokens(&api, &tokens)?;
    let pem = Certificate::make(server.folder())?;
    let mut arguments = settings.server_arguments.clone();
    arguments.extend(["--config".to_owned(), pem.config.to_string_lossy().into_owned()]);
    let server = server.again(&settings.server, &arguments, settings.cores)?;

    let dialect = protocol(false, &api, &server.project, &tokens);
    let mut poller = Poller::new()?;
    let mut audience = Audience::over_tls(0, server.address, &*dialect, &pem.trust, &mut poller)?;
    audience.grow(WARM_UP_CONNECTIONS, &mut poller)?;
    drop(audience);
    let empty_kib = settle_for(settings, server.pid())?;
    let mut steps_kib = vec![empty_kib];
    let mut poller = Poller::new()?;
    let mut audience = Audience::over_tls(1, server.address, &*dialect, &pem.trust, &mut poller)?;
    for step in 1..=STEPS {
        audience.grow(settings.subscribers * step / STEPS, &mut poller)?;
        steps_kib.push(settle_for(settings, server.pid())?);
    }
    drop(audience);
    Ok(Idle { connections: settings.subscribers, empty_kib, steps_kib })
}

fn measure(settings: &Settings, is_native: bool) -> Outcome<Idle> {
    let server = Measured::server(&settings.server, &settings.server_arguments, settings.cores)?;
    let api = stage::api(&server);
    stage::create_channel(&api, "private")?;
    let warm_up = stage::create_tokens(&api, WARM_UP_CONNECTIONS)?;
    stage::subscribe_tokens(&api, &warm_up)?;
    let dialect = protocol(is_native, &api, &server.project, &warm_up);
    let (template, padding) = stage::learn_frame(server.address, &*dialect, settings.frame_bytes)?;
    let mut poller = Poller::new()?;
    drop(Audience::gather(WARM_UP_CONNECTIONS, 0, server.address, &*dialect, &mut poller)?);
    stage::await_online(&api, 0)?;
    let empty_kib = settle_for(settings, server.pid())?;

    let tokens = stage::create_tokens(&api, settings.subscribers)?;
    stage::subscribe_tokens(&api, &tokens)?;
    let mut steps_kib = vec![settle_for(settings, server.pid())?];

    let dialect = protocol(is_native, &api, &server.project, &tokens);
    let mut poller = Poller::new()?;
    let mut audience = Audience::gather(0, 1, server.address, &*dialect, &mut poller)?;
    for step in 1..=STEPS {
        let connections = settings.subscribers * step / STEPS;
        audience.grow(connections, &mut poller)?;
        stage::await_online(&api, connections)?;
        steps_kib.push(settle_for(settings, server.pid())?);
    }

    // The connections that were weighed must also be alive: two publications reach every one of them.
    let plan = Plan { pace: Pace::Pending(1), span: Duration::ZERO, warm_up: 2 };
    let publisher = Publisher::of(&*dialect, padding, plan, &poller)?;
    let mut hall = Hall { audience, poller, template: &template, next_sequence: 1, channels: 1, pid: server.pid() };
    hall.run(plan, publisher)?;
    Ok(Idle { connections: settings.subscribers, empty_kib, steps_kib })
}

fn protocol<'a>(is_native: bool, api: &'a Api, project: &'a str, tokens: &'a [String]) -> Box<dyn Dialect + 'a> {
    let (channels, tokens) = (Channels::one(stage::CHANNEL), Some(tokens));
    if is_native {
        Box::new(Native { api, project, channels, tokens, from: None })
    } else {
        Box::new(Leap { api, project, channels, tokens })
    }
}

/// Resident memory once it has stopped changing, or after the deadline. A quick run, which says nothing about memory, waits less.
pub(crate) fn settle_for(settings: &Settings, pid: u32) -> Outcome<u64> {
    settle_over(pid, if settings.quick { QUICK_READINGS } else { SETTLED_READINGS })
}

/// The same, patiently.
pub(crate) fn settle(pid: u32) -> Outcome<u64> {
    settle_over(pid, SETTLED_READINGS)
}

fn settle_over(pid: u32, count: usize) -> Outcome<u64> {
    let deadline = kernel::now() + SETTLE_DEADLINE;
    let mut readings = Vec::new();
    loop {
        let latest = kernel::resident_kib(pid)?;
        readings.push(latest);
        if let Some(recent) = readings.len().checked_sub(count).map(|from| &readings[from..]) {
            let spread = recent.iter().max().zip(recent.iter().min()).map_or(0, |(most, least)| most - least);
            if spread <= SETTLED_KIB || kernel::now() > deadline {
                return Ok(latest);
            }
        }
        std::thread::sleep(Duration::from_millis(250));
    }
}
