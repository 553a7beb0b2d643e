//! What every part has counted, in one line of the log when the server stops: nothing that was dropped or refused goes unmentioned.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tollgate_node::Node;
use tollgate_protocol_leap::LeapConfig;

use crate::hook::HookCounters;

/// Where the counts are.
pub(crate) struct Totals {
    pub(crate) node: Arc<Node>,
    pub(crate) gateway: Arc<tollgate_gateway::counters::Counters>,
    pub(crate) leap: Arc<LeapConfig>,
    /// Without a hook there is nothing to count.
    pub(crate) hook: Option<Arc<HookCounters>>,
}

impl Totals {
    /// All counts that are not zero, as `name=count`.
    pub(crate) fn line(&self) -> String {
        let leap = &self.leap.counters;
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let of_leap = [
            ("leap_unknown_events", &leap.unknown_events),
            ("leap_malformed_events", &leap.malformed_events),
            ("leap_refused_writes", &leap.refused_writes),
            ("leap_failed_writes", &leap.failed_writes),
            ("leap_merged_subscribes", &leap.merged_subscribes),
            ("leap_strays", &leap.strays),
        ];
        let of_hook = self.hook.as_ref().map(|hook| hook.all()).unwrap_or_default();
        let all = self.gateway.all().into_iter().chain(self.node.counters().all()).chain(of_hook);
        let all = all.chain(of_leap.map(|(name, counter)| (name, read(counter))));
        let counted: Vec<String> =
            all.filter(|(_, count)| *count > 0).map(|(name, count)| format!("{name}={count}")).collect();
        counted.join(" ")
    }
}
