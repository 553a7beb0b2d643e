//! Sending messages to webhook endpoints: at least once, with the same id in every try, again and again for a day. What is to be sent is on
//! disk before it is sent, and what came of it is written before the next try; whoever dies in between sends it once more.
//!
//! Endpoints do not wait for each other: each has a few tries under way at most, and one that fails has one.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use tollgate_core::authorize::{Action, Caller};
use tollgate_core::clock::UnixMillis;
use tollgate_core::credentials::{
    RowKind, WEBHOOK_ID_HEADER, WEBHOOK_SIGNATURE_HEADER, WEBHOOK_TIMESTAMP_HEADER, WebhookSecret, sign_webhook,
};
use tollgate_core::error::{Error, ErrorKind, Result};
use tollgate_core::histogram::Histogram;
use tollgate_core::ids::{DeliveryId, ProjectId, WebhookId};
use tollgate_core::limits::{DELIVERED_MAX, DELIVERY_KEPT_MS, DELIVERY_TIMEOUT_MS, DELIVERY_TRIED_MS};
use tollgate_core::ports::outbound::{Method, OutboundAnswer, OutboundCall, OutboundFailure};
use tollgate_core::ports::store::{RowName, StoreError, Write};
use tollgate_core::ports::trace::{Attribute, SpanKind};
use tollgate_core::records::{DeliveryRecord, WebhookRecord};

use super::traced::Later;
use super::webhooks::find;
use crate::Node;
use crate::directory::{Kept, ProjectEntry, Records, is_waiting};

/// Tries under way at once, to all endpoints.
const UNDER_WAY_MAX: usize = 256;
/// Tries under way at once to one endpoint.
const UNDER_WAY_PER_ENDPOINT_MAX: usize = 8;
/// How often it is looked for tries that are due, if nothing says so before.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// Every how many looks endpoints are told which tokens expire, and old messages are forgotten.
const MINUTE_OF_LOOKS: u64 = 60_000;
/// How long a try rests whose outcome the store did not take.
const STORE_REST: Duration = Duration::from_secs(1);
/// How long after each try the next is due, in seconds; the last goes on.
const BACK_OFF_S: &[u64] = &[5, 30, 120, 600, 1_800, 3_600, 10_800, 21_600];
/// By how much each is shortened or lengthened at most, in percent.
const JITTER_PERCENT: u64 = 20;
/// Messages forgotten in one unit of work.
const FORGET_UNIT: usize = 500;
/// Longest text kept of why a try failed, in bytes.
const FAILURE_BYTES_MAX: usize = 300;

/// Where a message stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeliveryStatus {
    /// It was not delivered yet.
    Waiting,
    /// The endpoint took it.
    Delivered,
    /// It was given up.
    Failed,
}

impl DeliveryStatus {
    /// The word for it.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Delivered => "delivered",
            Self::Failed => "failed",
        }
    }
}

/// A message to an endpoint.
#[derive(Clone, Debug)]
pub struct DeliveryView {
    /// Its id, as the receiver sees it.
    pub id: DeliveryId,
    /// Where it stands.
    pub status: DeliveryStatus,
    /// The record.
    pub record: Arc<DeliveryRecord>,
}

impl DeliveryView {
    fn of(id: u64, kept: &Kept<DeliveryRecord>) -> Self {
        let record = Arc::clone(&kept.record);
        let status = match (record.delivered_at, record.given_up_at) {
            (Some(_), _) => DeliveryStatus::Delivered,
            (None, Some(_)) => DeliveryStatus::Failed,
            (None, None) => DeliveryStatus::Waiting,
        };
        Self { id: DeliveryId::new(id), status, record }
    }
}

/// What is under way, and what wakes the sender.
#[derive(Debug, Default)]
pub(crate) struct Courier {
    wake: Notify,
    under_way: Mutex<HashSet<u64>>,
    /// Projects whose line was full, and when that was last so.
    overflows: Mutex<HashMap<ProjectId, UnixMillis>>,
    /// How long tries took, whatever came of them.
    pub(crate) tries: Histogram,
}

impl Courier {
    pub(crate) fn wake(&self) {
        self.wake.notify_one();
    }

    pub(crate) fn overflowed(&self, project: ProjectId, at: UnixMillis) {
        self.overflows.lock().unwrap_or_else(PoisonError::into_inner).insert(project, at);
    }

    /// When the line of the project was last full.
    pub(crate) fn overflowed_at(&self, project: ProjectId) -> Option<UnixMillis> {
        self.overflows.lock().unwrap_or_else(PoisonError::into_inner).get(&project).copied()
    }

