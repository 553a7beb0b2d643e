//! Sessions: a client, or a backend for it, gets a token for a user by naming it, as social.plus's SDKs do. Where the project is in secure
//! mode it brings its backend's auth token.
//!
//! One unit of work does all of it: the user is made or renamed, the auth token is used up, tokens that the session replaces are revoked, and
//! the token is inserted. The name of the user is held meanwhile, so that two requests for one user follow each other.
//!
//! Not here: how a wish is spelled in requests (the doors'), and what the SDKs' fixed texts mean.

use tollgate_core::authorize::{Action, Caller};
use tollgate_core::clock::UnixMillis;
use tollgate_core::command::PresentedSecret;
use tollgate_core::credentials::{AuthTokenSecret, RowKind, TokenSecret, fingerprint, verify_visitor};
use tollgate_core::error::{Error, ErrorKind, Result};
use tollgate_core::grants::{self, Grant};
use tollgate_core::ids::{ChannelId, TokenId, UserId};
use tollgate_core::json::JsonObject;
use tollgate_core::limits::{
    DEVICE_ID_CHARS_MAX, DEVICE_MODEL_CHARS_MAX, LOGIN_LIFE_MS_MIN, METADATA_BYTES_MAX, SESSION_LIFE_MS_DEFAULT,
    SUBSCRIPTIONS_PER_TOKEN_MAX, TOKEN_LIFE_MS_MAX,
};
use tollgate_core::model::Subscription;
use tollgate_core::policy::Asked;
use tollgate_core::ports::store::Write;
use tollgate_core::records::{SettingsRecord, TokenKind, TokenRecord, TokenTerms, UserRecord};

use super::auth_tokens::banned;
use super::idempotency::Once;
use super::minting::made_by;
use super::sessions_again::{fingerprint_of, once_of};
use super::users::{NewUser, UserView, check_profile, check_user_id};
use crate::Node;
use crate::directory::{ProjectEntry, Records};
use crate::operations::signing::AccessToken;

/// A wish for a session.
#[derive(Clone, Debug, Default)]
pub struct SessionRequest {
    /// The customer's own id of the user.
    pub user_id: String,
    /// What people call the user; kept on its record.
    pub display_name: Option<String>,
    /// The backend's word for the user, needed in secure mode.
    pub auth_token: Option<PresentedSecret>,
    /// Which device it is for, 1 to 150 characters. A session replaces the earlier one of its kind on the same device.
    pub device_id: Option<String>,
    /// What the device calls itself; cut to 100 characters.
    pub device_model: Option<String>,
    /// A user token or a login session.
    pub kind: TokenKind,
    /// Receives what it is subscribed to by a backend, and may do nothing else.
    pub is_visitor: bool,
    /// How long it lasts, in milliseconds.
    pub life_ms: Option<u64>,
    /// When it ends; instead of `life_ms`.
    pub expires_at: Option<UnixMillis>,
    /// From when it works.
    pub not_before: Option<UnixMillis>,
    /// What it may do.
    pub grants: Option<Vec<Grant>>,
    /// Channels that it is subscribed to from the start.
    pub channels: Vec<ChannelId>,
    /// The backend's own notes, at most 8 KiB.
    pub metadata: Option<JsonObject>,
    /// The same key again, for the same wish, gets the same token for 24 hours, whichever device asks.
    pub idempotency_key: Option<String>,
}

/// A backend's word for the device of a visitor.
#[derive(Clone, Debug, Default)]
pub struct VisitorProof {
    /// The signature, lowercase hexadecimal.
    pub signature: Option<String>,
    /// Until when it is good: the text that was signed.
    pub expires_at: Option<String>,
}

/// A session, with its secrets: to be handed out once.
#[derive(Clone, Debug)]
pub struct SessionView {
    /// The token.
    pub token: TokenId,
    /// Its JWT.
    pub access_token: AccessToken,
    /// Its own secret, with which a newer JWT of the same token is had.
    pub refresh_token: TokenSecret,
    /// Whose it is.
    pub user: UserView,
}

/// Why there is no session. Only a bad word for the user counts as a failed authentication.
enum Refused {
    AuthToken(Error),
    Other(Error),
}

