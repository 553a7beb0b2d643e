//! Passwords of operators: set by a link, checked at signing in, changed and confirmed. What a browser holds afterwards is not known here.
//!
//! A hash takes some 60 ms of a core and 46 MiB by design, so it has a thread of its own, two at a time, and few may wait. Who fails too often
//! is told to wait before anything is hashed. An unknown name takes as long as a known one.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::{Mutex, MutexGuard, Semaphore, oneshot};
use tollgate_core::authorize::Caller;
use tollgate_core::command::PresentedSecret;
use tollgate_core::credentials::{PasswordHash, RowKind, check_password};
use tollgate_core::error::{Error, ErrorKind, Result};
use tollgate_core::ids::{OperatorId, ProjectId};
use tollgate_core::peer::network_of;
use tollgate_core::records::{Bucket, OperatorRecord};
use tollgate_core::roles::Role;

use super::operators::{check_free, check_name, delete, gone, invitation_of, links_of, no_such_operator};
use super::writing::origin;
use crate::Node;
use crate::directory::{Kept, ProjectEntry};
use crate::limits::Counted;

/// Hashes at a time.
const HASHES_MAX: usize = 2;
/// Who may wait for one, those at work among them.
const WAITING_MAX: usize = 16;
/// Failures for a name from one network: 5, then one in 30 s.
const PER_NETWORK: Bucket = Bucket { burst: 5, per_second: 1.0 / 30.0 };
/// Failures for a name from everywhere: 50, then one in 10 s.
const PER_NAME: Bucket = Bucket { burst: 50, per_second: 1.0 / 10.0 };
/// How failures are summed up in the audit log.
const WRONG_PASSWORD: &str = "wrong_password";

/// What keeps changes of operators apart, and hashes few.
#[derive(Debug)]
pub(crate) struct Operators {
    changes: Mutex<()>,
    turns: Arc<Semaphore>,
    waiting: AtomicUsize,
}

impl Default for Operators {
    fn default() -> Self {
        Self { changes: Mutex::default(), turns: Arc::new(Semaphore::new(HASHES_MAX)), waiting: AtomicUsize::new(0) }
    }
}

impl Operators {
    /// One change of operators at a time: so that two do not take the last two owners away.
    pub(super) async fn alone(&self) -> MutexGuard<'_, ()> {
        self.changes.lock().await
    }

    /// Works on a thread of its own when it is its turn.
    async fn hashing<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> Result<T> {
        let _place = Place::take(&self.waiting)?;
        let stopped = || Error::new(ErrorKind::Unavailable, "The password could not be looked at; try again.");
        let turn = Arc::clone(&self.turns).acquire_owned().await.map_err(|_closed| stopped())?;
        let (reply, done) = oneshot::channel();
        let work = move || {
            // As long as the work lasts, whether or not anybody still waits for it.
            let _turn = turn;
            drop(reply.send(work()));
        };
        std::thread::Builder::new().name("password".into()).spawn(work).map_err(|_error| stopped())?;
        done.await.map_err(|_died| stopped())
    }
}

/// A place among those who wait.
struct Place<'a>(&'a AtomicUsize);

