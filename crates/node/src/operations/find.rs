//! Finding anything by one text: an id of ours, a secret, a user's or a channel's name, a message's position, or how a name begins. A caller
//! finds what its role or permissions show it anyway, and nothing says whether there is more.

use tollgate_core::authorize::{self, Action, Caller};
use tollgate_core::command::PresentedSecret;
use tollgate_core::credentials::ProjectKeySecret;
use tollgate_core::delivery::Position;
use tollgate_core::error::{Error, ErrorKind, Result};
use tollgate_core::ids::{
    ChannelId, ChannelKey, ConnectionId, IssuerId, KeyId, OperatorId, TokenId, UserId, WebhookId,
};

use crate::Node;
use crate::directory::{ProjectEntry, UserEntry};

/// Longest text that is looked for, in bytes: a JWT with many claims.
const TEXT_BYTES_MAX: usize = 16 * 1024;
/// Most channels, and most users, of those that begin so.
const BEGINNING_MAX: usize = 10;
/// A signing key's id is a thumbprint: 32 bytes in base64.
const KID_BYTES: usize = 43;

/// What was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum FoundKind {
    /// A token.
    Token,
    /// A user.
    User,
    /// A channel.
    Channel,
    /// A message that a channel keeps.
    Message,
    /// A live connection.
    Connection,
    /// A project key.
    Key,
    /// An issuer of JWTs.
    Issuer,
    /// A key that signs access tokens.
    SigningKey,
    /// A webhook endpoint.
    Webhook,
    /// A person who may use the console.
    Operator,
}

impl FoundKind {
    /// Every kind.
    pub const ALL: [Self; 10] = [
        Self::Token,
        Self::User,
        Self::Channel,
        Self::Message,
        Self::Connection,
        Self::Key,
        Self::Issuer,
        Self::SigningKey,
        Self::Webhook,
        Self::Operator,
    ];

    /// The word of the doors.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Token => "token",
            Self::User => "user",
            Self::Channel => "channel",
            Self::Message => "message",
            Self::Connection => "connection",
            Self::Key => "key",
            Self::Issuer => "issuer",
            Self::SigningKey => "signing_key",
            Self::Webhook => "webhook",
            Self::Operator => "operator",
        }
    }
}

/// One thing that was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// What it is.
    pub kind: FoundKind,
    /// By what its own door knows it: an id, a user's id of the customer's, `CHANNEL@POSITION` of a message. Never a secret.
    pub id: String,
    /// A name or address of it for people; may be empty.
    pub name: String,
    /// The text names it. Otherwise its id only begins so.
    pub is_named: bool,
}

/// What was found, what the text names first.
#[derive(Debug, Default)]
struct Finding(Vec<Found>);

impl Finding {
    fn named(&mut self, kind: FoundKind, id: &impl ToString, name: impl Into<String>) {
        let found = Found { kind, id: id.to_string(), name: name.into(), is_named: true };
        if !self.0.contains(&found) {
            self.0.push(found);
        }
    }

    fn begins(&mut self, kind: FoundKind, id: &str, name: &str) {
        if !self.0.iter().any(|found| found.kind == kind && found.id == id) {
            self.0.push(Found { kind, id: id.to_owned(), name: name.to_owned(), is_named: false });
        }
    }
}

impl Node {
    /// What a text names or begins, of the caller's project and, for who may see them, of the server's operators. The text may be a secret:
    /// it is looked at and forgotten, and no answer repeats it.
    ///
    /// # Errors
    /// `invalid_input` for no text, and for more than 16 KiB of it; `forbidden`, `unavailable`.
    pub async fn find(&self, caller: &Caller, text: &PresentedSecret) -> Result<Vec<Found>> {
        let entry = self.authorize(caller, Action::ReadProject)?;
        let text = text.expose().trim();
        if text.is_empty() || text.len() > TEXT_BYTES_MAX {
            let why = format!("Give an id, a name or a secret of 1 to {TEXT_BYTES_MAX} bytes.");
            return Err(Error::new(ErrorKind::InvalidInput, why));
        }
        let may = |action| self.authorize(caller, action).is_ok();
        let mut finding = Finding::default();
        if may(Action::SeeTokens) {
            self.find_token(&entry, text, &mut finding);
        }
        if may(Action::SeeKeys) {
            self.find_key(&entry, text, &mut finding);
            // Each is opened to be looked at.
            let keys = if text.len() == KID_BYTES { self.signing_keys(caller)? } else { Vec::new() };
            for key in keys.into_iter().filter(|key| key.kid == text) {
                finding.named(FoundKind::SigningKey, &key.kid, key.algorithm);
            }
        }
        if may(Action::SeeWebhooks)
            && let Ok(id) = text.parse::<WebhookId>()
            && let Some(kept) = entry.read().webhooks.get(&id.get())
        {
            finding.named(FoundKind::Webhook, &id, kept.record.url.clone());
        }
        if may(Action::SeeConnections)
            && let Ok(id) = text.parse::<ConnectionId>()
            && let Some(seen) = self.connection_named(entry.project.id, id).await
        {
            finding.named(
                FoundKind::Connection,
                &id,
                seen.token.map(|token| format!("of {token}")).unwrap_or_default(),
            );
        }
        self.find_operator(caller, text, &mut finding);
        if may(Action::ReadUsers) {
            find_user(&entry, text, &mut finding);
        }
        if may(Action::ReadChannels) {
            self.find_message(&entry, text, &mut finding).await?;
            find_channel(&entry, text, &mut finding);
        }
        // What is named first; else in the order in which it was looked for.
        finding.0.sort_by_key(|found| !found.is_named);
        Ok(finding.0)
    }

