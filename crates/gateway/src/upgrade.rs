//! The WebSocket opening handshake (RFC 6455 section 4.2): is this request one, and if so, what is the answer.
//!
//! Pure; it knows no dialect: the door says which subprotocol is spoken behind it. No extension is ever accepted here.

use std::borrow::Cow;

use aws_lc_rs::digest::{SHA1_FOR_LEGACY_USE_ONLY, digest};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::header::{
    ALLOW, CONNECTION, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_PROTOCOL, SEC_WEBSOCKET_VERSION, UPGRADE,
};
use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Response, StatusCode, Version};

use crate::door::{self, ErrorForm};
use crate::envelope;

/// The GUID of RFC 6455 section 1.3.
const ACCEPT_GUID: &[u8; 36] = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
/// Characters of `Sec-WebSocket-Key`: 16 bytes in base64, which has no other spelling of them.
const KEY_CHARS: usize = 24;

/// Why a request on a WebSocket path cannot be upgraded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refused {
    Method,
    HttpVersion,
    NotAnUpgrade,
    Version,
    Key,
    /// The one that the door speaks is not among those that were offered.
    Subprotocol(&'static str),
}

impl Refused {
    fn status(self) -> StatusCode {
        match self {
            Refused::Method => StatusCode::METHOD_NOT_ALLOWED,
            Refused::NotAnUpgrade | Refused::Version => StatusCode::UPGRADE_REQUIRED,
            Refused::HttpVersion | Refused::Key | Refused::Subprotocol(_) => StatusCode::BAD_REQUEST,
        }
    }

    fn text(self) -> Cow<'static, str> {
        match self {
            Refused::Method => "A WebSocket is opened with GET.".into(),
            Refused::HttpVersion => "A WebSocket is opened over HTTP/1.1.".into(),
            Refused::NotAnUpgrade => {
                "This is a WebSocket endpoint: send `Connection: Upgrade` and `Upgrade: websocket`, or use a WebSocket client.".into()
            }
            Refused::Version => {
                "Only WebSocket version 13 is spoken here: send `Sec-WebSocket-Version: 13`.".into()
            }
            Refused::Key => "`Sec-WebSocket-Key` must be sent once and be 16 bytes in base64.".into(),
            Refused::Subprotocol(spoken) => format!(
                "Another protocol than the one spoken here was asked for, or none: send `Sec-WebSocket-Protocol: {spoken}`, in a browser \
                 `new WebSocket(url, \"{spoken}\")`."
            )
            .into(),
        }
    }

    /// The answer to such a request.
    pub(crate) fn response<B: From<String>>(self, errors: ErrorForm) -> Response<B> {
        let (status, code) = (self.status(), envelope::code_of(self.status()));
        let mut response = envelope::response(&door::Refused { status, code, text: self.text().into_owned(), errors });
        if self.status() == StatusCode::METHOD_NOT_ALLOWED {
            response.headers_mut().insert(ALLOW, HeaderValue::from_static("GET"));
        }
        if self.status() == StatusCode::UPGRADE_REQUIRED {
            response.headers_mut().insert(UPGRADE, HeaderValue::from_static("websocket"));
            response.headers_mut().insert(CONNECTION, HeaderValue::from_static("Upgrade"));
            response.headers_mut().insert(SEC_WEBSOCKET_VERSION, HeaderValue::from_static("13"));
        }
        response
    }
}

/// A handshake that is as it should be, and what to answer it with.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Handshake {
    /// The value for `Sec-WebSocket-Accept`.
    accept: HeaderValue,
    subprotocol: Option<&'static str>,
}

