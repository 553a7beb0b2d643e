//! The server's operators: inviting, changing and deleting them, and what each may do at this moment. Passwords and signing in are
//! [`super::signing_in`]'s; what a browser holds is not known here.
//!
//! Their records are rows of the house, which is made with the first link and is no project that anything else finds.

use std::sync::Arc;

use tollgate_core::audit::AuditDraft;
use tollgate_core::authorize::{self, Action, Caller};
use tollgate_core::clock::UnixMillis;
use tollgate_core::command::PresentedSecret;
use tollgate_core::credentials::{DataKey, InvitationSecret, RowKind};
use tollgate_core::error::{Error, ErrorKind, Result};
use tollgate_core::ids::{InvitationId, OperatorId, ProjectId};
use tollgate_core::limits::{INVITATION_MS, INVITATIONS_MAX, OPERATOR_NAME_CHARS_MAX, OPERATORS_MAX};
use tollgate_core::model::Project;
use tollgate_core::ports::store::{RowName, Write};
use tollgate_core::records::{InvitationRecord, OperatorRecord};
use tollgate_core::roles::Role;

use super::refusal;
use super::writing::actor;
use crate::Node;
use crate::directory::{Kept, ProjectEntry, Records};

/// An operator to invite.
#[derive(Clone, Debug)]
pub struct NewOperator {
    /// Under which it will sign in: 1 to 64 of `[a-z0-9._-]`.
    pub name: String,
    /// What it may do.
    pub role: Role,
}

/// What to change of an operator; `None` leaves as it is.
#[derive(Clone, Copy, Debug, Default)]
pub struct OperatorUpdate {
    /// What it may do.
    pub role: Option<Role>,
    /// Whether it may get in.
    pub disabled: Option<bool>,
}

/// An operator.
#[derive(Clone, Debug)]
pub struct OperatorView {
    /// Its id.
    pub id: OperatorId,
    /// Under which it signs in.
    pub name: String,
    /// What it may do.
    pub role: Role,
    /// When it was invited.
    pub created_at: UnixMillis,
    /// Who invited it, if an operator did.
    pub made_by: Option<OperatorId>,
    /// When it last signed in.
    pub last_seen_at: Option<UnixMillis>,
    /// Since when it may not get in.
    pub disabled_at: Option<UnixMillis>,
    /// Whether it has a password; without one it cannot sign in yet.
    pub has_password: bool,
    /// Until when its link works, if it has one that nobody used.
    pub link_until: Option<UnixMillis>,
}

/// What a link is for, before it is used.
#[derive(Clone, Debug)]
pub struct InvitationView {
    /// The name of the operator that it is for; the first owner has none yet and chooses one.
    pub name: Option<String>,
    /// What whoever uses it may do then.
    pub role: Role,
    /// Until when it works.
    pub expires_at: UnixMillis,
}

pub(super) fn gone() -> Error {
    Error::new(
        ErrorKind::Gone,
        "This link was used already, or its time is over. Ask whoever gave it to you for a new one.",
    )
}

pub(super) fn no_such_operator(id: OperatorId) -> Error {
    Error::new(ErrorKind::NotFound, format!("There is no operator {id}."))
}

/// The invitation with this secret that still works.
pub(super) fn invitation_of(
    records: &Records,
    secret: &PresentedSecret,
    now: UnixMillis,
) -> Result<(InvitationId, Arc<InvitationRecord>)> {
    let hash = InvitationSecret::parse(secret.expose()).ok_or_else(gone)?.hash();
    let found = records.invitations.iter().find(|(_, kept)| kept.record.hash == hash && now < kept.record.expires_at);
    let (id, kept) = found.ok_or_else(gone)?;
    let is_over = match kept.record.for_operator {
        None => has_owner(records),
        Some(operator) => records.operators.get(&operator.get()).is_none_or(|kept| kept.record.disabled_at.is_some()),
    };
    if is_over { Err(gone()) } else { Ok((InvitationId::new(*id), Arc::clone(&kept.record))) }
}

/// Whether this one can sign in and may do everything.
fn is_owner(record: &OperatorRecord) -> bool {
    record.role == Role::Owner && record.password.is_some() && record.disabled_at.is_none()
}

fn has_owner(records: &Records) -> bool {
    records.operators.values().any(|kept| is_owner(&kept.record))
}

pub(super) fn check_name(name: &str) -> Result<()> {
    let fits = |byte: u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'.' | b'_' | b'-');
    if name.is_empty() || name.len() > OPERATOR_NAME_CHARS_MAX || !name.bytes().all(fits) {
        return Err(Error::new(
            ErrorKind::InvalidInput,
            format!(
                "An operator's name has 1 to {OPERATOR_NAME_CHARS_MAX} of the characters a to z, 0 to 9, `.`, `_` and `-`."
            ),
        ));
    }
    Ok(())
}

