//! Carries out requests on a node, as the operator of the machine.

use std::sync::Arc;

use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use tollgate_core::authorize::Caller;
use tollgate_core::clock::UnixMillis;
use tollgate_core::ids::{KeyId, ProjectId};
use tollgate_core::permissions::Permissions;
use tollgate_core::{Error, ErrorKind};
use tollgate_node::{KeyEntry, Node, OperatorUpdate};

use super::{Answer, CreatedKey, CreatedProject, ListedKey, ListedProject, Request, RevokedKey, Serving};
use super::{keyring, operators};

/// Does what `request` asks for; a refusal is an answer, too. `origin` is where browsers reach the server's console, if one runs.
pub(crate) async fn perform(node: &Arc<Node>, request: Request, origin: Option<&str>) -> Answer {
    outcome(node, request, origin).await.unwrap_or_else(|error| Answer::Refused(error.to_string()))
}

/// What this process is, and what it serves, if it does.
pub(crate) fn about(serving: Option<Serving>) -> Answer {
    Answer::About { version: env!("CARGO_PKG_VERSION").to_owned(), pid: std::process::id(), serving }
}

async fn outcome(node: &Arc<Node>, request: Request, origin: Option<&str>) -> tollgate_core::Result<Answer> {
    let operator = &Caller::Operator;
    Ok(match request {
        Request::CreateProject { name } => {
            let (project, key) = node.create_project(operator, &name).await?;
            let key = key.expose().as_str().to_owned();
            Answer::Project(CreatedProject { project: project.id.to_string(), name: project.name, key })
        }
        Request::ListProjects {} => {
            let listed = node.projects(operator)?.into_iter();
            let listed = listed.map(|one| ListedProject {
                id: one.id.to_string(),
                name: one.name,
                created_at: rfc3339(one.created_at),
            });
            Answer::Projects(listed.collect())
        }
        Request::CreateKey { project, permissions } => {
            let (project, permissions) = (id::<ProjectId>(&project)?, Permissions::parse(&permissions)?);
            let (record, key) = node.create_key(operator, project, permissions).await?;
            let key = key.expose().as_str().to_owned();
            Answer::Key(CreatedKey {
                id: record.id.to_string(),
                project: project.to_string(),
                key,
                permissions: names(permissions),
            })
        }
        Request::ListKeys { project } => {
            let project = project.as_deref().map(id::<ProjectId>).transpose()?;
            // Uses that wait to be written belong to what is listed.
            node.keep_key_uses().await;
            Answer::Keys(node.keys(operator, project)?.iter().map(listed_key).collect())
        }
        Request::RevokeKey { key } => {
            let key = id::<KeyId>(&key)?;
            node.revoke_key(operator, key).await?;
            Answer::Revoked(RevokedKey { id: key.to_string(), revoked: true })
        }
        Request::Api { project, method, path, body, idempotency_key } => {
            let project = the_project(node, project.as_deref())?;
            api(node, project, &method, &path, body.unwrap_or_default(), idempotency_key).await?
        }
        Request::ListOperators {} => operators::list(node)?,
        Request::InviteOperator { name, role } => operators::invite(node, name, role, origin).await?,
        Request::LinkOperator { operator } => operators::link(node, &operator, origin).await?,
        Request::ChangeOperator { operator, role, disabled } => {
            operators::change(node, &operator, OperatorUpdate { role, disabled }).await?
        }
        Request::DeleteOperator { operator } => operators::delete(node, &operator).await?,
        Request::KeyringStatus {} => keyring::status(node).await?,
        Request::RotateKeyring { what } => keyring::rotate(node, what).await?,
        Request::RotateMasterKey { file } => keyring::rotate_master(node, &file).await?,
        Request::RetireKeyringKey { number } => keyring::retire(node, number).await?,
        Request::About {} => about(None),
        // Who has the store open carries these out.
        Request::BackUp { .. } | Request::LookAtBackup { .. } => {
            return Err(Error::new(ErrorKind::Internal, "A backup is no request to a node; this is a defect."));
        }
        Request::Metrics {} | Request::Pulse {} => {
            return Err(Error::new(
                ErrorKind::Unavailable,
                "No server runs on this data folder, so nothing is counted.",
            ));
        }
        Request::VerifyAudit {} => match node.verify_audit(operator).await? {
            Ok((start, end)) => Answer::Said {
                json: format!(
                    "{{\"intact\":true,\"first_sequence\":{},\"last_sequence\":{},\"last_mac\":\"{}\"}}",
                    start.sequence + 1,
                    end.sequence,
                    hex(&end.mac)
                ),
                text: format!(
                    "The audit log is intact: entries {} to {}.\nIts end, to be kept elsewhere: {}",
                    start.sequence + 1,
                    end.sequence,
                    hex(&end.mac)
                ),
            },
            Err(problem) => {
                return Err(Error::new(ErrorKind::Internal, format!("The audit log is not intact: {problem}.")));
            }
        },
    })
}

