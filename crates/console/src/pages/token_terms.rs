//! The terms of a token that exists: its form, what a change would take from it, and what somebody else changed meanwhile.

use askama::Template;
use http::StatusCode;
use tollgate_core::clock::UnixMillis;
use tollgate_core::credentials::fingerprint;
use tollgate_core::grants::Grant;
use tollgate_core::ids::ChannelId;
use tollgate_core::records::{TokenKind, TokenTerms};
use tollgate_core::{Error, ErrorKind, Result};
use tollgate_node::{MetadataChange, TokenDetail, TokenLoss, TokenUpdate};

use super::sure::{self, Sure};
use super::token::{Head, head, named};
use super::token_form::{self, GrantRow, LIVES, Wrong, field_of};
use crate::answer::Answer;
use crate::diff::{self, Line};
use crate::form::{Form, Typed};
use crate::frame::Frame;
use crate::visit::Visit;
use crate::words;
use crate::{json_text, refused};

/// The value of `life_ms` that leaves the end as it is.
const KEEP: &str = "keep";
/// Channels that are named before they are lost.
const NAMED_MAX: usize = 20;

#[derive(Template)]
#[template(path = "token_terms.html")]
struct Page {
    frame: Frame,
    head: Head,
    typed: Typed,
    lives: [(&'static str, &'static str); 5],
    ends: String,
    grants: Vec<GrantRow>,
    /// They come with the JWTs of its issuer.
    is_issued: bool,
    conflict: Option<Conflict>,
}

/// What differs from what somebody else saved meanwhile.
struct Conflict {
    began: String,
    now: u32,
    lines: Vec<Line>,
}

/// `GET …/tokens/:token/terms`.
pub(crate) async fn show(visit: &Visit) -> Result<Answer> {
    let (token, _) = named(visit)?;
    page(visit, StatusCode::OK, &token, Typed::new(filled(&token)), None)
}

fn page(
    visit: &Visit,
    status: StatusCode,
    token: &TokenDetail,
    typed: Typed,
    conflict: Option<Conflict>,
) -> Result<Answer> {
    let ends = token.expires_at.map(|at| format!("{} UTC, {}", at, words::moment(at, visit.now()).said));
    let page = Page {
        frame: visit.frame("tokens"),
        head: head(visit, token, "terms"),
        grants: token_form::grant_rows(&typed.form),
        typed,
        lives: LIVES,
        ends: ends.unwrap_or_else(|| "never".to_owned()),
        is_issued: token.kind == TokenKind::Issued,
        conflict,
    };
    Answer::page_as(status, &page)
}

/// The form of a token as it is.
fn filled(token: &TokenDetail) -> Form {
    let terms = &token.terms;
    let text = |text: &Option<String>| text.clone().unwrap_or_default();
    let metadata = terms.metadata.as_ref().map(|object| json_text::indented(object.as_str())).unwrap_or_default();
    let form = Form::default()
        .with("name", text(&terms.name))
        .with("device", text(&terms.device))
        .with("connections_max", terms.connections_max.map(|most| most.to_string()).unwrap_or_default())
        .with("networks", terms.networks.join(" "))
        .with("origins", terms.origins.join(" "))
        .with("metadata", metadata)
        .with("life_ms", KEEP)
        .with("may", if terms.grants.is_some() { "exactly" } else { "types" });
    beginning_from(token_form::with_grants(form, terms.grants.as_deref().unwrap_or_default()), token)
}

/// With what the form began from: the version, for people, and what the terms were. A version alone would not do: it counts changes of the state and of
/// the secret, too, which have nothing to do with these fields.
fn beginning_from(form: Form, token: &TokenDetail) -> Form {
    form.with("version", token.revision.to_string()).with("began", began(token))
}

fn began(token: &TokenDetail) -> String {
    hex(&fingerprint(&[spelled(&token.terms, &end_of(token)).as_bytes()]))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().take(16).map(|byte| format!("{byte:02x}")).collect()
}

fn end_of(token: &TokenDetail) -> String {
    token.expires_at.map_or_else(|| "never".to_owned(), |at| at.to_string())
}

