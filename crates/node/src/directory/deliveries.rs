//! Messages to webhook endpoints, with the line of those that wait for each endpoint. What is sent and when is not decided here.

use std::collections::{BTreeSet, HashMap};

use tollgate_core::clock::UnixMillis;
use tollgate_core::ids::WebhookId;
use tollgate_core::records::DeliveryRecord;

use super::records::Table;
use super::tokens::Kept;

/// The messages of a project.
#[derive(Debug, Default)]
pub(crate) struct Deliveries {
    table: Table<DeliveryRecord>,
    /// Of each endpoint those that wait, by the time of their next try.
    due: HashMap<WebhookId, BTreeSet<(UnixMillis, u64)>>,
    waiting: usize,
}

impl Deliveries {
    pub(crate) fn table(&self) -> &Table<DeliveryRecord> {
        &self.table
    }

    /// How many wait to be delivered, to all endpoints.
    pub(crate) fn waiting(&self) -> usize {
        self.waiting
    }

    /// Those that wait for an endpoint: when each is due, and its number.
    pub(crate) fn due(&self, webhook: WebhookId) -> impl Iterator<Item = (UnixMillis, u64)> {
        self.due.get(&webhook).into_iter().flatten().copied()
    }

    pub(super) fn put(&mut self, id: u64, kept: Kept<DeliveryRecord>) {
        self.remove(id);
        if is_waiting(&kept.record) {
            self.due.entry(kept.record.webhook).or_default().insert((kept.record.due_at, id));
            self.waiting += 1;
        }
        self.table.insert(id, kept);
    }

    pub(super) fn remove(&mut self, id: u64) {
        let Some(old) = self.table.remove(&id) else { return };
        if !is_waiting(&old.record) {
            return;
        }
        self.waiting -= 1;
        if let Some(line) = self.due.get_mut(&old.record.webhook) {
            line.remove(&(old.record.due_at, id));
            if line.is_empty() {
                self.due.remove(&old.record.webhook);
            }
        }
    }
}

/// Whether a message still waits to be delivered.
pub(crate) fn is_waiting(record: &DeliveryRecord) -> bool {
    record.delivered_at.is_none() && record.given_up_at.is_none()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::sync::Arc;

    use tollgate_core::ids::DeliveryId;

    use super::*;

    fn kept(webhook: u64, due_at: u64, delivered: bool) -> Kept<DeliveryRecord> {
        let record = DeliveryRecord {
            webhook: WebhookId::new(webhook),
            message: DeliveryId::new(1),
            event: "token.created".into(),
            body: String::new(),
            created_at: UnixMillis(1),
            queued_at: None,
            due_at: UnixMillis(due_at),
            tries: 0,
            last_failure: None,
            delivered_at: delivered.then_some(UnixMillis(2)),
            given_up_at: None,
        };
        Kept { revision: 1, sealed_under: 1, record: Arc::new(record) }
    }

    #[test]
    fn lines_follow_the_records() {
        let mut deliveries = Deliveries::default();
        let line = |deliveries: &Deliveries| deliveries.due(WebhookId::new(7)).map(|(_, id)| id).collect::<Vec<_>>();
        deliveries.put(1, kept(7, 50, false));
        deliveries.put(2, kept(7, 40, false));
        deliveries.put(3, kept(8, 10, false));
        assert_eq!((line(&deliveries), deliveries.waiting()), (vec![2, 1], 3));
        deliveries.put(2, kept(7, 90, false));
        assert_eq!((line(&deliveries), deliveries.waiting()), (vec![1, 2], 3), "tried again later");
        deliveries.put(1, kept(7, 50, true));
        assert_eq!((line(&deliveries), deliveries.waiting(), deliveries.table().len()), (vec![2], 2, 3));
        for id in [1, 2, 3, 3] {
            deliveries.remove(id);
        }
        assert_eq!((deliveries.waiting(), deliveries.table().len(), deliveries.due.len()), (0, 0, 0));
    }
}