impl Refused {
    fn error(self) -> Error {
        match self {
            Self::AuthToken(error) | Self::Other(error) => error,
        }
    }
}

impl From<Error> for Refused {
    fn from(error: Error) -> Self {
        Self::Other(error)
    }
}

/// A checked wish.
pub(super) struct Wanted {
    request: SessionRequest,
    auth_token: Option<AuthTokenSecret>,
    asked: Asked,
    pub(super) fingerprint: [u8; 32],
    pub(super) once: Option<Once>,
}

impl Node {
    /// Creates a session: a token of a user, who is made when it is named first. The same request again within ten seconds (same key, user,
    /// device and content) gets the same token.
    ///
    /// # Errors
    /// `forbidden`: the key may not, the auth token is missing or no good, or the wish is beyond the key's policy; `user_banned`; `invalid_input` and
    /// `payload_too_large` for values; `not_found` for a default channel; `rate_limited`, `limit_reached`, `unavailable`.
    pub async fn create_session(&self, caller: &Caller, request: SessionRequest) -> Result<SessionView> {
        let entry = self.authorize(caller, Action::CreateSession)?;
        let settings = entry.settings();
        let wanted = self.checked(caller, &entry, &settings, request)?;
        let user_id = &wanted.request.user_id;
        let _name = self.hold_user(&entry, user_id).await;
        if let Some(again) = self.again(&entry, &wanted) {
            return Ok(again);
        }
        if let Some(made) = self.made_before(caller, &entry, &wanted).await? {
            return Ok(made);
        }
        self.admit_mint(&entry, caller, Some(user_id), 1)?;
        // Before the token, so that there is never one that cannot be handed out.
        self.signing_key(&entry).await?;
        let token = TokenId::new(self.next_number());
        let action =
            if wanted.request.kind == TokenKind::UserToken { "session.create_user_token" } else { "session.create" };
        let mut audit = self.entry_of(caller, Some(entry.project.id), action, &token);
        let minting = entry.minting.read().await;
        let mut is_bad_word = false;
        let made = self
            .change(&token, || {
                let unit = self.session_unit(caller, &entry, &settings, &wanted, token);
                let (mut writes, user, detail) = unit.map_err(|refused| {
                    is_bad_word = matches!(refused, Refused::AuthToken(_));
                    refused.error()
                })?;
                if let Some(once) = &wanted.once {
                    writes.push(self.remember(&entry, caller, once, vec![(token, 1)]));
                }
                audit.detail = Some(detail);
                Ok((writes, vec![audit.clone()], user))
            })
            .await;
        drop(minting);
        let project = Some(entry.project.id);
        let user =
            made.map_err(
                |error| {
                    if is_bad_word { self.failed_authentication(project, "auth_token", error) } else { error }
                },
            )?;
        let access_token = self.access_token(&entry, token).await?;
        self.recent.put(wanted.fingerprint, self.clock.monotonic(), token, access_token.clone());
        self.view_session(&entry, token, access_token, user)
    }

    /// Creates a session for whoever is not signed in: its user is made from the device, and it may only receive what a backend subscribes it to.
    /// In secure mode the backend vouches for the device by a signature.
    ///
    /// # Errors
    /// As [`Node::create_session`].
    pub async fn create_visitor_session(
        &self,
        caller: &Caller,
        user_type: &str,
        mut request: SessionRequest,
        proof: &VisitorProof,
    ) -> Result<SessionView> {
        let entry = self.authorize(caller, Action::CreateSession)?;
        let Some(device) = request.device_id.clone() else {
            return Err(Error::new(
                ErrorKind::InvalidInput,
                "`deviceId` is missing: it is what a visitor is known by.",
            ));
        };
        self.check_visitor(&entry, &device, proof)?;
        let project = entry.project.id.get().to_be_bytes();
        let name = fingerprint(&[b"visitor", &project, user_type.as_bytes(), device.as_bytes()]);
        let hex: String = name.iter().take(16).map(|byte| format!("{byte:02x}")).collect();
        (request.user_id, request.is_visitor) = (format!("{user_type}-{hex}"), true);
        self.create_session(caller, request).await
    }

