//! Why a token may do something, or may not: the decisions that its client would meet, in their order, each with what it fell by.
//!
//! Nothing is decided here. What a text proves is `recognise`'s, whether a token works `presented`'s, what it may do `weighing`'s: the same calls that the
//! client's own request makes. An access hook is not asked; it is said that it would be, or what is kept of it (`explain_hook`).

use std::net::IpAddr;
use std::sync::Arc;

use tollgate_core::authorize::{Action, Caller, Rule, Standing, decide_publish, decide_reads, decide_set_state};
use tollgate_core::command::PresentedSecret;
use tollgate_core::error::{Error, ErrorKind, Result};
use tollgate_core::grants::{Grant, Operation};
use tollgate_core::ids::{ChannelId, TokenId};
use tollgate_core::model::{Capabilities, ChannelType};

use super::bearers::Wish;
use super::clients::has_room;
use super::explain_hook::{HookMet, concluded};
use super::presented::{Place, TokenRefused, refused_by};
use super::recognise::Recognised;
use super::weighing::{self, Weighed};
use crate::Node;
use crate::directory::{ProjectEntry, Records, TokenEntry};

/// What a client would do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExplainWish {
    /// Come in.
    Connect,
    /// Receive a channel's messages.
    Subscribe,
    /// Send one.
    Publish,
    /// Read a channel's past.
    ReadHistory,
    /// See who is there.
    ReadPresence,
    /// Read the state.
    ReadState,
    /// Change it.
    SetState,
}

impl ExplainWish {
    /// Every wish.
    pub const ALL: [Self; 7] = [
        Self::Connect,
        Self::Subscribe,
        Self::Publish,
        Self::ReadHistory,
        Self::ReadPresence,
        Self::ReadState,
        Self::SetState,
    ];

    /// The word of the doors.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Connect => "connect",
            Self::Subscribe => "subscribe",
            Self::Publish => "publish",
            Self::ReadHistory => "history",
            Self::ReadPresence => "presence",
            Self::ReadState => "state.read",
            Self::SetState => "state.write",
        }
    }

    const fn over_rest(self) -> Option<Wish> {
        Some(match self {
            Self::Connect | Self::Subscribe => return None,
            Self::Publish => Wish::Publish,
            Self::ReadHistory => Wish::ReadHistory,
            Self::ReadPresence => Wish::ReadPresence,
            Self::ReadState => Wish::ReadState,
            Self::SetState => Wish::SetState,
        })
    }
}

/// The question.
#[derive(Clone, Debug)]
pub struct ExplainQuestion {
    /// The token, by its secret, a JWT, or its id; an id stands for its newest secret.
    pub token: PresentedSecret,
    /// What its client would do.
    pub wish: ExplainWish,
    /// Where. Not of `connect`.
    pub channel: Option<ChannelId>,
    /// Whether by a request over REST, instead of over a connection.
    pub over_rest: bool,
    /// From which address; without one, whether the address fits is not known.
    pub address: Option<IpAddr>,
    /// From a page of which origin; programs have none.
    pub origin: Option<String>,
}

/// What it comes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExplainVerdict {
    /// It may.
    Yes,
    /// It may not.
    No,
    /// By our rules it may if the access hook says so.
    HookDecides,
}

/// One decision on the way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExplainStep {
    /// Whether the text is a token of this project.
    Genuine,
    /// Whether the token works now, and its user is not banned.
    Works,
    /// Whether it may come from there.
    Place,
    /// Whether it has room for another connection.
    Room,
    /// Whether there is such a channel.
    Channel,
    /// Whether the rules allow it.
    Right,
    /// Whether the channel keeps what is asked for.
    Keeps,
    /// Whether the access hook is asked.
    Hook,
}

impl ExplainStep {
    /// The word of the doors.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Genuine => "genuine",
            Self::Works => "works",
            Self::Place => "place",
            Self::Room => "room",
            Self::Channel => "channel",
            Self::Right => "right",
            Self::Keeps => "keeps",
            Self::Hook => "hook",
        }
    }
}

/// How a decision fell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExplainHeld {
    /// For it.
    Held,
    /// Against it: what comes behind is not asked.
    Failed,
    /// That is not known here.
    Unknown,
}

/// A decision, and what is to be said of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExplainedStep {
    /// Which.
    pub what: ExplainStep,
    /// How it fell.
    pub held: ExplainHeld,
    /// By what, a sentence.
    pub said: String,
    /// What would change it, a sentence.
    pub advice: Option<&'static str>,
}

