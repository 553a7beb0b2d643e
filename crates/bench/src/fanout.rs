//! One measured phase: publications to a whole audience with so many pending, every delivery counted, CPU read before
//! and after. Knows neither rounds nor targets.
use crate::audience::Audience;
use crate::dialect::{Dialect, Publishing};
use crate::failure::{Doing, Failure, Outcome, cannot};
use crate::frame::{self, Template};
use crate::kernel::{self, Poller};
use crate::ledger::{Faults, Ledger};
use crate::rest::Pool;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
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
/// Poller numbers from here on are REST connections; below are subscribers.
const REST_BASE: u64 = 1 << 32;

/// What is published, and how many publications wait at the same time.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Plan {
    pub(crate) pending: u64,
    pub(crate) span: Duration,
    /// Publications before the measurement begins.
    pub(crate) warm_up: u64,
}

/// What a phase cost.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Figures {
    pub(crate) publications: u64,
    pub(crate) deliveries: u64,
    pub(crate) server_cpu: Duration,
    pub(crate) generator_cpu: Duration,
    pub(crate) wall: Duration,
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

/// The line over which the floor is told what to do.
#[derive(Debug)]
pub(crate) struct Control(TcpStream);

impl Control {
    pub(crate) fn connect(address: SocketAddr) -> Outcome<Control> {
        let stream = TcpStream::connect(address).doing("connect to the floor")?;
        stream.set_nodelay(true).doing("set TCP_NODELAY")?;
        stream.set_read_timeout(Some(Duration::from_secs(20))).doing("set a deadline")?;
        Ok(Control(stream))
    }

    pub(crate) fn say(&mut self, words: &str) -> Outcome<()> {
        self.0.write_all(format!("{words}\n").as_bytes()).doing("command the floor")
    }

    pub(crate) fn await_ok(&mut self) -> Outcome<()> {
        let mut answer = [0; 3];
        self.0.read_exact(&mut answer).doing("read the floor's answer")?;
        if &answer == b"ok\n" { Ok(()) } else { cannot("the floor did not say ok") }
    }
}

