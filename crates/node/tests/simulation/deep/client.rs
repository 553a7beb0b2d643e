//! A connection as its client sees it: what it was sent, decoded, and what it may believe of each channel. Panics when a promise is broken.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::rc::Rc;

use tollgate_core::clock::Monotonic;
use tollgate_core::command::{Connected, Notice, Renewed, StartFrom, Subscribed};
use tollgate_core::delivery::Position;
use tollgate_node::ConnectionKey;

use super::super::outside::number_of;
use super::device::Device;
use super::truth::Truth;
use super::wire::number_in;

/// A channel that the client is in.
#[derive(Debug)]
pub(super) struct Chan {
    pub(super) at: Position,
    pub(super) version: u64,
    pub(super) state: u64,
    pub(super) last_number: Option<u64>,
}

/// Who is in a channel, as the client knows from what it read and was told since.
#[derive(Debug, Default)]
pub(super) struct View {
    /// It asked, and these news came before the answer.
    pub(super) asking: bool,
    pub(super) since_asked: Vec<(u64, Vec<String>, Vec<String>)>,
    pub(super) members: Option<BTreeSet<String>>,
    pub(super) count: Option<u64>,
}

/// News in the order of the connection's bytes.
#[derive(Debug)]
pub(super) enum News {
    Connected(Connected),
    Notice(Notice),
    /// The client's unsubscribe took effect: what was written before it still arrives, and nothing after.
    Leaves(String, u64),
    /// It was answered. Whether its token was not subscribed then.
    Left(String, bool),
    /// The home's answer to who is there.
    Members(String, Vec<String>, u64),
    /// It goes on with a token, which is the one of this place and generation.
    Renewed(Option<(usize, u32)>, Box<Renewed>),
}

pub(super) struct Conn {
    pub(super) shard: usize,
    pub(super) key: ConnectionKey,
    pub(super) device: usize,
    pub(super) native: bool,
    pub(super) token: Option<usize>,
    pub(super) generation: u32,
    pub(super) name: String,
    pub(super) token_name: Option<String>,
    pub(super) dead: bool,
    pub(super) connected: bool,
    pub(super) closing: bool,
    pub(super) gone: bool,
    pub(super) blocked: bool,
    pub(super) was_blocked: bool,
    pub(super) ends_at: Monotonic,
    partial: Vec<u8>,
    begun_in_time: bool,
    begun_late: bool,
    pub(super) news: VecDeque<News>,
    pub(super) channels: BTreeMap<String, Chan>,
    /// Channels that are to begin with a push of their own, from these positions.
    pub(super) resuming: BTreeMap<String, Position>,
    /// Where it asked to begin, and was not answered.
    pub(super) asked: BTreeMap<String, Vec<(u64, StartFrom)>>,
    /// Numbers what it asks.
    pub(super) asks: u64,
    /// The token, by place and generation, that the server takes it for. What it has heard of that is in `token`.
    pub(super) acting: Option<(usize, u32)>,
    /// A renewal is under way; the next waits until it is answered, as a connection's commands do.
    pub(super) is_renewing: bool,
    pub(super) asked_direct: Option<Position>,
    pub(super) direct: Option<Position>,
    pub(super) views: BTreeMap<String, View>,
    /// Channels in which it ever asked to be told who comes and goes.
    pub(super) watched: BTreeSet<String>,
    /// Channels in which it asked for it when it entered, and those in which it ever did not: only where it always did it is sure to be told.
    pub(super) watches: BTreeSet<String>,
    pub(super) looked_away: BTreeSet<String>,
    pub(super) heard: Vec<String>,
    pub(super) devices: Rc<RefCell<Vec<Device>>>,
    pub(super) truth: Rc<RefCell<Truth>>,
    pub(super) directs_resumed: u64,
    pub(super) directs_moved: u64,
    now: Monotonic,
}

impl Conn {
    pub(super) fn new(
        (shard, key, device): (usize, ConnectionKey, usize),
        token: Option<(usize, u32)>,
        devices: &Rc<RefCell<Vec<Device>>>,
        truth: &Rc<RefCell<Truth>>,
    ) -> Self {
        Self {
            shard,
            key,
            device,
            native: devices.borrow()[device].native,
            token: token.map(|token| token.0),
            generation: token.map_or(0, |token| token.1),
            name: String::new(),
            token_name: None,
            dead: false,
            connected: false,
            closing: false,
            gone: false,
            blocked: false,
            was_blocked: false,
            ends_at: Monotonic(0),
            partial: Vec::new(),
            begun_in_time: true,
            begun_late: false,
            news: VecDeque::new(),
            channels: BTreeMap::new(),
            resuming: BTreeMap::new(),
            asked: BTreeMap::new(),
            asks: 0,
            acting: token,
            is_renewing: false,
            asked_direct: None,
            direct: None,
            views: BTreeMap::new(),
            watched: BTreeSet::new(),
            watches: BTreeSet::new(),
            looked_away: BTreeSet::new(),
            heard: Vec::new(),
            devices: Rc::clone(devices),
            truth: Rc::clone(truth),
            directs_resumed: 0,
            directs_moved: 0,
            now: Monotonic(0),
        }
    }

