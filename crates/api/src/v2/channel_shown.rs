//! A channel's settings as `/v2` takes and shows them: capabilities by their words, settings that may be given in part.

use serde::{Deserialize, Serialize};
use tollgate_core::delivery::Position;
use tollgate_core::json::JsonObject;
use tollgate_core::limits::WORDS_MAX;
use tollgate_core::model::{Capabilities, ChannelSettings};
use tollgate_core::{Error, ErrorKind, Result};
use tollgate_node::{ChannelView, SettingsUpdate};

use super::{Map, Time, at_most};

/// What each capability is called, in the order of their bits.
pub(crate) const WORDS: &[(&str, u32)] = &[
    ("ephemeral", Capabilities::EPHEMERAL),
    ("token_publish", Capabilities::TOKEN_PUBLISH),
    ("anonymous_publish", Capabilities::ANONYMOUS_PUBLISH),
    ("token_set_state", Capabilities::TOKEN_SET_STATE),
    ("anonymous_set_state", Capabilities::ANONYMOUS_SET_STATE),
];

/// A channel. `position` and `online` are of the moment, and only told of one channel that was asked for.
#[derive(Serialize)]
pub(super) struct Shown {
    id: String,
    #[serde(rename = "type")]
    kind: &'static str,
    capabilities: Vec<&'static str>,
    settings: ChannelSettings,
    state: JsonObject,
    version: u64,
    created_at: Time,
    #[serde(skip_serializing_if = "Option::is_none")]
    position: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    online: Option<u64>,
}

/// A channel, with where it is and how many are there now if that was asked for.
pub(super) fn show(view: ChannelView, now: Option<(Position, u64)>) -> Shown {
    Shown {
        id: view.id.to_string(),
        kind: view.kind.word(),
        capabilities: WORDS.iter().filter(|(_, bit)| view.capabilities.has(*bit)).map(|(word, _)| *word).collect(),
        settings: view.settings,
        state: view.state,
        version: view.version,
        created_at: Time(view.created_at),
        position: now.map(|(position, _)| position.to_string()),
        online: now.map(|(_, online)| online),
    }
}

/// The capabilities that these words name.
///
/// # Errors
/// `invalid_input` for a word that is none, `limit_reached` for too many.
pub(super) fn capabilities(words: &[String]) -> Result<Capabilities> {
    at_most("capabilities", words, WORDS_MAX)?;
    let mut bits = 0;
    for word in words {
        let known = WORDS.iter().find(|(known, _)| known == word).map(|(_, bit)| *bit);
        bits |= known.ok_or_else(|| {
            let known: Vec<_> = WORDS.iter().map(|(word, _)| *word).collect();
            Error::new(
                ErrorKind::InvalidInput,
                format!("`capabilities` is a list of some of these words: {}.", known.join(", ")),
            )
        })?;
    }
    Ok(Capabilities::from_bits(bits.into()).expect("invariant: the words name known bits"))
}

/// Settings as far as they are given; the others stay, or are the defaults of a new channel.
#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Settings {
    history: Option<Map<History>>,
    presence: Option<bool>,
    echo: Option<bool>,
    retain: Option<bool>,
    conflate_per_second: Option<u16>,
}

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct History {
    size: Option<u32>,
    ttl_ms: Option<u64>,
    durable: Option<bool>,
}

impl Settings {
    pub(super) fn update(self) -> SettingsUpdate {
        let history = self.history.unwrap_or_default().0;
        SettingsUpdate {
            history_size: history.size,
            history_ttl_ms: history.ttl_ms,
            history_durable: history.durable,
            presence: self.presence,
            echo: self.echo,
            retain: self.retain,
            conflate_per_second: self.conflate_per_second,
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn every_capability_has_a_word_and_every_word_a_bit() {
        let all: Vec<String> = WORDS.iter().map(|(word, _)| (*word).to_owned()).collect();
        assert_eq!(capabilities(&all).unwrap().bits(), Capabilities::ALL);
        assert_eq!(capabilities(&[]).unwrap().bits(), 0);
        assert_eq!(capabilities(&["publish".into()]).unwrap_err().kind, ErrorKind::InvalidInput);
    }
}
