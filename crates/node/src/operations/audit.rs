//! The audit log as people read it: queries, proof, retention.

use tollgate_core::audit::{AuditEntry, ChainBreak, ChainHead, Proof};
use tollgate_core::authorize::{self, Action, Caller};
use tollgate_core::error::{Error, ErrorKind, Result};
use tollgate_core::limits::AUDIT_LOOKS_MAX;
use tollgate_core::ports::store::{AuditFound, AuditQuery};

use super::refusal;
use crate::Node;

/// Most entries of one query: a page, and one that tells that there is another.
pub const AUDIT_PAGE_MAX: usize = 1_001;
/// Entries that the upkeep forgets in one go.
const PRUNE_MAX: usize = 5_000;

impl Node {
    /// Entries of the caller's project; an operator without a project sees those of the whole server.
    ///
    /// # Errors
    /// `forbidden`, `invalid_input` for the limit, `unavailable`.
    pub async fn audit(&self, caller: &Caller, query: AuditQuery) -> Result<Vec<AuditEntry>> {
        let query = self.audit_query(caller, query)?;
        self.store.audit_entries(query).await.map_err(|error| refusal(error, &"the audit log"))
    }

    /// The same for somebody who waits: it looks at [`AUDIT_LOOKS_MAX`] entries or so, and says how far it came.
    ///
    /// # Errors
    /// As [`Node::audit`].
    pub async fn search_audit(&self, caller: &Caller, query: AuditQuery) -> Result<AuditFound> {
        let query = self.audit_query(caller, query)?;
        self.store.search_audit(query, AUDIT_LOOKS_MAX).await.map_err(|error| refusal(error, &"the audit log"))
    }

    fn audit_query(&self, caller: &Caller, mut query: AuditQuery) -> Result<AuditQuery> {
        if authorize::whole_server(caller, Action::AdministerProjects).is_err() {
            query.project = Some(self.authorize(caller, Action::ReadAudit)?.project.id);
        }
        if query.limit == 0 || query.limit > AUDIT_PAGE_MAX {
            return Err(Error::new(ErrorKind::InvalidInput, format!("`limit` is between 1 and {AUDIT_PAGE_MAX}.")));
        }
        Ok(query)
    }

    /// Proves the whole chain of the server: where the kept part begins and ends, or what is wrong with it.
    ///
    /// # Errors
    /// `forbidden`, `unavailable`.
    pub async fn verify_audit(
        &self,
        caller: &Caller,
    ) -> Result<std::result::Result<(ChainHead, ChainHead), ChainBreak>> {
        self.verify_audit_telling(caller, &|_, _| ()).await
    }

    /// The same for somebody who waits: `told` hears how many entries are proven, of how many.
    ///
    /// # Errors
    /// `forbidden`, `unavailable`.
    pub async fn verify_audit_telling(
        &self,
        caller: &Caller,
        told: &(dyn Fn(u64, u64) + Send + Sync),
    ) -> Result<std::result::Result<(ChainHead, ChainHead), ChainBreak>> {
        if authorize::whole_server(caller, Action::AdministerProjects).is_err() {
            self.authorize(caller, Action::ReadAudit)?;
        }
        let mut from = ChainHead::START;
        loop {
            let step = self.store.prove_audit(from).await.map_err(|error| refusal(error, &"the audit log"))?;
            match step {
                Ok(Proof::On { at, base, head }) => {
                    told(at.sequence.saturating_sub(base), head.saturating_sub(base));
                    from = at;
                }
                Ok(Proof::End(base, head)) => return Ok(Ok((base, head))),
                Err(broken) => return Ok(Err(broken)),
            }
        }
    }

    /// Forgets entries that every project has kept long enough. The chain has one order for all projects, so that the longest wish counts, and
    /// nothing is forgotten while a project wishes to keep its entries for ever.
    pub(super) async fn prune_audit(&self) {
        let lives: Option<Vec<u64>> =
            self.directory.projects().iter().map(|entry| entry.settings().audit_life_ms).collect();
        let Some(life) = lives.and_then(|lives| lives.into_iter().max()) else { return };
        let before = tollgate_core::clock::UnixMillis(self.now().0.saturating_sub(life));
        if let Err(error) = self.store.prune_audit(before, PRUNE_MAX).await {
            tracing::warn!(%error, "old audit entries could not be forgotten");
        }
    }
}
