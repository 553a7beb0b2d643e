//! The session's cookie and the theme's: their spelling, both ways. What a session is, is elsewhere.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::header::COOKIE;
use http::{HeaderMap, HeaderValue};
use tollgate_core::clock::Entropy;
use tollgate_core::credentials::fingerprint;

use crate::sessions::Name;

/// With this prefix a browser takes it from this host alone, for all of it, over a connection that it trusts.
const SESSION: &str = "__Host-tollgate";
const THEME: &str = "tollgate-theme";
/// Bytes of a cookie header that are looked at.
const HEADER_BYTES_MAX: usize = 8 * 1024;

/// A new session's secret.
pub(crate) struct Drawn {
    value: String,
}

impl Drawn {
    pub(crate) fn new(entropy: &dyn Entropy) -> Self {
        let mut bytes = [0; 32];
        entropy.fill(&mut bytes);
        Self { value: URL_SAFE_NO_PAD.encode(bytes) }
    }

    /// What the table knows it by.
    pub(crate) fn name(&self) -> Name {
        name_of(&self.value)
    }

    /// The text itself, for what is put into forms.
    pub(crate) fn into_value(self) -> String {
        self.value
    }

    /// The header that hands it out.
    pub(crate) fn header(&self) -> HeaderValue {
        let text = format!("{SESSION}={}; Secure; HttpOnly; SameSite=Strict; Path=/", self.value);
        HeaderValue::from_str(&text).expect("invariant: base64 is a header's text")
    }
}

fn name_of(value: &str) -> Name {
    fingerprint(&[b"console session", value.as_bytes()])
}

/// Takes the session's cookie away.
pub(crate) fn gone() -> HeaderValue {
    HeaderValue::from_static("__Host-tollgate=; Max-Age=0; Secure; HttpOnly; SameSite=Strict; Path=/")
}

/// Remembers a theme.
pub(crate) fn theme_header(theme: &'static str) -> HeaderValue {
    let text = format!("{THEME}={theme}; Max-Age=31536000; SameSite=Strict; Path=/console");
    HeaderValue::from_str(&text).expect("invariant: the words of themes are a header's text")
}

/// The name of the session that a request comes with.
pub(crate) fn session(headers: &HeaderMap) -> Option<Name> {
    // 43 characters are 32 bytes; nothing else was ever handed out.
    values(headers, SESSION).find(|value| value.len() == 43).map(name_of)
}

/// The theme that was chosen.
pub(crate) fn theme(headers: &HeaderMap) -> Option<&'static str> {
    values(headers, THEME).find_map(theme_named)
}

/// A theme's word.
pub(crate) fn theme_named(word: &str) -> Option<&'static str> {
    ["light", "dark"].into_iter().find(|one| *one == word)
}

fn values<'a>(headers: &'a HeaderMap, name: &'static str) -> impl Iterator<Item = &'a str> {
    headers
        .get_all(COOKIE)
        .iter()
        .filter(|value| value.len() <= HEADER_BYTES_MAX)
        .filter_map(|value| value.to_str().ok())
        .flat_map(|text| text.split(';'))
        .filter_map(move |pair| pair.trim().strip_prefix(name)?.strip_prefix('='))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn only_whole_cookies_of_this_name_are_read() {
        let secret = "A".repeat(43);
        let table = [
            (format!("__Host-tollgate={secret}"), true),
            (format!("a=b; __Host-tollgate={secret}; c=d"), true),
            (format!("__Host-tollgate={secret}x"), false),
            (format!("__Host-tollgate2={secret}"), false),
            (format!("tollgate={secret}"), false),
            ("__Host-tollgate=".to_owned(), false),
            (format!("{}; __Host-tollgate={secret}", "x".repeat(HEADER_BYTES_MAX)), false),
        ];
        for (text, read) in table {
            let mut headers = HeaderMap::new();
            headers.insert(COOKIE, HeaderValue::from_str(&text).unwrap());
            assert_eq!(session(&headers), read.then(|| name_of(&secret)), "{text}");
        }
    }
}
