//! What is kept of the server's operators and of the links that invite them: rows of the house ([`crate::ids::ProjectId::HOUSE`]).

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use crate::clock::UnixMillis;
use crate::credentials::PasswordHash;
use crate::ids::OperatorId;
use crate::limits::{OPERATOR_NETWORK_MS, OPERATOR_NETWORKS_MAX};
use crate::roles::Role;

/// A person who operates the server.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OperatorRecord {
    /// Under which it signs in; unique. At most 64 characters of `[a-z0-9._-]`, so that none looks like another.
    pub name: String,
    /// What it may do.
    pub role: Role,
    /// What its password is checked against; nothing until its link was used.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub password: Option<PasswordHash>,
    /// When it was invited.
    pub created_at: UnixMillis,
    /// Who invited it; nothing for the first, and for those whom the command line invited.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub made_by: Option<OperatorId>,
    /// When it last signed in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_seen_at: Option<UnixMillis>,
    /// Since when it may not get in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub disabled_at: Option<UnixMillis>,
    /// Counts what ended its sessions: one that began under another number is over.
    #[serde(default)]
    pub run: u32,
    /// Networks that it signed in from, and when it last did, the latest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub networks: Vec<(IpAddr, UnixMillis)>,
}

impl OperatorRecord {
    /// Whether it signed in from this network not too long ago.
    #[must_use]
    pub fn knows(&self, network: IpAddr, now: UnixMillis) -> bool {
        self.networks.iter().any(|(one, at)| *one == network && now.0.saturating_sub(at.0) < OPERATOR_NETWORK_MS)
    }

    /// Notes that it signed in, from this network if it is known.
    pub fn note_sign_in(&mut self, network: Option<IpAddr>, now: UnixMillis) {
        self.last_seen_at = Some(now);
        let Some(network) = network else { return };
        self.networks.retain(|(one, _)| *one != network);
        self.networks.insert(0, (network, now));
        self.networks.truncate(OPERATOR_NETWORKS_MAX);
    }
}

/// A link that works once: it makes the server's first owner, or gives an operator a password.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct InvitationRecord {
    /// SHA-256 of its secret's spelling.
    pub hash: [u8; 32],
    /// Whom it gives a password; `None` makes the first owner.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub for_operator: Option<OperatorId>,
    /// Who made it, as the audit log names it.
    pub made_by: String,
    /// When it was made.
    pub created_at: UnixMillis,
    /// Until when it works.
    pub expires_at: UnixMillis,
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn an_operator_is_known_where_it_signed_in_lately() {
        let mut one = OperatorRecord {
            name: "ada".into(),
            role: Role::Owner,
            password: None,
            created_at: UnixMillis(0),
            made_by: None,
            last_seen_at: None,
            disabled_at: None,
            run: 0,
            networks: Vec::new(),
        };
        let network = |last: u32| IpAddr::V4((0x0a00_0000 + last).into());
        let month = OPERATOR_NETWORK_MS;
        one.note_sign_in(Some(network(1)), UnixMillis(1));
        one.note_sign_in(None, UnixMillis(2));
        assert_eq!(one.last_seen_at, Some(UnixMillis(2)));
        assert!(one.knows(network(1), UnixMillis(month)) && !one.knows(network(1), UnixMillis(month + 1)));
        assert!(!one.knows(network(2), UnixMillis(3)));
        for last in 2..=9 {
            one.note_sign_in(Some(network(last)), UnixMillis(3));
        }
        assert_eq!(one.networks.len(), OPERATOR_NETWORKS_MAX);
        assert!(!one.knows(network(1), UnixMillis(3)), "the oldest made room");
        one.note_sign_in(Some(network(2)), UnixMillis(4));
        assert_eq!((one.networks.len(), one.networks[0].0), (OPERATOR_NETWORKS_MAX, network(2)));
        let written = serde_json::to_string(&one).unwrap();
        assert_eq!(serde_json::from_str::<OperatorRecord>(&written).unwrap(), one);
    }
}
