//! Issuers whose JWTs are believed: registering one, its own page, its end, and trying whether a token would be believed.

use askama::Template;
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use http::StatusCode;
use tollgate_core::command::PresentedSecret;
use tollgate_core::ids::IssuerId;
use tollgate_core::records::{IssuerKeys, MintPolicy};
use tollgate_core::{Error, ErrorKind, Result};
use tollgate_node::{Introspection, IssuerUpdate, IssuerView, KeySource, NewIssuer};

use super::sure::{self, Sure};
use crate::answer::Answer;
use crate::confirm;
use crate::form::{Form, Typed};
use crate::frame::Frame;
use crate::refused;
use crate::visit::{Visit, no_such};
use crate::words;

const SOURCES: [(&str, &str); 4] = [
    ("url", "A key set at an address"),
    ("jwks", "A key set, given here"),
    ("pem", "A public key in PEM"),
    ("secret", "A shared secret"),
];

const ENCODINGS: [(&str, &str); 3] = [("text", "as it is"), ("base64", "in base64"), ("base64url", "in base64url")];

#[derive(Template)]
#[template(path = "issuer_form.html")]
struct Page {
    frame: Frame,
    typed: Typed,
    confirm: bool,
    heading: String,
    action: String,
    /// What is registered already; nothing for a new one.
    known: Option<Known>,
    sources: Vec<(&'static str, &'static str)>,
    encodings: [(&'static str, &'static str); 3],
}

/// What a page says of an issuer.
pub(super) struct Known {
    pub(super) id: String,
    pub(super) path: String,
    pub(super) issuer: String,
    pub(super) keys: String,
    pub(super) state: &'static str,
    pub(super) look: &'static str,
    pub(super) is_disabled: bool,
}

pub(super) fn known(visit: &Visit, one: &IssuerView) -> Known {
    let algorithms: Vec<&str> = one.keys.iter().map(|key| key.algorithm).collect();
    let is_disabled = one.record.disabled_at.is_some();
    let (state, look) = if is_disabled { ("disabled", "bad") } else { ("believed", "good") };
    Known {
        id: one.id.to_string(),
        path: visit.at(&format!("/issuers/{}", one.id)),
        issuer: words::cut(&one.record.issuer, 120),
        keys: if algorithms.is_empty() { "nothing yet".to_owned() } else { algorithms.join(", ") },
        state,
        look,
        is_disabled,
    }
}

/// `GET …/issuers/new`.
pub(crate) async fn new(visit: &Visit) -> Result<Answer> {
    let form = Form::default().with("user_id_claim", "sub").with("leeway_s", "0").with("source", "url");
    page(visit, None, StatusCode::OK, Typed::new(form))
}

fn page(visit: &Visit, view: Option<&IssuerView>, status: StatusCode, typed: Typed) -> Result<Answer> {
    let known = view.map(|view| known(visit, view));
    // A registered one has keys, which need not be given again.
    let stay = known.is_some().then_some(("", "Leave them as they are"));
    let page = Page {
        frame: visit.frame("keys"),
        typed,
        confirm: confirm::is_due(visit),
        heading: known.as_ref().map_or_else(|| "New issuer".to_owned(), |known| known.issuer.clone()),
        action: known.as_ref().map_or_else(|| visit.at("/issuers/new"), |known| known.path.clone()),
        sources: stay.into_iter().chain(SOURCES).collect(),
        encodings: ENCODINGS,
        known,
    };
    Answer::page_as(status, &page)
}

