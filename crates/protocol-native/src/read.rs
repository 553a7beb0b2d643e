//! From a request's body to a command: limits and contradictions that the types of the wire cannot say. Decides nothing about rights.

use std::borrow::Cow;

use serde_json::value::RawValue;
use tollgate_core::clock::UnixMillis;
use tollgate_core::command::{
    Command, HistoryFrom, HistoryQuery, MembersQuery, NewMessage, PresentedSecret, PublishOptions, Resume, StartFrom,
    SubscribeWish,
};
use tollgate_core::json::{JsonObject, JsonValue};
use tollgate_core::limits::{CHANNEL_ID_BYTES_MAX, CHANNEL_STATE_BYTES_MAX, EVENT_BYTES_MAX, MESSAGE_BYTES_MAX};
use tollgate_core::ports::store::StateChange;
use tollgate_core::{Error, ErrorKind, Result};

use crate::sse::{SSE_SUBSCRIBES_MAX, SseChannel, SseStart};
use crate::wire::{
    BATCH_MAX, Connect, HistoryOrder, HistoryRequest, MEMBER_DATA_BYTES_MAX, NAME_BYTES_MAX, OpenStream, PAGE_DEFAULT,
    PAGE_MAX, POSITIONS_MAX, PresenceRequest, Publish, Request, Rewind, Secret, SetState, Subscribe,
};

fn invalid(why: impl Into<String>) -> Error {
    Error::new(ErrorKind::InvalidInput, why)
}

fn limit(why: impl Into<String>) -> Error {
    Error::new(ErrorKind::LimitReached, why)
}

/// The command that a request asks for.
pub(crate) fn command(request: Request<'_>) -> Result<Command> {
    Ok(match request {
        Request::Connect(connect) => self::connect(connect)?,
        Request::Renew(renew) => match (renew.token, renew.ticket) {
            (Some(one), None) | (None, Some(one)) => Command::Renew { token: secret(one) },
            _ => return Err(invalid("Send `token` or `ticket`.")),
        },
        Request::Subscribe(subscribe) => self::subscribe(subscribe)?,
        Request::Unsubscribe(unsubscribe) => Command::Unsubscribe { channel: channel(unsubscribe.channel)? },
        Request::State(state) => self::state(state)?,
        Request::Publish(publish) => Command::Publish(message(publish)?),
        Request::Batch(batch) => self::batch(batch.messages)?,
        Request::History(history) => self::history(history)?,
        Request::Presence(presence) => self::presence(presence)?,
        Request::PresenceSet(set) => {
            let channel = channel(set.channel)?;
            Command::SetMember { channel, data: Some(member_data(set.data)?) }
        }
        Request::Ack(ack) => Command::Acknowledge { direct: ack.direct.0 },
    })
}

/// About how many bytes a command takes while it waits.
pub(crate) fn bytes(command: &Command) -> usize {
    let message = |message: &NewMessage| {
        message.channel.len() + message.event.len() + message.data.as_str().len() + size_of::<NewMessage>()
    };
    match command {
        Command::Connect { resume, .. } => {
            let positions =
                |resume: &Resume| resume.positions.iter().map(|(channel, _)| channel.len() + 40).sum::<usize>();
            256 + resume.as_deref().map_or(0, positions)
        }
        Command::Renew { token } => token.expose().len(),
        Command::Publish(one) => message(one),
        Command::Batch(messages) => messages.iter().map(message).sum(),
        Command::SetState { channel, change: StateChange::Replace(state) | StateChange::Merge(state), .. } => {
            channel.len() + state.as_str().len()
        }
        Command::Members { channel, query } => channel.len() + query.after.as_ref().map_or(0, String::len),
        Command::SetMember { channel, data } => channel.len() + data.as_ref().map_or(0, |data| data.as_str().len()),
        Command::Subscribe { channel, .. } | Command::Unsubscribe { channel } | Command::History { channel, .. } => {
            channel.len() + MEMBER_DATA_BYTES_MAX
        }
        Command::Acknowledge { .. } => 0,
    }
}

fn secret(secret: Secret<'_>) -> PresentedSecret {
    PresentedSecret::new(secret.0.into_owned())
}

