//! Who is signed in to the console, in memory: sessions are known by a hash of what the cookie has, and end by themselves. Not what an
//! operator may do, which is asked of the node for each request, nor the cookie's spelling.

use std::collections::HashMap;
use std::fmt;
use std::net::IpAddr;

use tollgate_core::clock::{Monotonic, UnixMillis};

use tollgate_node::SignedIn;

/// Sessions of the server at once; the one that was used longest ago makes room.
const SESSIONS_MAX: usize = 1_024;
/// Of one operator.
const SESSIONS_PER_OPERATOR_MAX: usize = 32;

/// SHA-256 of a cookie's value.
pub(crate) type Name = [u8; 32];

/// How long sessions last, in milliseconds.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Lives {
    /// Without being used.
    pub(crate) idle_ms: u64,
    /// From its beginning.
    pub(crate) whole_ms: u64,
}

/// A session.
#[derive(Clone)]
pub(crate) struct Session {
    /// Who, and what it began with.
    pub(crate) signed_in: SignedIn,
    pub(crate) begun: Monotonic,
    pub(crate) begun_at: UnixMillis,
    pub(crate) used: Monotonic,
    /// When its operator last said the password.
    pub(crate) confirmed: Monotonic,
    pub(crate) address: Option<IpAddr>,
    /// At most 255 bytes; the browser's own word.
    pub(crate) user_agent: String,
    /// What its forms carry, so that no other page can make one.
    pub(crate) csrf: String,
}

impl fmt::Debug for Session {
    /// Not what its forms carry.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session").field("signed_in", &self.signed_in).finish_non_exhaustive()
    }
}

/// Whether a request is somebody's doing, or the page's own asking for news.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Doing {
    Use,
    Look,
}

/// The sessions.
#[derive(Debug)]
pub(crate) struct Sessions {
    lives: Lives,
    by_name: HashMap<Name, Session>,
}

impl Sessions {
    pub(crate) fn new(lives: Lives) -> Self {
        Self { lives, by_name: HashMap::new() }
    }

    /// Adds a new session. Never one under a name that a browser brought along: `name` is of bytes just drawn.
    pub(crate) fn begin(&mut self, name: Name, session: Session, now: Monotonic) {
        self.by_name.retain(|_, one| self.lives.holds(one, now));
        let own = self.by_name.values().filter(|one| one.signed_in.operator == session.signed_in.operator).count();
        if own >= SESSIONS_PER_OPERATOR_MAX {
            self.end_least_used(|one| one.signed_in.operator == session.signed_in.operator);
        } else if self.by_name.len() >= SESSIONS_MAX {
            self.end_least_used(|_| true);
        }
        self.by_name.insert(name, session);
    }

    /// The session with this name, if it is not over. A look does not make it last longer.
    pub(crate) fn find(&mut self, name: &Name, doing: Doing, now: Monotonic) -> Option<&mut Session> {
        if !self.by_name.get(name).is_some_and(|one| self.lives.holds(one, now)) {
            self.by_name.remove(name);
            return None;
        }
        let found = self.by_name.get_mut(name)?;
        if doing == Doing::Use {
            found.used = now;
        }
        Some(found)
    }

    /// The sessions of whom this is, the latest first.
    pub(crate) fn of(&self, whose: SignedIn, now: Monotonic) -> Vec<(Name, Session)> {
        let own = |one: &Session| one.signed_in == whose && self.lives.holds(one, now);
        let mut all: Vec<_> =
            self.by_name.iter().filter(|(_, one)| own(one)).map(|(n, one)| (*n, one.clone())).collect();
        all.sort_by_key(|(_, one)| std::cmp::Reverse(one.used));
        all
    }

    /// How many have not ended.
    pub(crate) fn count(&self, now: Monotonic) -> usize {
        self.by_name.values().filter(|one| self.lives.holds(one, now)).count()
    }

    /// Ends all that fit; answers how many.
    pub(crate) fn end(&mut self, fits: impl Fn(&Name, &Session) -> bool) -> usize {
        let before = self.by_name.len();
        self.by_name.retain(|name, one| !fits(name, one));
        before - self.by_name.len()
    }

    fn end_least_used(&mut self, of: impl Fn(&Session) -> bool) {
        let least = self.by_name.iter().filter(|(_, one)| of(one)).min_by_key(|(_, one)| one.used);
        if let Some(name) = least.map(|(name, _)| *name) {
            self.by_name.remove(&name);
        }
    }
}

impl Lives {
    fn holds(&self, session: &Session, now: Monotonic) -> bool {
        now.since(session.used) < self.idle_ms && now.since(session.begun) < self.whole_ms
    }
}
