//! Operators, as the console asks the node for them: texts of forms become secrets here.

use tollgate_core::authorize::Caller;
use tollgate_core::command::PresentedSecret;
use tollgate_core::ids::ProjectId;
use tollgate_core::roles::Role;
use tollgate_core::{Error, ErrorKind, Result};
use tollgate_node::{Node, SignedIn};

/// The caller that an operator is now, with its name and role; nothing once this sign-in is over.
pub(crate) fn person(node: &Node, begun: SignedIn, project: Option<ProjectId>) -> Option<(Caller, String, Role)> {
    #[cfg(test)]
    if let Some(role) = usize::try_from(begun.operator.get()).ok().and_then(|number| Role::ALL.get(number).copied()) {
        return Some((Caller::Person { operator: begun.operator, role, project }, role.word().to_owned(), role));
    }
    if !node.signed_in(begun) {
        return None;
    }
    let caller = node.person(begun.operator, project)?;
    let operator = node.this_operator(&caller).ok()?;
    Some((caller, operator.name, operator.role))
}

/// Whose name and password these are.
pub(crate) async fn sign_in(node: &Node, name: &str, password: &str) -> Result<SignedIn> {
    node.sign_in(name.trim(), &PresentedSecret::new(password.to_owned())).await
}

/// Makes an operator of who has the code of an invitation, or gives it a new password.
pub(crate) async fn accept(node: &Node, code: &str, name: &str, password: &str) -> Result<SignedIn> {
    if code.is_empty() {
        return Err(Error::new(ErrorKind::Gone, "Open the link that was printed once more: its code is missing."));
    }
    let name = Some(name).filter(|name| !name.is_empty());
    node.accept_invitation(&PresentedSecret::new(code.to_owned()), name, &PresentedSecret::new(password.to_owned()))
        .await
}
