//! Asking a project's own access hook: whom, what, what an answer means, and what holds when there is none.
//!
//! The hook takes away and, of private channels, gives; it is asked after our own rules and never in place of them. Where a project has no hook
//! for subscribing, the server-wide one of the settings is asked, as ever. What is kept of answers and failures is [`crate::hooks`]'s.

use std::net::IpAddr;
use std::sync::Arc;

use tollgate_core::authorize::Caller;
use tollgate_core::command::{PresentedSecret, Resume};
use tollgate_core::credentials::{
    WEBHOOK_ID_HEADER, WEBHOOK_SIGNATURE_HEADER, WEBHOOK_TIMESTAMP_HEADER, WebhookSecret, sign_webhook,
};
use tollgate_core::delivery::Publication;
use tollgate_core::error::{Error, ErrorKind, Result};
use tollgate_core::ids::{ChannelId, ChannelKey, DeliveryId, ProjectId, TokenId};
use tollgate_core::limits::{HOOK_ANSWER_BYTES_MAX, HOOK_TIMEOUT_MS_MAX};
use tollgate_core::model::ChannelType;
use tollgate_core::ports::hook::SubscribeQuestion;
use tollgate_core::ports::outbound::{Method, OutboundAnswer, OutboundCall, OutboundFailure};
use tollgate_core::ports::trace::SpanKind;
use tollgate_core::records::{HookQuestion, HookRecord, SettingsRecord};

use super::clients::{Client, Outcome, Step};
use super::traced::Part;
use crate::Node;
use crate::directory::{ProjectEntry, Records};
use crate::hooks::{Answer, Asker, Breaker, Known, Message, Named, Pass, Question, answer_of, body_of};

/// What came of a question about a subscription or a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Hooked {
    /// Nobody had to be asked.
    NotAsked,
    Allowed,
    /// With what the project's backend wants its client told.
    Denied(Option<Arc<str>>),
}

/// What a question came to.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Verdict {
    Allowed,
    Denied(Option<Arc<str>>),
    /// No answer, and the project does not let clients in without one.
    Unanswered,
}

/// Why there is no answer.
enum Silence {
    /// It was not asked: too many questions of ours wait.
    Ours,
    Failed(String),
}

/// Whether the project has a hook that is asked this about such clients.
pub(super) fn asks(entry: &ProjectEntry, question: HookQuestion, anonymous: bool) -> bool {
    let records = entry.read();
    let hook = records.settings.as_ref().and_then(|kept| kept.record.hook.as_ref());
    hook.is_some_and(|hook| hook.questions.contains(&question) && (hook.anonymous || !anonymous))
}

/// A question on its way. Whoever stops waiting for the answer leaves the breaker as it is.
struct UnderWay<'a> {
    node: &'a Node,
    entry: &'a ProjectEntry,
    url: &'a str,
    pass: Pass,
    is_over: bool,
}

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        if !self.is_over {
            self.node.hooks.breaker(self.entry.project.id, self.url, |breaker| breaker.given_up(self.pass));
        }
    }
}

impl Node {
    /// Goes on with a client that could not be identified without waiting.
    pub(super) async fn identified_later(
        &self,
        client: &Client,
        project: &str,
        token: Option<&PresentedSecret>,
        resume: Option<&Resume>,
        mut step: Step,
    ) -> Result<Outcome> {
        if let Step::Due(entry, unprepared) = step {
            self.prepared(&entry, unprepared, token).await?;
            step = self.identify(client, project, token, resume, false)?;
        }
        if let Step::Ask(entry, asked) = step {
            self.connect_hooked(&entry, asked, client).await?;
            // All of it again: the token may have ended while the hook was asked.
            step = self.identify(client, project, token, resume, true)?;
        }
        step.done()
    }

