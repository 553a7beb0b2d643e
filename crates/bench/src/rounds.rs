//! F1 and F3: rounds that take the floor and the server in turn, so that whatever else the machine does strikes both.
use crate::audience::Audience;
use crate::child::Measured;
use crate::dialect::{Channels, Dialect, leap::Leap, native::Native, text::Bare};
use crate::failure::{Failure, Outcome};
use crate::fanout::{Figures, Hall, Plan};
use crate::frame::Template;
use crate::kernel::Poller;
use crate::peers::Field;
use crate::publisher::{Control, Publisher};
use crate::rest::Api;
use crate::settings::Settings;
use crate::{say, stage};

/// One round: the same plans on the floor and on the server.
#[derive(Debug)]
pub(crate) struct Round {
    pub(crate) floor: Vec<Figures>,
    /// Over Leap. Empty where only the floor is measured.
    pub(crate) server: Vec<Figures>,
    /// The same over the native protocol.
    pub(crate) native: Vec<Figures>,
}

/// Measures `plans` in every round. Rounds with a server need one; without it only the floor is measured, and the peers are
/// left alone.
pub(crate) fn run(settings: &Settings, plans: &[Plan], with_server: bool) -> Outcome<(Vec<Round>, Field)> {
    let server = if with_server { Some(Prepared::start(settings)?) } else { None };
    let documented = Template::documented(settings.frame_bytes)?;
    let template = server.as_ref().map_or(&documented, |server| &server.template);
    let mut floor = Floor::with(settings, template)?;
    let mut field = if with_server { Field::start(settings, &Channels::one(stage::CHANNEL)) } else { Field::default() };
    let mut rounds = Vec::with_capacity(settings.rounds);
    for number in 0..settings.rounds {
        let wave = wave(number, 3);
        let label = |whom: &str| format!("round {} of {}, {whom}", number + 1, settings.rounds);
        let on_floor = floor.wave(settings, plans, wave);
        let on_floor = explain(on_floor, &label("floor"), &floor.process)?;
        tell(&label("floor"), plans, &on_floor);
        let (mut on_server, mut on_native) = (Vec::new(), Vec::new());
        if let Some(server) = &server {
            on_server = explain(server.wave(settings, plans, wave + 1, false), &label("Leap"), &server.process)?;
            tell(&label("Leap"), plans, &on_server);
            on_native = explain(server.wave(settings, plans, wave + 2, true), &label("native"), &server.process)?;
            tell(&label("native"), plans, &on_native);
        }
        let round = format!("round {} of {}", number + 1, settings.rounds);
        field.round(settings.subscribers, plans, wave, &round);
        rounds.push(Round { floor: on_floor, server: on_server, native: on_native });
    }
    Ok((rounds, field))
}

/// The floor and a server, over Leap alone: what the guard takes rounds of.
#[derive(Debug)]
pub(crate) struct Pairing {
    server: Prepared,
    floor: Floor,
}

impl Pairing {
    pub(crate) fn start(settings: &Settings) -> Outcome<Pairing> {
        let server = Prepared::start(settings)?;
        let floor = Floor::with(settings, &server.template)?;
        Ok(Pairing { server, floor })
    }

    /// The same plans on both.
    pub(crate) fn round(&mut self, settings: &Settings, plans: &[Plan], number: usize) -> Outcome<Round> {
        let wave = wave(number, 2);
        let floor = explain(self.floor.wave(settings, plans, wave), "the floor", &self.floor.process)?;
        tell("floor", plans, &floor);
        let server = self.server.wave(settings, plans, wave + 1, false);
        let server = explain(server, "Leap", &self.server.process)?;
        tell("Leap", plans, &server);
        Ok(Round { floor, server, native: Vec::new() })
    }
}

fn tell(label: &str, plans: &[Plan], figures: &[Figures]) {
    for (plan, figures) in plans.iter().zip(figures) {
        say(&format!(
            "{label}: {} pending: {:.0} deliveries per core-second ({} publications, server {:.0} %, generator {:.0} %)",
            plan.pending(),
            figures.per_core_second(),
            figures.publications,
            figures.server_share() * 100.0,
            figures.generator_share() * 100.0
        ));
    }
}

/// Adds where it happened and what the measured process logged.
fn explain<T>(outcome: Outcome<T>, label: &str, process: &Measured) -> Outcome<T> {
    let words = |what: String| format!("{label}: {what}\n{}", process.log_tail());
    outcome.map_err(|failure| match failure {
        Failure::CannotRun(what) => Failure::CannotRun(words(what)),
        Failure::Unfit(_) => failure,
        Failure::Delivery(what) => Failure::Delivery(words(what)),
    })
}

