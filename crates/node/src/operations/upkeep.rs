//! What the node does by itself from time to time: ends sessions whose grace time is over, keeps when keys were last used, and deletes what is kept long enough.

use std::sync::Arc;
use std::time::Duration;

use tollgate_core::credentials::RowKind;
use tollgate_core::ports::store::StoreError;
use tollgate_core::records::KeyRecord;

use crate::Node;
use crate::directory::{NumberMap, UsageDelta, UsageKey};

/// How often sessions are looked at.
const EVERY: Duration = Duration::from_millis(500);
/// Every how many rounds the uses of keys are written.
const KEY_USES_EVERY: u32 = 60;
/// Every how many rounds records under older data keys are sealed again.
const RESEAL_EVERY: u32 = 10;
/// Every how many rounds refusals are written down, and what has ended is forgotten: once a minute.
const MINUTELY: u32 = 120;
/// Every how many rounds what durable histories need not keep is deleted: once a second.
const PRUNE_HISTORY_EVERY: u32 = 2;
/// Messages that are deleted in one unit of work, and how many such units there are in a round: few enough for publishing to go on beside it,
/// and more together than is published in the time.
const PRUNE_HISTORY_MAX: usize = 1_000;
const PRUNE_HISTORY_UNITS_MAX: usize = 32;
/// Every how many rounds old audit entries are forgotten.
const PRUNE_EVERY: u32 = 1_200;

impl Node {
    /// Runs until it is dropped; one task of the server owns it.
    pub async fn upkeep(self: Arc<Self>) {
        tokio::join!(Arc::clone(&self).work_for_ever(), Arc::clone(&self).deliver_for_ever(), self.rounds());
    }

    async fn rounds(self: Arc<Self>) {
        let mut rounds = tokio::time::interval(EVERY);
        rounds.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        for round in 0_u32.. {
            rounds.tick().await;
            self.end_sessions().await;
            if round % PRUNE_HISTORY_EVERY == 0 {
                self.prune_history().await;
                self.forget_mailboxes().await;
            }
            if round % KEY_USES_EVERY == 0 {
                self.keep_key_uses().await;
                self.forget_idempotency_keys().await;
                self.previous_uses.forget(&self.directory, self.now());
            }
            if round % RESEAL_EVERY == 0
                && let Err(error) = self.reseal().await
            {
                tracing::warn!(%error, "records could not be sealed again");
            }
            if round % MINUTELY == MINUTELY - 1 {
                self.keep_refusals().await;
                self.keep_usage().await;
                self.look_for_alerts().await;
                self.forget_ended().await;
                self.tidy_mailboxes().await;
            }
            if round % PRUNE_EVERY == PRUNE_EVERY - 1 {
                self.prune_audit().await;
            }
        }
    }

    /// Deletes the ephemeral subscriptions of ended sessions, and ephemeral channels that everybody has left.
    pub async fn end_sessions(&self) {
        for entry in self.directory.projects() {
            let project = entry.project.id;
            let (subscriptions, channels) = entry.write().ended(self.clock.monotonic());
            for (token, channel) in subscriptions {
                report(self.store.delete_subscription(project, token, channel, None).await.map(drop));
            }
            for channel in channels {
                report(self.store.delete_channel(project, channel, None).await);
            }
        }
    }

    /// Takes messages off the disk that their channels need not keep any more, as many as a round may. What is left waits for the next.
    pub async fn prune_history(&self) {
        for _ in 0..PRUNE_HISTORY_UNITS_MAX {
            match self.store.prune_history(self.now(), PRUNE_HISTORY_MAX).await {
                Ok(0) => break,
                Ok(_) => {}
                Err(error) => return tracing::warn!(%error, "old messages could not be deleted"),
            }
        }
    }

    /// Deletes the records of tokens and auth tokens that ended long enough ago.
    pub async fn forget_ended(&self) {
        for entry in self.directory.projects() {
            self.forget_auth_tokens(&entry).await;
            self.forget_ended_tokens(&entry).await;
        }
    }

    /// What tokens, and the anonymous clients of projects, used since the last call. Bounded: unless somebody takes it every minute or so, what
    /// finds no room is counted as lost.
    pub fn take_usage(&self) -> NumberMap<UsageKey, Box<UsageDelta>> {
        self.directory.take_usage()
    }

    /// Writes the uses of keys noted since the last time. Also to be called at shutdown.
    pub async fn keep_key_uses(&self) {
        for (project, key, at) in self.key_uses.take() {
            let (Some(entry), Some(found)) = (self.directory.project(project), self.directory.key(key)) else {
                continue;
            };
            if found.record.last_used_at >= Some(at) {
                continue;
            }
            let mut record = KeyRecord::clone(&found.record);
            record.last_used_at = Some(at);
            let write = self.update(&entry, RowKind::Key, key.get(), found.revision, &record);
            // A change of the key meanwhile was a use of its own project's; the next use notes itself.
            report(self.commit(vec![write], Vec::new()).await);
        }
    }
}

pub(super) fn report(result: Result<(), StoreError>) {
    match result {
        // Somebody else deleted it first.
        Ok(()) | Err(StoreError::NotFound(_) | StoreError::Conflict(_)) => {}
        Err(error) => tracing::warn!(%error, "upkeep could not write"),
    }
}
