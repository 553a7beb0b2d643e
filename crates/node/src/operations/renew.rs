//! Renewal: a live connection goes on with another secret, without leaving a channel that both may hear. What the shard does about it is
//! the hub's; whether a secret is good is asked in the same words as when a client connects.

use tollgate_core::authorize::Caller;
use tollgate_core::command::{ConnectedToken, PresentedSecret, Renewed};
use tollgate_core::error::{Error, ErrorKind, Result};
use tollgate_core::ids::{ConnectionId, ProjectId, TokenId};

use super::clients::{Client, Outcome, Step, has_room, identified, session_text};
use super::presented::{TokenRefused, refused_by};
use super::recognise::Recognised;
use crate::Node;
use crate::directory::{ProjectEntry, Records, UsageDelta, expiry};
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
            Err(told) if told.kind != ErrorKind::InvalidAuth => return Err(told.into()),
            Err(told) => {
                let code = told.code;
                let error = if Self::is_jwt(presented.expose()) { told.into() } else { refused() };
                return Err(self.failed_authentication(Some(project), code, error));
            }
        };
        let renewal = self.reregister(&entry, client, old, recognised).inspect_err(|error| {
            let address = client.place().address;
            self.refusals.note(Some(project), error.kind.code(), address);
            self.note_refusal(Some(project), Some(recognised.claims.token), error.kind.code());
        })?;
        self.note_move(project, client, old, recognised.claims.token);
        Ok(Step::Done(Outcome::Renewed(Box::new(renewal))))
    }

    /// Takes the connection out of its old token's session and into the new one's, in one step with reading what the new one may and has.
    fn reregister(
        &self,
        entry: &ProjectEntry,
        client: &Client,
        old: TokenId,
        recognised: Recognised,
    ) -> Result<Renewal> {
        let (project, claims, now) = (entry.project.id, recognised.claims, self.now());
        let new = claims.token;
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
        let mut renewed = Renewed {
            token: ConnectedToken {
                id: new,
                user: records.user_name_of(new),
                state: token.state.as_deref().cloned(),
                expiry: expiry(token.created_at, token.live_until(&live), now),
            },
            session: None,
            direct: None,
            direct_lost: false,
        };
        let moved = if new == old {
            None
        } else {
            may_move(&records, old, new)?;
            let channels = token.subscriptions().iter().map(|(channel, _)| channel.clone()).collect();
            Some((project, new, channels))
        };
        let gone = || Error::new(ErrorKind::InvalidAuth, "The token is not valid.");
        let (connection, since) = records.reconnect(old, new, live, self.clock.monotonic()).ok_or_else(gone)?;
        if moved.is_some() {
            self.directory.renewed_away(old, connection, since);
            if client.attends {
                // Under a number of its own: a session that is called like the old token's would be taken for it.
                let record = records.token_mut(new).ok_or_else(TokenRefused::deleted)?;
                renewed.session = Some(session_text(record.begin_session(self.next_connection())));
            }
            self.directory.note_moment(&records, project, old, false);
            self.directory.note_moment(&records, project, new, true);
        }
        Ok(Renewal { renewed: Box::new(renewed), moved })
    }

    /// What a connection that goes on with another token is to usage: one that left, and one that came.
    fn note_move(&self, project: ProjectId, client: &Client, old: TokenId, new: TokenId) {
        if old != new {
            let left = UsageDelta { seen_at: Some(self.now()), ..UsageDelta::default() };
            let addresses = client.place().address.into_iter().collect();
            let came = UsageDelta { connects: 1, addresses, ..UsageDelta::default() };
            self.directory.used([((project, Some(old)), left), ((project, Some(new)), came)]);
        }
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
