//! What a token may do where: grants of operations on channel patterns, and the bounds that a key or an issuer puts on them.
//!
//! A token without grants follows the channel's type. A token with grants may do exactly what they say, on any type of channel, and
//! what its server-side subscriptions give it.

use serde::{Deserialize, Serialize};

use crate::error::{Error, ErrorKind, Result};
use crate::limits::{CHANNEL_ID_BYTES_MAX, GRANTS_PER_TOKEN_MAX};

/// One thing that a client does with a channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Operation {
    /// Receive its messages.
    #[serde(rename = "subscribe")]
    Subscribe,
    /// Send messages into it.
    #[serde(rename = "publish")]
    Publish,
    /// See who is in it.
    #[serde(rename = "presence")]
    Presence,
    /// Read its past messages.
    #[serde(rename = "history")]
    History,
    /// Read its state.
    #[serde(rename = "state.read")]
    StateRead,
    /// Replace its state.
    #[serde(rename = "state.write")]
    StateWrite,
}

impl Operation {
    /// Every operation.
    pub const ALL: [Self; 6] =
        [Self::Subscribe, Self::Publish, Self::Presence, Self::History, Self::StateRead, Self::StateWrite];

    /// The word in requests and records.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Subscribe => "subscribe",
            Self::Publish => "publish",
            Self::Presence => "presence",
            Self::History => "history",
            Self::StateRead => "state.read",
            Self::StateWrite => "state.write",
        }
    }
}

/// Operations on the channels that a pattern names: a channel id, or the beginning of ids followed by `*`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Grant {
    /// A channel id, `prefix*`, or `*` for every channel. At most 255 bytes.
    pub channels: String,
    /// What may be done there; not empty.
    pub operations: Vec<Operation>,
}

impl Grant {
    fn allows(&self, operation: Operation, channel: &str) -> bool {
        self.operations.contains(&operation) && matches(&self.channels, channel)
    }
}

/// Whether a pattern names this channel.
fn matches(pattern: &str, channel: &str) -> bool {
    match pattern.strip_suffix('*') {
        Some(prefix) => channel.starts_with(prefix),
        None => channel == pattern,
    }
}

/// Whether any of the grants allows the operation on the channel.
#[must_use]
pub fn allows(grants: &[Grant], operation: Operation, channel: &str) -> bool {
    which(grants, operation, channel).is_some()
}

/// Which of the grants, by its place from 0, is the first that allows the operation on the channel.
#[must_use]
pub fn which(grants: &[Grant], operation: Operation, channel: &str) -> Option<usize> {
    grants.iter().position(|grant| grant.allows(operation, channel))
}

/// Whether any of the grants allows the operation on a channel that `pattern` names.
#[must_use]
pub fn touches(grants: &[Grant], operation: Operation, pattern: &str) -> bool {
    let stem = |text: &str| text.strip_suffix('*').map(str::to_owned);
    let meet = |one: &str, other: &str| match (stem(one), stem(other)) {
        (Some(one), Some(other)) => one.starts_with(&other) || other.starts_with(&one),
        (Some(_), None) => matches(one, other),
        _ => matches(other, one),
    };
    grants.iter().any(|grant| grant.operations.contains(&operation) && meet(&grant.channels, pattern))
}

/// Whether everything that `asked` allows is allowed by `ceiling`, too: for each grant and operation, one grant of the ceiling whose
/// pattern covers it whole.
#[must_use]
pub fn within(asked: &[Grant], ceiling: &[Grant]) -> bool {
    let covers = |wide: &str, narrow: &str| match wide.strip_suffix('*') {
        Some(prefix) => narrow.starts_with(prefix),
        None => wide == narrow,
    };
    asked.iter().all(|grant| {
        grant.operations.iter().all(|operation| {
            ceiling.iter().any(|wide| wide.operations.contains(operation) && covers(&wide.channels, &grant.channels))
        })
    })
}

