//! A channel's messages: the tail that waits for what comes next, and the pages of what is kept.

use askama::Template;
use tollgate_core::Result;
use tollgate_core::command::{HistoryFrom, HistoryQuery};
use tollgate_core::delivery::{Position, Publication};
use tollgate_node::HistoryView;

use super::channel::{Head, head, named, tail_path};
use crate::answer::Answer;
use crate::frame::Frame;
use crate::json_text;
use crate::visit::{Visit, no_such};
use crate::words;

/// How long a tail waits before it says that nothing came.
const WAIT_MS: u64 = 20_000;
/// Messages of one answer of the tail.
const TAIL_MAX: usize = 100;
const PAGE: usize = 50;
/// Characters of a message's data in a row; the whole is folded in.
const DATA_CHARS_MAX: usize = 400;

/// A message in a list.
pub(crate) struct Message {
    pub(crate) rfc3339: String,
    pub(crate) time: String,
    pub(crate) offset: String,
    pub(crate) event: String,
    pub(crate) data: String,
    pub(crate) whole: String,
    pub(crate) sender: String,
}

#[derive(Template)]
#[template(path = "live/tail.html")]
struct Tail {
    messages: Vec<Message>,
    next: String,
    /// What to say of messages that went by and cannot be shown.
    missed: String,
}

#[derive(Template)]
#[template(path = "channel_history.html")]
struct History {
    frame: Frame,
    head: Head,
    messages: Vec<Message>,
    prefix: String,
    lost: bool,
    newest: bool,
    older: Option<String>,
}

/// Messages for a list, of those whose event begins so.
pub(crate) fn shown(messages: Vec<(u64, Publication)>, prefix: &str) -> Vec<Message> {
    let fits = messages.into_iter().filter(|(_, message)| message.event.starts_with(prefix));
    fits.map(|(offset, message)| {
        let data = message.data.as_str();
        let extra = message.extra.as_deref();
        let sender =
            extra.and_then(|extra| extra.user.as_deref().map(str::to_owned).or_else(|| Some(extra.token?.to_string())));
        Message {
            rfc3339: message.at.to_string(),
            time: words::time_of_day(message.at),
            offset: words::count(offset),
            event: message.event.to_string(),
            data: words::cut(data, DATA_CHARS_MAX),
            whole: json_text::indented(data),
            sender: sender.unwrap_or_default(),
        }
    })
    .collect()
}

/// `GET …/channels/:channel/tail`: what came behind a position, newest first; waits for it.
pub(crate) async fn tail(visit: &Visit) -> Result<Answer> {
    let channel = named(visit)?;
    let head = head(visit, &channel, "now");
    let after: Position = visit.query.value("after").parse()?;
    let prefix = visit.query.value("event");
    let query = HistoryQuery { from: HistoryFrom::After(after), newest_first: false, limit: TAIL_MAX };
    let found = visit.node().history_waiting(&visit.caller, &channel.id, query, WAIT_MS).await?;
    let (messages, next, missed) = match found {
        HistoryView::Page(page) => {
            let last = page.messages.last().map(|(offset, _)| *offset);
            let next = match last {
                Some(offset) if page.more => Position { offset, ..page.position },
                _ => page.position,
            };
            let gone = next.offset.saturating_sub(after.offset).saturating_sub(page.messages.len() as u64);
            let missed = if gone > 0 && next.epoch == after.epoch {
                format!("{} went by that the channel does not keep.", words::count(gone))
            } else {
                String::new()
            };
            (page.messages, next, missed)
        }
        HistoryView::Lost(position) => {
            (Vec::new(), position, "Some messages went by that the channel does not keep any more.".to_owned())
        }
    };
    let mut messages = shown(messages, prefix);
    messages.reverse();
    Answer::page(&Tail { messages, next: tail_path(&head, next, prefix), missed })
}

/// `GET …/channels/:channel/history`.
pub(crate) async fn history(visit: &Visit) -> Result<Answer> {
    let channel = named(visit)?;
    let head = head(visit, &channel, "history");
    let prefix = visit.query.filled("event").unwrap_or_default().to_owned();
    let before =
        visit.query.filled("before").map(str::parse::<Position>).transpose().map_err(|_| no_such("position"))?;
    let from = before.map_or(HistoryFrom::End, HistoryFrom::Before);
    let query = HistoryQuery { from, newest_first: true, limit: PAGE };
    let (messages, older, lost) = match visit.node().history(&visit.caller, &channel.id, query).await? {
        HistoryView::Page(page) => {
            let oldest = page
                .messages
                .last()
                .filter(|_| page.more)
                .map(|(offset, _)| Position { offset: *offset, ..page.position });
            (page.messages, oldest, false)
        }
        HistoryView::Lost(_) => (Vec::new(), None, true),
    };
    let older = older.map(|position| format!("{}/history?before={position}&event={}", head.path, words::path(&prefix)));
    let page = History {
        frame: visit.frame("channels"),
        messages: shown(messages, &prefix),
        head,
        prefix,
        lost,
        newest: before.is_none(),
        older,
    };
    Answer::page(&page)
}