pub(super) fn check_free(records: &Records, name: &str) -> Result<()> {
    if records.operators.values().any(|kept| kept.record.name == name) {
        return Err(Error::new(ErrorKind::AlreadyExists, format!("There is an operator `{name}` already.")));
    }
    if records.operators.len() >= OPERATORS_MAX {
        return Err(Error::new(
            ErrorKind::LimitReached,
            format!("There are {OPERATORS_MAX} operators, the most there may be; delete one first."),
        ));
    }
    Ok(())
}

pub(super) fn delete(kind: RowKind, id: u64) -> Write {
    Write::Delete(RowName { kind, project: ProjectId::HOUSE, id })
}

fn view(records: &Records, id: u64, kept: &Kept<OperatorRecord>, now: UnixMillis) -> OperatorView {
    let record = &kept.record;
    let links = records.invitations.values().map(|kept| &kept.record);
    let id = OperatorId::new(id);
    OperatorView {
        id,
        name: record.name.clone(),
        role: record.role,
        created_at: record.created_at,
        made_by: record.made_by,
        last_seen_at: record.last_seen_at,
        disabled_at: record.disabled_at,
        has_password: record.password.is_some(),
        link_until: links
            .filter(|link| link.for_operator == Some(id) && now < link.expires_at)
            .map(|link| link.expires_at)
            .max(),
    }
}

impl Node {
    /// An operator as a caller, with the role of this moment, at work on a project or, without one, on the whole server. Nothing for one
    /// who is gone, disabled, or was never here. Ask on every request, so that a change of role holds at once.
    #[must_use]
    pub fn person(&self, operator: OperatorId, project: Option<ProjectId>) -> Option<Caller> {
        let house = self.directory.house()?;
        let records = house.read();
        let record = &records.operators.get(&operator.get())?.record;
        let gets_in = record.password.is_some() && record.disabled_at.is_none();
        gets_in.then_some(Caller::Person { operator, role: record.role, project })
    }

    /// Whether there is an owner who can sign in, so that no first link is due.
    #[must_use]
    pub fn has_operator(&self) -> bool {
        self.directory.house().is_some_and(|house| has_owner(&house.read()))
    }

    /// A link for the server's first owner, in place of earlier ones; nothing once there is an owner.
    ///
    /// # Errors
    /// `unavailable`.
    pub async fn invite_first(&self) -> Result<Option<InvitationSecret>> {
        if self.has_operator() {
            return Ok(None);
        }
        let house = self.make_house().await?;
        let _alone = self.operators.alone().await;
        let audit = self.entry_of(&Caller::System, None, "operator.link", &"the first owner");
        self.add_link(&house, &Caller::System, None, audit, Vec::new).await.map(Some)
    }

    /// Invites an operator. It gets a password by the link, which is handed out this once.
    ///
    /// # Errors
    /// `invalid_input` for the name, `already_exists`, `limit_reached`, `forbidden`, `unavailable`.
    pub async fn invite_operator(&self, caller: &Caller, new: NewOperator) -> Result<(OperatorView, InvitationSecret)> {
        authorize::whole_server(caller, Action::ManageOperators)?;
        check_name(&new.name)?;
        let house = self.make_house().await?;
        let _alone = self.operators.alone().await;
        check_free(&house.read(), &new.name)?;
        let id = OperatorId::new(self.next_number());
        let made_by = if let Caller::Person { operator, .. } = caller { Some(*operator) } else { None };
        let record = OperatorRecord {
            name: new.name,
            role: new.role,
            password: None,
            created_at: self.now(),
            made_by,
            last_seen_at: None,
            disabled_at: None,
            run: 0,
            networks: Vec::new(),
        };
        let mut audit = self.entry_of(caller, None, "operator.invite", &id);
        audit.detail = Some(format!("{}, {}", record.name, record.role));
        let insert = || vec![self.insert(&house, RowKind::Operator, id.get(), &record)];
        let secret = self.add_link(&house, caller, Some(id), audit, insert).await?;
        let records = house.read();
        let kept = records.operators.get(&id.get()).ok_or_else(|| no_such_operator(id))?;
        Ok((view(&records, id.get(), kept, self.now()), secret))
    }

