//! One measured phase: publications to a whole audience with so many pending, every delivery counted, CPU read before
//! and after. Knows neither rounds nor targets.
use crate::audience::Audience;
use crate::books::{Books, Latency};
use crate::failure::{Failure, Outcome};
use crate::frame::Template;
use crate::kernel::{self, Poller};
use crate::ledger::Faults;
use crate::publisher::{PUBLISHERS, Pace, Publisher};
use std::time::{Duration, Instant};

/// Without any delivery for this long, what is pending counts as lost.
const STALL: Duration = Duration::from_secs(10);
/// The same once a fault has been seen: only late arrivals are awaited.
const STALL_AFTER_FAULT: Duration = Duration::from_millis(500);
/// After the last expected delivery, duplicates are awaited for this long.
const AFTERWARDS: Duration = Duration::from_millis(50);
/// Asleep in epoll, the reader would be woken by nearly every `send()`, at the sender's expense: 1 to 2 µs that no receiver
/// on another machine causes. So it dozes between looks instead, unless it has this much to do.
const DOZE: Duration = Duration::from_micros(500);
const BUSY_SOCKETS: usize = 512;

/// What is published, and how publications follow each other.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Plan {
    pub(crate) pace: Pace,
    pub(crate) span: Duration,
    /// Publications before the measurement begins.
    pub(crate) warm_up: u64,
}

impl Plan {
    /// How many a closed loop keeps pending.
    pub(crate) fn pending(&self) -> u64 {
        match self.pace {
            Pace::Pending(pending) => pending,
            Pace::PerSecond(_) => 0,
        }
    }
}

/// What a phase cost.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Figures {
    pub(crate) publications: u64,
    pub(crate) deliveries: u64,
    pub(crate) server_cpu: Duration,
    pub(crate) generator_cpu: Duration,
    pub(crate) wall: Duration,
    /// Of an open loop.
    pub(crate) latency: Option<Latency>,
    /// Publications of an open loop that were not with everybody, or not even made, when its time was over.
    pub(crate) backlog: u64,
    /// How late an open loop's publication went out at worst.
    pub(crate) latest: Duration,
}

impl Figures {
    /// Deliveries for one second of one core's time in the measured process.
    pub(crate) fn per_core_second(&self) -> f64 {
        self.deliveries as f64 / self.server_cpu.as_secs_f64()
    }

    pub(crate) fn server_share(&self) -> f64 {
        self.server_cpu.as_secs_f64() / self.wall.as_secs_f64()
    }

    pub(crate) fn generator_share(&self) -> f64 {
        self.generator_cpu.as_secs_f64() / self.wall.as_secs_f64()
    }
}

/// An audience with the frame that it expects.
pub(crate) struct Hall<'a> {
    pub(crate) audience: Audience<'a>,
    pub(crate) poller: Poller,
    pub(crate) template: &'a Template,
    pub(crate) next_sequence: u64,
    /// Into which the audience is dealt out.
    pub(crate) channels: usize,
    /// The process whose CPU time counts.
    pub(crate) pid: u32,
}

impl Hall<'_> {
    /// Runs one phase. Any fault in a delivery ends it as [`Failure::Delivery`].
    pub(crate) fn run(&mut self, plan: Plan, mut publisher: Publisher<'_>) -> Outcome<Figures> {
        let is_open = matches!(plan.pace, Pace::PerSecond(_));
        let (channels, is_ordered) = (self.channels, publisher.is_ordered(self.channels));
        let mut books = Books::new(channels, self.audience.listening(), self.next_sequence, is_ordered, is_open);
        self.pump(&mut publisher, &mut books, &|books| books.complete() < plan.warm_up)?;
        books.forget_latencies();
        publisher.begin_anew();
        let (before, wall) = (Reading::take(self.pid, &books)?, kernel::now());
        let backlog = self.pump(&mut publisher, &mut books, &|_| wall.elapsed() < plan.span)?;
        let (wall, after) = (wall.elapsed(), Reading::take(self.pid, &books)?);
        self.listen_afterwards(&mut publisher, &mut books)?;
        let faults = books.faults();
        if faults != Faults::default() {
            return Err(Failure::Delivery(faults.to_string()));
        }
        self.next_sequence = books.next_sequence();
        let (late, latest) = publisher.lag(plan.span);
        Ok(Figures {
            publications: after.publications - before.publications,
            deliveries: after.deliveries - before.deliveries,
            server_cpu: after.server.saturating_sub(before.server),
            generator_cpu: after.generator.saturating_sub(before.generator),
            wall,
            latency: books.latency(),
            backlog: if is_open { backlog + late } else { 0 },
            latest,
        })
    }

    /// Publishes while `more` says so, then until everything has arrived and been answered. Answers how much was pending in between.
    fn pump(
        &mut self,
        publisher: &mut Publisher<'_>,
        books: &mut Books,
        more: &dyn Fn(&Books) -> bool,
    ) -> Outcome<u64> {
        let mut ready = Vec::with_capacity(1024);
        let (mut since, mut heard, mut backlog) = (kernel::now(), books.heard(), None);
        loop {
            if backlog.is_none() && more(books) {
                publisher.fill(&mut self.audience, books)?;
            } else {
                let pending = *backlog.get_or_insert(books.pending());
                if books.pending() == 0 && publisher.is_quiet() {
                    return Ok(pending);
                }
            }
            self.poller.wait(publisher.pause(), &mut ready)?;
            self.take(&ready, publisher, books)?;
            if ready.len() < BUSY_SOCKETS {
                std::thread::sleep(DOZE);
            }
            if books.heard() != heard {
                (since, heard) = (kernel::now(), books.heard());
            }
            let suspicious = books.suspicious();
            let patience = if suspicious { STALL_AFTER_FAULT } else { STALL };
            if (ready.is_empty() || suspicious) && since.elapsed() > patience {
                return Err(Failure::Delivery(format!("{} (nothing more came)", books.faults())));
            }
        }
    }

    fn take(&mut self, ready: &[u64], publisher: &mut Publisher<'_>, books: &mut Books) -> Outcome<()> {
        for number in ready {
            if *number >= PUBLISHERS {
                publisher.ready(*number, &self.poller)?;
            } else {
                self.audience.count(*number, self.template, books)?;
            }
        }
        Ok(())
    }

    fn listen_afterwards(&mut self, publisher: &mut Publisher<'_>, books: &mut Books) -> Outcome<()> {
        let (start, mut ready): (Instant, Vec<u64>) = (kernel::now(), Vec::new());
        while start.elapsed() < AFTERWARDS {
            self.poller.wait(AFTERWARDS, &mut ready)?;
            self.take(&ready, publisher, books)?;
        }
        Ok(())
    }
}

struct Reading {
    publications: u64,
    deliveries: u64,
    server: Duration,
    generator: Duration,
}

impl Reading {
    fn take(pid: u32, books: &Books) -> Outcome<Reading> {
        Ok(Reading {
            publications: books.complete(),
            deliveries: books.deliveries(),
            server: kernel::cpu_time(pid)?,
            generator: kernel::cpu_time(std::process::id())?,
        })
    }
}
