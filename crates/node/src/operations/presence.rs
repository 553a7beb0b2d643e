//! Telling webhook endpoints who is there: tokens that are online, channels that somebody is in.
//!
//! Not by what happened but by how things stand: what endpoints were last told is kept in the store, in the unit of work of the message, and
//! compared with what is. So each endpoint hears beginnings and ends in turn, and what a crash swallowed is told after the next start. A
//! beginning is told at the next look, an end when the session is over; what comes and goes in between is not told.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use tollgate_core::clock::Monotonic;
use tollgate_core::credentials::{RowKind, fingerprint, number_of};
use tollgate_core::ids::{ChannelId, ProjectId, TokenId};
use tollgate_core::limits::{DELIVERIES_MAX, NATIVE_SESSION_MS};
use tollgate_core::ports::store::{RowName, Write};
use tollgate_core::records::ToldRecord;

use super::events::{Data, user_of_token};
use crate::Node;
use crate::directory::{OF_CHANNELS, OF_TOKENS, ProjectEntry, Records, TokenEntry, Wanted};

/// How long a channel must be empty, after the last session in it was over.
const VACATED_AFTER_MS: u64 = 1_000;
/// Changes told in one unit of work.
const UNIT_MAX: usize = 250;
/// Endpoints that one change may be told to, for the room that it takes in the line.
const ENDPOINTS_MAX: usize = tollgate_core::limits::ISSUERS_MAX;

/// What is to be looked at, and when at the earliest.
#[derive(Debug, Default)]
pub(crate) struct Presence(Mutex<HashMap<ProjectId, Looks>>);

/// When something is looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Look {
    /// Somebody came or went.
    Now,
    /// It ended, and that is told then, unless it has begun again.
    At(Monotonic),
}

#[derive(Debug, Default)]
struct Looks {
    tokens: HashMap<TokenId, Look>,
    channels: HashMap<ChannelId, Look>,
    /// Whether endpoints were listening at the last look.
    heard_tokens: bool,
    heard_channels: bool,
}

impl Look {
    /// Nothing if its time has not come; else whether it waited for that.
    fn is_due(self, now: Monotonic) -> Option<bool> {
        match self {
            Self::Now => Some(false),
            Self::At(at) => (at <= now).then_some(true),
        }
    }
}

/// How one thing stands.
enum Standing {
    /// As endpoints were told.
    AsTold,
    /// They are to be told that it began, or ended.
    News(bool),
    /// It ended, and that is to be told then, unless it begins again.
    EndsAt(Monotonic),
}

/// A change to tell.
struct News {
    event: &'static str,
    data: Data,
    row: (RowKind, u64),
    subject: String,
    is_begin: bool,
}

/// The number of the row that keeps what was told of a channel.
fn number_of_channel(project: ProjectId, channel: &ChannelId) -> u64 {
    number_of(&fingerprint(&[b"occupied", &project.get().to_be_bytes(), channel.as_str().as_bytes()]))
}

impl Node {
    /// Tells what is other than endpoints were told. Called twice a second by one task.
    pub async fn tell_presence(&self) {
        for entry in self.directory.projects() {
            let wanted = {
                let records = entry.read();
                [records.wanted(OF_TOKENS), records.wanted(OF_CHANNELS)]
            };
            self.note_looks(&entry, wanted);
            self.forget_told(&entry, wanted).await;
            if wanted.iter().any(|wanted| wanted.is_heard) {
                while self.tell_some(&entry).await {}
            }
        }
    }

