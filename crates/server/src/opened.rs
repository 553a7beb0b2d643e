//! A data folder that is opened: the lock, the master key and the store, in that order. And requests carried out on a folder, whoever
//! has it open.

use std::sync::Arc;
use std::time::Duration;

use tollgate_core::clock::{Clock, Entropy};
use tollgate_core::credentials::MasterKey;
use tollgate_core::ports::hook::NoHook;
use tollgate_core::ports::outbound::NoOutbound;
use tollgate_core::ports::store::Store as _;
use tollgate_node::NodeParts;
use tollgate_store_sqlite::SqliteStore;

use crate::Failure;
use crate::admin::{self, Answer, Request};
use crate::config::Config;
use crate::control::{CallError, call};
use crate::data_dir::{self, DataDir, DataDirError};
use crate::machine::{SystemClock, SystemEntropy};
use crate::secret_file;

/// How often, and how many times, a server that is just starting or ending is asked again.
const AGAIN: Duration = Duration::from_millis(100);
const ATTEMPTS: u32 = 50;

/// What everything else is built on. The folder is to be dropped last: take it first.
pub(crate) struct Opened {
    pub(crate) folder: DataDir,
    pub(crate) store: Arc<SqliteStore>,
    pub(crate) master_key: MasterKey,
}

impl Opened {
    pub(crate) async fn open(config: &Config, folder: DataDir, entropy: &dyn Entropy) -> Result<Self, Failure> {
        let mut master_key = secret_file::master_key(&config.master_key, &folder, entropy)?;
        let store = Arc::new(SqliteStore::open(&folder.database())?);
        // A change of the master key that a crash cut short: whichever of the two the data is sealed with is the one.
        if let Some(path) = secret_file::key_path(&config.master_key, &folder)
            && let Some(next) = secret_file::next_master_key(&path)?
        {
            let vault = store.vault().await?;
            if vault.is_some_and(|vault| next.verify_check(&vault.key_check).is_ok()) {
                secret_file::take_next(&path)?;
                master_key = next;
            }
        }
        Ok(Self { folder, store, master_key })
    }
}

/// Makes a new master key and has everything wrapped under it. Its file is there before, and takes the old one's place after: a crash
/// in between leaves both, and the next start takes the right one.
pub(crate) fn rotate_master_key(config: &Config) -> Result<Answer, Failure> {
    let path = secret_file::key_path_in(&config.master_key, &config.data_dir).ok_or(
        "the master key comes from TOLLGATE_MASTER_KEY, which this command cannot change: put the key into a file of mode 600, name it by \
         master_key_file, and repeat",
    )?;
    let next = secret_file::make_next(&path, &SystemEntropy)?;
    let answer = ask(config, &Request::RotateMasterKey { file: next });
    match &answer {
        // Done: everything hangs on the new key now.
        Ok(Answer::Said { .. }) => secret_file::take_next(&path)?,
        // Refused: nothing hangs on it. (Without an answer nobody knows; both files stay, and the next start looks.)
        Ok(_) => secret_file::drop_next(&path)?,
        Err(_) => {}
    }
    answer
}

/// Carries out a request on the data folder: by its running server, or directly.
pub(crate) fn ask(config: &Config, request: &Request) -> Result<Answer, Failure> {
    let socket = data_dir::control_socket(&config.data_dir);
    // Two ways in, and a server may start or end between trying one and the other.
    for attempt in 1.. {
        match call(&socket, request) {
            Err(CallError::NobodyListens) => {}
            answer => return Ok(answer?),
        }
        // The first project may come before the first start; nothing else is worth a new folder.
        let folder = match request {
            Request::CreateProject { .. } => DataDir::take_or_create(&config.data_dir),
            _ => DataDir::take(&config.data_dir),
        };
        match folder {
            Ok(folder) => return directly(config, folder, request.clone()),
            Err(DataDirError::InUse { .. }) if attempt < ATTEMPTS => std::thread::sleep(AGAIN),
            Err(error) => return Err(error.into()),
        }
    }
    unreachable!("invariant: the last attempt returns")
}

fn directly(config: &Config, folder: DataDir, request: Request) -> Result<Answer, Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let (clock, entropy): (Arc<dyn Clock>, Arc<dyn Entropy>) = (Arc::new(SystemClock::new()), Arc::new(SystemEntropy));
    let Opened { folder, store, master_key } = runtime.block_on(Opened::open(config, folder, entropy.as_ref()))?;
    let parts = NodeParts {
        store: store.clone(),
        master_key,
        clock,
        entropy,
        hook: Arc::new(NoHook),
        outbound: Arc::new(NoOutbound),
        formats: Vec::new(),
        shards: 1,
    };
    let answer = runtime.block_on(async {
        // The shards serve nobody here, and a node whose shards have ended still keeps records.
        let (node, _shards) = tollgate_node::start(parts).await?;
        let answer = admin::perform(&node, request).await;
        store.close().await?;
        Ok::<_, Failure>(answer)
    });
    drop(folder);
    answer
}
