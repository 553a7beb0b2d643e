//! The server's vault: written once, read at each start.

use tollgate_core::ports::Pending;
use tollgate_core::ports::store::{StoreError, StoreResult, Vault, VaultStore};

use super::{execute, find};
use crate::SqliteStore;
use crate::rows::{self, RING_KEY_COLUMNS, signed};

impl VaultStore for SqliteStore {
    fn vault(&self) -> Pending<'_, StoreResult<Option<Vault>>> {
        self.unit(|db, _| {
            let Some(key_check) = find(db, "SELECT key_check FROM vault", [], |row| row.get(0))? else {
                return Ok(None);
            };
            let mut statement = db.prepare(&format!("SELECT {RING_KEY_COLUMNS} FROM ring_keys ORDER BY number"))?;
            let ring = statement.query_map([], rows::ring_key)?.collect::<Result<_, _>>()?;
            Ok(Some(Vault { key_check, ring }))
        })
    }

    fn insert_vault(&self, vault: Vault) -> Pending<'_, StoreResult<()>> {
        self.unit(move |db, _| {
            if find(db, "SELECT 1 FROM vault", [], |_| Ok(()))?.is_some() {
                return Err(StoreError::Unavailable(
                    "there is a vault already: another server uses this folder".into(),
                )
                .into());
            }
            execute(db, "INSERT INTO vault (only_row, key_check) VALUES (1, ?1)", (&vault.key_check,))?;
            for key in &vault.ring {
                let values = (key.number, &key.wrapped, key.active, signed(key.created_at.0));
                execute(db, &format!("INSERT INTO ring_keys ({RING_KEY_COLUMNS}) VALUES (?1, ?2, ?3, ?4)"), values)?;
            }
            Ok(())
        })
    }
}
