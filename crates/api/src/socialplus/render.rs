//! Our records as social.plus's objects. No envelope: the SDKs read the top level.

use tollgate_node::{SessionView, UserView};

use crate::hop::render::timestamp;
use crate::json::{Object, array};

/// When clients should have thrown their caches away: never yet.
const NO_CACHE_PURGE: &str = "1970-01-01T00:00:00.000Z";

/// One body for every version of the call, with all that any SDK reads.
pub(super) fn session(session: &SessionView, user_type: &str) -> String {
    let refresh_token = session.refresh_token.expose(tollgate_core::credentials::TokenSpelling::Native);
    Object::new()
        .text("accessToken", &session.access_token.text)
        .text("refreshToken", &refresh_token)
        .text("issuedAt", &timestamp(session.access_token.issued_at))
        .text("expiresAt", &timestamp(session.access_token.expires_at))
        .raw("users", &array([user(&session.user)]))
        .raw("files", "[]")
        .raw("roles", "[]")
        .text("lastCachePurge", NO_CACHE_PURGE)
        .text("userType", user_type)
        .close()
}

/// What the SDKs look at to see whether a token works.
pub(super) fn verified() -> String {
    Object::new().text("lastCachePurge", NO_CACHE_PURGE).close()
}

/// Users as every call that reads them answers.
pub(super) fn users(found: &UserView) -> String {
    Object::new().raw("users", &array([user(found)])).raw("files", "[]").close()
}

fn user(user: &UserView) -> String {
    let id = user.id.to_string();
    let object = Object::new()
        .text("_id", &id)
        // The SDKs make the names of all their topics from this.
        .text("path", &format!("{}/user/{id}", user.project))
        .text("userId", &user.user_id)
        .text("userInternalId", &id)
        .text("userPublicId", &user.user_id);
    let object = match &user.display_name {
        Some(name) => object.text("displayName", name),
        None => object.raw("displayName", "null"),
    };
    object
        .raw("metadata", user.attributes.as_ref().map_or("{}", |attributes| attributes.as_str()))
        .raw("roles", "[]")
        .raw("permissions", "[]")
        .number("flagCount", 0)
        .raw("hashFlag", "null")
        .flag("isDeleted", false)
        .flag("isGlobalBan", user.banned_at.is_some())
        .flag("isGlobalBanned", user.banned_at.is_some())
        .text("createdAt", &timestamp(user.created_at))
        .text("updatedAt", &timestamp(user.updated_at))
        .close()
}
