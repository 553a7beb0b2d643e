//! How the server does: a reading of its counters each second, kept for a quarter of an hour ([`ring`]), and whether its parts work. Shown by the
//! console and by `tollgate top`. Nothing is counted here: /metrics and /readyz tell the same facts, from the same places.

mod ring;
mod told;

use std::path::PathBuf;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use tokio::time::MissedTickBehavior;
use tollgate_console::{Condition, Part, Pulse, Surroundings};
use tollgate_core::audit::AuditEntry;
use tollgate_core::clock::Clock;
use tollgate_core::counter::Gauge;
use tollgate_core::histogram::Observed;
use tollgate_core::ports::Pending;
use tollgate_gateway::Occupancy;
use tollgate_node::Node;
use tollgate_store_sqlite::SqliteStore;

use crate::admin::{Answer, rfc3339};
use crate::metrics::Files;
use ring::{Reading, Ring};
pub(crate) use told::columns;
use told::line;

/// How often a reading is taken.
const READ_EVERY: Duration = Duration::from_secs(1);
/// So many messages for webhook endpoints wait while endpoints work; more say that one does not.
const WEBHOOKS_WAITING_MAX: usize = 1_000;
/// Units of work that wait for the store's writer while it keeps up.
const STORE_WAITING_MAX: usize = 1_000;
/// Less free room on the disk of the database, in bytes, is to be looked at.
const DISK_FREE_MIN: u64 = 1 << 30;

/// Where it is read.
pub(crate) struct Vitals {
    pub(crate) node: Arc<Node>,
    pub(crate) store: Arc<SqliteStore>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) database: PathBuf,
    ring: Mutex<Ring>,
    /// Set as soon as the listeners are served.
    occupancy: OnceLock<Occupancy>,
}

impl Vitals {
    pub(crate) fn new(node: &Arc<Node>, store: &Arc<SqliteStore>, clock: &Arc<dyn Clock>, database: PathBuf) -> Self {
        Self {
            node: Arc::clone(node),
            store: Arc::clone(store),
            clock: Arc::clone(clock),
            database,
            ring: Mutex::default(),
            occupancy: OnceLock::new(),
        }
    }

    /// From now on connections are taken.
    pub(crate) fn serves(&self, occupancy: Occupancy) {
        let _once = self.occupancy.set(occupancy);
    }

    /// Takes readings until dropped.
    pub(crate) async fn keep(self: Arc<Self>) {
        let mut seconds = tokio::time::interval(READ_EVERY);
        // A second that was missed is not made up for: the next reading covers it.
        seconds.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            seconds.tick().await;
            let reading = self.read();
            self.ring.lock().unwrap_or_else(PoisonError::into_inner).note(reading);
        }
    }

    fn read(&self) -> Reading {
        let (counters, store, shards) = (self.node.counters(), self.store.figures(), self.node.shards());
        let mut passes = Observed::default();
        shards.iter().for_each(|shard| passes.add(&shard.gauges.passes.read()));
        let refused: u64 = self.node.refused().into_iter().map(|(_, times)| times).sum();
        Reading {
            at: self.clock.monotonic(),
            connections: shards.iter().flat_map(|shard| &shard.gauges.connections).map(Gauge::get).sum(),
            messages_in: counters.publications.get() + counters.direct_messages.get(),
            deliveries: counters.deliveries.get(),
            refusals: refused + counters.subscribes_refused.get() + counters.client_writes_refused.get(),
            passes,
            commits: store.syncs,
            store_waiting: store.waiting as u64,
            webhooks_waiting: self.node.held().webhook_messages as u64,
        }
    }

    /// The same as the console shows, for the command line.
    pub(crate) async fn told(&self) -> Answer {
        let at = rfc3339(self.clock.unix());
        let told = line(&at, self.pulse().now, &self.parts().await);
        Answer::Said { text: columns(&told, true), json: told.to_string() }
    }

    async fn parts(&self) -> Vec<Part> {
        let ready = self.node.readiness().await;
        let held = self.node.held();
        let mut parts = vec![self.store_part(ready.store), delivery(ready.shards)];
        parts.extend(self.occupancy.get().map(listeners));
        parts.extend(disk(&Files::of(&self.database), ready.disk));
        parts.push(match held.webhook_messages {
            0 => good("Webhooks", "Nothing waits".to_owned()),
            few if few <= WEBHOOKS_WAITING_MAX => good("Webhooks", format!("{few} messages wait")),
            many => strained("Webhooks", format!("{many} messages wait: an endpoint does not take them")),
        });
        parts.push(match held.hooks_resting {
            0 => good("Access hooks", "None rests".to_owned()),
            resting => {
                strained("Access hooks", format!("{resting} failed so often that they are not asked for a while"))
            }
        });
        parts
    }

    fn store_part(&self, works: bool) -> Part {
        let figures = self.store.figures();
        let ago = figures.last_commit_age_us.map(|us| format!("; last commit {} ago", told::seconds(us / 1_000)));
        let ago = ago.unwrap_or_default();
        if !works {
            failing("Store", format!("Cannot make anything durable{ago}"))
        } else if figures.waiting > STORE_WAITING_MAX {
            strained("Store", format!("{} changes wait{ago}", figures.waiting))
        } else {
            good("Store", format!("Writes{ago}"))
        }
    }
}