    /// Whether commands make sense.
    pub(super) fn is_live(&self) -> bool {
        self.connected && !self.gone && !self.closing
    }

    /// Whether it is in the channel, and sure to be told who comes and goes.
    pub(super) fn is_sure(&self, channel: &str) -> bool {
        let watches = self.watches.contains(channel) && !self.looked_away.contains(channel);
        watches && self.channels.contains_key(channel)
    }

    fn is_current(&self) -> bool {
        self.devices.borrow()[self.device].connection == Some(self.key.slot as usize)
    }

    /// Notes in the device where it is in a channel, if this is its present connection.
    fn keep(&self, channel: &str, position: Option<Position>) {
        if !self.is_current() {
            return;
        }
        let positions = &mut self.devices.borrow_mut()[self.device].positions;
        match position {
            Some(position) => positions.insert(channel.to_owned(), position),
            None => positions.remove(channel),
        };
    }

    /// Bytes arrive on the socket; whole lines are frames.
    pub(super) fn receive(&mut self, now: Monotonic, bytes: &[u8]) {
        self.now = now;
        if self.partial.is_empty() {
            (self.begun_in_time, self.begun_late) = (now < self.ends_at, self.closing || self.dead);
        }
        self.partial.extend_from_slice(bytes);
        while let Some(end) = self.partial.iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = self.partial.drain(..=end).collect();
            if line != b"news\n" && line != b"bye\n" {
                assert!(self.begun_in_time, "a delivery at or after the token's end");
            }
            assert!(!self.begun_late || line == b"bye\n", "{} after its close", String::from_utf8_lossy(&line));
            (self.begun_in_time, self.begun_late) = (now < self.ends_at, self.closing || self.dead);
            let line = String::from_utf8(line).expect("whole frames only");
            self.frame(line.trim_end());
        }
    }

    fn frame(&mut self, line: &str) {
        if line == "news" {
            let news = self.news.pop_front().expect("news are brought before their frames");
            self.heard.push(format!("{news:?}"));
            return self.hear(news);
        }
        if line == "bye" {
            return assert!(self.closing, "a close that nobody asked for");
        }
        assert!(self.connected, "a frame before the connection was answered: {line}");
        self.heard.push(line.to_owned());
        let words: Vec<_> = line.split(' ').collect();
        let (kind, channel) = (words[0], words[1]);
        match kind {
            "direct" => {
                let position = (words[2] != "-").then(|| words[2].parse().unwrap());
                self.direct_message(position, words[3].parse().unwrap());
            }
            "presence" => {
                assert!(self.watched.contains(channel), "{line} to one who does not watch");
                assert!(self.channels.contains_key(channel), "{line} without a subscription");
                let names =
                    |text: &str| text[1..].split(',').filter(|name| !name.is_empty()).map(str::to_owned).collect();
                self.presence(channel, (words[2].parse().unwrap(), names(words[3]), names(words[4])));
            }
            _ => self.of_channel(line, &words),
        }
    }

    fn of_channel(&mut self, line: &str, words: &[&str]) {
        let channel = words[1];
        let told = self.heard.iter().rev().take(30).rev().cloned().collect::<Vec<_>>();
        let Some(chan) = self.channels.get_mut(channel) else { panic!("{line} without a subscription: {told:#?}") };
        match words[0] {
            "m" => {
                let position: Position = words[2].parse().unwrap();
                if !self.native && position.epoch != chan.at.epoch {
                    self.truth.borrow_mut().end(channel, chan.at);
                    chan.at = Position { offset: 0, ..position };
                }
                let next = Position { offset: chan.at.offset + 1, ..chan.at };
                assert_eq!(position, next, "the next message of {channel} ({line}): {told:#?}");
                (chan.at, chan.last_number) = (position, words[3].parse().ok());
                let (number, at) = (words[3].parse().unwrap(), words[4].parse().ok());
                self.truth.borrow_mut().say(channel, position, number, at);
                self.keep(channel, Some(position));
            }
            "restarted" => {
                self.truth.borrow_mut().end(channel, chan.at);
                chan.at = words[2].parse().unwrap();
                let at = chan.at;
                self.keep(channel, Some(at));
            }
            "state" => {
                let version: u64 = words[2].parse().unwrap();
                assert_eq!(version, chan.version + 1, "every change of {channel}'s state is heard once: {told:#?}");
                (chan.version, chan.state) = (version, words[3].parse().unwrap());
            }
            "deleted" => {
                self.truth.borrow_mut().end(channel, chan.at);
                self.leave(channel);
                self.keep(channel, None);
            }
            other => panic!("an unknown frame {other}"),
        }
    }

    fn leave(&mut self, channel: &str) {
        self.channels.remove(channel);
        self.resuming.remove(channel);
        self.views.remove(channel);
        self.watches.remove(channel);
    }

    fn hear(&mut self, news: News) {
        match news {
            News::Connected(connected) => self.is_connected(connected),
            News::Notice(Notice::Subscribed(begun)) => {
                assert!(self.connected, "a notice before the connection was answered");
                self.subscribed(*begun);
            }
            News::Notice(Notice::Unsubscribed(channel)) => self.leave(channel.as_str()),
            News::Notice(Notice::Direct(position, publication)) => {
                self.direct_message(position, number_in(&publication));
            }
            News::Notice(Notice::ExpiryChanged(_) | Notice::Expiring { .. }) => {}
            News::Leaves(channel, before) => {
                self.leave(&channel);
                if let Some(asked) = self.asked.get_mut(&channel) {
                    asked.retain(|(number, _)| *number > before);
                }
            }
            News::Left(channel, was_out) => {
                assert!(
                    !was_out || !self.channels.contains_key(&channel),
                    "in {channel} after its unsubscribe's answer"
                );
            }
            News::Members(channel, names, count) => self.members(&channel, names, count),
            News::Renewed(known, renewed) => self.renewed(known, &renewed),
        }
    }

    fn is_connected(&mut self, connected: Connected) {
        assert!(!self.connected, "connected twice");
        self.connected = true;
        let token = connected.token.as_ref();
        self.token_name = token.map(|token| token.id.to_string());
        let of_user = token.and_then(|token| token.user.as_ref().map(ToString::to_string));
        self.name = of_user.or(self.token_name.clone()).unwrap_or_else(|| connected.connection.to_string());
        for begun in connected.channels {
            let channel = begun.channel.channel.as_str().to_owned();
            if self.watched.contains(&channel) {
                self.watches.insert(channel.clone());
            }
            let asked = self.asked.get(&channel).and_then(|asked| asked.first()).map(|asked| asked.1);
            assert_eq!(begun.is_resuming, asked.is_some(), "{channel} resumes if it was asked to");
            if let Some(StartFrom::Position(position)) = asked {
                assert_eq!(begun.position, position);
                self.resuming.insert(channel, position);
            } else {
                self.enter(&channel, &begun);
            }
        }
        // Of channels that it is not subscribed to any more nothing is resumed.
        let resuming = &self.resuming;
        self.asked.retain(|channel, _| resuming.contains_key(channel));
        self.direct = connected.direct;
        if self.native && self.token.is_some() {
            let at = connected.direct.expect("every native connection of a token is told");
            match self.asked_direct {
                Some(asked) if !connected.direct_lost => {
                    assert!(connected.resumed, "of another session nothing is kept");
                    assert_eq!(at, asked, "direct messages go on where they were");
                    self.directs_resumed += 1;
                }
                _ => {}
            }
        }
        if self.is_current() {
            let device = &mut self.devices.borrow_mut()[self.device];
            device.session = connected.session.as_ref().map(ToString::to_string);
            device.direct = connected.direct.zip(self.token).map(|(at, token)| (token, self.generation, at));
        }
    }

    fn renewed(&mut self, known: Option<(usize, u32)>, renewed: &Renewed) {
        let name = renewed.token.id.to_string();
        let is_other = self.token_name.as_ref() != Some(&name);
        self.token_name = Some(name);
        self.token = known.map(|known| known.0);
        self.generation = known.map_or(u32::MAX, |known| known.1);
        assert_eq!(
            renewed.session.is_some(),
            is_other && self.native,
            "another token has another session: {renewed:?}"
        );
        if !is_other {
            return assert!(renewed.direct.is_none(), "of the same token nothing changes: {renewed:?}");
        }
        self.direct = renewed.direct;
        self.directs_moved += u64::from(renewed.direct.is_some());
        if self.is_current() {
            let device = &mut self.devices.borrow_mut()[self.device];
            device.token = self.token;
            device.session = renewed.session.as_ref().map(ToString::to_string);
            device.direct = renewed.direct.zip(known).map(|(at, (token, generation))| (token, generation, at));
        }
    }

    fn enter(&mut self, channel: &str, begun: &Subscribed) {
        let (version, state) = (begun.channel.version, number_of(begun.channel.state.as_str()));
        self.channels.insert(channel.to_owned(), Chan { at: begun.position, version, state, last_number: None });
        self.keep(channel, Some(begun.position));
    }

    fn subscribed(&mut self, begun: Subscribed) {
        let channel = begun.channel.channel.as_str().to_owned();
        self.resuming.remove(&channel);
        let asked = self.asked.entry(channel.clone()).or_default();
        match begun.recovered {
            Some(true) => {
                let fits = |(_, from): &(u64, StartFrom)| match from {
                    StartFrom::Position(position) => *position == begun.position,
                    StartFrom::Last(_) | StartFrom::Since(_) => true,
                };
                let at = asked.iter().position(fits);
                let told = self.heard.iter().rev().take(30).rev().collect::<Vec<_>>();
                let at = at.unwrap_or_else(|| panic!("{begun:?} of {asked:?}: {told:#?}"));
                asked.remove(at);
            }
            Some(false) => {
                let at = asked.iter().position(|(_, from)| matches!(from, StartFrom::Position(_)));
                let Some((_, StartFrom::Position(position))) = at.map(|at| asked.remove(at)) else {
                    panic!("only a position can be lost: {begun:?}")
                };
                let now = self.now.0 + 1_800_000_000_000;
                self.truth.borrow().lost(&channel, position, begun.position, now);
            }
            None => {
                if let Some(chan) = self.channels.get(&channel)
                    && begun.position != chan.at
                {
                    // Leap does not hear of a new epoch.
                    let is_new = !self.native && begun.position.epoch != chan.at.epoch;
                    if is_new {
                        self.truth.borrow_mut().end(&channel, chan.at);
                    }
                    // The last message is handed over once more where it is retained; or was, as its home still knew it.
                    let retains = begun.channel.settings.retain || !channel.contains("stable");
                    let is_last = Position { offset: begun.position.offset + 1, ..begun.position } == chan.at;
                    assert!(is_new || retains && is_last, "{begun:?} does not go on at {}: {:#?}", chan.at, self.heard);
                }
            }
        }
        if let Some(chan) = self.channels.get(&channel) {
            assert!(begun.channel.version >= chan.version, "a state does not go back");
        }
        // What was told while it was out it did not hear: who is there has to be read again.
        self.views.remove(&channel);
        self.enter(&channel, &begun);
    }

    fn direct_message(&mut self, position: Option<Position>, number: u64) {
        self.heard.push(format!("direct {position:?} {number}"));
        let Some(position) = position else { return };
        if let Some(name) = &self.token_name
            && self.direct.is_some()
        {
            self.truth.borrow_mut().say(&format!("direct {name}"), position, number, None);
        }
        if self.native
            && let Some(at) = self.direct
        {
            let next = Position { offset: at.offset + 1, ..at };
            assert_eq!(position, next, "the next direct message: {:#?}", self.heard);
            self.direct = Some(position);
            if self.is_current() {
                let device = &mut self.devices.borrow_mut()[self.device];
                device.direct = self.token.map(|token| (token, self.generation, position));
            }
        }
    }

    fn presence(&mut self, channel: &str, news: (u64, Vec<String>, Vec<String>)) {
        let view = self.views.entry(channel.to_owned()).or_default();
        if view.asking {
            view.since_asked.push(news.clone());
        }
        view.apply(news);
    }

    fn members(&mut self, channel: &str, names: Vec<String>, count: u64) {
        let Some(view) = self.views.get_mut(channel).filter(|view| view.asking) else { return };
        view.asking = false;
        view.members = Some(names.into_iter().collect());
        view.count = Some(count);
        for news in std::mem::take(&mut view.since_asked) {
            view.apply(news);
        }
    }
}

impl View {
    fn apply(&mut self, (count, joined, left): (u64, Vec<String>, Vec<String>)) {
        self.count = Some(count);
        if let Some(members) = &mut self.members {
            members.retain(|name| !left.contains(name));
            members.extend(joined);
        }
    }
}
