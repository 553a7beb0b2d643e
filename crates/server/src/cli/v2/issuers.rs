//! `tollgate issuer …`.

use clap::Subcommand;
use serde_json::Value;

use super::{Where, encoded, typed_object};
use crate::cli::Task;

#[derive(Debug, Subcommand)]
pub(crate) enum Issuer {
    /// Register an issuer whose JWTs are let in
    Create {
        /// What POST /v2/issuers takes, a JSON object
        #[arg(long, value_name = "JSON", value_parser = typed_object)]
        set: Value,
        #[command(flatten)]
        place: Where,
    },
    /// List issuers
    List {
        #[command(flatten)]
        place: Where,
    },
    /// Show an issuer
    #[command(visible_alias = "show")]
    Get {
        /// The issuer's id, `iss_…`
        #[arg(value_name = "ISSUER_ID")]
        issuer: String,
        #[command(flatten)]
        place: Where,
    },
    /// Change an issuer
    #[command(visible_alias = "set")]
    Change {
        /// The issuer's id, `iss_…`
        #[arg(value_name = "ISSUER_ID")]
        issuer: String,
        /// What to change, a JSON object as PATCH /v2/issuers takes it
        #[arg(long, value_name = "JSON", value_parser = typed_object)]
        set: Value,
        #[command(flatten)]
        place: Where,
    },
    /// Believe an issuer no more
    Delete {
        /// The issuer's id, `iss_…`
        #[arg(value_name = "ISSUER_ID")]
        issuer: String,
        #[command(flatten)]
        place: Where,
    },
}

impl Issuer {
    pub(crate) fn task(self) -> Task {
        let path = |issuer: &str| format!("/v2/issuers/{}", encoded(issuer));
        match self {
            Self::Create { set, place } => place.post("/v2/issuers", &set),
            Self::List { place } => place.get("/v2/issuers", &[]),
            Self::Get { issuer, place } => place.get(&path(&issuer), &[]),
            Self::Change { issuer, set, place } => place.patch(&path(&issuer), &set),
            Self::Delete { issuer, place } => place.request("DELETE", path(&issuer), None),
        }
    }
}
