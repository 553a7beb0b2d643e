//! Introspection in the words of RFC 7662, and beyond them: exactly why a token is refused, and since when.

use std::net::IpAddr;

use http::StatusCode;
use serde::{Deserialize, Serialize};
use tollgate_core::clock::UnixMillis;
use tollgate_core::command::PresentedSecret;
use tollgate_core::{Error, ErrorKind, Result};
use tollgate_node::{Introspection, Place, TokenDetail};

use super::Time;
use super::token_shown::{Shown, show};
use crate::answer::Answer;
use crate::call::Call;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Wanted {
    token: String,
    /// RFC 7662's; there is one type.
    #[serde(default, rename = "token_type_hint")]
    _type_hint: Option<String>,
    /// Whether it would be let in from there.
    #[serde(default)]
    address: Option<String>,
    #[serde(default)]
    origin: Option<String>,
}

#[derive(Serialize)]
struct Answered<'a> {
    active: bool,
    #[serde(flatten)]
    claims: Option<Claims<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    refusal: Option<Refused<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    token: Option<Shown<'a>>,
}

/// Times are seconds since 1970, as the RFC has them.
#[derive(Serialize)]
struct Claims<'a> {
    jti: String,
    token_type: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    sub: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    username: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    scope: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    client_id: Option<String>,
    iss: String,
    iat: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    nbf: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    exp: Option<u64>,
}

#[derive(Serialize)]
struct Refused<'a> {
    code: &'a str,
    reason: &'a str,
    since: Option<Time>,
}

/// `POST /v2/tokens/introspect`.
pub(crate) async fn introspect(call: &Call) -> Result<Answer> {
    let wanted: Wanted = call.object()?;
    let address = wanted.address.as_deref().map(|text| {
        text.parse::<IpAddr>().map_err(|_| Error::new(ErrorKind::InvalidInput, "`address` must be an IP address."))
    });
    let address = address.transpose()?;
    let place =
        (address.is_some() || wanted.origin.is_some()).then_some(Place { address, origin: wanted.origin.as_deref() });
    let found = call.node.introspect(&call.caller, &PresentedSecret::new(wanted.token), place).await?;
    Ok(answer(&found))
}

fn answer(found: &Introspection) -> Answer {
    let refusal = found.refusal.as_ref().map(|refused| Refused {
        code: refused.code,
        reason: &refused.reason,
        since: refused.since.map(Time),
    });
    let answered = Answered {
        active: refusal.is_none(),
        claims: found.token.as_ref().map(claims),
        refusal,
        token: found.token.as_ref().map(|token| show(token, None)),
    };
    Answer::json(StatusCode::OK, &answered)
}

fn claims(token: &TokenDetail) -> Claims<'_> {
    let seconds = |at: UnixMillis| at.0 / 1_000;
    let user = token.user.as_ref().map(|(_, user)| user);
    Claims {
        jti: token.id.to_string(),
        token_type: "Bearer",
        sub: user.map(|user| user.user_id.as_str()),
        username: user.and_then(|user| user.display_name.as_deref()),
        scope: token.terms.grants.as_ref().map(|grants| {
            let words: Vec<String> = grants
                .iter()
                .flat_map(|grant| {
                    grant.operations.iter().map(|one| format!("{}:{}", one.word(), grant.channels.replace(' ', "%20")))
                })
                .collect();
            words.join(" ")
        }),
        client_id: token.made_by.map(|key| key.to_string()),
        iss: token.project.to_string(),
        iat: seconds(token.created_at),
        nbf: token.not_before.map(seconds),
        exp: token.expires_at.map(seconds),
    }
}
