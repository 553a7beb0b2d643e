//! What is done to all of a user at once: a message to it, the end of its tokens, a ban, and its own end.

use std::sync::Arc;

use tollgate_core::Result;
use tollgate_core::json::JsonValue;
use tollgate_core::limits::MESSAGE_BYTES_MAX;
use tollgate_node::{RevokeRequest, Revoked, Selector};

use super::sure::{self, Sure};
use super::users::{back, page};
use super::works;
use crate::answer::Answer;
use crate::form::Typed;
use crate::visit::Visit;
use crate::works::About;
use crate::{json_text, refused, words};

/// From so many tokens on it is a work with a page of its own.
const WORK_FROM: u64 = 500;

/// `POST …/users/:user/message`.
pub(crate) async fn message(visit: &Visit) -> Result<Answer> {
    let form = &visit.form;
    let event = form.value("event").trim();
    let data = JsonValue::parse(json_text::compact_checked(form.value("data")).as_bytes(), MESSAGE_BYTES_MAX);
    let outcome = match data {
        Err(error) => Err(("data", error)),
        Ok(data) => visit.node().message_user(&visit.caller, visit.user(), event, data).await.map_err(|error| {
            let field = if error.detail.contains("event") { "event" } else { "" };
            (field, error)
        }),
    };
    match outcome {
        Ok(reached) => Ok(Answer::see(&format!(
            "{}?done=sent&to={}&kept={}",
            visit.user_at(visit.user()),
            reached.connections,
            reached.mailboxes
        ))),
        Err((field, error)) => {
            let user = visit.node().user(&visit.caller, visit.user())?;
            let typed = super::users::filled(&user, form.value("event"), form.value("data"));
            page(visit, refused::status(error.kind), Some(Typed::new(typed).wrong_at(field, &error)), None)
        }
    }
}

/// What is done to a user after a page that says so.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Deed {
    Revoke,
    Ban,
    Delete,
}

impl Deed {
    fn word(self) -> &'static str {
        match self {
            Self::Revoke => "revoke",
            Self::Ban => "ban",
            Self::Delete => "delete",
        }
    }

    /// What it does to its tokens, which is rehearsed.
    fn to_tokens(self, user_id: &str) -> RevokeRequest {
        RevokeRequest {
            selector: Selector { user_id: Some(user_id.to_owned()), ..Selector::default() },
            delete: self == Self::Delete,
            ..RevokeRequest::default()
        }
    }
}

/// What would end: how many tokens, how many live connections.
async fn rehearsed(visit: &Visit, deed: Deed) -> Result<(u64, u64)> {
    let user = visit.node().user(&visit.caller, visit.user())?;
    let dry = RevokeRequest { dry_run: true, ..deed.to_tokens(&user.user_id) };
    let counted = visit.node().revoke(&visit.caller, dry).await?;
    Ok((counted.revoked, visit.node().user_usage(&visit.caller, &user.user_id)?.live_connections as u64))
}

async fn sure_page(visit: &Visit, deed: Deed, wrong: Option<&tollgate_core::Error>) -> Result<Answer> {
    let (tokens, connections) = rehearsed(visit, deed).await?;
    let ends = format!(
        "This ends {} and closes {}.",
        words::counted(tokens, "token"),
        words::counted(connections, "connection")
    );
    let (heading, button, says) = match deed {
        Deed::Revoke => (
            "End all tokens of a user",
            "End them now",
            vec![
                ends,
                "The user stays, and may get new tokens at once; to keep it out, ban it.".to_owned(),
                "Each token can be restored by itself while its record is kept.".to_owned(),
            ],
        ),
        Deed::Ban => (
            "Ban a user",
            "Ban it now",
            vec![
                ends,
                "It gets no new ones until it is let in again. Its tokens stay ended then; each can be restored by itself.".to_owned(),
            ],
        ),
        Deed::Delete => (
            "Delete a user",
            "Delete it now",
            vec![
                ends,
                "Its notes go, and its tokens with their state, what they used, and the messages that wait for them. What was done stays in the audit log."
                    .to_owned(),
                "This cannot be taken back. Who is made with the same id later is another user.".to_owned(),
            ],
        ),
    };
    let path = visit.user_at(visit.user());
    let sure = Sure {
        here: "users",
        heading,
        list: ("Users", visit.at("/users")),
        subject: words::cut(visit.user(), 120),
        says,
        action: format!("{path}/{}", deed.word()),
        keep: path,
        buttons: vec![(deed.word(), button)],
        asks: false,
    };
    sure::page(visit, sure, wrong.map(|error| ("", error)))
}

