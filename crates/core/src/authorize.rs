//! Who may do what: one table for project keys, one for people (in [`crate::roles`]), two small rules for clients (in [`clients`]). Pure; refused by default.

mod clients;

use crate::error::{Error, ErrorKind, Result};
use crate::ids::{KeyId, OperatorId, ProjectId, TokenId};
use crate::permissions::Permissions;
use crate::roles::Role;

pub use clients::{
    Decided, Rule, Standing, SubscribeDecision, client_reads, client_subscribe, decide_publish, decide_reads,
    decide_set_state, decide_subscribe, loses_subscription, token_reads, token_writes_from_outside,
};

/// Who is asking.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Caller {
    /// A backend with a project key.
    ProjectKey {
        /// Its project.
        project: ProjectId,
        /// The key's public id.
        key: KeyId,
        /// What the key may do.
        permissions: Permissions,
    },
    /// A client with a token.
    Token {
        /// Its project.
        project: ProjectId,
        /// The token's public id.
        token: TokenId,
    },
    /// A client without a token.
    Anonymous {
        /// The project it named.
        project: ProjectId,
    },
    /// A person at the machine: the command line.
    Operator,
    /// A person at the machine, at work on one project: may do everything there.
    ProjectOperator {
        /// That project.
        project: ProjectId,
    },
    /// An operator who signed in, with the role of this moment.
    Person {
        /// Who.
        operator: OperatorId,
        /// What it may do.
        role: Role,
        /// The project at work on; `None` is the whole server.
        project: Option<ProjectId>,
    },
    /// The server itself, for its own upkeep.
    System,
}

/// Every operation that a caller may ask for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Action {
    /// Create a project, list projects, create, list and revoke their keys.
    AdministerProjects,
    /// Read the project that the key belongs to.
    ReadProject,
    /// Create a channel.
    CreateChannel,
    /// Read channels, state and statistics.
    ReadChannels,
    /// Delete a channel.
    DeleteChannel,
    /// Replace or merge a channel's state.
    UpdateChannelState,
    /// Change a channel's settings.
    ChangeChannel,
    /// Publish into a channel.
    Publish,
    /// Subscribe or unsubscribe tokens.
    ManageSubscribers,
    /// Create a token.
    CreateToken,
    /// Read tokens with their secrets.
    ReadTokens,
    /// See tokens without their secrets.
    SeeTokens,
    /// Change a token's state or expiry.
    UpdateToken,
    /// Delete a token.
    DeleteToken,
    /// Send a direct message to a token.
    MessageToken,
    /// Create a session or a user token for a user, as social.plus's SDKs do.
    CreateSession,
    /// Vouch for a user by an auth token.
    CreateAuthToken,
    /// Rotate and revoke tokens, alone and in bulk; submit and cancel jobs.
    ManageTokens,
    /// Ask about a token or its secret.
    IntrospectTokens,
    /// See who is connected.
    SeeConnections,
    /// End a connection.
    Disconnect,
    /// Read users.
    ReadUsers,
    /// Create, change and delete users.
    ManageUsers,
    /// Manage project keys, issuers, signing keys, webhooks and settings.
    ManageKeys,
    /// See project keys, issuers and signing keys; none of them shows a secret.
    SeeKeys,
    /// See webhooks and what became of their messages.
    SeeWebhooks,
    /// Read the audit log, usage and alerts.
    ReadAudit,
    /// Invite, change and delete the server's operators.
    ManageOperators,
    /// See how the whole server does: its load, its health.
    SeeServer,
}

