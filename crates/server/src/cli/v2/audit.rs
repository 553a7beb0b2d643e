//! `tollgate audit …`.

use clap::{Args, Subcommand};

use super::{Paging, Where};
use crate::admin::Request;
use crate::cli::{Output, Task, admin};

#[derive(Debug, Args)]
pub(crate) struct AuditFilter {
    /// Only entries about this id
    #[arg(long)]
    subject: Option<String>,
    /// Only entries of this actor
    #[arg(long)]
    actor: Option<String>,
    /// Only entries of this action, or of all that begin so (`token.`)
    #[arg(long)]
    action: Option<String>,
    /// Only what was done, or was refused: done or refused
    #[arg(long, value_name = "WORD")]
    outcome: Option<String>,
    /// Only entries not before this time
    #[arg(long, value_name = "TIME")]
    since: Option<String>,
    /// Only entries before this time
    #[arg(long, value_name = "TIME")]
    until: Option<String>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Audit {
    /// Show entries, the latest first
    List {
        #[command(flatten)]
        filter: AuditFilter,
        #[command(flatten)]
        paging: Paging,
        #[command(flatten)]
        place: Where,
    },
    /// Print up to 1,000 entries as JSON lines, the oldest first
    Export {
        #[command(flatten)]
        filter: AuditFilter,
        /// The sequence of the last entry that you have
        #[arg(long, value_name = "SEQUENCE")]
        after: Option<u64>,
        #[command(flatten)]
        place: Where,
    },
    /// Prove that no entry was changed, dropped, moved or added
    Verify {
        #[command(flatten)]
        output: Output,
    },
}

impl AuditFilter {
    fn query(self) -> [(&'static str, Option<String>); 6] {
        [
            ("subject", self.subject),
            ("actor", self.actor),
            ("action", self.action),
            ("outcome", self.outcome),
            ("since", self.since),
            ("until", self.until),
        ]
    }
}

impl Audit {
    pub(crate) fn task(self) -> Task {
        match self {
            Self::List { filter, paging, place } => {
                let mut query = filter.query().to_vec();
                query.push(("limit", paging.limit.map(|limit| limit.to_string())));
                query.push(("cursor", paging.cursor));
                place.get("/v2/audit", &query)
            }
            Self::Export { filter, after, place } => {
                let mut query = filter.query().to_vec();
                query.push(("after", after.map(|after| after.to_string())));
                place.get("/v2/audit/export", &query)
            }
            Self::Verify { output } => admin(Request::VerifyAudit {}, &output),
        }
    }
}
