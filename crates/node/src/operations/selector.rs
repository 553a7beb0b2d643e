//! Which tokens: what bulk operations name them by. Every criterion that is given must fit. Not here: what is done to them.

use std::fmt;

use tollgate_core::clock::UnixMillis;
use tollgate_core::command::PresentedSecret;
use tollgate_core::credentials::jwt::TOKEN_BYTES_MAX;
use tollgate_core::error::{Error, ErrorKind, Result};
use tollgate_core::grants::{self, Grant, Operation};
use tollgate_core::ids::{KeyId, TokenId};
use tollgate_core::json::{JsonObject, JsonPart};
use tollgate_core::limits::{BATCH_MAX, DEVICE_ID_CHARS_MAX, USER_ID_CHARS_MAX};
use tollgate_core::records::TokenKind;

use crate::Node;
use crate::directory::{ProjectEntry, Records, TokenEntry};

/// Names tokens of a project: those that fit all of what is given. Nothing given is refused, so that a forgotten field never means everything.
#[derive(Clone, Debug, Default)]
pub struct Selector {
    /// These, by public id or by secret in any spelling that is still in use; at most 1,000. What names none of the project's tokens is passed over.
    pub tokens: Vec<PresentedSecret>,
    /// Those of this user, by the customer's own id.
    pub user_id: Option<String>,
    /// Those made for this device.
    pub device_id: Option<String>,
    /// Those whose secret was last spelled under this key of the ring, and those with a live connection that came with such a secret.
    pub key_number: Option<u16>,
    /// Those made with this project key.
    pub made_by: Option<KeyId>,
    /// Those that are granted at least one of its operations on at least one channel that its pattern names.
    pub capability: Option<Grant>,
    /// Those whose metadata has every top-level key of this object with an equal value.
    pub metadata: Option<JsonObject>,
    /// Those of this kind.
    pub kind: Option<TokenKind>,
    /// Those created before this moment; one created at it is not among them.
    pub issued_before: Option<UnixMillis>,
    /// All of the project. Fits with other criteria, and says alone what it says.
    pub all: bool,
}

impl Selector {
    /// One token.
    #[must_use]
    pub fn token(token: PresentedSecret) -> Self {
        Self { tokens: vec![token], ..Self::default() }
    }

    /// Checks what the caller chose.
    ///
    /// # Errors
    /// `invalid_input` for an empty selector, or a name in it that nothing can have, `limit_reached` for too many tokens.
    pub(super) fn check(&self) -> Result<()> {
        let refuse = |why: String| Err(Error::new(ErrorKind::InvalidInput, why));
        if self.to_string().is_empty() {
            return refuse(
                "Nothing says which tokens are meant; name some, or say `all` for every token of the project.".into(),
            );
        }
        let names =
            [("user_id", &self.user_id, USER_ID_CHARS_MAX), ("device_id", &self.device_id, DEVICE_ID_CHARS_MAX)];
        for (field, name, most) in names {
            if name.as_ref().is_some_and(|name| !(1..=most).contains(&name.chars().count())) {
                return refuse(format!("`{field}` has 1 to {most} characters."));
            }
        }
        let bytes = |token: &PresentedSecret| token.expose().len();
        if let Some(at) = self.tokens.iter().position(|token| !(1..=TOKEN_BYTES_MAX).contains(&bytes(token))) {
            return refuse(format!(
                "Token {} of {} has {} bytes; the id or the secret of one has 1 to {TOKEN_BYTES_MAX}.",
                at + 1,
                self.tokens.len(),
                bytes(&self.tokens[at]),
            ));
        }
        if let Some(capability) = &self.capability {
            grants::check(std::slice::from_ref(capability))?;
        }
        if self.tokens.len() > BATCH_MAX {
            return Err(Error::new(
                ErrorKind::LimitReached,
                format!("At most {BATCH_MAX} tokens are named at once; these are {}.", self.tokens.len()),
            ));
        }
        Ok(())
    }

    /// The user, device, key or whatever else this names alone, for the audit log; a token by its public id is the operation's to name.
    pub(super) fn subject(&self) -> String {
        self.user_id.clone().unwrap_or_default()
    }
}

