//! The keys that everything secret hangs on, as an operator turns them over: those that token secrets are derived from, the data keys that
//! records are sealed under, and the master key that wraps both. All of it under load, without a refusal.

use std::collections::BTreeMap;
use std::sync::Arc;

use tollgate_core::CloseReason;
use tollgate_core::authorize::{self, Action, Caller};
use tollgate_core::credentials::{DataKey, MasterKey, RING_KEYS_MAX, RingKey, RowKind};
use tollgate_core::error::{Error, ErrorKind, Result};
use tollgate_core::ids::{ProjectId, TokenId};
use tollgate_core::ports::store::{RowName, Unit, Vault, WrappedRingKey, Write};

use super::refusal;
use crate::Node;
use crate::directory::{ProjectEntry, Records};

/// Most data keys of a project that are in use at once.
const DATA_KEYS_MAX: usize = 8;
/// Records that are sealed again in one unit of work: few, so that what people do meanwhile hardly waits.
const RESEAL_UNIT: usize = 250;

/// The keyring as it stands.
#[derive(Clone, Debug, serde::Serialize)]
pub struct KeyringStatus {
    /// The keys that token secrets are derived from.
    pub token_keys: Vec<TokenKeyStatus>,
    /// The data keys of each project.
    pub projects: Vec<DataKeyStatus>,
}

/// One key that token secrets are derived from.
#[derive(Clone, Debug, serde::Serialize)]
pub struct TokenKeyStatus {
    /// Its number, which secrets carry.
    pub number: u16,
    /// Whether new secrets are derived from it.
    pub active: bool,
    /// When it was made, in milliseconds since 1970.
    pub created_at_ms: u64,
    /// Live connections that came in with a secret of it.
    pub connections: usize,
}

/// The data keys of a project.
#[derive(Clone, Debug, serde::Serialize)]
pub struct DataKeyStatus {
    /// The project, or `server` for what belongs to none.
    pub project: String,
    /// Numbers of its keys, oldest first; the last seals.
    pub keys: Vec<u16>,
    /// Records that are still sealed under an older key than the last.
    pub records_to_reseal: usize,
}

impl Node {
    /// The keyring as it stands.
    ///
    /// # Errors
    /// `forbidden`.
    pub async fn keyring(&self, caller: &Caller) -> Result<KeyringStatus> {
        authorize::whole_server(caller, Action::AdministerProjects)?;
        let vault = self.stored_vault().await?;
        let (projects, owners) = (self.directory.projects(), self.directory.projects_and_house());
        let mut came_with: BTreeMap<u16, usize> = BTreeMap::new();
        for entry in &projects {
            let records = entry.read();
            for live in records.tokens().flat_map(|(_, token)| token.live_connections()) {
                *came_with.entry(live.key_number).or_default() += 1;
            }
        }
        let token_keys = vault.ring.iter().map(|key| TokenKeyStatus {
            number: key.number,
            active: key.active,
            created_at_ms: key.created_at.0,
            connections: came_with.get(&key.number).copied().unwrap_or_default(),
        });
        let data_keys = |entry: &Arc<ProjectEntry>| {
            let keys = entry.data_keys();
            let numbers: Vec<u16> = keys.numbers().collect();
            // Under the only key there is everything.
            let older = if numbers.len() < 2 { 0 } else { self.older_rows(entry, keys.newest()).len() };
            DataKeyStatus { project: named(entry.project.id), keys: numbers, records_to_reseal: older }
        };
        Ok(KeyringStatus { token_keys: token_keys.collect(), projects: owners.iter().map(data_keys).collect() })
    }

    /// Makes a new key that token secrets are derived from, and makes it the active one. Secrets of the older ones go on working until theirs
    /// is retired. Answers its number.
    ///
    /// # Errors
    /// `forbidden`, `limit_reached`, `unavailable`.
    pub async fn rotate_token_key(&self, caller: &Caller) -> Result<u16> {
        authorize::whole_server(caller, Action::AdministerProjects)?;
        let _turning = self.keyring_turns.write().await;
        let mut vault = self.stored_vault().await?;
        if vault.ring.len() >= RING_KEYS_MAX {
            return Err(Error::new(
                ErrorKind::LimitReached,
                format!("There are {RING_KEYS_MAX} token keys, the most there may be; retire an old one first."),
            ));
        }
        // Numbers are not used twice: the secrets of a retired key stay dead.
        let number = vault.ring.iter().map(|key| key.number).max().unwrap_or(0).max(vault.last_number);
        let number = number
            .checked_add(1)
            .ok_or_else(|| Error::new(ErrorKind::LimitReached, "All 65,535 numbers of token keys have been used."))?;
        let key = RingKey::generate(self.entropy.as_ref());
        let wrapped = self.directory.master_key().wrap_ring_key(number, &key, self.entropy.as_ref());
        vault.ring.iter_mut().for_each(|key| key.active = false);
        vault.ring.push(WrappedRingKey { number, wrapped, active: true, created_at: self.now() });
        vault.last_number = number;
        self.put_vault(caller, vault, "keyring.rotate", &format!("token key {number}")).await?;
        Ok(number)
    }

