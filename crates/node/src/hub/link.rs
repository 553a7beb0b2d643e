//! A link: what the hub keeps of one connection. An idle one is small; what is rare is boxed.

use std::collections::VecDeque;
use std::net::IpAddr;
use std::sync::Arc;

use bytes::Bytes;
use tollgate_core::clock::Monotonic;
use tollgate_core::command::{Connected, Renewed, Resume, SubscribeWish};
use tollgate_core::delivery::{Position, Publication};
use tollgate_core::ids::{ChannelId, ConnectionId, ProjectId, TokenId};
use tollgate_core::json::JsonObject;
use tollgate_core::limits::{OUTBOX_BYTES_MAX, OUTBOX_WRITES_MAX, POSITIONS_MAX, SUBSCRIPTIONS_PER_TOKEN_MAX};
use tollgate_core::peer::Peer;

use super::origins::OriginNumber;
use super::past::Beginning;
use super::{FormatIndex, FrameBytes, Outlet};

/// An identified connection on its way in.
#[derive(Debug)]
pub struct Admission {
    pub(crate) project: ProjectId,
    pub(crate) token: Option<TokenId>,
    /// Who is at the other end, when the transport knows it.
    pub(crate) peer: Option<Arc<Peer>>,
    /// Its durable subscriptions at the moment it was registered.
    pub(crate) channels: Vec<ChannelId>,
    /// What it goes on with; nothing for a protocol that has no such words.
    pub(crate) resume: Option<Box<Resume>>,
    /// What the client will be told, channels aside.
    pub(crate) connected: Connected,
}

/// What a connection's renewal came to.
#[derive(Debug)]
pub struct Renewal {
    /// What the client will be told, direct messages aside.
    pub(crate) renewed: Box<Renewed>,
    /// The other token that the connection is registered with from now on, if it is another, and what that one is subscribed to.
    pub(crate) moved: Option<(ProjectId, TokenId, Vec<ChannelId>)>,
}

/// What became of a write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Written {
    /// The socket took everything.
    All,
    /// The socket took this many bytes and no more for now; the shard is told through [`super::Shard::writable`] when it can take more.
    Part(usize),
    /// The socket is gone.
    Gone,
}

/// One subscription of a connection: which channel (its place in the shard's table) and where in its lane.
#[derive(Clone, Copy, Debug)]
pub(super) struct Held {
    pub(super) channel: u32,
    pub(super) place: u32,
    /// Whether it is in the lane of those who watch who comes and goes.
    pub(super) watches: bool,
}

/// What few connections have.
#[derive(Debug, Default)]
pub(super) struct Rare {
    /// How it wants to take part in channels that it is about to join, by their ids.
    pub(super) wishes: Vec<(ChannelId, SubscribeWish)>,
    /// Channels (places in the table) whose homes were asked for the past, the number of the question, and whether it watches there.
    pub(super) beginning: Vec<(u32, u64, bool)>,
    /// What members see of it.
    pub(super) data: Option<JsonObject>,
    /// The same in single channels.
    pub(super) data_in: Vec<(ChannelId, Option<JsonObject>)>,
    /// Under which name it is a member, once it is one anywhere.
    pub(super) name: Option<Arc<str>>,
    /// It goes on with another token, and is told so once that one's home has said where its direct messages begin.
    pub(super) renewing: Option<Box<Renewing>>,
}

/// A connection on its way from one token to another.
#[derive(Debug)]
pub(super) struct Renewing {
    /// Of the question to the home.
    pub(super) number: u64,
    /// What the client will be told.
    pub(super) renewed: Box<Renewed>,
    pub(super) held: HeldDirects,
}

/// Direct messages that came before it was known where they begin.
#[derive(Debug, Default)]
pub(super) struct HeldDirects {
    messages: Vec<(Option<Position>, Publication)>,
    /// Of their data.
    bytes: usize,
}

