//! A simulated client: what it was sent, decoded, and what it may believe of each channel. Panics when a promise is broken.

use std::collections::VecDeque;

use tollgate_core::clock::Monotonic;
use tollgate_core::command::{ChannelSnapshot, Connected, Notice};
use tollgate_core::model::Capabilities;
use tollgate_node::ConnectionKey;

/// A subscription as the client saw it: from the news of it to its end.
#[derive(Debug)]
pub(crate) struct Interval {
    pub(crate) channel: String,
    /// The channel's incarnation cannot be seen by clients; the world's numbering of messages goes on across it.
    pub(crate) snapshot_version: u64,
    pub(crate) snapshot_state: String,
    pub(crate) snapshot_capabilities: Capabilities,
    pub(crate) messages: Vec<u64>,
    pub(crate) states: Vec<u64>,
    pub(crate) open: bool,
}

/// News in the order of the connection's bytes.
#[derive(Debug)]
pub(crate) enum News {
    Connected(Connected),
    Notice(Notice),
    /// The client's own unsubscribe took effect: what was written before it still arrives, and nothing after.
    Left(String),
}

#[derive(Debug)]
pub(crate) struct SimClient {
    pub(crate) shard: usize,
    pub(crate) connection: ConnectionKey,
    pub(crate) token: Option<usize>,
    pub(crate) token_generation: u32,
    /// Its token's deletion was answered.
    pub(crate) dead: bool,
    pub(crate) connected: bool,
    /// Its close was asked for: nothing but the end of a frame, and the close, may reach it.
    pub(crate) closing: bool,
    pub(crate) gone: bool,
    pub(crate) blocked: bool,
    pub(crate) partial: Vec<u8>,
    /// Whether the frame that is being received began before the end of the token, as it was known then.
    begun_in_time: bool,
    /// Whether that was after its close was asked for.
    begun_late: bool,
    /// When its token ends, as the shard told it last; nothing may be delivered before it did.
    pub(crate) ends_at: Monotonic,
    pub(crate) intervals: Vec<Interval>,
    pub(crate) heard: Vec<String>,
    pub(crate) news: VecDeque<News>,
}

impl SimClient {
    pub(crate) fn new(shard: usize, connection: ConnectionKey, token: Option<usize>, token_generation: u32) -> Self {
        Self {
            shard,
            connection,
            token,
            token_generation,
            dead: false,
            connected: false,
            closing: false,
            gone: false,
            blocked: false,
            partial: Vec::new(),
            begun_in_time: true,
            begun_late: false,
            ends_at: Monotonic(0),
            intervals: Vec::new(),
            heard: Vec::new(),
            news: VecDeque::new(),
        }
    }

    pub(crate) fn current(&mut self, channel: &str) -> Option<&mut Interval> {
        self.intervals.iter_mut().rev().find(|interval| interval.channel == channel && interval.open)
    }

    fn on_connected(&mut self, connected: &Connected) {
        assert!(!self.connected, "connected twice");
        self.connected = true;
        self.heard.push("connected".into());
        for subscribed in &connected.channels {
            self.begin(&subscribed.channel);
        }
    }

    fn on_notice(&mut self, notice: Notice) {
        assert!(self.connected, "a notice before the connection was answered: {notice:?}");
        match notice {
            Notice::Subscribed(begun) => {
                let snapshot = begun.channel;
                self.heard.push(format!("subscribed {}", snapshot.channel));
                if self.current(snapshot.channel.as_str()).is_none() {
                    self.begin(&snapshot);
                }
            }
            Notice::Unsubscribed(channel) => {
                self.heard.push(format!("unsubscribed {channel}"));
                if let Some(interval) = self.current(channel.as_str()) {
                    interval.open = false;
                }
            }
            Notice::Direct(..) | Notice::ExpiryChanged(_) | Notice::Expiring { .. } => {}
        }
    }

    fn begin(&mut self, snapshot: &ChannelSnapshot) {
        let channel = snapshot.channel.as_str().to_owned();
        self.intervals.push(Interval {
            snapshot_version: snapshot.version,
            snapshot_state: snapshot.state.as_str().to_owned(),
            snapshot_capabilities: snapshot.capabilities,
            messages: Vec::new(),
            states: Vec::new(),
            channel,
            open: true,
        });
    }

    /// Bytes arrive on the socket; whole lines are frames.
    pub(crate) fn receive(&mut self, now: Monotonic, bytes: &[u8]) {
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
            self.on_frame(line.trim_end());
        }
    }

    fn on_frame(&mut self, line: &str) {
        if line == "news" {
            match self.news.pop_front().unwrap() {
                News::Connected(connected) => self.on_connected(&connected),
                News::Notice(notice) => self.on_notice(notice),
                News::Left(channel) => {
                    if let Some(interval) = self.current(&channel) {
                        interval.open = false;
                    }
                }
            }
            return;
        }
        if line == "bye" {
            assert!(self.closing, "a close that nobody asked for");
            return;
        }
        assert!(self.connected, "a frame before the connection was answered: {line}");
        let mut words = line.splitn(3, ' ');
        let (kind, channel, rest) = (words.next().unwrap(), words.next().unwrap(), words.next().unwrap_or(""));
        self.heard.push(format!("{kind} {channel} {rest}"));
        if kind == "direct" {
            return;
        }
        let interval = self.current(channel).unwrap_or_else(|| panic!("{line} without a subscription"));
        match kind {
            "m" => interval.messages.push(rest.parse().unwrap()),
            "state" => interval.states.push(rest.parse().unwrap()),
            "deleted" => interval.open = false,
            "late" => panic!("a message after the answer to the unsubscribe"),
            other => panic!("an unknown frame {other}"),
        }
    }
}