    /// Asks whether a client may connect.
    async fn connect_hooked(&self, entry: &ProjectEntry, token: Option<TokenId>, client: &Client) -> Result<()> {
        let place = client.place();
        let asked =
            Question { address: place.address.map(|one| one.to_string()), origin: place.origin, ..Question::default() };
        let refused = match self.ask(entry, HookQuestion::Connect, (token, place.address), None, asked).await {
            Verdict::Allowed => return Ok(()),
            Verdict::Denied(reason) => Error::new(ErrorKind::Forbidden, denied("this connection", reason.as_deref())),
            Verdict::Unanswered => unanswered(),
        };
        self.refusals.note(Some(entry.project.id), refused.kind.code(), place.address);
        self.note_refusal(Some(entry.project.id), token, refused.kind.code());
        Err(refused)
    }

    /// Asks whether a token may into a private channel: the project's hook, or where it has none for this, the server's.
    pub(super) async fn subscribe_hooked(
        &self,
        entry: &ProjectEntry,
        token: TokenId,
        channel: &ChannelKey,
        kind: ChannelType,
    ) -> Result<Hooked> {
        if !asks(entry, HookQuestion::Subscribe, false) {
            let token_state = entry.read().token(token).and_then(|found| found.state.as_deref().cloned());
            let ChannelKey { project, channel } = channel.clone();
            let question = SubscribeQuestion { project, channel, token, token_state };
            // It has no reasons.
            let said_yes = self.hook.may_subscribe(question).await;
            return Ok(if said_yes { Hooked::Allowed } else { Hooked::Denied(None) });
        }
        match self
            .ask(entry, HookQuestion::Subscribe, (Some(token), None), Some((channel, kind)), Question::default())
            .await
        {
            Verdict::Allowed => Ok(Hooked::Allowed),
            Verdict::Denied(reason) => Ok(Hooked::Denied(reason)),
            Verdict::Unanswered => {
                self.counters.subscribes_refused.add(1);
                Err(unanswered())
            }
        }
    }

    /// Asks whether a client may publish this message. Nobody is asked about a backend's.
    ///
    /// # Errors
    /// `hook_unavailable`.
    pub(super) async fn publish_hooked(
        &self,
        caller: Caller,
        channel: &ChannelKey,
        kind: ChannelType,
        publication: &Publication,
    ) -> Result<Hooked> {
        let token = match caller {
            Caller::Token { token, .. } => Some(token),
            Caller::Anonymous { .. } => None,
            Caller::ProjectKey { .. }
            | Caller::Person { .. }
            | Caller::Operator
            | Caller::ProjectOperator { .. }
            | Caller::System => return Ok(Hooked::NotAsked),
        };
        let entry = self.project(channel.project)?;
        if !asks(&entry, HookQuestion::Publish, token.is_none()) {
            return Ok(Hooked::NotAsked);
        }
        let message = Message { event: &publication.event, data: &publication.data };
        let asked = Question { message: Some(message), ..Question::default() };
        // Boxed, so that not every publication has room for what few need.
        match Box::pin(self.ask(&entry, HookQuestion::Publish, (token, None), Some((channel, kind)), asked)).await {
            Verdict::Allowed => Ok(Hooked::Allowed),
            Verdict::Denied(reason) => {
                self.counters.client_writes_refused.add(1);
                Ok(Hooked::Denied(reason))
            }
            Verdict::Unanswered => Err(unanswered()),
        }
    }

