//! JWTs of registered issuers as credentials: verified by the issuer's rules, then the token record of its user is found, or made when the user
//! is seen first.
//!
//! There is one record for each issuer and user, however many JWTs the issuer makes: so that revoking, banning, usage and audit work as
//! for every token, and what is stored is bounded by users. What the user may do and is called is the newest JWT's word. A revocation
//! holds for every JWT issued before it; a user who must stay out is banned.

use std::sync::Arc;

use tollgate_core::authorize::Caller;
use tollgate_core::clock::UnixMillis;
use tollgate_core::credentials::RowKind;
use tollgate_core::credentials::jwt::{JwtRefusal, Unverified, VerifiedClaims};
use tollgate_core::error::{Error, ErrorKind};
use tollgate_core::grants::{self, Grant};
use tollgate_core::ids::{IssuerId, TokenId};
use tollgate_core::records::{IssuerKeys, IssuerRecord, TokenKind, TokenTerms};

use super::issuer_keys::ForeignClaims;
use super::presented::TokenRefused;
use super::users::{check_profile, check_user_id};
use super::views::{NewToken, UserOfToken};
use crate::Node;
use crate::directory::{Kept, ProjectEntry, Records, TokenEntry};
use crate::verified::{Verified, name_of};

/// The same as `TokenRefused` for everything that goes wrong here.
type Told<T> = std::result::Result<T, TokenRefused>;

/// What is to be done with a JWT of an issuer before it gets in.
pub(super) enum Due {
    /// Its key is unknown: the issuer's registered address may know it. The revision is that of the issuer's record.
    Keys(IssuerId, u32, TokenRefused),
    /// Its user has no record yet, or one that says otherwise.
    Record(ForeignClaims),
}

/// What a JWT asks for within its issuer's bounds.
struct Wish {
    grants: Option<Vec<Grant>>,
    user: UserOfToken,
    issued_at: Option<UnixMillis>,
}

impl Node {
    /// The token that stands for the bearer of an issuer's JWT, and when the JWT ends; or what is due first.
    pub(super) fn seat_of(
        &self,
        entry: &ProjectEntry,
        text: &str,
    ) -> Told<std::result::Result<(TokenId, u32, IssuerId, UnixMillis), Due>> {
        let foreign = match self.verify_foreign(entry, text)? {
            Ok(foreign) => foreign,
            Err(due) => return Ok(Err(due)),
        };
        let issuer = believed(entry, foreign.issuer)?;
        let wish = wish(entry, &issuer, &foreign.claims)?;
        let records = entry.read();
        let Some((id, found)) = self.seat(&records, foreign.issuer, &wish)? else {
            return Ok(Err(Due::Record(foreign)));
        };
        if differs(&records, found, &wish) {
            return Ok(Err(Due::Record(foreign)));
        }
        let ends_at = UnixMillis((foreign.claims.exp + u64::from(issuer.leeway_s)).saturating_mul(1_000));
        Ok(Ok((id, found.generation, foreign.issuer, ends_at)))
    }

    /// Does what is due.
    pub(super) async fn welcome(&self, entry: &ProjectEntry, due: Due) -> Told<()> {
        match due {
            Due::Keys(issuer, revision, refused) => match self.newer_keys(entry, issuer, revision).await {
                true => Ok(()),
                false => Err(refused),
            },
            Due::Record(foreign) => self.keep_record(entry, &foreign).await,
        }
    }

