//! The hub: how publications and changes reach the connections of this process.
//!
//! Each shard is plain data owned by one thread ([`Shard`]); shards and operations talk by message through bounded inboxes. Nothing here
//! knows a socket: a shard writes through an [`Outlet`]. See ARCHITECTURE.md, "The walk of one message".

mod attendance;
mod beginning;
mod conflation;
mod exchange;
mod frames;
mod gathering;
mod gauges;
mod home;
mod homework;
mod inspection;
mod lane;
mod link;
mod local;
mod membership;
mod origins;
mod outbox;
mod pass;
mod past;
mod presence;
mod renewal;
mod resident;
mod shard;
mod standing;
mod usage;
mod words;

use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

use bytes::Bytes;
use tokio::sync::{mpsc, oneshot};
use tollgate_core::delivery::{Delivery, Encoder};
use tollgate_core::ids::{ChannelKey, TokenId};

pub use frames::Frames;
pub use gathering::Admission;
pub use gauges::{FORMATS_COUNTED, ShardGauges};
pub(crate) use inspection::{Inspected, InspectionPlace, Seen, Wanted};
pub use inspection::{Inspection, Only};
pub use link::Renewal;
pub use outbox::Written;
pub use resident::{Resident, reside};
pub use shard::{Outlet, Shard, Waiting};
pub use standing::{DirectsQuestion, StandingQuestion};
pub(crate) use standing::{DirectsSeen, StandingSeen};
pub use words::{PeerWord, Request};

/// Which shard.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ShardIndex(pub u16);

/// A connection within its shard: its slot in the gateway's table, and a generation that tells it from earlier users of the slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ConnectionKey {
    /// The place in the gateway's table.
    pub slot: u32,
    /// Counts the users of the slot.
    pub generation: u32,
}

/// A connection anywhere in this process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ConnectionRef {
    /// Its shard.
    pub shard: ShardIndex,
    /// Its place there.
    pub key: ConnectionKey,
}

/// Which wire format, by its place in the list given at start.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct FormatIndex(pub u8);

/// Tells how long the frame is that begins some bytes.
pub type FrameBytes = fn(frame_and_more: &[u8]) -> usize;

/// A wire format: how a delivery is encoded, and how the transport frames one encoded text message.
#[derive(Clone)]
pub struct WireFormat {
    /// A word for logs.
    pub name: &'static str,
    /// The encoding.
    pub encoder: Arc<dyn Encoder>,
    /// Appends one framed text message with this payload.
    pub frame: fn(payload: &[u8], out: &mut Vec<u8>),
    /// The bytes of the whole frame, header and all, that begins these: so that a write can be given up behind a frame, not within one.
    pub frame_bytes: FrameBytes,
}

impl std::fmt::Debug for WireFormat {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "WireFormat({})", self.name)
    }
}

/// How many messages wait in a shard's inbox of requests before operations wait in turn.
const REQUESTS_MAX: usize = 4_096;
/// The same for words between shards.
const PEER_WORDS_MAX: usize = 4_096;
/// Most shards: a channel's home keeps those with interest in one 64-bit word.
pub const SHARDS_MAX: usize = 64;

/// The receiving ends of a shard's inboxes.
pub(crate) type Inboxes = (mpsc::Receiver<Request>, mpsc::Receiver<PeerWord>);

/// A shard's two inboxes, for the thread that runs it.
#[derive(Debug)]
pub struct ShardParts {
    /// Which shard.
    pub index: ShardIndex,
    /// The shard itself.
    pub shard: Shard,
    /// From operations and the store. Take from it only while [`Shard::accepts_requests`].
    pub requests: mpsc::Receiver<Request>,
    /// From other shards. Take from it while [`Shard::accepts_peer_words`].
    pub peers: mpsc::Receiver<PeerWord>,
}

/// The way into the shards, from any thread.
#[derive(Debug)]
pub struct Hub {
    formats: Vec<WireFormat>,
    requests: Vec<mpsc::Sender<Request>>,
    peers: Vec<mpsc::Sender<PeerWord>>,
    gauges: Vec<ShardGauges>,
    /// Known to nobody: who chooses ids cannot choose their homes.
    secret: u64,
}

impl Hub {
    /// A hub of `shards` shards (1 to 64) and the receiving ends of their inboxes.
    pub(crate) fn new(shards: usize, formats: Vec<WireFormat>, secret: u64) -> (Arc<Self>, Vec<Inboxes>) {
        let shards = shards.clamp(1, SHARDS_MAX);
        let (requests, requests_out): (Vec<_>, Vec<_>) = (0..shards).map(|_| mpsc::channel(REQUESTS_MAX)).unzip();
        let (peers, peers_out): (Vec<_>, Vec<_>) = (0..shards).map(|_| mpsc::channel(PEER_WORDS_MAX)).unzip();
        let gauges = (0..shards).map(|_| ShardGauges::default()).collect();
        let hub = Self { formats, requests, peers, gauges, secret };
        (Arc::new(hub), requests_out.into_iter().zip(peers_out).collect())
    }

