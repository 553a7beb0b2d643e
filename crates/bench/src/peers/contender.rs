//! A running peer in the place of the server under test: the same audience, the same plans, the same ledger, the same readings of CPU and memory.
use super::{Chosen, Peer, Running};
use crate::audience::Audience;
use crate::child::Cores;
use crate::dialect::{Channels, Dialect};
use crate::failure::{Doing, Failure, Outcome, cannot};
use crate::fanout::{Figures, Hall, Plan};
use crate::frame::Template;
use crate::kernel::{self, Poller};
use crate::publisher::{Pace, Publisher};
use crate::{idle, stage};
use std::fs;
use std::time::Duration;

/// Before the first reading, as for Tollgate's own.
const WARM_UP_CONNECTIONS: usize = 200;
/// With many pending, as many as those come anyway; more would take some peers half a minute.
const WARM_UP_PUBLICATIONS: u64 = 8;
const PATIENCE: Duration = Duration::from_secs(20);
/// Descriptors that a peer may have opened for itself since it was started.
const OWN_DESCRIPTORS: usize = 8;

#[derive(Debug)]
pub(crate) struct Contender {
    running: Running,
    dialect: Box<dyn Dialect>,
    template: Template,
    padding: usize,
    channels: usize,
    /// Descriptors of the peer when nobody is connected.
    descriptors: usize,
}

/// Resident memory of a fresh peer.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Memory {
    pub(crate) connections: usize,
    pub(crate) empty_kib: u64,
    pub(crate) half_kib: u64,
    pub(crate) full_kib: u64,
}

impl Memory {
    /// The larger of the growth over all connections and over the second half: see M1.
    pub(crate) fn kib_per_connection(&self) -> f64 {
        let growth = |from: u64, count: usize| (self.full_kib as f64 - from as f64) / count.max(1) as f64;
        growth(self.empty_kib, self.connections).max(growth(self.half_kib, self.connections - self.connections / 2))
    }
}

impl Contender {
    /// Installs and starts a peer, and learns what it sends.
    ///
    /// # Errors
    /// Of [`Running::start`] and [`Contender::new`].
    pub(crate) fn start(chosen: &Chosen, cores: Cores, frame_bytes: usize, channels: Channels) -> Outcome<Contender> {
        Contender::new(Running::start(chosen, cores)?, frame_bytes, channels)
    }

    /// Learns what the peer's publications look like, padded to so many bytes on the wire.
    ///
    /// # Errors
    /// Where its smallest frame is larger, or no publication comes through; with the end of its log.
    fn new(running: Running, frame_bytes: usize, channels: Channels) -> Outcome<Contender> {
        let count = channels.count;
        let dialect = running.dialect(channels);
        let descriptors = descriptors(running.pid)?;
        let learned = stage::learn_frame(running.address, &*dialect, frame_bytes);
        let (template, padding) = explain(learned, &running)?;
        Ok(Contender { running, dialect, template, padding, channels: count, descriptors })
    }