    fn release(&self, id: u64) {
        self.under_way.lock().unwrap_or_else(PoisonError::into_inner).remove(&id);
    }
}

/// A message that is being sent. Its place is free again when this goes, however that comes.
struct Claim {
    node: Arc<Node>,
    entry: Arc<ProjectEntry>,
    id: u64,
}

impl Drop for Claim {
    fn drop(&mut self) {
        self.node.courier.release(self.id);
    }
}

/// What a try came to.
enum Tried {
    Taken,
    Refused { why: String, retry_after_s: Option<u64>, is_gone: bool },
}

impl Node {
    /// Sends until it is dropped; part of the upkeep.
    pub(super) async fn deliver_for_ever(self: Arc<Self>) {
        let mut under_way = JoinSet::new();
        let mut looked = None;
        loop {
            let now = self.clock.monotonic();
            if looked.is_none_or(|at| now.since(at) >= MINUTE_OF_LOOKS) {
                looked = Some(now);
                self.tell_expiries().await;
                self.forget_deliveries().await;
            }
            self.keep_moments().await;
            self.tell_presence().await;
            self.start_due(&mut under_way);
            tokio::select! {
                _told_or_not = timeout(LOOK_EVERY, self.courier.wake.notified()) => {}
                Some(ended) = under_way.join_next() => if ended.is_err() {
                    tracing::error!("sending a message to a webhook endpoint panicked; it is sent again");
                }
            }
        }
    }

    /// Sends what is due now, waits for what comes of it, and for what became due by that.
    pub async fn deliver_due(self: &Arc<Self>) {
        let mut under_way = JoinSet::new();
        loop {
            self.start_due(&mut under_way);
            if under_way.join_next().await.is_none() {
                return;
            }
        }
    }

    fn start_due(self: &Arc<Self>, under_way: &mut JoinSet<()>) {
        for entry in self.directory.projects() {
            for id in self.claim_due(&entry) {
                let claim = Claim { node: Arc::clone(self), entry: Arc::clone(&entry), id };
                under_way.spawn(async move { claim.node.deliver(&claim).await });
            }
        }
    }

    /// Messages of the project whose time has come and for which there is room. They are claimed by that.
    fn claim_due(&self, entry: &ProjectEntry) -> Vec<u64> {
        let (records, now) = (entry.read(), self.now());
        let mut under_way = self.courier.under_way.lock().unwrap_or_else(PoisonError::into_inner);
        let mut claimed = Vec::new();
        for (webhook, kept) in records.webhooks.iter().filter(|(_, kept)| kept.record.disabled_at.is_none()) {
            let most = if kept.record.failing_since.is_some() { 1 } else { UNDER_WAY_PER_ENDPOINT_MAX };
            let due = records.deliveries.due(WebhookId::new(*webhook)).take_while(|(at, _)| *at <= now);
            // Those under way stand first in the line: they were due earlier.
            for (_, id) in due.take(most) {
                if under_way.len() >= UNDER_WAY_MAX {
                    return claimed;
                }
                if under_way.insert(id) {
                    claimed.push(id);
                }
            }
        }
        claimed
    }

    async fn deliver(&self, claim: &Claim) {
        let found = {
            let records = claim.entry.read();
            let delivery = records.deliveries.table().get(&claim.id).map(|kept| Arc::clone(&kept.record));
            let webhook = delivery.as_ref().and_then(|delivery| records.webhooks.get(&delivery.webhook.get()));
            webhook.map(|kept| Arc::clone(&kept.record)).zip(delivery)
        };
        let Some((webhook, delivery)) = found else { return };
        let (begun_us, later) = (self.clock.micros(), self.begin_later(RowKind::Delivery, claim.id));
        let tried = self.send(&webhook, &delivery, later.as_ref()).await;
        self.courier.tries.observe(self.clock.micros().saturating_sub(begun_us));
        let told = vec![
            ("tollgate.message", Attribute::Text(delivery.message.to_string())),
            ("tollgate.try", Attribute::Number(u64::from(delivery.tries) + 1)),
        ];
        let failed = matches!(tried, Tried::Refused { .. });
        self.end_later(later, ("webhook.try", SpanKind::Client), told, failed);
        let counter = match &tried {
            Tried::Taken => &self.counters.webhook_deliveries,
            Tried::Refused { .. } => &self.counters.webhook_tries_failed,
        };
        counter.add(1);
        if let Err(error) = self.keep_outcome(&claim.entry, claim.id, delivery.webhook, &tried).await {
            tracing::warn!(%error, delivery = %delivery.message, "what came of a delivery could not be stored; it is sent again");
            sleep(STORE_REST).await;
        }
    }