impl HeldDirects {
    /// Keeps one more; false when as much waits as an outbox takes.
    pub(super) fn add(&mut self, position: Option<Position>, publication: &Publication) -> bool {
        let bytes = publication.data.as_str().len();
        let is_full = self.bytes + bytes > OUTBOX_BYTES_MAX || self.messages.len() >= OUTBOX_WRITES_MAX;
        if !self.messages.is_empty() && is_full {
            return false;
        }
        self.bytes += bytes;
        self.messages.push((position, publication.clone()));
        true
    }

    /// The home has said where they begin: what came before its answer is in it, or the beginning is before that.
    pub(super) fn settle(&mut self, beginning: &mut Beginning) {
        if beginning.recovered.is_some() {
            self.messages.retain(|(position, _)| position.is_none());
        } else if let Some(first) = self.messages.iter().find_map(|(position, _)| *position) {
            beginning.position.offset = first.offset - 1;
        }
    }

    /// What is left, in order.
    pub(super) fn take(self) -> Vec<(Option<Position>, Publication)> {
        self.messages
    }
}

impl Rare {
    fn is_empty(&self) -> bool {
        self.wishes.is_empty()
            && self.beginning.is_empty()
            && self.data.is_none()
            && self.data_in.is_empty()
            && self.name.is_none()
            && self.renewing.is_none()
    }
}

/// How far a connection has come.
#[derive(Debug)]
pub(super) enum Phase {
    /// Not identified.
    Fresh,
    /// Identified; the states of its channels are still being fetched from their homes.
    Gathering(Box<Gathering>),
    /// Its client has been told that it is connected.
    Connected,
    /// To be closed: gets no deliveries any more, only what its dialect sends last.
    Ending,
}

/// A connection on its way to being connected.
#[derive(Debug)]
pub(super) struct Gathering {
    pub(super) admission: Admission,
    /// Channels (places in the table) asked for; all become subscriptions in the same instant.
    pub(super) wanted: Vec<u32>,
    /// How many of them are not live yet.
    pub(super) outstanding: usize,
    /// Whether channels are still being asked for; until then nothing is finished.
    pub(super) asking: bool,
    /// Direct messages that came meanwhile.
    pub(super) held: HeldDirects,
    /// What its token's home says of direct messages, once it has, where it was asked.
    pub(super) attended: Option<Beginning>,
}

/// In place of a moment that never comes.
pub(super) const NEVER: Monotonic = Monotonic(u64::MAX);

/// More than a turn of a shard takes.
const TURN_MS_MAX: u64 = 1_000;

/// The link.
#[derive(Debug)]
pub(super) struct Link {
    pub(super) generation: u32,
    pub(super) format: FormatIndex,
    pub(super) phase: Phase,
    /// Its public id, once identified.
    pub(super) id: ConnectionId,
    /// Whether its client has said that it goes for good, or was sent away.
    pub(super) leaves_for_good: bool,
    /// Whether its protocol knows sessions, and it hears its token's direct messages by their positions.
    pub(super) attends: bool,
    /// The project and token, once identified.
    pub(super) project: Option<ProjectId>,
    pub(super) token: Option<TokenId>,
    /// Where it comes from, once identified.
    pub(super) address: Option<IpAddr>,
    /// The origin of its page.
    pub(super) origin: OriginNumber,
    /// When its token ends: nothing is delivered from then on. [`NEVER`] if it does not.
    pub(super) ends_at: Monotonic,
    /// Messages of its client, and written to it, since they were last reported.
    pub(super) messages_in: u32,
    pub(super) messages_out: u32,
    pub(super) subscriptions: Vec<Held>,
    pub(super) outbox: Option<Box<Outbox>>,
    pub(super) rare: Option<Box<Rare>>,
}