type Wrong = (&'static str, Error);
type Told<T> = std::result::Result<T, Wrong>;

fn wrong(field: &'static str, said: &str) -> Wrong {
    (field, Error::new(ErrorKind::InvalidInput, said))
}

fn number<T: std::str::FromStr>(form: &Form, field: &'static str) -> Told<Option<T>> {
    let read = |text: &str| text.parse().map_err(|_| wrong(field, "Write a whole number."));
    form.filled(field).map(read).transpose()
}

/// Where the keys come from; nothing to leave them.
fn source(form: &Form) -> Told<Option<KeySource>> {
    let algorithm = form.value("algorithm").trim().to_owned();
    let filled = |field: &'static str| form.filled(field).ok_or_else(|| wrong(field, "This is missing."));
    Ok(Some(match form.value("source") {
        "" => return Ok(None),
        "url" => KeySource::Url { url: filled("url")?.to_owned(), defer: form.is_on("defer") },
        "jwks" => KeySource::Jwks(filled("key")?.to_owned()),
        "pem" => KeySource::Pem { algorithm, pem: filled("key")?.to_owned() },
        "secret" => {
            let text = filled("secret").map(|_| form.value("secret"))?;
            let bytes = match form.value("encoding") {
                "base64" => STANDARD.decode(text.trim()).ok(),
                "base64url" => URL_SAFE_NO_PAD.decode(text.trim().trim_end_matches('=')).ok(),
                _ => Some(text.as_bytes().to_vec()),
            };
            let secret = bytes.ok_or_else(|| wrong("secret", "That is not written as it says below."))?;
            KeySource::Secret { algorithm, secret }
        }
        _ => return Err(wrong("source", "Choose where its keys come from.")),
    }))
}

/// Which field a refusal is about, in the words of this page.
fn told(mut error: Error) -> Wrong {
    let named = [
        ("user_id_claim", "user_id_claim"),
        ("display_name_claim", "display_name_claim"),
        ("capabilities_claim", "capabilities_claim"),
        ("ttl_s_max", "life_s"),
        ("leeway", "leeway_s"),
        ("audience", "audiences"),
        ("jwks_url", "url"),
        ("`issuer`", "issuer"),
    ];
    if let Some(at) = error.detail.find(" Send \"defer\": true") {
        error.detail.truncate(at);
        error.detail.push_str(" Tick the box below to register it all the same.");
        return ("url", error);
    }
    let field = named.into_iter().find(|(word, _)| error.detail.contains(word)).map_or("", |(_, field)| field);
    (field, error)
}

/// The fields that new and changed ones have in common.
struct Common {
    audiences: Vec<String>,
    user_id_claim: String,
    display_name_claim: Option<String>,
    capabilities_claim: Option<String>,
    life_ms_max: Option<u64>,
    leeway_s: u32,
    keys: Option<KeySource>,
}

fn common(form: &Form) -> Told<Common> {
    let text = |field| form.filled(field).map(str::to_owned);
    let audiences = form.value("audiences").split([',', '\n']).map(str::trim).filter(|one| !one.is_empty());
    Ok(Common {
        audiences: audiences.map(str::to_owned).collect(),
        user_id_claim: text("user_id_claim").unwrap_or_else(|| "sub".to_owned()),
        display_name_claim: text("display_name_claim"),
        capabilities_claim: text("capabilities_claim"),
        life_ms_max: number::<u64>(form, "life_s")?.map(|seconds| seconds.saturating_mul(1_000)),
        leeway_s: number(form, "leeway_s")?.unwrap_or(0),
        keys: source(form)?,
    })
}

async fn confirmed(visit: &Visit) -> Told<()> {
    confirm::asked(visit).await.map_err(|error| ("password", error))
}

/// `POST …/issuers/new`.
pub(crate) async fn create(visit: &Visit) -> Result<Answer> {
    match created(visit).await {
        Ok(view) => Ok(Answer::see(&visit.at(&format!("/issuers/{}?done=made", view.id)))),
        Err((field, error)) => {
            let typed = Typed::new(visit.form.clone()).wrong_at(field, &error);
            page(visit, None, refused::status(error.kind), typed)
        }
    }
}

async fn created(visit: &Visit) -> Told<IssuerView> {
    confirmed(visit).await?;
    let form = &visit.form;
    let common = common(form)?;
    let new = NewIssuer {
        issuer: form.filled("issuer").ok_or_else(|| wrong("issuer", "This is missing."))?.to_owned(),
        audiences: common.audiences,
        user_id_claim: common.user_id_claim,
        display_name_claim: common.display_name_claim,
        capabilities_claim: common.capabilities_claim,
        policy: MintPolicy { life_ms_max: common.life_ms_max, ..MintPolicy::default() },
        leeway_s: common.leeway_s,
        keys: common.keys.ok_or_else(|| wrong("source", "Choose where its keys come from."))?,
    };
    visit.node().create_issuer(&visit.caller, new).await.map_err(told)
}

fn named(visit: &Visit) -> Result<IssuerView> {
    let id: IssuerId = visit.param("issuer").parse().map_err(|_| no_such("issuer"))?;
    visit.node().issuer(&visit.caller, id)
}

/// `GET …/issuers/:issuer`.
pub(crate) async fn show(visit: &Visit) -> Result<Answer> {
    let view = named(visit)?;
    let record = &view.record;
    let text = |text: &Option<String>| text.clone().unwrap_or_default();
    let url = if let IssuerKeys::Url { url, .. } = &record.keys { url.clone() } else { String::new() };
    let form = Form::default()
        .with("audiences", record.audiences.join(", "))
        .with("user_id_claim", record.user_id_claim.clone())
        .with("display_name_claim", text(&record.display_name_claim))
        .with("capabilities_claim", text(&record.capabilities_claim))
        .with("life_s", record.policy.life_ms_max.map(|ms| (ms / 1_000).to_string()).unwrap_or_default())
        .with("leeway_s", record.leeway_s.to_string())
        .with("url", url);
    page(visit, Some(&view), StatusCode::OK, Typed::new(form))
}

/// `POST …/issuers/:issuer`: what its button `act` says.
pub(crate) async fn change(visit: &Visit) -> Result<Answer> {
    let view = named(visit)?;
    match changed(visit, &view).await {
        Ok(word) => Ok(Answer::see(&visit.at(&format!("/issuers/{}?done={word}", view.id)))),
        Err((field, error)) => {
            let typed = Typed::new(visit.form.clone()).wrong_at(field, &error);
            page(visit, Some(&view), refused::status(error.kind), typed)
        }
    }
}

async fn changed(visit: &Visit, view: &IssuerView) -> Told<&'static str> {
    confirmed(visit).await?;
    let switch = |disabled| IssuerUpdate { disabled: Some(disabled), ..IssuerUpdate::default() };
    let (update, word) = match visit.form.value("act") {
        "save" => {
            let common = common(&visit.form)?;
            let mut policy = view.record.policy.clone();
            // A part of a second that was set elsewhere stays.
            if policy.life_ms_max.map(|ms| ms / 1_000) != common.life_ms_max.map(|ms| ms / 1_000) {
                policy.life_ms_max = common.life_ms_max;
            }
            let update = IssuerUpdate {
                audiences: Some(common.audiences),
                user_id_claim: Some(common.user_id_claim),
                display_name_claim: Some(common.display_name_claim),
                capabilities_claim: Some(common.capabilities_claim),
                policy: (policy != view.record.policy).then_some(policy),
                leeway_s: Some(common.leeway_s),
                keys: common.keys,
                disabled: None,
            };
            (update, "saved")
        }
        "disable" => (switch(true), "disabled"),
        "enable" => (switch(false), "enabled"),
        _ => return Err(wrong("", "This form does not say what to do.")),
    };
    visit.node().change_issuer(&visit.caller, view.id, update).await.map_err(told)?;
    Ok(word)
}

