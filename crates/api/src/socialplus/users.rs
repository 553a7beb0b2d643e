//! Users, as far as the SDKs need them to log in: everybody sees itself, an admin sees all.

use http::StatusCode;
use tollgate_core::{Error, ErrorKind};

use super::{Called, Failure, render};
use crate::answer::Answer;

type Outcome = Result<Answer, Failure>;

/// `GET /api/v3/users/me`.
pub(crate) async fn me(called: &Called<'_>) -> Outcome {
    let caller = called.token().await?;
    let user = called.asked.node.own_user(&caller)?;
    Ok(Answer::plain(StatusCode::OK, render::users(&user)))
}

/// `GET /api/v3/users/:user`.
pub(crate) async fn get(called: &Called<'_>) -> Outcome {
    let (user_id, node) = (called.text("user")?, &called.asked.node);
    if called.is_admin() {
        let caller = called.admin()?;
        return Ok(Answer::plain(StatusCode::OK, render::users(&node.user(&caller, &user_id)?)));
    }
    let caller = called.token().await?;
    let user = node.own_user(&caller)?;
    if user.user_id != user_id {
        // The same whether there is such a user or not.
        return Err(Error::new(
            ErrorKind::NotFound,
            "There is no such user here for this access token; it sees its own.",
        )
        .into());
    }
    Ok(Answer::plain(StatusCode::OK, render::users(&user)))
}

/// `GET /api/v3/network-settings/chat`, without which a login fails.
pub(crate) async fn chat_settings(called: &Called<'_>) -> Outcome {
    called.token().await?;
    let body = r#"{"messagePreview":{"enabled":false,"isIncludeDeleted":false}}"#;
    Ok(Answer::plain(StatusCode::OK, body.into()))
}
