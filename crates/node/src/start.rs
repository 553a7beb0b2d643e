//! Starting a node: the vault is opened (or made), the store replayed into the directory, the shards laid out.

use std::sync::Arc;

use tollgate_core::audit::LedgerKey;
use tollgate_core::clock::{Clock, Entropy};
use tollgate_core::credentials::{KeyRing, MasterKey, RingKey};
use tollgate_core::ids::SnowflakeSource;
use tollgate_core::ports::hook::AccessHook;
use tollgate_core::ports::outbound::Outbound;
use tollgate_core::ports::store::{Changes, Store, StoreError, Unit, Vault, WrappedRingKey, Write};

use crate::Node;
use crate::broker::InProcessBroker;
use crate::counters::Counters;
use crate::directory::{Directory, open_ring};
use crate::hub::{Hub, Shard, ShardIndex, ShardParts, WireFormat};

/// What a node is made of.
pub struct NodeParts {
    /// Where records are kept.
    pub store: Arc<dyn Store>,
    /// What everything secret is sealed under.
    pub master_key: MasterKey,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Chance.
    pub entropy: Arc<dyn Entropy>,
    /// Who decides on private channels.
    pub hook: Arc<dyn AccessHook>,
    /// How webhooks and fetched keys reach other machines.
    pub outbound: Arc<dyn Outbound>,
    /// The wire formats of all doors; a [`crate::FormatIndex`] is a place in this list.
    pub formats: Vec<WireFormat>,
    /// How many shards to lay out, 1 to 64.
    pub shards: usize,
}

impl std::fmt::Debug for NodeParts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("NodeParts")
    }
}

/// Why a node did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The data was sealed under another master key.
    #[error("{0}")]
    WrongMasterKey(String),
    /// Records do not open although the master key fits.
    #[error("{0} records of the store cannot be opened; the data is damaged, restore a backup")]
    Damaged(u64),
    /// The store does not work.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Starts a node. Run each of the parts on a thread of its own; the node itself may be called from all of them.
///
/// # Errors
/// See [`StartError`]. Nothing is changed in a store whose master key is another.
pub async fn start(parts: NodeParts) -> Result<(Arc<Node>, Vec<ShardParts>), StartError> {
    let NodeParts { store, master_key, clock, entropy, hook, outbound, formats, shards } = parts;
    let Opened { vault, ring, ledger, is_new } =
        open_vault(store.as_ref(), &master_key, clock.as_ref(), entropy.as_ref()).await?;
    let (counters, master_key) = (Arc::new(Counters::default()), Arc::new(master_key));
    let directory = Arc::new(Directory::new(master_key, ring, Arc::clone(&clock), Arc::clone(&counters)));
    store.attach(Arc::clone(&directory) as Arc<dyn Changes>, ledger).await?;
    if is_new {
        store.commit(Unit { writes: vec![Write::Vault(vault)], audit: Vec::new() }).await?;
    }
    match counters.records_unreadable.get() {
        0 => {}
        unreadable => return Err(StartError::Damaged(unreadable)),
    }
    let mut secret = [0; 8];
    entropy.fill(&mut secret);
    let (hub, inboxes) = Hub::new(shards, formats, u64::from_ne_bytes(secret));
    directory.connect(Arc::clone(&hub));
    // Epochs must differ from those of earlier runs; a channel is created or first used at most once a microsecond or so.
    let first_epoch = clock.unix().0 * 1_000;
    let parts = (0_u16..).zip(inboxes).map(|(index, (requests, peers))| {
        let index = ShardIndex(index);
        let shard = Shard::new(index, Arc::clone(&hub), Arc::clone(&directory), Arc::clone(&counters), first_epoch);
        ShardParts { index, shard, requests, peers }
    });
    let parts = parts.collect();
    let broker = Arc::new(InProcessBroker { hub: Arc::clone(&hub), entropy: Arc::clone(&entropy) });
    let ids = SnowflakeSource::new(0, directory.last_number());
    let is_new = is_new || directory.projects().is_empty();
    let key_uses = crate::operations::projects::KeyUses::default();
    let node = Node {
        store,
        directory,
        hub,
        broker,
        hook,
        hooks: crate::hooks::Hooks::default(),
        outbound,
        clock,
        entropy,
        ids,
        counters,
        key_uses,
        keyring_turns: tokio::sync::RwLock::default(),
        jobs: crate::operations::jobs::Jobs::default(),
        revoking: crate::operations::revoke::Revoking::default(),
        presence: crate::operations::presence::Presence::default(),
        minutes: crate::operations::usage::Minutes::default(),
        courier: crate::operations::deliveries::Courier::default(),
        buckets: crate::limits::Buckets::default(),
        refusals: crate::operations::refusals::Refusals::default(),
        signing: crate::operations::signing::SigningKeys::default(),
        operators: crate::operations::signing_in::Operators::default(),
        issuers: crate::operations::issuer_keys::Issuers::default(),
        fetches: crate::operations::history::Fetches::default(),
        mailboxes: crate::operations::mailbox::MailboxLocks::default(),
        channel_changes: crate::operations::channels::ChannelLocks::default(),
        tickets: crate::operations::tickets::Tickets::default(),
        registering: tokio::sync::Mutex::default(),
        verified: crate::verified::VerifiedJwts::default(),
        user_names: crate::operations::users::UserNames::default(),
        recent: crate::operations::sessions_again::Recent::default(),
        previous_uses: crate::operations::tokens_rotate::PreviousUses::default(),
        probed: tokio::sync::Mutex::default(),
        room: std::sync::OnceLock::new(),
        tracer: std::sync::OnceLock::new(),
        causes: crate::operations::traced::Causes::default(),
        is_new,
    };
    Ok((Arc::new(node), parts))
}

/// What the vault gave.
struct Opened {
    vault: Vault,
    ring: KeyRing,
    ledger: LedgerKey,
    is_new: bool,
}

/// Opens the vault, or makes that of a new store (to be committed once the store has its observer).
async fn open_vault(
    store: &dyn Store,
    master_key: &MasterKey,
    clock: &dyn Clock,
    entropy: &dyn Entropy,
) -> Result<Opened, StartError> {
    let kept = store.vault().await?;
    let is_new = kept.is_none();
    let vault = match kept {
        Some(vault) => vault,
        None => {
            let key = RingKey::generate(entropy);
            let wrapped = WrappedRingKey {
                number: 1,
                wrapped: master_key.wrap_ring_key(1, &key, entropy),
                active: true,
                created_at: clock.unix(),
            };
            Vault {
                key_check: master_key.seal_check(entropy),
                ledger_key: master_key.new_ledger_key(entropy),
                ring: vec![wrapped],
                last_number: 1,
            }
        }
    };
    master_key.verify_check(&vault.key_check).map_err(|wrong| StartError::WrongMasterKey(wrong.to_string()))?;
    let ledger = master_key.unwrap_ledger_key(&vault.ledger_key).map_err(|_| StartError::Damaged(1))?;
    let ring = open_ring(master_key, &vault).ok_or(StartError::Damaged(1))?;
    Ok(Opened { vault, ring, ledger, is_new })
}
