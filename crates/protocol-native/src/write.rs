//! The frames that we send, concatenated by hand: bodies first, then what is put around them. Every frame of the page that the server sends is
//! spelled in this file and nowhere else.

use bytes::Bytes;
use tollgate_core::command::{Connected, ConnectedToken, HistoryPage, MembersPage, Published, Renewed, Subscribed};
use tollgate_core::delivery::{Member, Position, Publication};
use tollgate_core::ids::ChannelId;
use tollgate_core::json::JsonObject;
use tollgate_core::limits::SUBSCRIPTIONS_PER_TOKEN_MAX;

use crate::config::NativeConfig;
use crate::outcome::Failure;
use crate::wire::REQUESTS_MAX;

/// A JSON string with its quotes.
fn string(out: &mut Vec<u8>, text: &str) {
    serde_json::to_writer(out, text).expect("invariant: writing a string to memory cannot fail");
}

/// Text that needs no escapes.
fn raw(out: &mut Vec<u8>, text: &str) {
    out.extend_from_slice(text.as_bytes());
}

/// A number.
fn number(out: &mut Vec<u8>, number: u64) {
    let (mut digits, mut first, mut left) = ([0; 20], 20, number);
    loop {
        first -= 1;
        digits[first] = b'0' + (left % 10) as u8;
        left /= 10;
        if left == 0 {
            return out.extend_from_slice(&digits[first..]);
        }
    }
}

/// Anything that shows itself in text that needs no escapes.
fn display(out: &mut Vec<u8>, one: impl std::fmt::Display) {
    use std::io::Write as _;
    write!(out, "{one}").expect("invariant: writing to memory cannot fail");
}

fn position(out: &mut Vec<u8>, position: Position) {
    out.push(b'"');
    display(out, position);
    out.push(b'"');
}

/// The reply with this body.
pub(crate) fn ok(id: u32, body: &[u8]) -> Bytes {
    let mut out = Vec::with_capacity(body.len() + 32);
    raw(&mut out, "{\"id\":");
    number(&mut out, id.into());
    raw(&mut out, ",\"ok\":{");
    out.extend_from_slice(body);
    raw(&mut out, "}}");
    out.into()
}

/// The reply that says why it was not done.
pub(crate) fn error(id: u32, failure: &Failure) -> Bytes {
    let mut out = Vec::with_capacity(160 + failure.message.len());
    raw(&mut out, "{\"id\":");
    number(&mut out, id.into());
    raw(&mut out, ",\"error\":");
    self::failure(&mut out, failure);
    out.push(b'}');
    out.into()
}

fn failure(out: &mut Vec<u8>, failure: &Failure) {
    raw(out, "{\"code\":\"");
    raw(out, failure.code.word());
    raw(out, "\",\"message\":");
    string(out, &failure.message);
    raw(out, ",\"retry\":\"");
    raw(out, failure.code.retry().word());
    out.push(b'"');
    if let Some(ms) = failure.retry_after_ms {
        raw(out, ",\"retry_after_ms\":");
        number(out, ms);
    }
    if let Some(version) = failure.version {
        raw(out, ",\"version\":");
        number(out, version);
    }
    if let Some(at) = failure.position {
        raw(out, ",\"position\":");
        position(out, at);
    }
    out.push(b'}');
}

/// The push of this kind with these fields.
pub(crate) fn push(kind: &str, fields: &[u8]) -> Bytes {
    let mut out = Vec::with_capacity(fields.len() + 32);
    begin(&mut out, kind);
    out.extend_from_slice(fields);
    out.push(b'}');
    out.into()
}

/// A push up to its fields.
fn begin(out: &mut Vec<u8>, kind: &str) {
    raw(out, "{\"push\":\"");
    raw(out, kind);
    raw(out, "\",");
}

/// A push about a channel, up to its further fields.
fn begin_of(out: &mut Vec<u8>, kind: &str, channel: &ChannelId) {
    begin(out, kind);
    raw(out, "\"channel\":");
    string(out, channel.as_str());
}

/// The body of the reply to `connect`.
pub(crate) fn connected(config: &NativeConfig, connected: &Connected) -> Vec<u8> {
    let states = connected.channels.iter().map(|one| 200 + one.channel.state.as_str().len()).sum::<usize>();
    let mut out = Vec::with_capacity(512 + states);
    raw(&mut out, "\"connection\":\"");
    display(&mut out, connected.connection);
    out.push(b'"');
    if let Some(session) = &connected.session {
        raw(&mut out, ",\"session\":");
        string(&mut out, session);
    }
    raw(&mut out, if connected.resumed { ",\"resumed\":true" } else { ",\"resumed\":false" });
    raw(&mut out, ",\"ping_ms\":");
    number(&mut out, config.ping_ms());
    raw(&mut out, ",\"timeout_ms\":");
    number(&mut out, config.timeout_ms.into());
    if let Some(one) = &connected.token {
        raw(&mut out, ",\"token\":");
        token(&mut out, one);
    }
    raw(&mut out, ",\"limits\":{\"message_bytes\":");
    number(&mut out, config.message_bytes as u64);
    raw(&mut out, ",\"requests\":");
    number(&mut out, REQUESTS_MAX as u64);
    raw(&mut out, ",\"subscriptions\":");
    number(&mut out, SUBSCRIPTIONS_PER_TOKEN_MAX as u64);
    out.push(b'}');
    directs(&mut out, connected.direct, connected.direct_lost);
    raw(&mut out, ",\"channels\":[");
    for (index, one) in connected.channels.iter().enumerate() {
        raw(&mut out, if index > 0 { ",{" } else { "{" });
        subscribed(&mut out, one);
        raw(&mut out, if one.is_resuming { ",\"resuming\":true}" } else { "}" });
    }
    out.push(b']');
    out
}

