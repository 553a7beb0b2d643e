//! Effects in the notation of transcripts. What a command leaves open is left out.

use serde_json::{Map, Value, json};
use tollgate_core::command::{
    Command, HistoryFrom, HistoryQuery, MembersQuery, NewMessage, Resume, StartFrom, SubscribeWish,
};
use tollgate_core::json::JsonObject;
use tollgate_core::ports::store::StateChange;

use crate::Effect;

/// Spells an effect. Line ends within a payload are shown as `\n`.
pub(super) fn effect(effect: &Effect) -> String {
    match effect {
        Effect::Send(payload) => match std::str::from_utf8(payload) {
            Ok(text) => format!("> {}", text.replace('\n', "\\n")),
            Err(_) => format!("> (not UTF-8) {payload:?}"),
        },
        Effect::SendBinary(payload) => format!("> (binary) {payload:?}"),
        Effect::Perform(number, command) => format!("= {} {}", number.0, spell(command)),
        Effect::Close { code, text, reason } => format!("close {code} {text} ({})", reason.word()),
    }
}

fn quoted(text: &str) -> String {
    Value::from(text).to_string()
}

/// The fields that are there, behind a space; nothing if none is.
fn fields(fields: Map<String, Value>) -> String {
    if fields.is_empty() { String::new() } else { format!(" {}", Value::Object(fields)) }
}

fn put(fields: &mut Map<String, Value>, name: &str, value: Option<Value>) {
    if let Some(value) = value {
        fields.insert(name.to_owned(), value);
    }
}

fn object(object: &JsonObject) -> Value {
    serde_json::from_str(object.as_str()).expect("invariant: it was checked to be JSON")
}

fn spell(command: &Command) -> String {
    match command {
        Command::Connect { project, token, resume } => {
            let token = token.as_ref().map_or("anonymous".to_owned(), |token| quoted(token.expose()));
            let resume = resume.as_deref().map(resumed).unwrap_or_default();
            format!("connect {} {token}{resume}", quoted(project))
        }
        Command::Renew { token } => format!("renew {}", quoted(token.expose())),
        Command::Subscribe { channel, wish } => {
            format!("subscribe {}{}", quoted(channel), wish.as_deref().map(wished).unwrap_or_default())
        }
        Command::Unsubscribe { channel } => format!("unsubscribe {}", quoted(channel)),
        Command::Publish(one) => format!("publish {}", message(one)),
        Command::Batch(messages) => {
            format!("batch {}", messages.iter().map(message).collect::<Vec<_>>().join(", "))
        }
        Command::SetState { channel, change, if_version } => {
            let (word, state) = match change {
                StateChange::Replace(state) => ("set_state", state),
                StateChange::Merge(state) => ("merge_state", state),
            };
            let condition = if_version.map_or(String::new(), |version| format!(" if {version}"));
            format!("{word} {} {}{condition}", quoted(channel), state.as_str())
        }
        Command::History { channel, query } => format!("history {}{}", quoted(channel), history(query)),
        Command::Members { channel, query } => format!("members {}{}", quoted(channel), members(query)),
        Command::SetMember { channel, data } => {
            format!("set_member {} {}", quoted(channel), data.as_ref().map_or("null", JsonObject::as_str))
        }
        Command::Acknowledge { direct } => format!("acknowledge {direct}"),
    }
}

fn message(one: &NewMessage) -> String {
    let mut rare = Map::new();
    if let Some(options) = one.options.as_deref() {
        put(&mut rare, "id", options.id.as_deref().map(Value::from));
        put(&mut rare, "echo", options.echo.map(Value::from));
        put(&mut rare, "key", options.key.as_deref().map(Value::from));
    }
    format!("{} {} {}{}", quoted(&one.channel), quoted(&one.event), one.data.as_str(), fields(rare))
}

fn resumed(resume: &Resume) -> String {
    let mut all = Map::new();
    put(&mut all, "session", resume.session.as_deref().map(Value::from));
    let positions: Map<String, Value> =
        resume.positions.iter().map(|(channel, at)| (channel.clone(), at.to_string().into())).collect();
    put(&mut all, "positions", (!positions.is_empty()).then_some(Value::Object(positions)));
    put(&mut all, "direct", resume.direct.map(|at| at.to_string().into()));
    put(&mut all, "watches", (!resume.watches.is_empty()).then(|| json!(resume.watches)));
    put(&mut all, "data", resume.data.as_ref().map(object));
    fields(all)
}

fn wished(wish: &SubscribeWish) -> String {
    let mut all = Map::new();
    match wish.from {
        Some(StartFrom::Position(at)) => put(&mut all, "position", Some(at.to_string().into())),
        Some(StartFrom::Last(last)) => put(&mut all, "last", Some(last.into())),
        Some(StartFrom::Since(at)) => put(&mut all, "since", Some(at.0.into())),
        None => {}
    }
    put(&mut all, "watches", wish.watches.then_some(Value::Bool(true)));
    put(&mut all, "data", wish.data.as_ref().map(object));
    fields(all)
}

fn history(query: &HistoryQuery) -> String {
    let mut all = Map::new();
    match query.from {
        HistoryFrom::End => {}
        HistoryFrom::After(at) => put(&mut all, "after", Some(at.to_string().into())),
        HistoryFrom::Before(at) => put(&mut all, "before", Some(at.to_string().into())),
        HistoryFrom::Since(at) => put(&mut all, "since", Some(at.0.into())),
    }
    put(&mut all, "newest", query.newest_first.then_some(Value::Bool(true)));
    put(&mut all, "limit", Some(query.limit.into()));
    fields(all)
}

fn members(query: &MembersQuery) -> String {
    let mut all = Map::new();
    put(&mut all, "after", query.after.as_deref().map(Value::from));
    put(&mut all, "sample", query.sample.then_some(Value::Bool(true)));
    put(&mut all, "limit", Some(query.limit.into()));
    fields(all)
}
