//! JWTs that were verified a while ago: a signature costs some 80 µs, finding its text here less than one.
//!
//! Not here: whether it still counts. Who finds a JWT here asks the records whether the key or the issuer stands as it did, and the clock
//! whether the JWT has ended; so nothing must be told when they change.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use tollgate_core::clock::UnixMillis;
use tollgate_core::credentials::fingerprint;
use tollgate_core::credentials::jwt::VerifiedClaims;
use tollgate_core::ids::{IssuerId, ProjectId};

use crate::operations::signing::AccessProof;

/// How many are remembered at least, once so many came; at most twice as many are.
const KEPT: usize = 8_192;

/// What a verified JWT said.
#[derive(Clone, Debug)]
pub(crate) enum Verified {
    /// One of ours: which token it spells.
    Ours(AccessProof),
    /// One of a registered issuer, by the rules of this revision of its record.
    Issuers { issuer: IssuerId, revision: u32, claims: Arc<VerifiedClaims> },
}

/// The latest, by SHA-256 of project and text. Two generations: what is not asked for while one fills up is forgotten.
#[derive(Debug, Default)]
pub(crate) struct VerifiedJwts(Mutex<Generations>);

#[derive(Debug, Default)]
struct Generations {
    young: HashMap<[u8; 32], (UnixMillis, Verified)>,
    old: HashMap<[u8; 32], (UnixMillis, Verified)>,
}

/// What stands for a text within a project.
pub(crate) fn name_of(project: ProjectId, text: &str) -> [u8; 32] {
    fingerprint(&[&project.get().to_be_bytes(), text.as_bytes()])
}

impl VerifiedJwts {
    /// What the text with this name said, if it was verified and has not ended.
    pub(crate) fn get(&self, name: &[u8; 32], now: UnixMillis) -> Option<Verified> {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((until, verified)) = kept.young.get(name) {
            return (now < *until).then(|| verified.clone());
        }
        let (until, verified) = kept.old.remove(name)?;
        if until <= now {
            return None;
        }
        kept.put(*name, until, verified.clone());
        Some(verified)
    }

    /// Remembers what a text said, until it ends.
    pub(crate) fn put(&self, name: [u8; 32], until: UnixMillis, verified: Verified) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).put(name, until, verified);
    }
}

impl Generations {
    fn put(&mut self, name: [u8; 32], until: UnixMillis, verified: Verified) {
        if self.young.len() >= KEPT {
            self.old = std::mem::take(&mut self.young);
        }
        self.young.insert(name, (until, verified));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tollgate_core::ids::TokenId;

    fn ours(token: u64) -> Verified {
        let ends_at = UnixMillis(10);
        Verified::Ours(AccessProof { token: TokenId::new(token), generation: 1, signing_key: 1, ends_at })
    }

    fn name(number: u64) -> [u8; 32] {
        name_of(ProjectId::new(number), "text")
    }

    #[test]
    fn what_is_asked_for_stays_and_the_rest_goes() {
        let kept = VerifiedJwts::default();
        kept.put(name(0), UnixMillis(10), ours(0));
        for number in 1..=4 * KEPT as u64 {
            kept.put(name(number), UnixMillis(10), ours(number));
            assert!(number % 100 != 0 || kept.get(&name(0), UnixMillis(9)).is_some(), "{number}");
        }
        assert!(kept.get(&name(1), UnixMillis(9)).is_none());
        let generations = kept.0.lock().unwrap_or_else(PoisonError::into_inner);
        assert!(generations.young.len() <= KEPT && generations.old.len() <= KEPT);
    }

    #[test]
    fn nothing_outlives_its_end_or_leaves_its_project() {
        let kept = VerifiedJwts::default();
        kept.put(name(1), UnixMillis(10), ours(1));
        assert!(kept.get(&name(1), UnixMillis(9)).is_some());
        assert!(kept.get(&name(1), UnixMillis(10)).is_none());
        assert!(kept.get(&name(2), UnixMillis(9)).is_none());
    }
}
