//! social.plus's sessions and user tokens, as its published SDKs call them: a facade over the same operations.

use crate::json::Object;
use crate::refusal::Refusal;

/// social.plus's envelope around an error (its OpenAPI): the SDKs read `code` and `message` alone.
pub(crate) fn envelope(refusal: &Refusal) -> String {
    let code = match refusal.status().as_u16() {
        401 => 400_100,
        403 => 400_300,
        404 | 405 | 410 => 400_400,
        409 => 400_900,
        429 => 400_311,
        400..=499 => 400_000,
        _ => 500_000,
    };
    let data = Object::new().raw("detail", "[]").close();
    Object::new()
        .text("status", "error")
        .number("code", code)
        .text("message", refusal.message())
        .raw("data", &data)
        .close()
}
