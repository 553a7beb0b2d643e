//! The keys that sign our access tokens: making one, and ending one.

use askama::Template;
use http::StatusCode;
use tollgate_core::{Error, ErrorKind, Result};
use tollgate_node::{SigningKeyStatus, SigningKeyView};

use super::sure::{self, Sure};
use crate::answer::Answer;
use crate::confirm;
use crate::form::Typed;
use crate::frame::Frame;
use crate::refused;
use crate::visit::{Visit, no_such};
use crate::words;

const ALGORITHMS: [(&str, &str); 4] =
    [("", "the project’s own"), ("ES256", "ES256"), ("EdDSA", "EdDSA"), ("RS256", "RS256")];

const TIMES: [(&str, &str); 4] = [
    ("", "when readers of our key set know it"),
    ("0", "at once, in place of the one that signs now"),
    ("86400000", "in a day"),
    ("604800000", "in a week"),
];

#[derive(Template)]
#[template(path = "signing_new.html")]
struct New {
    frame: Frame,
    typed: Typed,
    confirm: bool,
    algorithms: [(&'static str, &'static str); 4],
    times: [(&'static str, &'static str); 4],
}

/// `GET …/signing-keys/new`.
pub(crate) async fn new(visit: &Visit) -> Result<Answer> {
    new_page(visit, StatusCode::OK, Typed::default())
}

fn new_page(visit: &Visit, status: StatusCode, typed: Typed) -> Result<Answer> {
    let page = New {
        frame: visit.frame("keys"),
        typed,
        confirm: confirm::is_due(visit),
        algorithms: ALGORITHMS,
        times: TIMES,
    };
    Answer::page_as(status, &page)
}

/// `POST …/signing-keys/new`. One that signs at once by the project's own algorithm is a rotation.
pub(crate) async fn create(visit: &Visit) -> Result<Answer> {
    match created(visit).await {
        Ok(_) => Ok(Answer::see(&visit.at("/keys?done=made"))),
        Err((field, error)) => {
            new_page(visit, refused::status(error.kind), Typed::new(visit.form.clone()).wrong_at(field, &error))
        }
    }
}

async fn created(visit: &Visit) -> std::result::Result<SigningKeyView, (&'static str, Error)> {
    confirm::asked(visit).await.map_err(|error| ("password", error))?;
    let (node, algorithm) = (visit.node(), visit.form.filled("algorithm"));
    let read =
        |text: &str| text.parse::<u64>().map_err(|_| Error::new(ErrorKind::InvalidInput, "Choose when it signs."));
    let ahead_ms = visit.form.filled("when").map(read).transpose().map_err(|error| ("", error))?;
    let made = match (algorithm, ahead_ms) {
        (None, Some(0)) => node.rotate_signing_key(&visit.caller).await,
        _ => node.create_signing_key(&visit.caller, algorithm, ahead_ms).await,
    };
    made.map_err(|error| ("", error))
}

fn named(visit: &Visit) -> Result<SigningKeyView> {
    let mut all = visit.node().signing_keys(&visit.caller)?.into_iter();
    all.find(|one| one.kid == visit.param("kid")).ok_or_else(|| no_such("signing key"))
}

fn sure(visit: &Visit, key: &SigningKeyView) -> Sure {
    let normal = match key.status {
        SigningKeyStatus::Next => "Retiring it: it has signed nothing yet, and never will.",
        SigningKeyStatus::Signing => {
            "Retiring it: it signs no more, and another signs at once. What it signed works until that ends by itself."
        }
        SigningKeyStatus::Verifying | SigningKeyStatus::Ended | SigningKeyStatus::Retired => {
            "It signs no more already. What it signed works until that ends by itself."
        }
    };
    let mut buttons = vec![("emergency", "Refuse all that it signed")];
    if matches!(key.status, SigningKeyStatus::Next | SigningKeyStatus::Signing) {
        buttons.insert(0, ("normal", "Retire it"));
    }
    Sure {
        here: "keys",
        heading: "Retire a signing key",
        list: ("Keys and issuers", visit.at("/keys")),
        subject: key.kid.clone(),
        keep: visit.at("/keys"),
        says: vec![
            normal.to_owned(),
            "In an emergency, when its private half is in strangers’ hands: every access token that it signed is refused at once, and the connections that came in by them are closed. Their users sign in anew.".to_owned(),
            "Neither can be taken back.".to_owned(),
        ],
        action: visit.at(&format!("/signing-keys/{}/retire", words::path(&key.kid))),
        buttons,
        asks: true,
    }
}

/// `GET …/signing-keys/:kid/retire`.
pub(crate) async fn about_to_retire(visit: &Visit) -> Result<Answer> {
    sure::page(visit, sure(visit, &named(visit)?), None)
}

/// `POST …/signing-keys/:kid/retire`.
pub(crate) async fn retire(visit: &Visit) -> Result<Answer> {
    let key = named(visit)?;
    let refuse = |field, error: &Error| sure::page(visit, sure(visit, &key), Some((field, error)));
    if let Err(error) = confirm::asked(visit).await {
        return refuse("password", &error);
    }
    let emergency = match visit.form.value("how") {
        "normal" => false,
        "emergency" => true,
        _ => return refuse("", &Error::new(ErrorKind::InvalidInput, "This form does not say what to do.")),
    };
    match visit.node().retire_signing_key(&visit.caller, &key.kid, emergency).await {
        Ok(_) => Ok(Answer::see(&visit.at("/keys?done=retired"))),
        Err(error) => refuse("", &error),
    }
}
