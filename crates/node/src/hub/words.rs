//! What shards are asked to do, and what they tell each other.

use std::sync::Arc;

use tokio::sync::oneshot;
use tollgate_core::CloseReason;
use tollgate_core::clock::Monotonic;
use tollgate_core::command::{ChannelSnapshot, HistoryQuery, MembersPage, MembersQuery, Published, StartFrom};
use tollgate_core::delivery::{Position, Publication};
use tollgate_core::ids::{ChannelKey, ProjectId, TokenId};
use tollgate_core::ports::broker::{History, PublishHow};

use super::inspection::Inspection;
use super::past::Beginning;
use super::presence::Face;
use super::standing::{DirectsQuestion, StandingQuestion};
use super::{ConnectionKey, ConnectionRef, FormatIndex, Frames, ShardIndex};

/// A request from an operation, or from the store's change feed.
#[derive(Debug)]
pub enum Request {
    /// To a channel's home: order this publication and hand it over.
    Publish {
        /// The channel.
        channel: ChannelKey,
        /// What was published.
        publication: Publication,
        /// How.
        how: PublishHow,
        /// Told what became of it once it is handed over; nothing when the channel has a durable history, which the store orders.
        reply: oneshot::Sender<Option<Published>>,
    },
    /// To a channel's home: the store gave this message its place. Arrives in commit order.
    Stored(ChannelKey, Position, Publication),
    /// To a channel's home: give this part of its past.
    History(ChannelKey, HistoryQuery, oneshot::Sender<History>),
    /// To a channel's home: tell which offsets, from and to, are not in memory and would have to be for somebody to begin there.
    Missing(ChannelKey, StartFrom, oneshot::Sender<Option<(u64, u64)>>),
    /// To a channel's home: these messages of this epoch are from the store.
    Fill(ChannelKey, u64, Vec<(u64, Publication)>, oneshot::Sender<()>),
    /// To a channel's home: answer when there is a message behind this position; `false` when there is no room for one more who waits.
    After(ChannelKey, Position, oneshot::Sender<bool>),
    /// To a channel's home: who is there. The number is for a sample.
    Members(ChannelKey, MembersQuery, u64, oneshot::Sender<MembersPage>),
    /// To a channel's home: its state changed. Arrives in commit order.
    StateChanged(Arc<ChannelSnapshot>),
    /// To a channel's home: its settings changed. The number counts the changes of the channel.
    SettingsChanged(Arc<ChannelSnapshot>, u64),
    /// To a channel's home: the channel with this number was deleted. One with the same id may have been created since.
    Deleted(ChannelKey, u64),
    /// To a channel's home, for a connection's shard: its token was subscribed to the channel.
    Join(ConnectionRef, ChannelKey),
    /// To a channel's home, for a connection's shard: this token's subscription ended, which is the connection's unless it goes on with another.
    /// What was published before it is still delivered.
    Leave(ConnectionRef, ChannelKey, TokenId),
    /// To a token's home: a direct message for all its connections. Told how many they are.
    Direct(ProjectId, TokenId, Publication, oneshot::Sender<u32>),
    /// To a token's home: the store gave this direct message its place in the token's mailbox. Arrives in commit order.
    Mailed(ProjectId, TokenId, Position, Publication),
    /// To a connection's shard: a direct message for it alone. Told whether it is there.
    DirectTo(ConnectionKey, Publication, oneshot::Sender<bool>),
    /// To a connection's shard: the end of its token was moved; the directory knows to when.
    ExpiryChanged(ConnectionKey),
    /// To a connection's shard: end it.
    Close(ConnectionKey, CloseReason),
    /// To these connections' shard: end them. Answers how many it closed, and when the last.
    CloseAll(Vec<ConnectionKey>, CloseReason, oneshot::Sender<(usize, Option<Monotonic>)>),
    /// Tell of connections here what fits. Answers how far it looked.
    Inspect(Box<Inspection>),
    /// To a connection's shard: what waits for it, and how it stands in a channel.
    Standing(Box<StandingQuestion>),
    /// To a token's home: where its direct messages stand that no mailbox keeps.
    Directs(Box<DirectsQuestion>),
    /// Answers once everything asked before has taken effect on this shard, with the last time that it closed a connection that may not come back.
    Settle(oneshot::Sender<Option<Monotonic>>),
    /// To a channel's home: answers once everything about the channel that was asked before has taken effect on that shard, joining included, and
    /// at the home what that shard told it then.
    SettleChannel(ShardIndex, ChannelKey, oneshot::Sender<()>),
    /// To a channel's home: answers with what answers so for each shard that has subscribers.
    SettleSubscribers(ChannelKey, oneshot::Sender<Vec<oneshot::Receiver<()>>>),
}

