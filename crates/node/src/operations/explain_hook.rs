//! What the access hook would come to if a token asked now: an answer that is kept, a rest, or a question. Nobody is asked by looking.

use std::fmt::Write as _;
use std::sync::Arc;

use tollgate_core::clock::{Monotonic, UnixMillis};
use tollgate_core::error::ErrorKind;
use tollgate_core::ids::{ChannelId, TokenId};
use tollgate_core::records::HookQuestion;

use super::explain::{ExplainStep, ExplainVerdict, ExplainWish, Explanation, Trace};
use super::hooks::{asker_of, holds_unanswered, named_of};
use super::weighing::Weighed;
use crate::Node;
use crate::directory::{ProjectEntry, Records};
use crate::hooks::KeptAnswer;

/// Who has the last word.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum HookMet {
    /// Our rules.
    NotAsked,
    /// A hook would have it, and there is none.
    Nobody,
    /// The hook of the server's settings.
    Servers,
    /// The project's.
    Projects(HookQuestion, HookNow),
}

/// What a question to a project's hook comes to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum HookNow {
    /// It is asked.
    Asked,
    /// It has said, and is not asked again for a while.
    Kept { allow: bool, reason: Option<Arc<str>>, at: UnixMillis, until: UnixMillis },
    /// It failed so often that it is not asked; what then holds.
    Rests { until: UnixMillis, allow: bool },
}

impl Node {
    /// Who has the last word on a wish that our rules weighed so; who connects is not weighed.
    pub(super) fn hook_met(
        &self,
        entry: &ProjectEntry,
        records: &Records,
        token: TokenId,
        channel: Option<&ChannelId>,
        (wish, weighed): (ExplainWish, Option<Weighed>),
    ) -> HookMet {
        let (question, otherwise) = match (wish, weighed) {
            (ExplainWish::Connect, None) => (HookQuestion::Connect, HookMet::NotAsked),
            (ExplainWish::Publish, Some(Weighed::Allowed(_))) => (HookQuestion::Publish, HookMet::NotAsked),
            (_, Some(Weighed::AskHook(_))) if self.hook.is_there() => (HookQuestion::Subscribe, HookMet::Servers),
            (_, Some(Weighed::AskHook(_))) => (HookQuestion::Subscribe, HookMet::Nobody),
            _ => return HookMet::NotAsked,
        };
        let hook = records.settings.as_ref().and_then(|kept| kept.record.hook.as_ref());
        let Some(hook) = hook.filter(|hook| hook.questions.contains(&question)) else { return otherwise };
        let (project, now) = (entry.project.id, self.clock.monotonic());
        let named = asker_of(records, token).and_then(|asker| named_of(records, project, question, asker, channel));
        let kept = named.and_then(|named| self.hooks.answers.look(&named, now));
        let ahead = |until: Monotonic| self.now().plus(until.since(now));
        let met = if let Some(KeptAnswer { known, at, until }) = kept {
            HookNow::Kept { allow: known.allow, reason: known.reason, at: self.unix_of(at), until: ahead(until) }
        } else if let Some(until) = self.hooks.rests_until(project, &hook.url, now) {
            HookNow::Rests { until: ahead(until), allow: holds_unanswered(hook, question) }
        } else {
            HookNow::Asked
        };
        HookMet::Projects(question, met)
    }
}

/// The last step of what our rules allow, or leave to the hook.
pub(super) fn concluded(mut trace: Trace, met: &HookMet) -> Explanation {
    let (question, now) = match met {
        HookMet::NotAsked => return trace.done(ExplainVerdict::Yes),
        HookMet::Nobody => {
            let advice = "Subscribe the token from your backend, give it a capability, or set an access hook.";
            let nobody = "A private channel: the access hook would be asked, and there is none.";
            return trace.failed(ExplainStep::Hook, ErrorKind::NotGranted.code(), nobody, Some(advice));
        }
        HookMet::Servers => {
            trace.unknown(ExplainStep::Hook, "The server's access hook is asked who may into this private channel.");
            return trace.done(ExplainVerdict::HookDecides);
        }
        HookMet::Projects(question, now) => (*question, now),
    };
    let denied = match question {
        HookQuestion::Connect => ErrorKind::Forbidden.code(),
        HookQuestion::Subscribe | HookQuestion::Publish => ErrorKind::NotGranted.code(),
    };
    match now {
        HookNow::Asked => {
            let asked = match question {
                HookQuestion::Connect => "The project's access hook is asked about connections.",
                HookQuestion::Subscribe => "The project's access hook is asked who may into this private channel.",
                HookQuestion::Publish => "The project's access hook is asked about each message.",
            };
            trace.unknown(ExplainStep::Hook, asked);
            trace.done(ExplainVerdict::HookDecides)
        }
        HookNow::Kept { allow: true, at, until, .. } => {
            let said = format!(
                "The project's access hook is not asked now: it answered yes at {at}, and that is kept until {until}."
            );
            trace.held(ExplainStep::Hook, said);
            trace.done(ExplainVerdict::Yes)
        }
        HookNow::Kept { allow: false, reason, at, until } => {
            let mut said = format!("The project's access hook is not asked now: it answered no at {at}");
            if let Some(reason) = reason {
                let _written = write!(said, " (“{reason}”)");
            }
            let _written = write!(said, ", and that is kept until {until}.");
            let advice = "Have your backend say yes next time. A kept answer is forgotten when the token, its user or the project's settings change.";
            trace.failed(ExplainStep::Hook, denied, said, Some(advice))
        }
        HookNow::Rests { until, allow } => {
            let rests = format!(
                "The project's access hook failed again and again, and is not asked until {until}; the next question then finds out whether it answers."
            );
            if *allow {
                trace.held(
                    ExplainStep::Hook,
                    format!("{rests} Without an answer it may: that is the hook's `on_failure`."),
                );
                return trace.done(ExplainVerdict::Yes);
            }
            let advice = "See in the server's log why the hook fails, and mend your backend.";
            trace.failed(ExplainStep::Hook, ErrorKind::HookUnavailable.code(), rests, Some(advice))
        }
    }
}
