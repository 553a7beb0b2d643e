//! The transcripts of `crates/protocol-native` with the roles swapped: what the server says there, the client understands and hands on; what a
//! client says there, ours says, but for the number of a request and the name of the SDK. Lines about the server's inside, and how long it
//! waits, are not ours to check.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::Value;
use tollgate_protocol_native::wire::{self, ClientFrame, CloseAdvice, HistoryOrder, Request};

use crate::calls::Call;
use crate::channels::Wanted;
use crate::machine::{Effect, Machine, Setup};
use crate::{Error, Event, History, Members, Outgoing, Payload, Position, ResumePoint, Rewind, State};

const NOW: u64 = 1_000;
const FOREVER: u64 = 1_000_000_000;

/// Everything but event streams, which this SDK does not read.
fn transcripts() -> BTreeMap<String, String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../protocol-native/transcripts");
    let files = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let name = |path: &Path| path.file_name().unwrap().to_str().unwrap().to_owned();
    let texts = files.map(|path| (name(&path), std::fs::read_to_string(&path).unwrap()));
    texts.filter(|(name, _)| name.ends_with(".transcript") && !name.starts_with("sse")).collect()
}

/// What a client of ours was seen doing.
#[derive(Debug, Default)]
struct Seen {
    said: usize,
    heard: usize,
    closed: usize,
}

struct Conversation {
    machine: Machine,
    socket: u64,
    /// Our number of each request, by the transcript's.
    numbers: BTreeMap<u32, u32>,
    calls: u64,
    is_asked_for_token: bool,
    has_provider: bool,
}

impl Conversation {
    /// A client that says this `connect`; `None` if none of ours does.
    fn connect(id: u32, text: &str, body: &wire::Connect<'_>) -> Option<Self> {
        let goes_on = body.session.is_some() || !body.positions.is_empty() || body.direct.is_some();
        let is_ticket = body.ticket.is_some();
        let secret = body.token.as_ref().or(body.ticket.as_ref());
        if (is_ticket && body.token.is_some()) || !body.watch.is_empty() || (secret.is_none() && goes_on) {
            return None;
        }
        let token = secret.map(|secret| secret.0.to_string());
        let positions = body.positions.iter().map(|(channel, at)| (channel.to_string(), Position(*at)));
        let setup = Setup {
            project: body.project.to_string(),
            has_provider: token.is_some(),
            is_ticket,
            token,
            data: body.data.map(Payload::from),
            queue_limit: 1_000,
            token_timeout_ms: FOREVER,
            resume: ResumePoint {
                session: body.session.as_ref().map(ToString::to_string),
                positions: positions.collect(),
                direct: body.direct.map(Position),
            },
        };
        let has_provider = setup.has_provider;
        let mut machine = Machine::new(setup, || 0.5);
        machine.connect(NOW);
        let effects = machine.take();
        let Some(Effect::Open(socket)) = effects.last() else { panic!("it does not connect: {effects:?}") };
        let socket = *socket;
        machine.opened(NOW, socket);
        let mut conversation =
            Self { machine, socket, numbers: BTreeMap::new(), calls: 0, is_asked_for_token: false, has_provider };
        conversation.check_said(id, text);
        Some(conversation)
    }