    /// Retires a key: every secret spelled under it is refused from now on, and the connections that came in with one are closed. Answers
    /// how many those were.
    ///
    /// # Errors
    /// `not_found`, `wrong_state` for the active key, `forbidden`, `unavailable`.
    pub async fn retire_token_key(&self, caller: &Caller, number: u16) -> Result<usize> {
        authorize::whole_server(caller, Action::AdministerProjects)?;
        let _turning = self.keyring_turns.write().await;
        let mut vault = self.stored_vault().await?;
        let found = vault.ring.iter().find(|key| key.number == number);
        match found {
            None => return Err(Error::new(ErrorKind::NotFound, format!("There is no token key {number}."))),
            Some(key) if key.active => {
                return Err(Error::new(
                    ErrorKind::WrongState,
                    format!("Token key {number} is the active one; rotate first, then retire it."),
                ));
            }
            Some(_) => {}
        }
        vault.ring.retain(|key| key.number != number);
        self.put_vault(caller, vault, "keyring.retire", &format!("token key {number}")).await?;
        let mut closed = 0;
        for entry in self.directory.projects() {
            let connections: Vec<_> = {
                let records = entry.read();
                let live = records.tokens().flat_map(|(_, token)| token.live_connections().iter());
                live.filter(|live| live.key_number == number).map(|live| live.connection).collect()
            };
            closed += self.close_connections(&connections, CloseReason::TokenRevoked).await.count;
        }
        self.settled_everywhere().await;
        Ok(closed)
    }

    /// Makes a new data key for every project. What is written from now on is sealed under it; [`Node::reseal`] does the rest.
    ///
    /// # Errors
    /// `forbidden`, `limit_reached`, `unavailable`.
    pub async fn rotate_data_keys(&self, caller: &Caller) -> Result<usize> {
        authorize::whole_server(caller, Action::AdministerProjects)?;
        let _turning = self.keyring_turns.write().await;
        let (entropy, projects) = (self.entropy.as_ref(), self.directory.projects_and_house());
        for entry in &projects {
            let mut project = entry.project_now();
            if project.wrapped_data_keys.len() >= DATA_KEYS_MAX {
                return Err(Error::new(
                    ErrorKind::LimitReached,
                    format!(
                        "{} has {DATA_KEYS_MAX} data keys: its records are still being sealed again. Try again later.",
                        named(project.id)
                    ),
                ));
            }
            let number = entry.data_keys().newest().checked_add(1).ok_or_else(|| {
                Error::new(ErrorKind::LimitReached, "All 65,535 numbers of data keys have been used.")
            })?;
            let wrapped =
                self.directory.master_key().wrap_data_key(project.id, number, &DataKey::generate(entropy), entropy);
            project.wrapped_data_keys.push((number, wrapped));
            let mut audit = self.entry_of(caller, of_project(project.id), "keyring.rotate", &named(project.id));
            audit.detail = Some(format!("data key {number}"));
            self.commit(vec![Write::Project(project)], vec![audit])
                .await
                .map_err(|error| refusal(error, &"the project"))?;
        }
        Ok(self.directory.projects().len())
    }

    /// Seals every record that is under an older data key again, a few at a time, and forgets the older keys when none is left under them.
    /// Answers how many were sealed again. The upkeep calls it, too, so that it goes on after a restart.
    ///
    /// # Errors
    /// `unavailable`; what was done stays done.
    pub async fn reseal(&self) -> Result<usize> {
        let mut sealed = 0;
        for entry in self.directory.projects_and_house() {
            let newest = entry.data_keys().newest();
            if entry.data_keys().numbers().count() < 2 {
                continue;
            }
            let names = self.older_rows(&entry, newest);
            for part in names.chunks(RESEAL_UNIT) {
                sealed += self.reseal_part(&entry, part).await?;
            }
            sealed += self.reseal_job_parts(&entry, newest).await?;
            if self.older_rows(&entry, newest).is_empty() {
                self.forget_data_keys(&entry, newest).await?;
            }
        }
        Ok(sealed)
    }

