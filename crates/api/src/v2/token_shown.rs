//! A token as `/v2` shows it: never its secret, but where it was just made.

use serde::Serialize;
use tollgate_core::credentials::{TokenSecret, TokenSpelling};
use tollgate_core::grants::Grant;
use tollgate_core::json::JsonObject;
use tollgate_core::records::TokenKind;
use tollgate_node::TokenDetail;

use super::Time;

#[derive(Serialize)]
pub(crate) struct Shown<'a> {
    id: String,
    project_id: String,
    kind: TokenKind,
    status: &'static str,
    user_id: Option<&'a str>,
    display_name: Option<&'a str>,
    name: Option<&'a str>,
    device_id: Option<&'a str>,
    state: Option<&'a JsonObject>,
    state_version: u64,
    capabilities: Option<&'a [Grant]>,
    max_connections: Option<u32>,
    networks: &'a [String],
    origins: &'a [String],
    metadata: Option<&'a JsonObject>,
    version: u32,
    generation: u32,
    previous_secret: Option<Previous>,
    created_at: Time,
    not_before: Option<Time>,
    expires_at: Option<Time>,
    refresh_after: Option<Time>,
    revoked: Option<Revoked<'a>>,
    made_by: Option<String>,
    issuer: Option<String>,
    connections: usize,
    last_seen_at: Option<Time>,
    #[serde(skip_serializing_if = "Option::is_none")]
    secret: Option<String>,
}

#[derive(Serialize)]
struct Previous {
    generation: u32,
    until: Time,
    uses: u64,
}

#[derive(Serialize)]
struct Revoked<'a> {
    decided_at: Time,
    effective_at: Time,
    reason: Option<&'a str>,
}

/// A token; with its secret, only in the answer to the request that made it.
pub(crate) fn show<'a>(token: &'a TokenDetail, secret: Option<&TokenSecret>) -> Shown<'a> {
    let (terms, user) = (&token.terms, token.user.as_ref().map(|(_, user)| user));
    Shown {
        id: token.id.to_string(),
        project_id: token.project.to_string(),
        kind: token.kind,
        status: token.status.word(),
        user_id: user.map(|user| user.user_id.as_str()),
        display_name: user.and_then(|user| user.display_name.as_deref()),
        name: terms.name.as_deref(),
        device_id: terms.device.as_deref(),
        state: token.state.as_ref(),
        state_version: token.state_version,
        capabilities: terms.grants.as_deref(),
        max_connections: terms.connections_max,
        networks: &terms.networks,
        origins: &terms.origins,
        metadata: terms.metadata.as_ref(),
        version: token.revision,
        generation: token.generation,
        previous_secret: token.previous.map(|previous| Previous {
            generation: previous.generation,
            until: Time(previous.until),
            uses: previous.uses,
        }),
        created_at: Time(token.created_at),
        not_before: token.not_before.map(Time),
        expires_at: token.expires_at.map(Time),
        refresh_after: token.refresh_after.map(Time),
        revoked: token.revoked.as_ref().map(|revoked| Revoked {
            decided_at: Time(revoked.decided_at),
            effective_at: Time(revoked.effective_at),
            reason: revoked.reason.as_deref(),
        }),
        made_by: token.made_by.map(|key| key.to_string()),
        issuer: token.issuer.map(|issuer| issuer.to_string()),
        connections: token.connections,
        last_seen_at: token.last_seen_at.map(Time),
        secret: secret.map(|secret| secret.expose(TokenSpelling::Native).to_string()),
    }
}
