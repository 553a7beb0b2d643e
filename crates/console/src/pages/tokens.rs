//! The list of tokens, and making one.

use tollgate_node::TokenStatus;

/// The colour of a status's tag.
pub(crate) fn look(status: TokenStatus) -> &'static str {
    match status {
        TokenStatus::Active => "good",
        TokenStatus::Expired | TokenStatus::NotYetValid => "warn",
        TokenStatus::Revoked => "bad",
    }
}