    async fn send(&self, webhook: &WebhookRecord, delivery: &DeliveryRecord, later: Option<&Later>) -> Tried {
        let refused = |why: String| Tried::Refused { why, retry_after_s: None, is_gone: false };
        // Settings may be others than when it was registered; what its name resolves to is checked at the call.
        if let Err(failure) = self.outbound.check(&webhook.url) {
            return refused(failure.to_string());
        }
        let now = self.now();
        let Ok(secret) = WebhookSecret::parse(&webhook.secret) else {
            return refused("the endpoint's secret does not read; rotate it".into());
        };
        let previous = webhook.previous_secret.as_ref().filter(|(_, until)| now < *until);
        let previous = previous.and_then(|(text, _)| WebhookSecret::parse(text).ok());
        let (id, seconds) = (delivery.message.to_string(), now.0 / 1_000);
        let signature = sign_webhook(&secret, previous.as_ref(), &id, seconds, delivery.body.as_bytes());
        let headers = [
            ("content-type", "application/json".to_owned()),
            (WEBHOOK_ID_HEADER, id),
            (WEBHOOK_TIMESTAMP_HEADER, seconds.to_string()),
            (WEBHOOK_SIGNATURE_HEADER, signature),
        ];
        let call = OutboundCall {
            method: Method::Post,
            url: webhook.url.clone(),
            headers: headers
                .into_iter()
                .map(|(name, value)| (name.to_owned(), value))
                .chain(later.map(Later::header))
                .collect(),
            body: delivery.body.clone().into_bytes(),
            timeout_ms: DELIVERY_TIMEOUT_MS,
            answer_bytes_max: 0,
        };
        came_to(self.outbound.call(call).await)
    }