/// The project that is named, or the only one there is.
fn the_project(node: &Node, named: Option<&str>) -> tollgate_core::Result<ProjectId> {
    if let Some(named) = named {
        return id(named);
    }
    match node.projects(&Caller::Operator)?.as_slice() {
        [one] => Ok(one.id),
        [] => Err(Error::new(ErrorKind::NotFound, "There is no project yet; make one with `tollgate project create`.")),
        several => Err(Error::new(
            ErrorKind::InvalidInput,
            format!("There are {} projects; say which with --project.", several.len()),
        )),
    }
}

/// A request to `/v2` as the operator of a project.
async fn api(
    node: &Arc<Node>,
    project: ProjectId,
    method: &str,
    path: &str,
    body: String,
    idempotency_key: Option<String>,
) -> tollgate_core::Result<Answer> {
    use http_body_util::BodyExt as _;
    let refused = |_| {
        Error::new(
            ErrorKind::InvalidInput,
            "This command does not make a request; a part of it has characters that none may have.",
        )
    };
    let mut request = hyper::Request::builder().method(method).uri(path);
    if let Some(key) = idempotency_key {
        request = request.header("idempotency-key", key);
    }
    let request = request.body(bytes::Bytes::from(body)).map_err(refused)?;
    let reply =
        tollgate_api::router(Arc::clone(node), tollgate_api::ApiConfig::default()).as_operator(project, request).await;
    let status = reply.status().as_u16();
    let body = match reply.into_body().collect().await {
        Ok(whole) => String::from_utf8_lossy(&whole.to_bytes()).into_owned(),
        Err(never) => match never {},
    };
    Ok(Answer::Api { status, body })
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Reads an id; what is none is named, because a command may hold several.
fn id<T: std::str::FromStr<Err = Error>>(text: &str) -> tollgate_core::Result<T> {
    text.parse().map_err(|error: Error| Error::new(error.kind, format!("{text:?}: {}", error.detail)))
}

fn listed_key(key: &KeyEntry) -> ListedKey {
    let record = &key.record;
    ListedKey {
        id: key.id.to_string(),
        project: key.project.to_string(),
        hint: record.hint.clone(),
        permissions: names(record.permissions),
        created_at: rfc3339(record.created_at),
        last_used_at: record.last_used_at.map(rfc3339),
        revoked_at: record.revoked_at.map(rfc3339),
    }
}

fn names(permissions: Permissions) -> Vec<String> {
    permissions.names().map(str::to_owned).collect()
}

/// As `2026-01-02T03:04:05.678Z`.
pub(crate) fn rfc3339(at: UnixMillis) -> String {
    OffsetDateTime::from_unix_timestamp_nanos(i128::from(at.0) * 1_000_000)
        .ok()
        .and_then(|at| at.format(&Rfc3339).ok())
        .unwrap_or_else(|| "9999-12-31T23:59:59Z".into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_rfc3339() {
        for (ms, text) in [
            (0, "1970-01-01T00:00:00Z"),
            (1_700_000_000_123, "2023-11-14T22:13:20.123Z"),
            (u64::MAX, "9999-12-31T23:59:59Z"),
        ] {
            assert_eq!(rfc3339(UnixMillis(ms)), text);
        }
    }
}
