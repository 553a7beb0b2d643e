//! Webhook endpoints of a project: where they are, what they want to be told, and the secret that signs for them. Sending is
//! [`super::deliveries`]'s.

use std::sync::Arc;

use tollgate_core::authorize::{Action, Caller};
use tollgate_core::credentials::{RowKind, WebhookSecret};
use tollgate_core::error::{Error, ErrorKind, Result};
use tollgate_core::ids::WebhookId;
use tollgate_core::limits::{DELIVERIES_MAX, GRACE_MS_MAX, ISSUERS_MAX, WEBHOOK_EVENTS_MAX};
use tollgate_core::ports::store::{RowName, Write};
use tollgate_core::records::WebhookRecord;

use super::deliveries::DeliveryView;
use super::events::{self, Data, EVENTS, takes};
use super::refusal;
use crate::Node;
use crate::directory::{Kept, ProjectEntry, Records};

/// An endpoint to register.
#[derive(Clone, Debug, Default)]
pub struct NewWebhook {
    /// Where to: an address that may be called.
    pub url: String,
    /// Which events: names, `family.*`, or `*`.
    pub events: Vec<String>,
    /// Registered, but told of nothing yet.
    pub disabled: bool,
}

/// What to change of an endpoint; `None` leaves as it is.
#[derive(Clone, Debug, Default)]
pub struct WebhookUpdate {
    /// Where to.
    pub url: Option<String>,
    /// Which events.
    pub events: Option<Vec<String>>,
    /// Whether it is told of anything.
    pub disabled: Option<bool>,
}

/// An endpoint.
#[derive(Clone, Debug)]
pub struct WebhookView {
    /// Its id.
    pub id: WebhookId,
    /// The record. Its secrets are for nobody's eyes.
    pub record: Arc<WebhookRecord>,
}

impl Node {
    /// The endpoints of the caller's project, oldest first.
    ///
    /// # Errors
    /// `forbidden`.
    pub fn webhooks(&self, caller: &Caller) -> Result<Vec<WebhookView>> {
        let entry = self.authorize(caller, Action::SeeWebhooks)?;
        let records = entry.read();
        let view = |(id, kept): (&u64, &Kept<WebhookRecord>)| WebhookView {
            id: WebhookId::new(*id),
            record: Arc::clone(&kept.record),
        };
        Ok(records.webhooks.iter().map(view).collect())
    }

    /// One endpoint.
    ///
    /// # Errors
    /// `forbidden`, `not_found`.
    pub fn webhook(&self, caller: &Caller, id: WebhookId) -> Result<WebhookView> {
        let entry = self.authorize(caller, Action::SeeWebhooks)?;
        let record = find(&entry.read(), id)?.record;
        Ok(WebhookView { id, record })
    }

    /// Registers an endpoint; answers its secret, this once.
    ///
    /// # Errors
    /// `forbidden`, `invalid_input` for an address that may not be called or an event that does not exist, `limit_reached`, `unavailable`.
    pub async fn create_webhook(&self, caller: &Caller, new: NewWebhook) -> Result<(WebhookView, WebhookSecret)> {
        let entry = self.authorize(caller, Action::ManageKeys)?;
        self.check_webhook(Some(&new.url), Some(&new.events))?;
        if entry.read().webhooks.len() >= ISSUERS_MAX {
            return Err(Error::new(
                ErrorKind::LimitReached,
                format!("A project has at most {ISSUERS_MAX} webhook endpoints; delete one first."),
            ));
        }
        let (id, now) = (WebhookId::new(self.next_number()), self.now());
        let secret = WebhookSecret::generate(self.entropy.as_ref());
        let record = WebhookRecord {
            url: new.url,
            events: new.events,
            secret: secret.expose().to_string(),
            previous_secret: None,
            created_at: now,
            disabled_at: new.disabled.then_some(now),
            disabled_for: None,
            failing_since: None,
            told_until: None,
        };
        let audit = self.entry_of(caller, Some(entry.project.id), "webhook.create", &id);
        let write = self.insert(&entry, RowKind::Webhook, id.get(), &record);
        self.commit(vec![write], vec![audit]).await.map_err(|error| refusal(error, &id))?;
        Ok((WebhookView { id, record: Arc::new(record) }, secret))
    }

    /// Changes where an endpoint is, what it wants, or whether it is told of anything. Enabled again it begins anew: messages that wait are
    /// tried, and its failures before are forgotten.
    ///
    /// # Errors
    /// As [`Node::create_webhook`], and `not_found`.
    pub async fn change_webhook(&self, caller: &Caller, id: WebhookId, update: WebhookUpdate) -> Result<WebhookView> {
        let entry = self.authorize(caller, Action::ManageKeys)?;
        self.check_webhook(update.url.as_deref(), update.events.as_deref())?;
        let now = self.now();
        let record = self
            .change_webhook_record(caller, &entry, id, "webhook.change", |record| {
                if let Some(url) = &update.url {
                    record.url.clone_from(url);
                }
                if let Some(events) = &update.events {
                    record.events.clone_from(events);
                }
                match update.disabled {
                    Some(true) => record.disabled_at = record.disabled_at.or(Some(now)),
                    Some(false) if record.disabled_at.is_some() => {
                        (record.disabled_at, record.disabled_for, record.failing_since) = (None, None, None);
                        // Tokens that expired meanwhile are no news.
                        record.told_until = Some(now);
                    }
                    Some(false) | None => {}
                }
                Ok(())
            })
            .await?;
        self.courier.wake();
        Ok(WebhookView { id, record: Arc::new(record) })
    }

