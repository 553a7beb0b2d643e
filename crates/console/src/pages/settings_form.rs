//! A project's settings as forms, one for each group, and back. Each form changes only what it has fields for; no secret is ever in one.

#[cfg(test)]
mod tests;

use tollgate_core::clock::UnixMillis;
use tollgate_core::credentials::fingerprint;
use tollgate_core::limits::{
    AUTH_TOKEN_LIFE_MS_DEFAULT, ENDED_TOKEN_LIFE_MS_DEFAULT, HOOK_TIMEOUT_MS_MAX, HOOK_TIMEOUT_MS_MIN,
    MAILBOX_SIZE_MAX, MAILBOX_TTL_MS_MAX, SESSION_LIFE_MS_DEFAULT, SIGNING_KEY_LIFE_MS_DEFAULT, USER_ID_CHARS_DEFAULT,
    USER_ID_CHARS_MAX, WEBHOOK_GRACE_MS_DEFAULT,
};
use tollgate_core::records::{Bucket, HookQuestion, HookRecord, LimitSettings, MailboxSettings, SettingsRecord};
use tollgate_core::{Error, ErrorKind};
use tollgate_node::{LIVES, Life};

use crate::form::Form;
use crate::spans;
use crate::words;

/// A field, and what is wrong with it. A group's word is the whole form of the group.
pub(crate) type Wrong = (&'static str, Error);

/// What a mailbox is offered to keep before it is switched on.
const MAILBOX_OFFERED: MailboxSettings = MailboxSettings { size: 100, ttl_ms: 7 * 86_400_000 };

/// The algorithms that sign, the default first, and what is said of each.
pub(crate) const ALGORITHMS: [(&str, &str); 3] =
    [("ES256", "ES256, the default"), ("EdDSA", "EdDSA"), ("RS256", "RS256, for old libraries")];

/// The questions: field, word, what is said.
pub(crate) const QUESTIONS: [(&str, HookQuestion, &str, &str); 3] = [
    (
        "hook_subscribe",
        HookQuestion::Subscribe,
        "Whether a token may into a private channel",
        "Only where neither its capabilities nor a subscription of yours let it in.",
    ),
    (
        "hook_publish",
        HookQuestion::Publish,
        "Whether a client may publish a message",
        "The message is in the question. Your backend’s own messages are not asked about.",
    ),
    ("hook_connect", HookQuestion::Connect, "Whether a client may connect", "After its token was found good."),
];

/// A group of settings, which is a form of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Group {
    Hook,
    Access,
    Mailbox,
    Lives,
    Signing,
    Limits,
    About,
}

/// A field as a page shows it.
#[derive(Clone, Debug)]
pub(crate) struct Field {
    pub(crate) name: &'static str,
    pub(crate) label: &'static str,
    pub(crate) hint: String,
}

/// A bucket: its two fields.
#[derive(Clone, Debug)]
pub(crate) struct BucketFields {
    pub(crate) label: &'static str,
    pub(crate) burst: &'static str,
    pub(crate) rate: &'static str,
}

type Place = fn(&mut LimitSettings) -> &mut Option<Bucket>;

/// The limits: field at once, field a second, what is said, where it is.
const LIMITS: [(&str, &str, &str, Place); 4] = [
    ("mint_per_key_burst", "mint_per_key_rate", "Tokens made with one key", |limits| &mut limits.mint_per_key),
    ("mint_per_user_burst", "mint_per_user_rate", "Tokens made for one user", |limits| &mut limits.mint_per_user),
    ("mint_per_address_burst", "mint_per_address_rate", "Tokens made from one address", |limits| {
        &mut limits.mint_per_address
    }),
    (
        "failed_auth_per_address_burst",
        "failed_auth_per_address_rate",
        "Failed authentications from one address",
        |limits| &mut limits.failed_auth_per_address,
    ),
];

/// The field of a time, what is said of it, and what holds without.
type Said = (&'static str, &'static str, fn() -> String);

