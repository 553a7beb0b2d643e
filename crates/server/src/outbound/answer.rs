//! What the head of an answer says besides its status: when to come again, and how long it stays fresh. Pure.

use hyper::HeaderMap;
use hyper::header::{AGE, CACHE_CONTROL, RETRY_AFTER};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc2822;
use tollgate_core::clock::UnixMillis;

/// `Retry-After` in seconds from now, from a number or a date; 0 for a date that has passed. What is neither says nothing.
pub(super) fn retry_after_s(headers: &HeaderMap, now: UnixMillis) -> Option<u64> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    if text.bytes().all(|byte| byte.is_ascii_digit()) {
        // Of too many digits only that it is long is left.
        return (!text.is_empty()).then(|| text.parse().unwrap_or(u64::MAX));
    }
    let at = OffsetDateTime::parse(text, &Rfc2822).ok()?.unix_timestamp();
    Some(u64::try_from(at).unwrap_or(0).saturating_sub(now.0 / 1_000))
}

/// For how many seconds the answer stays fresh: `max-age` less `Age`; 0 for `no-store` and `no-cache`.
pub(super) fn cache_max_age_s(headers: &HeaderMap) -> Option<u64> {
    let mut max_age = None;
    let directives = headers.get_all(CACHE_CONTROL).iter().filter_map(|value| value.to_str().ok());
    for directive in directives.flat_map(|value| value.split(',')) {
        let (name, value) = directive.split_once('=').unwrap_or((directive, ""));
        match name.trim().to_ascii_lowercase().as_str() {
            "no-store" | "no-cache" => return Some(0),
            "max-age" if max_age.is_none() => max_age = value.trim().trim_matches('"').parse::<u64>().ok(),
            _ => {}
        }
    }
    let age = headers.get(AGE).and_then(|age| age.to_str().ok()?.trim().parse().ok()).unwrap_or(0);
    max_age.map(|max_age| max_age.saturating_sub(age))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn headers(all: &[(&'static str, &'static str)]) -> HeaderMap {
        all.iter()
            .map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap()))
            .collect::<Vec<_>>()
            .into_iter()
            .fold(
                HeaderMap::new(),
                |mut headers, (name, value): (hyper::header::HeaderName, hyper::header::HeaderValue)| {
                    headers.append(name, value);
                    headers
                },
            )
    }

    #[test]
    fn when_to_come_again() {
        // 784,111,777 s is Sun, 06 Nov 1994 08:49:37 GMT (RFC 9110, 5.6.7).
        let now = UnixMillis(784_111_700_500);
        for (text, seconds) in [
            ("120", Some(120)),
            (" 0 ", Some(0)),
            ("99999999999999999999999", Some(u64::MAX)),
            ("Sun, 06 Nov 1994 08:49:37 GMT", Some(77)),
            ("Sun, 06 Nov 1994 08:00:00 GMT", Some(0)),
            ("Sun, 06 Nov 1904 08:00:00 GMT", Some(0)),
            ("soon", None),
            ("-1", None),
            ("", None),
        ] {
            assert_eq!(retry_after_s(&headers(&[("retry-after", text)]), now), seconds, "{text:?}");
        }
        assert_eq!(retry_after_s(&HeaderMap::new(), now), None);
    }

    #[test]
    fn how_long_it_stays_fresh() {
        let control = |value: &'static str| ("cache-control", value);
        for (all, seconds) in [
            (&[control("max-age=600")][..], Some(600)),
            (&[control("public, Max-Age=\"600\" , must-revalidate")], Some(600)),
            (&[control("public"), control("max-age=600")], Some(600)),
            (&[control("max-age=600"), ("age", "100")], Some(500)),
            (&[control("max-age=600"), ("age", "1000")], Some(0)),
            (&[control("max-age=600, no-store")], Some(0)),
            (&[control("no-cache")], Some(0)),
            (&[control("s-maxage=5")], None),
            (&[control("max-age=-1")], None),
            (&[control("max-age")], None),
            (&[], None),
        ] {
            assert_eq!(cache_max_age_s(&headers(all)), seconds, "{all:?}");
        }
    }
}
