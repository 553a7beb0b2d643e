//! Who may hold a connection: the node's slots, the share of the unauthenticated, and the share of one address.
//!
//! A [`Permit`] is held for as long as its connection lives and gives everything back when dropped.

use std::cell::Cell;
use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use http::StatusCode;
use tollgate_core::peer::network_of;

use crate::counters::Counters;
use crate::door::{ErrorForm, Refused};
use crate::limits::Limits;

/// Why a connection is turned away at the door.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refusal {
    NodeFull,
    TooManyUnauthenticated,
    AddressFull { connections_max: usize },
}

impl Refusal {
    pub(crate) fn count(self, counters: &Counters) {
        match self {
            Refusal::NodeFull => &counters.refused_node_full,
            Refusal::TooManyUnauthenticated => &counters.refused_unauthenticated,
            Refusal::AddressFull { .. } => &counters.refused_address,
        }
        .one();
    }

    /// What to answer.
    pub(crate) fn refused(self, errors: ErrorForm) -> Refused {
        Refused { status: StatusCode::SERVICE_UNAVAILABLE, code: "unavailable", text: self.text(), errors }
    }

    /// What to tell the client.
    fn text(self) -> String {
        match self {
            Refusal::NodeFull => "This node has no free connection; try again later.".to_owned(),
            Refusal::TooManyUnauthenticated => {
                "This node has too many connections that have not identified themselves; try again later.".to_owned()
            }
            Refusal::AddressFull { connections_max } => {
                format!("One address may hold at most {connections_max} connections; close some first.")
            }
        }
    }
}

/// The counts of one node, shared by its shards. The lock is held for one look-up per accept and per close, never longer.
#[derive(Debug)]
pub(crate) struct Admission {
    connections_max: usize,
    unauthenticated_max: usize,
    per_address_max: usize,
    loopback_counts: bool,
    connections: AtomicUsize,
    unauthenticated: AtomicUsize,
    addresses: Mutex<HashMap<IpAddr, usize>>,
}

impl Admission {
    pub(crate) fn new(limits: &Limits) -> Self {
        Admission {
            connections_max: limits.connections_max,
            unauthenticated_max: (limits.connections_max * limits.unauthenticated_percent_max / 100).max(1),
            per_address_max: limits.connections_per_address_max,
            loopback_counts: limits.loopback_counts,
            connections: AtomicUsize::new(0),
            unauthenticated: AtomicUsize::new(0),
            addresses: Mutex::new(HashMap::new()),
        }
    }

    /// Connections that hold a permit now.
    pub(crate) fn connections(&self) -> usize {
        self.connections.load(Ordering::Relaxed)
    }

    /// Connections that have not shown who they are.
    pub(crate) fn unauthenticated(&self) -> usize {
        self.unauthenticated.load(Ordering::Relaxed)
    }

    /// Takes a slot for a new, unauthenticated connection, and one of its address' share if `counts_address`: the address is then the client's
    /// own.
    pub(crate) fn admit(self: &Arc<Self>, address: IpAddr, counts_address: bool) -> Result<Permit, Refusal> {
        if !take_one(&self.connections, self.connections_max) {
            return Err(Refusal::NodeFull);
        }
        // From here on the permit gives back what it holds, also when a later step refuses.
        let permit =
            Permit { admission: Arc::clone(self), counted: Cell::new(None), unauthenticated: Cell::new(false) };
        if !take_one(&self.unauthenticated, self.unauthenticated_max) {
            return Err(Refusal::TooManyUnauthenticated);
        }
        permit.unauthenticated.set(true);
        if counts_address {
            permit.count(address)?;
        }
        Ok(permit)
    }
}

/// How full a gateway is; it can be asked as long as somebody wants to know.
#[derive(Clone, Debug)]
pub struct Occupancy(pub(crate) Arc<Admission>);

impl Occupancy {
    /// Connections that are open now, in any phase.
    #[must_use]
    pub fn connections(&self) -> usize {
        self.0.connections()
    }

    /// Those of them that have not shown who they are.
    #[must_use]
    pub fn unauthenticated(&self) -> usize {
        self.0.unauthenticated()
    }

    /// How many there may be.
    #[must_use]
    pub fn connections_max(&self) -> usize {
        self.0.connections_max
    }
}

/// Adds one unless that would exceed `max`.
fn take_one(count: &AtomicUsize, max: usize) -> bool {
    count.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |held| (held < max).then_some(held + 1)).is_ok()
}

/// One connection's share of the node.
#[derive(Debug)]
pub(crate) struct Permit {
    admission: Arc<Admission>,
    /// The address, or network, whose share it has a part of.
    counted: Cell<Option<IpAddr>>,
    unauthenticated: Cell<bool>,
}

impl Permit {
    /// Takes one of the share of this address, unless the permit has one of some address.
    pub(crate) fn count(&self, address: IpAddr) -> Result<(), Refusal> {
        let (network, admission) = (network_of(address), &self.admission);
        if self.counted.get().is_some() || (address.to_canonical().is_loopback() && !admission.loopback_counts) {
            return Ok(());
        }
        let mut addresses = admission.addresses.lock().unwrap_or_else(PoisonError::into_inner);
        let held = addresses.get(&network).copied().unwrap_or(0);
        if held >= admission.per_address_max {
            return Err(Refusal::AddressFull { connections_max: admission.per_address_max });
        }
        addresses.insert(network, held + 1);
        self.counted.set(Some(network));
        Ok(())
    }

