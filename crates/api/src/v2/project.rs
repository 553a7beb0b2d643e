//! The key's own project and its settings.

use http::StatusCode;
use serde::{Deserialize, Serialize};
use tollgate_core::credentials::WebhookSecret;
use tollgate_core::records::{Bucket, MailboxSettings, SettingsRecord};
use tollgate_core::{Error, ErrorKind, Result};

use super::{Map, Time, present, project_hook};
use crate::answer::Answer;
use crate::call::Call;

/// A project as `/v2` shows it.
#[derive(Serialize)]
struct Shown {
    id: String,
    name: String,
    created_at: Time,
    settings: Settings,
}

#[derive(Serialize)]
struct Settings {
    secure_mode: &'static str,
    auth_tokens_reusable: bool,
    auth_token_ttl_s: Option<u64>,
    session_ttl_s: Option<u64>,
    user_token_ttl_s: Option<u64>,
    access_token_ttl_s: Option<u64>,
    signing_key_ttl_s: Option<u64>,
    audit_ttl_s: Option<u64>,
    ended_token_ttl_s: Option<u64>,
    allowed_origins: Vec<String>,
    user_id_chars_max: Option<u32>,
    strict_devices: bool,
    strict_bodies: bool,
    signing_algorithm: Option<String>,
    /// Whether there is one; it is never shown.
    has_visitor_secret: bool,
    hook: Option<project_hook::Shown>,
    mailbox: Option<MailboxSettings>,
    limits: Limits,
}

#[derive(Serialize)]
struct Limits {
    mint_per_key: Option<Bucket>,
    mint_per_user: Option<Bucket>,
    mint_per_address: Option<Bucket>,
    failed_auth_per_address: Option<Bucket>,
}

/// What to change: absent fields stay, `null` goes back to the default.
#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Wanted {
    #[serde(deserialize_with = "present")]
    name: Option<Option<String>>,
    #[serde(deserialize_with = "present")]
    secure_mode: Option<Option<String>>,
    #[serde(deserialize_with = "present")]
    auth_tokens_reusable: Option<Option<bool>>,
    #[serde(deserialize_with = "present")]
    auth_token_ttl_s: Option<Option<u64>>,
    #[serde(deserialize_with = "present")]
    session_ttl_s: Option<Option<u64>>,
    #[serde(deserialize_with = "present")]
    user_token_ttl_s: Option<Option<u64>>,
    #[serde(deserialize_with = "present")]
    access_token_ttl_s: Option<Option<u64>>,
    #[serde(deserialize_with = "present")]
    signing_key_ttl_s: Option<Option<u64>>,
    #[serde(deserialize_with = "present")]
    audit_ttl_s: Option<Option<u64>>,
    #[serde(deserialize_with = "present")]
    ended_token_ttl_s: Option<Option<u64>>,
    #[serde(deserialize_with = "present")]
    allowed_origins: Option<Option<Vec<String>>>,
    #[serde(deserialize_with = "present")]
    user_id_chars_max: Option<Option<u32>>,
    #[serde(deserialize_with = "present")]
    strict_devices: Option<Option<bool>>,
    #[serde(deserialize_with = "present")]
    strict_bodies: Option<Option<bool>>,
    #[serde(deserialize_with = "present")]
    signing_algorithm: Option<Option<String>>,
    #[serde(deserialize_with = "present")]
    visitor_secret: Option<Option<String>>,
    #[serde(deserialize_with = "present")]
    hook: Option<Option<Map<project_hook::Wanted>>>,
    #[serde(deserialize_with = "present")]
    mailbox: Option<Option<Map<MailboxSettings>>>,
    limits: Map<WantedLimits>,
}

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct WantedLimits {
    #[serde(deserialize_with = "present")]
    mint_per_key: Option<Option<Map<Bucket>>>,
    #[serde(deserialize_with = "present")]
    mint_per_user: Option<Option<Map<Bucket>>>,
    #[serde(deserialize_with = "present")]
    mint_per_address: Option<Option<Map<Bucket>>>,
    #[serde(deserialize_with = "present")]
    failed_auth_per_address: Option<Option<Map<Bucket>>>,
}

pub(crate) async fn get(call: &Call) -> Result<Answer> {
    let settings = call.node.settings(&call.caller)?;
    show(call, settings, None)
}

pub(crate) async fn change(call: &Call) -> Result<Answer> {
    let wanted: Wanted = call.object()?;
    let (drawn, now) = (call.node.draw_hook_secret(), call.node.now());
    let edit = |settings: &mut SettingsRecord| {
        wanted.apply(settings)?;
        match &wanted.hook {
            None => {}
            Some(None) => settings.hook = None,
            Some(Some(Map(hook))) => settings.hook = Some(hook.apply(settings.hook.as_ref(), &drawn, now)?),
        }
        Ok(())
    };
    let name = match &wanted.name {
        Some(None) => return Err(Error::new(ErrorKind::InvalidInput, "`name` must be a text; it has no default.")),
        Some(Some(name)) => Some(name.as_str()),
        None => None,
    };
    let settings = call.node.change_project(&call.caller, name, &edit).await?;
    show(call, settings, Some(&drawn))
}