impl Link {
    pub(super) const fn new(generation: u32, format: FormatIndex) -> Self {
        Self {
            generation,
            format,
            phase: Phase::Fresh,
            id: ConnectionId::new(0),
            leaves_for_good: false,
            attends: false,
            project: None,
            token: None,
            address: None,
            origin: OriginNumber::NONE,
            ends_at: NEVER,
            messages_in: 0,
            messages_out: 0,
            subscriptions: Vec::new(),
            outbox: None,
            rare: None,
        }
    }

    pub(super) fn rare_mut(&mut self) -> &mut Rare {
        self.rare.get_or_insert_default()
    }

    /// Gives memory back that is not used any more.
    pub(super) fn rest(&mut self) {
        if self.rare.as_deref().is_some_and(Rare::is_empty) {
            self.rare = None;
        }
    }

    /// How it wants to take part in a channel that it joins now.
    pub(super) fn take_wish(&mut self, channel: &ChannelId) -> SubscribeWish {
        let Some(rare) = &mut self.rare else { return SubscribeWish::default() };
        let Some(at) = rare.wishes.iter().position(|(one, _)| one == channel) else { return SubscribeWish::default() };
        let wish = rare.wishes.swap_remove(at).1;
        self.rest();
        wish
    }

    /// Notes how it wants to take part in a channel that it is about to join. Those of subscribes that were refused are forgotten in time.
    pub(super) fn put_wish(&mut self, channel: ChannelId, wish: SubscribeWish) {
        let wishes = &mut self.rare_mut().wishes;
        wishes.retain(|(one, _)| *one != channel);
        if wishes.len() >= POSITIONS_MAX {
            wishes.remove(0);
        }
        wishes.push((channel, wish));
    }

    /// Whether it will watch, or not, in a channel whose past was asked for last.
    pub(super) fn will_watch(&self, place: u32) -> Option<bool> {
        let asked = self.rare.as_ref()?.beginning.iter().rev();
        asked.filter(|(one, ..)| *one == place).map(|(.., watches)| *watches).next()
    }

    /// Whether the past of this channel was asked for, and not yet had.
    pub(super) fn is_beginning(&self, place: u32) -> bool {
        self.rare.as_ref().is_some_and(|rare| rare.beginning.iter().any(|(one, ..)| *one == place))
    }

    /// Stops waiting for the past of a channel: for the answer to one question, or for any. Answers whether it did, and whether it watches there.
    pub(super) fn stop_beginning(&mut self, place: u32, number: Option<u64>) -> Option<bool> {
        let rare = self.rare.as_mut()?;
        let is_it = |(one, asked, _): &(u32, u64, bool)| *one == place && number.is_none_or(|number| number == *asked);
        let at = rare.beginning.iter().position(is_it)?;
        let watches = rare.beginning.swap_remove(at).2;
        self.rest();
        Some(watches)
    }

    /// How it goes on with another token, if it is about to.
    pub(super) fn renewing_mut(&mut self) -> Option<&mut Renewing> {
        self.rare.as_mut()?.renewing.as_deref_mut()
    }

    /// Stops waiting for the home of another token: this is the answer to the question with this number.
    pub(super) fn stop_renewing(&mut self, number: u64) -> Option<Box<Renewing>> {
        let renewing = self.rare.as_mut()?.renewing.take_if(|renewing| renewing.number == number)?;
        self.rest();
        Some(renewing)
    }

    /// Notes what members of a channel see of it.
    pub(super) fn see_in(&mut self, channel: ChannelId, data: Option<JsonObject>) {
        let data_in = &mut self.rare_mut().data_in;
        data_in.retain(|(one, _)| *one != channel);
        if data_in.len() < SUBSCRIPTIONS_PER_TOKEN_MAX {
            data_in.push((channel, data));
        }
    }

    /// What members of a channel see of it.
    pub(super) fn data_in(&self, channel: &ChannelId) -> Option<JsonObject> {
        let rare = self.rare.as_ref()?;
        let own = rare.data_in.iter().find(|(one, _)| one == channel).map(|(_, data)| data.clone());
        own.unwrap_or_else(|| rare.data.clone())
    }