/// What both allow: for each pair of grants the operations that both name, on the narrower of two patterns of which one covers the other.
#[must_use]
pub fn intersection(asked: &[Grant], ceiling: &[Grant]) -> Vec<Grant> {
    let covers = |wide: &str, narrow: &str| match wide.strip_suffix('*') {
        Some(prefix) => narrow.starts_with(prefix),
        None => wide == narrow,
    };
    let mut both: Vec<Grant> = Vec::new();
    for (one, other) in asked.iter().flat_map(|one| ceiling.iter().map(move |other| (one, other))) {
        let channels = match (covers(&other.channels, &one.channels), covers(&one.channels, &other.channels)) {
            (true, _) => &one.channels,
            (false, true) => &other.channels,
            (false, false) => continue,
        };
        for operation in one.operations.iter().filter(|operation| other.operations.contains(operation)) {
            match both.iter_mut().find(|grant| grant.channels == *channels) {
                Some(grant) if grant.operations.contains(operation) => {}
                Some(grant) => grant.operations.push(*operation),
                None => both.push(Grant { channels: channels.clone(), operations: vec![*operation] }),
            }
        }
    }
    both
}

/// Grants as a JWT says them: a list whose entries are objects like those of the API, or words like `publish,subscribe:room-*`; or such words
/// in one text, separated by spaces, as OAuth spells scopes.
///
/// # Errors
/// A sentence on what is wrong, for whoever makes the JWT.
pub fn from_claim(value: &serde_json::Value) -> std::result::Result<Vec<Grant>, String> {
    let grants = match value {
        serde_json::Value::String(words) => words.split_ascii_whitespace().map(from_word).collect::<Option<Vec<_>>>(),
        serde_json::Value::Array(entries) => {
            let entry = |entry: &serde_json::Value| match entry {
                serde_json::Value::String(word) => from_word(word),
                entry => Grant::deserialize(entry).ok(),
            };
            entries.iter().map(entry).collect()
        }
        _ => None,
    };
    let grants = grants.ok_or_else(|| {
        "a list of capabilities, each {\"channels\": \"room-*\", \"operations\": [\"subscribe\"]} or \"subscribe:room-*\"".to_owned()
    })?;
    check(&grants).map_err(|error| error.detail)?;
    Ok(grants)
}

/// `publish,subscribe:room-*`: operations, a colon, a pattern.
fn from_word(word: &str) -> Option<Grant> {
    let (operations, channels) = word.split_once(':')?;
    let named = |word: &str| Operation::ALL.into_iter().find(|one| one.word() == word);
    let operations = operations.split(',').map(named).collect::<Option<Vec<_>>>()?;
    Some(Grant { channels: channels.to_owned(), operations })
}