/// `drawn` is a hook's secret that this request may have put there.
fn show(call: &Call, settings: SettingsRecord, drawn: Option<&WebhookSecret>) -> Result<Answer> {
    let project = call.node.this_project(&call.caller)?;
    let seconds = |life: Option<u64>| life.map(|life| life / 1_000);
    let limits = settings.limits;
    let settings = Settings {
        secure_mode: if settings.secure_mode { "required" } else { "off" },
        auth_tokens_reusable: settings.auth_tokens_reusable,
        auth_token_ttl_s: seconds(settings.auth_token_life_ms),
        session_ttl_s: seconds(settings.session_life_ms),
        user_token_ttl_s: seconds(settings.user_token_life_ms),
        access_token_ttl_s: seconds(settings.access_token_life_ms),
        signing_key_ttl_s: seconds(settings.signing_key_life_ms),
        audit_ttl_s: seconds(settings.audit_life_ms),
        ended_token_ttl_s: seconds(settings.ended_token_life_ms),
        allowed_origins: settings.allowed_origins,
        user_id_chars_max: settings.user_id_chars_max,
        strict_devices: settings.strict_devices,
        strict_bodies: settings.strict_bodies,
        signing_algorithm: settings.signing_algorithm,
        has_visitor_secret: settings.visitor_secret.is_some(),
        hook: settings.hook.map(|hook| project_hook::show(hook, drawn)),
        mailbox: settings.mailbox,
        limits: Limits {
            mint_per_key: limits.mint_per_key,
            mint_per_user: limits.mint_per_user,
            mint_per_address: limits.mint_per_address,
            failed_auth_per_address: limits.failed_auth_per_address,
        },
    };
    let shown =
        Shown { id: project.id.to_string(), name: project.name, created_at: Time(project.created_at), settings };
    Ok(Answer::json(StatusCode::OK, &shown))
}

fn put<T: Clone>(place: &mut T, wanted: Option<&T>) {
    if let Some(wanted) = wanted {
        place.clone_from(wanted);
    }
}

/// What was asked for, with `null` for the default.
fn or_default<T: Default>(wanted: Option<Option<T>>) -> Option<T> {
    wanted.map(Option::unwrap_or_default)
}

impl Wanted {
    fn apply(&self, settings: &mut SettingsRecord) -> Result<()> {
        settings.secure_mode = match self.secure_mode.as_ref().map(Option::as_deref) {
            None => settings.secure_mode,
            Some(None | Some("off")) => false,
            Some(Some("required")) => true,
            Some(Some(_)) => {
                return Err(Error::new(ErrorKind::InvalidInput, "`secure_mode` must be \"off\" or \"required\"."));
            }
        };
        let lives = [
            (&mut settings.auth_token_life_ms, self.auth_token_ttl_s),
            (&mut settings.session_life_ms, self.session_ttl_s),
            (&mut settings.user_token_life_ms, self.user_token_ttl_s),
            (&mut settings.access_token_life_ms, self.access_token_ttl_s),
            (&mut settings.signing_key_life_ms, self.signing_key_ttl_s),
            (&mut settings.audit_life_ms, self.audit_ttl_s),
            (&mut settings.ended_token_life_ms, self.ended_token_ttl_s),
        ];
        for (place, wanted) in lives {
            put(place, wanted.map(|wanted| wanted.map(|seconds| seconds.saturating_mul(1_000))).as_ref());
        }
        put(&mut settings.auth_tokens_reusable, or_default(self.auth_tokens_reusable).as_ref());
        put(&mut settings.allowed_origins, or_default(self.allowed_origins.clone()).as_ref());
        put(&mut settings.user_id_chars_max, self.user_id_chars_max.as_ref());
        put(&mut settings.strict_devices, or_default(self.strict_devices).as_ref());
        put(&mut settings.strict_bodies, or_default(self.strict_bodies).as_ref());
        put(&mut settings.signing_algorithm, self.signing_algorithm.as_ref());
        put(&mut settings.visitor_secret, self.visitor_secret.as_ref());
        put(&mut settings.mailbox, self.mailbox.map(|one| one.map(|one| one.0)).as_ref());
        put(&mut settings.limits.mint_per_key, self.limits.0.mint_per_key.map(|one| one.map(|one| one.0)).as_ref());
        put(&mut settings.limits.mint_per_user, self.limits.0.mint_per_user.map(|one| one.map(|one| one.0)).as_ref());
        put(
            &mut settings.limits.mint_per_address,
            self.limits.0.mint_per_address.map(|one| one.map(|one| one.0)).as_ref(),
        );
        put(
            &mut settings.limits.failed_auth_per_address,
            self.limits.0.failed_auth_per_address.map(|one| one.map(|one| one.0)).as_ref(),
        );
        Ok(())
    }
}