/// Times. That of signing keys is in the form of signing.
const TIMES: [Said; 7] = [
    ("session_ttl_s", "Sessions of social.plus’s SDKs last", || spans::said(SESSION_LIFE_MS_DEFAULT)),
    ("user_token_ttl_s", "User tokens last", || spans::said(SESSION_LIFE_MS_DEFAULT)),
    ("access_token_ttl_s", "Access tokens last at most", || "until their token ends".to_owned()),
    ("auth_token_ttl_s", "Auth tokens last", || spans::said(AUTH_TOKEN_LIFE_MS_DEFAULT)),
    ("ended_token_ttl_s", "Ended tokens are kept for", || spans::said(ENDED_TOKEN_LIFE_MS_DEFAULT)),
    ("audit_ttl_s", "Audit entries are kept for", || {
        "for ever. An entry goes when it is old enough for every project".to_owned()
    }),
    (SIGNING_TIME, "A signing key signs for", || spans::said(SIGNING_KEY_LIFE_MS_DEFAULT)),
];
const SIGNING_TIME: &str = "signing_key_ttl_s";

/// The ticks of the form of access: field, what is said, a hint.
pub(crate) const TICKS: [(&str, &str, &str); 4] = [
    ("secure_mode", "Sessions need an auth token", "social.plus calls it secure mode."),
    ("auth_tokens_reusable", "Auth tokens work more than once", ""),
    ("strict_devices", "A new session on a device ends the others of that device", ""),
    ("strict_bodies", "Unknown fields of session requests are refused", ""),
];

fn invalid(text: impl Into<String>) -> Error {
    Error::new(ErrorKind::InvalidInput, text)
}

fn life(name: &str) -> &'static Life {
    LIVES.iter().find(|life| life.name == name).expect("invariant: every time that is shown is in the node's table")
}

/// The times of a group as fields.
pub(crate) fn times(group: Group) -> Vec<Field> {
    let field = |&(name, label, without): &Said| {
        let Life { least_ms, most_ms, .. } = life(name);
        let hint = format!("{} to {}. Empty: {}.", spans::said(*least_ms), spans::said(*most_ms), without());
        Field { name, label, hint }
    };
    TIMES.iter().filter(|(name, ..)| (*name == SIGNING_TIME) == (group == Group::Signing)).map(field).collect()
}

/// The limits as fields.
pub(crate) fn buckets() -> Vec<BucketFields> {
    LIMITS.iter().map(|(burst, rate, label, _)| BucketFields { label, burst, rate }).collect()
}

impl Group {
    /// Every group, in the order of the page.
    pub(crate) const ALL: [Self; 7] =
        [Self::Hook, Self::Access, Self::Mailbox, Self::Lives, Self::Signing, Self::Limits, Self::About];

