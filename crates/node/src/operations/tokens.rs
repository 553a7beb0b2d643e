//! Tokens as Hop's API has them, with their secrets: create, read, list, change, delete. A token is named by its secret, in either
//! spelling, or by its public id.
//!
//! Not here: what `/v2` adds (`tokens_create`, `tokens_read`, `tokens_change`, `tokens_rotate`).

use tollgate_core::authorize::{Action, Caller};
use tollgate_core::command::PresentedSecret;
use tollgate_core::credentials::RowKind;
use tollgate_core::error::{Error, ErrorKind, Result};
use tollgate_core::ids::TokenId;
use tollgate_core::ports::store::{RowName, Write};

use super::refusal;
use super::views::{Listed, NewToken, Page, TokenUpdate, TokenView};
use crate::Node;
use crate::directory::{ProjectEntry, TokenEntry};

impl Node {
    /// Creates a token, subscribed to its default channels from the start.
    ///
    /// # Errors
    /// As [`Node::issue_token`].
    pub async fn create_token(&self, caller: &Caller, new: NewToken) -> Result<TokenView> {
        let issued = self.issue_token(caller, new, None).await?;
        Ok(TokenView {
            id: issued.token.id,
            secret: issued.secret,
            project: issued.token.project,
            state: issued.token.state,
            is_online: false,
            created_at: issued.token.created_at,
            expires_at: issued.token.expires_at,
        })
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
        let total = records.token_count();
        let size = page.size.map_or(total.max(1), |size| usize::try_from(size).unwrap_or(usize::MAX));
        let skip = usize::try_from(page.number.saturating_sub(1)).unwrap_or(usize::MAX).saturating_mul(size);
        let view = |(id, found)| self.view_token(&entry, id, found);
        let all = records.tokens_after(None);
        let entries = if page.newest_first {
            all.rev().skip(skip).take(size).map(view).collect()
        } else {
            all.skip(skip).take(size).map(view).collect()
        };
        Ok(Listed { entries, total: total as u64 })
    }

    /// Changes a token's state or expiry; live connections hear of a new expiry at once.
    ///
    /// # Errors
    /// As [`Node::update_token`].
    pub async fn change_token(
        &self,
        caller: &Caller,
        token: &PresentedSecret,
        update: TokenUpdate,
    ) -> Result<TokenView> {
        let (entry, token) = self.updated(caller, token, update).await?;
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
            let claims = self.proven(entry, text).ok()?;
            let in_use = |found: &&TokenEntry| {
                found.generation == claims.generation
                    || found
                        .previous()
                        .is_some_and(|previous| previous.generation == claims.generation && self.now() < previous.until)
            };
            entry.read().token(claims.token).filter(in_use).map(|_| claims.token)
        });
        named.filter(|token| entry.read().token(*token).is_some()).ok_or_else(no_such_token)
    }

    pub(super) fn token_view(&self, entry: &ProjectEntry, token: TokenId) -> Result<TokenView> {
        let records = entry.read();
        let found = records.token(token).ok_or_else(no_such_token)?;
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
}

pub(super) fn no_such_token() -> Error {
    Error::new(ErrorKind::NotFound, "There is no such token in this project.")
}
