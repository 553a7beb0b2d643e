//! Carries out requests on a node, as the operator of the machine.

use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use tollgate_core::Error;
use tollgate_core::authorize::Caller;
use tollgate_core::clock::UnixMillis;
use tollgate_core::ids::{KeyId, ProjectId};
use tollgate_core::permissions::Permissions;
use tollgate_node::{KeyEntry, Node};

use super::{Answer, CreatedKey, CreatedProject, ListedKey, ListedProject, Request, RevokedKey};

/// Does what `request` asks for; a refusal is an answer, too.
pub(crate) async fn perform(node: &Node, request: Request) -> Answer {
    outcome(node, request).await.unwrap_or_else(|error| Answer::Refused(error.to_string()))
}

async fn outcome(node: &Node, request: Request) -> tollgate_core::Result<Answer> {
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
    })
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
pub(super) fn rfc3339(at: UnixMillis) -> String {
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