    /// Rows of a project that are sealed under an older data key.
    fn older_rows(&self, entry: &ProjectEntry, newest: u16) -> Vec<(RowKind, u64)> {
        let mine = |key: &crate::KeyEntry| key.project == entry.project.id && key.sealed_under != newest;
        let keys = self.directory.keys().into_iter().filter(mine).map(|key| (RowKind::Key, key.id.get()));
        let mut rows: Vec<_> = keys.collect();
        rows.extend(entry.read().sealed_under_older(newest));
        rows
    }

    async fn reseal_part(&self, entry: &Arc<ProjectEntry>, names: &[(RowKind, u64)]) -> Result<usize> {
        self.change(&"the records", || {
            let newest = entry.data_keys().newest();
            let records = entry.read();
            let mut writes = Vec::with_capacity(names.len());
            for (kind, id) in names {
                writes.extend(self.sealed_again(entry, &records, *kind, *id, newest));
            }
            let count = writes.len();
            Ok((writes, Vec::new(), count))
        })
        .await
    }

    /// The step that seals a record again; nothing if it is gone or was sealed again meanwhile.
    fn sealed_again(
        &self,
        entry: &ProjectEntry,
        records: &Records,
        kind: RowKind,
        id: u64,
        newest: u16,
    ) -> Option<Write> {
        if kind == RowKind::Key {
            let key = self.directory.key(tollgate_core::ids::KeyId::new(id))?;
            return (key.sealed_under != newest).then(|| self.update(entry, kind, id, key.revision, &*key.record));
        }
        if kind == RowKind::Token {
            let token = records.token(TokenId::new(id)).filter(|token| token.sealed_under != newest)?;
            return Some(self.update(entry, kind, id, token.revision, &token.record()));
        }
        macro_rules! again {
            ($kept:expr) => {{
                let kept = $kept.filter(|kept| kept.sealed_under != newest)?;
                Some(self.update(entry, kind, id, kept.revision, &*kept.record))
            }};
        }
        match kind {
            RowKind::Settings => {
                let kept = records.settings.as_ref().filter(|kept| kept.sealed_under != newest)?;
                Some(self.update(entry, kind, entry.project.id.get(), kept.revision, &*kept.record))
            }
            RowKind::ProjectUsage => {
                let kept = records.project_usage.as_ref().filter(|kept| kept.sealed_under != newest)?;
                Some(self.update(entry, kind, entry.project.id.get(), kept.revision, &*kept.record))
            }
            RowKind::User => again!(records.user(tollgate_core::ids::UserId::new(id)).map(|user| &user.kept)),
            RowKind::AuthToken => again!(records.auth_tokens.get(&id)),
            RowKind::Issuer => again!(records.issuers.get(&id)),
            RowKind::SigningKey => again!(records.signing_keys.get(&id)),
            RowKind::Webhook => again!(records.webhooks.get(&id)),
            RowKind::Delivery => again!(records.deliveries.table().get(&id)),
            RowKind::Job => again!(records.jobs.get(&id)),
            RowKind::TokenUsage => again!(records.token_usage.get(&id)),
            RowKind::UserUsage => again!(records.user_usage.get(&id)),
            RowKind::Idempotency => again!(records.idempotency.get(&id)),
            RowKind::OnlineToken => again!(records.online_told.get(&id)),
            RowKind::OccupiedChannel => again!(records.occupied_told.get(&id)),
            RowKind::Operator => again!(records.operators.get(&id)),
            RowKind::Invitation => again!(records.invitations.get(&id)),
            RowKind::Mailbox => again!(records.mailboxes.head(TokenId::new(id))),
            RowKind::DirectMessage => again!(records.mailboxes.message(id)),
            RowKind::Key | RowKind::Token | RowKind::JobPart => None,
        }
    }