    fn check_visitor(&self, entry: &ProjectEntry, device: &str, proof: &VisitorProof) -> Result<()> {
        let settings = entry.settings();
        if !settings.secure_mode {
            return Ok(());
        }
        let refuse = |why: &str| {
            let error = Error::new(ErrorKind::Forbidden, why);
            Err(self.failed_authentication(Some(entry.project.id), "visitor_signature", error))
        };
        let (Some(secret), Some(signature), Some(expires_at)) =
            (&settings.visitor_secret, &proof.signature, &proof.expires_at)
        else {
            return refuse(
                "This project is in secure mode: a visitor needs authSignature and authSignatureExpiresAt, made by your backend with the visitor secret.",
            );
        };
        if !verify_visitor(secret, device, expires_at, signature) {
            return refuse("The authSignature does not fit this deviceId and authSignatureExpiresAt.");
        }
        match UnixMillis::from_rfc3339(expires_at) {
            Some(end) if end > self.now() => Ok(()),
            _ => refuse(
                "The authSignature has expired, or its authSignatureExpiresAt is no RFC 3339 time in UTC; have your backend make a new one.",
            ),
        }
    }

    /// A newer JWT of a session's token, for whoever has its refresh token.
    ///
    /// # Errors
    /// As [`Node::authenticate_token`]; `forbidden` when the token is not of this user or project, or the key may not create sessions.
    pub async fn refresh_session(
        &self,
        caller: &Caller,
        user_id: &str,
        refresh_token: &PresentedSecret,
    ) -> Result<AccessToken> {
        let entry = self.authorize(caller, Action::CreateSession)?;
        let presented = self.genuine(Some(&entry), refresh_token).await?;
        self.works(&presented, None)?;
        let is_of_user = {
            let records = entry.read();
            let owner = records
                .token(presented.recognised.claims.token)
                .and_then(|token| token.user)
                .and_then(|user| records.user(user));
            owner.is_some_and(|user| user.kept.record.user_id == user_id)
        };
        if !is_of_user {
            return Err(Error::new(ErrorKind::Forbidden, "The refreshToken is not of this userId's session."));
        }
        self.admit_mint(&entry, caller, Some(user_id), 1)?;
        self.access_token(&entry, presented.recognised.claims.token).await
    }

    /// Revokes the token that calls; its connections are closed before the answer.
    ///
    /// # Errors
    /// `forbidden` for other callers, `unavailable`.
    pub async fn end_own_session(&self, caller: &Caller) -> Result<()> {
        let (project, token) = tollgate_core::authorize::as_token(caller)?;
        let entry = self.project(project)?;
        let audit = self.entry_of(caller, Some(project), "session.end", &token);
        let minting = entry.minting.read().await;
        self.change(&token, || {
            let (writes, _) = self.revoke_all(&entry, &entry.read(), &[token], "signed out");
            Ok((writes, vec![audit.clone()], ()))
        })
        .await?;
        drop(minting);
        self.settled_everywhere().await;
        Ok(())
    }

    /// Whether a page of this origin may call with credentials: by the settings of the project, or of any while it is not known (a browser
    /// asks beforehand, without a key).
    #[must_use]
    pub fn allows_origin(&self, caller: Option<&Caller>, origin: &str) -> bool {
        let allows = |entry: &ProjectEntry| entry.settings().allowed_origins.iter().any(|one| one == origin);
        match caller {
            Some(Caller::ProjectKey { project, .. } | Caller::Token { project, .. }) => {
                self.directory.project(*project).is_some_and(|entry| allows(&entry))
            }
            Some(_) => false,
            None => self.directory.projects().iter().any(|entry| allows(entry)),
        }
    }

    /// Whether requests of the caller's project are refused for keys that we do not know.
    ///
    /// # Errors
    /// `forbidden`.
    pub fn is_strict_about_bodies(&self, caller: &Caller) -> Result<bool> {
        Ok(self.authorize(caller, Action::CreateSession)?.settings().strict_bodies)
    }

