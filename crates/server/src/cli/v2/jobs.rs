//! `tollgate job …`.

use clap::Subcommand;
use serde_json::json;

use super::{Where, encoded};
use crate::cli::Task;

#[derive(Debug, Subcommand)]
pub(crate) enum Job {
    /// List background jobs
    List {
        #[command(flatten)]
        place: Where,
    },
    /// Show how far a job is
    #[command(visible_alias = "show")]
    Get {
        /// The job's id, `job_…`
        #[arg(value_name = "JOB_ID")]
        job: String,
        #[command(flatten)]
        place: Where,
    },
    /// Stop a job; what was done stays done
    Cancel {
        /// The job's id, `job_…`
        #[arg(value_name = "JOB_ID")]
        job: String,
        #[command(flatten)]
        place: Where,
    },
}

impl Job {
    pub(crate) fn task(self) -> Task {
        match self {
            Self::List { place } => place.get("/v2/jobs", &[]),
            Self::Get { job, place } => place.get(&format!("/v2/jobs/{}", encoded(&job)), &[]),
            Self::Cancel { job, place } => place.post(&format!("/v2/jobs/{}/cancel", encoded(&job)), &json!({})),
        }
    }
}
