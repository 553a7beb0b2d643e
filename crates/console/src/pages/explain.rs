//! Why a token may do something, or may not: a question, and the decisions on the way to its answer.

use std::net::IpAddr;

use askama::Template;
use http::StatusCode;
use tollgate_core::command::PresentedSecret;
use tollgate_core::ids::ChannelId;
use tollgate_core::{Error, ErrorKind, Result};
use tollgate_node::{ExplainHeld, ExplainQuestion, ExplainStep, ExplainVerdict, ExplainWish, Explanation};

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

fn answered(visit: &Visit, explanation: &Explanation) -> Answered {
    let (look, icon, said) = match explanation.verdict {
        ExplainVerdict::Yes => ("yes", "yes", "Yes, it may"),
        ExplainVerdict::No => ("no", "no", "No, it may not"),
        ExplainVerdict::HookDecides => ("", "ask", "The access hook decides"),
    };
    let steps = explanation.steps.iter().map(|step| {
        let (look, icon) = match step.held {
            ExplainHeld::Held => ("", "yes"),
            ExplainHeld::Failed => ("no", "no"),
            ExplainHeld::Unknown => ("off", "dash"),
        };
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

fn page(visit: &Visit, status: StatusCode, typed: Typed, explanation: Option<&Explanation>) -> Result<Answer> {
    let wished = typed.value("wish").to_owned();
    let wishes = ExplainWish::ALL.into_iter().map(|one| (one.word(), label(one), one.word() == wished)).collect();
    let over_rest = typed.is("by", "rest");
    let answered = explanation.map(|explanation| answered(visit, explanation));
    Answer::page_as(status, &Explain { frame: visit.frame("explain"), typed, wishes, over_rest, answered })
}

/// `GET …/explain`.
pub(crate) async fn show(visit: &Visit) -> Result<Answer> {
    let given = |field: &str| visit.query.value(field).to_owned();
    let form = Form::default().with("token", given("token")).with("wish", "publish").with("channel", given("channel"));
    page(visit, StatusCode::OK, Typed::new(form), None)
}

/// `POST …/explain`: the answer. By POST, because the token may be a secret, and an address is no place for one.
pub(crate) async fn ask(visit: &Visit) -> Result<Answer> {
    let typed = Typed::new(visit.form.clone());
    let asked = question(visit)
        .and_then(|question| visit.node().explain(&visit.caller, &question).map_err(|error| ("channel", error)));
    match asked {
        Ok(explanation) => page(visit, StatusCode::OK, typed, Some(&explanation)),
        Err((field, error)) if error.kind == ErrorKind::InvalidInput => {
            page(visit, refused::status(error.kind), typed.wrong_at(field, &error), None)
        }
        Err((_, error)) => Err(error),
    }
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