/// Who is told to publish.
#[derive(Debug)]
pub(crate) enum Publisher<'a> {
    /// One request for each publication, as many connections as may be pending.
    Requests { pool: Pool, dialect: &'a dyn Dialect, padding: usize },
    /// The first subscriber says them.
    Messages { dialect: &'a dyn Dialect, padding: usize },
    /// All pending ones as one contiguous buffer.
    Floor(&'a mut Control),
}

impl<'a> Publisher<'a> {
    /// Publishes as the protocol does.
    pub(crate) fn of(dialect: &'a dyn Dialect, padding: usize, plan: Plan, poller: &Poller) -> Outcome<Self> {
        match dialect.publishing() {
            Publishing::Requests(address) => {
                let size = usize::try_from(plan.pending).unwrap_or(usize::MAX);
                Ok(Publisher::Requests { pool: Pool::connect(address, size, poller, REST_BASE)?, dialect, padding })
            }
            Publishing::Messages => Ok(Publisher::Messages { dialect, padding }),
        }
    }

    /// Publishes until `pending` publications are under way.
    fn fill(&mut self, pending: u64, audience: &mut Audience<'_>, ledger: &mut Ledger) -> Outcome<()> {
        match self {
            Publisher::Requests { pool, dialect, padding } => {
                while ledger.pending() < pending && pool.idle() > 0 {
                    let sequence = ledger.publish();
                    pool.ask(&dialect.publish(0, &frame::payload(sequence, *padding)), sequence)?;
                }
                Ok(())
            }
            Publisher::Messages { dialect, padding } => {
                while ledger.pending() < pending {
                    let sequence = ledger.publish();
                    audience.say(&dialect.publish(0, &frame::payload(sequence, *padding)))?;
                }
                Ok(())
            }
            Publisher::Floor(control) if ledger.pending() == 0 => {
                let first = ledger.publish();
                for _ in 1..pending {
                    ledger.publish();
                }
                control.say(&format!("send {first} {pending}"))
            }
            Publisher::Floor(_) => Ok(()),
        }
    }

    fn is_quiet(&self) -> bool {
        match self {
            Publisher::Requests { pool, .. } => pool.is_quiet(),
            Publisher::Messages { .. } | Publisher::Floor(_) => true,
        }
    }

    fn ready(&mut self, number: u64) -> Outcome<()> {
        if let Publisher::Requests { pool, .. } = self
            && let Some((_, response)) = pool.ready(number)?
        {
            response.accepted()?;
        }
        Ok(())
    }

    /// Whether the order of publishing is known, and not only that it is the same for all.
    fn is_ordered(&self, plan: Plan) -> bool {
        !matches!(self, Publisher::Requests { .. }) || plan.pending == 1
    }
}

/// An audience with the frame that it expects.
pub(crate) struct Hall<'a> {
    pub(crate) audience: Audience<'a>,
    pub(crate) poller: Poller,
    pub(crate) template: &'a Template,
    pub(crate) next_sequence: u64,
    /// The process whose CPU time counts.
    pub(crate) pid: u32,
}

impl Hall<'_> {
    /// Runs one phase. Any fault in a delivery ends it as [`Failure::Delivery`].
    pub(crate) fn run(&mut self, plan: Plan, mut publisher: Publisher<'_>) -> Outcome<Figures> {
        let mut ledger = Ledger::new(self.audience.len(), self.next_sequence, publisher.is_ordered(plan));
        self.pump(plan, &mut publisher, &mut ledger, &|ledger| ledger.complete() < plan.warm_up)?;
        let (before, wall) = (Reading::take(self.pid, &ledger)?, kernel::now());
        self.pump(plan, &mut publisher, &mut ledger, &|_| wall.elapsed() < plan.span)?;
        let (wall, after) = (wall.elapsed(), Reading::take(self.pid, &ledger)?);
        self.listen_afterwards(&mut publisher, &mut ledger)?;
        let faults = ledger.faults();
        if faults != Faults::default() {
            return Err(Failure::Delivery(faults.to_string()));
        }
        self.next_sequence += ledger.complete();
        Ok(Figures {
            publications: after.publications - before.publications,
            deliveries: after.deliveries - before.deliveries,
            server_cpu: after.server.saturating_sub(before.server),
            generator_cpu: after.generator.saturating_sub(before.generator),
            wall,
        })
    }

    /// Publishes while `more` says so, then until everything has arrived and been answered.
    fn pump(
        &mut self,
        plan: Plan,
        publisher: &mut Publisher<'_>,
        ledger: &mut Ledger,
        more: &dyn Fn(&Ledger) -> bool,
    ) -> Outcome<()> {
        let mut ready = Vec::with_capacity(1024);
        let (mut heard, mut deliveries) = (kernel::now(), ledger.deliveries());
        loop {
            if more(ledger) {
                publisher.fill(plan.pending, &mut self.audience, ledger)?;
            } else if ledger.pending() == 0 && publisher.is_quiet() {
                return Ok(());
            }
            self.poller.wait(Duration::from_millis(100), &mut ready)?;
            self.take(&ready, publisher, ledger)?;
            if ready.len() < BUSY_SOCKETS {
                std::thread::sleep(DOZE);
            }
            if ledger.deliveries() != deliveries {
                (heard, deliveries) = (kernel::now(), ledger.deliveries());
            }
            let patience = if ledger.suspicious() { STALL_AFTER_FAULT } else { STALL };
            if (ready.is_empty() || ledger.suspicious()) && heard.elapsed() > patience {
                return Err(Failure::Delivery(format!("{} (nothing more came)", ledger.faults())));
            }
        }
    }

    fn take(&mut self, ready: &[u64], publisher: &mut Publisher<'_>, ledger: &mut Ledger) -> Outcome<()> {
        for number in ready {
            if *number >= REST_BASE {
                publisher.ready(*number)?;
            } else {
                self.audience.count(*number, self.template, ledger)?;
            }
        }
        Ok(())
    }

    fn listen_afterwards(&mut self, publisher: &mut Publisher<'_>, ledger: &mut Ledger) -> Outcome<()> {
        let (start, mut ready): (Instant, Vec<u64>) = (kernel::now(), Vec::new());
        while start.elapsed() < AFTERWARDS {
            self.poller.wait(AFTERWARDS, &mut ready)?;
            self.take(&ready, publisher, ledger)?;
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
    fn take(pid: u32, ledger: &Ledger) -> Outcome<Reading> {
        Ok(Reading {
            publications: ledger.complete(),
            deliveries: ledger.deliveries(),
            server: kernel::cpu_time(pid)?,
            generator: kernel::cpu_time(std::process::id())?,
        })
    }
}
