//! A data folder that is opened: the lock, the master key and the store, in that order. And requests carried out on a folder, whoever
//! has it open.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tollgate_core::clock::Entropy;
use tollgate_core::credentials::MasterKey;
use tollgate_core::ports::hook::NoHook;
use tollgate_core::ports::outbound::NoOutbound;
use tollgate_core::ports::store::Store as _;
use tollgate_node::{Node, NodeParts};
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
        if !folder.database().exists() && folder.restoring().exists() {
            return Err(format!(
                "{} is there and no database: a restore was cut short. Repeat it (tollgate restore FILE --replace), or remove that file to begin with nothing",
                folder.restoring().display()
            )
            .into());
        }
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
    match way(config, request)? {
        Way::Server(answer) => Ok(answer),
        Way::Here(folder) => directly(config, folder, request.clone()),
    }
}

/// How a request is carried out.
pub(crate) enum Way {
    /// A server uses the folder; this is its answer.
    Server(Answer),
    /// Nobody does; now this process holds it.
    Here(DataDir),
}

/// Asks the server that uses the data folder, or takes the folder.
pub(crate) fn way(config: &Config, request: &Request) -> Result<Way, Failure> {
    let socket = data_dir::control_socket(&config.data_dir);
    // Two ways in, and a server may start or end between trying one and the other.
    for attempt in 1.. {
        match call(&socket, request) {
            Err(CallError::NobodyListens) => {}
            answer => return Ok(Way::Server(answer?)),
        }
        // The first project may come before the first start; nothing else is worth a new folder.
        let folder = match request {
            Request::CreateProject { .. } => DataDir::take_or_create(&config.data_dir),
            _ => DataDir::take(&config.data_dir),
        };
        match folder {
            Ok(folder) => return Ok(Way::Here(folder)),
            Err(DataDirError::InUse { .. }) if attempt < ATTEMPTS => std::thread::sleep(AGAIN),
            Err(error) => return Err(error.into()),
        }
    }
    unreachable!("invariant: the last attempt returns")
}

fn directly(config: &Config, folder: DataDir, request: Request) -> Result<Answer, Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let Opened { folder, store, master_key } = runtime.block_on(Opened::open(config, folder, &SystemEntropy))?;
    let answer = runtime.block_on(async {
        let node = start(&store, master_key).await?;
        let answer = admin::perform(&node, request, None).await;
        store.close().await?;
        Ok::<_, Failure>(answer)
    });
    drop(folder);
    answer
}

/// Does something with the store of a folder that no server uses.
pub(crate) fn with_store<T>(
    config: &Config,
    folder: DataDir,
    work: impl FnOnce(Arc<SqliteStore>) -> Result<T, Failure>,
) -> Result<T, Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    if !folder.database().exists() {
        return Err(format!("there is no database in {}", folder.path().display()).into());
    }
    let Opened { folder, store, master_key } = runtime.block_on(Opened::open(config, folder, &SystemEntropy))?;
    let node = runtime.block_on(start(&store, master_key))?;
    let done = work(Arc::clone(&store));
    drop(node);
    runtime.block_on(store.close())?;
    drop(folder);
    done
}

/// Opens a database that is not the folder's yet as a start would, and brings it up to date.
pub(crate) fn prove(config: &Config, folder: &DataDir, database: &Path) -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let master_key = secret_file::master_key(&config.master_key, folder, &SystemEntropy)?;
    let store = Arc::new(SqliteStore::open(database)?);
    runtime.block_on(async {
        if store.vault().await?.is_none() {
            return Err("it has no records".into());
        }
        let node = start(&store, master_key).await.map(drop);
        let closed = store.close().await;
        node.and_then(|()| Ok(closed?))
    })
}

/// A node that serves nobody: its shards have no threads, and it keeps records all the same.
async fn start(store: &Arc<SqliteStore>, master_key: MasterKey) -> Result<Arc<Node>, Failure> {
    let parts = NodeParts {
        store: store.clone(),
        master_key,
        clock: Arc::new(SystemClock::new()),
        entropy: Arc::new(SystemEntropy),
        hook: Arc::new(NoHook),
        outbound: Arc::new(NoOutbound),
        formats: Vec::new(),
        shards: 1,
    };
    Ok(tollgate_node::start(parts).await?.0)
}
