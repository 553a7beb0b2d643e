//! What operators may do: a table of role and action. Whether a caller may is decided in [`crate::authorize`], and this is one of its tables.

use serde::{Deserialize, Serialize};

use crate::authorize::Action;

/// An operator's role on the whole server. Each may do what those before it may.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Looks, and changes nothing.
    Viewer,
    /// Changes channels, tokens and users, too.
    Editor,
    /// Changes who may do what, too: keys, issuers, webhooks, settings, projects and operators.
    Owner,
}

impl Role {
    /// Every role, the least first.
    pub const ALL: [Self; 3] = [Self::Viewer, Self::Editor, Self::Owner];

    /// The word in requests and records.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Viewer => "viewer",
            Self::Editor => "editor",
            Self::Owner => "owner",
        }
    }

    /// The role with this word.
    #[must_use]
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|role| role.word() == word)
    }

    /// The least role that may do this. `None` is no role: no person has secrets spelled that were not made just now, or vouches for users.
    #[must_use]
    pub const fn least_for(action: Action) -> Option<Self> {
        Some(match action {
            Action::ReadProject
            | Action::ReadChannels
            | Action::ReadUsers
            | Action::SeeTokens
            | Action::SeeConnections
            | Action::SeeKeys
            | Action::SeeWebhooks
            | Action::IntrospectTokens
            | Action::ReadAudit
            | Action::SeeServer => Self::Viewer,
            Action::CreateChannel
            | Action::ChangeChannel
            | Action::DeleteChannel
            | Action::UpdateChannelState
            | Action::Publish
            | Action::ManageSubscribers
            | Action::CreateToken
            | Action::UpdateToken
            | Action::DeleteToken
            | Action::MessageToken
            | Action::ManageTokens
            | Action::Disconnect
            | Action::ManageUsers => Self::Editor,
            Action::ManageKeys | Action::AdministerProjects | Action::ManageOperators => Self::Owner,
            Action::ReadTokens | Action::CreateSession | Action::CreateAuthToken => return None,
        })
    }

    /// Whether this role may do this.
    #[must_use]
    pub fn may(self, action: Action) -> bool {
        Self::least_for(action).is_some_and(|least| self >= least)
    }
}

impl std::fmt::Display for Role {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.word())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    /// The table as people read it: the first letters of the roles that may.
    const TABLE: &str = "\
AdministerProjects    o
ReadProject         veo
CreateChannel        eo
ReadChannels        veo
DeleteChannel        eo
UpdateChannelState   eo
ChangeChannel        eo
Publish              eo
ManageSubscribers    eo
CreateToken          eo
ReadTokens            -
SeeTokens           veo
UpdateToken          eo
DeleteToken          eo
MessageToken         eo
CreateSession         -
CreateAuthToken       -
ManageTokens         eo
IntrospectTokens    veo
SeeConnections      veo
Disconnect           eo
ReadUsers           veo
ManageUsers          eo
ManageKeys            o
SeeKeys             veo
SeeWebhooks         veo
ReadAudit           veo
ManageOperators       o
SeeServer           veo
";

    #[test]
    fn what_each_role_may_is_this_table() {
        let mut shown = String::new();
        for &action in Action::ALL {
            let may: String = Role::ALL
                .iter()
                .filter(|role| role.may(action))
                .filter_map(|role| role.word().chars().next())
                .collect();
            let may = if may.is_empty() { "-" } else { &may };
            shown += &format!("{:<19}{may:>4}\n", format!("{action:?}"));
        }
        assert_eq!(shown, TABLE);
    }

    #[test]
    fn roles_are_read_as_they_are_written() {
        for role in Role::ALL {
            assert_eq!(Role::from_word(role.word()), Some(role));
            assert_eq!(serde_json::to_string(&role).unwrap(), format!("{:?}", role.word()));
        }
        assert_eq!(Role::from_word("Owner"), None);
    }
}
