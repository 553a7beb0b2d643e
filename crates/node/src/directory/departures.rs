//! Which connections of tokens ended lately, and why, or went on with another token: so that somebody who asks what became of a message can be told who was there. In memory, a
//! bounded number of them; written where a connection ends, and nowhere else. Not a log: what is pushed out is forgotten.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

use tollgate_core::CloseReason;
use tollgate_core::clock::UnixMillis;
use tollgate_core::ids::{ConnectionId, TokenId};

/// Most endings that are remembered, of all projects together: 640 KiB.
const DEPARTURES_MAX: usize = 16_384;

/// An ending.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Departure {
    pub(crate) token: TokenId,
    pub(crate) connection: ConnectionId,
    /// When it was identified.
    pub(crate) since: UnixMillis,
    pub(crate) ended_at: UnixMillis,
    pub(crate) how: Parting,
}

/// How a connection and its token parted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Parting {
    /// The connection ended.
    Closed(CloseReason),
    /// It went on with another token.
    Renewed,
}

/// The latest of them, in the order in which they happened.
#[derive(Debug)]
pub(super) struct Departures(Mutex<Remembered>);

#[derive(Debug)]
struct Remembered {
    latest: VecDeque<Departure>,
    /// Whatever ended after this is among the latest.
    since: UnixMillis,
}

impl Departures {
    /// Nothing has ended yet; what ended before now is not known.
    pub(super) const fn since(now: UnixMillis) -> Self {
        Self(Mutex::new(Remembered { latest: VecDeque::new(), since: now }))
    }

    /// Remembers one.
    pub(super) fn note(&self, departure: Departure) {
        let mut remembered = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if remembered.latest.len() >= DEPARTURES_MAX
            && let Some(oldest) = remembered.latest.pop_front()
        {
            // The clock may have been set back in between.
            remembered.since = remembered.since.max(UnixMillis(oldest.ended_at.0.saturating_add(1)));
        }
        remembered.latest.push_back(departure);
    }

    /// Those of a token that ended not before this moment, and since when none was forgotten.
    pub(super) fn of(&self, token: TokenId, from: UnixMillis) -> (Vec<Departure>, UnixMillis) {
        let remembered = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let wanted = |one: &&Departure| one.token == token && one.ended_at >= from;
        (remembered.latest.iter().filter(wanted).copied().collect(), remembered.since)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn departure(token: u64, at: u64) -> Departure {
        let (since, ended_at) = (UnixMillis(at.saturating_sub(5)), UnixMillis(at));
        let (token, connection) = (TokenId::new(token), ConnectionId::new(at));
        Departure { token, connection, since, ended_at, how: Parting::Closed(CloseReason::ClientGone) }
    }

    #[test]
    fn the_latest_are_remembered_and_it_is_known_since_when() {
        assert_eq!(size_of::<Departure>(), 40);
        let departures = Departures::since(UnixMillis(3));
        let most = DEPARTURES_MAX as u64;
        for at in 0..most {
            departures.note(departure(at % 2, 10 + at));
        }
        let (found, since) = departures.of(TokenId::new(1), UnixMillis(0));
        assert_eq!((found.len(), found[0].ended_at, since), (DEPARTURES_MAX / 2, UnixMillis(11), UnixMillis(3)));
        assert_eq!(departures.of(TokenId::new(1), UnixMillis(10 + most - 1)).0, [departure(1, 10 + most - 1)]);
        departures.note(departure(0, 10 + most));
        let (found, since) = departures.of(TokenId::new(0), UnixMillis(0));
        assert_eq!((found.len(), found[0].ended_at, since), (DEPARTURES_MAX / 2, UnixMillis(12), UnixMillis(11)));
        assert!(departures.of(TokenId::new(2), UnixMillis(0)).0.is_empty());
    }
}
