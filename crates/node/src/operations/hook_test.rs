//! Trying a project's access hook: it is really asked, a question that is made up and says so. Nobody is let in by the answer, and none is kept.

use tollgate_core::authorize::{Action, Caller};
use tollgate_core::error::{Error, ErrorKind, Result};
use tollgate_core::ids::TokenId;
use tollgate_core::json::JsonValue;
use tollgate_core::records::HookQuestion;

use super::hooks::said;
use super::refusal;
use crate::Node;
use crate::hooks::{Breaker, Message, Question};

/// Where the made-up client comes from: an address that is nobody's (RFC 5737).
const ADDRESS: &str = "192.0.2.1";

/// What came of trying a hook.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HookTest {
    /// Whom the question was put to.
    pub url: String,
    /// What was asked.
    pub question: HookQuestion,
    /// The status of the answer, if one came.
    pub status: Option<u16>,
    /// From the question to the answer, or to giving up, in milliseconds.
    pub took_ms: u64,
    /// What it answered; or, in words, why that is no answer.
    pub answer: std::result::Result<HookSaid, String>,
}

/// An answer that a hook gave.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HookSaid {
    /// Whether the client would be let.
    pub allow: bool,
    /// How long it might be used again, in milliseconds.
    pub cache_ms: u64,
    /// What the client may be told.
    pub reason: Option<String>,
}

impl Node {
    /// Asks the project's hook a made-up question: the one that is named, or the first that it is asked. A failure is an outcome, not an error,
    /// and is not counted against the hook; an answer ends its rest.
    ///
    /// # Errors
    /// `wrong_state` where there is no hook, or where it is not asked this; `forbidden`, `unavailable`.
    pub async fn test_hook(&self, caller: &Caller, question: Option<HookQuestion>) -> Result<HookTest> {
        let entry = self.authorize(caller, Action::ManageKeys)?;
        let (project, settings) = (entry.project.id, entry.settings());
        let refuse = |text: &str| Error::new(ErrorKind::WrongState, text);
        let hook = settings.hook.as_ref().ok_or_else(|| refuse("This project has no access hook; set one first."))?;
        let question = question.or(hook.questions.first().copied());
        let question = question.filter(|one| hook.questions.contains(one));
        let question = question.ok_or_else(|| refuse("The hook is not asked this; name one of its questions."))?;
        let audit = self.entry_of(caller, Some(project), "hook.test", &project);
        self.commit(Vec::new(), vec![audit]).await.map_err(|error| refusal(error, &project))?;

        let data = JsonValue::null();
        let of_channel = question != HookQuestion::Connect;
        let asked = Question {
            project_id: project.to_string(),
            token_id: Some(TokenId::new(0).to_string()),
            user_id: Some("test".to_owned()),
            channel_id: of_channel.then_some("test"),
            channel_type: of_channel.then_some("private"),
            message: (question == HookQuestion::Publish).then_some(Message { event: "test", data: &data }),
            address: (!of_channel).then(|| ADDRESS.to_owned()),
            test: true,
            ..Question::default()
        };
        let began = self.clock.monotonic();
        let sent = self.question_sent(hook, question, &asked).await;
        let took_ms = self.clock.monotonic().since(began);
        let status = sent.as_ref().ok().map(|answer| answer.status);
        let answer = sent.map_err(|failure| failure.to_string()).and_then(|answer| said(&answer));
        if answer.is_ok() {
            self.hooks.breaker(project, &hook.url, Breaker::answered);
        }
        let answer = answer.map(|said| HookSaid { allow: said.allow, cache_ms: said.cache_ms, reason: said.reason });
        Ok(HookTest { url: hook.url.clone(), question, status, took_ms, answer })
    }
}