/// The answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Explanation {
    /// What it comes to.
    pub verdict: ExplainVerdict,
    /// The code that the client is answered, where it may not.
    pub told: Option<&'static str>,
    /// The decisions, in the order in which they fall; none behind one that failed.
    pub steps: Vec<ExplainedStep>,
    /// The token, if it is known.
    pub token: Option<TokenId>,
}

/// The steps so far.
#[derive(Default)]
pub(super) struct Trace {
    steps: Vec<ExplainedStep>,
    token: Option<TokenId>,
}

impl Trace {
    pub(super) fn held(&mut self, what: ExplainStep, said: impl Into<String>) {
        self.steps.push(ExplainedStep { what, held: ExplainHeld::Held, said: said.into(), advice: None });
    }

    pub(super) fn unknown(&mut self, what: ExplainStep, said: impl Into<String>) {
        self.steps.push(ExplainedStep { what, held: ExplainHeld::Unknown, said: said.into(), advice: None });
    }

    pub(super) fn failed(
        mut self,
        what: ExplainStep,
        told: &'static str,
        said: impl Into<String>,
        advice: Option<&'static str>,
    ) -> Explanation {
        self.steps.push(ExplainedStep { what, held: ExplainHeld::Failed, said: said.into(), advice });
        Explanation { verdict: ExplainVerdict::No, told: Some(told), steps: self.steps, token: self.token }
    }

    pub(super) fn done(self, verdict: ExplainVerdict) -> Explanation {
        Explanation { verdict, told: None, steps: self.steps, token: self.token }
    }
}

/// A channel as the rules see it.
struct Room<'a> {
    channel: &'a ChannelId,
    kind: ChannelType,
    capabilities: Capabilities,
    keeps_presence: bool,
}

impl Node {
    /// Why a token may do something now, or may not. It changes nothing, asks nobody outside, and counts for no limit.
    ///
    /// # Errors
    /// `forbidden`; `invalid_input` for a question that makes no sense.
    pub fn explain(&self, caller: &Caller, question: &ExplainQuestion) -> Result<Explanation> {
        let entry = self.authorize(caller, Action::IntrospectTokens)?;
        check(question)?;
        let mut trace = Trace::default();
        let known = match self.known(&entry, &question.token) {
            Ok(known) => known,
            Err(refused) => {
                let advice = "Get the token again, from this project; a copy may have lost a character.";
                return Ok(trace.failed(ExplainStep::Genuine, refused.kind.code(), refused.reason, Some(advice)));
            }
        };
        let (id, recognised) = known;
        let records = entry.read();
        let Some(token) = records.token(id) else {
            let refused = TokenRefused::deleted();
            return Ok(trace.failed(ExplainStep::Genuine, refused.kind.code(), refused.reason, None));
        };
        trace.token = Some(id);
        trace.held(ExplainStep::Genuine, "It is a token of this project.");
        let trace = match self.standing_of(&records, token, recognised, question, trace) {
            Ok(trace) => trace,
            Err(explanation) => return Ok(*explanation),
        };
        if question.wish == ExplainWish::Connect {
            drop(records);
            return Ok(self.connecting(&entry, id, question, trace));
        }
        let Some(channel) = &question.channel else { return Ok(trace.done(ExplainVerdict::Yes)) };
        let over_rest = question.wish.over_rest().filter(|_| question.over_rest);
        let room = records.channel(channel).map(|found| Room {
            channel,
            kind: found.snapshot.kind,
            capabilities: found.snapshot.capabilities,
            keeps_presence: found.snapshot.settings.presence,
        });
        let writes = matches!(question.wish, ExplainWish::Publish | ExplainWish::SetState);
        let Some(room) = room else {
            let told = if writes && over_rest.is_none() { "not_subscribed" } else { ErrorKind::NotFound.code() };
            let said = format!("There is no channel {channel}.");
            return Ok(trace.failed(ExplainStep::Channel, told, said, Some("Create the channel.")));
        };
        let mut trace = trace;
        trace.held(ExplainStep::Channel, format!("There is a {} channel {channel}.", room.kind.word()));
        let grants = token.terms().and_then(|terms| terms.grants.as_deref());
        let standing = Standing { grants, subscribed: records.is_subscribed(id, channel) };
        let caller = Caller::Token { project: entry.project.id, token: id };
        let weighed = weigh(&caller, &room, standing, question.wish, over_rest);
        let met = self.hook_met(&entry, &records, id, Some(channel), (question.wish, Some(weighed)));
        Ok(conclude(trace, &room, grants, weighed, question.wish, &met))
    }

