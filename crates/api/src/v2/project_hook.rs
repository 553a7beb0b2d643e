//! The access hook in a project's settings, and trying it. Its secret is in the answer to the change that drew it, and nowhere else.

use http::StatusCode;
use serde::{Deserialize, Serialize};
use tollgate_core::clock::UnixMillis;
use tollgate_core::credentials::WebhookSecret;
use tollgate_core::limits::{HOOK_TIMEOUT_MS_MAX, WEBHOOK_GRACE_MS_DEFAULT};
use tollgate_core::records::{HookQuestion, HookRecord};
use tollgate_core::{Error, ErrorKind, Result};

use tollgate_node::HookTest;

use super::{Time, at_most, present};
use crate::answer::Answer;
use crate::call::Call;

/// A hook as `/v2` shows it.
#[derive(Serialize)]
pub(super) struct Shown {
    url: String,
    questions: Vec<HookQuestion>,
    anonymous: bool,
    timeout_ms: u64,
    on_failure: &'static str,
    previous_secret_until: Option<Time>,
    #[serde(skip_serializing_if = "Option::is_none")]
    secret: Option<String>,
}

/// What to change of a hook: absent fields stay. Where there is none yet, `url` and `questions` make it.
#[derive(Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Wanted {
    url: Option<String>,
    questions: Option<Vec<HookQuestion>>,
    anonymous: Option<bool>,
    #[serde(deserialize_with = "present")]
    timeout_ms: Option<Option<u64>>,
    on_failure: Option<String>,
    rotate_secret: Option<bool>,
}

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct WantedTest {
    question: Option<HookQuestion>,
}

/// What came of trying a hook: an answer or a failure.
#[derive(Serialize)]
struct Tested {
    url: String,
    question: HookQuestion,
    status: Option<u16>,
    took_ms: u64,
    answer: Option<Said>,
    failure: Option<String>,
}

#[derive(Serialize)]
struct Said {
    allow: bool,
    cache_ms: u64,
    reason: Option<String>,
}

/// `POST /v2/project/hook/test`.
pub(crate) async fn test(call: &Call) -> Result<Answer> {
    let WantedTest { question } = call.object()?;
    let HookTest { url, question, status, took_ms, answer } = call.node.test_hook(&call.caller, question).await?;
    let (answer, failure) = match answer {
        Ok(said) => (Some(Said { allow: said.allow, cache_ms: said.cache_ms, reason: said.reason }), None),
        Err(failure) => (None, Some(failure)),
    };
    Ok(Answer::json(StatusCode::OK, &Tested { url, question, status, took_ms, answer, failure }))
}

/// `drawn` is a secret that this request may have put there.
pub(super) fn show(hook: HookRecord, drawn: Option<&WebhookSecret>) -> Shown {
    let drawn = drawn.map(WebhookSecret::expose).filter(|drawn| **drawn == hook.secret);
    Shown {
        url: hook.url,
        questions: hook.questions,
        anonymous: hook.anonymous,
        timeout_ms: hook.timeout_ms.unwrap_or(HOOK_TIMEOUT_MS_MAX),
        on_failure: if hook.allow_on_failure { "allow" } else { "deny" },
        previous_secret_until: hook.previous_secret.map(|(_, until)| Time(until)),
        secret: drawn.map(|drawn| drawn.to_string()),
    }
}

impl Wanted {
    /// The hook after the change. `drawn` becomes its secret if it needs one.
    pub(super) fn apply(
        &self,
        before: Option<&HookRecord>,
        drawn: &WebhookSecret,
        now: UnixMillis,
    ) -> Result<HookRecord> {
        let refuse = |text: &str| Err(Error::new(ErrorKind::InvalidInput, text));
        at_most("hook.questions", self.questions.as_deref().unwrap_or_default(), HookQuestion::ALL.len())?;
        let mut hook = match (before, &self.url, &self.questions) {
            (Some(before), ..) => before.clone(),
            (None, Some(url), Some(questions)) => HookRecord {
                url: url.clone(),
                secret: drawn.expose().to_string(),
                previous_secret: None,
                questions: questions.clone(),
                anonymous: false,
                timeout_ms: None,
                allow_on_failure: false,
            },
            (None, ..) => return refuse("`hook` needs `url` and `questions`: this project has none yet."),
        };
        if before.is_some() && self.rotate_secret == Some(true) {
            let old = std::mem::replace(&mut hook.secret, drawn.expose().to_string());
            hook.previous_secret = Some((old, now.plus(WEBHOOK_GRACE_MS_DEFAULT)));
        }
        if let Some(url) = &self.url {
            hook.url.clone_from(url);
        }
        if let Some(questions) = &self.questions {
            hook.questions = questions.clone();
        }
        hook.questions.sort_by_key(|question| *question as u8);
        hook.questions.dedup();
        hook.anonymous = self.anonymous.unwrap_or(hook.anonymous);
        hook.timeout_ms = self.timeout_ms.unwrap_or(hook.timeout_ms);
        hook.allow_on_failure = match self.on_failure.as_deref() {
            None => hook.allow_on_failure,
            Some("deny") => false,
            Some("allow") => true,
            Some(_) => return refuse("`hook.on_failure` must be \"deny\" or \"allow\"."),
        };
        Ok(hook)
    }
}