    /// What a JWT of a registered issuer says, verified now or a while ago.
    fn verify_foreign(&self, entry: &ProjectEntry, text: &str) -> Told<std::result::Result<ForeignClaims, Due>> {
        let (now, name) = (self.now(), name_of(entry.project.id, text));
        if let Some(Verified::Issuers { issuer, revision, claims }) = self.verified.get(&name, now) {
            let records = entry.read();
            let stands = |kept: &Kept<IssuerRecord>| kept.revision == revision && kept.record.disabled_at.is_none();
            if records.issuers.get(&issuer.get()).is_some_and(stands) {
                return Ok(Ok(ForeignClaims { issuer, claims }));
            }
        }
        let named = Unverified::parse(text)?.issuer.ok_or_else(|| JwtRefusal::MissingClaim("iss".into()))?;
        let found = {
            let records = entry.read();
            let of_name = |kept: &Kept<IssuerRecord>| kept.record.issuer == named && kept.record.disabled_at.is_none();
            let mut all = records.issuers.iter();
            all.find(|(_, kept)| of_name(kept)).map(|(id, kept)| (IssuerId::new(*id), kept.clone()))
        };
        let (issuer, kept) = found.ok_or_else(unknown_issuer)?;
        let rules = self.rules_of(entry, issuer, &kept).map_err(|error| {
            tracing::warn!(project = %entry.project.id, %issuer, %error, "the record of an issuer cannot be used");
            unknown_issuer()
        })?;
        match rules.verify(text, now) {
            Ok(claims) => {
                let until = (claims.exp + u64::from(kept.record.leeway_s)).saturating_mul(1_000);
                let (revision, claims) = (kept.revision, Arc::new(claims));
                let verified = Verified::Issuers { issuer, revision, claims: Arc::clone(&claims) };
                self.verified.put(name, UnixMillis(until), verified);
                Ok(Ok(ForeignClaims { issuer, claims }))
            }
            Err(JwtRefusal::UnknownKid) if matches!(kept.record.keys, IssuerKeys::Url { .. }) => {
                Ok(Err(Due::Keys(issuer, kept.revision, JwtRefusal::UnknownKid.into())))
            }
            Err(refusal) => Err(refusal.into()),
        }
    }

    /// The record that this JWT may use; nothing if there is none yet.
    fn seat<'r>(&self, records: &'r Records, issuer: IssuerId, wish: &Wish) -> Told<Option<(TokenId, &'r TokenEntry)>> {
        let now = self.now();
        let Some((_, user)) = records.user_named(&wish.user.user_id) else { return Ok(None) };
        if let Some(at) = user.kept.record.banned_at {
            return Err(TokenRefused::of(ErrorKind::UserBanned, "This user may not get in.", Some(at)));
        }
        let tokens = user.tokens.iter().filter_map(|id| Some((*id, records.token(*id)?)));
        let mut working = None;
        for (id, token) in tokens.filter(|(_, token)| token.kind == TokenKind::Issued && token.issuer() == Some(issuer))
        {
            let Some(revoked) = token.revoked() else {
                working = Some((id, token));
                continue;
            };
            // In whole seconds, as `iat` is; what has none cannot show that it came later.
            let is_older = wish.issued_at.is_none_or(|at| at.0 / 1_000 <= revoked.decided_at.0 / 1_000);
            if !is_older {
                continue;
            }
            if revoked.effective_at <= now {
                return Err(TokenRefused::of(
                    ErrorKind::TokenRevoked,
                    "This user's tokens were revoked after this JWT was issued (its `iat` says when). Sign in again for a newer one.",
                    Some(revoked.effective_at),
                ));
            }
            working = Some((id, token));
        }
        Ok(working)
    }

    /// Makes the user and its record, or has them say what the JWT says.
    async fn keep_record(&self, entry: &ProjectEntry, foreign: &ForeignClaims) -> Told<()> {
        let issuer = foreign.issuer;
        // One at a time for each user, so that two first connections make one record; and none while a rule revokes.
        let name = tollgate_core::credentials::fingerprint(&[foreign.claims.user_id.as_bytes()]);
        let _turn = self.issuers.turn(tollgate_core::credentials::number_of(&name)).await;
        let _minting = entry.minting.read().await;
        let mut refused = None;
        let done = self
            .change(&"token", || {
                let seated = believed(entry, issuer).and_then(|believed| {
                    let wish = wish(entry, &believed, &foreign.claims)?;
                    let records = entry.read();
                    let found = self.seat(&records, issuer, &wish)?;
                    let found =
                        found.map(|(id, token)| (id, token.record(), token.revision, differs(&records, token, &wish)));
                    Ok((wish, found))
                });
                let (wish, found) = seated.map_err(|told| {
                    refused = Some(told.clone());
                    Error::from(told)
                })?;
                let mut mint = self.mint(entry, &Caller::System);
                match found {
                    None => {
                        let terms = TokenTerms {
                            grants: wish.grants.clone(),
                            claimed_at: wish.issued_at,
                            ..TokenTerms::default()
                        };
                        let (kind, user) = (TokenKind::Issued, Some(wish.user.clone()));
                        mint.token(&NewToken { user, kind, issuer: Some(issuer), terms, ..NewToken::default() })?;
                    }
                    Some((id, mut record, revision, true)) => {
                        mint.user(&wish.user)?;
                        if record.terms.grants != wish.grants || record.terms.claimed_at != wish.issued_at {
                            record.terms.grants.clone_from(&wish.grants);
                            record.terms.claimed_at = wish.issued_at;
                            mint.writes.push(self.update(entry, RowKind::Token, id.get(), revision, &record));
                        }
                        let mut audit = self.entry_of(&Caller::System, Some(entry.project.id), "token.change", &id);
                        audit.detail = Some(format!("as a newer JWT of issuer {issuer} says"));
                        mint.audit.push(audit);
                    }
                    Some((.., false)) => {}
                }
                Ok((mint.writes, mint.audit, ()))
            })
            .await;
        match (done, refused) {
            (Ok(()), _) => Ok(()),
            (Err(_), Some(refused)) => Err(refused),
            (Err(error), None) => Err(TokenRefused::of(error.kind, error.detail, None)),
        }
    }
}