    async fn ask(
        &self,
        entry: &ProjectEntry,
        question: HookQuestion,
        (token, address): (Option<TokenId>, Option<IpAddr>),
        channel: Option<(&ChannelKey, ChannelType)>,
        mut asked: Question<'_>,
    ) -> Verdict {
        let (settings, named): (Arc<SettingsRecord>, Option<Named>) = {
            let records = entry.read();
            let Some(kept) = records.settings.as_ref() else { return Verdict::Unanswered };
            let asker = match describe(&records, token, &mut asked) {
                Ok(None) => address.map(Asker::Anonymous),
                Ok(known) => known,
                Err(Deleted) => return Verdict::Denied(None),
            };
            let channel = channel.map(|(key, _)| &key.channel);
            let named = asker.and_then(|asker| named_of(&records, entry.project.id, question, asker, channel));
            (Arc::clone(&kept.record), named)
        };
        // Taken away at this moment; who comes again is not asked about.
        let Some(hook) = settings.hook.as_ref() else { return Verdict::Unanswered };
        let now = self.clock.monotonic();
        let known = match named.as_ref().and_then(|named| self.hooks.answers.find(named, now)) {
            Some(known) => {
                self.counters.hook_answers_reused.add(1);
                Some(known)
            }
            None => {
                asked.project_id = entry.project.id.to_string();
                asked.channel_id = channel.map(|(key, _)| key.channel.as_str());
                asked.channel_type = channel.map(|(_, kind)| kind.word());
                let answer = self.answer(entry, hook, question, &asked).await;
                answer.map(|Answer { allow, cache_ms, reason }| {
                    let known = Known { allow, reason: reason.map(Into::into) };
                    if let Some(named) = named {
                        self.hooks.answers.keep(named, known.clone(), self.clock.monotonic(), cache_ms);
                    }
                    known
                })
            }
        };
        match known {
            Some(Known { allow: true, .. }) => Verdict::Allowed,
            Some(Known { reason, .. }) => {
                self.counters.hook_denials.add(1);
                Verdict::Denied(reason)
            }
            None if holds_unanswered(hook, question) => Verdict::Allowed,
            None => Verdict::Unanswered,
        }
    }

    /// The hook's answer, if it gives one. Counts, and minds the breaker.
    async fn answer(
        &self,
        entry: &ProjectEntry,
        hook: &HookRecord,
        question: HookQuestion,
        asked: &Question<'_>,
    ) -> Option<Answer> {
        let project = entry.project.id;
        let pass = self.hooks.pass(project, &hook.url, self.clock.monotonic());
        if pass == Pass::Rest {
            self.counters.hook_questions_skipped.add(1);
            return None;
        }
        let mut under_way = UnderWay { node: self, entry, url: &hook.url, pass, is_over: false };
        let answered = self.call_hook(hook, question, asked).await;
        // That too many of ours wait says nothing about the hook.
        under_way.is_over = !matches!(answered, Err(Silence::Ours));
        match answered {
            Ok(answer) => {
                self.counters.hook_answers.add(1);
                if self.hooks.breaker(project, &hook.url, Breaker::answered) {
                    tracing::info!(%project, "the access hook answers again");
                }
                Some(answer)
            }
            Err(Silence::Ours) => {
                self.counters.hook_failures.add(1);
                None
            }
            Err(Silence::Failed(why)) => {
                self.counters.hook_failures.add(1);
                let now = self.clock.monotonic();
                let failed = |breaker: &mut Breaker| (breaker.is_open(), breaker.failed(pass, now));
                let (was_open, rest_ms) = self.hooks.breaker(project, &hook.url, failed);
                // Logged once, not for each probe that fails.
                if let Some(rest_ms) = rest_ms.filter(|_| !was_open) {
                    self.counters.hook_breakers_opened.add(1);
                    tracing::warn!(%project, why, rest_ms, "the access hook failed again and again; it is not asked for a while");
                } else {
                    tracing::debug!(%project, why, "the access hook failed");
                }
                None
            }
        }
    }

    /// One signed question, and the answer; or why there is none.
    async fn call_hook(
        &self,
        hook: &HookRecord,
        question: HookQuestion,
        asked: &Question<'_>,
    ) -> std::result::Result<Answer, Silence> {
        let answer = self.question_sent(hook, question, asked).await.map_err(|failure| match failure {
            OutboundFailure::Overloaded => Silence::Ours,
            failure => Silence::Failed(failure.to_string()),
        })?;
        said(&answer).map_err(Silence::Failed)
    }