    /// Its word in addresses.
    pub(crate) const fn word(self) -> &'static str {
        match self {
            Self::Hook => "hook",
            Self::Access => "access",
            Self::Mailbox => "mailbox",
            Self::Lives => "lives",
            Self::Signing => "signing",
            Self::Limits => "limits",
            Self::About => "about",
        }
    }

    pub(crate) fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|one| one.word() == word)
    }

    /// The form as the settings are.
    pub(crate) fn form(self, name: &str, settings: &SettingsRecord) -> Form {
        let form = Form::default();
        let tick = |is_on: bool| if is_on { "on" } else { "" };
        let time = |name: &str| (life(name).read)(settings).map(spans::said).unwrap_or_default();
        match self {
            Self::About => form.with("name", name),
            Self::Access => {
                let ticks = [
                    settings.secure_mode,
                    settings.auth_tokens_reusable,
                    settings.strict_devices,
                    settings.strict_bodies,
                ];
                let chars = settings.user_id_chars_max.map(|chars| chars.to_string()).unwrap_or_default();
                let form = form.with("allowed_origins", settings.allowed_origins.join("\n"));
                let form =
                    TICKS.iter().zip(ticks).fold(form, |form, ((field, ..), is_on)| form.with(field, tick(is_on)));
                form.with("user_id_chars_max", chars)
            }
            Self::Mailbox => {
                let kept = settings.mailbox.unwrap_or(MAILBOX_OFFERED);
                form.with("mailbox", tick(settings.mailbox.is_some()))
                    .with("mailbox_size", kept.size.to_string())
                    .with("mailbox_ttl", spans::said(kept.ttl_ms))
            }
            Self::Lives => times(self).iter().fold(form, |form, field| form.with(field.name, time(field.name))),
            Self::Signing => {
                let algorithm = settings.signing_algorithm.as_deref().unwrap_or(ALGORITHMS[0].0);
                form.with("signing_algorithm", algorithm).with(SIGNING_TIME, time(SIGNING_TIME))
            }
            Self::Limits => {
                let mut limits = settings.limits.clone();
                LIMITS.iter().fold(form, |form, (burst, rate, _, place)| {
                    let bucket = *place(&mut limits);
                    form.with(burst, bucket.map(|bucket| bucket.burst.to_string()).unwrap_or_default())
                        .with(rate, bucket.map(|bucket| bucket.per_second.to_string()).unwrap_or_default())
                })
            }
            Self::Hook => {
                let hook = settings.hook.as_ref();
                let form = form.with("hook_url", hook.map(|hook| hook.url.clone()).unwrap_or_default());
                let asked = |question| hook.is_some_and(|hook| hook.questions.contains(question));
                let form =
                    QUESTIONS.iter().fold(form, |form, (field, question, ..)| form.with(field, tick(asked(question))));
                let timeout = hook.and_then(|hook| hook.timeout_ms).map(spans::said).unwrap_or_default();
                form.with("hook_anonymous", tick(hook.is_some_and(|hook| hook.anonymous)))
                    .with("hook_timeout", timeout)
                    .with(
                        "hook_on_failure",
                        if hook.is_some_and(|hook| hook.allow_on_failure) { "allow" } else { "deny" },
                    )
            }
        }
    }

    /// What stands for the settings that a form was opened with. Two operators who change the same group notice each other by it; it has no
    /// secret in it, so that nobody can try guesses against it.
    pub(crate) fn opened_with(self, name: &str, settings: &SettingsRecord) -> String {
        let form = self.form(name, settings);
        let parts: Vec<&[u8]> = form.fields().flat_map(|(field, value)| [field.as_bytes(), value.as_bytes()]).collect();
        fingerprint(&parts).iter().take(12).map(|byte| format!("{byte:02x}")).collect()
    }

    /// A form as lines, so that two can be compared.
    pub(crate) fn lines(self, form: &Form) -> String {
        // The fields of the group, in their order, whatever else was sent.
        let fields = self.form("", &SettingsRecord::default());
        let line = |(field, _): (&str, &str)| {
            let value = form.value(field).split_whitespace().collect::<Vec<_>>().join(" ");
            format!(
                "{}: {}",
                field.trim_end_matches("_s").replace('_', " "),
                if value.is_empty() { "–" } else { &value }
            )
        };
        fields.fields().map(line).collect::<Vec<_>>().join("\n")
    }

    /// Puts what the form says into the settings; the name of the project is not among them. `drawn` becomes the secret of a hook that is new.
    ///
    /// # Errors
    /// The field that is wrong. What is not found here the node finds: [`Group::field_of`].
    pub(crate) fn apply(self, form: &Form, settings: &mut SettingsRecord, drawn: &str) -> Result<(), Wrong> {
        match self {
            Self::About => {}
            Self::Access => access(form, settings)?,
            Self::Mailbox => settings.mailbox = mailbox(form)?,
            Self::Lives => put_times(self, form, settings)?,
            Self::Signing => {
                let algorithm = form.value("signing_algorithm");
                let known = ALGORITHMS.iter().any(|(one, _)| *one == algorithm);
                if !known {
                    return Err(("signing_algorithm", invalid("Choose ES256, EdDSA or RS256.")));
                }
                // The default stays one that may change, unless somebody chose it.
                if settings.signing_algorithm.as_deref().unwrap_or(ALGORITHMS[0].0) != algorithm {
                    settings.signing_algorithm = Some(algorithm.to_owned());
                }
                put_times(self, form, settings)?;
            }
            Self::Limits => {
                for (burst, rate, _, place) in LIMITS {
                    *place(&mut settings.limits) = bucket(form, burst, rate)?;
                }
            }
            Self::Hook => settings.hook = Some(hook(form, settings.hook.as_ref(), drawn)?),
        }
        Ok(())
    }

    /// Which field a refusal of the node is about, by its name in the operation's sentence.
    pub(crate) fn field_of(self, error: &Error) -> &'static str {
        let named = |word: &str| error.kind == ErrorKind::InvalidInput && error.detail.contains(word);
        let limit = LIMITS.iter().find(|(burst, ..)| named(burst.trim_end_matches("_burst")));
        match self {
            Self::About if error.kind == ErrorKind::InvalidInput => "name",
            Self::Access if named("allowed_origins") => "allowed_origins",
            Self::Hook if named("hook.url") => "hook_url",
            Self::Limits => limit.map_or(self.word(), |(burst, ..)| burst),
            _ => self.word(),
        }
    }
}