fn token(out: &mut Vec<u8>, token: &ConnectedToken) {
    raw(out, "{\"id\":\"");
    display(out, token.id);
    out.push(b'"');
    if let Some(user) = &token.user {
        raw(out, ",\"user\":");
        string(out, user);
    }
    if let Some(state) = &token.state {
        raw(out, ",\"state\":");
        raw(out, state.as_str());
    }
    if let Some(expiry) = token.expiry {
        raw(out, ",\"expires_in_ms\":");
        number(out, expiry.left_ms);
    }
    out.push(b'}');
}

/// The body of the reply to `renew`.
pub(crate) fn renewed(renewed: &Renewed) -> Vec<u8> {
    let mut out = Vec::with_capacity(256);
    raw(&mut out, "\"token\":");
    token(&mut out, &renewed.token);
    if let Some(session) = &renewed.session {
        raw(&mut out, ",\"session\":");
        string(&mut out, session);
    }
    directs(&mut out, renewed.direct, renewed.direct_lost);
    out
}

/// Where direct messages begin.
fn directs(out: &mut Vec<u8>, direct: Option<Position>, is_lost: bool) {
    if let Some(direct) = direct {
        raw(out, ",\"direct\":");
        position(out, direct);
    }
    if is_lost {
        raw(out, ",\"direct_lost\":true");
    }
}

/// A subscription as it begins: the fields of the reply to `subscribe`.
pub(crate) fn subscribed(out: &mut Vec<u8>, subscribed: &Subscribed) {
    let channel = &subscribed.channel;
    out.reserve(160 + channel.state.as_str().len());
    raw(out, "\"channel\":");
    string(out, channel.channel.as_str());
    raw(out, ",\"type\":\"");
    raw(out, channel.kind.word());
    raw(out, "\",\"state\":");
    raw(out, channel.state.as_str());
    raw(out, ",\"version\":");
    number(out, channel.version);
    raw(out, ",\"position\":");
    position(out, subscribed.position);
    if let Some(recovered) = subscribed.recovered {
        raw(out, if recovered { ",\"recovered\":true" } else { ",\"recovered\":false" });
    }
}

/// What became of a message.
pub(crate) fn published(out: &mut Vec<u8>, published: Published) {
    match published {
        Published::At(at) | Published::Duplicate(at) => {
            raw(out, "\"position\":");
            position(out, at);
            if matches!(published, Published::Duplicate(_)) {
                raw(out, ",\"duplicate\":true");
            }
        }
        Published::Conflated => raw(out, "\"conflated\":true"),
    }
}

/// The body of the reply to `batch`.
pub(crate) fn batch(results: &[Result<Published, Failure>]) -> Vec<u8> {
    let mut out = Vec::with_capacity(16 + 48 * results.len());
    raw(&mut out, "\"results\":[");
    for (index, result) in results.iter().enumerate() {
        raw(&mut out, if index > 0 { ",{" } else { "{" });
        match result {
            Ok(one) => published(&mut out, *one),
            Err(why) => {
                raw(&mut out, "\"error\":");
                failure(&mut out, why);
            }
        }
        out.push(b'}');
    }
    out.push(b']');
    out
}

/// The body of the reply to `state`.
pub(crate) fn versioned(version: u64) -> Vec<u8> {
    format!("\"version\":{version}").into_bytes()
}

/// A message's fields without its channel.
fn message_fields(out: &mut Vec<u8>, offset: Option<u64>, publication: &Publication) {
    if let Some(offset) = offset {
        raw(out, "\"offset\":");
        number(out, offset);
        out.push(b',');
    }
    raw(out, "\"event\":");
    string(out, &publication.event);
    raw(out, ",\"data\":");
    raw(out, publication.data.as_str());
    raw(out, ",\"at\":");
    number(out, publication.at.0);
    let Some(extra) = publication.extra.as_deref() else { return };
    if extra.token.is_some() || extra.user.is_some() {
        raw(out, ",\"sender\":{");
        if let Some(user) = &extra.user {
            raw(out, "\"user\":");
            string(out, user);
        }
        if let Some(token) = extra.token {
            raw(out, &format!("{}\"token\":\"{token}\"", if extra.user.is_some() { "," } else { "" }));
        }
        out.push(b'}');
    }
    if let Some(connection) = extra.connection {
        raw(out, &format!(",\"connection\":\"{connection}\""));
    }
    if let Some(id) = &extra.id {
        raw(out, ",\"id\":");
        string(out, id);
    }
}

