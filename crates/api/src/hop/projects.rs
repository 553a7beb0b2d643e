//! The caller's project.

use tollgate_core::{Error, ErrorKind, Result};

use super::render;
use crate::answer::Answer;
use crate::call::Call;
use crate::json::Object;

/// `GET /v1/projects/@this`. Hop's console socket, which `leap_token` was for, does not exist here; its tools want a string.
pub(crate) async fn this(call: &Call) -> Result<Answer> {
    let project = call.node.this_project(&call.caller)?;
    Ok(Answer::data(&Object::new().text("leap_token", "").raw("project", &render::project(&project)).close()))
}

/// `GET /v1/users/@me`: about a person, and a project key is none.
pub(crate) async fn me(_call: &Call) -> Result<Answer> {
    Err(Error::new(ErrorKind::Forbidden, "A project key is not a user; ask for /v1/projects/@this."))
}
