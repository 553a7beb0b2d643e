//! Why a token may do something, or may not.

use std::net::IpAddr;

use http::StatusCode;
use serde::{Deserialize, Serialize};
use tollgate_core::command::PresentedSecret;
use tollgate_core::ids::ChannelId;
use tollgate_core::{Error, ErrorKind, Result};
use tollgate_node::{ExplainHeld, ExplainQuestion, ExplainVerdict, ExplainWish, Explanation};

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
            .map(|step| Step {
                step: step.what.word(),
                held: match step.held {
                    ExplainHeld::Held => "held",
                    ExplainHeld::Failed => "failed",
                    ExplainHeld::Unknown => "unknown",
                },
                said: &step.said,
                advice: step.advice,
            })
            .collect(),
    }
}
