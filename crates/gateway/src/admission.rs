//! Who may hold a connection: the node's slots, the share of the unauthenticated, and the share of one address.
//!
//! A [`Permit`] is held for as long as its connection lives and gives everything back when dropped.

use std::cell::Cell;
use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use crate::limits::Limits;

/// Why a connection is turned away at the door.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refusal {
    NodeFull,
    TooManyUnauthenticated,
    AddressFull { connections_max: usize },
}

impl Refusal {
    /// What to tell the client.
    pub(crate) fn text(self) -> String {
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

    /// Takes a slot for a new, unauthenticated connection.
    pub(crate) fn admit(self: &Arc<Self>, address: IpAddr) -> Result<Permit, Refusal> {
        if !take_one(&self.connections, self.connections_max) {
            return Err(Refusal::NodeFull);
        }
        let (address, is_loopback) = (network_of(address), address.to_canonical().is_loopback());
        // From here on the permit gives back what it holds, also when a later step refuses.
        let mut permit =
            Permit { admission: Arc::clone(self), address, counts_address: false, unauthenticated: Cell::new(false) };
        if !take_one(&self.unauthenticated, self.unauthenticated_max) {
            return Err(Refusal::TooManyUnauthenticated);
        }
        permit.unauthenticated.set(true);
        if is_loopback && !self.loopback_counts {
            return Ok(permit);
        }
        let mut addresses = self.addresses.lock().unwrap_or_else(PoisonError::into_inner);
        let held = addresses.entry(address).or_insert(0);
        if *held >= self.per_address_max {
            drop(addresses);
            return Err(Refusal::AddressFull { connections_max: self.per_address_max });
        }
        *held += 1;
        permit.counts_address = true;
        Ok(permit)
    }
}

/// Adds one unless that would exceed `max`.
fn take_one(count: &AtomicUsize, max: usize) -> bool {
    count.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |held| (held < max).then_some(held + 1)).is_ok()
}

/// The unit that limits count by: an IPv4 address, or an IPv6 /64, which is what one customer of a provider gets.
fn network_of(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(v6) => IpAddr::V6(Ipv6Addr::from_bits(v6.to_bits() & (u128::MAX << 64))),
        v4 @ IpAddr::V4(_) => v4,
    }
}

/// One connection's share of the node.
#[derive(Debug)]
pub(crate) struct Permit {
    admission: Arc<Admission>,
    address: IpAddr,
    counts_address: bool,
    unauthenticated: Cell<bool>,
}

impl Permit {
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
        if !self.counts_address {
            return;
        }
        let mut addresses = self.admission.addresses.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(held) = addresses.get_mut(&self.address) {
            *held -= 1;
            if *held == 0 {
                addresses.remove(&self.address);
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
        admission.admit(address.parse().unwrap()).err()
    }

    #[test]
    fn one_address_cannot_take_the_node() {
        let admission = admission(100, 2, 100);
        let held: Vec<_> = (0..2).map(|_| admission.admit("10.0.0.1".parse().unwrap()).unwrap()).collect();
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
        let _held = admission.admit("2001:db8::1".parse().unwrap()).unwrap();
        assert!(refusal(&admission, "2001:db8::ffff").is_some());
        assert_eq!(refusal(&admission, "2001:db8:0:1::1"), None);
    }

    #[test]
    fn the_unauthenticated_leave_room_for_others() {
        let admission = admission(8, 100, 25);
        let first = admission.admit("10.0.0.1".parse().unwrap()).unwrap();
        let _second = admission.admit("10.0.0.1".parse().unwrap()).unwrap();
        assert_eq!(refusal(&admission, "10.0.0.2"), Some(Refusal::TooManyUnauthenticated));
        first.authenticated();
        first.authenticated();
        assert_eq!(refusal(&admission, "10.0.0.2"), None);
        assert_eq!(admission.connections(), 2, "a refused connection holds nothing");
    }

    #[test]
    fn the_node_has_an_end() {
        let admission = admission(1, 10, 100);
        let _held = admission.admit("10.0.0.1".parse().unwrap()).unwrap();
        assert_eq!(refusal(&admission, "10.0.0.2"), Some(Refusal::NodeFull));
    }

    #[test]
    fn loopback_counts_unless_it_is_told_not_to() {
        for (loopback_counts, refused) in [(true, true), (false, false)] {
            let limits = Limits { connections_per_address_max: 1, loopback_counts, ..Limits::default() };
            let admission = Arc::new(Admission::new(&limits));
            for address in ["127.0.0.1", "::1", "::ffff:127.0.0.2"] {
                let _held = admission.admit(address.parse().unwrap()).unwrap();
                assert_eq!(refusal(&admission, address).is_some(), refused, "{address}");
            }
            let _held = admission.admit("10.0.0.1".parse().unwrap()).unwrap();
            assert!(refusal(&admission, "10.0.0.1").is_some());
        }
    }
}
