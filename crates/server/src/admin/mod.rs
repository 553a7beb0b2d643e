//! What the command line asks of a node, running or not: the requests, their answers as data, and how they are carried out. How a request
//! reaches a running server is [`crate::control`]'s; how an answer looks to people is [`show`]'s.

mod explained;
mod keyring;
mod operators;
mod perform;
pub(crate) mod show;

use std::net::SocketAddr;

use serde::{Deserialize, Serialize};
use tollgate_core::clock::UnixMillis;
use tollgate_core::roles::Role;

pub(crate) use perform::{about, perform, rfc3339};

use crate::backup::Stand;

/// One request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "do", rename_all = "snake_case", deny_unknown_fields)]
pub(crate) enum Request {
    CreateProject {
        name: String,
    },
    ListProjects {},
    /// `permissions` is a list as [`tollgate_core::permissions::Permissions::parse`] reads it.
    CreateKey {
        project: String,
        permissions: String,
    },
    ListKeys {
        project: Option<String>,
    },
    RevokeKey {
        key: String,
    },
    /// A request to `/v2`, as the operator of a project: the only one there is, where none is named.
    Api {
        project: Option<String>,
        method: String,
        /// With its query.
        path: String,
        /// JSON text.
        #[serde(default)]
        body: Option<String>,
        #[serde(default)]
        idempotency_key: Option<String>,
    },
    KeyringStatus {},
    RotateKeyring {
        what: KeyringPart,
    },
    /// The new key is in this file, which is not in use yet.
    RotateMasterKey {
        file: std::path::PathBuf,
    },
    RetireKeyringKey {
        number: u16,
    },
    VerifyAudit {},
    ListOperators {},
    InviteOperator {
        name: String,
        role: Role,
    },
    /// Operators are named by their names or ids.
    LinkOperator {
        operator: String,
    },
    ChangeOperator {
        operator: String,
        #[serde(default)]
        role: Option<Role>,
        #[serde(default)]
        disabled: Option<bool>,
    },
    DeleteOperator {
        operator: String,
    },
    /// Which server this is.
    About {},
    /// Into a file that does not exist, by its whole path. Answered when it has begun.
    BackUp {
        file: std::path::PathBuf,
    },
    LookAtBackup {
        file: std::path::PathBuf,
    },
    /// What the running server has counted.
    Metrics {},
    /// How the running server does.
    Pulse {},
}

/// A part of the keyring.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "snake_case")]
pub(crate) enum KeyringPart {
    /// The key that token secrets are derived from
    Tokens,
    /// The data keys that records are sealed under; every record is sealed again
    Data,
    /// The master key; everything it wraps is wrapped again
    Master,
}

/// The answer to one request.
#[derive(Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Answer {
    Project(CreatedProject),
    Projects(Vec<ListedProject>),
    Key(CreatedKey),
    Keys(Vec<ListedKey>),
    Revoked(RevokedKey),
    /// What `/v2` answered: JSON text, empty for 204.
    Api {
        status: u16,
        body: String,
    },
    /// JSON text, and one sentence for people.
    Said {
        json: String,
        text: String,
    },
    About {
        version: String,
        pid: u32,
        /// Of one that serves.
        #[serde(default)]
        serving: Option<Serving>,
    },
    /// How a backup stands.
    Backup(Stand),
    /// As Prometheus reads it.
    Metrics(String),
    /// One sentence why it was not done, starting with a code.
    Refused(String),
}

/// What a running server really does, whatever the settings say by now.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Serving {
    pub(crate) listen: SocketAddr,
    /// The console's own address, if it has one.
    #[serde(default)]
    pub(crate) console: Option<SocketAddr>,
    pub(crate) tls: bool,
    /// From when to when the certificate that it shows is good; nothing without one.
    pub(crate) certificate: Option<(UnixMillis, UnixMillis)>,
}

#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct CreatedProject {
    pub(crate) project: String,
    pub(crate) name: String,
    pub(crate) key: String,
}

/// Times are RFC 3339 in all answers.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct ListedProject {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) created_at: String,
}

#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct CreatedKey {
    pub(crate) id: String,
    pub(crate) project: String,
    pub(crate) key: String,
    pub(crate) permissions: Vec<String>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct ListedKey {
    pub(crate) id: String,
    pub(crate) project: String,
    pub(crate) hint: String,
    pub(crate) permissions: Vec<String>,
    pub(crate) created_at: String,
    pub(crate) last_used_at: Option<String>,
    pub(crate) revoked_at: Option<String>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct RevokedKey {
    pub(crate) id: String,
    pub(crate) revoked: bool,
}

/// Answers may hold a key in clear: nothing of theirs is ever printed by accident.
impl std::fmt::Debug for Answer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Project(_) => "Project(…)",
            Self::Projects(_) => "Projects(…)",
            Self::Key(_) => "Key(…)",
            Self::Keys(_) => "Keys(…)",
            Self::Revoked(_) => "Revoked(…)",
            Self::Api { .. } => "Api(…)",
            Self::Said { .. } => "Said(…)",
            Self::About { .. } => "About(…)",
            Self::Backup(_) => "Backup(…)",
            Self::Metrics(_) => "Metrics(…)",
            Self::Refused(_) => "Refused(…)",
        })
    }
}
