//! The workloads beside plain fan-out, a file each. Every one starts a server of its own, measures in rounds, and writes its own lines of
//! the table. What they share is here: a server with channels that anybody may join.
pub(crate) mod growth;
pub(crate) mod mute;
pub(crate) mod neighbours;
pub(crate) mod publishes;
pub(crate) mod spread;
pub(crate) mod steady;
pub(crate) mod storm;

use crate::audience::Audience;
use crate::child::Measured;
use crate::dialect::{Channels, leap::Leap};
use crate::failure::{Failure, Outcome};
use crate::fanout::Hall;
use crate::frame::Template;
use crate::kernel::Poller;
use crate::rest::Api;
use crate::settings::Settings;
use crate::stage;

/// A Tollgate with open channels, and the frame that it sends there.
#[derive(Debug)]
pub(crate) struct Venue {
    pub(crate) process: Measured,
    pub(crate) api: Api,
    channels: Channels,
    template: Template,
    padding: usize,
}

impl Venue {
    pub(crate) fn open(settings: &Settings, count: usize) -> Outcome<Venue> {
        Venue::open_with(settings, count, settings.frame_bytes)
    }

    /// The same with frames of another length.
    pub(crate) fn open_with(settings: &Settings, count: usize, frame_bytes: usize) -> Outcome<Venue> {
        let process = Measured::server(&settings.server, &settings.server_arguments, settings.cores)?;
        let (api, channels) = (stage::api(&process), Channels::many(stage::CHANNEL, count));
        let prepared = stage::create_channels(&api, &channels).and_then(|()| {
            let dialect = Leap { api: &api, project: &process.project, channels: channels.clone(), tokens: None };
            stage::learn_frame(process.address, &dialect, frame_bytes)
        });
        let (template, padding) = explain(prepared, "preparing the server", &process)?;
        Ok(Venue { process, api, channels, template, padding })
    }

    /// How everybody joins.
    pub(crate) fn leap(&self) -> Leap<'_> {
        let (project, channels) = (self.process.project.as_str(), self.channels.clone());
        Leap { api: &self.api, project, channels, tokens: None }
    }

    pub(crate) fn padding(&self) -> usize {
        self.padding
    }

    /// Gathers so many subscribers, dealt out into the channels.
    pub(crate) fn hall<'a>(&'a self, leap: &'a Leap<'a>, subscribers: usize, wave: u8) -> Outcome<Hall<'a>> {
        let mut poller = Poller::new()?;
        let audience = Audience::gather(subscribers, wave, self.process.address, leap, &mut poller)?;
        let members = subscribers.div_ceil(self.channels.count);
        stage::await_online_in(&self.api, &self.channels.name(0), members)?;
        let (template, pid, channels) = (&self.template, self.process.pid(), self.channels.count);
        Ok(Hall { audience, poller, template, next_sequence: 1, channels, pid })
    }

    /// Waits until everybody has gone.
    pub(crate) fn await_empty(&self) -> Outcome<()> {
        stage::await_online_in(&self.api, &self.channels.name(self.channels.count - 1), 0)?;
        stage::await_online_in(&self.api, &self.channels.name(0), 0)
    }

    /// Adds where it happened, and what the server logged.
    pub(crate) fn explain<T>(&self, outcome: Outcome<T>, label: &str) -> Outcome<T> {
        explain(outcome, label, &self.process)
    }
}

fn explain<T>(outcome: Outcome<T>, label: &str, process: &Measured) -> Outcome<T> {
    let words = |what: String| format!("{label}: {what}\n{}", process.log_tail());
    outcome.map_err(|failure| match failure {
        Failure::CannotRun(what) => Failure::CannotRun(words(what)),
        Failure::Unfit(_) => failure,
        Failure::Delivery(what) => Failure::Delivery(words(what)),
    })
}
