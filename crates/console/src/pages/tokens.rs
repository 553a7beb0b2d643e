//! The list of tokens, and making one: its secret is shown once, with something to paste it into.

use askama::Template;
use http::StatusCode;
use tollgate_core::Result;
use tollgate_core::command::PresentedSecret;
use tollgate_core::credentials::TokenSpelling;
use tollgate_core::ids::TokenId;
use tollgate_node::{IssuedToken, Once, TokenDetail, TokenFilter, TokenStatus};

use super::token_form::{self, GrantRow, LIVES};
use crate::answer::Answer;
use crate::cookie::Drawn;
use crate::form::{Form, Typed};
use crate::frame::Frame;
use crate::snippets::{self, Snippet, Subject};
use crate::visit::Visit;
use crate::words::{self, Moment};
use crate::{refused, rules};

const PAGE: usize = 50;

#[derive(Template)]
#[template(path = "tokens.html")]
struct Tokens {
    frame: Frame,
    typed: Typed,
    statuses: Vec<(&'static str, bool)>,
    rows: Vec<Row>,
    is_first: bool,
    next: Option<String>,
    /// How many were looked at, of how many, where that was not enough for a page.
    looked: Option<(String, String)>,
}

struct Row {
    id: String,
    path: String,
    name: String,
    user: String,
    user_path: String,
    status: &'static str,
    look: &'static str,
    connections: usize,
    seen: Option<Moment>,
    ends: Option<Moment>,
    made: Moment,
}

#[derive(Template)]
#[template(path = "token_new.html")]
struct New {
    frame: Frame,
    typed: Typed,
    lives: [(&'static str, &'static str); 5],
    grants: Vec<GrantRow>,
}

#[derive(Template)]
#[template(path = "token_made.html")]
struct Made {
    frame: Frame,
    id: String,
    path: String,
    secret: String,
    channel: String,
    user: String,
    ends: Option<Moment>,
    repeated: bool,
    rotated: bool,
    snippets: Vec<Snippet>,
}

/// The colour of a status's tag.
pub(crate) fn look(status: TokenStatus) -> &'static str {
    match status {
        TokenStatus::Active => "good",
        TokenStatus::Expired | TokenStatus::NotYetValid => "warn",
        TokenStatus::Revoked => "bad",
    }
}

/// `GET …/tokens`.
pub(crate) async fn list(visit: &Visit) -> Result<Answer> {
    list_page(visit, StatusCode::OK, Typed::new(visit.query.clone()))
}

fn list_page(visit: &Visit, status: StatusCode, typed: Typed) -> Result<Answer> {
    let (user, word) = (typed.form.filled("user").map(str::to_owned), typed.form.value("status").to_owned());
    let after = visit.query.filled("after").and_then(|text| text.parse::<TokenId>().ok());
    let online = typed.is("online", "on").then_some(true);
    let filter = TokenFilter {
        user_prefix: user.clone(),
        status: TokenStatus::from_word(&word),
        online,
        newest_first: true,
        ..TokenFilter::default()
    };
    let found = visit.node().token_page(&visit.caller, &filter, after, PAGE)?;
    let on = if online.is_some() { "on" } else { "" };
    let kept =
        format!("user={}&status={}&online={on}", words::path(user.as_deref().unwrap_or_default()), words::path(&word));
    let page = Tokens {
        frame: visit.frame("tokens"),
        statuses: TokenStatus::ALL.map(|one| (one.word(), one.word() == word)).into(),
        rows: found.tokens.iter().map(|token| row(visit, token)).collect(),
        is_first: after.is_none(),
        looked: found
            .next
            .filter(|_| found.tokens.len() < PAGE)
            .map(|_| (words::count(found.looks as u64), words::count(found.total as u64))),
        next: found.next.map(|last| visit.at(&format!("/tokens?after={last}&{kept}"))),
        typed,
    };
    Answer::page_as(status, &page)
}

