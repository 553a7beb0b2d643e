//! Who is told to publish, and when: as soon as there is room (closed loop), or at moments fixed before (open loop). Counts nothing.
use crate::audience::Audience;
use crate::books::Books;
use crate::dialect::{Dialect, Publishing};
use crate::failure::{Doing, Outcome, cannot};
use crate::fanout::Plan;
use crate::frame;
use crate::kernel::{self, Poller};
use crate::rest::Pool;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

/// Poller numbers from here on are publishers' connections; below are subscribers.
pub(crate) const PUBLISHERS: u64 = 1 << 32;
/// Connections of an open loop: as many publications can be under way. What waits for one is late, and counts as late.
const OPEN_LOOP_CONNECTIONS: usize = 128;

/// How publications follow each other.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Pace {
    /// So many are pending at all times: published, and not yet with every subscriber.
    Pending(u64),
    /// So many a second, evenly, whatever became of the earlier ones.
    PerSecond(f64),
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

/// By what it is published.
#[derive(Debug)]
enum Means<'a> {
    /// One request for each publication.
    Requests(Pool, &'a dyn Dialect),
    /// The first subscriber says them.
    Messages(&'a dyn Dialect),
    /// All pending ones as one contiguous buffer where there is one channel, else each to the subscribers of its own.
    Floor(&'a mut Control),
}

/// Publishes in all channels in turn.
#[derive(Debug)]
pub(crate) struct Publisher<'a> {
    means: Means<'a>,
    pace: Pace,
    padding: usize,
    /// When an open loop began, and how many it has published since.
    began: Option<(Instant, u64)>,
    /// How late the latest publication of an open loop went out at worst.
    latest: Duration,
    turn: usize,
}

impl<'a> Publisher<'a> {
    /// Publishes as the protocol does.
    pub(crate) fn of(dialect: &'a dyn Dialect, padding: usize, plan: Plan, poller: &Poller) -> Outcome<Self> {
        let pace = plan.pace;
        let means = match dialect.publishing() {
            Publishing::Requests(address) => {
                let size = match pace {
                    Pace::Pending(pending) => usize::try_from(pending).unwrap_or(usize::MAX),
                    Pace::PerSecond(_) => OPEN_LOOP_CONNECTIONS,
                };
                Means::Requests(Pool::connect(address, size, poller, PUBLISHERS)?, dialect)
            }
            Publishing::Messages => Means::Messages(dialect),
        };
        Ok(Publisher { means, pace, padding, began: None, latest: Duration::ZERO, turn: 0 })
    }

    /// The floor, by its control line. Closed loops only.
    pub(crate) fn floor(control: &'a mut Control, pending: u64) -> Self {
        let (means, pace) = (Means::Floor(control), Pace::Pending(pending));
        Publisher { means, pace, padding: 0, began: None, latest: Duration::ZERO, turn: 0 }
    }

    /// Publishes what is to be published now.
    pub(crate) fn fill(&mut self, audience: &mut Audience<'_>, books: &mut Books) -> Outcome<()> {
        match self.pace {
            Pace::Pending(pending) => self.fill_up(pending, audience, books),
            Pace::PerSecond(rate) => self.keep_pace(rate, audience, books),
        }
    }

    fn fill_up(&mut self, pending: u64, audience: &mut Audience<'_>, books: &mut Books) -> Outcome<()> {
        if let Means::Floor(control) = &mut self.means {
            let channels = books.channels();
            if channels > 1 {
                let mut words = Vec::new();
                while books.pending() < pending {
                    let channel = next_channel(&mut self.turn, books);
                    let sequence = books.publish(channel, kernel::now());
                    words.push(format!("to {sequence} {channel} {channels}"));
                }
                return if words.is_empty() { Ok(()) } else { control.say(&words.join("\n")) };
            }
            if books.pending() > 0 {
                return Ok(());
            }
            let now = kernel::now();
            let first = books.publish(0, now);
            for _ in 1..pending {
                books.publish(0, now);
            }
            return control.say(&format!("send {first} {pending}"));
        }
        while books.pending() < pending && self.has_room() {
            self.publish(kernel::now(), audience, books)?;
        }
        Ok(())
    }

    fn keep_pace(&mut self, rate: f64, audience: &mut Audience<'_>, books: &mut Books) -> Outcome<()> {
        loop {
            let now = kernel::now();
            let (began, count) = *self.began.get_or_insert((now, 0));
            let meant = began + Duration::from_secs_f64(count as f64 / rate);
            if meant > now || !self.has_room() {
                return Ok(());
            }
            self.latest = self.latest.max(now - meant);
            self.began = Some((began, count + 1));
            self.publish(meant, audience, books)?;
        }
    }

    fn publish(&mut self, meant: Instant, audience: &mut Audience<'_>, books: &mut Books) -> Outcome<()> {
        let channel = next_channel(&mut self.turn, books);
        let sequence = books.publish(channel, meant);
        let payload = frame::payload(sequence, self.padding);
        match &mut self.means {
            Means::Requests(pool, dialect) => pool.ask(&dialect.publish(channel, &payload), sequence),
            Means::Messages(dialect) => audience.say(&dialect.publish(channel, &payload)),
            Means::Floor(_) => cannot("the floor has no open loop"),
        }
    }

    fn has_room(&self) -> bool {
        !matches!(&self.means, Means::Requests(pool, _) if pool.idle() == 0)
    }

    /// How long there is nothing to publish, at most 100 ms.
    pub(crate) fn pause(&self) -> Duration {
        let longest = Duration::from_millis(100);
        match (self.pace, self.began) {
            (Pace::PerSecond(rate), Some((began, count))) if self.has_room() => {
                let meant = began + Duration::from_secs_f64(count as f64 / rate);
                meant.saturating_duration_since(kernel::now()).min(longest)
            }
            _ => longest,
        }
    }

    /// A new open loop begins with the next publication.
    pub(crate) fn begin_anew(&mut self) {
        (self.began, self.latest) = (None, Duration::ZERO);
    }

    /// How many publications an open loop should have made in this time and has not, and how late one went out at worst.
    pub(crate) fn lag(&self, span: Duration) -> (u64, Duration) {
        match (self.pace, self.began) {
            (Pace::PerSecond(rate), Some((_, count))) => ((span.as_secs_f64() * rate) as u64)
                .checked_sub(count)
                .map_or((0, self.latest), |less| (less, self.latest)),
            _ => (0, Duration::ZERO),
        }
    }

    pub(crate) fn is_quiet(&self) -> bool {
        match &self.means {
            Means::Requests(pool, _) => pool.is_quiet(),
            Means::Messages(_) | Means::Floor(_) => true,
        }
    }

    /// Reads what a publisher's connection was answered.
    pub(crate) fn ready(&mut self, number: u64, poller: &Poller) -> Outcome<()> {
        if let Means::Requests(pool, _) = &mut self.means
            && let Some((_, response)) = pool.ready(number, poller)?
        {
            response.accepted()?;
        }
        Ok(())
    }

    /// Whether the order in each channel is known, and not only that it is the same for all.
    pub(crate) fn is_ordered(&self, channels: usize) -> bool {
        match (&self.means, self.pace) {
            (Means::Messages(_) | Means::Floor(_), _) => true,
            (Means::Requests(..), Pace::Pending(pending)) => pending == 1 || pending <= channels as u64,
            (Means::Requests(..), Pace::PerSecond(_)) => false,
        }
    }
}

/// Whose turn it is. A closed loop leaves out channels that have not got theirs yet, so that each channel's order is the sender's.
fn next_channel(turn: &mut usize, books: &Books) -> usize {
    let channels = books.channels();
    let is_free = |channel: &usize| channels == 1 || books.pending_in(*channel) == 0;
    let turns = (0..channels).map(|step| (*turn + step) % channels);
    let channel = turns.clone().find(is_free).or(turns.clone().next()).unwrap_or(0);
    *turn = channel + 1;
    channel
}
