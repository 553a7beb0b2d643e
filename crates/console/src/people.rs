//! Operators, as the console asks the node for them.

use tollgate_core::authorize::Caller;
use tollgate_core::ids::{OperatorId, ProjectId};
use tollgate_core::roles::Role;
use tollgate_core::{Error, ErrorKind, Result};
use tollgate_node::Node;

/// Whether anybody may sign in yet.
pub(crate) fn has_operator(_node: &Node) -> bool {
    false
}

/// Who signed in, and which run of sessions that began.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SignedIn {
    pub(crate) operator: OperatorId,
    pub(crate) run: u32,
}

/// The caller that an operator is now, with its name and role; nothing once this sign-in is over.
pub(crate) fn person(_node: &Node, begun: SignedIn, project: Option<ProjectId>) -> Option<(Caller, String, Role)> {
    #[cfg(test)]
    if let Some(role) = usize::try_from(begun.operator.get()).ok().and_then(|number| Role::ALL.get(number).copied()) {
        return Some((Caller::Person { operator: begun.operator, role, project }, role.word().to_owned(), role));
    }
    let _ = (begun, project);
    None
}

/// Whose name and password these are.
pub(crate) async fn sign_in(_node: &Node, _name: &str, _password: &str) -> Result<SignedIn> {
    Err(Error::new(ErrorKind::InvalidAuth, "That name and password do not go together."))
}

/// Makes an operator of who has the code of an invitation.
pub(crate) async fn accept(_node: &Node, _code: &str, _name: &str, _password: &str) -> Result<SignedIn> {
    Err(Error::new(ErrorKind::Gone, "This link was used already, or is over."))
}