/// A number in a field that may be empty.
fn number(form: &Form, field: &'static str, least: u32, most: u32) -> Result<Option<u32>, Wrong> {
    let refused = || {
        (
            field,
            invalid(format!("A whole number from {} to {} is needed here.", words::count(least), words::count(most))),
        )
    };
    let Some(text) = form.filled(field) else { return Ok(None) };
    let number = text.replace(',', "").parse::<u32>().ok().filter(|number| (least..=most).contains(number));
    number.map(Some).ok_or_else(refused)
}

/// A time in a field that may be empty.
fn time(form: &Form, field: &'static str, least_ms: u64, most_ms: u64) -> Result<Option<u64>, Wrong> {
    let Some(text) = form.filled(field) else { return Ok(None) };
    let ms = spans::read(text).map_err(|error| (field, error))?;
    if !(least_ms..=most_ms).contains(&ms) {
        return Err((field, invalid(format!("From {} to {}.", spans::said(least_ms), spans::said(most_ms)))));
    }
    Ok(Some(ms))
}

fn put_times(group: Group, form: &Form, settings: &mut SettingsRecord) -> Result<(), Wrong> {
    for Field { name, .. } in times(group) {
        let Life { least_ms, most_ms, put, .. } = life(name);
        let wanted = time(form, name, *least_ms, *most_ms)?;
        if wanted.is_some_and(|ms| ms % 1_000 != 0) {
            return Err((name, invalid("Whole seconds are needed here.")));
        }
        put(settings, wanted);
    }
    Ok(())
}

fn access(form: &Form, settings: &mut SettingsRecord) -> Result<(), Wrong> {
    let most = u32::try_from(USER_ID_CHARS_MAX).unwrap_or(u32::MAX);
    settings.user_id_chars_max = number(form, "user_id_chars_max", 1, most)?;
    settings.allowed_origins = form.value("allowed_origins").split_whitespace().map(str::to_owned).collect();
    settings.secure_mode = form.is_on("secure_mode");
    settings.auth_tokens_reusable = form.is_on("auth_tokens_reusable");
    settings.strict_devices = form.is_on("strict_devices");
    settings.strict_bodies = form.is_on("strict_bodies");
    match form.filled("visitor_secret") {
        Some(secret) if !(16..=255).contains(&secret.len()) => {
            return Err(("visitor_secret", invalid("A secret of 16 to 255 bytes is needed here.")));
        }
        Some(secret) => settings.visitor_secret = Some(secret.to_owned()),
        None if form.is_on("visitor_secret_none") => settings.visitor_secret = None,
        None => {}
    }
    Ok(())
}

