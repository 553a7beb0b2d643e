//! The console's operators from the command line: for the first steps, and for whoever forgot a password.

use tollgate_core::authorize::Caller;
use tollgate_core::credentials::InvitationSecret;
use tollgate_core::ids::OperatorId;
use tollgate_core::limits::INVITATION_MS;
use tollgate_core::roles::Role;
use tollgate_core::{Error, ErrorKind, Result};
use tollgate_node::{NewOperator, Node, OperatorUpdate, OperatorView};

use super::Answer;
use super::perform::rfc3339;
use super::show;
use crate::announce;

pub(super) fn list(node: &Node) -> Result<Answer> {
    let all = node.operators(&Caller::Operator)?;
    let json: Vec<_> = all.iter().map(as_json).collect();
    let rows: Vec<Vec<String>> = all.iter().map(row).collect();
    let text = if rows.is_empty() {
        "There is no operator yet. The server prints a link for the first one each time it starts.".to_owned()
    } else {
        show::columns(&["OPERATOR", "NAME", "ROLE", "STATE", "LAST SIGNED IN"], rows).trim_end().to_owned()
    };
    said(&serde_json::Value::from(json), text)
}

pub(super) async fn invite(node: &Node, name: String, role: Role, origin: Option<&str>) -> Result<Answer> {
    let (view, code) = node.invite_operator(&Caller::Operator, NewOperator { name, role }).await?;
    linked(&view, &code, origin)
}

pub(super) async fn link(node: &Node, operator: &str, origin: Option<&str>) -> Result<Answer> {
    let view = named(node, operator)?;
    let code = node.link_operator(&Caller::Operator, view.id).await?;
    linked(&view, &code, origin)
}

pub(super) async fn change(node: &Node, operator: &str, update: OperatorUpdate) -> Result<Answer> {
    let view = node.change_operator(&Caller::Operator, named(node, operator)?.id, update).await?;
    said(&as_json(&view), format!("The operator {} is {} and {}.", view.name, view.role, state(&view)))
}

pub(super) async fn delete(node: &Node, operator: &str) -> Result<Answer> {
    let view = named(node, operator)?;
    node.delete_operator(&Caller::Operator, view.id).await?;
    let json = serde_json::json!({ "id": view.id.to_string(), "deleted": true });
    said(&json, format!("The operator {} is gone, and signed out everywhere.", view.name))
}

/// The operator with this name or id.
fn named(node: &Node, text: &str) -> Result<OperatorView> {
    let id = text.parse::<OperatorId>().ok();
    let found = node.operators(&Caller::Operator)?.into_iter().find(|one| one.name == text || Some(one.id) == id);
    found.ok_or_else(|| Error::new(ErrorKind::NotFound, format!("There is no operator {text:?}.")))
}

fn linked(view: &OperatorView, code: &InvitationSecret, origin: Option<&str>) -> Result<Answer> {
    let link = announce::link(origin.unwrap_or_default(), &code.expose());
    let mut json = as_json(view);
    json["link"] = link.clone().into();
    let where_to = if origin.is_some() { "" } else { " behind the address of your server" };
    let hours = INVITATION_MS / 3_600_000;
    let text = format!(
        "{} ({}) chooses a password{where_to} at\n\n  {link}\n\nThe link works once, within {hours} hours. Hand it over as you would a password.",
        view.name, view.role
    );
    said(&json, text)
}

const fn state(view: &OperatorView) -> &'static str {
    match (view.disabled_at, view.has_password) {
        (Some(_), _) => "disabled",
        (None, true) => "enabled",
        (None, false) => "invited",
    }
}

fn row(view: &OperatorView) -> Vec<String> {
    let last = view.last_seen_at.map_or_else(|| "never".to_owned(), rfc3339);
    vec![view.id.to_string(), view.name.clone(), view.role.word().to_owned(), state(view).to_owned(), last]
}

fn as_json(view: &OperatorView) -> serde_json::Value {
    serde_json::json!({
        "id": view.id.to_string(),
        "name": view.name,
        "role": view.role.word(),
        "state": state(view),
        "created_at": rfc3339(view.created_at),
        "last_signed_in_at": view.last_seen_at.map(rfc3339),
        "link_until": view.link_until.map(rfc3339),
    })
}

fn said(json: &serde_json::Value, text: String) -> Result<Answer> {
    Ok(Answer::Said { json: json.to_string(), text })
}
