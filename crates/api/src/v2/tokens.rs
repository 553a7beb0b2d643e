//! Tokens: create, read, list, change, delete, rotate. A path names one by its public id, or by its secret.

use http::StatusCode;
use serde::{Deserialize, Serialize};
use tollgate_core::grants::Grant;
use tollgate_core::ids::{ChannelId, TokenId};
use tollgate_core::json::JsonObject;
use tollgate_core::records::{TokenKind, TokenTerms};
use tollgate_core::{Error, ErrorKind, Result};
use tollgate_node::{
    IssuedToken, MetadataChange, NewToken, Once, TokenDetail, TokenFilter, TokenStatus, TokenUpdate, UserOfToken,
    kind_word,
};

use super::token_shown::{Shown, show};
use super::{Page, Time, cursor, present};
use crate::answer::Answer;
use crate::call::Call;

const KINDS: [TokenKind; 4] = [TokenKind::Plain, TokenKind::UserToken, TokenKind::Session, TokenKind::Issued];

/// A token to make. Also an entry of a batch.
#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Wanted {
    user_id: Option<String>,
    display_name: Option<String>,
    name: Option<String>,
    state: Option<JsonObject>,
    capabilities: Option<Vec<Grant>>,
    channels: Option<Vec<String>>,
    ttl_s: Option<u64>,
    expires_at: Option<Time>,
    not_before: Option<Time>,
    max_connections: Option<u32>,
    networks: Option<Vec<String>>,
    origins: Option<Vec<String>>,
    metadata: Option<JsonObject>,
    device_id: Option<String>,
}

/// What to change: absent fields stay, `null` takes away.
#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Changed {
    #[serde(deserialize_with = "present")]
    name: Option<Option<String>>,
    #[serde(deserialize_with = "present")]
    expires_at: Option<Option<Time>>,
    ttl_s: Option<u64>,
    #[serde(deserialize_with = "present")]
    not_before: Option<Option<Time>>,
    #[serde(deserialize_with = "present")]
    capabilities: Option<Option<Vec<Grant>>>,
    #[serde(deserialize_with = "present")]
    max_connections: Option<Option<u32>>,
    #[serde(deserialize_with = "present")]
    networks: Option<Option<Vec<String>>>,
    #[serde(deserialize_with = "present")]
    origins: Option<Option<Vec<String>>>,
    #[serde(deserialize_with = "present")]
    metadata: Option<Option<JsonObject>>,
    #[serde(deserialize_with = "present")]
    device_id: Option<Option<String>>,
}

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Rotation {
    grace_s: Option<u64>,
}

/// What a change would take.
#[derive(Serialize)]
struct Loss<'a> {
    subscriptions_lost: Vec<&'a str>,
    connections_closed: usize,
}

/// `POST /v2/tokens`.
pub(crate) async fn create(call: &Call) -> Result<Answer> {
    let new = call.object::<Wanted>()?.token()?;
    let once = call.once(&[b"token.create", &call.body])?;
    Ok(issued(&call.node.issue_token(&call.caller, new, once.as_ref()).await?))
}

/// `GET /v2/tokens/:token`.
pub(crate) async fn get(call: &Call) -> Result<Answer> {
    Ok(whole(&call.node.token_detail(&call.caller, &call.token()?)?))
}

/// `GET /v2/tokens`.
pub(crate) async fn list(call: &Call) -> Result<Answer> {
    let user_id = call.filter("user_id")?;
    page(call, user_id)
}

/// `GET /v2/users/:user/tokens`.
pub(crate) async fn list_of_user(call: &Call) -> Result<Answer> {
    let user_id = call.text("user")?;
    call.node.know_user(&call.caller, &user_id)?;
    page(call, Some(user_id))
}

fn page(call: &Call, user_id: Option<String>) -> Result<Answer> {
    let (limit, after) = call.paging()?;
    let status = call.query().given("status")?.map(|word| {
        TokenStatus::from_word(&word).ok_or_else(|| {
            let words: Vec<_> = TokenStatus::ALL.iter().map(|status| status.word()).collect();
            Error::new(
                ErrorKind::InvalidInput,
                format!("The query parameter `status` must be one of: {}.", words.join(", ")),
            )
        })
    });
    let filter = TokenFilter {
        user_id,
        channel: call.query().given("channel")?.map(|id| ChannelId::new(&id)).transpose()?,
        status: status.transpose()?,
        user_prefix: call.filter("user_prefix")?,
        kind: call.word("kind", KINDS.map(kind_word))?.map(|at| KINDS[at]),
        online: call.word("online", ["true", "false"])?.map(|at| at == 0),
        made_by: call.id_given("made_by")?,
        name_part: call.filter("name")?,
        newest_first: call.word("order", ["asc", "desc"])? == Some(1),
    };
    let page = call.node.token_page(&call.caller, &filter, after.map(TokenId::new), limit)?;
    let data = page.tokens.iter().map(|token| show(token, None)).collect();
    let next_cursor = page.next.map(|last| cursor(last.get()));
    Ok(Answer::json(StatusCode::OK, &Page::<Shown> { data, next_cursor }))
}