impl<'a> Place<'a> {
    fn take(waiting: &'a AtomicUsize) -> Result<Self> {
        let place = Self(waiting);
        if waiting.fetch_add(1, Ordering::Relaxed) >= WAITING_MAX {
            return Err(Error::rate_limited("Too many sign in at this moment. Try again in a second.", 1_000));
        }
        Ok(place)
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Who signed in. A session that begins with it is to be ended when [`Node::signed_in`] no longer knows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SignedIn {
    /// Who.
    pub operator: OperatorId,
    /// Counts what ended this operator's sessions before.
    pub run: u32,
}

/// The operator that a caller is.
pub(super) fn myself(caller: &Caller) -> Result<OperatorId> {
    match caller {
        Caller::Person { operator, .. } => Ok(*operator),
        _ => Err(Error::new(ErrorKind::Forbidden, "Only an operator who signed in may do this.")),
    }
}

fn wrong() -> Error {
    Error::new(ErrorKind::InvalidAuth, "The name or the password is not right.")
}

impl Node {
    /// Uses a link: makes the first owner under `name`, or gives the operator that it is for this password; `name` is not asked then. Sessions
    /// of before are over.
    ///
    /// # Errors
    /// `gone` for a link that does not work (any more), also when somebody used it meanwhile; `invalid_input` for the name or the password,
    /// `already_exists`, `rate_limited`, `unavailable`.
    pub async fn accept_invitation(
        &self,
        secret: &PresentedSecret,
        name: Option<&str>,
        password: &PresentedSecret,
    ) -> Result<SignedIn> {
        let house = self.directory.house().ok_or_else(gone)?;
        let (_, link) = invitation_of(&house.read(), secret, self.now())?;
        let known = link.for_operator.map(|operator| find(&house, operator)).transpose()?;
        let name = match &known {
            Some(kept) => kept.record.name.clone(),
            None => name.unwrap_or_default().to_owned(),
        };
        check_name(&name)?;
        check_password(&name, password)?;
        let hash = self.hash_of(password).await?;
        let _alone = self.operators.alone().await;
        let new = OperatorId::new(self.next_number());
        self.change(&"the link", || {
            let (link_id, link) = invitation_of(&house.read(), secret, self.now())?;
            let mut writes = vec![delete(RowKind::Invitation, link_id.get())];
            let (write, signed_in) = match link.for_operator {
                Some(operator) => {
                    let kept = find(&house, operator)?;
                    let mut record = OperatorRecord::clone(&kept.record);
                    (record.password, record.run) = (Some(hash.clone()), record.run.wrapping_add(1));
                    let signed_in = SignedIn { operator, run: record.run };
                    (self.update(&house, RowKind::Operator, operator.get(), kept.revision, &record), signed_in)
                }
                None => {
                    let records = house.read();
                    check_free(&records, &name)?;
                    let others = links_of(&records, None);
                    writes.extend(others.filter(|write| !is_deletion_of(write, link_id.get())));
                    let record = self.first_owner(&name, &hash);
                    (self.insert(&house, RowKind::Operator, new.get(), &record), SignedIn { operator: new, run: 0 })
                }
            };
            writes.push(write);
            let mut audit = self.entry_of(&as_caller(signed_in.operator), None, "operator.accept", &signed_in.operator);
            audit.detail = Some(format!("{name}, by a link of {}", link.made_by));
            Ok((writes, vec![audit], signed_in))
        })
        .await
    }

    fn first_owner(&self, name: &str, hash: &PasswordHash) -> OperatorRecord {
        OperatorRecord {
            name: name.to_owned(),
            role: Role::Owner,
            password: Some(hash.clone()),
            created_at: self.now(),
            made_by: None,
            last_seen_at: None,
            disabled_at: None,
            run: 0,
            networks: Vec::new(),
        }
    }

    /// Signs an operator in.
    ///
    /// # Errors
    /// `invalid_auth`, the same for unknown names, wrong passwords, and operators who are disabled or have no password yet; `rate_limited`, saying
    /// after how long; `unavailable`.
    pub async fn sign_in(&self, name: &str, password: &PresentedSecret) -> Result<SignedIn> {
        let house = self.directory.house();
        let found = house.as_ref().and_then(|house| {
            let records = house.read();
            let mut all = records.operators.iter();
            all.find(|(_, kept)| kept.record.name == name).map(|(id, kept)| (OperatorId::new(*id), kept.clone()))
        });
        let known = found.as_ref().map(|(_, kept)| &*kept.record);
        let hash = self.proved(name, known, password).await?;
        let (Some(house), Some((operator, _))) = (house, found) else { return Err(self.failed_sign_in()) };
        let _alone = self.operators.alone().await;
        self.change(&operator, || {
            let kept = find(&house, operator).map_err(|_gone| wrong())?;
            let mut record = OperatorRecord::clone(&kept.record);
            // What was proved meanwhile became another, or it may not get in any more.
            if record.password.as_ref() != Some(&hash.proved) || record.disabled_at.is_some() {
                return Err(wrong());
            }
            record.note_sign_in(origin().address.map(network_of), self.now());
            record.password = Some(hash.new.clone().unwrap_or_else(|| hash.proved.clone()));
            let audit = self.entry_of(&as_caller(operator), None, "operator.sign_in", &operator);
            let write = self.update(&house, RowKind::Operator, operator.get(), kept.revision, &record);
            Ok((vec![write], vec![audit], SignedIn { operator, run: record.run }))
        })
        .await
    }

    /// The operator of a session that began so, as a caller of this moment, its name and its role: at work on a project or, without one, on the whole
    /// server. Nothing when the session is over: its operator is gone or disabled, or got another password or role since.
    #[must_use]
    pub fn caller_of(&self, begun: SignedIn, project: Option<ProjectId>) -> Option<(Caller, String, Role)> {
        let house = self.directory.house()?;
        let records = house.read();
        let record = &records.operators.get(&begun.operator.get())?.record;
        let goes_on = record.run == begun.run && record.password.is_some() && record.disabled_at.is_none();
        let caller = Caller::Person { operator: begun.operator, role: record.role, project };
        goes_on.then(|| (caller, record.name.clone(), record.role))
    }

    /// Whether a session that began so goes on.
    #[must_use]
    pub fn signed_in(&self, begun: SignedIn) -> bool {
        self.caller_of(begun, None).is_some()
    }

    /// Notes in the audit log that an operator signed out.
    ///
    /// # Errors
    /// `forbidden`, `unavailable`.
    pub async fn sign_out(&self, caller: &Caller) -> Result<()> {
        let operator = myself(caller)?;
        let audit = self.entry_of(caller, None, "operator.sign_out", &operator);
        self.commit(Vec::new(), vec![audit]).await.map_err(|error| super::refusal(error, &operator))
    }

    /// Makes sure once more that it is the operator who sits there, before something dangerous.
    ///
    /// # Errors
    /// `invalid_auth`, `rate_limited`, `forbidden`, `unavailable`.
    pub async fn confirm_password(&self, caller: &Caller, password: &PresentedSecret) -> Result<()> {
        let operator = myself(caller)?;
        let house = self.directory.house().ok_or_else(|| no_such_operator(operator))?;
        let record = find(&house, operator)?.record;
        self.proved(&record.name, Some(&record), password).await.map(drop)
    }

    /// Exchanges the caller's own password. All its sessions are over; the caller's goes on as the one that is answered.
    ///
    /// # Errors
    /// `invalid_auth` for the old one, `invalid_input` for the new one, `rate_limited`, `forbidden`, `unavailable`.
    pub async fn change_own_password(
        &self,
        caller: &Caller,
        old: &PresentedSecret,
        new: &PresentedSecret,
    ) -> Result<SignedIn> {
        let operator = myself(caller)?;
        let house = self.directory.house().ok_or_else(|| no_such_operator(operator))?;
        let record = find(&house, operator)?.record;
        check_password(&record.name, new)?;
        let proved = self.proved(&record.name, Some(&record), old).await?.proved;
        let hash = self.hash_of(new).await?;
        let _alone = self.operators.alone().await;
        self.change(&operator, || {
            let kept = find(&house, operator)?;
            let mut record = OperatorRecord::clone(&kept.record);
            if record.password.as_ref() != Some(&proved) || record.disabled_at.is_some() {
                return Err(wrong());
            }
            (record.password, record.run) = (Some(hash.clone()), record.run.wrapping_add(1));
            let audit = self.entry_of(caller, None, "operator.password", &operator);
            let mut writes = vec![self.update(&house, RowKind::Operator, operator.get(), kept.revision, &record)];
            // Whoever had a link for it could undo this.
            writes.extend(links_of(&house.read(), Some(operator)));
            Ok((writes, vec![audit], SignedIn { operator, run: record.run }))
        })
        .await
    }

    async fn hash_of(&self, password: &PresentedSecret) -> Result<PasswordHash> {
        let (password, entropy) = (password.clone(), Arc::clone(&self.entropy));
        self.operators.hashing(move || PasswordHash::of(&password, entropy.as_ref())).await
    }

    /// Whether this is the password of whom is known under the name. Counts a failure, and takes as long for nobody.
    async fn proved(&self, name: &str, known: Option<&OperatorRecord>, password: &PresentedSecret) -> Result<Proved> {
        let network = origin().address.map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), network_of);
        let name = self.buckets.name_of(name);
        let mut wanted = vec![(Counted::SignInOf(name, network), PER_NETWORK)];
        // Strangers shall not lock out by the name alone whoever was here before.
        if !known.is_some_and(|record| record.knows(network, self.now())) {
            wanted.push((Counted::SignInsOf(name), PER_NAME));
        }
        // Taken before it is known whether it fails, so that a thousand at once are no more than a few; who is right gets it back.
        self.buckets.take(&wanted, 1, self.clock.monotonic()).map_err(|wait_ms| {
            self.refusals.note(None, WRONG_PASSWORD, origin().address);
            let seconds = wait_ms.div_ceil(1_000);
            Error::rate_limited(format!("Too many failures to sign in. Try again in {seconds} s."), wait_ms)
        })?;
        let gets_in = known.is_some_and(|record| record.disabled_at.is_none() && record.password.is_some());
        let kept = known.and_then(|record| record.password.clone()).unwrap_or_else(PasswordHash::of_nobody);
        let (password, entropy) = (password.clone(), Arc::clone(&self.entropy));
        let work = move || {
            let fits = kept.verify(&password);
            let new = (fits && kept.is_weak()).then(|| PasswordHash::of(&password, entropy.as_ref()));
            fits.then_some(Proved { proved: kept, new })
        };
        let proved = self.operators.hashing(work).await;
        // Who could not be looked at has not failed.
        if !matches!(proved, Ok(None)) && (gets_in || proved.is_err()) {
            self.buckets.give_back(&wanted);
        }
        proved?.filter(|_| gets_in).ok_or_else(|| self.failed_sign_in())
    }

    fn failed_sign_in(&self) -> Error {
        self.counters.authentications_failed.add(1);
        self.refusals.note(None, WRONG_PASSWORD, origin().address);
        wrong()
    }
}

/// A hash that was fitted, and what is to take its place if it was made with too little work.
struct Proved {
    proved: PasswordHash,
    new: Option<PasswordHash>,
}

fn find(house: &ProjectEntry, operator: OperatorId) -> Result<Kept<OperatorRecord>> {
    house.read().operators.get(&operator.get()).cloned().ok_or_else(|| no_such_operator(operator))
}

/// For the audit log, which names who it is; nothing is decided by it.
const fn as_caller(operator: OperatorId) -> Caller {
    Caller::Person { operator, role: Role::Viewer, project: None }
}

fn is_deletion_of(write: &tollgate_core::ports::store::Write, id: u64) -> bool {
    matches!(write, tollgate_core::ports::store::Write::Delete(name) if name.id == id)
}