    /// The shard that orders this channel.
    pub(crate) fn home(&self, channel: &ChannelKey) -> ShardIndex {
        self.home_of(channel)
    }

    /// The shard that orders the direct messages of this token.
    pub(crate) fn home_of_token(&self, token: TokenId) -> ShardIndex {
        self.home_of(&token)
    }

    fn home_of(&self, whose: &impl Hash) -> ShardIndex {
        if self.requests.len() == 1 {
            return ShardIndex(0);
        }
        let mut hasher = DefaultHasher::new();
        hasher.write_u64(self.secret);
        whose.hash(&mut hasher);
        let shards = self.requests.len() as u64;
        ShardIndex(u16::try_from(hasher.finish() % shards).expect("invariant: at most 64 shards"))
    }

    /// All shards.
    pub(crate) fn shards(&self) -> impl Iterator<Item = ShardIndex> + use<> {
        (0_u16..).map(ShardIndex).take(self.requests.len())
    }

    /// What a shard tells of itself.
    pub(crate) fn gauges(&self, shard: ShardIndex) -> &ShardGauges {
        &self.gauges[usize::from(shard.0)]
    }

    /// The names of the wire formats, each at its place.
    pub(crate) fn format_names(&self) -> Vec<&'static str> {
        self.formats.iter().map(|format| format.name).collect()
    }

    /// How many requests and words wait in a shard's inboxes now.
    pub(crate) fn waiting(&self, shard: ShardIndex) -> (usize, usize) {
        fn waits<T>(inbox: &mpsc::Sender<T>) -> usize {
            inbox.max_capacity() - inbox.capacity()
        }
        let place = usize::from(shard.0);
        (waits(&self.requests[place]), waits(&self.peers[place]))
    }

    /// Sends a request, waiting while the shard has too much to do. False when the shard has ended.
    pub(crate) async fn ask(&self, shard: ShardIndex, request: Request) -> bool {
        let Some(request) = resident::take(self, shard, request) else { return true };
        self.requests[usize::from(shard.0)].send(request).await.is_ok()
    }

    /// Asks shards, each what it is to be asked, and waits for all their answers: nothing from one that has ended.
    pub(crate) async fn ask_each<T, R: FnOnce(oneshot::Sender<T>) -> Request>(
        &self,
        asks: impl IntoIterator<Item = (ShardIndex, R)>,
    ) -> Vec<Option<T>> {
        let mut answers = Vec::new();
        for (shard, request) in asks {
            let (reply, answer) = oneshot::channel();
            self.ask(shard, request(reply)).await;
            answers.push(answer);
        }
        let mut all = Vec::with_capacity(answers.len());
        for answer in answers {
            all.push(answer.await.ok());
        }
        all
    }

    /// Sends a request if there is room, and gives it back if not. On the shard's own thread it is carried out here and now, if it may be. Nobody is overtaken who waits: room goes to them first. One to a shard that has ended is
    /// dropped, and whoever waits for its answer is told.
    pub(crate) fn ask_now(&self, shard: ShardIndex, request: Request) -> Option<Box<Request>> {
        let request = resident::take(self, shard, request)?;
        match self.requests[usize::from(shard.0)].try_send(request) {
            Err(mpsc::error::TrySendError::Full(request)) => Some(Box::new(request)),
            Ok(()) | Err(mpsc::error::TrySendError::Closed(_)) => None,
        }
    }

    /// The same from a thread that may block: the store's. Falls silent when the shard has ended.
    pub(crate) fn tell(&self, shard: ShardIndex, request: Request) {
        let inbox = &self.requests[usize::from(shard.0)];
        if let Err(mpsc::error::TrySendError::Full(request)) = inbox.try_send(request) {
            let _ended = inbox.blocking_send(request);
        }
    }

    /// Sends a word to another shard if there is room; gives it back if not.
    pub(crate) fn pass_on(&self, shard: ShardIndex, word: PeerWord) -> Result<(), PeerWord> {
        match self.peers[usize::from(shard.0)].try_send(word) {
            Err(mpsc::error::TrySendError::Full(word)) => Err(word),
            Ok(()) | Err(mpsc::error::TrySendError::Closed(_)) => Ok(()),
        }
    }

    /// A delivery, to be encoded and framed for the wire formats that somebody listens in.
    pub(crate) fn frames(&self, delivery: Delivery) -> Frames {
        Frames::new(delivery, self.formats.len())
    }

    /// A delivery, encoded and framed in one wire format; empty where that has no word for it.
    pub(crate) fn encode(&self, delivery: &Delivery, format: FormatIndex) -> Bytes {
        frames::encode(delivery, &self.formats[usize::from(format.0)])
    }
}