/// The floor's process, and the line over which it is told what to do.
#[derive(Debug)]
pub(crate) struct Floor {
    process: Measured,
    control: Control,
    template: Template,
}

impl Floor {
    /// With the frame that Hop's documentation describes.
    pub(crate) fn start(settings: &Settings) -> Outcome<Floor> {
        Floor::with(settings, &Template::documented(settings.frame_bytes)?)
    }

    fn with(settings: &Settings, template: &Template) -> Outcome<Floor> {
        let process = Measured::floor(settings.fault.as_deref(), settings.cores)?;
        let mut control = Control::connect(process.address)?;
        control.say(&format!("frame {}", template.to_hex()))?;
        Ok(Floor { process, control, template: template.clone() })
    }

    pub(crate) fn wave(&mut self, settings: &Settings, plans: &[Plan], wave: u8) -> Outcome<Vec<Figures>> {
        self.wave_of(settings.subscribers, 1, plans, wave)
    }

    /// The same with so many subscribers, dealt out among channels.
    pub(crate) fn wave_of(
        &mut self,
        subscribers: usize,
        channels: usize,
        plans: &[Plan],
        wave: u8,
    ) -> Outcome<Vec<Figures>> {
        let mut poller = Poller::new()?;
        self.control.say(&format!("accept {subscribers}"))?;
        let audience = Audience::gather(subscribers, wave, self.process.address, &Bare, &mut poller)?;
        self.control.await_ok()?;
        let pid = self.process.pid();
        let mut hall = Hall { audience, poller, template: &self.template, next_sequence: 1, channels, pid };
        let mut figures = Vec::with_capacity(plans.len());
        for plan in plans {
            figures.push(hall.run(*plan, Publisher::floor(&mut self.control, plan.pending()))?);
        }
        drop(hall);
        self.control.say("part")?;
        self.control.await_ok()?;
        Ok(figures)
    }
}

/// The first of the source addresses of a round's audiences: each has its own, so no port waits in TIME_WAIT.
pub(crate) fn wave(round: usize, audiences: usize) -> u8 {
    u8::try_from(round * audiences % (240 / audiences * audiences)).unwrap_or(0) + 1
}

/// A server with a channel that anybody may join, and the frame it sends there.
#[derive(Debug)]
struct Prepared {
    process: Measured,
    template: Template,
    padding: usize,
    native: (Template, usize),
}

impl Prepared {
    fn start(settings: &Settings) -> Outcome<Prepared> {
        let process = Measured::server(&settings.server, &settings.server_arguments, settings.cores)?;
        let prepare = || {
            let api = stage::api(&process);
            stage::create_channel(&api, "unprotected")?;
            let learn = |is_native| {
                let dialect = protocol(is_native, &api, &process.project);
                stage::learn_frame(process.address, &*dialect, settings.frame_bytes)
            };
            Ok((learn(false)?, learn(true)?))
        };
        let ((template, padding), native) = explain(prepare(), "preparing the server", &process)?;
        Ok(Prepared { process, template, padding, native })
    }

    fn wave(&self, settings: &Settings, plans: &[Plan], wave: u8, is_native: bool) -> Outcome<Vec<Figures>> {
        let api = stage::api(&self.process);
        let dialect = protocol(is_native, &api, &self.process.project);
        stage::await_online(&api, 0)?;
        let mut poller = Poller::new()?;
        let audience = Audience::gather(settings.subscribers, wave, self.process.address, &*dialect, &mut poller)?;
        stage::await_online(&api, settings.subscribers)?;
        let (template, padding) =
            if is_native { (&self.native.0, self.native.1) } else { (&self.template, self.padding) };
        let mut hall = Hall { audience, poller, template, next_sequence: 1, channels: 1, pid: self.process.pid() };
        let mut figures = Vec::with_capacity(plans.len());
        for plan in plans {
            let publisher = Publisher::of(&*dialect, padding, *plan, &hall.poller)?;
            figures.push(hall.run(*plan, publisher)?);
        }
        drop(hall);
        stage::await_online(&api, 0)?;
        Ok(figures)
    }
}

fn protocol<'a>(is_native: bool, api: &'a Api, project: &'a str) -> Box<dyn Dialect + 'a> {
    let channels = Channels::one(stage::CHANNEL);
    if is_native {
        Box::new(Native { api, project, channels, tokens: None, from: None })
    } else {
        Box::new(Leap { api, project, channels, tokens: None })
    }
}