    fn say(&mut self, id: u32, text: &str, request: &Request<'_>) {
        match request {
            Request::Subscribe(body) if body.position.is_none() || body.rewind.is_none() => {
                let rewind = body.rewind.map(|rewind| match rewind {
                    wire::Rewind::Last(count) => Rewind::Last(count),
                    wire::Rewind::SinceAt(at) => Rewind::SinceAt(at),
                });
                let wanted = Wanted { presence: body.presence, rewind, data: body.data.map(Payload::from) };
                self.machine.subscribe(NOW, &body.channel, wanted, body.position.map(Position));
            }
            Request::Renew(wire::Renew { token: Some(token), ticket: None })
                if std::mem::take(&mut self.is_asked_for_token) =>
            {
                self.machine.provided(NOW, Ok(token.0.to_string()));
            }
            Request::Publish(body) => self.call(&Request::Publish(outgoing(body).wire())),
            Request::Batch(body) => {
                let messages: Vec<_> = body.messages.iter().map(outgoing).collect();
                self.call(&Request::Batch(wire::Batch { messages: messages.iter().map(Outgoing::wire).collect() }));
            }
            Request::History(body) => match page(body) {
                Some(page) => self.call(&Request::History(page.wire(&body.channel))),
                None => self.call(request),
            },
            Request::Presence(body) => match members(body) {
                Some(members) => self.call(&Request::Presence(members.wire(&body.channel))),
                None => self.call(request),
            },
            // These our calls spell field by field, or cannot spell at all: then it is the server's answer that matters.
            Request::Connect(_) | Request::Subscribe(_) | Request::Renew(_) | Request::Unsubscribe(_) => {
                self.call(request);
            }
            Request::State(_) | Request::PresenceSet(_) | Request::Ack(_) => self.call(request),
        }
        self.check_said(id, text);
    }

    fn call(&mut self, request: &Request<'_>) {
        self.calls += 1;
        self.machine.call(NOW, Call::app(request), self.calls, FOREVER, FOREVER);
    }

    /// What it just sent is what the transcript says.
    fn check_said(&mut self, id: u32, text: &str) {
        let effects = self.machine.take();
        let sent = effects.iter().filter_map(|effect| match effect {
            Effect::Send(socket, frame) => Some((*socket, frame)),
            _ => None,
        });
        let sent: Vec<_> = sent.collect();
        let [(socket, frame)] = sent[..] else { panic!("for {text} it sent {sent:?}") };
        assert_eq!(socket, self.socket);
        let mut wanted: Value = serde_json::from_str(text).unwrap();
        let mut said: Value = serde_json::from_str(frame).unwrap();
        let number = said.as_object_mut().unwrap().remove("id").unwrap().as_u64().unwrap();
        wanted.as_object_mut().unwrap().remove("id");
        if let Some(connect) = said.get_mut("connect") {
            assert_eq!(connect["sdk"].take(), concat!("tollgate-rust/", env!("CARGO_PKG_VERSION")));
            wanted["connect"]["sdk"].take();
        }
        if let Some(publish) = said.get_mut("publish") {
            fill(&mut wanted["publish"], publish);
        }
        let messages = said.pointer("/batch/messages").and_then(Value::as_array).cloned().unwrap_or_default();
        for (at, message) in messages.iter().enumerate() {
            fill(&mut wanted["batch"]["messages"][at], message);
        }
        assert_eq!(said, wanted, "what it says");
        self.numbers.insert(id, u32::try_from(number).unwrap());
    }

    fn hear(&mut self, text: &str) {
        let frame: Value = serde_json::from_str(text).unwrap();
        let id = frame["id"].as_u64().and_then(|id| u32::try_from(id).ok());
        let own = id.and_then(|id| self.numbers.get(&id).map(|own| (id, own)));
        let mine = own.map_or_else(
            || text.to_owned(),
            |(id, own)| text.replacen(&format!("{{\"id\":{id},"), &format!("{{\"id\":{own},"), 1),
        );
        let before = *self.machine.counters();
        self.machine.frame(NOW, self.socket, &mine);
        let (after, effects) = (*self.machine.counters(), self.machine.take());
        assert_eq!(after.nonsense, 0, "it understands {text}");
        self.is_asked_for_token |= effects.contains(&Effect::AskToken);
        if text == "{}" {
            assert_eq!(effects, [Effect::Send(self.socket, "{}".to_owned())], "a ping is answered");
        } else if id.is_some() {
            assert_eq!(after.strays, before.strays, "the reply is somebody's: {text}");
            check_settled(text, &frame, &effects);
        } else {
            let is_counted = after != before;
            assert!(is_counted || !effects.is_empty(), "it is neither handed on nor counted: {text}");
            check_told(text, &frame, &effects);
        }
    }

