//! Webhook endpoints: the list, making one, and an endpoint's own page with what became of its messages.

use askama::Template;
use http::StatusCode;
use tollgate_core::ids::{DeliveryId, WebhookId};
use tollgate_core::limits::WEBHOOK_GRACE_MS_DEFAULT;
use tollgate_core::{Error, ErrorKind, Result};
use tollgate_node::{DeliveryStatus, DeliveryView, NewWebhook, WebhookUpdate, WebhookView};

use super::once::{self, Once};
use super::sure::{self, Sure};
use crate::answer::Answer;
use crate::form::{Form, Typed};
use crate::frame::Frame;
use crate::visit::{Visit, no_such};
use crate::words::{self, Moment};
use crate::{json_text, refused};

const PAGE: usize = 50;

#[derive(Template)]
#[template(path = "webhooks.html")]
struct Webhooks {
    frame: Frame,
    typed: Typed,
    rows: Vec<Row>,
}

#[derive(Template)]
#[template(path = "webhook.html")]
struct Page {
    frame: Frame,
    typed: Typed,
    row: Row,
    deliveries: Vec<Delivery>,
    statuses: [(&'static str, bool); 3],
    is_first: bool,
    next: Option<String>,
}

struct Row {
    id: String,
    path: String,
    url: String,
    events: String,
    status: &'static str,
    look: &'static str,
    why: String,
    is_disabled: bool,
    made: Moment,
}

struct Delivery {
    id: String,
    event: String,
    status: &'static str,
    look: &'static str,
    tries: u32,
    failure: String,
    at: Moment,
    body: String,
}

fn row(visit: &Visit, one: &WebhookView) -> Row {
    let (record, now) = (&one.record, visit.now());
    let (status, look) = match (record.disabled_at, record.failing_since) {
        (Some(_), _) => ("disabled", "bad"),
        (None, Some(_)) => ("failing", "bad"),
        (None, None) => ("works", "good"),
    };
    let failing = record.failing_since.map(|at| format!("since {}", words::moment(at, now).said));
    Row {
        id: one.id.to_string(),
        path: visit.at(&format!("/webhooks/{}", one.id)),
        url: words::cut(&record.url, 120),
        events: words::cut(&record.events.join(", "), 200),
        status,
        look,
        why: record.disabled_for.clone().or(failing).unwrap_or_default(),
        is_disabled: record.disabled_at.is_some(),
        made: words::moment(record.created_at, now),
    }
}

fn delivery(visit: &Visit, one: &DeliveryView) -> Delivery {
    let look = match one.status {
        DeliveryStatus::Waiting => "warn",
        DeliveryStatus::Delivered => "good",
        DeliveryStatus::Failed => "bad",
    };
    let record = &one.record;
    Delivery {
        id: one.id.to_string(),
        event: record.event.clone(),
        status: one.status.word(),
        look,
        tries: record.tries,
        failure: record.last_failure.as_deref().map(|why| words::cut(why, 200)).unwrap_or_default(),
        at: words::moment(record.created_at, visit.now()),
        body: words::cut(&json_text::indented(&record.body), 4_000),
    }
}

/// `GET …/webhooks`.
pub(crate) async fn list(visit: &Visit) -> Result<Answer> {
    list_page(visit, StatusCode::OK, Typed::new(Form::default().with("events", "*")))
}

fn list_page(visit: &Visit, status: StatusCode, typed: Typed) -> Result<Answer> {
    let all = visit.node().webhooks(&visit.caller)?;
    let page =
        Webhooks { frame: visit.frame("webhooks"), typed, rows: all.iter().map(|one| row(visit, one)).collect() };
    Answer::page_as(status, &page)
}

fn events(text: &str) -> Vec<String> {
    text.split([',', '\n', ' ']).map(str::trim).filter(|one| !one.is_empty()).map(str::to_owned).collect()
}

fn field_of(error: &Error) -> &'static str {
    let named = |word: &str| error.kind == ErrorKind::InvalidInput && error.detail.contains(word);
    if named("event") {
        "events"
    } else if named("url") || named("address") {
        "url"
    } else {
        ""
    }
}

/// `POST …/webhooks`: registers one.
pub(crate) async fn create(visit: &Visit) -> Result<Answer> {
    let form = &visit.form;
    let new =
        NewWebhook { url: form.value("url").trim().to_owned(), events: events(form.value("events")), disabled: false };
    match visit.node().create_webhook(&visit.caller, new).await {
        Ok((view, secret)) => made(visit, &view, secret.expose().to_string()),
        Err(error) => {
            let typed = Typed::new(form.clone()).wrong_at(field_of(&error), &error);
            list_page(visit, refused::status(error.kind), typed)
        }
    }
}

fn made(visit: &Visit, view: &WebhookView, secret: String) -> Result<Answer> {
    once::page(&Once {
        frame: visit.frame("webhooks"),
        heading: "The endpoint’s secret",
        back: ("Webhooks", visit.at("/webhooks")),
        said: "Your endpoint checks by it that a message is from here. Nobody can read it later, not even here."
            .to_owned(),
        secret,
        facts: vec![("Endpoint", view.record.url.clone()), ("Id", view.id.to_string())],
    })
}

fn named(visit: &Visit) -> Result<WebhookView> {
    let id: WebhookId = visit.param("webhook").parse().map_err(|_| no_such("webhook"))?;
    visit.node().webhook(&visit.caller, id)
}

/// `GET …/webhooks/:webhook`.
pub(crate) async fn show(visit: &Visit) -> Result<Answer> {
    let view = named(visit)?;
    let form = Form::default().with("url", view.record.url.clone()).with("events", view.record.events.join(", "));
    page(visit, &view, StatusCode::OK, Typed::new(form))
}

fn page(visit: &Visit, view: &WebhookView, status: StatusCode, typed: Typed) -> Result<Answer> {
    let word = visit.query.value("status");
    let all = [DeliveryStatus::Waiting, DeliveryStatus::Delivered, DeliveryStatus::Failed];
    let wanted = all.into_iter().find(|one| one.word() == word);
    let before = visit.query.filled("before").and_then(|text| text.parse::<DeliveryId>().ok());
    let mut found = visit.node().latest_deliveries(&visit.caller, view.id, wanted, before, PAGE + 1)?;
    let more = found.len() > PAGE;
    found.truncate(PAGE);
    let row = row(visit, view);
    let next = found.last().filter(|_| more).map(|last| format!("{}?status={word}&before={}", row.path, last.id));
    let page = Page {
        frame: visit.frame("webhooks"),
        typed,
        deliveries: found.iter().map(|one| delivery(visit, one)).collect(),
        statuses: all.map(|one| (one.word(), Some(one) == wanted)),
        is_first: before.is_none(),
        next: next.filter(|_| wanted.is_some() || word.is_empty()),
        row,
    };
    Answer::page_as(status, &page)
}

/// `POST …/webhooks/:webhook`: what its button `act` says.
pub(crate) async fn change(visit: &Visit) -> Result<Answer> {
    let view = named(visit)?;
    let (node, caller, form) = (visit.node(), &visit.caller, &visit.form);
    let update = |update| node.change_webhook(caller, view.id, update);
    let switch = |disabled| update(WebhookUpdate { disabled: Some(disabled), ..WebhookUpdate::default() });
    let done = match form.value("act") {
        "save" => {
            let changed = WebhookUpdate {
                url: Some(form.value("url").trim().to_owned()),
                events: Some(events(form.value("events"))),
                disabled: None,
            };
            update(changed).await.map(|_| "saved")
        }
        "disable" => switch(true).await.map(|_| "disabled"),
        "enable" => switch(false).await.map(|_| "enabled"),
        "test" => node.test_webhook(caller, view.id).await.map(|_| "tested"),
        "rotate" => match node.rotate_webhook(caller, view.id, WEBHOOK_GRACE_MS_DEFAULT).await {
            Ok((view, secret)) => return made(visit, &view, secret.expose().to_string()),
            Err(error) => Err(error),
        },
        "replay" => match form.value("message").parse::<DeliveryId>() {
            Ok(message) => node.replay_delivery(caller, view.id, message).await.map(|_| "sent"),
            Err(error) => Err(error),
        },
        _ => Err(Error::new(ErrorKind::InvalidInput, "This form does not say what to do.")),
    };
    match done {
        Ok(word) => Ok(Answer::see(&visit.at(&format!("/webhooks/{}?done={word}", view.id)))),
        Err(error) => {
            let typed = Typed::new(form.clone()).wrong_at(field_of(&error), &error);
            page(visit, &view, refused::status(error.kind), typed)
        }
    }
}

fn sure(visit: &Visit, view: &WebhookView) -> Result<Sure> {
    let waiting = Some(DeliveryStatus::Waiting);
    let waiting = visit.node().latest_deliveries(&visit.caller, view.id, waiting, None, PAGE + 1)?.len();
    let row = row(visit, view);
    Ok(Sure {
        here: "webhooks",
        heading: "Delete an endpoint",
        list: ("Webhooks", visit.at("/webhooks")),
        says: vec![
            match waiting {
                0 => "No message waits for it.".to_owned(),
                1 => "1 message that waits for it is dropped.".to_owned(),
                _ if waiting > PAGE => format!("More than {PAGE} messages that wait for it are dropped."),
                _ => format!("{waiting} messages that wait for it are dropped."),
            },
            format!("It is told of nothing more. It was told of: {}", row.events),
            "Its secret and the list of its messages go, too. This cannot be taken back; to stop it for a while, disable it.".to_owned(),
        ],
        action: format!("{}/delete", row.path),
        subject: row.url,
        keep: row.path,
        buttons: vec![("delete", "Delete it now")],
        asks: false,
    })
}

/// `GET …/webhooks/:webhook/delete`.
pub(crate) async fn about_to_delete(visit: &Visit) -> Result<Answer> {
    sure::page(visit, sure(visit, &named(visit)?)?, None)
}

/// `POST …/webhooks/:webhook/delete`.
pub(crate) async fn delete(visit: &Visit) -> Result<Answer> {
    let view = named(visit)?;
    match visit.node().delete_webhook(&visit.caller, view.id).await {
        Ok(()) => Ok(Answer::see(&visit.at("/webhooks?done=deleted"))),
        Err(error) => sure::page(visit, sure(visit, &view)?, Some(("", &error))),
    }
}