    /// Puts what was touched among what is to be looked at; everything, when endpoints begin to listen.
    fn note_looks(&self, entry: &ProjectEntry, [of_tokens, of_channels]: [Wanted; 2]) {
        let touched = self.directory.take_touched(entry.project.id);
        let (now, records) = (self.clock.monotonic(), entry.read());
        let mut all = self.presence.0.lock().unwrap_or_else(PoisonError::into_inner);
        let looks = all.entry(entry.project.id).or_default();
        // Who was there before the server stopped has the time of a session to come back.
        let grace = Look::At(now.plus(NATIVE_SESSION_MS));
        if of_tokens.is_heard && !looks.heard_tokens {
            looks.tokens.extend(records.online_told.keys().map(|id| (TokenId::new(*id), grace)));
            let online = records.tokens().filter(|(_, token)| token.is_online());
            looks.tokens.extend(online.map(|(id, _)| (id, Look::Now)));
        }
        if of_channels.is_heard && !looks.heard_channels {
            let told = records.occupied_told.values().filter_map(|kept| ChannelId::new(&kept.record.subject).ok());
            looks.channels.extend(told.map(|channel| (channel, grace)));
            let occupied = records.channels_after(None).filter(|channel| records.is_occupied(channel));
            looks.channels.extend(occupied.map(|channel| (channel.snapshot.channel.clone(), Look::Now)));
        }
        (looks.heard_tokens, looks.heard_channels) = (of_tokens.is_heard, of_channels.is_heard);
        looks.tokens.extend(touched.tokens.into_iter().map(|token| (token, Look::Now)));
        looks.channels.extend(touched.channels.into_iter().map(|channel| (channel, Look::Now)));
        // Nobody listens: it is looked at when somebody does.
        if !of_tokens.is_heard {
            looks.tokens = HashMap::new();
        }
        if !of_channels.is_heard {
            looks.channels = HashMap::new();
        }
    }

    /// Forgets what endpoints were told when none of them is left.
    async fn forget_told(&self, entry: &ProjectEntry, [of_tokens, of_channels]: [Wanted; 2]) {
        let writes: Vec<Write> = {
            let records = entry.read();
            let name = |kind, id: &u64| RowName { kind, project: entry.project.id, id: *id };
            let tokens = records.online_told.keys().filter(|_| !of_tokens.is_wanted);
            let channels = records.occupied_told.keys().filter(|_| !of_channels.is_wanted);
            let tokens = tokens.map(|id| name(RowKind::OnlineToken, id));
            let names = tokens.chain(channels.map(|id| name(RowKind::OccupiedChannel, id)));
            names.take(UNIT_MAX).map(Write::Delete).collect()
        };
        if !writes.is_empty() {
            super::upkeep::report(self.commit(writes, Vec::new()).await);
        }
    }

    /// Tells a part of what is due. True if there is more to tell now.
    async fn tell_some(&self, entry: &Arc<ProjectEntry>) -> bool {
        let now = self.clock.monotonic();
        let (news, is_full) = self.news(entry, now);
        if news.is_empty() {
            return false;
        }
        let at = self.now();
        let told = news.iter().map(|one| (one.event, at, one.data.clone())).collect();
        let mut writes = self.queue(entry, told);
        for one in &news {
            let (kind, id) = one.row;
            writes.push(if one.is_begin {
                self.insert(entry, kind, id, &ToldRecord { subject: one.subject.clone(), told_at: at })
            } else {
                Write::Delete(RowName { kind, project: entry.project.id, id })
            });
        }
        match self.commit(writes, Vec::new()).await {
            Ok(()) => {
                self.courier.wake();
                is_full
            }
            Err(error) => {
                tracing::warn!(%error, "webhook endpoints could not be told who is there; it is tried again");
                self.look_again(entry.project.id, news, now);
                false
            }
        }
    }

