//! `tollgate keyring …`: no requests to `/v2`, for the keys belong to the whole server.

use clap::Subcommand;

use crate::admin::{KeyringPart, Request};
use crate::cli::{Output, Task, admin};

#[derive(Debug, Subcommand)]
pub(crate) enum Keyring {
    /// Show which keys there are and what hangs on them
    Status {
        #[command(flatten)]
        output: Output,
    },
    /// Make a new key; the old one goes on working
    Rotate {
        /// Which key
        #[arg(value_enum, default_value = "tokens")]
        what: KeyringPart,
        #[command(flatten)]
        output: Output,
    },
    /// Retire a token key: every secret spelled under it is refused from now on
    Retire {
        /// Its number
        #[arg(value_name = "N")]
        number: u16,
        #[command(flatten)]
        output: Output,
    },
}

impl Keyring {
    pub(crate) fn task(self) -> Task {
        match self {
            Self::Status { output } => admin(Request::KeyringStatus {}, &output),
            Self::Rotate { what, output } => admin(Request::RotateKeyring { what }, &output),
            Self::Retire { number, output } => admin(Request::RetireKeyringKey { number }, &output),
        }
    }
}
