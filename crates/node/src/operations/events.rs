//! What webhook endpoints are told: which event each change is, what its message says, and whom it goes to. A message is written in the
//! unit of work of the change that it tells of. Sending is [`super::deliveries`]'s.

use std::sync::Arc;

use serde::Serialize;
use tollgate_core::audit::{AuditDraft, AuditOutcome};
use tollgate_core::clock::UnixMillis;
use tollgate_core::credentials::RowKind;
use tollgate_core::ids::{DeliveryId, ProjectId, TokenId, WebhookId};
use tollgate_core::limits::DELIVERIES_MAX;
use tollgate_core::ports::store::{StoreError, Write};
use tollgate_core::records::{self, DeliveryRecord, WebhookRecord};

use crate::Node;
use crate::directory::{MomentKind, ProjectEntry, Records};

/// Every event, as patterns name them.
pub(crate) const EVENTS: &[&str] = &[
    "token.created",
    "token.changed",
    "token.rotated",
    "token.revoked",
    "token.restored",
    "token.expiring",
    "token.expired",
    "token.deleted",
    "user.created",
    "user.changed",
    "user.banned",
    "user.unbanned",
    "user.deleted",
    "key.created",
    "key.changed",
    "key.rotated",
    "key.revoked",
    "connection.opened",
    "connection.closed",
    "session.started",
    "session.ended",
    "token.online",
    "token.offline",
    "channel.occupied",
    "channel.vacated",
    "alert.raised",
    "alert.cleared",
    "webhook.test",
];

/// The event that an audit entry of this action is.
fn event_of(action: &str) -> Option<&'static str> {
    Some(match action {
        "token.create" | "session.create" | "session.create_user_token" => "token.created",
        "token.change" | "token.state" => "token.changed",
        "token.rotate" => "token.rotated",
        "token.revoke" | "session.end" | "user.revoke_tokens" => "token.revoked",
        "token.restore" => "token.restored",
        "token.delete" => "token.deleted",
        "user.create" => "user.created",
        "user.change" => "user.changed",
        "user.ban" => "user.banned",
        "user.unban" => "user.unbanned",
        "user.delete" => "user.deleted",
        "key.create" => "key.created",
        "key.change" => "key.changed",
        "key.rotate" => "key.rotated",
        "key.revoke" => "key.revoked",
        _ => return None,
    })
}

/// Events of one kind in one unit of work that get a message each; more share one, which lists them.
const SINGLE_MAX: usize = 16;
/// Deliveries written in one unit of work of the server's own.
const UNIT_MAX: usize = 500;
/// Moments written in one go.
const MOMENTS_UNIT: usize = 256;
/// How many messages of alerts may wait beyond the others.
const ALERTS_ROOM: usize = 1_000;
/// How long before its end a token is said to expire: a tenth of its life, at most so many milliseconds.
const EXPIRING_MS_MAX: u64 = 86_400_000;

/// A message as endpoints get it: the payload of the Standard Webhooks specification.
#[derive(Serialize)]
struct Message<'a> {
    r#type: &'a str,
    timestamp: String,
    data: Data,
}

/// What happened, in public ids alone. Absent where it does not apply.
#[derive(Clone, Debug, Default, Serialize)]
pub(super) struct Data {
    pub(super) project_id: String,
    /// The token, user or key that it is about; a job or a rule when it was about many.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) id: Option<String>,
    /// All that it is about, when one message tells of many.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) ids: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) count: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) user_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) actor: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) detail: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) request_id: Option<String>,
    /// Live connections of the token, after this one was opened or closed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) connections: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) expires_at: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) channel_id: Option<String>,
    /// When the token last had a connection.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) last_seen_at: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) alert: Option<String>,
}

/// The line in which a message waits for those before it about the same thing; nothing for events that are told in any order.
fn line_of(event: &str, data: &Data) -> Option<String> {
    let subject = match event {
        "token.online" | "token.offline" => data.id.as_ref(),
        "channel.occupied" | "channel.vacated" => data.channel_id.as_ref(),
        _ => None,
    };
    let (family, _) = event.split_once('.')?;
    subject.map(|subject| format!("{family}:{subject}"))
}

