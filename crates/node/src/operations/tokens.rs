//! Tokens: create, read, list, change, delete. A token is named by its secret, in either spelling, or by its public id.

use tollgate_core::authorize::{Action, Caller};
use tollgate_core::clock::UnixMillis;
use tollgate_core::command::PresentedSecret;
use tollgate_core::credentials::RowKind;
use tollgate_core::error::{Error, ErrorKind, Result};
use tollgate_core::ids::{KeyId, TokenId};
use tollgate_core::json::JsonObject;
use tollgate_core::limits::{SUBSCRIPTIONS_PER_TOKEN_MAX, TOKEN_STATE_BYTES_MAX};
use tollgate_core::model::Subscription;
use tollgate_core::ports::store::{RowName, StoreError, Subject, Write};
use tollgate_core::records::{TokenKind, TokenRecord, TokenTerms};

use super::refusal;
use super::views::{Listed, NewToken, Page, TokenUpdate, TokenView};
use crate::Node;
use crate::directory::{ProjectEntry, TokenEntry};

impl Node {
    /// Creates a token, subscribed to its default channels from the start.
    ///
    /// # Errors
    /// `forbidden`, `payload_too_large` for the state, `invalid_input` for an expiry in the past, `limit_reached` for too many channels,
    /// `not_found` for a default channel that does not exist, `unavailable`.
    pub async fn create_token(&self, caller: &Caller, new: NewToken) -> Result<TokenView> {
        let entry = self.authorize(caller, Action::CreateToken)?;
        self.check_new(&new)?;
        let (id, record) = (TokenId::new(self.next_number()), self.new_record(caller, &new));
        let created_at = record.created_at;
        let project = entry.project.id;
        let mut writes = vec![self.insert(&entry, RowKind::Token, id.get(), &record)];
        writes.extend(
            new.channels
                .into_iter()
                .map(|channel| Write::Subscribe(Subscription { project, token: id, channel, ephemeral: false })),
        );
        let audit = self.entry_of(caller, Some(project), "token.create", &id);
        let _minting = entry.minting.read().await;
        self.commit(writes, vec![audit]).await.map_err(|error| match error {
            StoreError::NotFound(Subject::Channel) => {
                Error::new(ErrorKind::NotFound, "One of the default channels does not exist; create it first.")
            }
            other => refusal(other, &id),
        })?;
        Ok(TokenView {
            id,
            secret: self.directory.ring().spell(entry.project.id, id, 1),
            project: entry.project.id,
            state: new.state,
            is_online: false,
            created_at,
            expires_at: new.expires_at,
        })
    }

    /// Checks a token to create.
    pub(super) fn check_new(&self, new: &NewToken) -> Result<()> {
        self.check(new.state.as_ref(), new.expires_at)?;
        if new.channels.len() > SUBSCRIPTIONS_PER_TOKEN_MAX {
            return Err(Error::new(
                ErrorKind::LimitReached,
                format!("A token may be subscribed to at most {SUBSCRIPTIONS_PER_TOKEN_MAX} channels."),
            ));
        }
        Ok(())
    }

    /// The record of a new token.
    pub(super) fn new_record(&self, caller: &Caller, new: &NewToken) -> TokenRecord {
        TokenRecord {
            generation: 1,
            previous: None,
            kind: TokenKind::Plain,
            user: None,
            state: new.state.clone(),
            state_version: 1,
            created_at: self.now(),
            not_before: None,
            expires_at: new.expires_at,
            made_by: made_by(caller),
            key_number: self.directory.ring().active(),
            issuer: None,
            revoked: None,
            terms: TokenTerms::default(),
        }
    }

    /// One token.
    ///
    /// # Errors
    /// `not_found`, `forbidden`.
    pub fn token(&self, caller: &Caller, token: &PresentedSecret) -> Result<TokenView> {
        let entry = self.authorize(caller, Action::ReadTokens)?;
        let token = self.resolve_token(&entry, token)?;
        self.token_view(&entry, token)
    }

    /// The project's tokens, in order of creation.
    ///
    /// # Errors
    /// `forbidden`.
    pub fn tokens(&self, caller: &Caller, page: Page) -> Result<Listed<TokenView>> {
        let entry = self.authorize(caller, Action::ReadTokens)?;
        let records = entry.read();
        let mut sorted: Vec<_> = records.tokens().collect();
        sorted.sort_by_key(|(id, _)| *id);
        let Listed { entries, total } = page.cut(sorted);
        Ok(Listed {
            entries: entries.into_iter().map(|(id, found)| self.view_token(&entry, id, found)).collect(),
            total,
        })
    }

