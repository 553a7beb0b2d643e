//! A node, its one shard driven by hand, and connections that only note what they are told.

use std::cell::RefCell;
use std::future::Future;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::task::{Context, Poll, Waker};

use tollgate_core::CloseReason;
use tollgate_core::authorize::Caller;
use tollgate_core::clock::{Clock, Entropy, Monotonic, UnixMillis};
use tollgate_core::command::{Command, Connected, Notice, PresentedSecret, Renewed, Reply, Resume};
use tollgate_core::credentials::{MasterKey, TokenSpelling};
use tollgate_core::delivery::{Delivery, Encoder};
use tollgate_core::error::Result;
use tollgate_core::ids::{ChannelId, ProjectId, TokenId};
use tollgate_core::json::JsonObject;
use tollgate_core::model::{Capabilities, ChannelSettings, ChannelType};
use tollgate_core::peer::Peer;
use tollgate_core::ports::hook::NoHook;
use tollgate_core::ports::memory::MemoryStore;
use tollgate_core::ports::outbound::memory::RecordingOutbound;
use tollgate_core::ports::store::{AuditQuery, AuditStore as _};
use tollgate_core::records::{SettingsRecord, TokenTerms};
use tollgate_node::{
    ConnectionKey, FormatIndex, NewChannel, NewToken, Node, NodeParts, Outlet, Place, ShardParts, TokenFilter,
    TokenUpdate, WireFormat, Written,
};

pub(crate) use tollgate_node::IssuedToken;

/// What the clock shows at first.
pub(crate) const START: u64 = 1_800_000_000_000;

#[derive(Default)]
pub(crate) struct TestClock(AtomicU64);

impl TestClock {
    pub(crate) fn advance(&self, ms: u64) {
        self.0.fetch_add(ms, Ordering::Relaxed);
    }
}

impl Clock for TestClock {
    fn monotonic(&self) -> Monotonic {
        Monotonic(self.0.load(Ordering::Relaxed))
    }
    fn unix(&self) -> UnixMillis {
        UnixMillis(START + self.0.load(Ordering::Relaxed))
    }
}

struct TestEntropy(AtomicU64);

impl Entropy for TestEntropy {
    fn fill(&self, bytes: &mut [u8]) {
        for byte in bytes {
            *byte = (self.0.fetch_add(0x9e37_79b9_7f4a_7c15, Ordering::Relaxed) >> 56) as u8;
        }
    }
}

/// Writes `OFFSET DATA;` of direct messages, and nothing of any other delivery.
#[derive(Debug)]
struct DirectsOnly;

impl Encoder for DirectsOnly {
    fn encode(&self, delivery: &Delivery, out: &mut Vec<u8>) -> bool {
        let Delivery::Direct { position, publication } = delivery else { return false };
        let offset = position.map_or_else(|| "-".into(), |position| position.offset.to_string());
        out.extend(format!("{offset} {};", publication.data.as_str()).as_bytes());
        true
    }
}

/// What a connection was told.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Told {
    Connected,
    Subscribed(String),
    Unsubscribed(String),
    /// Milliseconds until the end.
    End(Option<u64>),
    Closed(CloseReason),
    Other,
}

#[derive(Default)]
struct Noting {
    /// Those whose sockets take nothing.
    stalled: Vec<ConnectionKey>,
    told: Vec<(ConnectionKey, Told)>,
    heard: Vec<(ConnectionKey, String)>,
    greeted: Vec<(ConnectionKey, Connected)>,
    renewed: Vec<(ConnectionKey, Renewed)>,
}

impl Outlet for Noting {
    fn send_after(&mut self, connection: ConnectionKey, bytes: bytes::Bytes) {
        self.write(connection, &bytes);
    }
    fn now(&self) -> Monotonic {
        Monotonic(0)
    }
    fn write(&mut self, connection: ConnectionKey, bytes: &[u8]) -> Written {
        if self.stalled.contains(&connection) {
            return Written::Part(0);
        }
        self.heard.push((connection, String::from_utf8(bytes.to_vec()).unwrap()));
        Written::All
    }
    fn notify(&mut self, connection: ConnectionKey, notice: Notice) {
        let told = match notice {
            Notice::Subscribed(channel) => Told::Subscribed(channel.channel.channel.to_string()),
            Notice::Unsubscribed(channel) => Told::Unsubscribed(channel.to_string()),
            Notice::ExpiryChanged(expiry) => Told::End(expiry.map(|expiry| expiry.left_ms)),
            _ => Told::Other,
        };
        self.told.push((connection, told));
    }
    fn connected(&mut self, connection: ConnectionKey, connected: Connected) {
        self.told.push((connection, Told::Connected));
        self.greeted.push((connection, connected));
    }
    fn renewed(&mut self, connection: ConnectionKey, renewed: Box<Renewed>) {
        self.heard.push((connection, "renewed;".to_owned()));
        self.renewed.push((connection, *renewed));
    }
    fn close(&mut self, connection: ConnectionKey, reason: CloseReason) {
        self.told.push((connection, Told::Closed(reason)));
    }
}