/// The body of the reply to `history`.
pub(crate) fn history(page: &HistoryPage) -> Vec<u8> {
    let mut out = Vec::with_capacity(64 + page.messages.iter().map(|(_, one)| 96 + one.bytes()).sum::<usize>());
    raw(&mut out, "\"messages\":[");
    for (index, (offset, publication)) in page.messages.iter().enumerate() {
        raw(&mut out, if index > 0 { ",{" } else { "{" });
        message_fields(&mut out, Some(*offset), publication);
        out.push(b'}');
    }
    raw(&mut out, "],\"position\":");
    position(&mut out, page.position);
    if let (true, Some((offset, _))) = (page.more, page.messages.last()) {
        raw(&mut out, ",\"next\":");
        position(&mut out, Position { offset: *offset, ..page.position });
    }
    out
}

fn member(out: &mut Vec<u8>, member: &Member) {
    raw(out, "{\"member\":");
    string(out, &member.name);
    if let Some(data) = &member.data {
        raw(out, ",\"data\":");
        raw(out, data.as_str());
    }
    raw(out, ",\"since_at\":");
    number(out, member.since.0);
    out.push(b'}');
}

fn members(out: &mut Vec<u8>, members: &[Member]) {
    out.push(b'[');
    for (index, one) in members.iter().enumerate() {
        if index > 0 {
            out.push(b',');
        }
        member(out, one);
    }
    out.push(b']');
}

/// The body of the reply to `presence`.
pub(crate) fn members_page(page: &MembersPage) -> Vec<u8> {
    let mut out = Vec::with_capacity(64 + 96 * page.members.len());
    raw(&mut out, "\"count\":");
    number(&mut out, page.count);
    raw(&mut out, ",\"members\":");
    members(&mut out, &page.members);
    if let (true, Some(last)) = (page.more, page.members.last()) {
        raw(&mut out, ",\"next\":");
        string(&mut out, &last.name);
    }
    out
}

/// Push `message`.
pub(crate) fn message(out: &mut Vec<u8>, channel: &ChannelId, at: Position, publication: &Publication) {
    out.reserve(160 + publication.bytes());
    begin_of(out, "message", channel);
    out.push(b',');
    message_fields(out, Some(at.offset), publication);
    out.push(b'}');
}

/// Push `direct`.
pub(crate) fn direct(out: &mut Vec<u8>, at: Option<Position>, publication: &Publication) {
    out.reserve(96 + publication.bytes());
    begin(out, "direct");
    message_fields(out, at.map(|at| at.offset), publication);
    out.push(b'}');
}

/// Push `state`.
pub(crate) fn state(out: &mut Vec<u8>, channel: &ChannelId, state: &JsonObject, version: u64) {
    out.reserve(96 + channel.as_str().len() + state.as_str().len());
    begin_of(out, "state", channel);
    raw(out, ",\"state\":");
    raw(out, state.as_str());
    raw(out, ",\"version\":");
    number(out, version);
    out.push(b'}');
}

/// Push `position`.
pub(crate) fn moved(out: &mut Vec<u8>, channel: &ChannelId, at: Position) {
    begin_of(out, "position", channel);
    raw(out, ",\"position\":");
    position(out, at);
    out.push(b'}');
}

/// Push `unsubscribed`; `reason` is a word of the page.
pub(crate) fn unsubscribed(out: &mut Vec<u8>, channel: &ChannelId, reason: &'static str) {
    begin_of(out, "unsubscribed", channel);
    raw(out, ",\"reason\":\"");
    raw(out, reason);
    raw(out, "\"}");
}

/// Push `presence`.
pub(crate) fn presence(
    out: &mut Vec<u8>,
    channel: &ChannelId,
    count: u64,
    changes: Option<&(Vec<Member>, Vec<std::sync::Arc<str>>)>,
) {
    begin_of(out, "presence", channel);
    raw(out, ",\"count\":");
    number(out, count);
    if let Some((joined, left)) = changes {
        raw(out, ",\"joined\":");
        members(out, joined);
        raw(out, ",\"left\":[");
        for (index, name) in left.iter().enumerate() {
            if index > 0 {
                out.push(b',');
            }
            string(out, name);
        }
        out.push(b']');
    }
    out.push(b'}');
}

/// Push `expiring`.
pub(crate) fn expiring(left_ms: u64) -> Bytes {
    push("expiring", format!("\"in_ms\":{left_ms}").as_bytes())
}

/// Push `refused`, of a channel.
pub(crate) fn refused(channel: &str, why: &Failure) -> Bytes {
    let mut fields = Vec::with_capacity(160 + why.message.len());
    raw(&mut fields, "\"channel\":");
    string(&mut fields, channel);
    raw(&mut fields, ",\"error\":");
    failure(&mut fields, why);
    push("refused", &fields)
}