/// A channel's id as it came. Whether there is such a channel is for the operation; that it is not endless is for us, who keep it.
fn channel(channel: Cow<'_, str>) -> Result<String> {
    if channel.len() > CHANNEL_ID_BYTES_MAX {
        return Err(invalid(format!(
            "The channel id has {} bytes; at most {CHANNEL_ID_BYTES_MAX} are allowed.",
            channel.len()
        )));
    }
    Ok(channel.into_owned())
}

/// A text of 1 to 64 bytes.
fn name(what: &str, text: Cow<'_, str>) -> Result<String> {
    if text.is_empty() || text.len() > NAME_BYTES_MAX {
        return Err(invalid(format!("`{what}` has {} bytes; 1 to {NAME_BYTES_MAX} are allowed.", text.len())));
    }
    Ok(text.into_owned())
}

fn member_data(raw: &RawValue) -> Result<JsonObject> {
    JsonObject::from_raw(raw, MEMBER_DATA_BYTES_MAX)
}

fn connect(connect: Connect<'_>) -> Result<Command> {
    let (project, token, resume) = client(connect)?;
    // Always there: it says that this is a client with a session, which those of other protocols have not.
    Ok(Command::Connect { project, token, resume: Some(Box::new(resume)) })
}

/// Who comes, and what it goes on with.
fn client(connect: Connect<'_>) -> Result<(String, Option<PresentedSecret>, Resume)> {
    let Connect { project, token, ticket, sdk, session, positions, watch, direct, data } = connect;
    if token.is_some() && ticket.is_some() {
        return Err(invalid("Send `token` or `ticket`, not both."));
    }
    sdk.map(|sdk| name("sdk", sdk)).transpose()?;
    let session = session.map(|session| name("session", session)).transpose()?;
    if positions.len() > POSITIONS_MAX {
        return Err(limit(format!(
            "`positions` has {} entries; at most {POSITIONS_MAX} are allowed.",
            positions.len()
        )));
    }
    let positions: Vec<_> = positions
        .into_iter()
        .map(|(channel, position)| Ok((self::channel(channel)?, position.0)))
        .collect::<Result<_>>()?;
    if watch.len() > POSITIONS_MAX {
        return Err(limit(format!("`watch` has {} entries; at most {POSITIONS_MAX} are allowed.", watch.len())));
    }
    let watches = watch.into_iter().map(self::channel).collect::<Result<_>>()?;
    let data = data.map(member_data).transpose()?;
    let direct = direct.map(|direct| direct.0);
    let resume = Resume { session, positions, direct, data, watches };
    Ok((project.into_owned(), token.or(ticket).map(secret), resume))
}

/// What an event stream is asked for with, beside its headers.
pub(crate) fn stream(body: &str) -> Result<SseStart> {
    let OpenStream { connect, subscribe } =
        OpenStream::parse(body).map_err(|why| Error::new(ErrorKind::InvalidBody, why))?;
    if subscribe.len() > SSE_SUBSCRIBES_MAX {
        return Err(limit(format!(
            "`subscribe` has {} entries; at most {SSE_SUBSCRIBES_MAX} are allowed.",
            subscribe.len()
        )));
    }
    let read = |(index, one): (usize, Subscribe<'_>)| {
        wish(one)
            .map(|(channel, wish)| SseChannel { channel, wish })
            .map_err(|error| Error { detail: format!("subscribe[{index}]: {}", error.detail), ..error })
    };
    let channels = subscribe.into_iter().enumerate().map(read).collect::<Result<_>>()?;
    let (project, token, resume) = client(connect)?;
    Ok(SseStart { project, token, resume, channels })
}

fn subscribe(subscribe: Subscribe<'_>) -> Result<Command> {
    let (channel, wish) = wish(subscribe)?;
    let wish = (wish != SubscribeWish::default()).then(|| Box::new(wish));
    Ok(Command::Subscribe { channel, wish })
}