    /// A link by which an operator gets a new password, in place of earlier ones. The old password works until the link is used.
    ///
    /// # Errors
    /// `not_found`, `wrong_state` for one that is disabled, `limit_reached`, `forbidden`, `unavailable`.
    pub async fn link_operator(&self, caller: &Caller, operator: OperatorId) -> Result<InvitationSecret> {
        authorize::whole_server(caller, Action::ManageOperators)?;
        let house = self.directory.house().ok_or_else(|| no_such_operator(operator))?;
        let _alone = self.operators.alone().await;
        let found = house.read().operators.get(&operator.get()).map(|kept| Arc::clone(&kept.record));
        if found.ok_or_else(|| no_such_operator(operator))?.disabled_at.is_some() {
            return Err(Error::new(ErrorKind::WrongState, "This operator is disabled; enable it first."));
        }
        let audit = self.entry_of(caller, None, "operator.link", &operator);
        self.add_link(&house, caller, Some(operator), audit, Vec::new).await
    }

    /// What a link is for.
    ///
    /// # Errors
    /// `gone` for one that was used, whose time is over, or that never was.
    pub fn invitation(&self, secret: &PresentedSecret) -> Result<InvitationView> {
        let house = self.directory.house().ok_or_else(gone)?;
        let records = house.read();
        let (_, record) = invitation_of(&records, secret, self.now())?;
        let operator = record.for_operator.and_then(|operator| records.operators.get(&operator.get()));
        Ok(InvitationView {
            name: operator.map(|kept| kept.record.name.clone()),
            role: operator.map_or(Role::Owner, |kept| kept.record.role),
            expires_at: record.expires_at,
        })
    }

    /// All operators, in the order in which they were invited.
    ///
    /// # Errors
    /// `forbidden`.
    pub fn operators(&self, caller: &Caller) -> Result<Vec<OperatorView>> {
        authorize::whole_server(caller, Action::ManageOperators)?;
        let Some(house) = self.directory.house() else { return Ok(Vec::new()) };
        let (records, now) = (house.read(), self.now());
        Ok(records.operators.iter().map(|(id, kept)| view(&records, *id, kept, now)).collect())
    }

    /// The operator who calls.
    ///
    /// # Errors
    /// `forbidden` for every other caller.
    pub fn this_operator(&self, caller: &Caller) -> Result<OperatorView> {
        let operator = super::signing_in::myself(caller)?;
        let house = self.directory.house().ok_or_else(|| no_such_operator(operator))?;
        let records = house.read();
        let kept = records.operators.get(&operator.get()).ok_or_else(|| no_such_operator(operator))?;
        Ok(view(&records, operator.get(), kept, self.now()))
    }

    /// Under which names operators signed in who are still here: for whoever reads an audit log.
    ///
    /// # Errors
    /// `forbidden`.
    pub fn operator_names(&self, caller: &Caller) -> Result<Vec<(OperatorId, String)>> {
        if authorize::whole_server(caller, Action::ReadAudit).is_err() {
            super::signing_in::myself(caller)?;
        }
        let Some(house) = self.directory.house() else { return Ok(Vec::new()) };
        let records = house.read();
        Ok(records.operators.iter().map(|(id, kept)| (OperatorId::new(*id), kept.record.name.clone())).collect())
    }

    /// Changes what an operator may do, or whether it gets in. Its sessions are over, and its next request is decided by the new role.
    ///
    /// # Errors
    /// `not_found`, `wrong_state` for oneself and where no owner would be left; `forbidden`, `unavailable`.
    pub async fn change_operator(
        &self,
        caller: &Caller,
        operator: OperatorId,
        update: OperatorUpdate,
    ) -> Result<OperatorView> {
        authorize::whole_server(caller, Action::ManageOperators)?;
        not_oneself(caller, operator)?;
        let house = self.directory.house().ok_or_else(|| no_such_operator(operator))?;
        let _alone = self.operators.alone().await;
        self.change(&operator, || {
            let records = house.read();
            let kept = records.operators.get(&operator.get()).ok_or_else(|| no_such_operator(operator))?;
            let mut record = OperatorRecord::clone(&kept.record);
            record.role = update.role.unwrap_or(record.role);
            record.disabled_at = match update.disabled {
                Some(true) => record.disabled_at.or_else(|| Some(self.now())),
                Some(false) => None,
                None => record.disabled_at,
            };
            if record == *kept.record {
                return Ok((Vec::new(), Vec::new(), ()));
            }
            if is_owner(&kept.record) && !is_owner(&record) {
                an_owner_stays(&records, operator)?;
            }
            record.run = record.run.wrapping_add(1);
            let mut audit = self.entry_of(caller, None, "operator.change", &operator);
            let stands = if record.disabled_at.is_some() { "disabled" } else { "enabled" };
            audit.detail = Some(format!("{}, {stands}", record.role));
            let write = self.update(&house, RowKind::Operator, operator.get(), kept.revision, &record);
            Ok((vec![write], vec![audit], ()))
        })
        .await?;
        let records = house.read();
        let kept = records.operators.get(&operator.get()).ok_or_else(|| no_such_operator(operator))?;
        Ok(view(&records, operator.get(), kept, self.now()))
    }

