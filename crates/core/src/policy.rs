//! What a project key, or an issuer, lets those ask for who come with it: decided here, for every door that makes tokens.

use crate::clock::UnixMillis;
use crate::error::{Error, ErrorKind, Result};
use crate::grants::{self, Grant, Operation};
use crate::ids::ChannelId;
use crate::records::MintPolicy;

/// What is asked for a token.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Asked {
    /// What it may do; `None` follows the channels' types.
    pub grants: Option<Vec<Grant>>,
    /// Channels that it is subscribed to from the start.
    pub channels: Vec<ChannelId>,
    /// When it ends by itself.
    pub expires_at: Option<UnixMillis>,
}

impl MintPolicy {
    /// What comes of a wish: the same, or less where nothing was said (no capabilities under a ceiling are the ceiling; no end under a
    /// longest life is that life). `is_publishable`: the key may be in anybody's hands.
    ///
    /// # Errors
    /// `forbidden`, saying which bound the wish is beyond.
    pub fn bound(&self, mut asked: Asked, is_publishable: bool, now: UnixMillis) -> Result<Asked> {
        let refused = |why: String| Err(Error::new(ErrorKind::Forbidden, why));
        match (&asked.grants, &self.ceiling) {
            (Some(wanted), Some(ceiling)) if !grants::within(wanted, ceiling) => {
                return refused("These capabilities are beyond what this key may give; ask for fewer.".into());
            }
            (Some(_), None) if is_publishable => {
                return refused(
                    "This key is publishable and has no policy, so that it gives no capabilities; leave them out."
                        .into(),
                );
            }
            (None, Some(ceiling)) => asked.grants = Some(ceiling.clone()),
            (Some(_), _) | (None, None) => {}
        }
        let patterns = self.channels.as_deref();
        for channel in &asked.channels {
            let named = |pattern: &String| {
                let operations = vec![Operation::Subscribe];
                grants::allows(
                    &[Grant { channels: pattern.clone(), operations }],
                    Operation::Subscribe,
                    channel.as_str(),
                )
            };
            if !patterns.map_or(!is_publishable, |patterns| patterns.iter().any(named)) {
                return refused(format!("This key may not subscribe tokens to the channel {channel}."));
            }
        }
        if let Some(life_ms) = self.life_ms_max {
            let latest = now.plus(life_ms);
            match asked.expires_at {
                Some(end) if end > latest => {
                    return refused(format!(
                        "This key gives tokens of at most {} seconds; ask for a shorter life.",
                        life_ms / 1_000
                    ));
                }
                Some(_) => {}
                None => asked.expires_at = Some(latest),
            }
        }
        Ok(asked)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const NOW: UnixMillis = UnixMillis(1_000);

    fn grants_on(channels: &str) -> Option<Vec<Grant>> {
        Some(vec![Grant { channels: channels.into(), operations: vec![Operation::Subscribe] }])
    }

    fn asked(channels: &str) -> Asked {
        Asked { grants: grants_on(channels), ..Asked::default() }
    }

    #[test]
    fn without_a_policy_only_a_publishable_key_is_bound() {
        let free = MintPolicy::default();
        let wish = Asked { channels: vec![ChannelId::new("room").unwrap()], ..asked("*") };
        assert_eq!(free.bound(wish.clone(), false, NOW).unwrap(), wish);
        assert_eq!(free.bound(asked("a"), true, NOW).unwrap_err().kind, ErrorKind::Forbidden);
        assert!(free.bound(Asked { grants: None, ..wish }, true, NOW).is_err(), "no default channels either");
        assert_eq!(free.bound(Asked::default(), true, NOW).unwrap(), Asked::default());
    }

    #[test]
    fn a_ceiling_bounds_capabilities_and_stands_in_for_none() {
        let policy = MintPolicy { ceiling: grants_on("room-*"), ..MintPolicy::default() };
        for publishable in [false, true] {
            assert_eq!(policy.bound(asked("room-1"), publishable, NOW).unwrap(), asked("room-1"));
            assert!(policy.bound(asked("*"), publishable, NOW).is_err());
            assert_eq!(policy.bound(Asked::default(), publishable, NOW).unwrap(), asked("room-*"));
        }
    }

    #[test]
    fn channels_and_lives_are_bounded() {
        let policy = MintPolicy { life_ms_max: Some(500), channels: Some(vec!["a*".into()]), ..MintPolicy::default() };
        let wish = |channel: &str, end: Option<u64>| Asked {
            channels: vec![ChannelId::new(channel).unwrap()],
            expires_at: end.map(UnixMillis),
            ..Asked::default()
        };
        for (channel, end, expected) in [
            ("ab", Some(1_500), Some(1_500)),
            ("ab", None, Some(1_500)),
            ("ab", Some(1_501), None),
            ("b", Some(1_100), None),
        ] {
            let got = policy.bound(wish(channel, end), true, NOW);
            assert_eq!(got.ok().and_then(|got| got.expires_at), expected.map(UnixMillis), "{channel} {end:?}");
        }
    }
}
