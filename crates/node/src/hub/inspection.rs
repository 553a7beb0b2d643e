//! Telling what connections a shard has: a walk over its table, a piece at a time, or a look at some of them. It reads, and changes nothing.
//!
//! A connection keeps its place in the table for as long as it lives. So whoever walks by places sees each that stays exactly once, whatever comes
//! and goes meanwhile.

use std::net::IpAddr;
use std::sync::Arc;

use tokio::sync::oneshot;
use tollgate_core::ids::{ChannelId, ChannelKey, ConnectionId, ProjectId, TokenId};
use tollgate_core::limits::CONNECTION_LOOKS_PER_TURN;
use tollgate_core::peer::Network;

use super::link::{Link, Phase};
use super::shard::Shard;
use super::{ConnectionKey, ConnectionRef, FormatIndex};

/// A part of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Only {
    /// All.
    #[default]
    Any,
    /// Those for whose sockets something waits.
    Behind,
    /// Those without a token.
    Anonymous,
}

/// Which connections are meant; everything that is said must fit.
#[derive(Clone, Debug)]
pub(crate) struct Wanted {
    pub(crate) project: ProjectId,
    pub(crate) id: Option<ConnectionId>,
    pub(crate) channel: Option<ChannelId>,
    pub(crate) format: Option<FormatIndex>,
    pub(crate) address: Option<Network>,
    pub(crate) only: Only,
}

/// Where to look.
#[derive(Debug)]
pub(crate) enum InspectionPlace {
    /// At the table, from this slot on.
    From(u32),
    /// At these.
    These(Vec<ConnectionKey>),
}

/// The question to a shard.
#[derive(Debug)]
pub struct Inspection {
    pub(crate) wanted: Arc<Wanted>,
    pub(crate) place: InspectionPlace,
    /// Most connections of the answer.
    pub(crate) limit: usize,
    pub(crate) reply: oneshot::Sender<Inspected>,
}

/// The answer.
#[derive(Debug, Default)]
pub(crate) struct Inspected {
    pub(crate) seen: Vec<Seen>,
    /// How many places were looked at.
    pub(crate) looks: usize,
    /// From where to go on; nothing at the table's end.
    pub(crate) next: Option<u32>,
}

/// A connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Seen {
    pub(crate) connection: ConnectionRef,
    pub(crate) id: ConnectionId,
    pub(crate) format: FormatIndex,
    pub(crate) token: Option<TokenId>,
    pub(crate) address: Option<IpAddr>,
    pub(crate) origin: Option<Arc<str>>,
    /// Channels that it is subscribed to.
    pub(crate) channels: usize,
    /// Bytes that wait for its socket.
    pub(crate) waiting_bytes: usize,
}

impl Shard {
    /// Answers an inspection.
    pub(super) fn inspect(&self, inspection: Inspection) {
        let Inspection { wanted, place, limit, reply } = inspection;
        // Without the channel here, nobody here is in it.
        let channel = wanted.channel.as_ref().map(|channel| {
            self.locals.find(&ChannelKey { project: wanted.project, channel: channel.clone() }).ok_or(())
        });
        let inspected = match (channel, place) {
            (Some(Err(())), _) => Inspected::default(),
            (channel, InspectionPlace::From(slot)) => self.walk(&wanted, channel.and_then(Result::ok), slot, limit),
            (channel, InspectionPlace::These(keys)) => {
                let channel = channel.and_then(Result::ok);
                let looks = keys.len();
                let links = keys.into_iter().filter_map(|key| Some((key, self.link(key)?)));
                let fitting = links.filter(|(_, link)| fits(link, &wanted, channel)).take(limit);
                Inspected { seen: fitting.map(|(key, link)| self.seen(key, link)).collect(), looks, next: None }
            }
        };
        let _caller_left = reply.send(inspected);
    }

    fn walk(&self, wanted: &Wanted, channel: Option<u32>, from: u32, limit: usize) -> Inspected {
        let mut answer = Inspected::default();
        let rest = self.links.get(from as usize..).unwrap_or_default();
        for (slot, link) in (from..).zip(rest) {
            if answer.looks == CONNECTION_LOOKS_PER_TURN || answer.seen.len() == limit {
                answer.next = Some(slot);
                break;
            }
            answer.looks += 1;
            if let Some(link) = link.as_ref().filter(|link| fits(link, wanted, channel)) {
                answer.seen.push(self.seen(ConnectionKey { slot, generation: link.generation }, link));
            }
        }
        answer
    }

    fn seen(&self, key: ConnectionKey, link: &Link) -> Seen {
        Seen {
            connection: self.reference(key),
            id: link.id,
            format: link.format,
            token: link.token,
            address: link.address,
            // One that found no room is some origin, and nobody knows which.
            origin: self.origins.text(link.origin).filter(|origin| !origin.is_empty()),
            channels: link.subscriptions.len(),
            waiting_bytes: link.outbox.as_ref().map_or(0, |outbox| outbox.bytes()),
        }
    }
}

fn fits(link: &Link, wanted: &Wanted, channel: Option<u32>) -> bool {
    let is_part = match wanted.only {
        Only::Any => true,
        Only::Behind => link.outbox.is_some(),
        Only::Anonymous => link.token.is_none(),
    };
    is_part
        && link.project == Some(wanted.project)
        && !matches!(link.phase, Phase::Ending(_))
        && wanted.id.is_none_or(|id| link.id == id)
        && wanted.format.is_none_or(|format| link.format == format)
        && wanted.address.as_ref().is_none_or(|network| link.address.is_some_and(|one| network.contains(one)))
        && channel.is_none_or(|place| link.subscriptions.iter().any(|held| held.channel == place))
}
