//! Revocation by any rule, and its undoing. With `token` alone it is RFC 7009's: 200 for a token that nobody knows, too.

use http::StatusCode;
use serde::{Deserialize, Serialize};
use tollgate_core::command::PresentedSecret;
use tollgate_core::grants::Grant;
use tollgate_core::json::JsonObject;
use tollgate_core::records::TokenKind;
use tollgate_core::{Error, ErrorKind, Result};
use tollgate_node::{RevokeRequest, Selector};

use super::{Map, Time};
use crate::answer::Answer;
use crate::call::Call;

/// Which tokens, and how. All criteria that are given must fit.
#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Wanted {
    token: Option<String>,
    /// RFC 7009's; there is one type.
    #[serde(rename = "token_type_hint")]
    _type_hint: Option<String>,
    tokens: Vec<String>,
    user_id: Option<String>,
    device_id: Option<String>,
    key_number: Option<u16>,
    made_by: Option<String>,
    /// Any of its operations, on any channel that its pattern names.
    capability: Option<Map<Grant>>,
    metadata: Option<JsonObject>,
    kind: Option<TokenKind>,
    issued_before: Option<Time>,
    all: bool,
    grace_s: u64,
    reason: Option<String>,
    dry_run: bool,
    delete: bool,
}

#[derive(Serialize)]
struct Shown {
    matched: u64,
    revoked: u64,
    connections_closed: u64,
    last_closed_at: Option<Time>,
    effective_at: Time,
    dry_run: bool,
}

pub(crate) async fn revoke(call: &Call) -> Result<Answer> {
    let wanted: Wanted = call.object()?;
    let dry_run = wanted.dry_run;
    let made_by = wanted.made_by.as_deref().map(str::parse).transpose()?;
    let request = RevokeRequest {
        selector: Selector {
            tokens: wanted.token.into_iter().chain(wanted.tokens).map(PresentedSecret::new).collect(),
            user_id: wanted.user_id,
            device_id: wanted.device_id,
            key_number: wanted.key_number,
            made_by,
            capability: wanted.capability.map(|Map(grant)| grant),
            metadata: wanted.metadata,
            kind: wanted.kind,
            issued_before: wanted.issued_before.map(|time| time.0),
            all: wanted.all,
        },
        grace_ms: wanted.grace_s.saturating_mul(1_000),
        reason: wanted.reason,
        dry_run,
        delete: wanted.delete,
    };
    let revoked = call.node.revoke(&call.caller, request).await?;
    let shown = Shown {
        matched: revoked.matched,
        revoked: revoked.revoked,
        connections_closed: revoked.connections_closed,
        last_closed_at: revoked.last_closed_at.map(Time),
        effective_at: Time(revoked.effective_at),
        dry_run,
    };
    Ok(Answer::json(StatusCode::OK, &shown))
}

pub(crate) async fn restore(call: &Call) -> Result<Answer> {
    #[derive(Serialize)]
    struct Restored {
        id: String,
        restored: bool,
    }
    if !call.body.is_empty() {
        return Err(Error::new(ErrorKind::InvalidBody, "This takes no body."));
    }
    let token = call.node.restore_token(&call.caller, &call.token()?).await?;
    Ok(Answer::json(StatusCode::OK, &Restored { id: token.to_string(), restored: true }))
}