/// `GET …/users/:user/revoke`.
pub(crate) async fn about_to_revoke(visit: &Visit) -> Result<Answer> {
    sure_page(visit, Deed::Revoke, None).await
}

/// `GET …/users/:user/ban`.
pub(crate) async fn about_to_ban(visit: &Visit) -> Result<Answer> {
    sure_page(visit, Deed::Ban, None).await
}

/// `GET …/users/:user/delete`.
pub(crate) async fn about_to_delete(visit: &Visit) -> Result<Answer> {
    sure_page(visit, Deed::Delete, None).await
}

fn about(visit: &Visit, what: &'static str) -> About {
    About {
        operator: visit.session.signed_in.operator,
        project: visit.project,
        what,
        on: words::cut(visit.user(), 300),
        counts: true,
    }
}

/// `POST …/users/:user/revoke`.
pub(crate) async fn revoke(visit: &Visit) -> Result<Answer> {
    let (tokens, _) = rehearsed(visit, Deed::Revoke).await?;
    let request = Deed::Revoke.to_tokens(visit.user());
    if tokens > WORK_FROM {
        let (node, caller) = (Arc::clone(visit.node()), visit.caller);
        let facts = |done: Revoked| {
            let (ended, closed) = (words::count(done.revoked), words::count(done.connections_closed));
            vec![("Tokens ended", ended), ("Connections closed", closed)]
        };
        let doing = async move { node.revoke(&caller, request).await.map(facts) };
        return works::begin(visit, about(visit, "Ending all tokens of a user"), doing);
    }
    match visit.node().revoke(&visit.caller, request).await {
        Ok(_) => Ok(back(visit, "revoked_all")),
        Err(error) => sure_page(visit, Deed::Revoke, Some(&error)).await,
    }
}

/// `POST …/users/:user/ban`.
pub(crate) async fn ban(visit: &Visit) -> Result<Answer> {
    match visit.node().ban_user(&visit.caller, visit.user()).await {
        Ok(_) => Ok(back(visit, "banned")),
        Err(error) => sure_page(visit, Deed::Ban, Some(&error)).await,
    }
}

/// `POST …/users/:user/unban`.
pub(crate) async fn unban(visit: &Visit) -> Result<Answer> {
    visit.node().unban_user(&visit.caller, visit.user()).await?;
    Ok(back(visit, "unbanned"))
}

/// `POST …/users/:user/delete`.
pub(crate) async fn delete(visit: &Visit) -> Result<Answer> {
    let (tokens, _) = rehearsed(visit, Deed::Delete).await?;
    let (node, caller, user_id) = (Arc::clone(visit.node()), visit.caller, visit.user().to_owned());
    if tokens > WORK_FROM {
        let facts = |done: tollgate_node::TokensEnded| {
            let (ended, closed) = (words::count(done.tokens), words::count(done.connections_closed));
            vec![("Tokens deleted", ended), ("Connections closed", closed)]
        };
        let doing = async move { node.delete_user(&caller, &user_id).await.map(facts) };
        return works::begin(visit, about(visit, "Deleting a user"), doing);
    }
    match node.delete_user(&caller, &user_id).await {
        Ok(_) => Ok(Answer::see(&visit.at("/users?done=deleted"))),
        Err(error) => sure_page(visit, Deed::Delete, Some(&error)).await,
    }
}