    /// Deletes an operator with its links. What it did stays in the audit log under its id.
    ///
    /// # Errors
    /// As [`Node::change_operator`].
    pub async fn delete_operator(&self, caller: &Caller, operator: OperatorId) -> Result<()> {
        authorize::whole_server(caller, Action::ManageOperators)?;
        not_oneself(caller, operator)?;
        let house = self.directory.house().ok_or_else(|| no_such_operator(operator))?;
        let _alone = self.operators.alone().await;
        self.change(&operator, || {
            let records = house.read();
            let kept = records.operators.get(&operator.get()).ok_or_else(|| no_such_operator(operator))?;
            if is_owner(&kept.record) {
                an_owner_stays(&records, operator)?;
            }
            let mut audit = self.entry_of(caller, None, "operator.delete", &operator);
            audit.detail = Some(kept.record.name.clone());
            let mut writes = vec![delete(RowKind::Operator, operator.get())];
            writes.extend(links_of(&records, Some(operator)));
            Ok((writes, vec![audit], ()))
        })
        .await
    }

    /// The house, made if there is none yet.
    async fn make_house(&self) -> Result<Arc<ProjectEntry>> {
        let _alone = self.operators.alone().await;
        if let Some(house) = self.directory.house() {
            return Ok(house);
        }
        let _turning = self.keyring_turns.read().await;
        let (id, entropy) = (ProjectId::HOUSE, self.entropy.as_ref());
        let wrapped = self.directory.master_key().wrap_data_key(id, 1, &DataKey::generate(entropy), entropy);
        let house = Project { id, name: String::new(), created_at: self.now(), wrapped_data_keys: vec![(1, wrapped)] };
        self.commit(vec![Write::Project(house)], Vec::new())
            .await
            .map_err(|error| refusal(error, &"what belongs to the server"))?;
        self.directory
            .house()
            .ok_or_else(|| Error::new(ErrorKind::Internal, "The house was not made; this is a defect."))
    }

    /// Adds a link, with other steps in the same unit of work. Earlier links of the same operator go, and those whose time is over.
    async fn add_link(
        &self,
        house: &ProjectEntry,
        caller: &Caller,
        operator: Option<OperatorId>,
        audit: AuditDraft,
        steps: impl FnOnce() -> Vec<Write>,
    ) -> Result<InvitationSecret> {
        let (secret, now) = (InvitationSecret::generate(self.entropy.as_ref()), self.now());
        let record = InvitationRecord {
            hash: secret.hash(),
            for_operator: operator,
            made_by: actor(caller),
            created_at: now,
            expires_at: now.plus(INVITATION_MS),
        };
        let mut writes = steps();
        {
            let records = house.read();
            writes.extend(links_of(&records, operator));
            let is_another = |kept: &Kept<InvitationRecord>| kept.record.for_operator != operator;
            let others = || records.invitations.iter().filter(|(_, kept)| is_another(kept));
            let over = others().filter(|(_, kept)| kept.record.expires_at <= now);
            writes.extend(over.map(|(id, _)| delete(RowKind::Invitation, *id)));
            if others().filter(|(_, kept)| now < kept.record.expires_at).count() >= INVITATIONS_MAX {
                return Err(Error::new(
                    ErrorKind::LimitReached,
                    format!("{INVITATIONS_MAX} links wait for somebody to use them, the most there may be."),
                ));
            }
        }
        writes.push(self.insert(house, RowKind::Invitation, self.next_number(), &record));
        self.commit(writes, vec![audit]).await.map_err(|error| refusal(error, &"the link"))?;
        Ok(secret)
    }
}

/// The deletion of an operator's links, or of those for the first owner.
pub(super) fn links_of(records: &Records, operator: Option<OperatorId>) -> impl Iterator<Item = Write> {
    let links = records.invitations.iter().filter(move |(_, kept)| kept.record.for_operator == operator);
    links.map(|(id, _)| delete(RowKind::Invitation, *id))
}

fn not_oneself(caller: &Caller, operator: OperatorId) -> Result<()> {
    match caller {
        Caller::Person { operator: me, .. } if *me == operator => {
            Err(Error::new(ErrorKind::WrongState, "This is you. Another owner can do it."))
        }
        _ => Ok(()),
    }
}

/// Refuses what would leave the server without an owner who can sign in.
fn an_owner_stays(records: &Records, without: OperatorId) -> Result<()> {
    let mut others = records.operators.iter().filter(|(id, _)| **id != without.get());
    if others.any(|(_, kept)| is_owner(&kept.record)) {
        return Ok(());
    }
    Err(Error::new(
        ErrorKind::WrongState,
        "This is the last owner; make another operator an owner first, who has a password and is not disabled.",
    ))
}
