//! The keyring from the command line, its files included: the master key's new file is on disk before anything is wrapped under it.

use std::path::Path;
use std::sync::Arc;

use tollgate_core::authorize::Caller;
use tollgate_core::{Error, ErrorKind, Result};
use tollgate_node::Node;

use super::{Answer, KeyringPart};
use crate::secret_file;

pub(super) async fn status(node: &Arc<Node>) -> Result<Answer> {
    let status = node.keyring(&Caller::Operator).await?;
    let mut text = String::from("Token keys:\n");
    for key in &status.token_keys {
        let state = if key.active { "active" } else { "verifies" };
        text += &format!("  {}  {state}, {} live connections\n", key.number, key.connections);
    }
    text += "Data keys:\n";
    for project in &status.projects {
        let keys: Vec<String> = project.keys.iter().map(u16::to_string).collect();
        text += &format!(
            "  {}  {}, {} records to seal again\n",
            project.project,
            keys.join(" "),
            project.records_to_reseal
        );
    }
    said(&status, text.trim_end().to_owned())
}

pub(super) async fn rotate(node: &Arc<Node>, what: KeyringPart) -> Result<Answer> {
    let operator = &Caller::Operator;
    match what {
        KeyringPart::Tokens => {
            let number = node.rotate_token_key(operator).await?;
            said(
                &serde_json::json!({ "token_key": number }),
                format!(
                    "New secrets are derived from token key {number}. Older keys go on verifying until you retire them."
                ),
            )
        }
        KeyringPart::Data => {
            let projects = node.rotate_data_keys(operator).await?;
            said(
                &serde_json::json!({ "projects": projects }),
                format!(
                    "{projects} projects have a new data key. Their records are being sealed again; see `tollgate keyring status`."
                ),
            )
        }
        KeyringPart::Master => Err(Error::new(
            ErrorKind::InvalidInput,
            "The master key is turned over by the command that holds its file.",
        )),
    }
}

pub(super) async fn rotate_master(node: &Arc<Node>, file: &Path) -> Result<Answer> {
    let next = secret_file::parse_file(file).map_err(|error| Error::new(ErrorKind::InvalidInput, error.to_string()))?;
    node.rotate_master_key(&Caller::Operator, next).await?;
    said(
        &serde_json::json!({ "master_key": "rotated" }),
        "Everything is wrapped under the new master key. Back its file up; older backups of the data still need the old key.".into(),
    )
}

pub(super) async fn retire(node: &Arc<Node>, number: u16) -> Result<Answer> {
    let closed = node.retire_token_key(&Caller::Operator, number).await?;
    said(
        &serde_json::json!({ "token_key": number, "connections_closed": closed }),
        format!(
            "Token key {number} is retired: its secrets are refused from now on. {closed} connections were closed."
        ),
    )
}

fn said<T: serde::Serialize>(json: &T, text: String) -> Result<Answer> {
    let json = serde_json::to_string(json).map_err(|error| Error::new(ErrorKind::Internal, error.to_string()))?;
    Ok(Answer::Said { json, text })
}