/// Checks the request for a WebSocket on which `subprotocol` is spoken, if the door wants one.
pub(crate) fn check(request: &Parts, subprotocol: Option<&'static str>) -> Result<Handshake, Refused> {
    if request.method != Method::GET {
        return Err(Refused::Method);
    }
    if request.version != Version::HTTP_11 {
        return Err(Refused::HttpVersion);
    }
    if !has_word(&request.headers, &UPGRADE, b"websocket") || !has_word(&request.headers, &CONNECTION, b"upgrade") {
        return Err(Refused::NotAnUpgrade);
    }
    if only(&request.headers, &SEC_WEBSOCKET_VERSION).is_none_or(|version| version != b"13") {
        return Err(Refused::Version);
    }
    let key = only(&request.headers, &SEC_WEBSOCKET_KEY).and_then(|key| key.try_into().ok()).ok_or(Refused::Key)?;
    // Four characters for every three bytes, and the decoder asks for room for all of them.
    if STANDARD.decode_slice::<&[u8; KEY_CHARS]>(key, &mut [0; KEY_CHARS / 4 * 3]) != Ok(16) {
        return Err(Refused::Key);
    }
    if let Some(spoken) = subprotocol.filter(|spoken| !lists(&request.headers, spoken)) {
        return Err(Refused::Subprotocol(spoken));
    }
    Ok(Handshake { accept: accept(key)?, subprotocol })
}

/// The value that proves that the request was understood.
fn accept(key: &[u8; KEY_CHARS]) -> Result<HeaderValue, Refused> {
    let mut proof = [0; KEY_CHARS + ACCEPT_GUID.len()];
    proof[..KEY_CHARS].copy_from_slice(key);
    proof[KEY_CHARS..].copy_from_slice(ACCEPT_GUID);
    // 20 bytes are 28 characters.
    let mut text = [0; 28];
    let length = STANDARD.encode_slice(digest(&SHA1_FOR_LEGACY_USE_ONLY, &proof), &mut text);
    length.ok().and_then(|length| HeaderValue::from_bytes(&text[..length]).ok()).ok_or(Refused::Key)
}

/// The answer that turns the connection into a WebSocket.
pub(crate) fn switching<B: From<String>>(handshake: Handshake) -> Response<B> {
    let mut response = Response::new(B::from(String::new()));
    *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    response.headers_mut().insert(UPGRADE, HeaderValue::from_static("websocket"));
    response.headers_mut().insert(CONNECTION, HeaderValue::from_static("Upgrade"));
    response.headers_mut().insert(SEC_WEBSOCKET_ACCEPT, handshake.accept);
    if let Some(subprotocol) = handshake.subprotocol {
        response.headers_mut().insert(SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static(subprotocol));
    }
    response
}

/// The value of a header that is there exactly once.
fn only<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a [u8]> {
    let mut values = headers.get_all(name).iter();
    let value = values.next()?.as_bytes().trim_ascii();
    values.next().is_none().then_some(value)
}

/// The items of a comma-separated header.
fn items<'a>(headers: &'a HeaderMap, name: &HeaderName) -> impl Iterator<Item = &'a [u8]> {
    let values = headers.get_all(name).iter();
    values.flat_map(|value| value.as_bytes().split(|byte| *byte == b',')).map(<[u8]>::trim_ascii)
}

/// Whether a comma-separated header holds a word, in any case.
fn has_word(headers: &HeaderMap, name: &HeaderName, word: &[u8]) -> bool {
    items(headers, name).any(|item| item.eq_ignore_ascii_case(word))
}

