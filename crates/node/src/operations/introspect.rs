//! Introspection: what a presented text is, and exactly why it would be refused.

use std::sync::Arc;

use tollgate_core::authorize::{Action, Caller};
use tollgate_core::command::PresentedSecret;
use tollgate_core::error::Result;

use super::presented::{Place, TokenRefused, refused_by};
use super::token_views::Introspection;
use crate::Node;
use crate::directory::ProjectEntry;

impl Node {
    /// What a text is as a token of the caller's project. With a place, also whether it would be let in from there.
    ///
    /// # Errors
    /// `forbidden`.
    pub async fn introspect(
        &self,
        caller: &Caller,
        presented: &PresentedSecret,
        place: Option<Place<'_>>,
    ) -> Result<Introspection> {
        let entry = self.authorize(caller, Action::IntrospectTokens)?;
        Ok(self.introspected(&entry, presented, place).await)
    }

    async fn introspected(
        &self,
        entry: &Arc<ProjectEntry>,
        presented: &PresentedSecret,
        place: Option<Place<'_>>,
    ) -> Introspection {
        let recognised = match self.recognise(entry, presented.expose()).await {
            Ok(recognised) => recognised,
            Err(refusal) => return Introspection { token: None, refusal: Some(refusal) },
        };
        let (records, claims, now) = (entry.read(), recognised.claims, self.now());
        let Some(token) = records.token(claims.token) else {
            return Introspection { token: None, refusal: Some(TokenRefused::deleted()) };
        };
        let refusal =
            recognised.refused_by(&records, now).or_else(|| refused_by(&records, token, claims.generation, place, now));
        Introspection { token: Some(self.detail(entry, &records, claims.token, token)), refusal }
    }
}
