//! What the server tells whoever runs it, as Prometheus reads it: one table of metrics ([`table`]), read from the counters that every part
//! keeps anyway, written as text ([`text`]) and served where the settings say ([`listen`]). `docs/metrics.md` is made from the same table.
//!
//! No label is a channel, a token, a user or a project, so nothing grows with what customers make; nothing here runs on a shard.

mod listen;
#[cfg(test)]
mod page;
mod process;
mod table;
mod table_console;
mod table_gateway;
mod table_node;
#[cfg(test)]
mod tests;
mod text;

use std::path::PathBuf;
use std::sync::Arc;

use tollgate_api::{RouteFigures, Router};
use tollgate_console::{Console, ConsoleFigures};
use tollgate_core::clock::UnixMillis;
use tollgate_core::histogram::Observed;
use tollgate_gateway::Occupancy;
use tollgate_node::{Held, ShardFigures};
use tollgate_protocol_leap::LeapCounters;
use tollgate_protocol_native::NativeCounters;
use tollgate_store_sqlite::{SqliteStore, StoreFigures};

use crate::certificate::Certificate;
use crate::hook::HookCounters;
use crate::outbound::OutboundCounters;
use crate::totals::Totals;
pub(crate) use listen::Operators;
pub(crate) use process::Files;
use process::Process;

/// Where everything is read from.
pub(crate) struct Sources {
    pub(crate) totals: Arc<Totals>,
    pub(crate) router: Router,
    /// Nothing where it is switched off.
    pub(crate) console: Option<Console>,
    pub(crate) store: Arc<SqliteStore>,
    pub(crate) occupancy: Occupancy,
    /// Without TLS there is none.
    pub(crate) certificate: Option<Arc<Certificate>>,
    pub(crate) database: PathBuf,
    pub(crate) started: UnixMillis,
}

/// Everything as it is at one moment: what the table's rows read.
pub(crate) struct Reading<'a> {
    gateway: &'a tollgate_gateway::counters::Counters,
    node: &'a tollgate_node::counters::Counters,
    leap: &'a LeapCounters,
    native: &'a NativeCounters,
    hook: Option<&'a HookCounters>,
    outbound: &'a OutboundCounters,
    certificate: Option<&'a Certificate>,
    /// All connections, those of them that have not shown who they are, and how many there may be.
    connections: (usize, usize, usize),
    shards: Vec<ShardFigures<'a>>,
    formats: Vec<&'static str>,
    held: Held,
    refused: Vec<(&'static str, u64)>,
    webhook_tries: Observed,
    routes: Vec<RouteFigures>,
    console: Option<ConsoleFigures>,
    store: StoreFigures,
    files: Files,
    process: Process,
    started: UnixMillis,
}

impl Sources {
    /// The text that Prometheus reads.
    pub(crate) fn text(&self) -> String {
        text::render(&self.read())
    }

    fn read(&self) -> Reading<'_> {
        let Totals { node, gateway, leap, native, hook, outbound } = &*self.totals;
        let occupancy = &self.occupancy;
        Reading {
            gateway,
            node: node.counters(),
            leap: &leap.counters,
            native: &native.counters,
            hook: hook.as_deref(),
            outbound,
            certificate: self.certificate.as_deref(),
            connections: (occupancy.connections(), occupancy.unauthenticated(), occupancy.connections_max()),
            shards: node.shards(),
            formats: node.formats(),
            held: node.held(),
            refused: node.refused(),
            webhook_tries: node.webhook_tries(),
            routes: self.router.figures(),
            console: self.console.as_ref().map(Console::figures),
            store: self.store.figures(),
            files: Files::of(&self.database),
            process: Process::read(),
            started: self.started,
        }
    }
}