/// The terms as lines, to be compared.
fn spelled(terms: &TokenTerms, ends: &str) -> String {
    let mut lines = vec![
        format!("name: {}", terms.name.as_deref().unwrap_or("none")),
        format!("device: {}", terms.device.as_deref().unwrap_or("none")),
        format!("ends: {ends}"),
    ];
    match &terms.grants {
        None => lines.push("may: what the channels say".to_owned()),
        Some(grants) => {
            lines.push("may: exactly this".to_owned());
            for grant in normal(grants) {
                let operations: Vec<&str> = grant.operations.iter().map(|operation| operation.word()).collect();
                lines.push(format!("  {}: {}", grant.channels, operations.join(", ")));
            }
        }
    }
    lines.push(match terms.connections_max {
        Some(most) => format!("connections: at most {most}"),
        None => "connections: at most as many as the server allows".to_owned(),
    });
    lines.extend(terms.networks.iter().map(|network| format!("network: {network}")));
    lines.extend(terms.origins.iter().map(|origin| format!("origin: {origin}")));
    let metadata = terms.metadata.as_ref().map_or("none".to_owned(), |object| json_text::indented(object.as_str()));
    lines.push(format!("metadata: {metadata}"));
    lines.join("\n")
}

/// Grants as the form spells them, so that no other order is a difference.
fn normal(grants: &[Grant]) -> Vec<Grant> {
    let mut grants = grants.to_vec();
    for grant in &mut grants {
        grant.operations.sort_unstable();
        grant.operations.dedup();
    }
    grants
}

/// What a form wants: the terms, and when the token ends.
struct Wanted {
    terms: TokenTerms,
    /// Nothing leaves the end as it is.
    expires_at: Option<Option<UnixMillis>>,
    life_ms: Option<u64>,
}

/// What the form says.
fn read(form: &Form) -> std::result::Result<Wanted, Wrong> {
    let refused = |said: &str| Error::new(ErrorKind::InvalidInput, said);
    let mut terms = token_form::terms(form)?;
    match (form.value("may"), &terms.grants) {
        ("types", Some(_)) => {
            let said = "Empty the rows below, or choose that it may do exactly this.";
            return Err(("grants", refused(said)));
        }
        ("types", None) => {}
        (_, grants) => terms.grants = Some(grants.clone().unwrap_or_default()),
    }
    let (mut expires_at, mut life_ms) = (None, None);
    match (form.filled("ends_at"), form.value("life_ms")) {
        (Some(typed), _) => {
            let seconds = if typed.len() == 16 { ":00" } else { "" };
            let at = UnixMillis::from_rfc3339(&format!("{typed}{seconds}Z"));
            let at = at.ok_or_else(|| ("ends_at", refused("Write a moment like 2026-11-22T15:04, in UTC.")))?;
            expires_at = Some(Some(at));
        }
        (None, KEEP) => {}
        (None, "") => expires_at = Some(None),
        (None, ms) => life_ms = Some(ms.parse().map_err(|_| ("life_ms", refused("Choose how long it works.")))?),
    }
    Ok(Wanted { terms, expires_at, life_ms })
}

/// Only what differs from the token as it is; nothing if nothing does.
fn difference(wanted: &Wanted, token: &TokenDetail) -> Option<TokenUpdate> {
    let (there, terms) = (&token.terms, &wanted.terms);
    let text = |there: &Option<String>, typed: &Option<String>| {
        let same = there.as_deref().map(str::trim).unwrap_or_default() == typed.as_deref().unwrap_or_default();
        (!same).then(|| typed.clone())
    };
    let may = |grants: &Option<Vec<Grant>>| grants.as_deref().map(normal);
    let noted = |object: &Option<tollgate_core::json::JsonObject>| {
        object.as_ref().map(|object| json_text::compact_checked(object.as_str()))
    };
    let update = TokenUpdate {
        expires_at: wanted.expires_at.filter(|end| *end != token.expires_at),
        life_ms: wanted.life_ms,
        grants: (may(&there.grants) != may(&terms.grants)).then(|| terms.grants.clone()),
        connections_max: (there.connections_max != terms.connections_max).then_some(terms.connections_max),
        networks: (there.networks != terms.networks).then(|| terms.networks.clone()),
        origins: (there.origins != terms.origins).then(|| terms.origins.clone()),
        metadata: (noted(&there.metadata) != noted(&terms.metadata))
            .then(|| terms.metadata.clone().map(MetadataChange::Replace)),
        name: text(&there.name, &terms.name),
        device: text(&there.device, &terms.device),
        if_revision: Some(token.revision),
        ..TokenUpdate::default()
    };
    let differs = update.expires_at.is_some()
        || update.life_ms.is_some()
        || update.grants.is_some()
        || update.connections_max.is_some()
        || update.networks.is_some()
        || update.origins.is_some()
        || update.metadata.is_some()
        || update.name.is_some()
        || update.device.is_some();
    differs.then_some(update)
}