    /// Whether the connection has not shown who it is.
    pub(crate) fn is_unauthenticated(&self) -> bool {
        self.unauthenticated.get()
    }

    /// The connection has shown who it is; it leaves the share of the unauthenticated.
    pub(crate) fn authenticated(&self) {
        if self.unauthenticated.take() {
            self.admission.unauthenticated.fetch_sub(1, Ordering::Relaxed);
        }
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.authenticated();
        self.admission.connections.fetch_sub(1, Ordering::Relaxed);
        let Some(counted) = self.counted.get() else { return };
        let mut addresses = self.admission.addresses.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(held) = addresses.get_mut(&counted) {
            *held -= 1;
            if *held == 0 {
                addresses.remove(&counted);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn admission(connections_max: usize, per_address: usize, percent: usize) -> Arc<Admission> {
        let limits = Limits {
            connections_max,
            connections_per_address_max: per_address,
            unauthenticated_percent_max: percent,
            ..Limits::default()
        };
        Arc::new(Admission::new(&limits))
    }

    fn refusal(admission: &Arc<Admission>, address: &str) -> Option<Refusal> {
        admission.admit(address.parse().unwrap(), true).err()
    }

    #[test]
    fn one_address_cannot_take_the_node() {
        let admission = admission(100, 2, 100);
        let held: Vec<_> = (0..2).map(|_| admission.admit("10.0.0.1".parse().unwrap(), true).unwrap()).collect();
        assert_eq!(refusal(&admission, "10.0.0.1"), Some(Refusal::AddressFull { connections_max: 2 }));
        assert_eq!(refusal(&admission, "::ffff:10.0.0.1"), Some(Refusal::AddressFull { connections_max: 2 }));
        assert_eq!(refusal(&admission, "10.0.0.2"), None);
        drop(held);
        assert_eq!(refusal(&admission, "10.0.0.1"), None);
        assert!(admission.addresses.lock().unwrap().is_empty(), "an address without connections is forgotten");
        assert_eq!(admission.connections(), 0);
    }

    #[test]
    fn an_ipv6_network_counts_as_one_address() {
        let admission = admission(100, 1, 100);
        let _held = admission.admit("2001:db8::1".parse().unwrap(), true).unwrap();
        assert!(refusal(&admission, "2001:db8::ffff").is_some());
        assert_eq!(refusal(&admission, "2001:db8:0:1::1"), None);
    }

    #[test]
    fn behind_a_proxy_the_client_is_counted_once_it_is_known() {
        let admission = admission(100, 1, 100);
        let (proxy, client) = ("10.0.0.1".parse().unwrap(), "2001:db8::1".parse().unwrap());
        let permits: Vec<_> = (0..3).map(|_| admission.admit(proxy, false).unwrap()).collect();
        assert_eq!((permits[0].count(client), permits[0].count(client)), (Ok(()), Ok(())));
        assert_eq!(permits[1].count(client), Err(Refusal::AddressFull { connections_max: 1 }));
        assert_eq!(permits[1].count("2001:db8:0:1::1".parse().unwrap()), Ok(()));
        drop(permits);
        assert!(admission.addresses.lock().unwrap().is_empty());
    }

    #[test]
    fn the_unauthenticated_leave_room_for_others() {
        let admission = admission(8, 100, 25);
        let first = admission.admit("10.0.0.1".parse().unwrap(), true).unwrap();
        let _second = admission.admit("10.0.0.1".parse().unwrap(), true).unwrap();
        assert_eq!(refusal(&admission, "10.0.0.2"), Some(Refusal::TooManyUnauthenticated));
        first.authenticated();
        first.authenticated();
        assert_eq!(refusal(&admission, "10.0.0.2"), None);
        assert_eq!(admission.connections(), 2, "a refused connection holds nothing");
    }

    #[test]
    fn the_node_has_an_end() {
        let admission = admission(1, 10, 100);
        let _held = admission.admit("10.0.0.1".parse().unwrap(), true).unwrap();
        assert_eq!(refusal(&admission, "10.0.0.2"), Some(Refusal::NodeFull));
    }

    #[test]
    fn loopback_counts_unless_it_is_told_not_to() {
        for (loopback_counts, refused) in [(true, true), (false, false)] {
            let limits = Limits { connections_per_address_max: 1, loopback_counts, ..Limits::default() };
            let admission = Arc::new(Admission::new(&limits));
            for address in ["127.0.0.1", "::1", "::ffff:127.0.0.2"] {
                let _held = admission.admit(address.parse().unwrap(), true).unwrap();
                assert_eq!(refusal(&admission, address).is_some(), refused, "{address}");
            }
            let _held = admission.admit("10.0.0.1".parse().unwrap(), true).unwrap();
            assert!(refusal(&admission, "10.0.0.1").is_some());
        }
    }
}