    fn close(&mut self, code: u16) {
        self.machine.lost(NOW, self.socket, code);
        let (state, next) = match (CloseAdvice::of(code), self.has_provider) {
            (CloseAdvice::Return, _) => (State::Waiting, State::Connecting),
            (CloseAdvice::Reauthenticate, true) => (State::Waiting, State::NeedsToken),
            (CloseAdvice::Reauthenticate, false) | (CloseAdvice::Stop, _) => (State::Closed, State::Closed),
        };
        assert_eq!(self.machine.state(), state, "after {code}");
        let at = self.machine.wake_at();
        self.machine.wake(at);
        assert_eq!(self.machine.state(), next, "and then, after {code}");
    }
}

fn outgoing(body: &wire::Publish<'_>) -> Outgoing {
    let message = Outgoing::new(&body.channel, &body.event, &body.data).unwrap();
    let message = if body.echo == Some(false) { message.no_echo() } else { message };
    let message = match &body.id {
        Some(id) => message.id(id.clone()),
        None => message,
    };
    match &body.key {
        Some(key) => message.key(key.clone()),
        None => message,
    }
}

/// What every message of ours has, and a transcript's may leave out.
fn fill(wanted: &mut Value, said: &Value) {
    let wanted = wanted.as_object_mut().unwrap();
    wanted.entry("data").or_insert(Value::Null);
    if !wanted.contains_key("id") {
        assert_eq!(said["id"].as_str().unwrap().len(), 32, "an id that nobody else draws: {said}");
        wanted.insert("id".to_owned(), said["id"].clone());
    }
}

fn page(body: &wire::HistoryRequest<'_>) -> Option<History> {
    let is_newest = body.order == Some(HistoryOrder::Newest);
    let page = match (body.after, body.before, body.since_at) {
        (None, None, None) if is_newest => History::newest(),
        (None, None, None) => History::oldest(),
        (Some(after), None, None) if !is_newest => History::after(Position(after)),
        (None, Some(before), None) if is_newest => History::before(Position(before)),
        (None, None, Some(at)) if !is_newest => History::since(at),
        _ => return None,
    };
    Some(body.limit.map_or(page, |limit| page.limit(limit)))
}

fn members(body: &wire::PresenceRequest<'_>) -> Option<Members> {
    let members = match (body.sample, &body.after, body.limit) {
        (true, None, Some(count)) => return Some(Members::sample(count)),
        (true, ..) => return None,
        (false, None, Some(0)) => return Some(Members::count()),
        (false, None, _) => Members::first(),
        (false, Some(after), _) => Members::after(after.clone()),
    };
    Some(match body.limit {
        Some(limit) => members.limit(limit),
        None => members,
    })
}

/// What the application hears of a reply to its call is what the server said.
fn check_settled(text: &str, frame: &Value, effects: &[Effect]) {
    let settled = effects.iter().filter_map(|effect| match effect {
        Effect::Settle(_, outcome) => Some(outcome),
        _ => None,
    });
    for outcome in settled {
        match outcome {
            Ok(ok) => assert_eq!(serde_json::from_str::<Value>(ok).unwrap(), frame["ok"], "{text}"),
            Err(Error::Refused(refusal)) => {
                let (error, position) = (&frame["error"], refusal.position.map(|position| position.to_string()));
                assert_eq!(
                    (refusal.code.as_str(), refusal.message.as_str()),
                    (&*code(error), &*word(error, "message"))
                );
                assert_eq!(serde_json::to_value(refusal.retry).unwrap(), error["retry"], "{text}");
                assert_eq!(refusal.retry_after_ms, error["retry_after_ms"].as_u64(), "{text}");
                assert_eq!(refusal.version, error["version"].as_u64(), "{text}");
                assert_eq!(position.as_deref(), error["position"].as_str(), "{text}");
            }
            Err(error) => panic!("{text} is told as {error}"),
        }
    }
}