impl Action {
    /// Every action.
    pub const ALL: &'static [Self] = &[
        Self::AdministerProjects,
        Self::ReadProject,
        Self::CreateChannel,
        Self::ReadChannels,
        Self::DeleteChannel,
        Self::UpdateChannelState,
        Self::ChangeChannel,
        Self::Publish,
        Self::ManageSubscribers,
        Self::CreateToken,
        Self::ReadTokens,
        Self::SeeTokens,
        Self::UpdateToken,
        Self::DeleteToken,
        Self::MessageToken,
        Self::CreateSession,
        Self::CreateAuthToken,
        Self::ManageTokens,
        Self::IntrospectTokens,
        Self::SeeConnections,
        Self::Disconnect,
        Self::ReadUsers,
        Self::ManageUsers,
        Self::ManageKeys,
        Self::SeeKeys,
        Self::SeeWebhooks,
        Self::ReadAudit,
        Self::ManageOperators,
        Self::SeeServer,
    ];

    /// The permission that a project key needs for this; `None` is never for project keys.
    #[must_use]
    pub const fn permission(self) -> Option<Permissions> {
        Some(match self {
            Self::AdministerProjects | Self::ManageOperators | Self::SeeServer => return None,
            Self::ReadProject => Permissions::NONE,
            Self::CreateChannel => Permissions::CREATE_CHANNEL,
            Self::ReadChannels => Permissions::READ_CHANNELS,
            Self::DeleteChannel => Permissions::DELETE_CHANNELS,
            Self::UpdateChannelState | Self::ChangeChannel => Permissions::UPDATE_CHANNEL_STATE,
            Self::Publish => Permissions::PUBLISH_CHANNEL_MESSAGES,
            Self::ManageSubscribers => Permissions::MANAGE_CHANNEL_SUBSCRIBERS,
            Self::CreateToken => Permissions::CREATE_LEAP_TOKEN,
            Self::ReadTokens | Self::SeeTokens | Self::SeeConnections => Permissions::READ_LEAP_TOKENS,
            Self::UpdateToken | Self::DeleteToken => Permissions::UPDATE_LEAP_TOKEN,
            Self::MessageToken => Permissions::MESSAGE_TOKEN,
            Self::CreateSession => Permissions::CREATE_SESSION,
            Self::CreateAuthToken => Permissions::CREATE_AUTH_TOKEN,
            Self::ManageTokens | Self::IntrospectTokens | Self::Disconnect => Permissions::MANAGE_TOKENS,
            Self::ReadUsers | Self::ManageUsers => Permissions::MANAGE_USERS,
            Self::ManageKeys | Self::SeeKeys | Self::SeeWebhooks => Permissions::MANAGE_KEYS,
            Self::ReadAudit => Permissions::READ_AUDIT,
        })
    }
}

/// The decision for an operation within a project: the project that the caller may work on.
///
/// # Errors
/// `forbidden`, saying which permission is missing, or which role would do.
pub fn within_project(caller: &Caller, action: Action) -> Result<ProjectId> {
    match (caller, action.permission()) {
        (Caller::ProjectOperator { project }, Some(_)) => Ok(*project),
        (Caller::ProjectKey { project, permissions, .. }, Some(needed)) if permissions.contains(needed) => Ok(*project),
        (Caller::ProjectKey { .. }, Some(needed)) => Err(Error::new(
            ErrorKind::Forbidden,
            format!("This project key lacks the permission `{needed}`; create a key that has it."),
        )),
        (Caller::Person { role, project: Some(project), .. }, Some(_)) if role.may(action) => Ok(*project),
        (Caller::Person { role, project: Some(_), .. }, Some(_)) => Err(beyond_role(*role, action)),
        _ => Err(Error::new(ErrorKind::Forbidden, "This credential may not do this; a project key is needed.")),
    }
}

fn beyond_role(role: Role, action: Action) -> Error {
    let detail = match Role::least_for(action) {
        Some(least) => {
            format!("Your role ({role}) may not do this; it takes the role `{least}`. An owner can change yours.")
        }
        None => "Nobody may do this by signing in; use a project key.".into(),
    };
    Error::new(ErrorKind::Forbidden, detail)
}

/// The decision for what a token may do over REST for itself and its user: the project and the token.
///
/// # Errors
/// `forbidden` for every other caller.
pub fn as_token(caller: &Caller) -> Result<(ProjectId, TokenId)> {
    match caller {
        Caller::Token { project, token } => Ok((*project, *token)),
        _ => Err(Error::new(ErrorKind::Forbidden, "Only a user's token may do this; send one as bearer.")),
    }
}