    fn checked(
        &self,
        caller: &Caller,
        entry: &ProjectEntry,
        settings: &SettingsRecord,
        request: SessionRequest,
    ) -> Result<Wanted> {
        check_user_id(entry, &request.user_id)?;
        check_profile(request.display_name.as_deref(), None)?;
        check_values(&request)?;
        let auth_token = match &request.auth_token {
            // For a visitor the backend has vouched by its signature.
            None if settings.secure_mode && !request.is_visitor => {
                return Err(Error::new(
                    ErrorKind::Forbidden,
                    "This project is in secure mode: an authToken is needed. Have your backend make one for this userId and pass it on.",
                ));
            }
            None => None,
            Some(text) => Some(AuthTokenSecret::parse(text.expose()).map_err(|refusal| {
                let error = Error::new(ErrorKind::Forbidden, format!("The authToken is no good: {refusal}."));
                self.failed_authentication(Some(entry.project.id), "malformed_auth_token", error)
            })?),
        };
        let asked = self.asked(caller, settings, &request)?;
        let fingerprint = fingerprint_of(caller, &request, auth_token.as_ref());
        let once = once_of(&request, auth_token.as_ref())?;
        Ok(Wanted { request, auth_token, asked, fingerprint, once })
    }

    /// What the key's policy makes of the wish.
    fn asked(&self, caller: &Caller, settings: &SettingsRecord, request: &SessionRequest) -> Result<Asked> {
        let now = self.now();
        let default_life = match request.kind {
            TokenKind::UserToken => settings.user_token_life_ms,
            TokenKind::Session | TokenKind::Plain | TokenKind::Issued => settings.session_life_ms,
        }
        .unwrap_or(SESSION_LIFE_MS_DEFAULT);
        let end = request.life_ms.map(|life| now.plus(life)).or(request.expires_at);
        check_end(request, end, now)?;
        let (mut policy, publishable) = match caller {
            Caller::ProjectKey { key, permissions, .. } => {
                let record = self.directory.key(*key).map(|key| key.record.policy.clone());
                (record.unwrap_or_default(), permissions.is_publishable())
            }
            _ => (tollgate_core::records::MintPolicy::default(), false),
        };
        if publishable {
            policy.life_ms_max = Some(policy.life_ms_max.unwrap_or(default_life));
        }
        let default_end = now.plus(policy.life_ms_max.map_or(default_life, |most| most.min(default_life)));
        let asked = Asked {
            grants: request.grants.clone(),
            channels: request.channels.clone(),
            expires_at: Some(end.unwrap_or(default_end)),
        };
        let mut bound = policy.bound(asked, publishable, now)?;
        if request.is_visitor {
            (bound.grants, bound.channels) = (Some(Vec::new()), Vec::new());
        }
        Ok(bound)
    }

    pub(super) fn view_session(
        &self,
        entry: &ProjectEntry,
        token: TokenId,
        access_token: AccessToken,
        user: UserId,
    ) -> Result<SessionView> {
        let refresh_token = self.directory.ring().spell(entry.project.id, token, 1);
        Ok(SessionView { token, access_token, refresh_token, user: self.view_user(entry, user)? })
    }

    /// The steps that make a session, from the records as they are; whose it is, and what the audit log says of it.
    fn session_unit(
        &self,
        caller: &Caller,
        entry: &ProjectEntry,
        settings: &SettingsRecord,
        wanted: &Wanted,
        token: TokenId,
    ) -> std::result::Result<(Vec<Write>, UserId, String), Refused> {
        let Wanted { request, asked, .. } = wanted;
        let records = entry.read();
        let mut detail = format!("user {}", request.user_id);
        let (user, mut writes) = self.session_user(entry, &records, request)?;
        if let Some(secret) = &wanted.auth_token {
            let (user_id, reusable) = (&request.user_id, settings.auth_tokens_reusable);
            let used = self.use_auth_token(entry, &records, secret, user_id, reusable);
            writes.extend(used.map_err(Refused::AuthToken)?);
        }
        let (replaced, said) = self.make_way(entry, &records, settings, request, user)?;
        writes.extend(replaced);
        detail.push_str(&said);
        let key_number = self.directory.ring().active();
        let record = TokenRecord { key_number, ..token_record(self.now(), made_by(caller), user, request, asked) };
        writes.push(self.insert(entry, RowKind::Token, token.get(), &record));
        let project = entry.project.id;
        for channel in &asked.channels {
            if records.channel(channel).is_none() {
                return Err(Refused::Other(Error::not_found("channel", channel)));
            }
            let channel = channel.clone();
            writes.push(Write::Subscribe(Subscription { project, token, channel, ephemeral: false }));
        }
        Ok((writes, user, detail))
    }

