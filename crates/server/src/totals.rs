//! What every part has counted, in one line of the log when the server stops: nothing that was dropped or refused goes unmentioned.

use std::sync::Arc;

use tollgate_node::Node;
use tollgate_protocol_leap::LeapConfig;
use tollgate_protocol_native::NativeConfig;

use crate::hook::HookCounters;
use crate::outbound::OutboundCounters;

/// Where the counts are.
pub(crate) struct Totals {
    pub(crate) node: Arc<Node>,
    pub(crate) gateway: Arc<tollgate_gateway::counters::Counters>,
    pub(crate) leap: Arc<LeapConfig>,
    pub(crate) native: Arc<NativeConfig>,
    /// Without a hook there is nothing to count.
    pub(crate) hook: Option<Arc<HookCounters>>,
    pub(crate) outbound: Arc<OutboundCounters>,
}

impl Totals {
    /// All counts that are not zero, as `name=count`.
    pub(crate) fn line(&self) -> String {
        let of_hook = self.hook.as_ref().map(|hook| hook.all()).unwrap_or_default();
        let parts = [
            ("", self.gateway.all()),
            ("", self.node.counters().all()),
            ("leap_", self.leap.counters.all()),
            ("native_", self.native.counters.all()),
            ("hook_", of_hook),
            ("outbound_", self.outbound.all()),
        ];
        let all = parts
            .into_iter()
            .flat_map(|(prefix, part)| part.into_iter().map(move |(name, count)| (prefix, name, count)));
        let counted: Vec<String> = all
            .filter(|(.., count)| *count > 0)
            .map(|(prefix, name, count)| format!("{prefix}{name}={count}"))
            .collect();
        counted.join(" ")
    }
}
