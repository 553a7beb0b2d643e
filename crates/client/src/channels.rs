//! The channels of one client: which it is in, up to where it has everything, and what each push means for that. Pure: requests and events
//! come out as lists. It knows no connection and no time but what it is told.

use std::borrow::Cow;
use std::collections::{BTreeMap, VecDeque};

use tollgate_protocol_native::wire::{self, POSITIONS_MAX, PositionText, Push, Request, UnsubscribedReason};

use crate::calls::{Call, For, NEVER};
use crate::position::{Judgement, judge, land};
use crate::{Counters, EndReason, Error, Event, Member, Message, Payload, Position, PresenceChange, Rewind};

/// Our latest connections, whose messages without echo are known by them.
const OWN_CONNECTIONS_MAX: usize = 32;

/// What the application wants of a channel.
#[derive(Clone, Debug, Default)]
pub(crate) struct Wanted {
    pub(crate) presence: bool,
    pub(crate) rewind: Option<Rewind>,
    pub(crate) data: Option<Payload>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Phase {
    /// The server does not send it.
    #[default]
    Out,
    /// Our request is on its way.
    Entering,
    /// The server's `subscribed` will come.
    Resuming,
    In,
}

#[derive(Debug, Default)]
struct Track {
    phase: Phase,
    /// Messages are left out until the reply: they come again.
    is_deaf: bool,
    wanted: Option<Wanted>,
    /// Everything up to here was handed out.
    position: Option<Position>,
    /// Asked for while another request was on its way: enter again here.
    enter_at: Option<Position>,
    state: Option<(u64, Payload)>,
    /// `presence` and `data` of `wanted` were asked for on this connection.
    is_attended: bool,
    /// An `unsubscribe` is on its way; what is wanted after it.
    leaving: Option<Option<(Wanted, Option<Position>)>>,
    /// When a refused `subscribe` is tried again; `NEVER` if none is.
    retry_at: u64,
    tries: u32,
}

#[derive(Default)]
pub(crate) struct Channels {
    tracks: BTreeMap<String, Track>,
    own: VecDeque<String>,
    pub(crate) counters: Counters,
    /// What the application is to hear, in order.
    pub(crate) told: Vec<(String, Event)>,
    /// Requests to be sent, in order.
    pub(crate) asks: Vec<Call>,
}

impl Track {
    /// Presence is asked for in `connect`, for which the application must want nothing else of it.
    fn is_watched(&self) -> bool {
        let plain = |wanted: &Wanted| wanted.presence && wanted.rewind.is_none() && wanted.data.is_none();
        self.leaving.is_none() && self.wanted.as_ref().is_some_and(plain)
    }
}

/// The fields that an entry of `connect` and the news of a subscription share.
struct Place<'a> {
    state: (u64, &'a serde_json::value::RawValue),
    position: Position,
    recovered: Option<bool>,
}

impl<'a> From<&wire::Subscribed<'a>> for Place<'a> {
    fn from(told: &wire::Subscribed<'a>) -> Self {
        Self { state: (told.version, told.state), position: Position(told.position), recovered: told.recovered }
    }
}

impl Channels {
    /// Where an earlier client stood.
    pub(crate) fn seed(&mut self, positions: BTreeMap<String, Position>) {
        for (channel, position) in positions {
            self.track(&channel).position = Some(position);
        }
    }

    /// Where each channel stands.
    pub(crate) fn positions(&self) -> BTreeMap<String, Position> {
        let known = |(channel, track): (&String, &Track)| {
            track.position.filter(|_| track.leaving.is_none()).map(|position| (channel.clone(), position))
        };
        self.tracks.iter().filter_map(known).collect()
    }

