//! Passes: walking a channel's subscribers with what is pending, a chunk at a time.
//!
//! What arrives during a pass rides the next one: batching grows with load by itself, and adds no delay when there is none.

use tollgate_core::CloseReason;
use tollgate_core::limits::PASS_CHUNK;

use super::lane::{Subscriber, Visit};
use super::link::Link;
use super::shard::{Outlet, Shard, Writer, link_mut};

/// How many subscribers are looked at before the first of them is written to. What a write needs of each lies in memory that no cache has kept: looked at
/// together, the processor waits for all of it at once, where between writes it would wait for each.
const AHEAD: usize = 16;

impl Shard {
    /// Whether anything waits to be written.
    #[must_use]
    pub fn has_work(&self) -> bool {
        !self.queue.is_empty()
    }

    /// Writes to at most [`PASS_CHUNK`] subscribers, then returns so that other work gets its turn. Channels take turns too: a large one does not hold up a
    /// small one for longer than a chunk.
    pub fn pass(&mut self, outlet: &mut dyn Outlet) {
        let mut budget = PASS_CHUNK;
        while budget > 0 {
            let Some(place) = self.queue.pop_front() else { return };
            budget = self.pass_channel(place, budget, outlet);
        }
    }

    /// One channel's share; answers what is left of the budget.
    fn pass_channel(&mut self, place: u32, mut budget: usize, outlet: &mut dyn Outlet) -> usize {
        let Some(channel) = self.locals.get_mut(place) else { return budget };
        channel.queued = false;
        let (mut slow, mut ended, mut deliveries) = (Vec::new(), Vec::new(), 0);
        let mut has_work = false;
        let mut writer = Writer { now: self.now, formats: &self.hub.formats, outlet, blocked: &mut self.blocked };
        for lane in &mut channel.lanes {
            self.pending_bytes -= lane.begin_pass();
            let mut near = 0;
            while budget > 0 {
                if near == 0 {
                    near = AHEAD;
                    bring_near(&self.links, lane.upcoming(AHEAD.min(budget)), writer.outlet);
                }
                near -= 1;
                let Some(Visit { connection, batch, start, frames }) = lane.visit() else { break };
                budget -= 1;
                let Some(link) = link_mut(&mut self.links, connection).filter(|link| link.is_connected()) else {
                    continue;
                };
                if link.has_ended_by(writer.now, writer.outlet) {
                    ended.push(connection);
                    continue;
                }
                deliveries += 1;
                link.count_out(frames);
                if !writer.write(link, connection, batch, start) {
                    slow.push(connection);
                }
            }
            Self::note_pass(self.hub.gauges(self.index), lane, || writer.outlet.now_us());
            for (connection, moved_to) in lane.sweep() {
                if let Some(link) = link_mut(&mut self.links, connection) {
                    link.subscriptions
                        .iter_mut()
                        .filter(|held| held.channel == place)
                        .for_each(|held| held.place = moved_to);
                }
            }
            has_work |= lane.has_work();
        }
        self.counters.deliveries.add(deliveries);
        if has_work {
            channel.queued = true;
            self.queue.push_back(place);
        } else if channel.deleted {
            self.dissolve(place);
        } else {
            self.drop_if_unused(place, outlet);
        }
        for connection in ended {
            self.end(connection, CloseReason::TokenExpired, outlet);
        }
        for connection in slow {
            self.end_slow(connection, outlet);
        }
        budget
    }
}

/// Reads what a write to each of them is going to read, and does nothing with it.
fn bring_near(links: &[Option<Link>], subscribers: &[Subscriber], outlet: &dyn Outlet) {
    for subscriber in subscribers {
        let link = links.get(subscriber.connection.slot as usize).and_then(Option::as_ref);
        std::hint::black_box(
            link.map(|link| (link.generation, link.is_connected(), link.outbox.is_some(), link.ends_at)),
        );
        outlet.bring_near(subscriber.connection);
    }
}