/// The criteria in words, for the audit log: ids and numbers, and never a secret.
impl fmt::Display for Selector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let capability = self.capability.as_ref().map(|wanted| {
            let operations: Vec<&str> = wanted.operations.iter().copied().map(Operation::word).collect();
            format!("{} on {}", operations.join(","), wanted.channels)
        });
        let words = [
            (!self.tokens.is_empty()).then(|| format!("tokens: {}", self.tokens.len())),
            self.user_id.as_ref().map(|user| format!("user: {user}")),
            self.device_id.as_ref().map(|device| format!("device: {device}")),
            self.key_number.map(|number| format!("key number: {number}")),
            self.made_by.map(|key| format!("made by: {key}")),
            capability.map(|capability| format!("capability: {capability}")),
            self.metadata.as_ref().map(|metadata| format!("metadata: {}", shortened(metadata.as_str()))),
            self.kind.map(|kind| format!("kind: {}", kind_word(kind))),
            self.issued_before.map(|before| format!("issued before: {} ms", before.0)),
            self.all.then(|| "all".to_owned()),
        ];
        f.write_str(&words.into_iter().flatten().collect::<Vec<_>>().join(", "))
    }
}

fn shortened(text: &str) -> String {
    const CHARS: usize = 200;
    match text.char_indices().nth(CHARS) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

/// The word for a kind of token, as records and requests have it.
#[must_use]
pub const fn kind_word(kind: TokenKind) -> &'static str {
    match kind {
        TokenKind::Plain => "plain",
        TokenKind::UserToken => "user_token",
        TokenKind::Session => "session",
        TokenKind::Issued => "issued",
    }
}

impl Node {
    /// The tokens that fit, in order of creation. The caller holds the project's minting lock when nothing may come in between.
    pub(super) fn select(&self, entry: &ProjectEntry, selector: &Selector) -> Vec<TokenId> {
        let metadata = selector.metadata.as_ref().map(JsonPart::new);
        let fits = |token: &TokenEntry| fits(token, selector, metadata.as_ref());
        // Secrets are proven before the records are locked.
        let named: Option<Vec<TokenId>> = (!selector.tokens.is_empty())
            .then(|| selector.tokens.iter().filter_map(|one| self.resolve_token(entry, one).ok()).collect());
        let records = entry.read();
        let user = selector.user_id.as_deref().map(|user_id| records.user_named(user_id).map(|(user, _)| user));
        let mut selected: Vec<TokenId> = match (named, user) {
            (_, Some(None)) => Vec::new(),
            (Some(named), user) => {
                pick(&records, named, |token| user.flatten().is_none_or(|user| token.user == Some(user)) && fits(token))
            }
            (None, Some(Some(user))) => {
                pick(&records, records.user(user).map(|user| user.tokens.clone()).unwrap_or_default(), fits)
            }
            (None, None) => records.tokens().filter(|(_, token)| fits(token)).map(|(id, _)| id).collect(),
        };
        selected.sort_unstable();
        selected.dedup();
        selected
    }
}

fn pick(records: &Records, tokens: Vec<TokenId>, fits: impl Fn(&TokenEntry) -> bool) -> Vec<TokenId> {
    tokens.into_iter().filter(|token| records.token(*token).is_some_and(&fits)).collect()
}

/// Whether a token fits what can be seen of it alone.
fn fits(token: &TokenEntry, selector: &Selector, metadata: Option<&JsonPart>) -> bool {
    let terms = token.terms();
    let device = || terms.and_then(|terms| terms.device.as_deref());
    let granted = |wanted: &Grant| {
        let held = terms.and_then(|terms| terms.grants.as_deref()).unwrap_or_default();
        wanted.operations.iter().any(|operation| grants::touches(held, *operation, &wanted.channels))
    };
    let spelled_under = |number: u16| {
        token.key_number == number || token.live_connections().iter().any(|live| live.key_number == number)
    };
    selector.device_id.as_deref().is_none_or(|wanted| device() == Some(wanted))
        && selector.key_number.is_none_or(spelled_under)
        && selector.made_by.is_none_or(|key| token.made_by == Some(key))
        && selector.capability.as_ref().is_none_or(granted)
        && selector.kind.is_none_or(|kind| token.kind == kind)
        && selector.issued_before.is_none_or(|before| token.created_at < before)
        && metadata.is_none_or(|part| {
            terms.and_then(|terms| terms.metadata.as_ref()).is_some_and(|metadata| part.is_part_of(metadata))
        })
}
