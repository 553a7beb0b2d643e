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
    /// Of each endpoint those that wait and whose turn it is, by the time of their next try.
    due: HashMap<WebhookId, BTreeSet<(UnixMillis, u64)>>,
    /// Those that wait in order, because they are about the same thing: the first of each line is among the due.
    lines: HashMap<(WebhookId, String), BTreeSet<u64>>,
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

    /// Those that wait for an endpoint and whose turn it is: when each is due, and its number.
    pub(crate) fn due(&self, webhook: WebhookId) -> impl Iterator<Item = (UnixMillis, u64)> {
        self.due.get(&webhook).into_iter().flatten().copied()
    }

    pub(super) fn put(&mut self, id: u64, kept: Kept<DeliveryRecord>) {
        self.remove(id);
        if is_waiting(&kept.record) {
            self.waiting += 1;
            self.join_line(id, &kept.record);
        }
        self.table.insert(id, kept);
    }

    pub(super) fn remove(&mut self, id: u64) {
        let Some(old) = self.table.remove(&id) else { return };
        if is_waiting(&old.record) {
            self.waiting -= 1;
            self.leave_line(id, &old.record);
        }
    }

    /// A message about something with a line of its own becomes due when it is the first there; the others at once.
    fn join_line(&mut self, id: u64, record: &DeliveryRecord) {
        if let Some(name) = line_of(record) {
            let line = self.lines.entry(name).or_default();
            let first = line.first().copied();
            line.insert(id);
            match first {
                Some(first) if first < id => return,
                // It was there before, and comes again: a replay.
                Some(behind) => self.set_due(behind, false),
                None => {}
            }
        }
        self.due.entry(record.webhook).or_default().insert((record.due_at, id));
    }

    fn leave_line(&mut self, id: u64, record: &DeliveryRecord) {
        if let Some(due) = self.due.get_mut(&record.webhook) {
            due.remove(&(record.due_at, id));
            if due.is_empty() {
                self.due.remove(&record.webhook);
            }
        }
        let Some(name) = line_of(record) else { return };
        let Some(line) = self.lines.get_mut(&name) else { return };
        line.remove(&id);
        match line.first().copied() {
            Some(next) => self.set_due(next, true),
            None => drop(self.lines.remove(&name)),
        }
    }

    fn set_due(&mut self, id: u64, is_due: bool) {
        let Some(kept) = self.table.get(&id) else { return };
        let (webhook, place) = (kept.record.webhook, (kept.record.due_at, id));
        let due = self.due.entry(webhook).or_default();
        if is_due {
            due.insert(place);
        } else {
            due.remove(&place);
        }
    }
}

fn line_of(record: &DeliveryRecord) -> Option<(WebhookId, String)> {
    record.line.clone().map(|line| (record.webhook, line))
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
            line: None,
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

    #[test]
    fn what_is_about_one_thing_goes_one_after_the_other() {
        let mut deliveries = Deliveries::default();
        let due = |deliveries: &Deliveries| deliveries.due(WebhookId::new(7)).map(|(_, id)| id).collect::<Vec<_>>();
        let about = |webhook: u64, due_at: u64, line: &str, delivered: bool| {
            let mut kept = kept(webhook, due_at, delivered);
            Arc::get_mut(&mut kept.record).unwrap().line = Some(line.into());
            kept
        };
        for (id, line) in [(1, "a"), (2, "a"), (3, "b"), (4, "a")] {
            deliveries.put(id, about(7, 50, line, false));
        }
        deliveries.put(5, kept(7, 50, false));
        deliveries.put(6, about(8, 50, "a", false));
        assert_eq!((due(&deliveries), deliveries.waiting()), (vec![1, 3, 5], 6));
        deliveries.put(1, about(7, 90, "a", false));
        assert_eq!(due(&deliveries), [3, 5, 1], "tried again later, and still the first of its line");
        deliveries.put(1, about(7, 90, "a", true));
        assert_eq!(due(&deliveries), [2, 3, 5]);
        deliveries.put(1, about(7, 95, "a", false));
        assert_eq!(due(&deliveries), [3, 5, 1], "a replay goes before what came after it");
        deliveries.remove(1);
        deliveries.remove(2);
        assert_eq!((due(&deliveries), deliveries.waiting()), (vec![3, 4, 5], 4));
        for id in 3..7 {
            deliveries.remove(id);
        }
        assert_eq!((deliveries.due.len(), deliveries.lines.len(), deliveries.waiting()), (0, 0, 0));
    }
}