pub(crate) struct Bench {
    pub(crate) node: Arc<Node>,
    pub(crate) clock: Arc<TestClock>,
    pub(crate) store: Arc<MemoryStore>,
    pub(crate) outbound: Arc<RecordingOutbound>,
    pub(crate) project: ProjectId,
    pub(crate) key: Caller,
    shard: RefCell<(ShardParts, Noting)>,
    slots: AtomicU32,
}

impl Bench {
    pub(crate) fn new() -> Self {
        let clock = Arc::new(TestClock::default());
        let (node, shard, store, outbound) = start(MemoryStore::default(), &clock);
        let (project, secret) = block_on(node.create_project(&Caller::Operator, "lives")).unwrap();
        let key = node.authenticate(&PresentedSecret::new(secret.expose().to_string())).unwrap();
        let shard = RefCell::new((shard, Noting::default()));
        Self { node, clock, store, outbound, project: project.id, key, shard, slots: AtomicU32::new(0) }
    }

    /// As after a `kill -9`: what was committed is there, and nothing else.
    pub(crate) fn restart(&mut self) {
        let (node, shard, store, outbound) = start(self.store.reopen(), &self.clock);
        self.shard = RefCell::new((shard, Noting::default()));
        (self.node, self.store, self.outbound) = (node, store, outbound);
    }

