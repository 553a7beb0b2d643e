//! The line of calls: how many may wait and run, in all and for each host, so that a host that does not answer holds up its own calls only.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use tokio::sync::{OwnedSemaphorePermit, Semaphore, SemaphorePermit};
use tollgate_core::ports::outbound::{Host, Target};

/// How many calls at a time.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bounds {
    /// That run.
    pub(crate) calls_max: usize,
    /// That wait or run; more are refused at once.
    pub(crate) places_max: usize,
    /// The same two for one host and port.
    pub(crate) calls_per_host_max: usize,
    pub(crate) places_per_host_max: usize,
}

impl Bounds {
    /// For addresses that anybody may have registered.
    pub(crate) const SHARED: Self =
        Self { calls_max: 64, places_max: 1_024, calls_per_host_max: 16, places_per_host_max: 512 };
    /// For one host that is all there is to call.
    pub(crate) const ONE_HOST: Self =
        Self { calls_max: 64, places_max: 1_024, calls_per_host_max: 64, places_per_host_max: 1_024 };
}

/// A host's name and port.
type Key = (Host, u16);

#[derive(Debug)]
pub(super) struct Line {
    bounds: Bounds,
    places: Arc<Semaphore>,
    calls: Semaphore,
    /// The hosts that have a place.
    hosts: Mutex<HashMap<Key, OfHost>>,
}

#[derive(Debug)]
struct OfHost {
    places: usize,
    calls: Arc<Semaphore>,
}

impl Line {
    pub(super) fn new(bounds: Bounds) -> Self {
        let (places, calls) = (Arc::new(Semaphore::new(bounds.places_max)), Semaphore::new(bounds.calls_max));
        Self { bounds, places, calls, hosts: Mutex::default() }
    }

    /// A place for a call to this host, unless there is none left.
    pub(super) fn take(self: &Arc<Self>, target: &Target) -> Option<Place> {
        let in_all = Arc::clone(&self.places).try_acquire_owned().ok()?;
        let key = (target.host.clone(), target.port);
        let mut hosts = self.hosts.lock().expect("invariant: nobody panics with the lock");
        let nobody = || OfHost { places: 0, calls: Arc::new(Semaphore::new(self.bounds.calls_per_host_max)) };
        let host = hosts.entry(key.clone()).or_insert_with(nobody);
        if host.places >= self.bounds.places_per_host_max {
            return None;
        }
        host.places += 1;
        let of_host = Arc::clone(&host.calls);
        drop(hosts);
        Some(Place { line: Arc::clone(self), key, of_host, _in_all: in_all })
    }
}

/// A place among those that wait or run; free again when dropped.
#[derive(Debug)]
pub(super) struct Place {
    line: Arc<Line>,
    key: Key,
    of_host: Arc<Semaphore>,
    _in_all: OwnedSemaphorePermit,
}

impl Place {
    /// Waits for its turn, which lasts until what is returned is dropped. First among the calls of its host, so that those who wait there
    /// keep none of the turns of all.
    pub(super) async fn turn(&self) -> [SemaphorePermit<'_>; 2] {
        let never = "invariant: the line is never closed";
        let of_host = self.of_host.acquire().await.expect(never);
        [of_host, self.line.calls.acquire().await.expect(never)]
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut hosts = self.line.hosts.lock().expect("invariant: nobody panics with the lock");
        let host = hosts.get_mut(&self.key).expect("invariant: who has a place is in the table");
        host.places -= 1;
        if host.places == 0 {
            hosts.remove(&self.key);
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_host_takes_its_own_places_and_leaves_no_trace() {
        let target = |url: &str| Target::parse(url).unwrap();
        let (slow, other) = (target("https://slow.example/"), target("https://slow.example:444/"));
        let line =
            Arc::new(Line::new(Bounds { calls_max: 2, places_max: 4, calls_per_host_max: 1, places_per_host_max: 2 }));
        let (first, second) = (line.take(&slow).unwrap(), line.take(&slow).unwrap());
        assert!(line.take(&slow).is_none(), "two for each host");
        let (third, fourth) = (line.take(&other).unwrap(), line.take(&target("https://x/")).unwrap());
        assert!(line.take(&target("https://y/")).is_none(), "four in all");
        drop(fourth);

        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let turn = first.turn().await;
            tokio::select! {
                biased;
                _ = second.turn() => panic!("one at a time for each host"),
                _ = third.turn() => {}
            }
            drop(turn);
            drop(second.turn().await);
        });
        drop((first, second));
        assert_eq!(line.hosts.lock().unwrap().len(), 1);
        drop(third);
        assert_eq!(line.hosts.lock().unwrap().len(), 0);
        assert_eq!(line.places.available_permits(), 4);
        assert!(line.take(&slow).is_some());
    }
}