    /// The parts of jobs, which are on disk alone.
    async fn reseal_job_parts(&self, entry: &Arc<ProjectEntry>, newest: u16) -> Result<usize> {
        let project = entry.project.id;
        let jobs: Vec<(u64, usize)> =
            entry.read().jobs.iter().map(|(id, kept)| (*id, kept.record.received.len())).collect();
        let (mut sealed, unavailable) = (0, |error| refusal(error, &"the job"));
        for (job, part) in jobs.into_iter().flat_map(|(job, parts)| (1..=parts as u64).map(move |part| (job, part))) {
            let name = RowName { kind: RowKind::JobPart, project, id: job.wrapping_add(part) };
            let Some(row) = self.store.row(name).await.map_err(unavailable)? else { continue };
            if tollgate_core::credentials::DataKeys::number_of(&row.sealed) == Some(newest) {
                continue;
            }
            let Some(record) = super::jobs::open_part(entry, &row) else { continue };
            let write = self.update(entry, RowKind::JobPart, name.id, row.revision, &record);
            match self.store.commit(Unit { writes: vec![write], audit: Vec::new() }).await {
                Ok(()) => sealed += 1,
                // Worked on at this moment, and with that sealed again.
                Err(tollgate_core::ports::store::StoreError::Conflict(_)) => {}
                Err(error) => return Err(unavailable(error)),
            }
        }
        Ok(sealed)
    }

    async fn forget_data_keys(&self, entry: &Arc<ProjectEntry>, newest: u16) -> Result<()> {
        let _turning = self.keyring_turns.write().await;
        let mut project = entry.project_now();
        // Somebody turned the keys over once more meanwhile: the next round sees to it.
        if entry.data_keys().newest() != newest || project.wrapped_data_keys.len() < 2 {
            return Ok(());
        }
        project.wrapped_data_keys.retain(|(number, _)| *number == newest);
        let mut audit = self.entry_of(&Caller::System, of_project(project.id), "keyring.retire", &named(project.id));
        audit.detail = Some(format!("data keys before {newest}"));
        self.commit(vec![Write::Project(project)], vec![audit]).await.map_err(|error| refusal(error, &"the project"))
    }

    /// Wraps everything under a new master key, in one unit of work. The caller keeps the new key where a crash right after the commit
    /// finds it, *before* calling this.
    ///
    /// # Errors
    /// `forbidden`, `unavailable`; then everything is still wrapped under the old one.
    pub async fn rotate_master_key(&self, caller: &Caller, new: MasterKey) -> Result<()> {
        authorize::whole_server(caller, Action::AdministerProjects)?;
        let _turning = self.keyring_turns.write().await;
        let (old, entropy) = (self.directory.master_key(), self.entropy.as_ref());
        let damaged = |_| Error::new(ErrorKind::Internal, "A key in the store does not open; nothing was changed.");
        let mut vault = self.stored_vault().await?;
        vault.key_check = new.seal_check(entropy);
        vault.ledger_key = new.rewrap_ledger_key(&old, &vault.ledger_key, entropy).map_err(damaged)?;
        for key in &mut vault.ring {
            let plain = old.unwrap_ring_key(key.number, &key.wrapped).map_err(damaged)?;
            key.wrapped = new.wrap_ring_key(key.number, &plain, entropy);
        }
        let mut writes = vec![Write::Vault(vault)];
        for entry in self.directory.projects_and_house() {
            let mut project = entry.project_now();
            for (number, wrapped) in &mut project.wrapped_data_keys {
                let plain = old.unwrap_data_key(project.id, *number, wrapped).map_err(damaged)?;
                *wrapped = new.wrap_data_key(project.id, *number, &plain, entropy);
            }
            writes.push(Write::Project(project));
        }
        let audit = self.entry_of(caller, None, "keyring.rotate", &"master key");
        // Before the commit: what it tells the directory is wrapped under the new key.
        self.directory.exchange_master_key(Arc::new(new));
        self.commit(writes, vec![audit]).await.map_err(|error| {
            self.directory.exchange_master_key(old);
            refusal(error, &"the keyring")
        })
    }

    async fn stored_vault(&self) -> Result<Vault> {
        let vault = self.store.vault().await.map_err(|error| refusal(error, &"the keyring"))?;
        vault.ok_or_else(|| Error::new(ErrorKind::Internal, "The store has no keyring; this is a defect."))
    }

    async fn put_vault(&self, caller: &Caller, vault: Vault, action: &str, detail: &str) -> Result<()> {
        let audit = self.entry_of(caller, None, action, &detail);
        self.commit(vec![Write::Vault(vault)], vec![audit]).await.map_err(|error| refusal(error, &"the keyring"))
    }
}

/// Whom an audit entry about these keys belongs to.
fn of_project(id: ProjectId) -> Option<ProjectId> {
    Some(id).filter(|id| *id != ProjectId::HOUSE)
}

/// A project's id, or a word for what belongs to none.
fn named(id: ProjectId) -> String {
    of_project(id).map_or_else(|| "server".to_owned(), |id| id.to_string())
}