    /// Whether the client has been told that it is connected, and may be sent to.
    pub(super) const fn is_connected(&self) -> bool {
        matches!(self.phase, Phase::Connected)
    }

    /// Notes messages that were written to it, or put into its outbox.
    pub(super) fn count_out(&mut self, messages: usize) {
        self.messages_out = self.messages_out.saturating_add(u32::try_from(messages).unwrap_or(u32::MAX));
    }

    /// Gives up what waits for the socket.
    pub(super) fn give_up(&mut self) {
        if let Some(outbox) = &mut self.outbox {
            outbox.give_up();
        }
    }

    /// The right to what waits has ended. What its dialect says last comes after this, and goes out.
    pub(super) fn cut(&mut self) {
        self.give_up();
        self.ends_at = NEVER;
    }

    /// Whether its token has ended. `turn` is when the shard was last told the time; so near to the end that a turn may have outlasted it, the
    /// outlet's clock is asked.
    pub(super) fn has_ended_by(&self, turn: Monotonic, outlet: &dyn Outlet) -> bool {
        self.ends_at <= turn.plus(TURN_MS_MAX) && self.ends_at <= outlet.now()
    }
}

/// Writes that wait until the socket takes more, in order.
#[derive(Debug)]
pub(super) struct Outbox {
    writes: VecDeque<Bytes>,
    bytes: usize,
    frame_bytes: FrameBytes,
    /// Bytes at the front that end a frame of which the socket has taken a part.
    begun: usize,
    /// When the socket last took something.
    pub(super) moved_at: Monotonic,
}

impl Outbox {
    pub(super) const fn new(now: Monotonic, frame_bytes: FrameBytes) -> Self {
        Self { writes: VecDeque::new(), bytes: 0, frame_bytes, begun: 0, moved_at: now }
    }

    /// An outbox with what is left of a write (whole frames) of which the socket took `taken` bytes.
    pub(super) fn with_rest(now: Monotonic, frame_bytes: FrameBytes, write: Bytes, taken: usize) -> Self {
        let mut outbox = Self::new(now, frame_bytes);
        outbox.bytes = write.len();
        outbox.writes.push_back(write);
        outbox.take_front(taken);
        outbox
    }

    /// Notes that the socket took a part of the front write.
    fn take_front(&mut self, taken: usize) {
        let Some(front) = self.writes.front_mut() else { return };
        let mut frames = self.begun;
        while frames < taken {
            frames += (self.frame_bytes)(&front[frames..]).max(1);
        }
        self.begun = frames.min(front.len()) - taken;
        self.bytes -= taken;
        *front = front.slice(taken..);
    }

    /// Adds a write; false, and nothing added, when the outbox is full. One write always fits.
    pub(super) fn push(&mut self, write: Bytes) -> bool {
        if self.bytes > 0 && (self.bytes + write.len() > OUTBOX_BYTES_MAX || self.writes.len() >= OUTBOX_WRITES_MAX) {
            return false;
        }
        self.bytes += write.len();
        self.writes.push_back(write);
        true
    }

    /// Whether nothing waits.
    pub(super) fn is_empty(&self) -> bool {
        self.writes.is_empty()
    }

    /// Gives up everything but the end of a frame of which the socket has taken a part, so that what follows starts at a frame.
    pub(super) fn give_up(&mut self) {
        self.writes.truncate(usize::from(self.begun > 0));
        if let Some(front) = self.writes.front_mut() {
            front.truncate(self.begun);
        }
        self.bytes = self.begun;
    }

