//! Why a token may do something, or may not: a question, and the decisions on the way to its answer. And what became of a message for a token.

use std::net::IpAddr;

use askama::Template;
use http::StatusCode;
use tollgate_core::command::PresentedSecret;
use tollgate_core::delivery::Position;
use tollgate_core::ids::ChannelId;
use tollgate_core::{Error, ErrorKind, Result};
use tollgate_node::{
    ExplainHeld, ExplainQuestion, ExplainStep, ExplainVerdict, ExplainWish, Explanation, FateStepKind, MessageFate,
};

use crate::answer::Answer;
use crate::form::{Form, Typed};
use crate::frame::Frame;
use crate::refused;
use crate::visit::Visit;

#[derive(Template)]
#[template(path = "explain.html")]
struct Explain {
    frame: Frame,
    typed: Typed,
    wishes: Vec<(&'static str, &'static str, bool)>,
    over_rest: bool,
    answered: Option<Answered>,
    fate: Option<Fate>,
}

struct Fate {
    position: String,
    at: String,
    event: String,
    token: String,
    token_path: String,
    steps: Vec<Step>,
}

/// What was answered, if anything was asked.
enum Told {
    Nothing,
    Explanation(Explanation),
    Fate(MessageFate),
}

struct Answered {
    look: &'static str,
    icon: &'static str,
    said: &'static str,
    told: &'static str,
    token: String,
    token_path: String,
    steps: Vec<Step>,
    advice: Vec<&'static str>,
}

struct Step {
    look: &'static str,
    icon: &'static str,
    title: &'static str,
    said: String,
}

const fn label(wish: ExplainWish) -> &'static str {
    match wish {
        ExplainWish::Connect => "connect",
        ExplainWish::Subscribe => "subscribe",
        ExplainWish::Publish => "publish",
        ExplainWish::ReadHistory => "read the past",
        ExplainWish::ReadPresence => "see who is there",
        ExplainWish::ReadState => "read the state",
        ExplainWish::SetState => "write the state",
    }
}

const fn title(step: ExplainStep) -> &'static str {
    match step {
        ExplainStep::Genuine => "It names a token of this project",
        ExplainStep::Works => "The token works",
        ExplainStep::Place => "It may come from there",
        ExplainStep::Room => "It has room for a connection",
        ExplainStep::Channel => "The channel is there",
        ExplainStep::Right => "The rules let it",
        ExplainStep::Keeps => "The channel keeps that",
        ExplainStep::Hook => "The access hook lets it",
    }
}

const fn shown_as(held: ExplainHeld) -> (&'static str, &'static str) {
    match held {
        ExplainHeld::Held => ("", "yes"),
        ExplainHeld::Failed => ("no", "no"),
        ExplainHeld::Unknown => ("off", "dash"),
    }
}

const fn fact(step: FateStepKind) -> &'static str {
    match step {
        FateStepKind::Kept => "It is kept",
        FateStepKind::Acknowledged => "A client acknowledged it",
        FateStepKind::Works => "The token worked then",
        FateStepKind::Subscribed => "It is subscribed",
        FateStepKind::Echo => "It is not its own message, or is sent back",
        FateStepKind::Connection => "A connection",
        FateStepKind::Ended => "A connection that ended since",
        FateStepKind::Present => "A connection was there",
    }
}

fn fate(visit: &Visit, fate: &MessageFate) -> Fate {
    let steps = fate.steps.iter().map(|step| {
        let (look, icon) = shown_as(step.held);
        Step { look, icon, title: fact(step.what), said: step.said.clone() }
    });
    let token = fate.token.to_string();
    Fate {
        position: fate.position.map(|position| position.to_string()).unwrap_or_default(),
        at: fate.at.map(|at| at.to_string()).unwrap_or_default(),
        event: fate.message.as_ref().map(|message| message.event.to_string()).unwrap_or_default(),
        token_path: visit.at(&format!("/tokens/{token}")),
        token,
        steps: steps.collect(),
    }
}

fn answered(visit: &Visit, explanation: &Explanation) -> Answered {
    let (look, icon, said) = match explanation.verdict {
        ExplainVerdict::Yes => ("yes", "yes", "Yes, it may"),
        ExplainVerdict::No => ("no", "no", "No, it may not"),
        ExplainVerdict::HookDecides => ("", "ask", "The access hook decides"),
    };
    let steps = explanation.steps.iter().map(|step| {
        let (look, icon) = shown_as(step.held);
        Step { look, icon, title: title(step.what), said: step.said.clone() }
    });
    Answered {
        look,
        icon,
        said,
        told: explanation.told.unwrap_or_default(),
        token: explanation.token.map(|token| token.to_string()).unwrap_or_default(),
        token_path: explanation.token.map(|token| visit.at(&format!("/tokens/{token}"))).unwrap_or_default(),
        steps: steps.collect(),
        advice: explanation.steps.iter().filter_map(|step| step.advice).collect(),
    }
}