fn wish(subscribe: Subscribe<'_>) -> Result<(String, SubscribeWish)> {
    let Subscribe { channel, position, rewind, presence, data } = subscribe;
    let from = match (position, rewind) {
        (Some(_), Some(_)) => return Err(invalid("Send `position` or `rewind`, not both.")),
        (Some(position), None) => Some(StartFrom::Position(position.0)),
        (None, Some(Rewind::Last(last))) => {
            if !(1..=PAGE_MAX).contains(&last) {
                return Err(invalid(format!("`rewind.last` is {last}; it is 1 to {PAGE_MAX}.")));
            }
            Some(StartFrom::Last(last))
        }
        (None, Some(Rewind::SinceAt(at))) => Some(StartFrom::Since(UnixMillis(at))),
        (None, None) => None,
    };
    let wish = SubscribeWish { from, watches: presence, data: data.map(member_data).transpose()? };
    Ok((self::channel(channel)?, wish))
}

fn state(state: SetState<'_>) -> Result<Command> {
    let object = |raw| JsonObject::from_raw(raw, CHANNEL_STATE_BYTES_MAX);
    let change = match (state.set, state.merge) {
        (Some(set), None) => StateChange::Replace(object(set)?),
        (None, Some(merge)) => StateChange::Merge(object(merge)?),
        (None, None) | (Some(_), Some(_)) => {
            return Err(invalid("Send `set` (the whole new state) or `merge` (top-level keys to put in place)."));
        }
    };
    Ok(Command::SetState { channel: channel(state.channel)?, change, if_version: state.if_version })
}

fn message(publish: Publish<'_>) -> Result<NewMessage> {
    let Publish { channel, event, data, id, echo, key } = publish;
    if event.is_empty() || event.len() > EVENT_BYTES_MAX {
        return Err(invalid(format!("`event` has {} bytes; 1 to {EVENT_BYTES_MAX} are allowed.", event.len())));
    }
    let options = PublishOptions {
        id: id.map(|id| name("id", id)).transpose()?,
        echo,
        key: key.map(|key| name("key", key)).transpose()?,
    };
    Ok(NewMessage {
        channel: self::channel(channel)?,
        event: event.into_owned(),
        data: data.map_or(Ok(JsonValue::null()), |data| JsonValue::from_raw(data, MESSAGE_BYTES_MAX))?,
        options: (options != PublishOptions::default()).then(|| Box::new(options)),
    })
}

fn batch(messages: Vec<Publish<'_>>) -> Result<Command> {
    if messages.is_empty() || messages.len() > BATCH_MAX {
        return Err(limit(format!("`messages` has {} entries; 1 to {BATCH_MAX} are allowed.", messages.len())));
    }
    let read = |(index, one): (usize, Publish<'_>)| {
        message(one).map_err(|error| Error { detail: format!("messages[{index}]: {}", error.detail), ..error })
    };
    Ok(Command::Batch(messages.into_iter().enumerate().map(read).collect::<Result<_>>()?))
}

fn history(history: HistoryRequest<'_>) -> Result<Command> {
    let HistoryRequest { channel, after, before, since_at, limit, order } = history;
    let from = match (after, before, since_at) {
        (None, None, None) => HistoryFrom::End,
        (Some(after), None, None) => HistoryFrom::After(after.0),
        (None, Some(before), None) => HistoryFrom::Before(before.0),
        (None, None, Some(at)) => HistoryFrom::Since(UnixMillis(at)),
        _ => return Err(invalid("Send one of `after`, `before` and `since_at`.")),
    };
    let limit = limit.unwrap_or(PAGE_DEFAULT);
    if !(1..=PAGE_MAX).contains(&limit) {
        return Err(invalid(format!("`limit` is {limit}; it is 1 to {PAGE_MAX}.")));
    }
    let query = HistoryQuery { from, newest_first: order == Some(HistoryOrder::Newest), limit: limit as usize };
    Ok(Command::History { channel: self::channel(channel)?, query })
}

fn presence(presence: PresenceRequest<'_>) -> Result<Command> {
    let PresenceRequest { channel, limit, after, sample } = presence;
    let limit = limit.unwrap_or(PAGE_DEFAULT);
    if limit > PAGE_MAX {
        return Err(invalid(format!("`limit` is {limit}; it is 0 to {PAGE_MAX}.")));
    }
    if sample && after.is_some() {
        return Err(invalid("Members at random have no order: send `sample` or `after`."));
    }
    let query = MembersQuery { after: after.map(Cow::into_owned), limit: limit as usize, sample };
    Ok(Command::Members { channel: self::channel(channel)?, query })
}