    /// The user of a session, made or renamed where that is due.
    fn session_user(
        &self,
        entry: &ProjectEntry,
        records: &Records,
        request: &SessionRequest,
    ) -> Result<(UserId, Vec<Write>)> {
        let Some((id, found)) = records.user_named(&request.user_id) else {
            let (user_id, display_name) = (request.user_id.clone(), request.display_name.clone());
            let (id, write) = self.new_user(entry, records, &NewUser { user_id, display_name, attributes: None });
            return Ok((id, vec![write]));
        };
        let kept = &found.kept;
        if kept.record.banned_at.is_some() {
            return Err(banned());
        }
        if request.display_name.is_none() || request.display_name == kept.record.display_name {
            return Ok((id, Vec::new()));
        }
        let mut record = UserRecord::clone(&kept.record);
        record.display_name.clone_from(&request.display_name);
        record.updated_at = self.now();
        Ok((id, vec![self.update(entry, RowKind::User, id.get(), kept.revision, &record)]))
    }
}

fn token_record(
    now: UnixMillis,
    made_by: Option<tollgate_core::ids::KeyId>,
    user: UserId,
    request: &SessionRequest,
    asked: &Asked,
) -> TokenRecord {
    let cut = |text: &String| text.chars().take(DEVICE_MODEL_CHARS_MAX).collect::<String>();
    TokenRecord {
        generation: 1,
        previous: None,
        kind: request.kind,
        user: Some(user),
        state: None,
        state_version: 1,
        created_at: now,
        not_before: request.not_before,
        expires_at: asked.expires_at,
        made_by,
        key_number: 0,
        issuer: None,
        revoked: None,
        terms: TokenTerms {
            grants: asked.grants.clone(),
            metadata: request.metadata.clone(),
            device: request.device_id.clone(),
            name: request.device_model.as_ref().map(cut),
            ..TokenTerms::default()
        },
    }
}

fn check_values(request: &SessionRequest) -> Result<()> {
    let refuse = |why: String| Err(Error::new(ErrorKind::InvalidInput, why));
    if let Some(device) = &request.device_id {
        let chars = device.chars().count();
        if chars == 0 || chars > DEVICE_ID_CHARS_MAX {
            return refuse(format!("`deviceId` has {chars} characters; it must have 1 to {DEVICE_ID_CHARS_MAX}."));
        }
    }
    let bytes = request.metadata.as_ref().map_or(0, |metadata| metadata.as_str().len());
    if bytes > METADATA_BYTES_MAX {
        return Err(Error::new(
            ErrorKind::TooLarge,
            format!("`metadata` has {bytes} bytes; at most {METADATA_BYTES_MAX} are allowed."),
        ));
    }
    if request.channels.len() > SUBSCRIPTIONS_PER_TOKEN_MAX {
        return refuse(format!("`channels` has more than {SUBSCRIPTIONS_PER_TOKEN_MAX} entries."));
    }
    request.grants.as_deref().map_or(Ok(()), grants::check)
}

fn check_end(request: &SessionRequest, end: Option<UnixMillis>, now: UnixMillis) -> Result<()> {
    let refuse = |why: String| Err(Error::new(ErrorKind::InvalidInput, why));
    let Some(end) = end else { return Ok(()) };
    if request.life_ms.is_some() && request.expires_at.is_some() {
        return refuse("Send `ttl` or `expiresAt`, not both.".into());
    }
    if end <= now || end > now.plus(TOKEN_LIFE_MS_MAX) {
        return refuse(format!(
            "The session would end at {end}, and now it is {now}: it must end later than now, and within ten years."
        ));
    }
    if request.not_before.is_some_and(|start| start >= end) {
        return refuse("The session would end before its `notBefore`.".into());
    }
    if request.kind == TokenKind::Session && end < now.plus(LOGIN_LIFE_MS_MIN) {
        return refuse(format!(
            "A login session lasts at least {} minutes, because the SDKs renew it in the last fifth of its life and look every ten minutes. Use createUserToken for shorter ones.",
            LOGIN_LIFE_MS_MIN / 60_000
        ));
    }
    Ok(())
}
