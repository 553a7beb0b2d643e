//! A project's own settings: those that people change now and then as a form, the rest to look at. No secret is shown.

use askama::Template;
use http::StatusCode;
use tollgate_core::records::SettingsRecord;
use tollgate_core::{Error, ErrorKind, Result};

use crate::answer::Answer;
use crate::form::{Form, Typed};
use crate::frame::Frame;
use crate::refused;
use crate::visit::Visit;
use crate::words;

const DAY_MS: u64 = 86_400_000;

#[derive(Template)]
#[template(path = "settings.html")]
struct Page {
    frame: Frame,
    typed: Typed,
    facts: Vec<(&'static str, String)>,
}

fn facts(settings: &SettingsRecord) -> Vec<(&'static str, String)> {
    let span = |ms: Option<u64>| ms.map_or_else(|| "the server’s default".to_owned(), words::span);
    let hook = settings.hook.as_ref().map(|hook| words::cut(&hook.url, 200));
    let mailbox = settings.mailbox.as_ref().map(|kept| format!("{} messages, {}", kept.size, words::span(kept.ttl_ms)));
    vec![
        ("Access hook", hook.unwrap_or_else(|| "none".to_owned())),
        ("Mailboxes", mailbox.unwrap_or_else(|| "off".to_owned())),
        ("Sessions last", span(settings.session_life_ms)),
        ("User tokens last", span(settings.user_token_life_ms)),
        ("Access tokens last at most", span(settings.access_token_life_ms)),
        ("Auth tokens last", span(settings.auth_token_life_ms)),
        ("Ended tokens are kept", span(settings.ended_token_life_ms)),
        ("Signs with", settings.signing_algorithm.clone().unwrap_or_else(|| "ES256".to_owned())),
    ]
}

fn form_of(settings: &SettingsRecord) -> Form {
    let mut form = Form::default().with("allowed_origins", settings.allowed_origins.join("\n"));
    for (name, is_on) in [
        ("secure_mode", settings.secure_mode),
        ("auth_tokens_reusable", settings.auth_tokens_reusable),
        ("strict_devices", settings.strict_devices),
        ("strict_bodies", settings.strict_bodies),
    ] {
        form = form.with(name, if is_on { "on" } else { "" });
    }
    let days = settings.audit_life_ms.map(|ms| ms.div_ceil(DAY_MS).to_string());
    form.with("audit_days", days.unwrap_or_default())
}

/// `GET …/settings`.
pub(crate) async fn show(visit: &Visit) -> Result<Answer> {
    let settings = visit.node().settings(&visit.caller)?;
    page(visit, &settings, StatusCode::OK, Typed::new(form_of(&settings)))
}

fn page(visit: &Visit, settings: &SettingsRecord, status: StatusCode, typed: Typed) -> Result<Answer> {
    Answer::page_as(status, &Page { frame: visit.frame("settings"), typed, facts: facts(settings) })
}

/// `POST …/settings`.
pub(crate) async fn save(visit: &Visit) -> Result<Answer> {
    let form = &visit.form;
    let origins: Vec<String> = form.value("allowed_origins").split_whitespace().map(str::to_owned).collect();
    let days = form.filled("audit_days").map(|days| {
        days.parse::<u64>().ok().filter(|days| (1..=36_500).contains(days)).ok_or_else(|| {
            Error::new(ErrorKind::InvalidInput, "Write a number of days between 1 and 36,500, or nothing to keep all.")
        })
    });
    let outcome = match days.transpose() {
        Err(error) => Err(("audit_days", error)),
        Ok(days) => {
            let edit = |settings: &mut SettingsRecord| {
                settings.allowed_origins.clone_from(&origins);
                settings.secure_mode = form.is_on("secure_mode");
                settings.auth_tokens_reusable = form.is_on("auth_tokens_reusable");
                settings.strict_devices = form.is_on("strict_devices");
                settings.strict_bodies = form.is_on("strict_bodies");
                // A part of a day that was set elsewhere stays.
                if settings.audit_life_ms.map(|ms| ms.div_ceil(DAY_MS)) != days {
                    settings.audit_life_ms = days.map(|days| days * DAY_MS);
                }
                Ok(())
            };
            let field = |error: Error| (if error.detail.contains("origin") { "allowed_origins" } else { "" }, error);
            visit.node().change_settings(&visit.caller, &edit).await.map_err(field)
        }
    };
    match outcome {
        Ok(_) => Ok(Answer::see(&visit.at("/settings?done=saved"))),
        Err((field, error)) => {
            let settings = visit.node().settings(&visit.caller)?;
            let typed = Typed::new(form.clone()).wrong_at(field, &error);
            page(visit, &settings, refused::status(error.kind), typed)
        }
    }
}