/// `PATCH /v2/tokens/:token`.
pub(crate) async fn change(call: &Call) -> Result<Answer> {
    let update = update(call)?;
    Ok(whole(&call.node.update_token(&call.caller, &call.token()?, update).await?))
}

/// `POST /v2/tokens/:token/rehearse`: what the change would take from it.
pub(crate) async fn rehearse(call: &Call) -> Result<Answer> {
    let loss = call.node.would_lose(&call.caller, &call.token()?, &update(call)?)?;
    let subscriptions_lost = loss.subscriptions.iter().map(ChannelId::as_str).collect();
    Ok(Answer::json(StatusCode::OK, &Loss { subscriptions_lost, connections_closed: loss.connections }))
}

fn update(call: &Call) -> Result<TokenUpdate> {
    let changed: Changed = call.object()?;
    if changed.ttl_s.is_some() && changed.expires_at.is_some() {
        return Err(Error::new(ErrorKind::InvalidInput, "Give `expires_at` or `ttl_s`, not both: they say the same."));
    }
    let time = |at: Option<Option<Time>>| at.map(|at| at.map(|at| at.0));
    Ok(TokenUpdate {
        state: None,
        expires_at: time(changed.expires_at),
        life_ms: changed.ttl_s.map(|seconds| seconds.saturating_mul(1_000)),
        not_before: time(changed.not_before),
        grants: changed.capabilities,
        connections_max: changed.max_connections,
        networks: changed.networks.map(Option::unwrap_or_default),
        origins: changed.origins.map(Option::unwrap_or_default),
        metadata: changed.metadata.map(|metadata| metadata.map(MetadataChange::Patch)),
        name: changed.name,
        device: changed.device_id,
        if_revision: call.if_revision()?,
    })
}

/// `DELETE /v2/tokens/:token`.
pub(crate) async fn delete(call: &Call) -> Result<Answer> {
    call.node.delete_token(&call.caller, &call.token()?).await?;
    Ok(Answer::nothing())
}

/// `POST /v2/tokens/:token/rotate`.
pub(crate) async fn rotate(call: &Call) -> Result<Answer> {
    let rotation: Rotation = call.object()?;
    let grace_ms = rotation.grace_s.map(|seconds| seconds.saturating_mul(1_000));
    let token = call.token()?;
    let once = call.once(&[b"token.rotate", token.expose().as_bytes(), &call.body])?;
    let revision = call.if_revision()?;
    Ok(issued(&call.node.rotate_token(&call.caller, &token, grace_ms, revision, once.as_ref()).await?))
}

impl Wanted {
    /// The same as the operation takes it.
    pub(crate) fn token(self) -> Result<NewToken> {
        let user = match (self.user_id, self.display_name) {
            (Some(user_id), display_name) => Some(UserOfToken { user_id, display_name }),
            (None, None) => None,
            (None, Some(_)) => {
                return Err(Error::new(
                    ErrorKind::InvalidInput,
                    "`display_name` is a user's: say whose with `user_id`.",
                ));
            }
        };
        let channels = self.channels.unwrap_or_default();
        Ok(NewToken {
            user,
            state: self.state,
            expires_at: self.expires_at.map(|at| at.0),
            life_ms: self.ttl_s.map(|seconds| seconds.saturating_mul(1_000)),
            not_before: self.not_before.map(|at| at.0),
            terms: TokenTerms {
                grants: self.capabilities,
                connections_max: self.max_connections,
                networks: self.networks.unwrap_or_default(),
                origins: self.origins.unwrap_or_default(),
                metadata: self.metadata,
                device: self.device_id,
                name: self.name,
                claimed_at: None,
            },
            channels: channels.iter().map(|id| ChannelId::new(id)).collect::<Result<_>>()?,
            ..NewToken::default()
        })
    }
}

impl Call {
    /// The `Idempotency-Key`, if there is one, with what makes this request another than others.
    pub(crate) fn once(&self, parts: &[&[u8]]) -> Result<Option<Once>> {
        // What is no text is no key either, and must not pass for none.
        let key = self.headers("idempotency-key").next().map(|value| value.to_str().unwrap_or_default());
        key.map(|key| Once::new(key, parts)).transpose()
    }

    /// The revision that the caller expects, from `If-Match`.
    fn if_revision(&self) -> Result<Option<u32>> {
        // A version that no record can have is not the current one.
        Ok(self.if_version()?.map(|version| u32::try_from(version).unwrap_or(u32::MAX)))
    }
}

fn whole(token: &TokenDetail) -> Answer {
    Answer::json(StatusCode::OK, &show(token, None)).version(token.revision.into())
}

/// 201 with the secret, for the only time; a repeated request gets the same, and is told that it is one.
fn issued(issued: &IssuedToken) -> Answer {
    let answer = Answer::json(StatusCode::CREATED, &show(&issued.token, Some(&issued.secret)));
    let answer = answer.version(issued.token.revision.into());
    if issued.repeated { answer.with(http::HeaderName::from_static("idempotency-replayed"), "true") } else { answer }
}
