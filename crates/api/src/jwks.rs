//! The public keys of access tokens, for whoever verifies them offline.

use http::{StatusCode, header};
use tollgate_core::credentials::{fingerprint, number_of};
use tollgate_core::ids::ProjectId;
use tollgate_core::{Error, ErrorKind};

use crate::answer::Answer;
use crate::call::Asked;
use crate::query::Query;
use crate::refusal::Refusal;

/// How long a reader may keep the set: a new key is in it long before it signs.
const KEEP: &str = "public, max-age=300";

/// `GET /.well-known/jwks.json[?project=]` and `GET /projects/:project/.well-known/jwks.json`: without a name, those of the oldest project.
pub(crate) async fn get(asked: &Asked) -> Result<Answer, Refusal> {
    let in_path = asked.params.iter().find(|(name, _)| *name == "project").map(|(_, value)| value.clone());
    let named = match in_path {
        Some(named) => Some(named),
        None => Query::new(asked.parts.uri.query()).first("project")?,
    };
    let missing = || Error::new(ErrorKind::NotFound, "There is no such project.");
    let project = match named {
        Some(named) => named.parse::<ProjectId>().map_err(|_| missing())?,
        None => asked.node.default_project().ok_or_else(missing)?,
    };
    let keys = asked.node.jwks(project)?;
    let etag = format!("\"{:016x}\"", number_of(&fingerprint(&[keys.as_bytes()])));
    let known = asked.parts.headers.get(header::IF_NONE_MATCH).and_then(|value| value.to_str().ok());
    let is_known = known.is_some_and(|known| known.split(',').any(|one| one.trim().trim_start_matches("W/") == etag));
    let answer = if is_known { Answer::unchanged() } else { Answer::plain(StatusCode::OK, keys) };
    Ok(answer.with(header::CACHE_CONTROL, KEEP).with(header::ETAG, &etag))
}
