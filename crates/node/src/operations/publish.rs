//! Publishing into a channel, and direct messages to a token.

use std::collections::BTreeMap;

use tollgate_core::authorize::{Action, Caller};
use tollgate_core::command::PresentedSecret;
use tollgate_core::delivery::{Delivery, Position, Publication};
use tollgate_core::error::{Error, ErrorKind, Result};
use tollgate_core::ids::{ChannelId, ChannelKey};
use tollgate_core::json::JsonValue;
use tollgate_core::limits::{EVENT_BYTES_MAX, MESSAGE_BYTES_MAX};

use super::bearers::Wish;
use super::hooks::Hooked;
use crate::Node;
use crate::hub::{ConnectionKey, ConnectionRef, Request, ShardIndex};

impl Node {
    /// Publishes a message into a channel; answered once it is handed over for delivery.
    ///
    /// # Errors
    /// `not_found`, `forbidden`, `not_granted` for a token that may not, `invalid_body` for a bad event name, `payload_too_large`, `unavailable`.
    pub async fn publish(
        &self,
        caller: &Caller,
        channel: &ChannelId,
        event: &str,
        data: JsonValue,
    ) -> Result<Position> {
        let entry = match *caller {
            Caller::Token { project, token } => self.allow_token(project, token, channel, Wish::Publish)?,
            _ => self.authorize(caller, Action::Publish)?,
        };
        let publication = publication(event, data)?;
        let kind = entry.read().channel(channel).map(|found| found.snapshot.kind);
        let kind = kind.ok_or_else(|| Error::not_found("channel", channel))?;
        let key = ChannelKey { project: entry.project.id, channel: channel.clone() };
        match (self.publish_hooked(*caller, &key, kind, &publication).await?, *caller) {
            (Hooked::Denied, _) => {
                return Err(Error::new(
                    ErrorKind::NotGranted,
                    format!("The project's backend refused this message in the channel {channel}."),
                ));
            }
            // The hook took its time: whether the token may is asked again.
            (Hooked::Allowed, Caller::Token { project, token }) => {
                self.allow_token(project, token, channel, Wish::Publish)?;
            }
            (Hooked::Allowed | Hooked::NotAsked, _) => {}
        }
        self.broker.publish(key, publication).await
    }

    /// Sends a direct message to all connections of a token; answers how many there are. With nobody online it is dropped.
    ///
    /// # Errors
    /// `not_found`, `forbidden`, `invalid_body` for a bad event name, `payload_too_large`.
    pub async fn direct_message(
        &self,
        caller: &Caller,
        token: &PresentedSecret,
        event: &str,
        data: JsonValue,
    ) -> Result<u32> {
        let entry = self.authorize(caller, Action::MessageToken)?;
        let publication = publication(event, data)?;
        let token = self.resolve_token(&entry, token)?;
        let connections = entry.read().token(token).map(|found| found.connections()).unwrap_or_default();
        Ok(self.send_direct(connections, publication).await)
    }

    /// Sends a direct message to these connections; answers how many they are.
    pub(super) async fn send_direct(&self, connections: Vec<ConnectionRef>, publication: Publication) -> u32 {
        self.counters.direct_messages.add(1);
        if connections.is_empty() {
            self.counters.direct_messages_unheard.add(1);
            return 0;
        }
        let frames = self.hub.encode(&Delivery::Direct { publication: publication.clone() });
        let mut by_shard: BTreeMap<u16, Vec<ConnectionKey>> = BTreeMap::new();
        for connection in &connections {
            by_shard.entry(connection.shard.0).or_default().push(connection.key);
        }
        for (shard, connections) in by_shard {
            self.hub
                .ask(
                    ShardIndex(shard),
                    Request::Direct { connections, publication: publication.clone(), frames: frames.clone() },
                )
                .await;
        }
        u32::try_from(connections.len()).unwrap_or(u32::MAX)
    }
}

/// A checked publication.
pub(super) fn publication(event: &str, data: JsonValue) -> Result<Publication> {
    if event.is_empty() || event.len() > EVENT_BYTES_MAX {
        return Err(Error::new(
            ErrorKind::InvalidBody,
            format!("The event name `e` has {} bytes; it must be a string of 1 to {EVENT_BYTES_MAX}.", event.len()),
        ));
    }
    if data.as_str().len() > MESSAGE_BYTES_MAX {
        return Err(Error::new(
            ErrorKind::TooLarge,
            format!("The message data has {} bytes; at most {MESSAGE_BYTES_MAX} are allowed.", data.as_str().len()),
        ));
    }
    Ok(Publication { event: event.into(), data })
}