/// Whether a pattern takes an event: its name, the beginning of its name as `token.*`, or `*`.
pub(crate) fn takes(pattern: &str, event: &str) -> bool {
    match pattern.strip_suffix('*') {
        Some("") => true,
        Some(prefix) => prefix.ends_with('.') && event.starts_with(prefix),
        None => pattern == event,
    }
}

fn wants(webhook: &WebhookRecord, event: &str) -> bool {
    webhook.disabled_at.is_none() && webhook.events.iter().any(|pattern| takes(pattern, event))
}

impl Node {
    /// The messages that tell of audit entries, for the unit of work that these are in.
    pub(super) fn messages_of(&self, audit: &[AuditDraft]) -> Vec<Write> {
        let mut groups: Vec<(ProjectId, &'static str, Vec<&AuditDraft>)> = Vec::new();
        for draft in audit {
            let (Some(project), Some(event)) = (draft.project, event_of(&draft.action)) else { continue };
            let is_empty = draft.count == 0 && event.starts_with("token.");
            if draft.outcome != AuditOutcome::Done || is_empty {
                continue;
            }
            match groups.iter_mut().find(|(known, name, _)| *known == project && *name == event) {
                Some((.., drafts)) => drafts.push(draft),
                None => groups.push((project, event, vec![draft])),
            }
        }
        groups.into_iter().flat_map(|(project, event, drafts)| self.messages(project, event, &drafts)).collect()
    }

    fn messages(&self, project: ProjectId, event: &'static str, drafts: &[&AuditDraft]) -> Vec<Write> {
        let Some(entry) = self.directory.project(project) else { return Vec::new() };
        if !is_wanted(&entry.read(), event) {
            return Vec::new();
        }
        let data = |draft: &AuditDraft| {
            let is_user = draft.action.starts_with("user.");
            Data {
                id: Some(draft.subject.clone()).filter(|_| !is_user),
                user_id: if is_user { Some(draft.subject.clone()) } else { user_of(&entry.read(), &draft.subject) },
                count: Some(draft.count).filter(|count| *count != 1),
                actor: Some(draft.actor.clone()),
                detail: draft.detail.clone(),
                request_id: draft.request_id.clone(),
                ..Data::default()
            }
        };
        let told: Vec<_> = match drafts {
            [first, .., _] if drafts.len() > SINGLE_MAX => {
                let ids = drafts.iter().map(|draft| draft.subject.clone()).collect();
                let count = drafts.iter().map(|draft| draft.count).sum();
                let one = Data { id: None, user_id: None, detail: None, ids, count: Some(count), ..data(first) };
                vec![(event, first.at, one)]
            }
            _ => drafts.iter().map(|draft| (event, draft.at, data(draft))).collect(),
        };
        self.queue(&entry, told)
    }

    /// The steps that put messages in line, for each endpoint that wants them. What finds no room is dropped, counted and an alert.
    pub(super) fn queue(&self, entry: &ProjectEntry, told: Vec<(&'static str, UnixMillis, Data)>) -> Vec<Write> {
        let (endpoints, mut waiting) = {
            let records = entry.read();
            let endpoints: Vec<_> = records.webhooks.iter().map(|(id, kept)| (*id, Arc::clone(&kept.record))).collect();
            (endpoints, records.deliveries.waiting())
        };
        let mut writes = Vec::new();
        for (event, at, data) in told {
            let mut body = None;
            for (webhook, _) in endpoints.iter().filter(|(_, record)| wants(record, event)) {
                // Alerts tell of a full line, too.
                let most = if event.starts_with("alert.") { DELIVERIES_MAX + ALERTS_ROOM } else { DELIVERIES_MAX };
                if waiting >= most {
                    self.counters.webhook_deliveries_dropped.add(1);
                    self.courier.overflowed(entry.project.id, self.now());
                    continue;
                }
                waiting += 1;
                let body = body.get_or_insert_with(|| message(entry.project.id, event, at, data.clone()));
                let to = (WebhookId::new(*webhook), line_of(event, &data));
                writes.push(self.new_delivery(entry, to, event, at, body.clone()).1);
            }
        }
        writes
    }

    /// A message to one endpoint, due at once, or when it is its turn in the line.
    pub(super) fn new_delivery(
        &self,
        entry: &ProjectEntry,
        (webhook, line): (WebhookId, Option<String>),
        event: &str,
        at: UnixMillis,
        body: String,
    ) -> (DeliveryId, Write) {
        let message = DeliveryId::new(self.next_number());
        let record = DeliveryRecord {
            webhook,
            message,
            event: event.to_owned(),
            body,
            line,
            created_at: at,
            queued_at: None,
            due_at: at,
            tries: 0,
            last_failure: None,
            delivered_at: None,
            given_up_at: None,
        };
        (message, self.insert(entry, RowKind::Delivery, message.get(), &record))
    }

    /// Tells endpoints of something that the server itself found, in units of its own.
    pub(super) async fn tell(&self, entry: &ProjectEntry, told: Vec<(&'static str, UnixMillis, Data)>) {
        let told: Vec<_> = {
            let records = entry.read();
            told.into_iter().filter(|(event, ..)| is_wanted(&records, event)).collect()
        };
        let mut writes = self.queue(entry, told);
        while !writes.is_empty() {
            let rest = writes.split_off(writes.len().min(UNIT_MAX));
            self.keep_messages(std::mem::replace(&mut writes, rest)).await;
        }
    }

    /// Commits messages that no change comes with; those that the store does not take are counted.
    pub(super) async fn keep_messages(&self, writes: Vec<Write>) {
        let count = writes.len() as u64;
        match self.commit(writes, Vec::new()).await {
            Ok(()) => self.courier.wake(),
            Err(error) => {
                self.counters.webhook_deliveries_dropped.add(count);
                tracing::warn!(%error, count, "messages to webhook endpoints could not be stored");
            }
        }
    }

    /// Writes down the connects and disconnects noted since the last time.
    pub async fn keep_moments(&self) {
        loop {
            let moments = self.directory.take_moments(MOMENTS_UNIT);
            for part in moments.chunk_by(|one, next| one.project == next.project) {
                let Some(entry) = part.first().and_then(|first| self.directory.project(first.project)) else {
                    continue;
                };
                let mut told = Vec::new();
                for moment in part {
                    let data = Data {
                        id: Some(moment.token.to_string()),
                        user_id: user_of_token(&entry.read(), moment.token),
                        connections: Some(moment.connections),
                        ..Data::default()
                    };
                    let (change, edge, at_edge) = match moment.kind {
                        MomentKind::Opened => ("connection.opened", "session.started", moment.connections == 1),
                        MomentKind::Closed => ("connection.closed", "session.ended", moment.connections == 0),
                    };
                    told.push((change, moment.at, data.clone()));
                    told.extend(at_edge.then_some((edge, moment.at, data)));
                }
                self.tell(&entry, told).await;
            }
            if moments.len() < MOMENTS_UNIT {
                return;
            }
        }
    }

    /// Tells endpoints which tokens expire soon, and which have. How far an endpoint was told is kept with it, in the unit of work of the
    /// messages: nothing is told twice by that, and what happened while no server ran is told afterwards.
    pub async fn tell_expiries(&self) {
        for entry in self.directory.projects() {
            let now = self.now();
            let endpoints: Vec<_> = entry.read().webhooks.iter().map(|(id, kept)| (*id, kept.clone())).collect();
            for (id, kept) in endpoints {
                let wanted = ["token.expiring", "token.expired"].map(|event| wants(&kept.record, event));
                if wanted == [false, false] {
                    continue;
                }
                let from = kept.record.told_until.unwrap_or(kept.record.created_at);
                let mut found = expiries(&entry.read(), from, now);
                found.retain(|(event, ..)| wanted[usize::from(*event == "token.expired")]);
                // What is beyond a unit comes next time: all of one moment together.
                found.sort_by_key(|(_, at, _)| *at);
                let until = match found.get(UNIT_MAX) {
                    Some((_, at, _)) if found.first().is_some_and(|(_, first, _)| first < at) => UnixMillis(at.0 - 1),
                    _ => now,
                };
                found.retain(|(_, at, _)| *at <= until);
                let room = DELIVERIES_MAX.saturating_sub(entry.read().deliveries.waiting());
                if found.is_empty() || found.len() > room {
                    continue;
                }
                let webhook = WebhookId::new(id);
                let mut writes: Vec<_> = found
                    .into_iter()
                    .map(|(event, at, data)| {
                        let body = message(entry.project.id, event, at, data);
                        self.new_delivery(&entry, (webhook, None), event, at, body).1
                    })
                    .collect();
                let record = WebhookRecord { told_until: Some(until), ..WebhookRecord::clone(&kept.record) };
                writes.push(self.update(&entry, RowKind::Webhook, id, kept.revision, &record));
                // Changed at the same moment: the next round finds the same.
                match self.commit(writes, Vec::new()).await {
                    Ok(()) => self.courier.wake(),
                    Err(StoreError::Conflict(_) | StoreError::NotFound(_)) => {}
                    Err(error) => tracing::warn!(%error, "a webhook endpoint could not be told which tokens expire"),
                }
            }
        }
    }
}

/// Tokens whose end, or the warning of it, falls after `from` and not after `now`.
fn expiries(records: &Records, from: UnixMillis, now: UnixMillis) -> Vec<(&'static str, UnixMillis, Data)> {
    let mut found = Vec::new();
    for (id, token) in records.tokens() {
        let Some(end) = token.expires_at else { continue };
        if token.revoked().is_some_and(|revoked| revoked.is_in_force(now)) {
            continue;
        }
        let life = end.0.saturating_sub(token.created_at.0);
        let warned = UnixMillis(end.0.saturating_sub((life / 10).min(EXPIRING_MS_MAX)));
        for (event, at) in [("token.expiring", warned), ("token.expired", end)] {
            // Told late, the warning says nothing any more.
            if from < at && at <= now && !(event == "token.expiring" && end <= now) {
                let data = Data {
                    id: Some(id.to_string()),
                    user_id: user_of_token(records, id),
                    expires_at: Some(end.to_string()),
                    ..Data::default()
                };
                found.push((event, at, data));
            }
        }
    }
    found
}

fn is_wanted(records: &Records, event: &str) -> bool {
    records.webhooks.values().any(|kept| wants(&kept.record, event))
}

/// The customer's id of the user whose token this is.
fn user_of(records: &Records, subject: &str) -> Option<String> {
    user_of_token(records, subject.parse().ok()?)
}

pub(super) fn user_of_token(records: &Records, token: TokenId) -> Option<String> {
    let user = records.token(token)?.user?;
    records.user(user).map(|entry| entry.kept.record.user_id.clone())
}

/// The body of a message, JSON text.
pub(super) fn message(project: ProjectId, event: &str, at: UnixMillis, data: Data) -> String {
    let data = Data { project_id: project.to_string(), ..data };
    let bytes = records::to_bytes(&Message { r#type: event, timestamp: at.to_string(), data });
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn patterns_take_names_families_or_everything() {
        for (pattern, event, expected) in [
            ("*", "token.created", true),
            ("token.*", "token.created", true),
            ("token.created", "token.created", true),
            ("token.", "token.created", false),
            ("token.c*", "token.created", false),
            ("tok*", "token.created", false),
            ("user.*", "token.created", false),
            ("token.create", "token.created", false),
        ] {
            assert_eq!(takes(pattern, event), expected, "{pattern} {event}");
        }
    }

    #[test]
    fn messages_say_what_there_is_and_no_more() {
        let data = Data { id: Some("tok_x".into()), ..Data::default() };
        let body = message(ProjectId::new(7), "token.created", UnixMillis(1_795_379_121_073), data);
        assert_eq!(
            body,
            r#"{"type":"token.created","timestamp":"2026-11-22T20:25:21Z","data":{"project_id":"project_Nw","id":"tok_x"}}"#
        );
    }
}
