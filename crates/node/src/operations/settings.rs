//! A project's own settings: read whole, changed field by field.

use tollgate_core::authorize::{Action, Caller};
use tollgate_core::credentials::{RowKind, WebhookSecret};
use tollgate_core::error::{Error, ErrorKind, Result};
use tollgate_core::limits::{
    HOOK_TIMEOUT_MS_MAX, HOOK_TIMEOUT_MS_MIN, LOGIN_LIFE_MS_MIN, MAILBOX_RUNS_MAX, MAILBOX_SIZE_MAX,
    MAILBOX_TTL_MS_MAX, TOKEN_LIFE_MS_MAX, USER_ID_CHARS_MAX,
};
use tollgate_core::model::Project;
use tollgate_core::ports::store::Write;
use tollgate_core::records::{Bucket, HookQuestion, HookRecord, SettingsRecord};

use super::projects::check_name;
use crate::Node;

/// Most web origins of a project.
const ORIGINS_MAX: usize = 64;

/// A time that a project sets: how long something of its lasts. `None` in the record follows the server's default.
#[derive(Debug)]
pub struct Life {
    /// Its field in requests, in seconds there.
    pub name: &'static str,
    /// The shortest, in milliseconds.
    pub least_ms: u64,
    /// The longest, in milliseconds.
    pub most_ms: u64,
    /// Reads it.
    pub read: fn(&SettingsRecord) -> Option<u64>,
    /// Puts it.
    pub put: fn(&mut SettingsRecord, Option<u64>),
}

macro_rules! lives {
    ($($name:literal $field:ident $least:expr, $most:expr;)*) => {
        /// Every time that a project sets.
        pub const LIVES: &[Life] = &[$(Life {
            name: $name,
            least_ms: $least,
            most_ms: $most,
            read: |settings| settings.$field,
            put: |settings, life| settings.$field = life,
        }),*];
    };
}

lives! {
    "session_ttl_s" session_life_ms LOGIN_LIFE_MS_MIN, TOKEN_LIFE_MS_MAX;
    "user_token_ttl_s" user_token_life_ms 1_000, TOKEN_LIFE_MS_MAX;
    "access_token_ttl_s" access_token_life_ms 60_000, TOKEN_LIFE_MS_MAX;
    "auth_token_ttl_s" auth_token_life_ms 1_000, 3_600_000;
    "ended_token_ttl_s" ended_token_life_ms 0, TOKEN_LIFE_MS_MAX;
    "signing_key_ttl_s" signing_key_life_ms 3_600_000, TOKEN_LIFE_MS_MAX;
    "audit_ttl_s" audit_life_ms 86_400_000, TOKEN_LIFE_MS_MAX;
}

impl Node {
    /// The settings of the caller's project.
    ///
    /// # Errors
    /// `forbidden`.
    pub fn settings(&self, caller: &Caller) -> Result<SettingsRecord> {
        Ok(SettingsRecord::clone(&self.authorize(caller, Action::ReadProject)?.settings()))
    }

    /// Changes settings: `edit` gets a copy of those in force, and is called again when another change came first.
    ///
    /// # Errors
    /// What `edit` refuses, `invalid_input` for a value out of its range, `forbidden`, `unavailable`.
    pub async fn change_settings(
        &self,
        caller: &Caller,
        edit: &(dyn Fn(&mut SettingsRecord) -> Result<()> + Sync),
    ) -> Result<SettingsRecord> {
        self.change_project(caller, None, edit).await
    }

    /// Changes settings, and the project's name where one is given: both or neither.
    ///
    /// # Errors
    /// As [`Node::change_settings`], and `invalid_input` for the name.
    pub async fn change_project(
        &self,
        caller: &Caller,
        name: Option<&str>,
        edit: &(dyn Fn(&mut SettingsRecord) -> Result<()> + Sync),
    ) -> Result<SettingsRecord> {
        let entry = self.authorize(caller, Action::ManageKeys)?;
        name.map(check_name).transpose()?;
        // The name is in the record that the data keys are in: nobody turns them over meanwhile, and nobody else gives a name.
        let _turning = match name {
            Some(_) => Some(self.keyring_turns.write().await),
            None => None,
        };
        let project = entry.project.id;
        let audit = self.entry_of(caller, Some(project), "project.change", &project);
        self.change(&project, || {
            let kept = entry.read().settings.clone();
            let before = kept.as_ref().map(|kept| SettingsRecord::clone(&kept.record)).unwrap_or_default();
            let mut record = before.clone();
            edit(&mut record)?;
            check(&record)?;
            if record.mailbox.is_some() && before.mailbox.is_none() {
                record.mailbox_run = next_run(record.mailbox_run)?;
            }
            self.check_hook(before.hook.as_ref(), record.hook.as_ref())?;
            let (kind, id) = (RowKind::Settings, project.get());
            let mut writes = Vec::new();
            // A new name alone is no change of the settings: answers of hooks that are kept under these stay.
            if name.is_none() || record != before {
                writes.push(match &kept {
                    Some(kept) => self.update(&entry, kind, id, kept.revision, &record),
                    None => self.insert(&entry, kind, id, &record),
                });
            }
            if let Some(name) = name.filter(|name| **name != *entry.name()) {
                writes.push(Write::Project(Project { name: name.to_owned(), ..entry.project_now() }));
            }
            Ok((writes, vec![audit.clone()], record))
        })
        .await
    }
}