    /// The same for `connect`, which takes only so many: wanted ones first.
    pub(crate) fn named(&self) -> BTreeMap<Cow<'_, str>, PositionText> {
        let of = |is_wanted: bool| {
            let tracks = self.tracks.iter().filter(move |(_, track)| {
                track.wanted.is_some() == is_wanted
                    && track.leaving.is_none()
                    && track.wanted.as_ref().is_none_or(|wanted| wanted.rewind.is_none())
            });
            tracks.filter_map(|(channel, track)| Some((Cow::Borrowed(channel.as_str()), track.position?.0)))
        };
        of(true).chain(of(false)).take(POSITIONS_MAX).collect()
    }

    /// Channels of which `connect` asks to be told who comes and goes, if the token is subscribed to them.
    pub(crate) fn watched(&self) -> Vec<Cow<'_, str>> {
        let watched = self.tracks.iter().filter(|(_, track)| track.is_attended);
        watched.map(|(channel, _)| Cow::Borrowed(channel.as_str())).collect()
    }

    /// A connection is about to be asked for, which watches these.
    pub(crate) fn watch(&mut self) {
        for track in self.tracks.values_mut().filter(|track| track.is_watched()).take(POSITIONS_MAX) {
            track.is_attended = true;
        }
    }

    /// The application subscribes.
    pub(crate) fn want(&mut self, channel: &str, wanted: Wanted, from: Option<Position>, is_connected: bool) {
        let track = self.track(channel);
        if let Some(next) = &mut track.leaving {
            *next = Some((wanted, from));
            return;
        }
        let begins_elsewhere = from.is_some() || wanted.rewind.is_some();
        track.wanted = Some(wanted);
        track.is_attended = false;
        track.tries = 0;
        match track.phase {
            Phase::Entering | Phase::Resuming if from.is_some() => {
                track.enter_at = from;
                return;
            }
            Phase::Out | Phase::In | Phase::Entering | Phase::Resuming => {}
        }
        track.position = from.or(track.position);
        if !is_connected {
            return;
        }
        match track.phase {
            Phase::Out => self.ask(channel, false),
            Phase::In if begins_elsewhere => self.ask(channel, false),
            Phase::In => {
                self.tell_state(channel);
                self.tell_subscribed(channel);
                self.arrived(channel);
            }
            Phase::Entering | Phase::Resuming => {}
        }
    }

    /// The application reads the channel no more; the server is not told.
    pub(crate) fn forget(&mut self, channel: &str) {
        if let Some(track) = self.tracks.get_mut(channel) {
            track.wanted = None;
        }
    }

    /// The application leaves: nothing of the channel is told from here on. Whether the server has to be told.
    pub(crate) fn leave(&mut self, channel: &str, is_connected: bool, is_durable: bool) -> bool {
        let Some(track) = self.tracks.get_mut(channel) else { return is_durable };
        if track.leaving.is_some() {
            track.leaving = Some(None);
            return false;
        }
        if !is_connected && !is_durable {
            self.tracks.remove(channel);
            return false;
        }
        track.wanted = None;
        track.leaving = Some(None);
        true
    }

    /// The reply to `unsubscribe`, or it was given up.
    pub(crate) fn left(&mut self, channel: &str, is_connected: bool) {
        if self.tracks.get(channel).is_none_or(|track| track.leaving.is_none()) {
            return;
        }
        let next = self.tracks.remove(channel).and_then(|track| track.leaving).flatten();
        if let Some((wanted, from)) = next {
            self.want(channel, wanted, from, is_connected);
        }
    }

    /// A connection is made; these are the subscriptions that the server has.
    pub(crate) fn connected(&mut self, connection: &str, entries: &[wire::ConnectedChannel<'_>]) {
        self.own.push_back(connection.to_owned());
        if self.own.len() > OWN_CONNECTIONS_MAX {
            self.own.pop_front();
        }
        for entry in entries {
            self.entry(entry);
        }
        let there: std::collections::BTreeSet<&str> = entries.iter().map(|entry| entry.channel.as_ref()).collect();
        let missing =
            self.tracks.iter().filter(|(channel, track)| !there.contains(channel.as_str()) && track.leaving.is_none());
        let missing: Vec<_> = missing.map(|(channel, track)| (channel.clone(), track.wanted.is_some())).collect();
        for (channel, is_wanted) in missing {
            if is_wanted { self.ask(&channel, false) } else { self.end(&channel, EndReason::Ended, None) }
        }
    }

    fn entry(&mut self, entry: &wire::ConnectedChannel<'_>) {
        let channel = entry.channel.as_ref();
        let place = Place { state: (entry.version, entry.state), position: Position(entry.position), recovered: None };
        let track = self.track(channel);
        if track.leaving.is_some() {
            return;
        }
        if entry.resuming {
            track.phase = Phase::Resuming;
            track.is_deaf = true;
            self.state(channel, place.state, false);
            return;
        }
        let has_rewind = track.wanted.as_ref().is_some_and(|wanted| wanted.rewind.is_some());
        if track.wanted.is_some() && !has_rewind && track.position.is_some_and(|had| had != place.position) {
            // It was not named in `connect`, which takes only so many: it is entered where it stands.
            self.state(channel, place.state, false);
            self.ask(channel, false);
        } else {
            self.landed(channel, &place);
        }
    }

    /// The connection ended.
    pub(crate) fn lost(&mut self) {
        for track in self.tracks.values_mut() {
            track.phase = Phase::Out;
            track.is_deaf = false;
            track.is_attended = false;
            track.retry_at = NEVER;
            track.position = track.enter_at.take().or(track.position);
        }
    }

    /// The reply to a `subscribe`.
    pub(crate) fn entered(&mut self, channel: &str, positioned: bool, told: &wire::Subscribed<'_>) {
        let place = Place::from(told);
        let Some(track) = self.tracks.get_mut(channel).filter(|track| track.leaving.is_none()) else { return };
        track.tries = 0;
        if let (true, Some(wanted)) = (positioned, &mut track.wanted) {
            wanted.rewind = None;
        }
        // A reply to one that named no position says nothing of where we stand, if we are in or wait for one that does.
        if !positioned && (track.phase == Phase::In || track.is_deaf) {
            self.state(channel, place.state, false);
        } else {
            self.landed(channel, &place);
        }
    }

    /// A `subscribe` was refused; it is tried again at `retry_at(tries)` where that helps.
    pub(crate) fn refused(&mut self, channel: &str, error: Error, retry_at: impl FnOnce(u32) -> u64) {
        let Some(track) = self.tracks.get_mut(channel).filter(|track| track.leaving.is_none()) else { return };
        if error.retry() == wire::Retry::Later {
            track.retry_at = retry_at(track.tries);
            track.tries = track.tries.saturating_add(1);
        } else {
            self.end(channel, EndReason::Refused, Some(error));
        }
    }

    /// Asks again for what was refused for a while.
    pub(crate) fn retry(&mut self, now: u64) {
        let due = self.tracks.iter().filter(|(_, track)| track.retry_at <= now && track.wanted.is_some());
        for channel in due.map(|(channel, _)| channel.clone()).collect::<Vec<_>>() {
            self.ask(&channel, false);
        }
    }

    pub(crate) fn retry_at(&self) -> u64 {
        let wanted = self.tracks.values().filter(|track| track.wanted.is_some());
        wanted.map(|track| track.retry_at).min().unwrap_or(NEVER)
    }

    /// A push; those that are of no channel are not for here.
    pub(crate) fn push(&mut self, push: &Push<'_>) {
        match push {
            Push::Subscribed(told) => self.subscribed(told),
            Push::Message(message) if self.is_known(&message.channel) => self.message(message),
            Push::State(told) if self.is_known(&told.channel) => {
                self.state(&told.channel, (told.version, told.state), true);
            }
            Push::Unsubscribed(told) if self.is_known(&told.channel) => {
                let reason = match told.reason {
                    UnsubscribedReason::Deleted => EndReason::Deleted,
                    UnsubscribedReason::Ended => EndReason::Ended,
                };
                self.end(&told.channel, reason, None);
            }
            Push::Position(told) if self.is_known(&told.channel) => {
                let track = self.track(&told.channel);
                if track.phase == Phase::In {
                    track.position = Some(Position(told.position));
                }
            }
            Push::Presence(told) => {
                let wants = |track: &Track| track.wanted.as_ref().is_some_and(|wanted| wanted.presence);
                if self.is_known(&told.channel) && self.tracks.get(told.channel.as_ref()).is_some_and(wants) {
                    let change = PresenceChange {
                        count: told.count,
                        joined: told.joined.as_ref().map(|all| all.iter().map(Member::of).collect()),
                        left: told.left.as_ref().map(|all| all.iter().map(ToString::to_string).collect()),
                    };
                    self.told.push((told.channel.to_string(), Event::Presence(change)));
                }
            }
            _ => {}
        }
    }

    /// What members see of us was changed; it is asked for again with the subscription.
    pub(crate) fn shown(&mut self, channel: &str, data: Payload) {
        if let Some(wanted) = self.tracks.get_mut(channel).and_then(|track| track.wanted.as_mut()) {
            wanted.data = Some(data);
        }
    }

    /// The channel's track, if it is one that we are in or want; a stray push is counted.
    fn is_known(&mut self, channel: &str) -> bool {
        let track = self.tracks.get(channel);
        self.counters.strays += u64::from(track.is_none());
        track.is_some_and(|track| track.leaving.is_none())
    }

    fn track(&mut self, channel: &str) -> &mut Track {
        self.tracks.entry(channel.to_owned()).or_insert_with(|| Track { retry_at: NEVER, ..Track::default() })
    }

    /// Another connection of the token subscribed, the backend did, or a resumption is decided.
    fn subscribed(&mut self, told: &wire::Subscribed<'_>) {
        let place = Place::from(told);
        let track = self.track(&told.channel);
        if track.leaving.is_some() {
            return;
        }
        if track.phase == Phase::In || (track.phase == Phase::Entering && track.is_deaf) {
            self.state(&told.channel, place.state, false);
        } else {
            self.landed(&told.channel, &place);
        }
    }

    /// Messages come from here on.
    fn landed(&mut self, channel: &str, place: &Place<'_>) {
        let track = self.track(channel);
        let from = track.position;
        track.phase = Phase::In;
        track.is_deaf = false;
        track.retry_at = NEVER;
        if let Some(at) = track.enter_at.take() {
            track.position = Some(at);
            self.state(channel, place.state, false);
            self.ask(channel, false);
            return;
        }
        let has_rewind = track.wanted.as_ref().is_some_and(|wanted| wanted.rewind.is_some());
        let (position, is_gap) = land(from, place.position, place.recovered);
        track.position = Some(position);
        if is_gap && !has_rewind {
            self.counters.gaps += 1;
            self.told.push((channel.to_owned(), Event::Gap { from, to: place.position }));
        }
        self.state(channel, place.state, false);
        // With a rewind still to come it has only begun.
        if !has_rewind {
            self.tell_subscribed(channel);
        }
        self.arrived(channel);
    }

    /// What was not part of being subscribed already is asked for.
    fn arrived(&mut self, channel: &str) {
        let track = self.track(channel);
        let Some(wanted) = track.wanted.as_ref().filter(|_| !track.is_attended) else { return };
        if wanted.presence || wanted.data.is_some() || wanted.rewind.is_some() {
            self.ask(channel, true);
        }
    }

    /// Sends `subscribe`: with where we stand, unless we are in and only want `more` of it.
    fn ask(&mut self, channel: &str, more: bool) {
        let track = self.track(channel);
        let wanted = track.wanted.clone().unwrap_or_default();
        if wanted.rewind.is_some() {
            track.position = None;
        }
        let position = track.position.filter(|_| !more);
        let positioned = position.is_some() || wanted.rewind.is_some();
        track.is_attended = true;
        track.retry_at = NEVER;
        if !more || positioned {
            track.phase = Phase::Entering;
            track.is_deaf = positioned;
        }
        let request = Request::Subscribe(wire::Subscribe {
            channel: channel.into(),
            position: position.map(|position| position.0),
            rewind: wanted.rewind.map(|rewind| match rewind {
                Rewind::Last(count) => wire::Rewind::Last(count),
                Rewind::SinceAt(at) => wire::Rewind::SinceAt(at),
            }),
            presence: wanted.presence,
            data: wanted.data.as_ref().map(Payload::raw),
        });
        self.asks.push(Call::own(&request, For::Enter { channel: channel.to_owned(), positioned }));
    }

    fn message(&mut self, message: &wire::Message<'_>) {
        let channel = message.channel.as_ref();
        let track = self.track(channel);
        let (is_deaf, is_in) = (track.is_deaf, track.phase == Phase::In);
        let Some(position) = track.position.filter(|_| is_in && !is_deaf) else {
            let counter = if is_deaf { &mut self.counters.deferred } else { &mut self.counters.strays };
            *counter += 1;
            return;
        };
        match judge(position, message.offset) {
            Judgement::Duplicate => self.counters.duplicates += 1,
            Judgement::Hole => {
                self.counters.holes += 1;
                self.ask(channel, false);
            }
            Judgement::Next => {
                let position = position.at(message.offset);
                track.position = Some(position);
                if message.connection.as_deref().is_some_and(|of| self.own.iter().any(|own| own == of)) {
                    self.counters.echoes += 1;
                } else {
                    self.told.push((channel.to_owned(), Event::Message(Message::of(message, position))));
                }
            }
        }
    }

    fn state(&mut self, channel: &str, (version, state): (u64, &serde_json::value::RawValue), is_pushed: bool) {
        let track = self.track(channel);
        match &track.state {
            Some((known, _)) if *known == version => return,
            Some((known, _)) if is_pushed && version < *known => {
                self.counters.strays += 1;
                return;
            }
            Some(_) | None => {}
        }
        track.state = Some((version, state.into()));
        self.tell_state(channel);
    }

    fn tell_state(&mut self, channel: &str) {
        if let Some((version, state)) = self.track(channel).state.clone() {
            self.told.push((channel.to_owned(), Event::State { state, version }));
        }
    }

    fn tell_subscribed(&mut self, channel: &str) {
        let position = self.track(channel).position;
        self.told.push((channel.to_owned(), Event::Subscribed { position }));
    }

    fn end(&mut self, channel: &str, reason: EndReason, error: Option<Error>) {
        self.tracks.remove(channel);
        self.told.push((channel.to_owned(), Event::Ended { reason, error }));
    }
}