    /// One signed question, and whatever came back.
    pub(super) async fn question_sent(
        &self,
        hook: &HookRecord,
        question: HookQuestion,
        asked: &Question<'_>,
    ) -> std::result::Result<OutboundAnswer, OutboundFailure> {
        let now = self.now();
        let unreadable = |_| OutboundFailure::Other("its secret does not read; rotate it".to_owned());
        let secret = WebhookSecret::parse(&hook.secret).map_err(unreadable)?;
        let previous = hook.previous_secret.as_ref().filter(|(_, until)| now < *until);
        let previous = previous.and_then(|(text, _)| WebhookSecret::parse(text).ok());
        let (id, seconds) = (DeliveryId::new(self.next_number()).to_string(), now.0 / 1_000);
        let body = body_of(question, asked, now);
        let signature = sign_webhook(&secret, previous.as_ref(), &id, seconds, &body);
        let headers = [
            ("content-type", "application/json".to_owned()),
            (WEBHOOK_ID_HEADER, id),
            (WEBHOOK_TIMESTAMP_HEADER, seconds.to_string()),
            (WEBHOOK_SIGNATURE_HEADER, signature),
        ];
        let mut call = OutboundCall {
            method: Method::Post,
            url: hook.url.clone(),
            headers: headers.into_iter().map(|(name, value)| (name.to_owned(), value)).collect(),
            body,
            timeout_ms: hook.timeout_ms.unwrap_or(HOOK_TIMEOUT_MS_MAX),
            answer_bytes_max: HOOK_ANSWER_BYTES_MAX,
        };
        let part = self.part("access_hook");
        call.headers.extend(part.as_ref().map(Part::header));
        let answered = self.outbound.call(call).await;
        let failed_there = answered.as_ref().map_or(true, |answer| !(200..300).contains(&answer.status));
        self.end_part(part, SpanKind::Client, failed_there);
        answered
    }
}

/// What a hook said; or why that is no answer.
pub(super) fn said(answer: &OutboundAnswer) -> std::result::Result<Answer, String> {
    if !(200..300).contains(&answer.status) {
        return Err(format!("it answered {}", answer.status));
    }
    answer_of(&answer.body).ok_or_else(|| "it answered neither {\"allow\": true} nor {\"allow\": false}".to_owned())
}

/// Whether it may, without an answer.
pub(super) fn holds_unanswered(hook: &HookRecord, question: HookQuestion) -> bool {
    // What lets a token into a private channel is a clear yes and nothing else.
    hook.allow_on_failure && question != HookQuestion::Subscribe
}

/// A token as an answer about it is known by.
pub(super) fn asker_of(records: &Records, token: TokenId) -> Option<Asker> {
    let found = records.token(token)?;
    let user_revision = found.user.and_then(|user| records.user(user)).map_or(0, |user| user.kept.revision);
    Some(Asker::Token { token, revision: found.revision, user_revision })
}

/// What an answer to a question is known by; nothing in a project that has no settings, and so no hook.
pub(super) fn named_of(
    records: &Records,
    project: ProjectId,
    question: HookQuestion,
    asker: Asker,
    channel: Option<&ChannelId>,
) -> Option<Named> {
    let revision = records.settings.as_ref()?.revision;
    Some(Named { project, revision, question, asker, channel: channel.cloned() })
}

/// The token that was to be asked about is gone.
struct Deleted;

/// Writes the token that it is about into the question, and answers by what an answer is known; nothing of an anonymous client.
fn describe(
    records: &Records,
    token: Option<TokenId>,
    asked: &mut Question<'_>,
) -> std::result::Result<Option<Asker>, Deleted> {
    let Some(id) = token else { return Ok(None) };
    let found = records.token(id).ok_or(Deleted)?;
    let user = found.user.and_then(|user| records.user(user));
    asked.token_id = Some(id.to_string());
    asked.user_id = user.map(|user| user.kept.record.user_id.clone());
    asked.token_state = found.state.as_deref().cloned();
    Ok(asker_of(records, id))
}

/// A no in words, with the reason that the project's own hook gave, and nobody else.
pub(super) fn denied(what: &str, reason: Option<&str>) -> String {
    match reason {
        Some(reason) => format!("The project's backend refused {what}: {}.", reason.trim_end_matches('.')),
        None => format!("The project's backend refused {what}."),
    }
}

fn unanswered() -> Error {
    Error::new(
        ErrorKind::HookUnavailable,
        "The project's backend could not be asked whether this is allowed. Try again.",
    )
}