/// Whether the record, or its user's, says otherwise than the JWT, and the JWT is no older than the one they go by.
fn differs(records: &Records, token: &TokenEntry, wish: &Wish) -> bool {
    let terms = token.terms();
    let claimed_at = terms.and_then(|terms| terms.claimed_at);
    if wish.issued_at < claimed_at {
        return false;
    }
    let user = token.user.and_then(|user| records.user(user));
    let name = user.and_then(|user| user.kept.record.display_name.as_ref());
    terms.and_then(|terms| terms.grants.as_ref()) != wish.grants.as_ref()
        || wish.user.display_name.is_some() && wish.user.display_name.as_ref() != name
}

/// What the JWT asks for, within the bounds of its issuer. No capabilities where a claim for them is expected are none; where none is, they
/// are all that the issuer may give.
fn wish(entry: &ProjectEntry, issuer: &IssuerRecord, claims: &VerifiedClaims) -> Told<Wish> {
    let ceiling = issuer.policy.ceiling.as_ref();
    let claimed = match (&issuer.capabilities_claim, &claims.capabilities) {
        (None, _) => None,
        (Some(_), None) => Some(Vec::new()),
        (Some(name), Some(value)) => Some(grants::from_claim(value).map_err(|needed| {
            TokenRefused::unknown("wrong_claim", format!("The token's claim `{name}` must be {needed}."))
        })?),
    };
    let mut grants = match (claimed, ceiling) {
        (Some(claimed), Some(ceiling)) => Some(grants::intersection(&claimed, ceiling)),
        (claimed, ceiling) => claimed.or_else(|| ceiling.cloned()),
    };
    if let Some(grants) = &mut grants {
        grants.truncate(tollgate_core::limits::GRANTS_PER_TOKEN_MAX);
    }
    let user = UserOfToken { user_id: claims.user_id.clone(), display_name: claims.display_name.clone() };
    check_user_id(entry, &user.user_id)
        .and_then(|()| check_profile(user.display_name.as_deref(), None))
        .map_err(|error| TokenRefused::unknown("wrong_claim", error.detail))?;
    Ok(Wish { grants, user, issued_at: claims.iat.map(|seconds| UnixMillis(seconds.saturating_mul(1_000))) })
}

/// The issuer's record, if it is there and not disabled.
fn believed(entry: &ProjectEntry, issuer: IssuerId) -> Told<Arc<IssuerRecord>> {
    let records = entry.read();
    let kept = records.issuers.get(&issuer.get()).filter(|kept| kept.record.disabled_at.is_none());
    kept.map(|kept| Arc::clone(&kept.record)).ok_or_else(unknown_issuer)
}

fn unknown_issuer() -> TokenRefused {
    TokenRefused::unknown(
        "unknown_issuer",
        "This JWT's `iss` is no issuer registered in this project, to the letter, or one that is disabled.",
    )
}
