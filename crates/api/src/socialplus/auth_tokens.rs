//! Auth tokens for a customer's backend, in the two ways that social.plus has.

use http::{StatusCode, header};
use tollgate_core::{Error, ErrorKind};

use super::body::Body;
use super::{Called, Failure};
use crate::answer::Answer;

type Outcome = Result<Answer, Failure>;

const TEXT: &str = "text/plain; charset=utf-8";

/// `POST /api/v4/authentication/token`: the token is the whole body. A bad key is answered with the word `Unauthorized`.
pub(crate) async fn create(called: &Called<'_>) -> Outcome {
    let caller = match called.server_key() {
        Err(error) if error.kind == ErrorKind::InvalidAuth => {
            let answer = Answer::text(StatusCode::UNAUTHORIZED, TEXT, "Unauthorized".into());
            return Ok(answer.with(header::WWW_AUTHENTICATE, "x-server-key"));
        }
        known => known?,
    };
    let user_id = Body::parse(&called.asked.body)?.text("userId")?;
    let user_id = user_id.ok_or_else(|| Error::new(ErrorKind::InvalidInput, "`userId` is missing: name the user."))?;
    let made = called.asked.node.create_auth_token(&caller, &user_id, None).await?;
    Ok(Answer::text(StatusCode::OK, TEXT, made.secret.expose().as_str().to_owned()))
}

/// `GET /api/v3/authentication/token?userId=`: the token as a JSON string.
pub(crate) async fn get(called: &Called<'_>) -> Outcome {
    let caller = called.server_key().map_err(Failure::forbidden_key)?;
    let user_id = called.query().first("userId")?.ok_or_else(|| {
        Error::new(ErrorKind::InvalidInput, "The query parameter `userId` is missing: name the user.")
    })?;
    let made = called.asked.node.create_auth_token(&caller, &user_id, None).await?;
    // Letters, digits and an underscore: nothing to escape.
    Ok(Answer::plain(StatusCode::OK, format!("\"{}\"", made.secret.expose().as_str())))
}
