//! Who is connected now, and ending a connection.

use askama::Template;
use tollgate_core::ErrorKind;
use tollgate_core::Result;
use tollgate_core::ids::{ConnectionId, TokenId};
use tollgate_core::peer::Network;
use tollgate_node::{ConnectionFilter, ConnectionRow, ConnectionsOnly};

use crate::answer::Answer;
use crate::form::Typed;
use crate::frame::Frame;
use crate::visit::Visit;
use crate::words::{self, Moment};

const PAGE: usize = 50;
const PROTOCOLS: [&str; 3] = ["native", "leap", "events"];

#[derive(Template)]
#[template(path = "connections.html")]
struct Connections {
    frame: Frame,
    typed: Typed,
    wanted: String,
    protocols: Vec<(&'static str, bool)>,
    rows: Vec<Row>,
    is_first: bool,
    next: Option<String>,
}

struct Row {
    id: String,
    token: String,
    token_path: String,
    user: String,
    user_path: String,
    protocol: &'static str,
    address: String,
    origin: String,
    channels: String,
    since: Moment,
    ends: Option<Moment>,
    behind: String,
    is_behind: bool,
}

/// What was typed: the id of a connection or token, an address or network, or a user's id.
fn filter(wanted: &str, typed: &Typed) -> ConnectionFilter {
    let (token, address) = (wanted.parse::<TokenId>().ok(), wanted.parse::<Network>().ok());
    let id = wanted.parse::<ConnectionId>().ok();
    let is_user = token.is_none() && address.is_none() && id.is_none() && !wanted.is_empty();
    ConnectionFilter {
        id,
        token,
        user_id: is_user.then(|| wanted.to_owned()),
        channel: None,
        format: typed.form.filled("protocol").map(str::to_owned),
        address,
        only: match typed.value("only") {
            "behind" => ConnectionsOnly::Behind,
            "anonymous" => ConnectionsOnly::Anonymous,
            _ => ConnectionsOnly::Any,
        },
    }
}

fn row(visit: &Visit, one: &ConnectionRow) -> Row {
    let now = visit.now();
    let user = one.user_id.as_deref().unwrap_or_default();
    Row {
        id: one.id.to_string(),
        token: one.token.map(|token| token.to_string()).unwrap_or_default(),
        token_path: one.token.map(|token| visit.at(&format!("/tokens/{token}"))).unwrap_or_default(),
        user: words::cut(user, 120),
        user_path: visit.user_at(user),
        protocol: one.format,
        address: one.address.map(|address| address.to_string()).unwrap_or_default(),
        origin: words::cut(one.origin.as_deref().unwrap_or_default(), 120),
        channels: words::count(one.channels as u64),
        since: words::moment(one.since, now),
        ends: one.ends_at.map(|at| words::moment(at, now)),
        behind: words::bytes(one.waiting_bytes),
        is_behind: one.waiting_bytes > 0,
    }
}

/// `GET …/connections`.
pub(crate) async fn list(visit: &Visit) -> Result<Answer> {
    let typed = Typed::new(visit.query.clone());
    let wanted = typed.form.filled("token").or_else(|| typed.form.filled("q")).unwrap_or_default().to_owned();
    let after = visit.query.filled("after").and_then(|text| text.parse().ok());
    let filter = filter(&wanted, &typed);
    let found = visit.node().connections(&visit.caller, &filter, after, PAGE).await?;
    let (protocol, only) = (typed.value("protocol").to_owned(), typed.value("only").to_owned());
    let kept = format!("q={}&protocol={}&only={}", words::path(&wanted), words::path(&protocol), words::path(&only));
    let next = found.next.map(|next| visit.at(&format!("/connections?{kept}&after={next}")));
    let rows = found.connections.iter().map(|one| row(visit, one)).collect();
    let protocols = PROTOCOLS.into_iter().map(|word| (word, word == protocol)).collect();
    let frame = visit.frame("connections");
    Answer::page(&Connections { frame, typed, wanted, protocols, rows, is_first: after.is_none(), next })
}

/// `POST …/connections`: ends one. One that has gone meanwhile is as good as ended.
pub(crate) async fn close(visit: &Visit) -> Result<Answer> {
    let connection: ConnectionId = visit.form.value("connection").parse()?;
    match visit.node().disconnect(&visit.caller, connection).await {
        Ok(()) => {}
        Err(error) if error.kind == ErrorKind::NotFound => {}
        Err(error) => return Err(error),
    }
    let mut answer = Answer::see(&visit.at("/connections?done=disconnected"));
    if visit.form.filled("q").is_some() {
        let q = words::path(visit.form.value("q"));
        answer = Answer::see(&visit.at(&format!("/connections?q={q}&done=disconnected")));
    }
    Ok(answer)
}
