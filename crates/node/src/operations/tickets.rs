//! Tickets: a token's word for one connection, where the token itself cannot be sent (event streams of browsers, whose addresses proxies and logs
//! keep). Good once, for half a minute; kept in memory alone, under the hash.
//!
//! A ticket changes nothing about who gets in: it is exchanged for the very credential that it was made with, and that is asked as ever. So what ends
//! the credential ends its tickets, and a ticket for a JWT lets nobody stay longer than the JWT does.

use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, PoisonError};

use tollgate_core::authorize::{Action, Caller};
use tollgate_core::clock::Monotonic;
use tollgate_core::command::PresentedSecret;
use tollgate_core::credentials::{Ticket, TokenSpelling};
use tollgate_core::error::{Error, ErrorKind, Result};
use tollgate_core::ids::ProjectId;

use super::refusal;
use crate::Node;

/// How long a ticket is good, in milliseconds.
pub const TICKET_MS: u64 = 30_000;
/// Most tickets that are good at a time.
const TICKETS_MAX: usize = 100_000;

/// The tickets that are good.
#[derive(Debug, Default)]
pub(crate) struct Tickets(Mutex<Good>);

#[derive(Debug, Default)]
struct Good {
    by_hash: HashMap<[u8; 32], (ProjectId, PresentedSecret)>,
    /// In order of their end.
    ends: VecDeque<(Monotonic, [u8; 32])>,
}

impl Good {
    fn forget(&mut self, now: Monotonic) {
        while self.ends.front().is_some_and(|(end, _)| *end <= now) {
            if let Some((_, hash)) = self.ends.pop_front() {
                self.by_hash.remove(&hash);
            }
        }
    }
}

impl Tickets {
    /// Remembers a ticket. False when there are too many.
    fn keep(&self, hash: [u8; 32], project: ProjectId, secret: PresentedSecret, now: Monotonic) -> bool {
        let mut good = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        good.forget(now);
        if good.ends.len() >= TICKETS_MAX {
            return false;
        }
        good.ends.push_back((now.plus(TICKET_MS), hash));
        good.by_hash.insert(hash, (project, secret));
        true
    }

    /// What a ticket stands for, once.
    fn take(&self, hash: &[u8; 32], project: ProjectId, now: Monotonic) -> Option<PresentedSecret> {
        let mut good = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        good.forget(now);
        // One of another project is not used up by who names the wrong one.
        good.by_hash.get(hash).filter(|(owner, _)| *owner == project)?;
        good.by_hash.remove(hash).map(|(_, secret)| secret)
    }
}

impl Node {
    /// Makes a ticket for the calling token, with the credential that it called with, or for one that a backend names.
    ///
    /// # Errors
    /// `forbidden`, `not_found`, `invalid_body`, `limit_reached` when too many are good already, and why the token does not work.
    pub async fn create_ticket(
        &self,
        caller: &Caller,
        own: &PresentedSecret,
        token: Option<&PresentedSecret>,
    ) -> Result<Ticket> {
        let (entry, id) = match (*caller, token) {
            (Caller::Token { project, token }, None) => (self.project(project)?, token),
            (Caller::Token { .. }, Some(_)) => {
                return Err(Error::new(
                    ErrorKind::Forbidden,
                    "A token makes tickets for itself alone; leave `token` out.",
                ));
            }
            (_, token) => {
                let entry = self.authorize(caller, Action::CreateToken)?;
                let token = token.ok_or_else(|| {
                    Error::new(ErrorKind::InvalidBody, "Say for which `token` the ticket is to be: its public id.")
                })?;
                let id = self.resolve_token(&entry, token)?;
                (entry, id)
            }
        };
        let project = entry.project.id;
        let generation = self.still_in(&entry.read(), id)?.generation;
        let secret = match caller {
            Caller::Token { .. } => own.clone(),
            _ => PresentedSecret::new(
                self.directory.ring().spell(project, id, generation).expose(TokenSpelling::Native).to_string(),
            ),
        };
        let ticket = Ticket::generate(self.entropy.as_ref());
        let audit = self.entry_of(caller, Some(project), "ticket.create", &id);
        self.commit(Vec::new(), vec![audit]).await.map_err(|error| refusal(error, &id))?;
        if self.tickets.keep(ticket.hash(), project, secret, self.clock.monotonic()) {
            return Ok(ticket);
        }
        let limit =
            format!("At most {TICKETS_MAX} tickets are good at a time; each is for {} seconds.", TICKET_MS / 1_000);
        Err(Error::new(ErrorKind::LimitReached, limit))
    }

    /// The credential that a client means: its own, or once what its ticket stands for. A ticket that is not good is passed on as it is, and refused
    /// like any other text that is no token.
    pub(super) fn exchanged(
        &self,
        project: impl FnOnce() -> Option<ProjectId>,
        presented: PresentedSecret,
    ) -> PresentedSecret {
        if !Ticket::begins(presented.expose()) {
            return presented;
        }
        let taken = Ticket::parse(presented.expose())
            .zip(project())
            .and_then(|(ticket, project)| self.tickets.take(&ticket.hash(), project, self.clock.monotonic()));
        taken.unwrap_or(presented)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ticket_is_good_once_in_its_project_and_for_its_time() {
        let (tickets, one, other) = (Tickets::default(), ProjectId::new(1), ProjectId::new(2));
        let secret = |text: &str| PresentedSecret::new(text.to_owned());
        let taken = |hash: u8, project, now| {
            tickets.take(&[hash; 32], project, Monotonic(now)).map(|secret| secret.expose().to_owned())
        };
        assert!(tickets.keep([1; 32], one, secret("a"), Monotonic(0)));
        assert!(tickets.keep([2; 32], one, secret("b"), Monotonic(5)));
        assert_eq!(taken(1, other, 1), None);
        assert_eq!(taken(1, one, TICKET_MS - 1).as_deref(), Some("a"));
        assert_eq!(taken(1, one, TICKET_MS - 1), None, "used");
        assert_eq!(taken(2, one, TICKET_MS + 5), None, "ended");
        assert_eq!(taken(3, one, 0), None, "never was");
        let good = tickets.0.lock().unwrap_or_else(PoisonError::into_inner);
        assert!(good.by_hash.is_empty() && good.ends.is_empty());
    }

    #[test]
    fn no_more_are_remembered_than_fit() {
        let tickets = Tickets::default();
        let secret = PresentedSecret::new("a".to_owned());
        for number in 0..TICKETS_MAX as u64 {
            let mut hash = [0; 32];
            hash[..8].copy_from_slice(&number.to_be_bytes());
            assert!(tickets.keep(hash, ProjectId::new(1), secret.clone(), Monotonic(0)));
        }
        assert!(!tickets.keep([9; 32], ProjectId::new(1), secret.clone(), Monotonic(1)));
        assert!(tickets.keep([9; 32], ProjectId::new(1), secret, Monotonic(TICKET_MS)));
    }
}