    /// Changes a token's state or expiry; live connections hear of a new expiry at once.
    ///
    /// # Errors
    /// As [`Node::create_token`], and `not_found`.
    pub async fn change_token(
        &self,
        caller: &Caller,
        token: &PresentedSecret,
        update: TokenUpdate,
    ) -> Result<TokenView> {
        let entry = self.authorize(caller, Action::UpdateToken)?;
        let token = self.resolve_token(&entry, token)?;
        self.check(update.state.as_ref().and_then(Option::as_ref), update.expires_at.flatten())?;
        let audit = self.entry_of(caller, Some(entry.project.id), "token.change", &token);
        let _minting = entry.minting.read().await;
        self.change(&token, || {
            let records = entry.read();
            let found = records.token(token).ok_or_else(no_such_token)?;
            let mut record = found.record();
            if let Some(state) = &update.state {
                record.state.clone_from(state);
                record.state_version += 1;
            }
            if let Some(expires_at) = update.expires_at {
                record.expires_at = expires_at;
            }
            let write = self.update(&entry, RowKind::Token, token.get(), found.revision, &record);
            Ok((vec![write], vec![audit.clone()], ()))
        })
        .await?;
        self.token_view(&entry, token)
    }

    /// Deletes a token. Its connections are closed, and nothing reaches them after the answer.
    ///
    /// # Errors
    /// `not_found`, `forbidden`, `unavailable`.
    pub async fn delete_token(&self, caller: &Caller, token: &PresentedSecret) -> Result<()> {
        let entry = self.authorize(caller, Action::DeleteToken)?;
        let token = self.resolve_token(&entry, token)?;
        let audit = self.entry_of(caller, Some(entry.project.id), "token.delete", &token);
        let name = RowName { kind: RowKind::Token, project: entry.project.id, id: token.get() };
        self.commit(vec![Write::Delete(name)], vec![audit]).await.map_err(|error| refusal(error, &token))?;
        self.settled_everywhere().await;
        Ok(())
    }

    /// The token that a caller with a project key names. A secret must be genuine; one that is not is simply not there.
    pub(super) fn resolve_token(&self, entry: &ProjectEntry, presented: &PresentedSecret) -> Result<TokenId> {
        let text = presented.expose();
        let named = text.parse::<TokenId>().ok().or_else(|| {
            let claims = self.claims_of(entry, text)?;
            let in_use = |found: &&TokenEntry| {
                found.generation == claims.generation
                    || found.previous().is_some_and(|previous| {
                        previous.generation == claims.generation && self.now() < previous.until
                    })
            };
            entry.read().token(claims.token).filter(in_use).map(|_| claims.token)
        });
        named
            .filter(|token| entry.read().token(*token).is_some())
            .ok_or_else(no_such_token)
    }

    pub(super) fn token_view(&self, entry: &ProjectEntry, token: TokenId) -> Result<TokenView> {
        let records = entry.read();
        let found = records
            .token(token)
            .ok_or_else(no_such_token)?;
        Ok(self.view_token(entry, token, found))
    }

    pub(super) fn view_token(&self, entry: &ProjectEntry, id: TokenId, found: &TokenEntry) -> TokenView {
        TokenView {
            id,
            secret: self.directory.ring().spell(entry.project.id, id, found.generation),
            project: entry.project.id,
            state: found.state.as_deref().cloned(),
            is_online: found.is_online(),
            created_at: found.created_at,
            expires_at: found.expires_at,
        }
    }

    fn check(&self, state: Option<&JsonObject>, expires_at: Option<UnixMillis>) -> Result<()> {
        let bytes = state.map_or(0, |state| state.as_str().len());
        if bytes > TOKEN_STATE_BYTES_MAX {
            return Err(Error::new(
                ErrorKind::TooLarge,
                format!("The token state has {bytes} bytes; at most {TOKEN_STATE_BYTES_MAX} are allowed."),
            ));
        }
        if expires_at.is_some_and(|end| end <= self.now()) {
            return Err(Error::new(
                ErrorKind::InvalidInput,
                "`expires_at` is in the past; give a time in the future, or null for never.",
            ));
        }
        Ok(())
    }
}

/// The project key that a caller came with.
pub(super) fn made_by(caller: &Caller) -> Option<KeyId> {
    if let Caller::ProjectKey { key, .. } = caller { Some(*key) } else { None }
}

pub(super) fn no_such_token() -> Error {
    Error::new(ErrorKind::NotFound, "There is no such token in this project.")
}