fn code(error: &Value) -> String {
    word(error, "code")
}

fn word(value: &Value, field: &str) -> String {
    value[field].as_str().unwrap().to_owned()
}

/// What the application hears of a push has its fields.
fn check_told(text: &str, frame: &Value, effects: &[Effect]) {
    for effect in effects {
        let Effect::Tell(channel, event) = effect else { continue };
        assert_eq!(channel.as_str(), frame["channel"].as_str().unwrap(), "{text}");
        match event {
            Event::Message(message) => {
                let said = (message.event.as_str(), message.data.read::<Value>().unwrap(), message.position.offset());
                assert_eq!(said, (&*word(frame, "event"), frame["data"].clone(), frame["offset"].as_u64().unwrap()));
                let user = message.sender.as_ref().and_then(|sender| sender.user.as_deref());
                assert_eq!(user, frame["sender"]["user"].as_str(), "{text}");
            }
            Event::State { state, version } => {
                assert_eq!((state.read::<Value>().unwrap(), *version), (frame["state"].clone(), version_of(frame)));
            }
            Event::Presence(change) => assert_eq!(Some(change.count), frame["count"].as_u64(), "{text}"),
            Event::Subscribed { .. } => assert_eq!(frame["push"], "subscribed", "{text}"),
            Event::Gap { .. } => assert_eq!(frame["recovered"], false, "{text}"),
            Event::Ended { .. } => assert_eq!(frame["push"], "unsubscribed", "{text}"),
        }
    }
}

fn version_of(frame: &Value) -> u64 {
    frame["version"].as_u64().unwrap()
}

/// One conversation, from `open` to its end, or to a line that no client of ours says.
fn replay<'a>(lines: impl Iterator<Item = &'a str>, seen: &mut Seen) {
    let mut conversation: Option<Conversation> = None;
    for line in lines {
        if let Some(text) = line.strip_prefix("< ") {
            match (ClientFrame::parse(text), &mut conversation) {
                (Some(ClientFrame::Pong), _) => continue,
                (Some(ClientFrame::Request(id, Ok(Request::Connect(body)))), None) => {
                    let Some(connected) = Conversation::connect(id, text, &body) else { return };
                    conversation = Some(connected);
                }
                (Some(ClientFrame::Request(_, Ok(Request::Connect(_)))), Some(_)) => return,
                // Ours waits for the reply to `connect`.
                (_, Some(conversation)) if conversation.machine.state() != State::Connected => return,
                (Some(ClientFrame::Request(id, Ok(request))), Some(conversation)) => {
                    conversation.say(id, text, &request);
                }
                (None | Some(ClientFrame::Request(..)), _) => return,
            }
            seen.said += 1;
        } else if line.starts_with("<x") {
            return;
        } else if let (Some(text), Some(conversation)) = (line.strip_prefix("> "), &mut conversation) {
            conversation.hear(text);
            seen.heard += 1;
        } else if let (Some(close), Some(conversation)) = (line.strip_prefix("close "), &mut conversation) {
            conversation.close(close.split(' ').next().unwrap().parse().unwrap());
            seen.closed += 1;
        }
    }
}

#[test]
fn every_transcript_with_the_roles_swapped() {
    let transcripts = transcripts();
    assert!(transcripts.len() >= 15, "the transcripts are found: {:?}", transcripts.keys());
    let mut seen = Seen::default();
    for (name, text) in &transcripts {
        for conversation in text.split("\nopen\n").flat_map(|part| part.strip_prefix("open\n").or(Some(part))) {
            let lines = conversation.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
            let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
                let mut seen = Seen::default();
                replay(lines, &mut seen);
                seen
            }));
            let one = outcome.unwrap_or_else(|_| panic!("see above: {name}"));
            seen.said += one.said;
            seen.heard += one.heard;
            seen.closed += one.closed;
        }
    }
    assert!(seen.said >= 90 && seen.heard >= 105 && seen.closed >= 20, "they say much that is ours: {seen:?}");
}
