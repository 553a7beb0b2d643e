//! Sessions: made, looked at, renewed and ended.

use http::StatusCode;
use serde::Deserialize;
use serde_json::value::RawValue;
use tollgate_core::command::PresentedSecret;
use tollgate_core::records::TokenKind;
use tollgate_core::{Error, ErrorKind};
use tollgate_node::VisitorProof;

use super::body::Body;
use super::{Called, Failure, render};
use crate::answer::Answer;
use crate::fields;
use crate::json::Object;

type Outcome = Result<Answer, Failure>;

/// `POST /api/v3|v4|v5/sessions`: one handler, one answer.
pub(crate) async fn create(called: &Called<'_>) -> Outcome {
    let body = Body::parse(&called.asked.body);
    let is_legacy = body.as_ref().is_ok_and(Body::is_legacy);
    let outcome = create_from(called, body).await;
    outcome.map_err(|failure| if is_legacy { failure.for_legacy() } else { failure })
}

async fn create_from(called: &Called<'_>, body: tollgate_core::Result<Body<'_>>) -> Outcome {
    let caller = called.api_key()?;
    let (body, node) = (body?, &called.asked.node);
    if node.is_strict_about_bodies(&caller)?
        && let Some(key) = body.unknown()
    {
        let detail =
            format!("The body has the key {key:?}, which means nothing here, and this project refuses such bodies.");
        return Err(Error::new(ErrorKind::InvalidInput, detail).into());
    }
    let session = node.create_session(&caller, body.session()?).await?;
    Ok(Answer::plain(StatusCode::OK, render::session(&session, "signed-in")))
}

/// `POST /api/v5/sessions/visitor`: for whoever is not signed in. The user is one of the device.
pub(crate) async fn create_visitor(called: &Called<'_>) -> Outcome {
    create_unnamed(called, "visitor").await
}

/// `POST /api/v5/sessions/bot`: the same for a crawler.
pub(crate) async fn create_bot(called: &Called<'_>) -> Outcome {
    create_unnamed(called, "bot").await
}

async fn create_unnamed(called: &Called<'_>, user_type: &'static str) -> Outcome {
    let caller = called.api_key()?;
    let body = Body::parse(&called.asked.body)?;
    let mut request = body.device_and_times(body.model()?)?;
    request.kind = TokenKind::Session;
    let proof =
        VisitorProof { signature: body.text("authSignature")?, expires_at: body.text("authSignatureExpiresAt")? };
    let session = called.asked.node.create_visitor_session(&caller, user_type, request, &proof).await?;
    Ok(Answer::plain(StatusCode::OK, render::session(&session, user_type)))
}

/// `GET /api/v3/sessions`: whether the access token works.
pub(crate) async fn verify(called: &Called<'_>) -> Outcome {
    called.token().await?;
    Ok(Answer::plain(StatusCode::OK, render::verified()))
}

/// `GET /api/v1/accessToken?userId=&refreshToken=`: a newer JWT of the same token.
pub(crate) async fn refresh(called: &Called<'_>) -> Outcome {
    let caller = called.api_key()?;
    let needed = |name: &'static str| {
        called
            .query()
            .first(name)?
            .ok_or_else(|| Error::new(ErrorKind::InvalidInput, format!("The query parameter `{name}` is missing.")))
    };
    let (user_id, refresh_token) = (needed("userId")?, PresentedSecret::new(needed("refreshToken")?));
    let access = called.asked.node.refresh_session(&caller, &user_id, &refresh_token).await?;
    Ok(Answer::plain(StatusCode::OK, Object::new().text("accessToken", &access.text).close()))
}

/// `DELETE /api/v4/sessions`: the caller's own session; or, for an admin, all of the user whom the query or the body names.
pub(crate) async fn end(called: &Called<'_>) -> Outcome {
    match named_user(called)? {
        Some(user_id) => end_all(called, &user_id).await,
        None => {
            let caller = called.token().await?;
            called.asked.node.end_own_session(&caller).await?;
            Ok(success())
        }
    }
}

/// `DELETE /api/v4/sessions/users/:user`.
pub(crate) async fn end_of_user(called: &Called<'_>) -> Outcome {
    let user_id = called.text("user")?;
    end_all(called, &user_id).await
}

async fn end_all(called: &Called<'_>, user_id: &str) -> Outcome {
    if !called.is_admin() {
        // Whose the token is makes the difference between 401 and 403.
        called.token().await?;
        return Err(Error::new(
            ErrorKind::Forbidden,
            "A user's access token cannot end a user's sessions; send a project key that may manage tokens, as `x-admin-token` or after `Bearer`.",
        )
        .into());
    }
    let caller = called.admin()?;
    called.asked.node.end_user_sessions(&caller, user_id).await?;
    Ok(success())
}

#[derive(Deserialize)]
struct Named<'a> {
    #[serde(borrow, rename = "userId")]
    user_id: Option<&'a RawValue>,
}

fn named_user(called: &Called<'_>) -> tollgate_core::Result<Option<String>> {
    if let Some(user_id) = called.query().first("userId")? {
        return Ok(Some(user_id));
    }
    let body = &called.asked.body;
    if body.trim_ascii().is_empty() || body.trim_ascii() == b"null" {
        return Ok(None);
    }
    let named: Named = fields::object(body)?;
    named.user_id.map(|raw| fields::text(Some(raw), "`userId` must be text.")).transpose()
}

fn success() -> Answer {
    Answer::plain(StatusCode::OK, Object::new().flag("success", true).close())
}