    /// Takes what is due out of the looks: at most a unit's worth of changes, and none without room in the line.
    fn news(&self, entry: &ProjectEntry, now: Monotonic) -> (Vec<News>, bool) {
        let records = entry.read();
        let room = DELIVERIES_MAX.saturating_sub(records.deliveries.waiting()) / ENDPOINTS_MAX;
        let most = room.min(UNIT_MAX);
        let mut all = self.presence.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(looks) = all.get_mut(&entry.project.id) else { return (Vec::new(), false) };
        let mut news = Vec::new();
        looks.tokens.retain(|token, at| {
            let Some(is_due) = at.is_due(now).filter(|_| news.len() < most) else { return true };
            match token_stands(&records, *token, is_due, now) {
                Standing::AsTold => false,
                Standing::EndsAt(later) => {
                    *at = Look::At(later);
                    true
                }
                Standing::News(is_begin) => {
                    news.push(self.news_of_token(entry, &records, *token, is_begin));
                    false
                }
            }
        });
        looks.channels.retain(|channel, at| {
            let Some(is_due) = at.is_due(now).filter(|_| news.len() < most) else { return true };
            let row = number_of_channel(entry.project.id, channel);
            match channel_stands(&records, channel, records.occupied_told.contains_key(&row), is_due, now) {
                Standing::AsTold => false,
                Standing::EndsAt(later) => {
                    *at = Look::At(later);
                    true
                }
                Standing::News(is_begin) => {
                    let subject = channel.as_str().to_owned();
                    news.push(News {
                        event: if is_begin { "channel.occupied" } else { "channel.vacated" },
                        data: Data { channel_id: Some(subject.clone()), ..Data::default() },
                        row: (RowKind::OccupiedChannel, row),
                        subject,
                        is_begin,
                    });
                    false
                }
            }
        });
        let is_full = news.len() >= most;
        (news, is_full)
    }

    fn news_of_token(&self, entry: &ProjectEntry, records: &Records, token: TokenId, is_begin: bool) -> News {
        let connections = records.token(token).map_or(0, |found| found.live_connections().len());
        let last_seen_at = self.token_online(entry.project.id, records, token).last_seen_at.filter(|_| !is_begin);
        News {
            event: if is_begin { "token.online" } else { "token.offline" },
            data: Data {
                id: Some(token.to_string()),
                user_id: user_of_token(records, token),
                connections: Some(connections),
                last_seen_at: last_seen_at.map(|at| at.to_string()),
                ..Data::default()
            },
            row: (RowKind::OnlineToken, token.get()),
            subject: token.to_string(),
            is_begin,
        }
    }

    fn look_again(&self, project: ProjectId, news: Vec<News>, now: Monotonic) {
        let mut all = self.presence.0.lock().unwrap_or_else(PoisonError::into_inner);
        let looks = all.entry(project).or_default();
        for one in news {
            match one.row {
                (RowKind::OnlineToken, id) => drop(looks.tokens.insert(TokenId::new(id), Look::At(now))),
                _ => {
                    if let Ok(channel) = ChannelId::new(&one.subject) {
                        looks.channels.insert(channel, Look::At(now));
                    }
                }
            }
        }
    }
}

/// `is_due`: the time in which it might have begun again is over.
fn token_stands(records: &Records, token: TokenId, is_due: bool, now: Monotonic) -> Standing {
    let found = records.token(token);
    let is_online = found.is_some_and(TokenEntry::is_online);
    match (is_online, records.online_told.contains_key(&token.get())) {
        (true, false) => Standing::News(true),
        (true, true) | (false, false) => Standing::AsTold,
        // Who is gone does not come back.
        (false, true) => {
            let again = found.filter(|_| !is_due).map(|found| now.plus(found.session_grace_ms()));
            again.map_or(Standing::News(false), Standing::EndsAt)
        }
    }
}

fn channel_stands(records: &Records, channel: &ChannelId, was_told: bool, is_due: bool, now: Monotonic) -> Standing {
    let found = records.channel(channel);
    match (found, found.is_some_and(|found| records.is_occupied(found)), was_told) {
        (_, true, false) => Standing::News(true),
        (_, true, true) | (_, false, false) => Standing::AsTold,
        (Some(found), false, true) if !is_due => {
            let soon = now.plus(VACATED_AFTER_MS);
            Standing::EndsAt(records.last_session_over(found).map_or(soon, |over| over.max(soon)))
        }
        (_, false, true) => Standing::News(false),
    }
}
