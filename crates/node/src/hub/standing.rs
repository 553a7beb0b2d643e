//! How one connection stands: what waits for its socket, and in one channel whether it is in, and what waits for it there. And where a token's direct
//! messages stand that are kept in memory. It reads, and changes nothing.

use tokio::sync::oneshot;
use tollgate_core::clock::{Monotonic, UnixMillis};
use tollgate_core::delivery::Position;
use tollgate_core::ids::{ChannelKey, ProjectId, TokenId};

use super::ConnectionKey;
use super::shard::Shard;

/// The question to a connection's shard.
#[derive(Debug)]
pub struct StandingQuestion {
    pub(crate) connection: ConnectionKey,
    /// Without one, what waits for its socket is all that is asked.
    pub(crate) channel: Option<ChannelKey>,
    /// Nothing of a connection that is gone, or is ending.
    pub(crate) reply: oneshot::Sender<Option<StandingSeen>>,
}

/// The answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct StandingSeen {
    /// Up to where the channel's messages were put into its lane; nothing while it is not in the lane.
    pub(crate) appended: Option<Position>,
    /// Bytes that wait for it in the lane.
    pub(crate) lane_bytes: usize,
    /// Bytes that wait for its socket.
    pub(crate) outbox_bytes: usize,
    /// When its socket last took something, if anything waits for it.
    pub(crate) moved_at: Option<Monotonic>,
}

/// The question to a token's home about its direct messages, where no mailbox keeps them.
#[derive(Debug)]
pub struct DirectsQuestion {
    pub(crate) project: ProjectId,
    pub(crate) token: TokenId,
    /// Which is asked about; without one, the last.
    pub(crate) position: Option<Position>,
    /// Nothing of a token without a session: nothing of it is kept.
    pub(crate) reply: oneshot::Sender<Option<DirectsSeen>>,
}

/// The answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct DirectsSeen {
    /// The last one's place.
    pub(crate) last: Position,
    /// When the one that was asked about was accepted, if it is kept.
    pub(crate) at: Option<UnixMillis>,
}

impl Shard {
    /// Answers it.
    pub(super) fn tell_directs(&self, question: DirectsQuestion) {
        let DirectsQuestion { project, token, position, reply } = question;
        let session = self.directory.session_of(project, token).and_then(|(_, session)| session);
        let seen = session.map(|session| {
            let run = self.directory.mailbox_run(project).0;
            let (last, past) = self.directs.standing(token, session, run);
            DirectsSeen { last, at: past.and_then(|past| past.accepted_at(position.unwrap_or(last))) }
        });
        let _caller_left = reply.send(seen);
    }

    /// Answers it.
    pub(super) fn tell_standing(&mut self, question: StandingQuestion) {
        let StandingQuestion { connection, channel, reply } = question;
        let place = channel.and_then(|channel| self.locals.find(&channel));
        let seen = self.link(connection).filter(|link| link.is_connected()).map(|link| {
            let held = link.subscriptions.iter().find(|held| Some(held.channel) == place).copied();
            let outbox = link.outbox.as_ref();
            let seen = StandingSeen {
                appended: None,
                lane_bytes: 0,
                outbox_bytes: outbox.map_or(0, |outbox| outbox.bytes()),
                moved_at: outbox.map(|outbox| outbox.moved_at),
            };
            (held, link.format, seen)
        });
        let seen = seen.map(|(held, format, seen)| {
            let local = held.and_then(|held| Some((held, self.locals.get_mut(held.channel)?)));
            let Some((held, local)) = local else { return seen };
            let waiting = local.lane(format, held.watches).unwritten(held.place);
            let lane_bytes = waiting.iter().map(bytes::Bytes::len).sum();
            StandingSeen { appended: Some(local.position), lane_bytes, ..seen }
        });
        let _caller_left = reply.send(seen);
    }
}
