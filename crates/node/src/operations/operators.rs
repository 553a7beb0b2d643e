//! The server's operators: who they are, and what they may do at this moment.

use tollgate_core::authorize::Caller;
use tollgate_core::ids::{OperatorId, ProjectId};

use crate::Node;

impl Node {
    /// An operator as a caller, with the role of this moment, at work on a project or, without one, on the whole server. Nothing for one
    /// who is gone or disabled. Ask on every request.
    #[must_use]
    pub const fn person(&self, _operator: OperatorId, _project: Option<ProjectId>) -> Option<Caller> {
        None
    }
}
