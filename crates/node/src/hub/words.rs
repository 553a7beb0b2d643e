//! What shards are asked to do, and what they tell each other.

use std::sync::Arc;

use tokio::sync::oneshot;
use tollgate_core::CloseReason;
use tollgate_core::clock::Monotonic;
use tollgate_core::command::ChannelSnapshot;
use tollgate_core::delivery::{Position, Publication};
use tollgate_core::ids::{ChannelKey, TokenId};

use super::{ConnectionKey, ConnectionRef, Frames, ShardIndex};

/// A request from an operation, or from the store's change feed.
#[derive(Debug)]
pub enum Request {
    /// To a channel's home: order this publication and hand it over.
    Publish {
        /// The channel.
        channel: ChannelKey,
        /// What was published.
        publication: Publication,
        /// Told the position once it is handed over.
        reply: oneshot::Sender<Position>,
    },
    /// To a channel's home: its state changed. Arrives in commit order.
    StateChanged(Arc<ChannelSnapshot>),
    /// To a channel's home: its settings changed.
    SettingsChanged(Arc<ChannelSnapshot>),
    /// To a channel's home: the channel with this number was deleted. One with the same id may have been created since.
    Deleted(ChannelKey, u64),
    /// To a channel's home, for a connection's shard: its token was subscribed to the channel.
    Join(ConnectionRef, ChannelKey),
    /// To a channel's home, for a connection's shard: this token's subscription ended, which is the connection's unless it goes on with another.
    /// What was published before it is still delivered.
    Leave(ConnectionRef, ChannelKey, TokenId),
    /// To the shard of these connections of one token: a direct message.
    Direct {
        /// The connections.
        connections: Vec<ConnectionKey>,
        /// What was sent.
        publication: Publication,
        /// The same, encoded.
        frames: Frames,
    },
    /// To a connection's shard: the end of its token was moved; the directory knows to when.
    ExpiryChanged(ConnectionKey),
    /// To a connection's shard: end it.
    Close(ConnectionKey, CloseReason),
    /// To these connections' shard: end them. Answers how many it closed, and when the last.
    CloseAll(Vec<ConnectionKey>, CloseReason, oneshot::Sender<(usize, Option<Monotonic>)>),
    /// Answers once everything asked before has taken effect on this shard, with the last time that it closed a connection that may not come back.
    Settle(oneshot::Sender<Option<Monotonic>>),
    /// To a channel's home: answers once everything about the channel that was asked before has taken effect on that shard, joining included.
    SettleChannel(ShardIndex, ChannelKey, oneshot::Sender<()>),
}

/// A word from one shard to another. Those of one pair of shards keep their order.
#[derive(Debug)]
pub enum PeerWord {
    /// To a channel's home: this shard has subscribers now. The number tells the answer from answers to earlier interest.
    Interest(ChannelKey, ShardIndex, u64),
    /// To a channel's home: this shard has none any more.
    NoInterest(ChannelKey, ShardIndex),
    /// From the home, the answer to interest: this is the channel now; what follows comes after it.
    Live(Arc<ChannelSnapshot>, u64),
    /// From the home, the answer to interest: there is no such channel.
    Missing(ChannelKey, u64),
    /// From the home: a publication.
    Published(ChannelKey, Frames),
    /// From the home: a new state. Without frames: only the settings changed.
    Changed(Arc<ChannelSnapshot>, Option<Frames>),
    /// From the home, passed on: see [`Request::Join`].
    Join(ConnectionKey, ChannelKey),
    /// From the home, passed on: see [`Request::Leave`].
    Leave(ConnectionKey, ChannelKey, TokenId),
    /// From the home, passed on: see [`Request::SettleChannel`].
    Settle(ChannelKey, oneshot::Sender<()>),
    /// From the home: the channel with this number was deleted.
    Deleted(ChannelKey, u64, Frames),
}