/// `POST …/tokens/:token/terms`.
pub(crate) async fn save(visit: &Visit) -> Result<Answer> {
    let (token, presented) = named(visit)?;
    let (form, node) = (&visit.form, visit.node());
    let back = |done: &str| Ok(Answer::see(&format!("{}?done={done}", head(visit, &token, "").path)));
    let refuse = |field, error: &Error| {
        let typed = Typed::new(form.clone()).wrong_at(field, error);
        page(visit, refused::status(error.kind), &token, typed, None)
    };
    let wanted = match read(form) {
        Ok(wanted) => wanted,
        Err((field, error)) => return refuse(field, &error),
    };
    let Some(update) = difference(&wanted, &token) else { return back("same") };
    if form.value("began") != began(&token) {
        return conflict(visit, &wanted);
    }
    let outcome = match node.would_lose(&visit.caller, &presented, &update) {
        // More may be lost by now than the page before said.
        Ok(loss) if loss != TokenLoss::default() && form.value("lost") != mark(&loss) => {
            return sure_page(visit, &token, &loss);
        }
        Ok(_) => node.update_token(&visit.caller, &presented, update).await,
        Err(error) => Err(error),
    };
    match outcome {
        Ok(_) => back("saved"),
        Err(error) if error.kind == ErrorKind::VersionMismatch => conflict(visit, &wanted),
        Err(error) => refuse(field_of(&error), &error),
    }
}

/// What was typed, beside what is there now; sent again, it is put over that.
fn conflict(visit: &Visit, wanted: &Wanted) -> Result<Answer> {
    let (token, _) = named(visit)?;
    let ends = match (wanted.life_ms, wanted.expires_at) {
        (Some(ms), _) => format!("{} from now", words::span(ms)),
        (None, Some(end)) => end.map_or_else(|| "never".to_owned(), |at| at.to_string()),
        (None, None) => end_of(&token),
    };
    let conflict = Conflict {
        began: visit.form.value("version").parse::<u32>().map(words::count).unwrap_or_default(),
        now: token.revision,
        lines: diff::lines(&spelled(&token.terms, &end_of(&token)), &spelled(&wanted.terms, &ends)),
    };
    let mut form = Form::default();
    for (name, value) in visit.form.fields().filter(|(name, _)| !matches!(*name, "version" | "began" | "lost")) {
        form = form.with(name, value);
    }
    page(visit, StatusCode::CONFLICT, &token, Typed::new(beginning_from(form, &token)), Some(conflict))
}

/// Tells one loss from another.
fn mark(loss: &TokenLoss) -> String {
    let channels: Vec<&[u8]> = loss.subscriptions.iter().map(|channel| channel.as_str().as_bytes()).collect();
    hex(&fingerprint(&[&fingerprint(&channels), &loss.connections.to_be_bytes()]))
}

fn sure_page(visit: &Visit, token: &TokenDetail, loss: &TokenLoss) -> Result<Answer> {
    let head = head(visit, token, "terms");
    let mut says = Vec::new();
    let (lost, closed) = (loss.subscriptions.len(), loss.connections);
    if lost > 0 {
        let shown: Vec<_> = loss.subscriptions.iter().take(NAMED_MAX).map(ChannelId::as_str).collect();
        let more = match lost.saturating_sub(NAMED_MAX) {
            0 => String::new(),
            more => format!(" and {} more", words::count(more as u64)),
        };
        let what = words::counted(lost as u64, "subscription");
        says.push(format!("It loses {what}, which it could not make itself any more: {}{more}.", shown.join(", ")));
        says.push("They do not come back with the capabilities: they would have to be made again.".to_owned());
    }
    if closed > 0 {
        let what = words::counted(closed as u64, "connection");
        says.push(format!("{what} would be closed: they come from where it may not come from any more."));
    }
    let path = format!("{}/terms", head.path);
    let sure = Sure {
        here: "tokens",
        heading: "Change its terms",
        list: ("Tokens", visit.at("/tokens")),
        subject: head.id,
        keep: path.clone(),
        says,
        action: path,
        buttons: vec![("change", "Change it")],
        asks: false,
    };
    let carried = visit.form.fields().filter(|(name, _)| !matches!(*name, "_csrf" | "lost" | "how"));
    let mut carried: Vec<_> = carried.map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
    carried.push(("lost".to_owned(), mark(loss)));
    sure::carrying(visit, sure, carried, None)
}