fn good(name: &'static str, said: String) -> Part {
    Part { name, condition: Condition::Good, said }
}

fn strained(name: &'static str, said: String) -> Part {
    Part { name, condition: Condition::Strained, said }
}

fn failing(name: &'static str, said: String) -> Part {
    Part { name, condition: Condition::Failing, said }
}

fn delivery(works: bool) -> Part {
    if works {
        good("Delivery", "Every shard answers".to_owned())
    } else {
        failing("Delivery", "A shard does not answer".to_owned())
    }
}

fn listeners(occupancy: &Occupancy) -> Part {
    let (open, most) = (occupancy.connections(), occupancy.connections_max());
    let said = format!("{open} of {most} connections");
    // From nine tenths on there is little time left to do something about it.
    match open {
        open if open >= most => failing("Listeners", format!("{said}: everybody else is turned away")),
        open if open >= most - most / 10 => strained("Listeners", said),
        _ => good("Listeners", said),
    }
}

/// `has_room` is the word of /readyz.
fn disk(files: &Files, has_room: bool) -> Option<Part> {
    let said = files.free_bytes.map(|free| format!("{} MiB free", free >> 20));
    if !has_room {
        let said = said.unwrap_or_else(|| "Nearly full".to_owned());
        return Some(failing("Disk", format!("{said}: when it is full, no change can be made durable")));
    }
    // Where the doctor warns.
    let held = files.database_bytes.unwrap_or(0) + files.log_bytes.unwrap_or(0);
    let is_little = files.free_bytes.is_some_and(|free| free < DISK_FREE_MIN.max(held));
    said.map(|said| if is_little { strained("Disk", said) } else { good("Disk", said) })
}

impl Surroundings for Vitals {
    fn pulse(&self) -> Pulse {
        let now = self.clock.monotonic();
        self.ring.lock().unwrap_or_else(PoisonError::into_inner).pulse(now)
    }

    fn health(&self) -> Pending<'_, Vec<Part>> {
        Box::pin(self.parts())
    }

    fn audit_line(&self, entry: &AuditEntry) -> String {
        tollgate_api::audit_line(entry)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_disk_is_full_where_readyz_says_so_and_little_where_the_doctor_warns() {
        const GIB: u64 = 1 << 30;
        for (free, held, has_room, expected) in [
            (Some(8 * GIB), 0, false, Some(Condition::Failing)),
            (None, 0, false, Some(Condition::Failing)),
            (Some(GIB - 1), 0, true, Some(Condition::Strained)),
            (Some(GIB), 0, true, Some(Condition::Good)),
            (Some(3 * GIB), 4 * GIB, true, Some(Condition::Strained)),
            (Some(4 * GIB), 4 * GIB, true, Some(Condition::Good)),
            (None, 0, true, None),
        ] {
            let files = Files { database_bytes: Some(held), log_bytes: None, free_bytes: free };
            let found = disk(&files, has_room).map(|part| part.condition);
            assert_eq!(found, expected, "{free:?} {held} {has_room}");
        }
    }
}
