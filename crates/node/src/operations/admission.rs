//! Who is let in how often: limits on minting and on failed authentications.
//!
//! A good credential always gets in. Whether one is good is found out first, and only what failed takes from the bucket of its address; when
//! that is empty, failures are answered "too many" instead of why. So a stranger behind the same address locks nobody out, and
//! guessing, which 190 random bits make hopeless anyway, becomes slow and visible. It costs us no more than the answer: junk is refused by its
//! checksum, a well-formed guess by one hash and one look-up in memory.
//!
//! What is genuine and has ended (expired, revoked, rotated) is no guess: it is told so however often it comes, and takes from no bucket. Limits
//! end no live connection. Loopback addresses are not counted: whoever is on the machine needs no guessing, and a proxy on it that was not
//! declared would stand for everybody.

use std::net::IpAddr;

use tollgate_core::authorize::Caller;
use tollgate_core::error::{Error, Result};
use tollgate_core::ids::ProjectId;
use tollgate_core::peer::network_of;

use super::writing::origin;
use crate::Node;
use crate::directory::ProjectEntry;
use crate::limits::{Counted, FAILED_AUTH_PER_ADDRESS, MINT_PER_ADDRESS, MINT_PER_KEY, MINT_PER_USER};

/// How refusals are counted that were no failure to authenticate.
pub(super) const RATE_LIMITED: &str = "rate_limited";

impl Node {
    /// Lets `count` tokens be made, by what this key, user and address have made already.
    ///
    /// # Errors
    /// `rate_limited`, saying after how long; then nothing is counted.
    pub(crate) fn admit_mint(
        &self,
        entry: &ProjectEntry,
        caller: &Caller,
        user_id: Option<&str>,
        count: u32,
    ) -> Result<()> {
        let (project, settings) = (entry.project.id, entry.settings());
        let limits = &settings.limits;
        let mut wanted = Vec::with_capacity(3);
        if let Caller::ProjectKey { key, .. } = caller {
            wanted.push((Counted::MintOfKey(*key), limits.mint_per_key.unwrap_or(MINT_PER_KEY)));
        }
        if let Some(user_id) = user_id {
            let counted = Counted::MintOfUser(project, self.buckets.name_of(user_id));
            wanted.push((counted, limits.mint_per_user.unwrap_or(MINT_PER_USER)));
        }
        if let Some(network) = limited_address() {
            wanted.push((Counted::MintFrom(project, network), limits.mint_per_address.unwrap_or(MINT_PER_ADDRESS)));
        }
        self.admit(
            project,
            &wanted,
            count,
            "Too many tokens were made with this key, for this user or from this address.",
        )
    }

    /// The same for tokens that a backend makes: by the limits that its project has set. Without any it is not limited, for it alone knows how
    /// many it needs.
    ///
    /// # Errors
    /// As [`Node::admit_mint`].
    pub(crate) fn admit_create(
        &self,
        entry: &ProjectEntry,
        caller: &Caller,
        user_id: Option<&str>,
        count: u32,
    ) -> Result<()> {
        let (project, settings) = (entry.project.id, entry.settings());
        let limits = &settings.limits;
        let key = if let Caller::ProjectKey { key, .. } = caller { Some(Counted::MintOfKey(*key)) } else { None };
        let user = user_id.map(|user_id| Counted::MintOfUser(project, self.buckets.name_of(user_id)));
        let from = limited_address().map(|network| Counted::MintFrom(project, network));
        let pairs = [(key, limits.mint_per_key), (user, limits.mint_per_user), (from, limits.mint_per_address)];
        let wanted: Vec<_> = pairs.into_iter().filter_map(|(counted, bucket)| Some((counted?, bucket?))).collect();
        self.admit(
            project,
            &wanted,
            count,
            "Too many tokens were made with this key, for this user or from this address.",
        )
    }

    /// The same for an auth token.
    pub(super) fn admit_auth_token(&self, entry: &ProjectEntry, caller: &Caller) -> Result<()> {
        let Caller::ProjectKey { key, .. } = caller else { return Ok(()) };
        let bucket = entry.settings().limits.mint_per_key.unwrap_or(MINT_PER_KEY);
        let wanted = [(Counted::AuthTokenOfKey(*key), bucket)];
        self.admit(entry.project.id, &wanted, 1, "Too many auth tokens were made with this key.")
    }

    fn admit(
        &self,
        project: ProjectId,
        wanted: &[(Counted, tollgate_core::records::Bucket)],
        count: u32,
        what: &str,
    ) -> Result<()> {
        self.buckets.take(wanted, count, self.clock.monotonic()).map_err(|wait_ms| {
            self.refusals.note(Some(project), RATE_LIMITED, origin().address);
            self.note_refusal(Some(project), None, RATE_LIMITED);
            Error::rate_limited(
                format!(
                    "{what} Try again in {} s; use fewer, longer-lived tokens, and share them.",
                    wait_ms.div_ceil(1_000)
                ),
                wait_ms,
            )
        })
    }

    /// Counts a failed authentication and gives what to answer: `error`, or that there were too many.
    pub(crate) fn failed_authentication(
        &self,
        project: Option<ProjectId>,
        reason: &'static str,
        error: Error,
    ) -> Error {
        self.counters.authentications_failed.add(1);
        self.refusals.note(project, reason, origin().address);
        self.note_refusal(project, None, reason);
        let Some(network) = limited_address() else { return error };
        let bucket = project
            .and_then(|project| self.directory.project(project))
            .and_then(|entry| entry.settings().limits.failed_auth_per_address)
            .unwrap_or(FAILED_AUTH_PER_ADDRESS);
        match self.buckets.take(&[(Counted::FailedFrom(project, network), bucket)], 1, self.clock.monotonic()) {
            Ok(()) => error,
            Err(wait_ms) => Error::rate_limited(
                format!(
                    "Too many failed authentications from this address. Try again in {} s, with a credential that is valid.",
                    wait_ms.div_ceil(1_000)
                ),
                wait_ms,
            ),
        }
    }
}

/// The address that limits count by, if this request has one that counts.
fn limited_address() -> Option<IpAddr> {
    origin().address.map(network_of).filter(|address| !address.is_loopback())
}
