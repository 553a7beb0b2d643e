//! What connections used, from the links to the directory's sums: when a connection ends, and about once a minute while it lasts.

use super::link::Link;
use super::shard::Shard;
use crate::directory::{UsageDelta, UsageKey};

/// In how many calls of [`Shard::report_usage`] every connection has had its turn.
const ROUND: usize = 60;

impl Link {
    /// What was used since the last report, if anything was.
    pub(super) fn take_usage(&mut self) -> Option<(UsageKey, UsageDelta)> {
        if self.messages_in == 0 && self.messages_out == 0 {
            return None;
        }
        let (messages_in, messages_out) = (self.messages_in.into(), self.messages_out.into());
        (self.messages_in, self.messages_out) = (0, 0);
        let delta = UsageDelta { messages_in, messages_out, ..UsageDelta::default() };
        Some(((self.project?, self.token), delta))
    }
}

impl Shard {
    /// Reports a sixtieth of the connections. To be called about once a second.
    pub fn report_usage(&mut self) {
        let share = self.links.len().div_ceil(ROUND);
        let first = if self.reported < self.links.len() { self.reported } else { 0 };
        let links = self.links.iter_mut().skip(first).take(share).flatten();
        self.directory.used(links.filter_map(Link::take_usage));
        self.reported = first + share;
    }

    /// Reports one connection: it ends, or goes on for another token.
    pub(super) fn report_link(&self, link: &mut Link) {
        self.directory.used(link.take_usage());
    }
}
