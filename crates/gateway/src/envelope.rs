//! The answers that the gateway gives by itself, in the same forms as the API's: callers have one form of error to understand behind each door,
//! and pages of other origins can read it. The codes are those of `docs/errors.md`.

use http::header::{ACCESS_CONTROL_ALLOW_ORIGIN, ALLOW, CACHE_CONTROL, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderValue, Response, StatusCode};

use crate::door::{ErrorForm, Refused};

/// An error with a code and one sentence for the caller, in Hop's envelope.
pub(crate) fn error<B: From<String>>(status: StatusCode, code: &'static str, message: &str) -> Response<B> {
    response(&Refused { status, code, text: message.to_owned(), errors: ErrorForm::Envelope })
}

/// An error in the form of its door.
pub(crate) fn response<B: From<String>>(refused: &Refused) -> Response<B> {
    let mut response = Response::new(B::from(text(refused)));
    *response.status_mut() = refused.status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type(refused.errors)));
    headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    match refused.status {
        StatusCode::SERVICE_UNAVAILABLE => {
            headers.insert(RETRY_AFTER, HeaderValue::from_static("1"));
        }
        // Of streams: a handshake replaces it by what it takes.
        StatusCode::METHOD_NOT_ALLOWED => {
            headers.insert(ALLOW, HeaderValue::from_static("GET, POST, OPTIONS"));
        }
        StatusCode::UNAUTHORIZED => {
            headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer realm=\"tollgate\""));
        }
        _ => {}
    }
    response
}

/// The bytes of the whole answer, where no HTTP library sends it; the connection ends with it.
pub(crate) fn whole(refused: &Refused) -> String {
    use std::fmt::Write as _;
    let response = response::<String>(refused);
    let mut head = format!("HTTP/1.1 {}\r\n", refused.status);
    for (name, value) in response.headers() {
        let _infallible = write!(head, "{name}: {}\r\n", value.to_str().unwrap_or_default());
    }
    format!("{head}connection: close\r\ncontent-length: {}\r\n\r\n{}", response.body().len(), response.body())
}

fn content_type(form: ErrorForm) -> &'static str {
    match form {
        ErrorForm::Envelope => "application/json",
        ErrorForm::Problem => "application/problem+json",
    }
}

fn text(refused: &Refused) -> String {
    let Refused { status, code, text, errors } = refused;
    let mut body = match errors {
        ErrorForm::Envelope => format!(r#"{{"success":false,"error":{{"code":"{code}","message":""#),
        ErrorForm::Problem => {
            let title = status.canonical_reason().unwrap_or("Error");
            let (retryable, status) = (*status == StatusCode::SERVICE_UNAVAILABLE, status.as_u16());
            format!(
                r#"{{"type":"/docs#{code}","title":"{title}","status":{status},"code":"{code}","retryable":{retryable},"detail":""#
            )
        }
    };
    escape(text, &mut body);
    body.push_str(match errors {
        ErrorForm::Envelope => r#""}}"#,
        ErrorForm::Problem => r#""}"#,
    });
    body
}

/// Appends text as the inside of a JSON string. Control characters have no place in a sentence and are replaced.
pub(crate) fn escape(text: &str, out: &mut String) {
    for character in text.chars() {
        match character {
            '"' | '\\' => out.extend(['\\', character]),
            control if control.is_control() => out.push('\u{fffd}'),
            other => out.push(other),
        }
    }
}

/// The code of a handshake that is refused with this status.
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

    #[test]
    fn our_own_doors_answer_with_problem_details() {
        let refused = Refused {
            status: StatusCode::UNAUTHORIZED,
            code: "invalid_auth",
            text: "No \"token\".".to_owned(),
            errors: ErrorForm::Problem,
        };
        let expected = r#"{"type":"/docs#invalid_auth","title":"Unauthorized","status":401,"code":"invalid_auth","retryable":false,"detail":"No \"token\"."}"#;
        assert_eq!(response::<String>(&refused).body(), expected);
        let whole = whole(&refused);
        assert!(
            whole.starts_with("HTTP/1.1 401 Unauthorized\r\ncontent-type: application/problem+json\r\n"),
            "{whole}"
        );
        assert!(whole.ends_with(&format!("content-length: {}\r\n\r\n{expected}", expected.len())), "{whole}");
    }
}