    /// Which token a text names, and what it proves; nothing proven where it is an id.
    fn known(
        &self,
        entry: &Arc<ProjectEntry>,
        presented: &PresentedSecret,
    ) -> std::result::Result<(TokenId, Option<Recognised>), TokenRefused> {
        if let Ok(id) = presented.expose().parse::<TokenId>() {
            return Ok((id, None));
        }
        match self.recognise_now(entry, presented.expose())? {
            Ok(recognised) => Ok((recognised.claims.token, Some(recognised))),
            Err(unprepared) => Err(unprepared.refused()),
        }
    }

    /// Whether the token works, and may come from there.
    fn standing_of(
        &self,
        records: &Records,
        token: &TokenEntry,
        recognised: Option<Recognised>,
        question: &ExplainQuestion,
        mut trace: Trace,
    ) -> std::result::Result<Trace, Box<Explanation>> {
        let now = self.now();
        let generation = recognised.map_or(token.generation, |recognised| recognised.claims.generation);
        let ended = recognised.and_then(|recognised| recognised.refused_by(records, now));
        if let Some(refused) = ended.or_else(|| refused_by(records, token, generation, None, now)) {
            let advice = match refused.kind {
                ErrorKind::UserBanned => "Lift the ban, then give the user a new token.",
                ErrorKind::TokenRevoked => "Give the client a new token, or undo the revocation.",
                ErrorKind::TokenNotYetValid => "Wait for its beginning, or move it.",
                ErrorKind::TokenRotated => "Give the client the token's newest secret.",
                _ => "Give the client a new token.",
            };
            return Err(Box::new(trace.failed(ExplainStep::Works, refused.kind.code(), refused.reason, Some(advice))));
        }
        trace.held(ExplainStep::Works, "It works now: not ended, not revoked, its user not banned.");
        let bound = token.terms().is_some_and(|terms| !terms.networks.is_empty() || !terms.origins.is_empty());
        let place = Place { address: question.address, origin: question.origin.as_deref() };
        match refused_by(records, token, generation, Some(place), now) {
            None if !bound => trace.held(ExplainStep::Place, "It may be used from everywhere."),
            None => trace.held(ExplainStep::Place, "It may be used from there."),
            Some(_) if place.address.is_none() && place.origin.is_none() => {
                trace.unknown(
                    ExplainStep::Place,
                    "It may not be used from everywhere; say from which address and origin.",
                );
            }
            Some(refused) => {
                let advice = "Add the network or the origin to the token.";
                let failed = trace.failed(ExplainStep::Place, refused.kind.code(), refused.reason, Some(advice));
                return Err(Box::new(failed));
            }
        }
        Ok(trace)
    }

    /// What is asked of who comes in.
    fn connecting(
        &self,
        entry: &ProjectEntry,
        id: TokenId,
        question: &ExplainQuestion,
        mut trace: Trace,
    ) -> Explanation {
        if question.over_rest {
            return trace.done(ExplainVerdict::Yes);
        }
        let records = entry.read();
        if let Err(error) = records.token(id).map_or(Ok(()), has_room) {
            let advice = "End one of its connections, or raise the token's limit.";
            return trace.failed(ExplainStep::Room, error.kind.code(), error.detail, Some(advice));
        }
        trace.held(ExplainStep::Room, "It has room for another connection.");
        concluded(trace, &self.hook_met(entry, &records, id, None, (question.wish, None)))
    }
}

fn check(question: &ExplainQuestion) -> Result<()> {
    let refuse = |why: &str| Err(Error::new(ErrorKind::InvalidInput, why));
    match (question.wish, &question.channel) {
        (ExplainWish::Connect, Some(_)) => refuse("Who connects asks for no channel; leave `channel` out."),
        (ExplainWish::Connect, None) => Ok(()),
        (_, None) => refuse("Say in which `channel`."),
        (ExplainWish::Subscribe, Some(_)) if question.over_rest => {
            refuse("Over REST nobody subscribes for itself; ask about `history`, or about a connection.")
        }
        (ExplainWish::ReadState, Some(_)) if !question.over_rest => {
            refuse("Over a connection who subscribes is sent the state; ask about `subscribe`, or about REST.")
        }
        _ => Ok(()),
    }
}

