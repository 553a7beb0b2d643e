//! The answers that the gateway gives by itself, in the same envelope as the API's: callers have one form of error to understand, and pages of
//! other origins can read it. The codes are those of `docs/errors.md`.

use http::header::{ACCESS_CONTROL_ALLOW_ORIGIN, CONTENT_TYPE};
use http::{HeaderValue, Response, StatusCode};

/// An error with a code and one sentence for the caller.
pub(crate) fn error<B: From<String>>(status: StatusCode, code: &str, message: &str) -> Response<B> {
    let mut response = Response::new(B::from(body(code, message)));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response.headers_mut().insert(ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
    response
}

/// The text of the envelope.
pub(crate) fn body(code: &str, message: &str) -> String {
    let mut body = format!(r#"{{"success":false,"error":{{"code":"{code}","message":""#);
    for character in message.chars() {
        match character {
            '"' | '\\' => body.extend(['\\', character]),
            control if control.is_control() => body.push('\u{fffd}'),
            other => body.push(other),
        }
    }
    body.push_str(r#""}}"#);
    body
}

/// The code of a request that a door refuses with this status.
pub(crate) fn code_of(status: StatusCode) -> &'static str {
    match status {
        StatusCode::METHOD_NOT_ALLOWED => "method_not_allowed",
        StatusCode::UPGRADE_REQUIRED => "upgrade_required",
        _ => "invalid_input",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_text_becomes_json_that_other_origins_can_read() {
        let response = error::<String>(StatusCode::BAD_REQUEST, "invalid_input", "The \"x\\\"\n is é.");
        assert_eq!(response.status(), 400);
        assert_eq!(response.headers()[ACCESS_CONTROL_ALLOW_ORIGIN], "*");
        let expected = "{\"success\":false,\"error\":{\"code\":\"invalid_input\",\"message\":\"The \\\"x\\\\\\\"\u{fffd} is é.\"}}";
        assert_eq!(response.body(), expected);
    }
}