fn sure(visit: &Visit, view: &IssuerView) -> Result<Sure> {
    let tokens = visit.node().issuer_tokens(&visit.caller, view.id)?;
    let one = known(visit, view);
    Ok(Sure {
        here: "keys",
        heading: "Delete an issuer",
        list: ("Keys and issuers", visit.at("/keys")),
        says: vec![
            match tokens {
                0 => "No token of its users is here.".to_owned(),
                1 => "1 token of a user of it goes, with its state.".to_owned(),
                _ => format!("{} tokens of its users go, with their state.", words::count(tokens)),
            },
            "Its JWTs are refused from then on, and the connections that came in by them are closed.".to_owned(),
            "This cannot be taken back. To refuse it for a while, disable it.".to_owned(),
        ],
        action: format!("{}/delete", one.path),
        subject: one.issuer,
        keep: one.path,
        buttons: vec![("delete", "Delete it now")],
        asks: true,
    })
}

/// `GET …/issuers/:issuer/delete`.
pub(crate) async fn about_to_delete(visit: &Visit) -> Result<Answer> {
    sure::page(visit, sure(visit, &named(visit)?)?, None)
}

/// `POST …/issuers/:issuer/delete`.
pub(crate) async fn delete(visit: &Visit) -> Result<Answer> {
    let view = named(visit)?;
    if let Err(error) = confirm::asked(visit).await {
        return sure::page(visit, sure(visit, &view)?, Some(("password", &error)));
    }
    match visit.node().delete_issuer(&visit.caller, view.id).await {
        Ok(_) => Ok(Answer::see(&visit.at("/keys?done=deleted"))),
        Err(error) => sure::page(visit, sure(visit, &view)?, Some(("", &error))),
    }
}

#[derive(Template)]
#[template(path = "issuer_try.html")]
struct Try {
    frame: Frame,
    outcome: Option<Outcome>,
}

struct Outcome {
    is_good: bool,
    user: String,
    code: &'static str,
    reason: String,
    path: String,
    facts: Vec<(&'static str, String)>,
}

/// `GET …/issuers/try`.
pub(crate) async fn about_to_try(visit: &Visit) -> Result<Answer> {
    Answer::page(&Try { frame: visit.frame("keys"), outcome: None })
}

/// `POST …/issuers/try`. The text is a secret: it is not put into the page again.
pub(crate) async fn attempt(visit: &Visit) -> Result<Answer> {
    let text = PresentedSecret::new(visit.form.value("token").trim().to_owned());
    let seen = visit.node().introspect(&visit.caller, &text, None).await?;
    Answer::page(&Try { frame: visit.frame("keys"), outcome: Some(outcome(visit, &seen)) })
}

fn outcome(visit: &Visit, seen: &Introspection) -> Outcome {
    let mut said = Outcome {
        is_good: seen.refusal.is_none() && seen.token.is_some(),
        user: String::new(),
        code: seen.refusal.as_ref().map(|refusal| refusal.code).unwrap_or_default(),
        reason: seen.refusal.as_ref().map(|refusal| words::cut(&refusal.reason, 400)).unwrap_or_default(),
        path: String::new(),
        facts: Vec::new(),
    };
    let Some(token) = &seen.token else { return said };
    said.user = token.user.as_ref().map(|(_, user)| words::cut(&user.user_id, 200)).unwrap_or_default();
    said.path = visit.at(&format!("/tokens/{}", token.id));
    said.facts.push(("Token", token.id.to_string()));
    said.facts.push(("User", said.user.clone()));
    let by = token.issuer.and_then(|id| visit.node().issuer(&visit.caller, id).ok());
    if let Some(by) = by {
        said.facts.push(("Proved by", words::cut(&by.record.issuer, 200)));
    }
    said.facts.push(("Status", token.status.word().to_owned()));
    said.facts.push(("Connections", words::count(token.connections as u64)));
    said
}