/// What a connection asks of a channel's home when it begins somewhere in the past.
#[derive(Debug)]
pub struct Begin {
    pub(super) connection: ConnectionRef,
    pub(super) channel: ChannelKey,
    /// The number of the channel that it means.
    pub(super) sequence: u64,
    /// Tells the answer from that to another question of the connection.
    pub(super) number: u64,
    /// Where; without one, with what the channel retains.
    pub(super) from: Option<StartFrom>,
    pub(super) format: FormatIndex,
}

/// What a connection asks of its token's home when it begins to hear direct messages.
#[derive(Debug)]
pub struct Attend {
    pub(super) connection: ConnectionRef,
    pub(super) project: ProjectId,
    pub(super) token: TokenId,
    /// Tells the answer from that to another question of the connection.
    pub(super) number: u64,
    /// Up to where the client has everything.
    pub(super) from: Option<Position>,
    /// Whether it goes on with the session that it had.
    pub(super) goes_on: bool,
    pub(super) format: FormatIndex,
}

/// A word from one shard to another. Those of one pair of shards keep their order.
#[derive(Debug)]
pub enum PeerWord {
    /// To a channel's home: this shard has subscribers now. The number tells the answer from answers to earlier interest.
    Interest(ChannelKey, ShardIndex, u64),
    /// To a channel's home: this shard has none any more.
    NoInterest(ChannelKey, ShardIndex),
    /// From the home, the answer to interest: this is the channel now; what follows comes after it.
    Live(Arc<ChannelSnapshot>, Position, u64),
    /// From the home, the answer to interest: there is no such channel.
    Missing(ChannelKey, u64),
    /// From the home: a publication.
    Published(ChannelKey, Position, Frames),
    /// From the home: the channel goes on at this position.
    Restarted(ChannelKey, Position, Frames),
    /// From the home: who came and went.
    Presence(ChannelKey, Frames),
    /// To a channel's home: this connection wants to begin there.
    Begin(Box<Begin>),
    /// From the home, the answer to the question with this number: what is to be written first, and from then on every later word.
    Begun(ConnectionKey, ChannelKey, u64, Box<Beginning>),
    /// To a channel's home: this connection has entered the channel with this number.
    Entered(ChannelKey, u64, ConnectionRef, Face),
    /// To a channel's home: this connection of this member has left the channel with this number; for good, or it broke.
    Left(ChannelKey, u64, ConnectionRef, Arc<str>, bool),
    /// To a token's home: a connection of it begins to hear direct messages.
    Attend(Box<Attend>),
    /// From the home, the answer to the question with this number.
    Attended(ConnectionKey, u64, Box<Beginning>),
    /// From a token's home: a direct message for those of the connections that are still this token's.
    Direct(TokenId, Vec<ConnectionKey>, Option<Position>, Box<Publication>, Frames),
    /// From the home: a new state. Without frames: only the settings changed.
    Changed(Arc<ChannelSnapshot>, Option<Frames>),
    /// From the home, passed on: see [`Request::Join`].
    Join(ConnectionKey, ChannelKey),
    /// From the home, passed on: see [`Request::Leave`].
    Leave(ConnectionKey, ChannelKey, TokenId),
    /// From the home, passed on: see [`Request::SettleChannel`].
    Settle(ChannelKey, oneshot::Sender<()>),
    /// To a channel's home, the answer to [`PeerWord::Settle`]: all that was told before it is here, too.
    Settled(oneshot::Sender<()>),
    /// From the home: the channel with this number was deleted.
    Deleted(ChannelKey, u64, Frames),
}