    /// Writes through `write` until it takes no more. `Written::All` says that the outbox is empty.
    pub(super) fn flush(&mut self, now: Monotonic, mut write: impl FnMut(&[u8]) -> Written) -> Written {
        while let Some(front) = self.writes.front_mut() {
            match write(front) {
                Written::All => {
                    self.bytes -= front.len();
                    self.begun = 0;
                    self.writes.pop_front();
                    self.moved_at = now;
                }
                Written::Part(taken) => {
                    self.take_front(taken);
                    if taken > 0 {
                        self.moved_at = now;
                    }
                    return Written::Part(taken);
                }
                Written::Gone => return Written::Gone,
            }
        }
        Written::All
    }
}

#[cfg(test)]
mod tests {
    use tollgate_core::json::JsonValue;

    use super::*;
    use crate::hub::link::Written::{All, Part};

    /// Every idle connection has one.
    #[test]
    fn a_link_is_small() {
        assert!(size_of::<Link>() <= 144, "{} bytes", size_of::<Link>());
    }

    /// Frames of the tests: a digit, and as many bytes as it says.
    fn digit(bytes: &[u8]) -> usize {
        1 + usize::from(bytes[0] - b'0')
    }

    #[test]
    fn giving_up_ends_the_frame_that_was_begun_and_no_more() {
        let batch = Bytes::from_static(b"2aa3bbb01c");
        for (taken, more, left) in [
            (0, 0, ""),
            (1, 0, "aa"),
            (2, 0, "a"),
            (3, 0, ""),
            (4, 0, "bbb"),
            (4, 1, "bb"),
            (1, 1, "a"),
            (1, 2, ""),
            (1, 3, "bbb"),
            (1, 6, ""),
            (7, 0, ""),
            (8, 0, ""),
            (9, 0, "c"),
        ] {
            let mut outbox = Outbox::with_rest(Monotonic(0), digit, batch.clone(), taken);
            assert!(outbox.push(Bytes::from_static(b"1d")));
            outbox.flush(Monotonic(0), |_| Part(more));
            outbox.give_up();
            assert_eq!(outbox.bytes, left.len());
            assert!(outbox.push(Bytes::from_static(b"1e")));
            let mut rest = Vec::new();
            outbox.flush(Monotonic(0), |bytes| {
                rest.extend_from_slice(bytes);
                All
            });
            assert_eq!(rest, [left.as_bytes(), b"1e"].concat(), "{taken} and {more} taken");
        }
    }

    #[test]
    fn an_outbox_is_bounded_in_bytes_and_writes_and_keeps_its_order() {
        let mut outbox = Outbox::new(Monotonic(0), |frame| frame.len());
        assert!(outbox.push(Bytes::from(vec![0; 2 * OUTBOX_BYTES_MAX])), "one write always fits");
        assert!(!outbox.push(Bytes::from_static(b"x")));
        let mut outbox = Outbox::new(Monotonic(0), |frame| frame.len());
        let pushed = (0..).take_while(|_| outbox.push(Bytes::from_static(b"ab"))).count();
        assert_eq!(pushed, OUTBOX_WRITES_MAX);
        let mut taken = 0;
        assert_eq!(
            outbox.flush(Monotonic(5), |bytes| if taken < 3 {
                taken += 1;
                All
            } else {
                Part(bytes.len() / 2)
            }),
            Part(1)
        );
        outbox.give_up();
        let mut rest = Vec::new();
        assert_eq!(
            outbox.flush(Monotonic(6), |bytes| {
                rest.extend_from_slice(bytes);
                All
            }),
            All
        );
        assert_eq!(
            (rest.as_slice(), outbox.is_empty(), outbox.moved_at),
            (b"b".as_slice(), true, Monotonic(6)),
            "the write begun is ended, the rest given up"
        );
    }

    #[test]
    fn no_more_direct_messages_are_held_than_an_outbox_takes() {
        let mut held = HeldDirects::default();
        let publication = Publication::new("e", JsonValue::null(), tollgate_core::clock::UnixMillis(0));
        assert_eq!((0..).take_while(|_| held.add(None, &publication)).count(), OUTBOX_WRITES_MAX);
    }
}
