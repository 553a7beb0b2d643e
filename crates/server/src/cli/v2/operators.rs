//! `tollgate operator …`: no requests to `/v2`, for operators belong to the whole server.

use clap::Subcommand;
use tollgate_core::roles::Role;

use crate::admin::Request;
use crate::cli::{Output, Task, admin};

#[derive(Debug, Subcommand)]
pub(crate) enum Operator {
    /// List the operators of the console
    List {
        #[command(flatten)]
        output: Output,
    },
    /// Invite an operator; prints a link by which it chooses a password
    Invite {
        /// Under which it will sign in
        #[arg(value_name = "NAME")]
        name: String,
        /// What it may do: viewer, editor or owner
        #[arg(long, value_parser = role)]
        role: Role,
        #[command(flatten)]
        output: Output,
    },
    /// Print a link by which an operator chooses a new password
    Link {
        /// Its name or id
        #[arg(value_name = "NAME")]
        operator: String,
        #[command(flatten)]
        output: Output,
    },
    /// Change what an operator may do
    #[command(visible_alias = "set")]
    Change {
        /// Its name or id
        #[arg(value_name = "NAME")]
        operator: String,
        /// What it may do: viewer, editor or owner
        #[arg(long, value_parser = role)]
        role: Role,
        #[command(flatten)]
        output: Output,
    },
    /// Sign an operator out everywhere, and let it in no more
    Disable {
        /// Its name or id
        #[arg(value_name = "NAME")]
        operator: String,
        #[command(flatten)]
        output: Output,
    },
    /// Let an operator in again
    Enable {
        /// Its name or id
        #[arg(value_name = "NAME")]
        operator: String,
        #[command(flatten)]
        output: Output,
    },
    /// Delete an operator; what it did stays in the audit log
    Delete {
        /// Its name or id
        #[arg(value_name = "NAME")]
        operator: String,
        #[command(flatten)]
        output: Output,
    },
}

fn role(word: &str) -> Result<Role, String> {
    Role::from_word(word).ok_or_else(|| "a role is viewer, editor or owner".into())
}

impl Operator {
    pub(crate) fn task(self) -> Task {
        let change = |operator, role, disabled| Request::ChangeOperator { operator, role, disabled };
        match self {
            Self::List { output } => admin(Request::ListOperators {}, &output),
            Self::Invite { name, role, output } => admin(Request::InviteOperator { name, role }, &output),
            Self::Link { operator, output } => admin(Request::LinkOperator { operator }, &output),
            Self::Change { operator, role, output } => admin(change(operator, Some(role), None), &output),
            Self::Disable { operator, output } => admin(change(operator, None, Some(true)), &output),
            Self::Enable { operator, output } => admin(change(operator, None, Some(false)), &output),
            Self::Delete { operator, output } => admin(Request::DeleteOperator { operator }, &output),
        }
    }
}