    /// Runs an operation to its end, the shard doing its part meanwhile.
    pub(crate) fn run<T>(&self, future: impl Future<Output = T>) -> T {
        let mut future = Box::pin(future);
        for _ in 0..100_000 {
            if let Poll::Ready(value) = future.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
                self.turn();
                return value;
            }
            self.turn();
        }
        panic!("it waits for what never comes")
    }

    fn turn(&self) {
        let (parts, outlet) = &mut *self.shard.borrow_mut();
        parts.shard.set_now(self.clock.monotonic());
        while let Ok(request) = parts.requests.try_recv() {
            parts.shard.request(request, outlet);
        }
        while let Ok(word) = parts.peers.try_recv() {
            parts.shard.peer_word(word, outlet);
        }
    }

    pub(crate) fn channel(&self, id: &str, kind: ChannelType) {
        let new = NewChannel {
            id: Some(ChannelId::new(id).unwrap()),
            kind,
            state: JsonObject::empty(),
            capabilities: Capabilities::default(),
            settings: ChannelSettings::default(),
        };
        self.run(self.node.create_channel(&self.key, new)).unwrap();
    }

    pub(crate) fn issue(&self, new: NewToken) -> IssuedToken {
        self.run(self.node.issue_token(&self.key, new, None)).unwrap()
    }

    pub(crate) fn with_terms(&self, edit: impl FnOnce(&mut TokenTerms)) -> IssuedToken {
        let mut new = NewToken::default();
        edit(&mut new.terms);
        self.issue(new)
    }

    /// The code by which a secret is refused over REST; nothing if it gets in.
    pub(crate) fn refused(&self, secret: &str, place: Place<'_>) -> Option<&'static str> {
        let secret = PresentedSecret::new(secret.into());
        self.run(self.node.authenticate_token(None, &secret, place)).err().map(|error| error.kind.code())
    }

    pub(crate) fn works(&self, secret: &str) -> bool {
        self.refused(secret, Place::default()).is_none()
    }

    /// Connects with a secret; answers the connection.
    pub(crate) fn connect(&self, secret: &str) -> Result<ConnectionKey> {
        self.connect_from(secret, None, None)
    }

    pub(crate) fn connect_from(
        &self,
        secret: &str,
        address: Option<&str>,
        origin: Option<&str>,
    ) -> Result<ConnectionKey> {
        let connection = self.open();
        let peer = address.map(|address| {
            let address: IpAddr = address.parse().unwrap();
            Arc::new(Peer { address, origin: origin.map(Arc::from), user_agent: None })
        });
        let token = Some(PresentedSecret::new(secret.into()));
        self.perform(connection, Command::Connect { project: self.project.to_string(), token, resume: None }, peer)?;
        Ok(connection)
    }

    /// A connection is gone.
    pub(crate) fn gone(&self, connection: ConnectionKey) {
        let (parts, outlet) = &mut *self.shard.borrow_mut();
        parts.shard.set_now(self.clock.monotonic());
        parts.shard.gone(connection, outlet);
    }

    /// From now on its socket takes nothing.
    pub(crate) fn stall(&self, connection: ConnectionKey) {
        self.shard.borrow_mut().1.stalled.push(connection);
    }

    /// Connects without a token, if the project is to be named so.
    pub(crate) fn connect_anonymous(&self) -> ConnectionKey {
        let connection = self.open();
        let connect = Command::Connect { project: self.project.to_string(), token: None, resume: None };
        self.perform(connection, connect, None).unwrap();
        connection
    }

    /// A connection that has not said who it is.
    pub(crate) fn open(&self) -> ConnectionKey {
        let connection = ConnectionKey { slot: self.slots.fetch_add(1, Ordering::Relaxed), generation: 1 };
        self.shard.borrow_mut().0.shard.open(connection, FormatIndex(0));
        connection
    }

    pub(crate) fn command(&self, connection: ConnectionKey, command: Command) -> Result<Option<Reply>> {
        self.perform(connection, command, None)
    }

    fn perform(&self, connection: ConnectionKey, command: Command, peer: Option<Arc<Peer>>) -> Result<Option<Reply>> {
        let client = {
            let (parts, outlet) = &mut *self.shard.borrow_mut();
            parts.shard.prepare(connection, &command, outlet).unwrap().with_peer(peer)
        };
        let outcome = self.run(self.node.perform(client, command))?;
        let (parts, outlet) = &mut *self.shard.borrow_mut();
        Ok(parts.shard.settle(connection, outcome, outlet))
    }

    /// What the clock shows.
    pub(crate) fn now(&self) -> u64 {
        self.clock.unix().0
    }

    pub(crate) fn settings(&self, edit: impl Fn(&mut SettingsRecord) + Sync) {
        let edit = |settings: &mut SettingsRecord| {
            edit(settings);
            Ok(())
        };
        self.run(self.node.change_settings(&self.key, &edit)).unwrap();
    }

    pub(crate) fn change(&self, token: &IssuedToken, edit: impl FnOnce(&mut TokenUpdate)) {
        let mut update = TokenUpdate::default();
        edit(&mut update);
        self.run(self.node.update_token(&self.key, &by_id(token), update)).unwrap();
    }

    /// Revokes a token by itself, as it stands.
    pub(crate) fn revoke(&self, token: TokenId) {
        let own = Caller::Token { project: self.project, token };
        self.run(self.node.revoke_own_token(&own)).unwrap();
    }

    pub(crate) fn users(&self) -> usize {
        self.node.users(&self.key, None, 1_000).unwrap().len()
    }

    /// How many tokens a user has, ended ones too.
    pub(crate) fn user_tokens(&self, user_id: &str) -> usize {
        let filter = TokenFilter { user_id: Some(user_id.into()), ..TokenFilter::default() };
        self.node.token_page(&self.key, &filter, None, 1_000).unwrap().tokens.len()
    }

    /// When the connection ends by itself, on the clock of the shard.
    pub(crate) fn ends_in(&self, connection: ConnectionKey) -> Option<u64> {
        let shard = self.shard.borrow();
        shard.0.shard.ends_at(connection).map(|at| at.since(self.clock.monotonic()))
    }

    /// What connections were told since the last time.
    pub(crate) fn told(&self) -> Vec<(ConnectionKey, Told)> {
        self.turn();
        std::mem::take(&mut self.shard.borrow_mut().1.told)
    }

    /// The direct messages that a connection was sent since the last time, each `OFFSET DATA;`.
    pub(crate) fn heard(&self, connection: ConnectionKey) -> String {
        self.turn();
        let heard = &mut self.shard.borrow_mut().1.heard;
        heard.extract_if(.., |(one, _)| *one == connection).map(|(_, text)| text).collect()
    }

    /// The same, while some work waits for the shard: what it committed is known, and not handed over yet.
    pub(crate) fn resume_amid<T>(
        &self,
        secret: &str,
        resume: Resume,
        work: impl Future<Output = T>,
    ) -> (ConnectionKey, T) {
        let (connection, token) = (self.open(), Some(PresentedSecret::new(secret.into())));
        let connect = Command::Connect { project: self.project.to_string(), token, resume: Some(Box::new(resume)) };
        let client = {
            let (parts, outlet) = &mut *self.shard.borrow_mut();
            parts.shard.prepare(connection, &connect, outlet).unwrap()
        };
        let mut work = Box::pin(work);
        assert!(work.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
        let outcome = block_on(self.node.perform(client, connect)).unwrap();
        {
            let (parts, outlet) = &mut *self.shard.borrow_mut();
            parts.shard.settle(connection, outcome, outlet);
        }
        (connection, self.run(work))
    }

    /// Connects as clients do that go on with something; answers what the client is told.
    pub(crate) fn resume(&self, secret: &str, resume: Resume) -> (ConnectionKey, Connected) {
        let (connection, token) = (self.open(), Some(PresentedSecret::new(secret.into())));
        let connect = Command::Connect { project: self.project.to_string(), token, resume: Some(Box::new(resume)) };
        self.perform(connection, connect, None).unwrap();
        self.turn();
        let greeted = &mut self.shard.borrow_mut().1.greeted;
        let at = greeted.iter().position(|(one, _)| *one == connection).unwrap();
        (connection, greeted.swap_remove(at).1)
    }

    /// A connection goes on with this secret; answers what its client is told. Nothing else happens in between, as in a server.
    pub(crate) fn renew(&self, connection: ConnectionKey, secret: &str) -> Result<Renewed> {
        let (parts, outlet) = &mut *self.shard.borrow_mut();
        let renew = Command::Renew { token: PresentedSecret::new(secret.into()) };
        let client = parts.shard.prepare(connection, &renew, outlet).unwrap();
        let outcome = block_on(self.node.perform(client, renew))?;
        match parts.shard.settle(connection, outcome, outlet) {
            Some(Reply::Renewed(renewed)) => Ok(*renewed),
            Some(other) => panic!("{other:?}"),
            None => {
                let (to, renewed) = outlet.renewed.pop().expect("one shard answers itself at once");
                assert_eq!(to, connection);
                Ok(renewed)
            }
        }
    }

    /// The subjects of the audit entries of an action, oldest first.
    pub(crate) fn audit(&self, action: &str) -> Vec<String> {
        let query = AuditQuery { action: Some(action.into()), limit: 1_000, ..AuditQuery::default() };
        let entries = self.run(self.store.audit_entries(query)).unwrap();
        entries.into_iter().map(|entry| entry.draft.subject).collect()
    }
}

fn start(
    store: MemoryStore,
    clock: &Arc<TestClock>,
) -> (Arc<Node>, ShardParts, Arc<MemoryStore>, Arc<RecordingOutbound>) {
    let (store, outbound) = (Arc::new(store), Arc::new(RecordingOutbound::default()));
    let parts = NodeParts {
        store: store.clone(),
        // The same each time.
        master_key: MasterKey::generate(&TestEntropy(AtomicU64::new(7))),
        clock: clock.clone(),
        entropy: Arc::new(TestEntropy(AtomicU64::new(clock.0.load(Ordering::Relaxed) | 9))),
        hook: Arc::new(NoHook),
        outbound: outbound.clone(),
        formats: vec![WireFormat {
            name: "nothing",
            encoder: Arc::new(DirectsOnly),
            frame: |payload, out| out.extend(payload),
            frame_bytes: <[u8]>::len,
        }],
        shards: 1,
    };
    let (node, mut shards) = block_on(tollgate_node::start(parts)).unwrap();
    (node, shards.remove(0), store, outbound)
}

/// The secret in clear.
pub(crate) fn secret(issued: &IssuedToken) -> String {
    issued.secret.expose(TokenSpelling::Native).to_string()
}

/// A token by its public id.
pub(crate) fn by_id(issued: &IssuedToken) -> PresentedSecret {
    PresentedSecret::new(issued.token.id.to_string())
}

/// Polls to the end, where no connection has to do its part.
pub(crate) fn block_on<T>(future: impl Future<Output = T>) -> T {
    let mut future = Box::pin(future);
    for _ in 0..1_000_000 {
        if let Poll::Ready(value) = future.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            return value;
        }
        std::thread::yield_now();
    }
    panic!("it waits for what never comes")
}
