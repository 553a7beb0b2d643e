//! A link: what the hub keeps of one connection. An idle one is small; what is rare is boxed.

use std::net::IpAddr;
use std::sync::Arc;

use tollgate_core::CloseReason;
use tollgate_core::clock::Monotonic;
use tollgate_core::command::{Renewed, SubscribeWish};
use tollgate_core::ids::{ChannelId, ConnectionId, ProjectId, TokenId};
use tollgate_core::json::JsonObject;
use tollgate_core::limits::{POSITIONS_MAX, SUBSCRIPTIONS_PER_TOKEN_MAX};

use super::attendance::HeldDirects;
use super::gathering::Gathering;
use super::origins::OriginNumber;
use super::outbox::Outbox;
use super::{FormatIndex, Outlet};

/// What a connection's renewal came to.
#[derive(Debug)]
pub struct Renewal {
    /// What the client will be told, direct messages aside.
    pub(crate) renewed: Box<Renewed>,
    /// The other token that the connection is registered with from now on, if it is another, and what that one is subscribed to.
    pub(crate) moved: Option<(ProjectId, TokenId, Vec<ChannelId>)>,
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
    /// To be closed, for this: gets no deliveries any more, only what its dialect sends last.
    Ending(CloseReason),
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

#[cfg(test)]
mod tests {
    use super::*;

    /// Every idle connection has one.
    #[test]
    fn a_link_is_small() {
        assert!(size_of::<Link>() <= 144, "{} bytes", size_of::<Link>());
    }
}
