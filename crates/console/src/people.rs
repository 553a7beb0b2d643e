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

/// The caller that an operator is now; nothing if there is no such operator any more.
pub(crate) fn person(_node: &Node, _id: OperatorId, _project: Option<ProjectId>) -> Option<(Caller, String, Role)> {
    None
}

/// Whose name and password these are.
pub(crate) async fn sign_in(_node: &Node, _name: &str, _password: &str) -> Result<OperatorId> {
    Err(Error::new(ErrorKind::InvalidAuth, "That name and password do not go together."))
}

/// Makes an operator of who has the code of an invitation.
pub(crate) async fn accept(_node: &Node, _code: &str, _name: &str, _password: &str) -> Result<OperatorId> {
    Err(Error::new(ErrorKind::Gone, "This link was used already, or is over."))
}