/// The one call for each wish.
fn weigh(
    caller: &Caller,
    room: &Room<'_>,
    standing: Standing<'_>,
    wish: ExplainWish,
    over_rest: Option<Wish>,
) -> Weighed {
    if let Some(wish) = over_rest {
        return weighing::over_rest(caller, (room.kind, room.capabilities), room.channel, standing, wish);
    }
    let write = |rule| weighing::writing(caller, room.capabilities, room.channel, standing, rule);
    let read = |what| Weighed::from(decide_reads(room.kind, room.channel, standing, what));
    match wish {
        ExplainWish::Connect | ExplainWish::Subscribe => {
            weighing::subscribing(caller, room.kind, room.channel, standing)
        }
        ExplainWish::Publish => write(decide_publish),
        ExplainWish::SetState => write(decide_set_state),
        ExplainWish::ReadHistory => read(Operation::History),
        ExplainWish::ReadPresence => read(Operation::Presence),
        ExplainWish::ReadState => read(Operation::StateRead),
    }
}

fn conclude(
    mut trace: Trace,
    room: &Room<'_>,
    grants: Option<&[Grant]>,
    weighed: Weighed,
    wish: ExplainWish,
    met: &HookMet,
) -> Explanation {
    let said = |by: Rule| sentence(by, room, grants);
    match weighed {
        Weighed::Allowed(by) => {
            trace.held(ExplainStep::Right, said(by));
            if wish == ExplainWish::ReadPresence && !room.keeps_presence {
                let (told, advice) = (ErrorKind::WrongState.code(), "Switch on the channel's setting `presence`.");
                return trace.failed(ExplainStep::Keeps, told, "The channel does not keep who is there.", Some(advice));
            }
            concluded(trace, met)
        }
        Weighed::AskHook(by) => {
            trace.held(ExplainStep::Right, said(by));
            concluded(trace, met)
        }
        Weighed::NotSubscribed => {
            let nobody =
                "It is not subscribed, and a token without capabilities writes over a connection only where it is.";
            trace.failed(ExplainStep::Right, "not_subscribed", nobody, Some("Subscribe it first."))
        }
        Weighed::NotGranted(by) => {
            trace.failed(ExplainStep::Right, ErrorKind::NotGranted.code(), said(by), Some(advice(by, wish)))
        }
        Weighed::Hidden(by) => {
            let said = format!("{} It is told that there is no such channel, as of any private one.", said(by));
            trace.failed(ExplainStep::Right, ErrorKind::NotFound.code(), said, Some(advice(by, wish)))
        }
    }
}

const fn advice(by: Rule, wish: ExplainWish) -> &'static str {
    match (by, wish) {
        (Rule::NoGrantFits, _) => "Give the token a capability for this channel, or take its capabilities away.",
        (Rule::Capability(_), ExplainWish::Publish) => {
            "Switch on the channel's `token_publish`, or give the token the capability `publish` here."
        }
        (Rule::Capability(_), _) => {
            "Switch on the channel's `token_set_state`, or give the token the capability `state.write` here."
        }
        _ => "Subscribe the token from your backend, or give it a capability for this channel.",
    }
}

fn sentence(by: Rule, room: &Room<'_>, grants: Option<&[Grant]>) -> String {
    match by {
        Rule::Subscribed => "It is subscribed to the channel.".into(),
        Rule::Grant(at) => {
            let grant = grants.and_then(|grants| grants.get(usize::from(at)));
            let words = grant.map(|grant| {
                let operations: Vec<_> = grant.operations.iter().map(|one| one.word()).collect();
                format!("{}:{}", operations.join(","), grant.channels)
            });
            format!("Its capability `{}` says so.", words.unwrap_or_default())
        }
        Rule::NoGrantFits => {
            format!("It has {} capabilities, and none of them says so.", grants.map_or(0, <[Grant]>::len))
        }
        Rule::Type => format!("It has no capabilities, so that the channel's type, {}, decides.", room.kind.word()),
        Rule::Capability(needed) => {
            let word = if needed == Capabilities::TOKEN_PUBLISH { "token_publish" } else { "token_set_state" };
            let has = if room.capabilities.has(needed) { "is on" } else { "is off" };
            format!("It has no capabilities, so that the channel's `{word}` decides, which {has}.")
        }
        Rule::NoClient => "Only clients are asked about.".into(),
    }
}
