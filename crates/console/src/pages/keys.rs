//! Project keys: the list beside issuers and signing keys, making one, and a key's own page with rotation and end.

use askama::Template;
use http::StatusCode;
use tollgate_core::ids::KeyId;
use tollgate_core::permissions::Permissions;
use tollgate_core::{Error, ErrorKind, Result};
use tollgate_node::{KeyEntry, NewKey, SigningKeyStatus};

use super::issuers::{self, Known};
use super::once::{self, Once};
use super::sure::{self, Sure};
use crate::answer::Answer;
use crate::confirm;
use crate::form::{Form, Typed};
use crate::frame::Frame;
use crate::refused;
use crate::visit::{Visit, no_such};
use crate::words::{self, Moment};

/// How long the old key works after a rotation: value and words.
const GRACES: [(&str, &str); 4] =
    [("86400000", "a day more"), ("3600000", "an hour more"), ("0", "not at all"), ("604800000", "a week more")];

#[derive(Template)]
#[template(path = "keys.html")]
struct Keys {
    frame: Frame,
    rows: Vec<Row>,
    issuers: Vec<Known>,
    signing: Vec<Signing>,
}

struct Row {
    id: String,
    path: String,
    name: String,
    hint: String,
    may: String,
    status: String,
    look: &'static str,
    works: bool,
    used: Option<Moment>,
    made: Moment,
}

struct Signing {
    kid: String,
    /// Where it is retired, while there is something to retire.
    retire: Option<String>,
    algorithm: String,
    status: &'static str,
    look: &'static str,
    since: Moment,
}