    fn find_token(&self, entry: &ProjectEntry, text: &str, finding: &mut Finding) {
        // A secret that was replaced names its token still: who holds it asks what it was.
        let named = text.parse::<TokenId>().ok().or_else(|| self.proven(entry, text).ok().map(|claims| claims.token));
        let records = entry.read();
        let found = named.and_then(|id| Some((id, records.token(id)?)));
        if let Some((id, token)) = found {
            let user = records.user_name_of(id).map(|name| name.to_string());
            let name = token.terms().and_then(|terms| terms.name.clone());
            finding.named(FoundKind::Token, &id, name.or(user).unwrap_or_default());
        }
    }

    fn find_key(&self, entry: &ProjectEntry, text: &str, finding: &mut Finding) {
        let by_secret = || self.directory.key_by_hash(&ProjectKeySecret::parse(text).ok()?.hash().0);
        let key = text.parse::<KeyId>().ok().and_then(|id| self.directory.key(id)).or_else(by_secret);
        if let Some(key) = key.filter(|key| key.project == entry.project.id) {
            finding.named(FoundKind::Key, &key.id, key.record.hint.clone());
        }
        if let Ok(id) = text.parse::<IssuerId>()
            && let Some(kept) = entry.read().issuers.get(&id.get())
        {
            finding.named(FoundKind::Issuer, &id, kept.record.issuer.clone());
        }
    }

    fn find_operator(&self, caller: &Caller, text: &str, finding: &mut Finding) {
        // Operators are the whole server's, whichever project they are at work on.
        let caller = match *caller {
            Caller::Person { operator, role, .. } => Caller::Person { operator, role, project: None },
            other => other,
        };
        if authorize::whole_server(&caller, Action::ManageOperators).is_err() {
            return;
        }
        let Some(house) = self.directory.house() else { return };
        let records = house.read();
        let number = text.parse::<OperatorId>().ok().map(OperatorId::get);
        let is = |(id, name): (u64, &str)| Some(id) == number || name == text;
        if let Some((id, kept)) = records.operators.iter().find(|(id, kept)| is((**id, &kept.record.name))) {
            finding.named(FoundKind::Operator, &OperatorId::new(*id), kept.record.name.clone());
        }
    }

    /// `CHANNEL@POSITION`, as event streams spell it. A message that is not kept is not found.
    async fn find_message(&self, entry: &ProjectEntry, text: &str, finding: &mut Finding) -> Result<()> {
        let named = text.rsplit_once('@').or_else(|| text.rsplit_once(' '));
        let Some((channel, position)) = named else { return Ok(()) };
        let (Ok(channel), Ok(position)) = (ChannelId::new(channel.trim()), position.parse::<Position>()) else {
            return Ok(());
        };
        if entry.read().channel(&channel).is_none() {
            return Ok(());
        }
        let key = ChannelKey { project: entry.project.id, channel };
        match self.message_at(&key, position).await {
            Ok(Some(found)) => {
                finding.named(FoundKind::Message, &format!("{}@{position}", key.channel), found.event.to_string())
            }
            // The channel has not come so far, or nothing has this position: no message is there.
            Ok(None) => {}
            Err(error) if error.kind == ErrorKind::InvalidInput => {}
            Err(error) => return Err(error),
        }
        Ok(())
    }
}

fn find_user(entry: &ProjectEntry, text: &str, finding: &mut Finding) {
    let records = entry.read();
    let by_number = || text.parse::<UserId>().ok().and_then(|id| Some((id, records.user(id)?)));
    if let Some((_, user)) = records.user_named(text).or_else(by_number) {
        finding.named(FoundKind::User, &user.name, shown(user));
    }
    for (_, user) in records.users_named(text, None).take(BEGINNING_MAX) {
        finding.begins(FoundKind::User, &user.name, &shown(user));
    }
}

fn shown(user: &UserEntry) -> String {
    user.kept.record.display_name.clone().unwrap_or_default()
}

fn find_channel(entry: &ProjectEntry, text: &str, finding: &mut Finding) {
    let records = entry.read();
    for channel in records.channels_named(text, None, None).take(BEGINNING_MAX) {
        let (id, kind) = (channel.snapshot.channel.as_str(), channel.snapshot.kind.word());
        if id == text {
            finding.named(FoundKind::Channel, &id, kind);
        } else {
            finding.begins(FoundKind::Channel, id, kind);
        }
    }
}