    /// Writes what a try came to.
    async fn keep_outcome(&self, entry: &ProjectEntry, id: u64, webhook: WebhookId, tried: &Tried) -> Result<()> {
        let jitter = self.jitter();
        let kept = self.change(&"webhook message", || {
            let now = self.now();
            let records = entry.read();
            // Deleted meanwhile, and its outcome with it.
            let (Some(kept), Ok(endpoint)) = (records.deliveries.table().get(&id), find(&records, webhook)) else {
                return Err(Error::new(ErrorKind::Gone, "The message or its endpoint is gone."));
            };
            let delivery = after(&kept.record, tried, now, jitter);
            let mut writes = vec![self.update(entry, RowKind::Delivery, id, kept.revision, &delivery)];
            let (mut audit, given_up, mut disabled) = (Vec::new(), delivery.given_up_at.is_some(), false);
            if let Some(changed) = endpoint_after(&endpoint.record, tried, now) {
                if let Some(why) = changed.disabled_for.as_ref().filter(|_| endpoint.record.disabled_at.is_none()) {
                    let mut draft = self.entry_of(&Caller::System, Some(entry.project.id), "webhook.disable", &webhook);
                    draft.detail = Some(why.clone());
                    audit.push(draft);
                    disabled = true;
                }
                writes.push(self.update(entry, RowKind::Webhook, webhook.get(), endpoint.revision, &changed));
            }
            Ok((writes, audit, (given_up, disabled)))
        });
        match kept.await {
            Ok((given_up, disabled)) => {
                self.counters.webhook_deliveries_given_up.add(u64::from(given_up));
                self.counters.webhooks_disabled.add(u64::from(disabled));
                Ok(())
            }
            Err(error) if error.kind == ErrorKind::Gone => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// 100 less or more [`JITTER_PERCENT`].
    fn jitter(&self) -> u64 {
        let mut byte = [0; 1];
        self.entropy.fill(&mut byte);
        100 - JITTER_PERCENT + u64::from(byte[0]) * 2 * JITTER_PERCENT / 255
    }

    /// Messages to an endpoint in order of their making, after `after`, at most `limit`.
    ///
    /// # Errors
    /// `forbidden`, `not_found`.
    pub fn deliveries(
        &self,
        caller: &Caller,
        webhook: WebhookId,
        status: Option<DeliveryStatus>,
        (after, limit): (Option<u64>, usize),
    ) -> Result<Vec<DeliveryView>> {
        let entry = self.authorize(caller, Action::SeeWebhooks)?;
        let records = entry.read();
        find(&records, webhook)?;
        let from = after.map_or(0, |after| after.saturating_add(1));
        let of = records.deliveries.table().range(from..).filter(|(_, kept)| kept.record.webhook == webhook);
        let views = of.map(|(id, kept)| DeliveryView::of(*id, kept));
        Ok(views.filter(|view| status.is_none_or(|status| view.status == status)).take(limit).collect())
    }

    /// The same, the latest first, before `before`.
    ///
    /// # Errors
    /// `forbidden`, `not_found`.
    pub fn latest_deliveries(
        &self,
        caller: &Caller,
        webhook: WebhookId,
        status: Option<DeliveryStatus>,
        before: Option<DeliveryId>,
        limit: usize,
    ) -> Result<Vec<DeliveryView>> {
        let entry = self.authorize(caller, Action::SeeWebhooks)?;
        let records = entry.read();
        find(&records, webhook)?;
        let all = records.deliveries.table().range(..before.map_or(u64::MAX, DeliveryId::get)).rev();
        let of = all.filter(|(_, kept)| kept.record.webhook == webhook);
        let views = of.map(|(id, kept)| DeliveryView::of(*id, kept));
        Ok(views.filter(|view| status.is_none_or(|status| view.status == status)).take(limit).collect())
    }

    /// Sends a message again, at once and under its id: one that was delivered or given up, or one that waits.
    ///
    /// # Errors
    /// `not_found`, `wrong_state` when the endpoint is disabled, `forbidden`, `unavailable`.
    pub async fn replay_delivery(
        &self,
        caller: &Caller,
        webhook: WebhookId,
        message: DeliveryId,
    ) -> Result<DeliveryView> {
        let entry = self.authorize(caller, Action::ManageKeys)?;
        if find(&entry.read(), webhook)?.record.disabled_at.is_some() {
            return Err(Error::new(ErrorKind::WrongState, "This webhook is disabled; enable it first."));
        }
        let mut audit = self.entry_of(caller, Some(entry.project.id), "webhook.replay", &webhook);
        audit.detail = Some(message.to_string());
        let now = self.now();
        let find = |records: &Records| kept_delivery(records, webhook, message);
        let row = (RowKind::Delivery, message.get());
        self.change_kept(&entry, row, audit, find, |record| {
            (record.delivered_at, record.given_up_at) = (None, None);
            (record.queued_at, record.due_at, record.tries) = (Some(now), now, 0);
            Ok(())
        })
        .await?;
        self.courier.wake();
        self.delivery_within(&entry, webhook, message)
    }

    pub(super) fn delivery_within(
        &self,
        entry: &ProjectEntry,
        webhook: WebhookId,
        message: DeliveryId,
    ) -> Result<DeliveryView> {
        kept_delivery(&entry.read(), webhook, message).map(|kept| DeliveryView::of(message.get(), &kept))
    }

    /// Forgets messages that are over: delivered ones after a day or when there are many, given up ones after three days, all of endpoints that
    /// are gone. Gives up those that have waited too long for a disabled endpoint.
    pub async fn forget_deliveries(&self) {
        for entry in self.directory.projects() {
            let (forgotten, late) = self.old_deliveries(&entry);
            for part in forgotten.chunks(FORGET_UNIT) {
                let name = |id: &u64| RowName { kind: RowKind::Delivery, project: entry.project.id, id: *id };
                let writes = part.iter().map(|id| Write::Delete(name(id))).collect();
                report(self.commit(writes, Vec::new()).await);
            }
            for part in late.chunks(FORGET_UNIT) {
                self.counters.webhook_deliveries_given_up.add(part.len() as u64);
                let give_up = |(id, kept): &(u64, Kept<DeliveryRecord>)| {
                    let record = DeliveryRecord {
                        given_up_at: Some(self.now()),
                        last_failure: Some("the endpoint is disabled".into()),
                        ..DeliveryRecord::clone(&kept.record)
                    };
                    self.update(&entry, RowKind::Delivery, *id, kept.revision, &record)
                };
                report(self.commit(part.iter().map(give_up).collect(), Vec::new()).await);
            }
        }
    }

    fn old_deliveries(&self, entry: &ProjectEntry) -> (Vec<u64>, Vec<(u64, Kept<DeliveryRecord>)>) {
        let (now, records) = (self.now(), entry.read());
        let is_over = |at: UnixMillis, ms: u64| at.plus(ms) <= now;
        let (mut forgotten, mut late) = (Vec::new(), Vec::new());
        let mut delivered: HashMap<WebhookId, usize> = HashMap::new();
        // The newest first: those are the ones to keep.
        for (id, kept) in records.deliveries.table().iter().rev() {
            let record = &kept.record;
            let webhook = records.webhooks.get(&record.webhook.get());
            let is_old = match (record.delivered_at, record.given_up_at) {
                _ if webhook.is_none() => true,
                (Some(at), _) => {
                    let count = delivered.entry(record.webhook).or_default();
                    *count += 1;
                    *count > DELIVERED_MAX || is_over(at, DELIVERY_TRIED_MS)
                }
                (None, Some(at)) => is_over(at, DELIVERY_KEPT_MS),
                (None, None) => false,
            };
            let is_disabled = webhook.is_some_and(|webhook| webhook.record.disabled_at.is_some());
            if is_old {
                forgotten.push(*id);
            } else if is_disabled && is_waiting(record) && is_over(since(record), DELIVERY_TRIED_MS) {
                late.push((*id, kept.clone()));
            }
        }
        (forgotten, late)
    }
}

fn report(result: std::result::Result<(), StoreError>) {
    match result {
        // Changed at the same moment: the next round finds it.
        Ok(()) | Err(StoreError::NotFound(_) | StoreError::Conflict(_)) => {}
        Err(error) => tracing::warn!(%error, "old messages to webhook endpoints could not be forgotten"),
    }
}

fn kept_delivery(records: &Records, webhook: WebhookId, message: DeliveryId) -> Result<Kept<DeliveryRecord>> {
    let kept = records.deliveries.table().get(&message.get()).filter(|kept| kept.record.webhook == webhook);
    kept.cloned().ok_or_else(|| Error::not_found("message of this webhook", &message))
}

fn came_to(answer: std::result::Result<OutboundAnswer, OutboundFailure>) -> Tried {
    let mut tried = match answer {
        Ok(OutboundAnswer { status: 200..=299, .. }) => return Tried::Taken,
        Ok(OutboundAnswer { status, retry_after_s, .. }) => {
            (format!("the endpoint answered {status}"), retry_after_s, status == 410)
        }
        Err(failure) => (failure.to_string(), None, false),
    };
    let cut = tried.0.floor_char_boundary(FAILURE_BYTES_MAX);
    tried.0.truncate(cut);
    let (why, retry_after_s, is_gone) = tried;
    Tried::Refused { why, retry_after_s, is_gone }
}

/// From when the time counts after which a message is given up.
fn since(record: &DeliveryRecord) -> UnixMillis {
    record.queued_at.unwrap_or(record.created_at)
}

/// The message after a try.
fn after(before: &DeliveryRecord, tried: &Tried, now: UnixMillis, jitter_percent: u64) -> DeliveryRecord {
    let mut record = DeliveryRecord { tries: before.tries + 1, ..before.clone() };
    match tried {
        Tried::Taken => (record.delivered_at, record.last_failure) = (Some(now), None),
        Tried::Refused { why, retry_after_s, .. } => {
            let place = (before.tries as usize).min(BACK_OFF_S.len() - 1);
            let pause_ms = BACK_OFF_S[place] * 10 * jitter_percent;
            let asked_ms = retry_after_s.map_or(0, |seconds| seconds.saturating_mul(1_000).min(DELIVERY_TRIED_MS));
            record.due_at = now.plus(pause_ms.max(asked_ms));
            record.last_failure = Some(why.clone());
            if record.due_at > since(before).plus(DELIVERY_TRIED_MS) {
                record.given_up_at = Some(now);
            }
        }
    }
    record
}

/// The endpoint after a try, if that changes it.
fn endpoint_after(before: &WebhookRecord, tried: &Tried, now: UnixMillis) -> Option<WebhookRecord> {
    let mut record = before.clone();
    match tried {
        Tried::Taken => record.failing_since = None,
        Tried::Refused { why, is_gone, .. } => {
            let failing_since = *record.failing_since.get_or_insert(now);
            let for_long = failing_since.plus(DELIVERY_TRIED_MS) <= now;
            if record.disabled_at.is_none() && (*is_gone || for_long) {
                record.disabled_at = Some(now);
                let since =
                    if *is_gone { String::new() } else { format!("nothing was delivered since {failing_since}; ") };
                record.disabled_for = Some(format!("{since}{why}"));
            }
        }
    }
    (record != *before).then_some(record)
}