impl Node {
    /// A secret for a project's access hook, for whoever changes the settings to put there and to show this once.
    #[must_use]
    pub fn draw_hook_secret(&self) -> WebhookSecret {
        WebhookSecret::generate(self.entropy.as_ref())
    }

    /// Whether a hook may be as it is wanted. What was not changed is not looked at again.
    fn check_hook(&self, before: Option<&HookRecord>, wanted: Option<&HookRecord>) -> Result<()> {
        let Some(hook) = wanted.filter(|wanted| before != Some(*wanted)) else { return Ok(()) };
        let refuse = |text: String| Err(Error::new(ErrorKind::InvalidInput, text));
        if let Err(error) = self.outbound.check(&hook.url) {
            return refuse(format!("`hook.url`: {error}."));
        }
        if hook.questions.is_empty() {
            return refuse(
                "`hook.questions` names what it is asked, some of \"subscribe\", \"publish\" and \"connect\"; set `hook` to null to take it away."
                    .into(),
            );
        }
        if hook.allow_on_failure && hook.questions == [HookQuestion::Subscribe] {
            return refuse(
                "`hook.on_failure` can be \"allow\" for connecting and publishing alone: what lets a token into a private channel is a yes."
                    .into(),
            );
        }
        let times = HOOK_TIMEOUT_MS_MIN..=HOOK_TIMEOUT_MS_MAX;
        if hook.timeout_ms.is_some_and(|timeout_ms| !times.contains(&timeout_ms)) {
            return refuse(format!(
                "`hook.timeout_ms` must be between {HOOK_TIMEOUT_MS_MIN} and {HOOK_TIMEOUT_MS_MAX}, or null."
            ));
        }
        Ok(())
    }
}

fn check(settings: &SettingsRecord) -> Result<()> {
    let refuse = |text: String| Err(Error::new(ErrorKind::InvalidInput, text));
    for Life { name, least_ms, most_ms, read, .. } in LIVES {
        if read(settings).is_some_and(|life| life < *least_ms || life > *most_ms) {
            return refuse(format!(
                "`{name}` must be between {} and {} seconds, or null.",
                least_ms / 1_000,
                most_ms / 1_000
            ));
        }
    }
    if let Some(mailbox) = settings.mailbox {
        let ttl_ms = 1_000..=MAILBOX_TTL_MS_MAX;
        if !(1..=MAILBOX_SIZE_MAX).contains(&mailbox.size) || !ttl_ms.contains(&mailbox.ttl_ms) {
            return refuse(format!(
                "`mailbox` needs `size` between 1 and {MAILBOX_SIZE_MAX} and `ttl_ms` between 1000 and {MAILBOX_TTL_MS_MAX}, or is null."
            ));
        }
    }
    if settings.visitor_secret.as_ref().is_some_and(|secret| !(16..=255).contains(&secret.len())) {
        return refuse("`visitor_secret` must have 16 to 255 bytes, or be null.".into());
    }
    if settings.user_id_chars_max.is_some_and(|max| max == 0 || max as usize > USER_ID_CHARS_MAX) {
        return refuse(format!("`user_id_chars_max` must be between 1 and {USER_ID_CHARS_MAX}, or null."));
    }
    let algorithm = settings.signing_algorithm.as_deref();
    if algorithm.is_some_and(|algorithm| !["ES256", "EdDSA", "RS256"].contains(&algorithm)) {
        return refuse("`signing_algorithm` must be ES256, EdDSA or RS256.".into());
    }
    if settings.allowed_origins.len() > ORIGINS_MAX {
        return refuse(format!("`allowed_origins` has at most {ORIGINS_MAX} entries."));
    }
    if let Some(origin) = settings.allowed_origins.iter().find(|origin| !is_origin(origin)) {
        return refuse(format!(
            "`allowed_origins`: {origin:?} is not an origin; write it as https://example.com, without a path."
        ));
    }
    let limits = &settings.limits;
    let buckets = [
        ("mint_per_key", limits.mint_per_key),
        ("mint_per_user", limits.mint_per_user),
        ("mint_per_address", limits.mint_per_address),
        ("failed_auth_per_address", limits.failed_auth_per_address),
    ];
    let bad = |bucket: Bucket| {
        bucket.burst == 0
            || bucket.burst > 1_000_000
            || !bucket.per_second.is_finite()
            || !(0.000_1..=1_000_000.0).contains(&bucket.per_second)
    };
    match buckets.into_iter().find(|(_, bucket)| bucket.is_some_and(bad)) {
        Some((name, _)) => refuse(format!(
            "`limits.{name}` needs `burst` between 1 and 1000000 and `per_second` between 0.0001 and 1000000."
        )),
        None => Ok(()),
    }
}

/// The run of mailboxes that are switched on now.
fn next_run(run: u32) -> Result<u32> {
    let next = run + 1;
    if next <= MAILBOX_RUNS_MAX {
        return Ok(next);
    }
    Err(Error::new(
        ErrorKind::LimitReached,
        format!(
            "Mailboxes of a project can be switched on {MAILBOX_RUNS_MAX} times; leave them on, with another `size`."
        ),
    ))
}

/// Whether a text is a web origin: a scheme, a host and perhaps a port, in at most 255 bytes.
pub(super) fn is_origin(text: &str) -> bool {
    let host = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"));
    host.is_some_and(|host| {
        !host.is_empty()
            && text.len() <= 255
            && host.chars().all(|one| one.is_ascii_alphanumeric() || matches!(one, '.' | '-' | ':' | '[' | ']' | '_'))
    })
}