/// Whether a subprotocol is offered. Names of subprotocols have one spelling.
fn lists(headers: &HeaderMap, subprotocol: &str) -> bool {
    items(headers, &SEC_WEBSOCKET_PROTOCOL).any(|item| item == subprotocol.as_bytes())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    /// The request of RFC 6455 section 1.3, with some headers replaced (`""` removes one).
    fn request(method: &str, changes: &[(&'static str, &[u8])]) -> Parts {
        let mut builder = http::Request::builder().method(method).uri("/ws");
        let headers = builder.headers_mut().unwrap();
        for (name, value) in [
            ("upgrade", "websocket"),
            ("connection", "keep-alive, Upgrade"),
            ("sec-websocket-version", "13"),
            ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="),
        ] {
            headers.insert(name, HeaderValue::from_static(value));
        }
        for (name, value) in changes {
            headers.remove(*name);
            for value in value.split(|byte| *byte == b'|').filter(|value| !value.is_empty()) {
                headers.append(*name, HeaderValue::from_bytes(value).unwrap());
            }
        }
        builder.body(()).unwrap().into_parts().0
    }

    #[test]
    fn the_example_of_the_rfc_is_answered_as_it_says() {
        assert_eq!(check(&request("GET", &[]), None).unwrap().accept, "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
    }

    #[test]
    fn what_is_wrong_is_said() {
        let table: &[(&str, &'static str, &[u8], Refused)] = &[
            ("POST", "x", b"", Refused::Method),
            ("GET", "upgrade", b"", Refused::NotAnUpgrade),
            ("GET", "upgrade", b"h2c", Refused::NotAnUpgrade),
            ("GET", "connection", b"close", Refused::NotAnUpgrade),
            ("GET", "connection", b"upgrade\xFF", Refused::NotAnUpgrade),
            ("GET", "sec-websocket-version", b"", Refused::Version),
            ("GET", "sec-websocket-version", b"8", Refused::Version),
            ("GET", "sec-websocket-version", b"13|13", Refused::Version),
            ("GET", "sec-websocket-key", b"", Refused::Key),
            ("GET", "sec-websocket-key", b"short", Refused::Key),
            ("GET", "sec-websocket-key", b"\xFF\xFE", Refused::Key),
            ("GET", "sec-websocket-key", b"dGhlIHNhbXBsZSBub25jZQ==|dGhlIHNhbXBsZSBub25jZQ==", Refused::Key),
        ];
        for (method, name, value, expected) in table {
            assert_eq!(check(&request(method, &[(*name, *value)]), None), Err(*expected), "{method} {name}: {value:?}");
        }
    }

    #[test]
    fn a_subprotocol_is_answered_when_it_is_offered_and_asked_for_when_it_is_not() {
        for (offered, spoken) in [
            (&b""[..], false),
            (b"tollgate.v1", true),
            (b"chat, tollgate.v1", true),
            (b"chat ,tollgate.v1\t, x", true),
            (b"chat|tollgate.v1", true),
            (b"tollgate.v2", false),
            (b"tollgate.v11", false),
            (b"TOLLGATE.V1", false),
            (b"chat tollgate.v1", false),
            (b"tollgate.v1\xFF", false),
            (b",,", false),
        ] {
            let request = request("GET", &[("sec-websocket-protocol", offered)]);
            match check(&request, Some("tollgate.v1")) {
                Ok(handshake) => {
                    assert!(spoken, "{offered:?}");
                    assert_eq!(switching::<String>(handshake).headers()[SEC_WEBSOCKET_PROTOCOL], "tollgate.v1");
                }
                Err(refused) => {
                    assert!(!spoken, "{offered:?}");
                    let response = refused.response::<String>(ErrorForm::Problem);
                    assert_eq!(response.status(), StatusCode::BAD_REQUEST);
                    assert!(response.body().contains("send `Sec-WebSocket-Protocol: tollgate.v1`"), "{response:?}");
                }
            }
            // A door that speaks none answers with none, whatever is offered: as Hop's clients have it.
            let response = switching::<String>(check(&request, None).unwrap());
            assert!(!response.headers().contains_key(SEC_WEBSOCKET_PROTOCOL), "{offered:?}");
        }
    }

    #[test]
    fn a_refusal_names_what_to_send() {
        let response = Refused::Method.response::<String>(ErrorForm::Problem);
        assert_eq!(
            (response.status(), &response.headers()[ALLOW]),
            (StatusCode::METHOD_NOT_ALLOWED, &"GET".parse().unwrap())
        );
        let response = Refused::Version.response::<String>(ErrorForm::Envelope);
        assert_eq!(response.status(), StatusCode::UPGRADE_REQUIRED);
        assert_eq!(response.headers()[SEC_WEBSOCKET_VERSION], "13");
        assert!(response.body().contains("Sec-WebSocket-Version: 13"));
    }
}