#[derive(Template)]
#[template(path = "key_new.html")]
struct New {
    frame: Frame,
    typed: Typed,
    confirm: bool,
    permissions: Vec<(&'static str, bool)>,
}

#[derive(Template)]
#[template(path = "key.html")]
struct Page {
    frame: Frame,
    typed: Typed,
    confirm: bool,
    row: Row,
    graces: [(&'static str, &'static str); 4],
}

fn may(permissions: Permissions) -> String {
    if permissions == Permissions::all() {
        return "everything".to_owned();
    }
    let names: Vec<&str> = permissions.names().collect();
    if names.is_empty() { "nothing".to_owned() } else { names.join(", ") }
}

fn row(visit: &Visit, key: &KeyEntry) -> Row {
    let (record, now) = (&key.record, visit.now());
    let works = record.works(now);
    let (status, look) = match (record.revoked_at, record.expires_at) {
        (Some(at), _) if at <= now => ("revoked".to_owned(), "bad"),
        (_, Some(at)) if at <= now => ("expired".to_owned(), "bad"),
        (Some(at), _) | (None, Some(at)) => (format!("ends {}", words::moment(at, now).said), "warn"),
        (None, None) => ("active".to_owned(), "good"),
    };
    Row {
        id: key.id.to_string(),
        path: visit.at(&format!("/keys/{}", key.id)),
        name: record.name.as_deref().map(|name| words::cut(name, 100)).unwrap_or_default(),
        hint: record.hint.clone(),
        may: may(record.permissions),
        status,
        look,
        works,
        used: record.last_used_at.map(|at| words::moment(at, now)),
        made: words::moment(record.created_at, now),
    }
}

/// `GET …/keys`.
pub(crate) async fn list(visit: &Visit) -> Result<Answer> {
    let (node, caller, now) = (visit.node(), &visit.caller, visit.now());
    let signing = |one: &tollgate_node::SigningKeyView| {
        let (status, look) = match one.status {
            SigningKeyStatus::Next => ("signs next", ""),
            SigningKeyStatus::Signing => ("signs", "good"),
            SigningKeyStatus::Verifying => ("verifies", ""),
            SigningKeyStatus::Ended => ("ended", ""),
            SigningKeyStatus::Retired => ("retired", "bad"),
        };
        let since = words::moment(one.signs_from, now);
        let works = !matches!(one.status, SigningKeyStatus::Ended | SigningKeyStatus::Retired) && visit.frame.may_own;
        let retire = works.then(|| visit.at(&format!("/signing-keys/{}/retire", words::path(&one.kid))));
        Signing { kid: words::cut(&one.kid, 24), retire, algorithm: one.algorithm.clone(), status, look, since }
    };
    let mut keys = node.project_keys(caller)?;
    // Those that work first, the newest first.
    keys.sort_by_key(|key| (!key.record.works(now), std::cmp::Reverse(key.id)));
    let page = Keys {
        frame: visit.frame("keys"),
        rows: keys.iter().map(|key| row(visit, key)).collect(),
        issuers: node.issuers(caller)?.iter().map(|one| issuers::known(visit, one)).collect(),
        signing: node.signing_keys(caller)?.iter().rev().map(signing).collect(),
    };
    Answer::page(&page)
}

/// `GET …/keys/new`.
pub(crate) async fn new(visit: &Visit) -> Result<Answer> {
    new_page(visit, StatusCode::OK, Typed::default())
}

fn new_page(visit: &Visit, status: StatusCode, typed: Typed) -> Result<Answer> {
    let ticked = |(name, _): &(&'static str, Permissions)| (*name, typed.is_on(name));
    let page = New {
        frame: visit.frame("keys"),
        permissions: Permissions::NAMED.iter().map(ticked).collect(),
        confirm: confirm::is_due(visit),
        typed,
    };
    Answer::page_as(status, &page)
}

/// `POST …/keys/new`.
pub(crate) async fn create(visit: &Visit) -> Result<Answer> {
    let form = &visit.form;
    let chosen: Vec<&str> = Permissions::NAMED.iter().map(|(name, _)| *name).filter(|name| form.is_on(name)).collect();
    let outcome = match (confirm::asked(visit).await, chosen.is_empty() && !form.is_on("all")) {
        (Err(error), _) => Err(("password", error)),
        (Ok(()), true) => {
            Err(("permissions", Error::new(ErrorKind::InvalidInput, "Choose at least one thing that it may do.")))
        }
        (Ok(()), false) => {
            let list = if form.is_on("all") { "all".to_owned() } else { chosen.join(",") };
            let new = NewKey {
                name: form.filled("name").map(str::to_owned),
                permissions: Permissions::parse(&list)?,
                ..NewKey::default()
            };
            visit.node().create_project_key(&visit.caller, new).await.map_err(|error| ("name", error))
        }
    };
    match outcome {
        Ok((key, secret)) => made(visit, &key, "A new key", secret.expose().to_string()),
        Err((field, error)) => {
            new_page(visit, refused::status(error.kind), Typed::new(form.clone()).wrong_at(field, &error))
        }
    }
}

fn made(visit: &Visit, key: &KeyEntry, heading: &'static str, secret: String) -> Result<Answer> {
    let name = key.record.name.clone().unwrap_or_default();
    once::page(&Once {
        frame: visit.frame("keys"),
        heading,
        back: ("Keys and issuers", visit.at("/keys")),
        said: "Keep it on your servers. Nobody can read it later, not even here.".to_owned(),
        secret,
        facts: vec![("Key", key.id.to_string()), ("Name", name), ("May", may(key.record.permissions))],
    })
}

fn named(visit: &Visit) -> Result<KeyEntry> {
    let id: KeyId = visit.param("key").parse().map_err(|_| no_such("key"))?;
    visit.node().project_key(&visit.caller, id)
}

/// `GET …/keys/:key`.
pub(crate) async fn show(visit: &Visit) -> Result<Answer> {
    page(visit, &named(visit)?, StatusCode::OK, Typed::new(Form::default()))
}

fn page(visit: &Visit, key: &KeyEntry, status: StatusCode, typed: Typed) -> Result<Answer> {
    let page = Page {
        frame: visit.frame("keys"),
        typed,
        confirm: confirm::is_due(visit),
        row: row(visit, key),
        graces: GRACES,
    };
    Answer::page_as(status, &page)
}

/// `POST …/keys/:key`: what its button `act` says.
pub(crate) async fn change(visit: &Visit) -> Result<Answer> {
    let key = named(visit)?;
    let refuse = |field, error: &Error| {
        page(visit, &key, refused::status(error.kind), Typed::new(visit.form.clone()).wrong_at(field, error))
    };
    if let Err(error) = confirm::asked(visit).await {
        return refuse("password", &error);
    }
    match visit.form.value("act") {
        "rotate" => {
            let grace_ms = visit.form.value("grace").parse().unwrap_or(0);
            match visit.node().rotate_project_key(&visit.caller, key.id, grace_ms).await {
                Ok((successor, secret)) => made(visit, &successor, "Its successor", secret.expose().to_string()),
                Err(error) => refuse("", &error),
            }
        }
        _ => refuse("", &Error::new(ErrorKind::InvalidInput, "This form does not say what to do.")),
    }
}

fn sure(visit: &Visit, key: &KeyEntry) -> Sure {
    let row = row(visit, key);
    let used = row.used.map_or_else(|| "It was never used.".to_owned(), |at| format!("It was last used {}.", at.said));
    Sure {
        here: "keys",
        heading: "Revoke a key",
        list: ("Keys and issuers", visit.at("/keys")),
        subject: if row.name.is_empty() { row.id.clone() } else { format!("{} ({})", row.name, row.id) },
        says: vec![
            format!("Every backend that holds this key is refused at once. {used}"),
            format!("It may: {}. The tokens that it made go on working.", row.may),
            "This cannot be taken back. To give its holders time, rotate it instead.".to_owned(),
        ],
        action: format!("{}/revoke", row.path),
        keep: row.path,
        buttons: vec![("revoke", "Revoke it now")],
        asks: true,
    }
}

/// `GET …/keys/:key/revoke`.
pub(crate) async fn about_to_revoke(visit: &Visit) -> Result<Answer> {
    sure::page(visit, sure(visit, &named(visit)?), None)
}

/// `POST …/keys/:key/revoke`.
pub(crate) async fn revoke(visit: &Visit) -> Result<Answer> {
    let key = named(visit)?;
    if let Err(error) = confirm::asked(visit).await {
        return sure::page(visit, sure(visit, &key), Some(("password", &error)));
    }
    match visit.node().revoke_project_key(&visit.caller, key.id).await {
        Ok(_) => Ok(Answer::see(&visit.at("/keys?done=ended"))),
        Err(error) => sure::page(visit, sure(visit, &key), Some(("", &error))),
    }
}
