//! Why a token may do something, or may not.

use std::net::IpAddr;

use http::StatusCode;
use serde::{Deserialize, Serialize};
use tollgate_core::command::PresentedSecret;
use tollgate_core::delivery::Position;
use tollgate_core::ids::ChannelId;
use tollgate_core::{Error, ErrorKind, Result};
use tollgate_node::{ExplainHeld, ExplainQuestion, ExplainVerdict, ExplainWish, Explanation, MessageFate};

use crate::answer::Answer;
use crate::call::Call;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Wanted {
    token: String,
    wish: String,
    #[serde(default)]
    channel: Option<String>,
    #[serde(default)]
    by: Option<String>,
    #[serde(default)]
    address: Option<String>,
    #[serde(default)]
    origin: Option<String>,
}

#[derive(Serialize)]
struct Shown<'a> {
    verdict: &'static str,
    told: Option<&'static str>,
    token: Option<String>,
    steps: Vec<Step<'a>>,
}

#[derive(Serialize)]
struct Step<'a> {
    step: &'static str,
    held: &'static str,
    said: &'a str,
    advice: Option<&'static str>,
}

/// `POST /v2/explain`.
pub(crate) async fn explain(call: &Call) -> Result<Answer> {
    let wanted: Wanted = call.object()?;
    let invalid = |why: String| Error::new(ErrorKind::InvalidInput, why);
    let wish = ExplainWish::ALL.into_iter().find(|one| one.word() == wanted.wish).ok_or_else(|| {
        let words: Vec<_> = ExplainWish::ALL.iter().map(|one| one.word()).collect();
        invalid(format!("`wish` must be one of: {}.", words.join(", ")))
    })?;
    let over_rest = match wanted.by.as_deref() {
        None | Some("connection") => false,
        Some("rest") => true,
        Some(_) => return Err(invalid("`by` must be `connection` or `rest`.".into())),
    };
    let address = wanted
        .address
        .as_deref()
        .map(|text| text.parse::<IpAddr>().map_err(|_| invalid("`address` must be an IP address.".into())));
    let question = ExplainQuestion {
        token: PresentedSecret::new(wanted.token),
        wish,
        channel: wanted.channel.map(|id| ChannelId::new(&id)).transpose()?,
        over_rest,
        address: address.transpose()?,
        origin: wanted.origin,
    };
    Ok(Answer::json(StatusCode::OK, &show(&call.node.explain(&call.caller, &question)?)))
}

fn show(explanation: &Explanation) -> Shown<'_> {
    Shown {
        verdict: match explanation.verdict {
            ExplainVerdict::Yes => "yes",
            ExplainVerdict::No => "no",
            ExplainVerdict::HookDecides => "hook_decides",
        },
        told: explanation.told,
        token: explanation.token.map(|token| token.to_string()),
        steps: explanation
            .steps
            .iter()
            .map(|step| Step { step: step.what.word(), held: held(step.held), said: &step.said, advice: step.advice })
            .collect(),
    }
}

const fn held(held: ExplainHeld) -> &'static str {
    match held {
        ExplainHeld::Held => "held",
        ExplainHeld::Failed => "failed",
        ExplainHeld::Unknown => "unknown",
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WantedFate {
    token: String,
    #[serde(default)]
    channel: Option<String>,
    #[serde(default)]
    position: Option<String>,
}

#[derive(Serialize)]
struct Fate<'a> {
    token: String,
    position: Option<String>,
    at: Option<String>,
    event: Option<&'a str>,
    sender: Option<String>,
    steps: Vec<FateStep<'a>>,
}

#[derive(Serialize)]
struct FateStep<'a> {
    step: &'static str,
    held: &'static str,
    said: &'a str,
    connection: Option<String>,
}

/// `POST /v2/explain/message`: of a message in a channel, or without one, of a direct message.
pub(crate) async fn message(call: &Call) -> Result<Answer> {
    let wanted: WantedFate = call.object()?;
    let channel = wanted.channel.map(|id| ChannelId::new(&id)).transpose()?;
    let position = wanted.position.map(|text| text.parse::<Position>()).transpose()?;
    let token = PresentedSecret::new(wanted.token);
    let fate = match (channel, position) {
        (Some(channel), Some(position)) => call.node.explain_message(&call.caller, &channel, position, &token).await?,
        (Some(_), None) => {
            return Err(Error::new(ErrorKind::InvalidInput, "Say at which `position` of the channel the message is."));
        }
        (None, position) => call.node.explain_direct(&call.caller, &token, position).await?,
    };
    Ok(Answer::json(StatusCode::OK, &show_fate(&fate)))
}

fn show_fate(fate: &MessageFate) -> Fate<'_> {
    let message = fate.message.as_ref();
    Fate {
        token: fate.token.to_string(),
        position: fate.position.map(|position| position.to_string()),
        at: fate.at.map(|at| at.to_string()),
        event: message.map(|message| &*message.event),
        sender: message.and_then(|message| message.sender).map(|sender| sender.to_string()),
        steps: fate
            .steps
            .iter()
            .map(|one| FateStep {
                step: one.what.word(),
                held: held(one.held),
                said: &one.said,
                connection: one.connection.map(|connection| connection.to_string()),
            })
            .collect(),
    }
}