/// The decision for an operation on the whole server.
///
/// # Errors
/// `forbidden` for everybody but the operator at the machine, the server itself, and people at work on the whole server whose role may.
pub fn whole_server(caller: &Caller, action: Action) -> Result<()> {
    match caller {
        Caller::Operator | Caller::System => Ok(()),
        Caller::Person { role, project: None, .. } if role.may(action) => Ok(()),
        Caller::Person { role, project: None, .. } => Err(beyond_role(*role, action)),
        Caller::ProjectKey { .. }
        | Caller::Token { .. }
        | Caller::Anonymous { .. }
        | Caller::Person { .. }
        | Caller::ProjectOperator { .. } => {
            Err(Error::new(ErrorKind::Forbidden, "Only an operator of this server may do this."))
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::grants::{Grant, Operation};
    use crate::ids::ChannelId;
    use crate::model::{Capabilities, ChannelType};

    fn client_publish(
        caller: &Caller,
        capabilities: Capabilities,
        channel: &ChannelId,
        standing: Standing<'_>,
    ) -> bool {
        decide_publish(caller, capabilities, channel, standing).allowed
    }

    fn client_set_state(
        caller: &Caller,
        capabilities: Capabilities,
        channel: &ChannelId,
        standing: Standing<'_>,
    ) -> bool {
        decide_set_state(caller, capabilities, channel, standing).allowed
    }

    const PROJECT: ProjectId = ProjectId::new(1);
    const TOKEN: Caller = Caller::Token { project: PROJECT, token: TokenId::new(2) };
    const ANONYMOUS: Caller = Caller::Anonymous { project: PROJECT };

    fn room() -> ChannelId {
        ChannelId::new("room").unwrap()
    }

    fn key(permissions: Permissions) -> Caller {
        Caller::ProjectKey { project: PROJECT, key: KeyId::new(3), permissions }
    }

    #[test]
    fn a_key_may_do_exactly_what_its_permissions_say() {
        for &action in Action::ALL {
            let Some(needed) = action.permission() else {
                assert!(within_project(&key(Permissions::all()), action).is_err(), "{action:?}");
                continue;
            };
            assert!(within_project(&key(needed), action).is_ok(), "{action:?}");
            let others = Permissions::from_bits(Permissions::all().bits() & !needed.bits());
            assert_eq!(within_project(&key(others), action).is_ok(), needed == Permissions::NONE, "{action:?}");
            for caller in [TOKEN, ANONYMOUS, Caller::Operator] {
                assert!(within_project(&caller, action).is_err(), "{caller:?} {action:?}");
            }
        }
    }

    fn person(role: Role, project: Option<ProjectId>) -> Caller {
        Caller::Person { operator: OperatorId::new(4), role, project }
    }

    #[test]
    fn a_person_may_what_its_role_may_on_the_project_at_work_and_nowhere_else() {
        for &action in Action::ALL {
            for role in Role::ALL {
                let (here, whole) = (person(role, Some(PROJECT)), person(role, None));
                let of_project = role.may(action) && action.permission().is_some();
                assert_eq!(within_project(&here, action).ok(), of_project.then_some(PROJECT), "{role} {action:?}");
                assert!(within_project(&whole, action).is_err(), "{role} {action:?}");
                assert_eq!(whole_server(&whole, action).is_ok(), role.may(action), "{role} {action:?}");
                assert!(whole_server(&here, action).is_err(), "{role} {action:?}");
                assert!(as_token(&here).is_err());
            }
        }
        let refused = within_project(&person(Role::Viewer, Some(PROJECT)), Action::ManageKeys).unwrap_err();
        assert!(refused.detail.contains("(viewer)") && refused.detail.contains("`owner`"), "{refused:?}");
    }

    #[test]
    fn a_person_is_no_client() {
        use ChannelType::Unprotected;
        let all = Capabilities::from_bits(31).unwrap_or_default();
        let standing = Standing { grants: None, subscribed: true };
        for role in Role::ALL {
            let person = person(role, Some(PROJECT));
            assert_eq!(client_subscribe(&person, Unprotected, &room(), standing), SubscribeDecision::Refuse);
            assert!(!client_publish(&person, all, &room(), standing));
            assert!(!client_set_state(&person, all, &room(), standing));
            assert!(!client_reads(&person, Unprotected, &room(), standing, Operation::StateRead));
        }
    }

    #[test]
    fn only_operators_administer_the_server() {
        for caller in [key(Permissions::all()), TOKEN, ANONYMOUS] {
            assert!(whole_server(&caller, Action::AdministerProjects).is_err());
        }
        assert!(whole_server(&Caller::Operator, Action::AdministerProjects).is_ok());
    }

    #[test]
    fn the_channel_type_decides_who_subscribes() {
        use ChannelType::{Private, Public, Unprotected};
        use SubscribeDecision::{Allow, AskHook, Refuse};
        let table = [
            (ANONYMOUS, Private, false, Refuse),
            (ANONYMOUS, Public, false, Refuse),
            (ANONYMOUS, Unprotected, false, Allow),
            (TOKEN, Private, false, AskHook),
            (TOKEN, Private, true, Allow),
            (TOKEN, Public, false, Allow),
            (TOKEN, Unprotected, false, Allow),
            (key(Permissions::all()), Unprotected, false, Refuse),
        ];
        for (caller, kind, subscribed, expected) in table {
            let standing = Standing { grants: None, subscribed };
            assert_eq!(
                client_subscribe(&caller, kind, &room(), standing),
                expected,
                "{caller:?} {kind:?} {subscribed}"
            );
        }
    }

    #[test]
    fn grants_say_exactly_what_a_token_may() {
        use ChannelType::{Private, Public, Unprotected};
        use SubscribeDecision::{Allow, Refuse};
        let on = |channels: &str, operation| vec![Grant { channels: channels.into(), operations: vec![operation] }];
        let open = Capabilities::from_bits(31).unwrap_or_default();
        let closed = Capabilities::from_bits(0).unwrap_or_default();
        let everything = vec![Grant { channels: "room".into(), operations: Operation::ALL.to_vec() }];
        let table: [(Vec<Grant>, [bool; 4]); 7] = [
            (vec![], [false; 4]),
            (on("room", Operation::Subscribe), [true, false, false, false]),
            (on("ro*", Operation::Publish), [false, true, false, false]),
            (on("*", Operation::StateWrite), [false, false, true, false]),
            (on("*", Operation::StateRead), [false, false, false, true]),
            (on("rooms", Operation::Subscribe), [false; 4]),
            (everything, [true; 4]),
        ];
        for (grants, expected) in table {
            for kind in [Private, Public, Unprotected] {
                for capabilities in [open, closed] {
                    let standing = Standing { grants: Some(&grants), subscribed: false };
                    let got = [
                        client_subscribe(&TOKEN, kind, &room(), standing) == Allow,
                        client_publish(&TOKEN, capabilities, &room(), standing),
                        client_set_state(&TOKEN, capabilities, &room(), standing),
                        token_reads(kind, &room(), standing, Operation::StateRead),
                    ];
                    assert_eq!(got, expected, "{grants:?} {kind:?} {capabilities:?}");
                    let asked = client_subscribe(&TOKEN, kind, &room(), standing);
                    assert!(matches!(asked, Allow | Refuse), "the hook is not asked");
                    let subscribed = Standing { subscribed: true, ..standing };
                    assert_eq!(client_subscribe(&TOKEN, kind, &room(), subscribed), Allow);
                    assert!(token_reads(kind, &room(), subscribed, Operation::StateRead));
                }
            }
        }
    }

    #[test]
    fn a_subscription_goes_with_the_right_to_it() {
        use ChannelType::{Private, Public};
        let room_only = [Grant { channels: "room".into(), operations: vec![Operation::Subscribe] }];
        for (kind, before, after, expected) in [
            (Private, None, Some(&[][..]), false),
            (Public, None, Some(&[][..]), true),
            (Public, None, Some(&room_only[..]), false),
            (Private, Some(&room_only[..]), Some(&[][..]), true),
            (Private, Some(&room_only[..]), None, true),
            (Public, Some(&room_only[..]), None, false),
            (Private, Some(&[][..]), Some(&room_only[..]), false),
        ] {
            assert_eq!(loses_subscription(kind, &room(), before, after), expected, "{kind:?} {before:?} {after:?}");
        }
    }

    #[test]
    fn client_writing_follows_the_settings() {
        let settings = |bits| Capabilities::from_bits(bits).unwrap_or_default();
        let table = [
            (0, false, false, false, false),
            (2, true, false, false, false),
            (4, false, true, false, false),
            (8, false, false, true, false),
            (16, false, false, false, true),
        ];
        for (bits, token_publish, anonymous_publish, token_state, anonymous_state) in table {
            let got = (
                client_publish(&TOKEN, settings(bits), &room(), Standing::NONE),
                client_publish(&ANONYMOUS, settings(bits), &room(), Standing::NONE),
                client_set_state(&TOKEN, settings(bits), &room(), Standing::NONE),
                client_set_state(&ANONYMOUS, settings(bits), &room(), Standing::NONE),
            );
            assert_eq!(got, (token_publish, anonymous_publish, token_state, anonymous_state), "{bits}");
        }
        assert_eq!(Capabilities::default(), settings(2));
        assert_eq!(Capabilities::from_bits(32), None);
    }
}
