//! One token: what it is and may do, its connections and subscriptions, a message to it, another secret for it, and its end.

use askama::Template;
use http::StatusCode;
use tollgate_core::command::PresentedSecret;
use tollgate_core::ids::{ConnectionId, TokenId};
use tollgate_core::json::{JsonObject, JsonValue};
use tollgate_core::limits::{MESSAGE_BYTES_MAX, TOKEN_STATE_BYTES_MAX};
use tollgate_core::ports::store::StateChange;
use tollgate_core::records::TokenKind;
use tollgate_core::{Error, ErrorKind, Result};
use tollgate_node::{Once, RevokeRequest, Selector, TokenDetail};

use super::tokens;
use crate::answer::Answer;
use crate::cookie::Drawn;
use crate::form::{Form, Typed};
use crate::frame::Frame;
use crate::visit::{Visit, no_such};
use crate::words::{self, Moment};
use crate::{json_text, refused};

/// How long the old secret works after a rotation: value and words.
const GRACES: [(&str, &str); 3] = [("60000", "a minute more"), ("0", "not at all"), ("86400000", "a day more")];
/// Subscriptions that are listed.
const SUBSCRIPTIONS_MAX: usize = 20;

#[derive(Template)]
#[template(path = "token.html")]
struct Page {
    frame: Frame,
    head: Head,
    typed: Typed,
    facts: Vec<(&'static str, String)>,
    grants: Vec<(String, String)>,
    /// Whether it has capabilities of its own, be they none.
    is_bound: bool,
    connections: Vec<Live>,
    subscriptions: Vec<(String, String, bool)>,
    more_subscriptions: usize,
    state: String,
    state_version: u64,
    once: String,
    graces: [(&'static str, &'static str); 3],
    said: String,
}

/// What stands above every page of a token.
pub(crate) struct Head {
    pub(crate) id: String,
    pub(crate) path: String,
    pub(crate) status: &'static str,
    pub(crate) look: &'static str,
    pub(crate) online: usize,
    pub(crate) user: String,
    pub(crate) user_path: String,
    pub(crate) is_revoked: bool,
    /// The page that is open: a word of the tabs.
    pub(crate) tab: &'static str,
}

struct Live {
    id: String,
    address: String,
    since: Moment,
    ends: Option<Moment>,
}

#[derive(Template)]
#[template(path = "token_revoke.html")]
struct Revoke {
    frame: Frame,
    head: Head,
    typed: Typed,
    connections: usize,
}

/// The token that a path names: by its public id only, so that no secret is in an address.
pub(crate) fn named(visit: &Visit) -> Result<(TokenDetail, PresentedSecret)> {
    let id: TokenId = visit.param("token").parse().map_err(|_| no_such("token"))?;
    let presented = PresentedSecret::new(id.to_string());
    Ok((visit.node().token_detail(&visit.caller, &presented)?, presented))
}

pub(crate) fn head(visit: &Visit, token: &TokenDetail, tab: &'static str) -> Head {
    let user = token.user.as_ref().map(|(_, user)| user.user_id.clone()).unwrap_or_default();
    Head {
        id: token.id.to_string(),
        path: visit.at(&format!("/tokens/{}", token.id)),
        status: token.status.word(),
        look: tokens::look(token.status),
        online: token.connections,
        user_path: visit.user_at(&user),
        user: words::cut(&user, 60),
        is_revoked: token.revoked.is_some(),
        tab,
    }
}

/// `GET …/tokens/:token`.
pub(crate) async fn show(visit: &Visit) -> Result<Answer> {
    page(
        visit,
        StatusCode::OK,
        Typed::new(Form::default().with("event", "hello").with("data", "{\"text\": \"Hello\"}")),
    )
}

fn page(visit: &Visit, status: StatusCode, typed: Typed) -> Result<Answer> {
    let (token, presented) = named(visit)?;
    let (node, caller, now) = (visit.node(), &visit.caller, visit.now());
    let all = node.token_subscriptions(caller, &presented)?;
    let live = node.token_connections(caller, &presented)?;
    let connection = |one: &tollgate_node::ConnectionView| Live {
        id: one.id.to_string(),
        address: one.address.map(|address| address.to_string()).unwrap_or_default(),
        since: words::moment(one.since, now),
        ends: one.ends_at.map(|at| words::moment(at, now)),
    };
    let subscription = |one: &tollgate_node::SubscriptionView| {
        let id = one.channel.as_str();
        (words::cut(id, 80), visit.at(&format!("/channels/{}", words::path(id))), one.ephemeral)
    };
    let said = match (visit.query.value("done"), visit.query.value("to").parse::<u32>()) {
        ("sent", Ok(0)) => {
            "Nobody was there to hear it; it is kept for the rest of its session, or in its mailbox.".to_owned()
        }
        ("sent", Ok(1)) => "Sent to one connection.".to_owned(),
        ("sent", Ok(to)) => format!("Sent to {to} connections."),
        _ => String::new(),
    };
    let state = typed.form.get("state").map(str::to_owned);
    let there = token.state.as_ref().map(|state| json_text::indented(state.as_str()));
    let page = Page {
        frame: visit.frame("tokens"),
        facts: facts(&token, now),
        grants: grants(&token),
        is_bound: token.terms.grants.is_some(),
        connections: live.iter().map(connection).collect(),
        more_subscriptions: all.len().saturating_sub(SUBSCRIPTIONS_MAX),
        subscriptions: all.iter().take(SUBSCRIPTIONS_MAX).map(subscription).collect(),
        state: state.or(there).unwrap_or_else(|| "null".to_owned()),
        state_version: token.state_version,
        once: Drawn::new(visit.house.entropy.as_ref()).into_value(),
        graces: GRACES,
        said,
        head: head(visit, &token, "now"),
        typed,
    };
    Answer::page_as(status, &page)
}

fn facts(token: &TokenDetail, now: tollgate_core::clock::UnixMillis) -> Vec<(&'static str, String)> {
    let moment = |at| words::moment(at, now).said;
    let terms = &token.terms;
    let kind = match token.kind {
        TokenKind::Plain => "made by a backend or an operator",
        TokenKind::UserToken => "a user token of social.plus",
        TokenKind::Session => "a login session of social.plus",
        TokenKind::Issued => "stands for a user of an issuer",
    };
    let any =
        |list: &[String], none: &str| if list.is_empty() { none.to_owned() } else { words::cut(&list.join(", "), 200) };
    let mut facts = vec![("Kind", kind.to_owned()), ("Made", moment(token.created_at))];
    let more = [
        ("Name", terms.name.as_deref().map(|name| words::cut(name, 100))),
        ("Device", terms.device.as_deref().map(|device| words::cut(device, 100))),
        ("Made by", token.made_by.map(|key| key.to_string())),
        ("Issuer", token.issuer.map(|issuer| issuer.to_string())),
        ("Works from", token.not_before.map(moment)),
        ("Last seen", token.last_seen_at.map(moment)),
        ("Revoked", token.revoked.as_ref().map(|revoked| moment(revoked.effective_at))),
        ("Why", token.revoked.as_ref().and_then(|revoked| revoked.reason.clone())),
    ];
    facts.extend(more.into_iter().filter_map(|(name, value)| Some((name, value?))));
    let previous = token.previous.map(|previous| {
        format!(" · the one before works until {}, used {} times", moment(previous.until), previous.uses)
    });
    facts.extend([
        ("Expires", token.expires_at.map_or_else(|| "never".to_owned(), moment)),
        ("Generation", format!("{}{}", token.generation, previous.unwrap_or_default())),
        (
            "At most",
            terms.connections_max.map_or_else(|| "the server’s limit".to_owned(), |most| format!("{most} connections")),
        ),
        ("Networks", any(&terms.networks, "any")),
        ("Origins", any(&terms.origins, "any")),
        (
            "Metadata",
            terms.metadata.as_ref().map_or_else(|| "none".to_owned(), |object| words::cut(object.as_str(), 400)),
        ),
    ]);
    facts
}

fn grants(token: &TokenDetail) -> Vec<(String, String)> {
    let grant = |one: &tollgate_core::grants::Grant| {
        let operations: Vec<&str> = one.operations.iter().map(|operation| operation.word()).collect();
        (words::cut(&one.channels, 100), operations.join(", "))
    };
    token.terms.grants.iter().flatten().map(grant).collect()
}

/// `POST …/tokens/:token/message`.
pub(crate) async fn message(visit: &Visit) -> Result<Answer> {
    let (token, presented) = named(visit)?;
    let (form, node) = (&visit.form, visit.node());
    let text = json_text::compact_checked(form.value("data"));
    let outcome = match JsonValue::parse(text.as_bytes(), MESSAGE_BYTES_MAX) {
        Err(error) => Err(("data", error)),
        Ok(data) => {
            let event = form.value("event").trim();
            let sent = match form.filled("connection").map(str::parse::<ConnectionId>) {
                None => node.direct_message(&visit.caller, &presented, event, data).await,
                Some(Ok(one)) => {
                    node.direct_message_to_connection(&visit.caller, &presented, one, event, data).await.map(u32::from)
                }
                Some(Err(error)) => Err(error),
            };
            sent.map_err(|error| (if error.detail.contains("event") { "event" } else { "" }, error))
        }
    };
    match outcome {
        Ok(reached) => Ok(Answer::see(&format!("{}?done=sent&to={reached}", head(visit, &token, "").path))),
        Err((field, error)) => {
            let form = Form::default().with("event", form.value("event")).with("data", form.value("data"));
            page(visit, refused::status(error.kind), Typed::new(form).wrong_at(field, &error))
        }
    }
}

/// `POST …/tokens/:token/state`.
pub(crate) async fn save(visit: &Visit) -> Result<Answer> {
    let (token, presented) = named(visit)?;
    let typed = visit.form.value("state").trim();
    let change = match typed {
        "" | "null" => Ok(None),
        text => JsonObject::parse(json_text::compact_checked(text).as_bytes(), TOKEN_STATE_BYTES_MAX)
            .map(|object| Some(StateChange::Replace(object))),
    };
    let outcome = match change {
        Ok(change) => {
            let version = visit.form.value("version").parse().ok();
            visit.node().change_token_state(&visit.caller, &presented, change, version).await
        }
        Err(error) => Err(error),
    };
    match outcome {
        Ok(_) => Ok(Answer::see(&format!("{}?done=saved", head(visit, &token, "").path))),
        Err(error) => {
            let typed = Typed::new(Form::default().with("event", "hello").with("data", "{}").with("state", typed));
            page(visit, refused::status(error.kind), typed.wrong_at("state", &error))
        }
    }
}

/// `POST …/tokens/:token/rotate`: the answer is the page with the new secret.
pub(crate) async fn rotate(visit: &Visit) -> Result<Answer> {
    let (_, presented) = named(visit)?;
    let grace = visit
        .form
        .value("grace_ms")
        .parse::<u64>()
        .map_err(|_| Error::new(ErrorKind::InvalidInput, "Choose how long the old one works."))?;
    let once =
        Once::new(visit.form.value("once"), &[b"console rotate", presented.expose().as_bytes(), &grace.to_be_bytes()])?;
    let issued = visit.node().rotate_token(&visit.caller, &presented, Some(grace), None, Some(&once)).await?;
    let all = visit.node().token_subscriptions(&visit.caller, &presented)?;
    tokens::made(visit, &issued, all.first().map(|one| one.channel.as_str()), true)
}

/// `GET …/tokens/:token/revoke`: what would end.
pub(crate) async fn about_to_revoke(visit: &Visit) -> Result<Answer> {
    revoke_page(visit, StatusCode::OK, Typed::default())
}

fn revoke_page(visit: &Visit, status: StatusCode, typed: Typed) -> Result<Answer> {
    let (token, _) = named(visit)?;
    let connections = token.connections;
    Answer::page_as(
        status,
        &Revoke { frame: visit.frame("tokens"), head: head(visit, &token, "revoke"), typed, connections },
    )
}

/// `POST …/tokens/:token/revoke`.
pub(crate) async fn revoke(visit: &Visit) -> Result<Answer> {
    let (token, presented) = named(visit)?;
    let request = RevokeRequest {
        selector: Selector::token(presented),
        reason: visit.form.filled("reason").map(str::to_owned),
        delete: visit.form.is_on("delete"),
        ..RevokeRequest::default()
    };
    let deletes = request.delete;
    match visit.node().revoke(&visit.caller, request).await {
        Ok(_) if deletes => Ok(Answer::see(&visit.at("/tokens?done=deleted"))),
        Ok(_) => Ok(Answer::see(&format!("{}?done=revoked", head(visit, &token, "").path))),
        Err(error) => {
            revoke_page(visit, refused::status(error.kind), Typed::new(visit.form.clone()).wrong_at("reason", &error))
        }
    }
}

/// `POST …/tokens/:token/restore`.
pub(crate) async fn restore(visit: &Visit) -> Result<Answer> {
    let (token, presented) = named(visit)?;
    visit.node().restore_token(&visit.caller, &presented).await?;
    Ok(Answer::see(&format!("{}?done=restored", head(visit, &token, "").path)))
}
