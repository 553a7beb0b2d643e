//! What calls take and answer, in the application's words. Plain data, turned into the wire's and back.

use std::borrow::Cow;

use serde::Serialize;
use tollgate_protocol_native::wire;

use crate::random;
use crate::{Error, Member, Message, Payload, Position};

/// A message that is to be published.
#[derive(Clone, Debug)]
pub struct Outgoing {
    channel: String,
    event: String,
    data: Payload,
    id: String,
    key: Option<String>,
    echo: Option<bool>,
}

impl Outgoing {
    /// A message with an id that nobody else draws.
    ///
    /// # Errors
    /// `invalid_input` when the data is not JSON.
    pub fn new<T: Serialize + ?Sized>(channel: &str, event: &str, data: &T) -> Result<Self, Error> {
        let (channel, event) = (channel.to_owned(), event.to_owned());
        Ok(Self { channel, event, data: Payload::of(data)?, id: random::id(), key: None, echo: None })
    }

    /// An id of your own, 1 to 64 bytes: for two minutes the same id is the same message.
    #[must_use]
    pub fn id(mut self, id: impl Into<String>) -> Self {
        self.id = id.into();
        self
    }

    /// In a channel that conflates: what it is the latest of.
    #[must_use]
    pub fn key(mut self, key: impl Into<String>) -> Self {
        self.key = Some(key.into());
        self
    }

    /// Do not hand it to this client's own streams. Without this, the channel's settings say.
    #[must_use]
    pub const fn no_echo(mut self) -> Self {
        self.echo = Some(false);
        self
    }

    pub(crate) fn wire(&self) -> wire::Publish<'_> {
        wire::Publish {
            channel: self.channel.as_str().into(),
            event: self.event.as_str().into(),
            data: Some(self.data.raw()),
            id: Some(self.id.as_str().into()),
            echo: self.echo,
            key: self.key.as_deref().map(Cow::Borrowed),
        }
    }
}

/// What became of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Published {
    /// Its place; `None` if it was conflated.
    pub position: Option<Position>,
    /// It was published before, with the same id: this is the place of the first.
    pub is_duplicate: bool,
    /// It waits to be the latest of its key, or was replaced.
    pub is_conflated: bool,
}

impl Published {
    pub(crate) fn of(published: wire::Published) -> Self {
        Self {
            position: published.position.map(Position),
            is_duplicate: published.duplicate,
            is_conflated: published.conflated,
        }
    }
}

#[derive(Clone, Copy, Debug)]
enum Begin {
    Oldest,
    Newest,
    After(Position),
    Before(Position),
    Since(u64),
}

/// Which page of a channel's history.
#[derive(Clone, Copy, Debug)]
pub struct History {
    begin: Begin,
    limit: Option<u32>,
}

impl History {
    const fn at(begin: Begin) -> Self {
        Self { begin, limit: None }
    }

    /// From the oldest message that is kept.
    #[must_use]
    pub const fn oldest() -> Self {
        Self::at(Begin::Oldest)
    }

    /// The latest first.
    #[must_use]
    pub const fn newest() -> Self {
        Self::at(Begin::Newest)
    }

    /// What is behind this position, the oldest first.
    #[must_use]
    pub const fn after(position: Position) -> Self {
        Self::at(Begin::After(position))
    }

    /// What is before this position, the latest first.
    #[must_use]
    pub const fn before(position: Position) -> Self {
        Self::at(Begin::Before(position))
    }

    /// What was published at this moment or later, in milliseconds since 1970; the oldest first.
    #[must_use]
    pub const fn since(at: u64) -> Self {
        Self::at(Begin::Since(at))
    }

    /// At most this many messages, 1 to 1,000 (100).
    #[must_use]
    pub const fn limit(mut self, messages: u32) -> Self {
        self.limit = Some(messages);
        self
    }

    const fn is_backwards(self) -> bool {
        matches!(self.begin, Begin::Newest | Begin::Before(_))
    }

    pub(crate) fn wire(self, channel: &str) -> wire::HistoryRequest<'_> {
        let mut body = wire::HistoryRequest { channel: channel.into(), limit: self.limit, ..Default::default() };
        match self.begin {
            Begin::Oldest | Begin::Newest => {}
            Begin::After(position) => body.after = Some(position.0),
            Begin::Before(position) => body.before = Some(position.0),
            Begin::Since(at) => body.since_at = Some(at),
        }
        body.order = self.is_backwards().then_some(wire::HistoryOrder::Newest);
        body
    }
}

/// A page of a channel's history.
#[derive(Clone, Debug)]
pub struct HistoryPage {
    /// The messages, in the order that was asked for.
    pub messages: Vec<Message>,
    /// Where the channel is now.
    pub position: Position,
    /// The page that goes on from here; `None` behind the last.
    pub next: Option<History>,
}

impl HistoryPage {
    pub(crate) fn of(page: &wire::History<'_>, asked: History) -> Self {
        let position = Position(page.position);
        let begin = |next: wire::PositionText| {
            if asked.is_backwards() { Begin::Before(Position(next)) } else { Begin::After(Position(next)) }
        };
        Self {
            messages: page
                .messages
                .iter()
                .map(|message| Message::of_page(message, position.at(message.offset)))
                .collect(),
            position,
            next: page.next.map(|next| History { begin: begin(next), ..asked }),
        }
    }
}

/// Which page of a channel's members.
#[derive(Clone, Debug, Default)]
pub struct Members {
    limit: Option<u32>,
    after: Option<String>,
    sample: bool,
}

impl Members {
    /// The first page.
    #[must_use]
    pub fn first() -> Self {
        Self::default()
    }

    /// The page behind this member.
    #[must_use]
    pub fn after(member: impl Into<String>) -> Self {
        Self { after: Some(member.into()), ..Self::default() }
    }

    /// Only how many there are.
    #[must_use]
    pub fn count() -> Self {
        Self { limit: Some(0), ..Self::default() }
    }

    /// This many members at random.
    #[must_use]
    pub fn sample(members: u32) -> Self {
        Self { limit: Some(members), sample: true, ..Self::default() }
    }

    /// At most this many members, 1 to 1,000 (100).
    #[must_use]
    pub const fn limit(mut self, members: u32) -> Self {
        self.limit = Some(members);
        self
    }

    pub(crate) fn wire<'a>(&'a self, channel: &'a str) -> wire::PresenceRequest<'a> {
        wire::PresenceRequest {
            channel: channel.into(),
            limit: self.limit,
            after: self.after.as_deref().map(Cow::Borrowed),
            sample: self.sample,
        }
    }
}

/// A page of a channel's members.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MembersPage {
    /// How many members there are in all.
    pub count: u64,
    /// Those of this page.
    pub members: Vec<Member>,
    /// The next page begins behind this member; `None` behind the last.
    pub next: Option<String>,
}

impl MembersPage {
    pub(crate) fn of(page: &wire::MembersPage<'_>) -> Self {
        Self {
            count: page.count,
            members: page.members.iter().map(Member::of).collect(),
            next: page.next.as_deref().map(str::to_owned),
        }
    }
}
