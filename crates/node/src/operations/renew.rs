//! Renewal: a live connection goes on with another secret, without leaving a channel that both may hear. What the shard does about it is
//! the hub's; whether a secret is good is asked in the same words as when a client connects.

use tollgate_core::authorize::Caller;
use tollgate_core::command::PresentedSecret;
use tollgate_core::error::{Error, ErrorKind, Result};
use tollgate_core::ids::{ConnectionId, TokenId};

use super::clients::{Client, Outcome, Step, has_room, identified};
use super::presented::{TokenRefused, refused_by};
use crate::Node;
use crate::directory::{Records, expiry};
use crate::hub::Renewal;

impl Node {
    /// Verified like a connect, and done within this call: the connection is registered anew and then settled with nothing in between. A
    /// failure changes nothing.
    pub(super) fn renew(&self, client: &Client, presented: &PresentedSecret) -> Result<Step> {
        let Caller::Token { project, token: old } = identified(client)? else {
            return Err(Error::new(
                ErrorKind::Forbidden,
                "This connection has no token that could be renewed; connect anew with one.",
            ));
        };
        let refused = || Error::new(ErrorKind::InvalidAuth, "The token is not valid.");
        let entry = self.project(project)?;
        let recognised = match self.recognise_now(&entry, presented.expose()) {
            Ok(Ok(recognised)) => recognised,
            Ok(Err(unprepared)) => return Ok(Step::Due(entry, unprepared)),
            Err(told) if Self::is_jwt(presented.expose()) => return Err(told.into()),
            Err(_) => return Err(refused()),
        };
        let claims = recognised.claims;
        let (new, now) = (claims.token, self.now());
        let mut records = entry.write();
        if let Some(refused) = recognised.refused_by(&records, now) {
            return Err(refused.into());
        }
        let token = records.token(new).ok_or_else(TokenRefused::deleted)?;
        if let Some(refused) = refused_by(&records, token, claims.generation, Some(client.place()), now) {
            return Err(refused.into());
        }
        self.note_generation(claims, token);
        // Its id stays: the directory knows it.
        let live = client.live(ConnectionId::new(0), recognised, now);
        let expiry = expiry(token.created_at, token.live_until(&live), now);
        let moved = if new == old {
            None
        } else {
            may_move(&records, old, new)?;
            let channels = token.subscriptions().iter().map(|(channel, _)| channel.clone()).collect();
            Some((project, new, channels))
        };
        records.reconnect(old, new, live, self.clock.monotonic()).ok_or_else(refused)?;
        if moved.is_some() {
            self.directory.note_moment(&records, project, old, false);
            self.directory.note_moment(&records, project, new, true);
        }
        Ok(Step::Done(Outcome::Renewed(Box::new(Renewal { expiry, moved }))))
    }
}

/// Whether a connection may go on as another token: one of the same user, with room for one more connection.
fn may_move(records: &Records, old: TokenId, new: TokenId) -> Result<()> {
    let user = |token| records.token(token).and_then(|token| token.user);
    if user(old).is_none() || user(old) != user(new) {
        return Err(Error::new(
            ErrorKind::Forbidden,
            "A connection is renewed with the same token, or with another of the same user; connect anew with this one.",
        ));
    }
    records.token(new).map_or(Ok(()), has_room)
}
