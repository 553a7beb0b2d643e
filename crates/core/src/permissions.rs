//! What a project key may do: Hop's 64-bit permission flags, the ones that concern channels and tokens.

use std::fmt;

use crate::error::{Error, ErrorKind};

/// A set of permission flags. Bit numbers are Hop's, so that existing tools read them; sums fit a JSON number (below 2^53).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
pub struct Permissions(u64);

macro_rules! permissions {
    ($($(#[$doc:meta])* $constant:ident = $bit:literal, $name:literal;)*) => {
        impl Permissions {
            $($(#[$doc])* pub const $constant: Self = Self(1 << $bit);)*
            /// Every flag that exists, with its name.
            pub const NAMED: &'static [(&'static str, Self)] = &[$(($name, Self::$constant),)*];
        }
    };
}

permissions! {
    /// Reserved by Hop for channel tokens; grants nothing here.
    CREATE_CHANNEL_TOKEN = 24, "create_channel_token";
    /// Delete channels.
    DELETE_CHANNELS = 27, "delete_channels";
    /// Replace or merge channel state, and change a channel's settings.
    UPDATE_CHANNEL_STATE = 28, "update_channel_state";
    /// Read channels, their state and their statistics.
    READ_CHANNELS = 29, "read_channels";
    /// Publish messages into channels.
    PUBLISH_CHANNEL_MESSAGES = 30, "publish_channel_messages";
    /// Subscribe and unsubscribe tokens.
    MANAGE_CHANNEL_SUBSCRIBERS = 31, "manage_channel_subscribers";
    /// Create tokens.
    CREATE_LEAP_TOKEN = 35, "create_leap_token";
    /// Read tokens, with their secrets.
    READ_LEAP_TOKENS = 36, "read_leap_tokens";
    /// Change and delete tokens (Hop has no flag of its own for deleting).
    UPDATE_LEAP_TOKEN = 37, "update_leap_token";
    /// Send direct messages to tokens.
    MESSAGE_TOKEN = 38, "message_token";
    /// Create channels.
    CREATE_CHANNEL = 39, "create_channel";
    /// Create a user's session or user token as social.plus's SDKs do. A key with this alone is publishable: it may be in a client's code.
    CREATE_SESSION = 40, "create_session";
    /// Make auth tokens, by which a backend vouches for a user.
    CREATE_AUTH_TOKEN = 41, "create_auth_token";
    /// Rotate, revoke and introspect tokens, alone and in bulk, and run jobs on them.
    MANAGE_TOKENS = 42, "manage_tokens";
    /// Create, change and delete users.
    MANAGE_USERS = 43, "manage_users";
    /// Manage project keys, issuers, signing keys, webhooks and the project's settings.
    MANAGE_KEYS = 44, "manage_keys";
    /// Read the audit log and usage.
    READ_AUDIT = 45, "read_audit";
}

impl Permissions {
    /// No permission at all.
    pub const NONE: Self = Self(0);

    /// Every permission.
    #[must_use]
    pub fn all() -> Self {
        Self::NAMED.iter().fold(Self::NONE, |sum, (_, one)| Self(sum.0 | one.0))
    }

    /// The flags with these bits; bits without a name are dropped.
    #[must_use]
    pub fn from_bits(bits: u64) -> Self {
        Self(bits & Self::all().0)
    }

    /// The bits, for storing and for showing.
    #[must_use]
    pub const fn bits(self) -> u64 {
        self.0
    }

    /// Whether a key with these flags may be published: it can do nothing but create sessions.
    #[must_use]
    pub const fn is_publishable(self) -> bool {
        self.0 & !Self::CREATE_SESSION.0 == 0
    }

    /// Whether every flag of `wanted` is held.
    #[must_use]
    pub const fn contains(self, wanted: Self) -> bool {
        self.0 & wanted.0 == wanted.0
    }

    /// The flags named in a comma-separated list; `all` is every flag.
    ///
    /// # Errors
    /// `invalid_input`, naming the word that is no permission and those that are.
    pub fn parse(list: &str) -> Result<Self, Error> {
        Self::named(list.split(',').map(str::trim).filter(|word| !word.is_empty()))
    }

    /// The flags of these names; `all` is every flag.
    ///
    /// # Errors
    /// As [`Self::parse`].
    pub fn named<'a>(words: impl Iterator<Item = &'a str>) -> Result<Self, Error> {
        let mut sum = Self::NONE;
        for word in words {
            let one = if word == "all" {
                Some(Self::all())
            } else {
                Self::NAMED.iter().find(|(name, _)| *name == word).map(|(_, one)| *one)
            };
            let one = one.ok_or_else(|| {
                let known: Vec<_> = Self::NAMED.iter().map(|(name, _)| *name).collect();
                Error::new(
                    ErrorKind::InvalidInput,
                    format!("`{word}` is not a permission; use `all` or some of: {}.", known.join(", ")),
                )
            })?;
            sum.0 |= one.0;
        }
        Ok(sum)
    }

    /// The names of the flags held.
    pub fn names(self) -> impl Iterator<Item = &'static str> {
        Self::NAMED.iter().filter(move |(_, one)| self.contains(*one)).map(|(name, _)| *name)
    }
}

impl fmt::Display for Permissions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.names().collect::<Vec<_>>().join(","))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn bits_are_hops() {
        assert_eq!(Permissions::READ_CHANNELS.bits(), 1 << 29);
        assert_eq!(Permissions::CREATE_CHANNEL.bits(), 1 << 39);
        assert!(Permissions::all().bits() < 1 << 53);
    }

    #[test]
    fn lists_parse_and_print() {
        let two = Permissions::parse("read_channels, create_channel").unwrap();
        assert_eq!(two.to_string(), "read_channels,create_channel");
        assert!(two.contains(Permissions::CREATE_CHANNEL) && !two.contains(Permissions::MESSAGE_TOKEN));
        assert_eq!(Permissions::parse("all").unwrap(), Permissions::all());
        assert!(Permissions::parse("read").unwrap_err().detail.contains("read_channels"));
        assert_eq!(Permissions::from_bits(u64::MAX), Permissions::all());
    }
}
