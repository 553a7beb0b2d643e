//! `tollgate signing-key …`.

use clap::Subcommand;
use serde_json::{Value, json};

use super::{Where, encoded, object};
use crate::cli::Task;

#[derive(Debug, Subcommand)]
pub(crate) enum SigningKey {
    /// List signing keys, oldest first
    List {
        #[command(flatten)]
        place: Where,
    },
    /// Make a key that signs from a time to come, and is published until then
    Create {
        /// ES256, EdDSA or RS256 [default: the project's]
        #[arg(long)]
        algorithm: Option<String>,
        /// Seconds until it signs [default: as the schedule does]
        #[arg(long, value_name = "SECONDS")]
        signs_in: Option<u64>,
        #[command(flatten)]
        place: Where,
    },
    /// Make a key that signs at once; what was signed before works until it ends
    Rotate {
        #[command(flatten)]
        place: Where,
    },
    /// End a key
    Retire {
        /// The key's id, as JWTs and key sets name it
        #[arg(value_name = "KID")]
        kid: String,
        /// Accept nothing that it signed any more, and close the connections that came in by it
        #[arg(long)]
        emergency: bool,
        #[command(flatten)]
        place: Where,
    },
}

impl SigningKey {
    pub(crate) fn task(self) -> Task {
        match self {
            Self::List { place } => place.get("/v2/signing-keys", &[]),
            Self::Create { algorithm, signs_in, place } => place.post(
                "/v2/signing-keys",
                &object([("algorithm", algorithm.map(Value::from)), ("signs_in_s", signs_in.map(Value::from))]),
            ),
            Self::Rotate { place } => place.post("/v2/signing-keys/rotate", &json!({})),
            Self::Retire { kid, emergency, place } => {
                place.post(&format!("/v2/signing-keys/{}/retire", encoded(&kid)), &json!({ "emergency": emergency }))
            }
        }
    }
}
