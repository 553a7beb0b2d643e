//! A channel's subscribers, its settings, and its end.

use askama::Template;
use http::StatusCode;
use tollgate_core::command::PresentedSecret;
use tollgate_core::ids::TokenId;
use tollgate_core::{Error, ErrorKind, Result};
use tollgate_node::{ChannelUpdate, ChannelView, TokenFilter};

use super::channel::{Head, head, named};
use super::channel_form::{self, BOXES};
use crate::answer::Answer;
use crate::form::{Form, Typed};
use crate::frame::Frame;
use crate::refused;
use crate::visit::Visit;
use crate::words;

const PAGE: usize = 50;

#[derive(Template)]
#[template(path = "channel_subscribers.html")]
struct Subscribers {
    frame: Frame,
    head: Head,
    typed: Typed,
    rows: Vec<Row>,
    next: Option<String>,
}

struct Row {
    id: String,
    path: String,
    user: String,
    name: String,
    status: &'static str,
    look: &'static str,
    connections: usize,
}

#[derive(Template)]
#[template(path = "channel_settings.html")]
struct Settings {
    frame: Frame,
    head: Head,
    typed: Typed,
    boxes: [(&'static str, &'static str, u32); 5],
}

#[derive(Template)]
#[template(path = "channel_delete.html")]
struct Delete {
    frame: Frame,
    head: Head,
    typed: Typed,
}

/// `GET …/channels/:channel/subscribers`.
pub(crate) async fn subscribers(visit: &Visit) -> Result<Answer> {
    subscribers_page(visit, StatusCode::OK, &named(visit)?, Typed::default())
}

fn subscribers_page(visit: &Visit, status: StatusCode, channel: &ChannelView, typed: Typed) -> Result<Answer> {
    let after = visit.query.filled("after").and_then(|text| text.parse::<TokenId>().ok());
    let filter = TokenFilter { channel: Some(channel.id.clone()), ..TokenFilter::default() };
    let found = visit.node().token_page(&visit.caller, &filter, after, PAGE)?;
    let head = head(visit, channel, "subscribers");
    let row = |token: &tollgate_node::TokenDetail| Row {
        id: token.id.to_string(),
        path: visit.at(&format!("/tokens/{}", token.id)),
        user: token.user.as_ref().map(|(_, user)| words::cut(&user.user_id, 60)).unwrap_or_default(),
        name: words::cut(token.terms.name.as_deref().unwrap_or_default(), 60),
        status: token.status.word(),
        look: super::tokens::look(token.status),
        connections: token.connections,
    };
    let page = Subscribers {
        frame: visit.frame("channels"),
        rows: found.tokens.iter().map(row).collect(),
        next: found.next.map(|last| format!("{}/subscribers?after={last}", head.path)),
        head,
        typed,
    };
    Answer::page_as(status, &page)
}

/// `POST …/channels/:channel/subscribers`: one more, or one less.
pub(crate) async fn subscribe(visit: &Visit) -> Result<Answer> {
    let channel = named(visit)?;
    let token = PresentedSecret::new(visit.form.value("token").trim().to_owned());
    let removes = visit.form.value("act") == "remove";
    let outcome = if removes {
        visit.node().unsubscribe_token(&visit.caller, &channel.id, &token).await
    } else {
        visit.node().subscribe_token(&visit.caller, &channel.id, &token, false).await
    };
    match outcome {
        Ok(()) => {
            let word = if removes { "removed" } else { "added" };
            Ok(Answer::see(&format!("{}/subscribers?done={word}", head(visit, &channel, "").path)))
        }
        // The text may be a secret: it is not put into the page again.
        Err(error) => {
            let typed = Typed::default().wrong_at("token", &error);
            subscribers_page(visit, refused::status(error.kind), &channel, typed)
        }
    }
}

/// `GET …/channels/:channel/settings`.
pub(crate) async fn settings(visit: &Visit) -> Result<Answer> {
    let channel = named(visit)?;
    let typed = Typed::new(channel_form::filled(channel.capabilities, channel.settings));
    settings_page(visit, StatusCode::OK, &channel, typed)
}

fn settings_page(visit: &Visit, status: StatusCode, channel: &ChannelView, typed: Typed) -> Result<Answer> {
    let head = head(visit, channel, "settings");
    Answer::page_as(status, &Settings { frame: visit.frame("channels"), head, typed, boxes: BOXES })
}

/// `POST …/channels/:channel/settings`.
pub(crate) async fn change(visit: &Visit) -> Result<Answer> {
    let channel = named(visit)?;
    let outcome = match channel_form::settings(&visit.form) {
        Ok(settings) => {
            let update =
                ChannelUpdate { capabilities: Some(channel_form::capabilities(&visit.form)), settings: Some(settings) };
            let changed = visit.node().change_channel(&visit.caller, &channel.id, update).await;
            changed.map_err(|error| (channel_form::field_of(&error), error))
        }
        Err(wrong) => Err(wrong),
    };
    match outcome {
        Ok(_) => Ok(Answer::see(&format!("{}/settings?done=saved", head(visit, &channel, "").path))),
        Err((field, error)) => {
            let typed = Typed::new(visit.form.clone()).wrong_at(field, &error);
            settings_page(visit, refused::status(error.kind), &channel, typed)
        }
    }
}

/// `GET …/channels/:channel/delete`.
pub(crate) async fn about_to_delete(visit: &Visit) -> Result<Answer> {
    delete_page(visit, StatusCode::OK, &named(visit)?, Typed::new(Form::default()))
}

fn delete_page(visit: &Visit, status: StatusCode, channel: &ChannelView, typed: Typed) -> Result<Answer> {
    Answer::page_as(status, &Delete { frame: visit.frame("channels"), head: head(visit, channel, "delete"), typed })
}

/// `POST …/channels/:channel/delete`.
pub(crate) async fn delete(visit: &Visit) -> Result<Answer> {
    let channel = named(visit)?;
    if visit.form.value("again") != channel.id.as_str() {
        let error = Error::new(ErrorKind::InvalidInput, "That is not its id. Type it as it stands above.");
        let typed = Typed::new(visit.form.clone()).wrong_at("again", &error);
        return delete_page(visit, refused::status(error.kind), &channel, typed);
    }
    visit.node().delete_channel(&visit.caller, &channel.id).await?;
    Ok(Answer::see(&visit.at("/channels?done=deleted")))
}
