//! Durable histories in the store in memory. They outlive [`MemoryStore::reopen`], as all its records do, and that is all that is durable here.

use std::collections::{BTreeMap, VecDeque};
use std::ops::RangeInclusive;

use super::MemoryStore;
use crate::clock::UnixMillis;
use crate::command::Published;
use crate::delivery::{Position, Publication};
use crate::ids::{ChannelId, ProjectId};
use crate::limits::PUBLICATION_ID_MS;
use crate::model::Channel;
use crate::ports::Pending;
use crate::ports::store::{Change, HistoryStore, StoreError, StoreResult};

/// What is kept of one run.
#[derive(Default)]
pub(super) struct History {
    /// In order of the offset, without gaps.
    messages: VecDeque<(u64, Publication)>,
    /// The offset and the moment of what was appended under each `once`.
    onces: BTreeMap<[u8; 16], (u64, UnixMillis)>,
}

impl History {
    /// How many of the oldest need not be kept at `now` (or ever, without one).
    fn surplus(&self, channel: &Channel, now: Option<UnixMillis>) -> usize {
        let settings = channel.settings;
        let is_surplus = |(offset, message): &&(u64, Publication)| {
            let is_old = now.is_some_and(|now| message.at.plus(settings.history.ttl_ms) < now);
            let is_behind = channel.offset - offset >= u64::from(settings.history.size);
            (is_old || is_behind) && !(settings.retain && *offset == channel.offset)
        };
        self.messages.iter().take_while(is_surplus).count()
    }
}

impl HistoryStore for MemoryStore {
    fn append(
        &self,
        project: ProjectId,
        channel: ChannelId,
        publication: Publication,
        once: Option<[u8; 16]>,
    ) -> Pending<'_, StoreResult<Published>> {
        self.unit(move |records| {
            let record = records.channel(project, &channel)?;
            let epoch = record.durable_epoch().ok_or(StoreError::NotDurable)?;
            let sequence = record.sequence;
            let history = records.histories.entry(sequence).or_default();
            let earlier = once.and_then(|once| history.onces.get(&once).copied());
            if let Some((offset, _)) = earlier.filter(|(_, first)| publication.at <= first.plus(PUBLICATION_ID_MS)) {
                return Ok(Published::Duplicate(Position { epoch, offset }));
            }
            let record = records.channels.get_mut(&(project, channel.clone())).expect("invariant: it was there");
            record.offset += 1;
            let offset = record.offset;
            history.messages.push_back((offset, publication.clone()));
            history.onces.extend(once.map(|once| (once, (offset, publication.at))));
            let surplus = history.surplus(record, None);
            history.messages.drain(..surplus);
            let position = Position { epoch, offset };
            records.finish([Change::Published { project, channel, position, publication }], None);
            Ok(Published::At(position))
        })
    }

    fn messages(
        &self,
        project: ProjectId,
        channel: ChannelId,
        offsets: RangeInclusive<u64>,
        newest: bool,
        limit: usize,
    ) -> Pending<'_, StoreResult<Vec<(u64, Publication)>>> {
        self.unit(move |records| {
            let record = records.channel(project, &channel)?;
            record.durable_epoch().ok_or(StoreError::NotDurable)?;
            let oldest = (record.offset + 1).saturating_sub(record.settings.history.size.into());
            let sequence = record.sequence;
            let Some(history) = records.histories.get(&sequence) else { return Ok(Vec::new()) };
            let is_asked = |(offset, _): &&(u64, Publication)| *offset >= oldest && offsets.contains(offset);
            let asked: Vec<_> = history.messages.iter().filter(is_asked).cloned().collect();
            let surplus = asked.len().saturating_sub(limit);
            Ok(match newest {
                true => asked[surplus..].to_vec(),
                false => asked[..asked.len() - surplus].to_vec(),
            })
        })
    }

    fn prune_history(&self, now: UnixMillis, limit: usize) -> Pending<'_, StoreResult<u64>> {
        self.unit(move |records| {
            let mut left = limit;
            for channel in records.channels.values() {
                let Some(history) = records.histories.get_mut(&channel.sequence) else { continue };
                let surplus = history.surplus(channel, Some(now)).min(left);
                history.messages.drain(..surplus);
                left -= surplus;
                history.onces.retain(|_, (_, at)| {
                    let goes = left > 0 && at.plus(PUBLICATION_ID_MS) < now;
                    left -= usize::from(goes);
                    !goes
                });
            }
            Ok((limit - left) as u64)
        })
    }
}