    pub(crate) fn peer(&self) -> &'static Peer {
        self.running.peer
    }

    /// Gathers an audience, runs the plans one after another, and lets it go. `wave` as for [`Audience::gather`].
    ///
    /// # Errors
    /// A message that was lost, doubled, disordered or altered, or a peer that did not take part; with the end of its log.
    pub(crate) fn wave(&self, subscribers: usize, plans: &[Plan], wave: u8) -> Outcome<Vec<Figures>> {
        explain(self.measure(subscribers, plans, wave), &self.running)
    }

    fn measure(&self, subscribers: usize, plans: &[Plan], wave: u8) -> Outcome<Vec<Figures>> {
        self.await_alone()?;
        let mut poller = Poller::new()?;
        let audience = Audience::gather(subscribers, wave, self.running.address, &*self.dialect, &mut poller)?;
        let mut hall = self.hall(audience, poller);
        let mut figures = Vec::with_capacity(plans.len());
        for plan in plans {
            let plan = Plan { warm_up: plan.warm_up.min(WARM_UP_PUBLICATIONS), ..*plan };
            let publisher = Publisher::of(&*self.dialect, self.padding, plan, &hall.poller)?;
            figures.push(hall.run(plan, publisher)?);
        }
        drop(hall);
        self.await_alone()?;
        Ok(figures)
    }

    /// What idle connections keep resident. Only a fresh peer tells: memory that it kept from earlier work holds some for nothing.
    ///
    /// # Errors
    /// As [`Contender::wave`]: two publications must reach every connection that was weighed.
    pub(crate) fn idle(&self, connections: usize, wave: u8) -> Outcome<Memory> {
        explain(self.weigh(connections, wave), &self.running)
    }

    fn weigh(&self, connections: usize, wave: u8) -> Outcome<Memory> {
        let pid = self.running.pid;
        let mut poller = Poller::new()?;
        drop(Audience::gather(WARM_UP_CONNECTIONS, 0, self.running.address, &*self.dialect, &mut poller)?);
        self.await_alone()?;
        let empty_kib = idle::settle(pid)?;
        let mut poller = Poller::new()?;
        let mut audience = Audience::gather(connections / 2, wave, self.running.address, &*self.dialect, &mut poller)?;
        let half_kib = idle::settle(pid)?;
        audience.grow(connections, &mut poller)?;
        let full_kib = idle::settle(pid)?;
        let plan = Plan { pace: Pace::Pending(1), span: Duration::ZERO, warm_up: 2 };
        let publisher = Publisher::of(&*self.dialect, self.padding, plan, &poller)?;
        self.hall(audience, poller).run(plan, publisher)?;
        self.await_alone()?;
        Ok(Memory { connections, empty_kib, half_kib, full_kib })
    }

    fn hall<'a>(&'a self, audience: Audience<'a>, poller: Poller) -> Hall<'a> {
        Hall {
            audience,
            poller,
            template: &self.template,
            next_sequence: 1,
            channels: self.channels,
            pid: self.running.pid,
        }
    }

    /// Waits until the peer has closed all that its last audience left, so that this costs the next one nothing. Some take a
    /// while over ten thousand; as long as they go on with it they are given the time.
    fn await_alone(&self) -> Outcome<()> {
        let (mut fewest, mut since) = (usize::MAX, kernel::now());
        loop {
            let open = descriptors(self.running.pid)?;
            if open <= self.descriptors + OWN_DESCRIPTORS {
                return Ok(());
            }
            if open < fewest {
                (fewest, since) = (open, kernel::now());
            }
            if since.elapsed() > PATIENCE {
                return cannot(format!("it still has {open} descriptors open, {} when it began", self.descriptors));
            }
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}

fn descriptors(pid: u32) -> Outcome<usize> {
    Ok(fs::read_dir(format!("/proc/{pid}/fd")).doing("count the descriptors of a peer")?.count())
}

/// Adds whose fault it is, and what it logged.
fn explain<T>(outcome: Outcome<T>, running: &Running) -> Outcome<T> {
    let words = |what: String| format!("{}: {what}\n{}", running.peer.title, running.log_tail());
    outcome.map_err(|failure| match failure {
        Failure::CannotRun(what) => Failure::CannotRun(words(what)),
        Failure::Delivery(what) => Failure::Delivery(words(what)),
        Failure::Unfit(_) => failure,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_that_was_there_before_does_not_hide_what_a_connection_takes() {
        let memory = |empty_kib, half_kib, full_kib| Memory { connections: 100, empty_kib, half_kib, full_kib };
        assert!((memory(1_000, 1_200, 1_400).kib_per_connection() - 4.0).abs() < 1e-9);
        assert!((memory(1_000, 1_000, 1_200).kib_per_connection() - 4.0).abs() < 1e-9, "the first half was free");
    }
}