    /// Draws a new secret, answered this once. The one before signs, too, until the grace ends.
    ///
    /// # Errors
    /// `not_found`, `invalid_input` for the grace, `forbidden`, `unavailable`.
    pub async fn rotate_webhook(
        &self,
        caller: &Caller,
        id: WebhookId,
        grace_ms: u64,
    ) -> Result<(WebhookView, WebhookSecret)> {
        let entry = self.authorize(caller, Action::ManageKeys)?;
        if grace_ms > GRACE_MS_MAX {
            return Err(Error::new(
                ErrorKind::InvalidInput,
                format!("`grace_s` is at most {} seconds (seven days).", GRACE_MS_MAX / 1_000),
            ));
        }
        let until = self.now().plus(grace_ms);
        let secret = WebhookSecret::generate(self.entropy.as_ref());
        let record = self
            .change_webhook_record(caller, &entry, id, "webhook.rotate", |record| {
                let old = std::mem::replace(&mut record.secret, secret.expose().to_string());
                record.previous_secret = (grace_ms > 0).then_some((old, until));
                Ok(())
            })
            .await?;
        Ok((WebhookView { id, record: Arc::new(record) }, secret))
    }

    /// Deletes an endpoint. Messages that wait for it are not sent any more, and are forgotten soon.
    ///
    /// # Errors
    /// `not_found`, `forbidden`, `unavailable`.
    pub async fn delete_webhook(&self, caller: &Caller, id: WebhookId) -> Result<()> {
        let entry = self.authorize(caller, Action::ManageKeys)?;
        find(&entry.read(), id)?;
        let audit = self.entry_of(caller, Some(entry.project.id), "webhook.delete", &id);
        let name = RowName { kind: RowKind::Webhook, project: entry.project.id, id: id.get() };
        self.commit(vec![Write::Delete(name)], vec![audit]).await.map_err(|error| refusal(error, &id))
    }

    /// Puts a message `webhook.test` in line for one endpoint, whatever events it wants.
    ///
    /// # Errors
    /// `not_found`, `wrong_state` for an endpoint that is disabled, `limit_reached`, `forbidden`, `unavailable`.
    pub async fn test_webhook(&self, caller: &Caller, id: WebhookId) -> Result<DeliveryView> {
        let entry = self.authorize(caller, Action::ManageKeys)?;
        if find(&entry.read(), id)?.record.disabled_at.is_some() {
            return Err(Error::new(ErrorKind::WrongState, "This webhook is disabled; enable it first."));
        }
        if entry.read().deliveries.waiting() >= DELIVERIES_MAX {
            return Err(Error::new(
                ErrorKind::LimitReached,
                format!("{DELIVERIES_MAX} messages wait already; look why endpoints do not take them."),
            ));
        }
        let (event, now) = ("webhook.test", self.now());
        let data = Data { id: Some(id.to_string()), ..Data::default() };
        let body = events::message(entry.project.id, event, now, data);
        let (message, write) = self.new_delivery(&entry, (id, None), event, now, body);
        let audit = self.entry_of(caller, Some(entry.project.id), "webhook.test", &id);
        self.commit(vec![write], vec![audit]).await.map_err(|error| refusal(error, &id))?;
        self.courier.wake();
        self.delivery_within(&entry, id, message)
    }

    async fn change_webhook_record(
        &self,
        caller: &Caller,
        entry: &ProjectEntry,
        id: WebhookId,
        action: &str,
        edit: impl Fn(&mut WebhookRecord) -> Result<()>,
    ) -> Result<WebhookRecord> {
        let audit = self.entry_of(caller, Some(entry.project.id), action, &id);
        self.change_kept(entry, (RowKind::Webhook, id.get()), audit, |records| find(records, id), edit).await
    }

    fn check_webhook(&self, url: Option<&str>, wanted: Option<&[String]>) -> Result<()> {
        let refuse = |text: String| Err(Error::new(ErrorKind::InvalidInput, text));
        if let Some(Err(error)) = url.map(|url| self.outbound.check(url)) {
            return refuse(format!("`url`: {error}."));
        }
        let Some(wanted) = wanted else { return Ok(()) };
        if wanted.is_empty() || wanted.len() > WEBHOOK_EVENTS_MAX {
            return refuse(format!(
                "`events` names 1 to {WEBHOOK_EVENTS_MAX} events, like [\"token.*\", \"alert.raised\"]."
            ));
        }
        match wanted.iter().find(|pattern| !EVENTS.iter().any(|event| takes(pattern, event))) {
            Some(unknown) => {
                let unknown: String = unknown.chars().take(64).collect();
                refuse(format!(
                    "`events`: there is no event {unknown:?}; there are {}, and `family.*` and `*`.",
                    EVENTS.join(", ")
                ))
            }
            None => Ok(()),
        }
    }
}

pub(super) fn find(records: &Records, id: WebhookId) -> Result<Kept<WebhookRecord>> {
    records.webhooks.get(&id.get()).cloned().ok_or_else(|| Error::not_found("webhook", &id))
}