fn page(visit: &Visit, status: StatusCode, typed: Typed, told: &Told) -> Result<Answer> {
    let wished = typed.value("wish").to_owned();
    let wishes = ExplainWish::ALL.into_iter().map(|one| (one.word(), label(one), one.word() == wished)).collect();
    let over_rest = typed.is("by", "rest");
    let (answered, fate) = match told {
        Told::Nothing => (None, None),
        Told::Explanation(explanation) => (Some(answered(visit, explanation)), None),
        Told::Fate(told) => (None, Some(fate(visit, told))),
    };
    Answer::page_as(status, &Explain { frame: visit.frame("explain"), typed, wishes, over_rest, answered, fate })
}

/// `GET …/explain`.
pub(crate) async fn show(visit: &Visit) -> Result<Answer> {
    let given = |field: &str| visit.query.value(field).to_owned();
    let form = Form::default().with("token", given("token")).with("wish", "publish").with("channel", given("channel"));
    let form = form.with("of", given("token")).with("sent_in", given("channel")).with("position", given("position"));
    page(visit, StatusCode::OK, Typed::new(form), &Told::Nothing)
}

/// `POST …/explain`: the answer. By POST, because the token may be a secret, and an address is no place for one.
pub(crate) async fn ask(visit: &Visit) -> Result<Answer> {
    let typed = Typed::new(visit.form.clone());
    let asked = if visit.form.value("ask") == "message" {
        became(visit).await.map(Told::Fate)
    } else {
        let explained = |question| visit.node().explain(&visit.caller, &question).map_err(|error| ("channel", error));
        question(visit).and_then(explained).map(Told::Explanation)
    };
    match asked {
        Ok(told) => page(visit, StatusCode::OK, typed, &told),
        // What is not there was typed here: it is said at its field, and the page stays.
        Err((field, error)) if matches!(error.kind, ErrorKind::InvalidInput | ErrorKind::NotFound) => {
            page(visit, refused::status(ErrorKind::InvalidInput), typed.wrong_at(field, &error), &Told::Nothing)
        }
        Err((_, error)) => Err(error),
    }
}

async fn became(visit: &Visit) -> std::result::Result<MessageFate, (&'static str, Error)> {
    let form = &visit.form;
    let invalid = |field, why: &str| (field, Error::new(ErrorKind::InvalidInput, why));
    let token = form.filled("of").ok_or_else(|| invalid("of", "Give a token's id or secret."))?;
    let channel = form.filled("sent_in").map(ChannelId::new).transpose().map_err(|error| ("sent_in", error))?;
    let position = form.filled("position").map(str::parse::<Position>).transpose();
    let position = position.map_err(|error| ("position", error))?;
    let token = PresentedSecret::new(token.to_owned());
    let (node, caller) = (visit.node(), &visit.caller);
    let told = match (&channel, position) {
        (Some(channel), Some(position)) => node.explain_message(caller, channel, position, &token).await,
        (Some(_), None) => return Err(invalid("position", "Say at which position.")),
        (None, position) => node.explain_direct(caller, &token, position).await,
    };
    told.map_err(|error| {
        let is_known = node.token_detail(caller, &token).is_ok();
        let field = match error.kind {
            ErrorKind::NotFound if is_known => "sent_in",
            ErrorKind::NotFound => "of",
            _ => "position",
        };
        (field, error)
    })
}

fn question(visit: &Visit) -> std::result::Result<ExplainQuestion, (&'static str, Error)> {
    let form = &visit.form;
    let invalid = |field, why: &str| (field, Error::new(ErrorKind::InvalidInput, why));
    let token = form.filled("token").ok_or_else(|| invalid("token", "Give a token's id or secret."))?;
    let wish = ExplainWish::ALL.into_iter().find(|one| one.word() == form.value("wish"));
    let wish = wish.ok_or_else(|| invalid("wish", "Choose what it would do."))?;
    let channel = form.filled("channel").filter(|_| wish != ExplainWish::Connect).map(ChannelId::new);
    let address = form.filled("address").map(str::parse::<IpAddr>).transpose();
    Ok(ExplainQuestion {
        token: PresentedSecret::new(token.to_owned()),
        wish,
        channel: channel.transpose().map_err(|error| ("channel", error))?,
        over_rest: form.value("by") == "rest",
        address: address.map_err(|_| invalid("address", "An IP address like 203.0.113.9, or nothing."))?,
        origin: form.filled("origin").map(str::to_owned),
    })
}