fn mailbox(form: &Form) -> Result<Option<MailboxSettings>, Wrong> {
    if !form.is_on("mailbox") {
        return Ok(None);
    }
    let size = number(form, "mailbox_size", 1, MAILBOX_SIZE_MAX)?.unwrap_or(MAILBOX_OFFERED.size);
    let ttl_ms = time(form, "mailbox_ttl", 1_000, MAILBOX_TTL_MS_MAX)?.unwrap_or(MAILBOX_OFFERED.ttl_ms);
    Ok(Some(MailboxSettings { size, ttl_ms }))
}

fn bucket(form: &Form, burst: &'static str, rate: &'static str) -> Result<Option<Bucket>, Wrong> {
    let at_once = number(form, burst, 1, 1_000_000)?;
    let a_second = form.filled(rate).map(|text| {
        let read = text.replace(',', "").parse::<f64>().ok().filter(|read| (0.000_1..=1_000_000.0).contains(read));
        read.ok_or_else(|| (rate, invalid("A number from 0.0001 to 1,000,000 is needed here.")))
    });
    match (at_once, a_second.transpose()?) {
        (None, None) => Ok(None),
        (Some(burst), Some(per_second)) => Ok(Some(Bucket { burst, per_second })),
        (None, Some(_)) => Err((burst, invalid("Fill in both, or neither."))),
        (Some(_), None) => Err((rate, invalid("Fill in both, or neither."))),
    }
}

fn hook(form: &Form, before: Option<&HookRecord>, drawn: &str) -> Result<HookRecord, Wrong> {
    let url = form.filled("hook_url").ok_or_else(|| {
        ("hook_url", invalid("Where is your backend? Write its address, like https://backend.example.com/hook."))
    })?;
    let questions: Vec<HookQuestion> =
        QUESTIONS.iter().filter(|(field, ..)| form.is_on(field)).map(|(_, question, ..)| *question).collect();
    if questions.is_empty() {
        return Err(("hook_questions", invalid("Choose at least one thing that it is asked.")));
    }
    let allow_on_failure = match form.value("hook_on_failure") {
        "deny" => false,
        "allow" => true,
        _ => return Err(("hook_on_failure", invalid("Choose what holds without an answer."))),
    };
    if allow_on_failure && questions == [HookQuestion::Subscribe] {
        let text = "Into a private channel only a clear yes lets anybody; letting in without an answer is for connecting and publishing.";
        return Err(("hook_on_failure", invalid(text)));
    }
    Ok(HookRecord {
        url: url.to_owned(),
        secret: before.map_or_else(|| drawn.to_owned(), |before| before.secret.clone()),
        previous_secret: before.and_then(|before| before.previous_secret.clone()),
        questions,
        anonymous: form.is_on("hook_anonymous"),
        timeout_ms: time(form, "hook_timeout", HOOK_TIMEOUT_MS_MIN, HOOK_TIMEOUT_MS_MAX)?,
        allow_on_failure,
    })
}

/// Gives the hook another secret; the one before signs, too, for a day.
pub(crate) fn rotate(settings: &mut SettingsRecord, drawn: &str, now: UnixMillis) -> Result<(), Error> {
    let hook = settings
        .hook
        .as_mut()
        .ok_or_else(|| Error::new(ErrorKind::WrongState, "There is no hook any more; somebody took it away."))?;
    let old = std::mem::replace(&mut hook.secret, drawn.to_owned());
    hook.previous_secret = Some((old, now.plus(WEBHOOK_GRACE_MS_DEFAULT)));
    Ok(())
}

/// How long a user id may be, as its hint.
pub(crate) fn user_id_hint() -> String {
    format!("1 to {USER_ID_CHARS_MAX}. Empty: {USER_ID_CHARS_DEFAULT}.")
}