/// Checks grants that a caller chose.
///
/// # Errors
/// `limit_reached` for too many, `invalid_input` for a pattern or an empty list of operations.
pub fn check(grants: &[Grant]) -> Result<()> {
    if grants.len() > GRANTS_PER_TOKEN_MAX {
        return Err(Error::new(
            ErrorKind::LimitReached,
            format!("A token has at most {GRANTS_PER_TOKEN_MAX} capabilities; these are {}.", grants.len()),
        ));
    }
    for grant in grants {
        let stem = grant.channels.strip_suffix('*').unwrap_or(&grant.channels);
        let refused = grant.channels.is_empty()
            || grant.channels.len() > CHANNEL_ID_BYTES_MAX
            || stem.contains(['*', '/', '?', '#'])
            || stem.chars().any(char::is_control);
        if refused {
            return Err(Error::new(
                ErrorKind::InvalidInput,
                format!(
                    "`channels` of a capability is a channel id, a beginning followed by `*`, or `*`, in 1 to {CHANNEL_ID_BYTES_MAX} bytes."
                ),
            ));
        }
        if grant.operations.is_empty() || grant.operations.len() > Operation::ALL.len() {
            return Err(Error::new(
                ErrorKind::InvalidInput,
                "`operations` of a capability names one or more of subscribe, publish, presence, history, state.read, state.write, each once.",
            ));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grant(channels: &str, operations: &[Operation]) -> Grant {
        Grant { channels: channels.into(), operations: operations.into() }
    }

    #[test]
    fn patterns_name_channels() {
        for (pattern, channel, expected) in [
            ("a", "a", true),
            ("a", "ab", false),
            ("a*", "ab", true),
            ("a*", "a", true),
            ("a*", "b", false),
            ("*", "anything", true),
        ] {
            let grants = [grant(pattern, &[Operation::Publish])];
            assert_eq!(allows(&grants, Operation::Publish, channel), expected, "{pattern} {channel}");
            assert!(!allows(&grants, Operation::Subscribe, channel));
        }
    }

    #[test]
    fn patterns_touch_where_they_share_a_channel() {
        for (held, asked, expected) in [
            ("a", "a", true),
            ("a", "b", false),
            ("a*", "ab", true),
            ("ab", "a*", true),
            ("a*", "ab*", true),
            ("ab*", "a*", true),
            ("a*", "b*", false),
            ("*", "x", true),
            ("x", "*", true),
        ] {
            let grants = [grant(held, &[Operation::Publish])];
            assert_eq!(touches(&grants, Operation::Publish, asked), expected, "{held} {asked}");
            assert!(!touches(&grants, Operation::Subscribe, asked));
        }
    }

    #[test]
    fn a_ceiling_covers_patterns_whole() {
        use Operation::{Publish, Subscribe};
        let ceiling = [grant("room-*", &[Subscribe, Publish]), grant("lobby", &[Subscribe])];
        for (channels, operations, expected) in [
            ("room-1", &[Subscribe, Publish][..], true),
            ("room-1*", &[Publish], true),
            ("room-*", &[Publish], true),
            ("room*", &[Publish], false),
            ("*", &[Subscribe], false),
            ("lobby", &[Subscribe], true),
            ("lobby", &[Publish], false),
            ("lobby*", &[Subscribe], false),
        ] {
            assert_eq!(within(&[grant(channels, operations)], &ceiling), expected, "{channels} {operations:?}");
        }
        assert!(within(&[], &[]));
    }

    #[test]
    fn what_two_lists_of_grants_both_allow() {
        use Operation::{Presence, Publish, Subscribe};
        let ceiling = [grant("room-*", &[Subscribe, Publish]), grant("lobby", &[Subscribe])];
        for (asked, expected) in [
            (
                vec![grant("*", &[Publish, Subscribe])],
                vec![grant("room-*", &[Publish, Subscribe]), grant("lobby", &[Subscribe])],
            ),
            (vec![grant("room-1", &[Publish, Presence])], vec![grant("room-1", &[Publish])]),
            (
                vec![grant("room-1*", &[Publish]), grant("room-1*", &[Subscribe])],
                vec![grant("room-1*", &[Publish, Subscribe])],
            ),
            (vec![grant("lobby", &[Publish])], vec![]),
            (vec![grant("other", &[Publish])], vec![]),
            (vec![], vec![]),
        ] {
            let both = intersection(&asked, &ceiling);
            assert_eq!(both, expected, "{asked:?}");
            assert!(within(&both, &ceiling) && within(&both, &asked), "{asked:?}");
        }
    }

    #[test]
    fn grants_are_read_from_a_claim() {
        use Operation::{Publish, Subscribe};
        use serde_json::json;
        let expected = vec![grant("room-*", &[Publish, Subscribe]), grant("lobby", &[Subscribe])];
        for value in [
            json!("publish,subscribe:room-*  subscribe:lobby"),
            json!(["publish,subscribe:room-*", "subscribe:lobby"]),
            json!([{"channels": "room-*", "operations": ["publish", "subscribe"]}, "subscribe:lobby"]),
        ] {
            assert_eq!(from_claim(&value).as_ref(), Ok(&expected), "{value}");
        }
        assert_eq!(from_claim(&json!("")), Ok(vec![]));
        for value in [
            json!(null),
            json!(1),
            json!({"channels": "*", "operations": ["publish"]}),
            json!("publish"),
            json!("everything:*"),
            json!(":room"),
            json!("publish:a/b"),
            json!([["publish:a"]]),
            json!([{"channels": "*", "operations": []}]),
            json!([{"channels": "*", "operations": ["publish"], "more": 1}]),
        ] {
            assert!(from_claim(&value).is_err(), "{value}");
        }
    }

    #[test]
    fn what_a_caller_chose_is_checked() {
        for (channels, operations) in [
            ("", &[Operation::Publish][..]),
            ("a*b", &[Operation::Publish]),
            ("a/b", &[Operation::Publish]),
            ("a", &[]),
        ] {
            assert!(check(&[grant(channels, operations)]).is_err(), "{channels:?}");
        }
        assert!(check(&[grant("*", &Operation::ALL)]).is_ok());
        assert!(check(&vec![grant("a", &[Operation::Publish]); GRANTS_PER_TOKEN_MAX + 1]).is_err());
    }
}