fn row(visit: &Visit, token: &TokenDetail) -> Row {
    let now = visit.now();
    let user = token.user.as_ref().map(|(_, user)| user.user_id.clone()).unwrap_or_default();
    Row {
        id: token.id.to_string(),
        path: visit.at(&format!("/tokens/{}", token.id)),
        name: words::cut(token.terms.name.as_deref().unwrap_or_default(), 60),
        user_path: visit.user_at(&user),
        user: words::cut(&user, 60),
        status: token.status.word(),
        look: look(token.status),
        connections: token.connections,
        seen: token.last_seen_at.map(|at| words::moment(at, now)),
        ends: token.expires_at.map(|at| words::moment(at, now)),
        made: words::moment(token.created_at, now),
    }
}

/// `POST …/tokens/find`: by id or by secret, which is in no address.
pub(crate) async fn find(visit: &Visit) -> Result<Answer> {
    let text = visit.form.value("token").trim().to_owned();
    match visit.node().token_detail(&visit.caller, &PresentedSecret::new(text)) {
        Ok(token) => Ok(Answer::see(&visit.at(&format!("/tokens/{}", token.id)))),
        Err(error) => list_page(visit, refused::status(error.kind), Typed::default().wrong_at("token", &error)),
    }
}

/// `GET …/tokens/new`.
pub(crate) async fn new(visit: &Visit) -> Result<Answer> {
    let once = Drawn::new(visit.house.entropy.as_ref()).into_value();
    let form = Form::default()
        .with("user", visit.query.value("user"))
        .with("channels", visit.query.value("channel"))
        .with("life_ms", LIVES[0].0)
        .with("once", once);
    new_page(visit, StatusCode::OK, Typed::new(form))
}

fn new_page(visit: &Visit, status: StatusCode, typed: Typed) -> Result<Answer> {
    let grants = token_form::grant_rows(&typed.form);
    Answer::page_as(status, &New { frame: visit.frame("tokens"), typed, lives: LIVES, grants })
}

/// `POST …/tokens/new`. The answer is the page with the secret itself: it is in no address and kept nowhere, and the same form sent twice makes one.
pub(crate) async fn create(visit: &Visit) -> Result<Answer> {
    let form = &visit.form;
    let outcome = match token_form::read(form) {
        Ok(new) => {
            let channel = new.channels.first().map(ToString::to_string);
            let asked = serde_json::to_vec(&new).unwrap_or_default();
            match Once::new(form.value("once"), &[b"console token", &asked]) {
                Ok(once) => {
                    let issued = visit.node().issue_token(&visit.caller, new, Some(&once)).await;
                    issued.map(|issued| (issued, channel)).map_err(|error| (token_form::field_of(&error), error))
                }
                Err(error) => Err(("", error)),
            }
        }
        Err(wrong) => Err(wrong),
    };
    match outcome {
        Ok((issued, channel)) => made(visit, &issued, channel.as_deref(), false),
        Err((field, error)) => {
            let typed = Typed::new(form.clone()).wrong_at(field, &error);
            new_page(visit, refused::status(error.kind), typed)
        }
    }
}

/// The page with a secret that was just made, the only one that ever has it.
pub(crate) fn made(visit: &Visit, issued: &IssuedToken, channel: Option<&str>, rotated: bool) -> Result<Answer> {
    let headers = &visit.parts.headers;
    let asked = rules::Request { method: &visit.parts.method, uri: &visit.parts.uri, headers };
    // Only for the text of the snippets: who sends this header itself reads another address there, and nothing else.
    let behind_tls = headers.get("x-forwarded-proto").is_some_and(|value| value.as_bytes() == b"https");
    let secret = issued.secret.expose(TokenSpelling::Native).to_string();
    let subject = Subject {
        tls: visit.house.speaks_tls() || behind_tls,
        host: asked.host().unwrap_or_default(),
        project: visit.frame.project.clone(),
        token: &secret,
        channel: channel.unwrap_or("lobby"),
    };
    let token = &issued.token;
    let page = Made {
        frame: visit.frame("tokens"),
        id: token.id.to_string(),
        path: visit.at(&format!("/tokens/{}", token.id)),
        snippets: snippets::all(&subject),
        channel: channel.unwrap_or_default().to_owned(),
        user: token.user.as_ref().map(|(_, user)| words::cut(&user.user_id, 60)).unwrap_or_default(),
        ends: token.expires_at.map(|at| words::moment(at, visit.now())),
        repeated: issued.repeated,
        rotated,
        secret,
    };
    Answer::page(&page)
}
