//! Webhook endpoints and the messages sent to them. The secret is in the answer to a create or a rotation, and nowhere else.

use http::StatusCode;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use tollgate_core::credentials::WebhookSecret;
use tollgate_core::limits::WEBHOOK_GRACE_MS_DEFAULT;
use tollgate_core::{Error, ErrorKind, Result};
use tollgate_node::{DeliveryStatus, DeliveryView, NewWebhook, WebhookUpdate, WebhookView};

use super::{Page, Time};
use crate::answer::Answer;
use crate::call::Call;

#[derive(Serialize)]
struct Shown {
    id: String,
    url: String,
    events: Vec<String>,
    disabled: bool,
    disabled_at: Option<Time>,
    /// Why the server itself disabled it.
    disabled_for: Option<String>,
    failing_since: Option<Time>,
    previous_secret_until: Option<Time>,
    created_at: Time,
    #[serde(skip_serializing_if = "Option::is_none")]
    secret: Option<String>,
}

#[derive(Serialize)]
struct Message {
    id: String,
    event: String,
    status: &'static str,
    tries: u32,
    last_failure: Option<String>,
    created_at: Time,
    next_try_at: Option<Time>,
    delivered_at: Option<Time>,
    given_up_at: Option<Time>,
    /// The body, as it is sent.
    payload: Option<Box<RawValue>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Wanted {
    url: String,
    events: Vec<String>,
    #[serde(default)]
    disabled: bool,
}

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Changed {
    url: Option<String>,
    events: Option<Vec<String>>,
    disabled: Option<bool>,
}

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Rotation {
    grace_s: Option<u64>,
}

pub(crate) async fn list(call: &Call) -> Result<Answer> {
    let (limit, after) = call.paging()?;
    let all = call.node.webhooks(&call.caller)?;
    let after = |webhook: &WebhookView| after.is_none_or(|after| webhook.id.get() > after);
    let page = Page::cut(all.into_iter().filter(after).take(limit + 1).collect(), limit, |one| one.id.get());
    let data = page.data.iter().map(|webhook| show(webhook, None)).collect();
    Ok(Answer::json(StatusCode::OK, &Page { data, next_cursor: page.next_cursor }))
}

pub(crate) async fn create(call: &Call) -> Result<Answer> {
    let Wanted { url, events, disabled } = call.object()?;
    let (webhook, secret) = call.node.create_webhook(&call.caller, NewWebhook { url, events, disabled }).await?;
    Ok(Answer::json(StatusCode::CREATED, &show(&webhook, Some(&secret))))
}

pub(crate) async fn get(call: &Call) -> Result<Answer> {
    let webhook = call.node.webhook(&call.caller, call.id("webhook")?)?;
    Ok(Answer::json(StatusCode::OK, &show(&webhook, None)))
}

pub(crate) async fn change(call: &Call) -> Result<Answer> {
    let Changed { url, events, disabled } = call.object()?;
    let update = WebhookUpdate { url, events, disabled };
    let webhook = call.node.change_webhook(&call.caller, call.id("webhook")?, update).await?;
    Ok(Answer::json(StatusCode::OK, &show(&webhook, None)))
}

pub(crate) async fn delete(call: &Call) -> Result<Answer> {
    call.node.delete_webhook(&call.caller, call.id("webhook")?).await?;
    Ok(Answer::nothing())
}

pub(crate) async fn rotate(call: &Call) -> Result<Answer> {
    let rotation: Rotation = call.object()?;
    let grace_ms = rotation.grace_s.map_or(WEBHOOK_GRACE_MS_DEFAULT, |seconds| seconds.saturating_mul(1_000));
    let (webhook, secret) = call.node.rotate_webhook(&call.caller, call.id("webhook")?, grace_ms).await?;
    Ok(Answer::json(StatusCode::OK, &show(&webhook, Some(&secret))))
}

pub(crate) async fn test(call: &Call) -> Result<Answer> {
    let message = call.node.test_webhook(&call.caller, call.id("webhook")?).await?;
    Ok(Answer::json(StatusCode::ACCEPTED, &show_message(&message)))
}

pub(crate) async fn deliveries(call: &Call) -> Result<Answer> {
    let (limit, after) = call.paging()?;
    let status = match call.query().given("status")?.as_deref() {
        None => None,
        Some("waiting") => Some(DeliveryStatus::Waiting),
        Some("delivered") => Some(DeliveryStatus::Delivered),
        Some("failed") => Some(DeliveryStatus::Failed),
        Some(_) => {
            return Err(Error::new(
                ErrorKind::InvalidInput,
                "The query parameter `status` must be waiting, delivered or failed.",
            ));
        }
    };
    let found = call.node.deliveries(&call.caller, call.id("webhook")?, status, (after, limit + 1))?;
    let page = Page::cut(found, limit, |message| message.id.get());
    let data = page.data.iter().map(show_message).collect();
    Ok(Answer::json(StatusCode::OK, &Page { data, next_cursor: page.next_cursor }))
}

pub(crate) async fn replay(call: &Call) -> Result<Answer> {
    let message = call.node.replay_delivery(&call.caller, call.id("webhook")?, call.id("delivery")?).await?;
    Ok(Answer::json(StatusCode::ACCEPTED, &show_message(&message)))
}

fn show(webhook: &WebhookView, secret: Option<&WebhookSecret>) -> Shown {
    let record = &webhook.record;
    Shown {
        id: webhook.id.to_string(),
        url: record.url.clone(),
        events: record.events.clone(),
        disabled: record.disabled_at.is_some(),
        disabled_at: record.disabled_at.map(Time),
        disabled_for: record.disabled_for.clone(),
        failing_since: record.failing_since.map(Time),
        previous_secret_until: record.previous_secret.as_ref().map(|(_, until)| Time(*until)),
        created_at: Time(record.created_at),
        secret: secret.map(|secret| secret.expose().as_str().to_owned()),
    }
}

fn show_message(message: &DeliveryView) -> Message {
    let record = &message.record;
    Message {
        id: message.id.to_string(),
        event: record.event.clone(),
        status: message.status.word(),
        tries: record.tries,
        last_failure: record.last_failure.clone(),
        created_at: Time(record.created_at),
        next_try_at: (message.status == DeliveryStatus::Waiting).then_some(Time(record.due_at)),
        delivered_at: record.delivered_at.map(Time),
        given_up_at: record.given_up_at.map(Time),
        payload: RawValue::from_string(record.body.clone()).ok(),
    }
}
