//! Checks of what callers choose for a token: its times, its state, and its terms.

use tollgate_core::clock::UnixMillis;
use tollgate_core::error::{Error, ErrorKind, Result};
use tollgate_core::grants;
use tollgate_core::json::JsonObject;
use tollgate_core::limits::{
    CONNECTIONS_PER_TOKEN_MAX, DEVICE_ID_CHARS_MAX, METADATA_BYTES_MAX, NETWORKS_PER_TOKEN_MAX, TOKEN_LIFE_MS_MAX,
    TOKEN_NAME_BYTES_MAX, TOKEN_STATE_BYTES_MAX,
};
use tollgate_core::peer::{Network, PEER_TEXT_BYTES_MAX};
use tollgate_core::records::TokenTerms;

/// Checks a token's state.
pub(super) fn check_state(state: Option<&JsonObject>) -> Result<()> {
    let bytes = state.map_or(0, |state| state.as_str().len());
    if bytes <= TOKEN_STATE_BYTES_MAX {
        return Ok(());
    }
    Err(Error::new(
        ErrorKind::TooLarge,
        format!("The token state has {bytes} bytes; at most {TOKEN_STATE_BYTES_MAX} are allowed."),
    ))
}

/// When a token ends, of which a caller may say the time or how long it lasts, but not both.
pub(super) fn end_of(end: Option<UnixMillis>, life_ms: Option<u64>, now: UnixMillis) -> Result<Option<UnixMillis>> {
    match (end, life_ms) {
        (Some(_), Some(_)) => {
            Err(Error::new(ErrorKind::InvalidInput, "Give `expires_at` or `ttl_s`, not both: they say the same."))
        }
        // Who means never says so. A time has no such bound: Hop's users write far ones for never.
        (None, Some(life_ms)) if life_ms > TOKEN_LIFE_MS_MAX => Err(Error::new(
            ErrorKind::InvalidInput,
            format!("`ttl_s` is more than {} days; give less, or no end at all.", TOKEN_LIFE_MS_MAX / 86_400_000),
        )),
        (None, Some(life_ms)) => Ok(Some(now.plus(life_ms))),
        (end, None) => Ok(end),
    }
}

/// Checks when a token begins and ends.
pub(super) fn check_end(end: Option<UnixMillis>, start: Option<UnixMillis>, now: UnixMillis) -> Result<()> {
    let refused = |why: String| Err(Error::new(ErrorKind::InvalidInput, why));
    if end.is_some_and(|end| end <= now) {
        return refused("`expires_at` is in the past; give a time in the future, or null for never.".into());
    }
    let latest = now.plus(TOKEN_LIFE_MS_MAX);
    if start.is_some_and(|start| start > latest) {
        return refused(format!("`not_before` is more than {} days ahead.", TOKEN_LIFE_MS_MAX / 86_400_000));
    }
    if let (Some(start), Some(end)) = (start, end)
        && start >= end
    {
        return refused("`not_before` must be earlier than the token's end.".into());
    }
    Ok(())
}

/// Checks terms, and spells networks and origins as they are compared.
pub(super) fn check_terms(mut terms: TokenTerms) -> Result<TokenTerms> {
    let refused = |why: String| Err(Error::new(ErrorKind::InvalidInput, why));
    grants::check(terms.grants.as_deref().unwrap_or_default())?;
    let most = CONNECTIONS_PER_TOKEN_MAX as u32;
    if terms.connections_max.is_some_and(|max| max == 0 || max > most) {
        return refused(format!("`max_connections` must be 1 to {most}."));
    }
    for (name, list) in [("networks", &terms.networks), ("origins", &terms.origins)] {
        if list.len() > NETWORKS_PER_TOKEN_MAX {
            return Err(Error::new(
                ErrorKind::LimitReached,
                format!("`{name}` has {} entries; at most {NETWORKS_PER_TOKEN_MAX} are allowed.", list.len()),
            ));
        }
    }
    for network in &mut terms.networks {
        *network = network
            .parse::<Network>()
            .map_err(|error| Error::new(error.kind, format!("`networks`: {}", error.detail)))?
            .to_string();
    }
    for origin in &mut terms.origins {
        *origin = checked_origin(origin)?;
    }
    let metadata = terms.metadata.as_ref().map_or(0, |metadata| metadata.as_str().len());
    if metadata > METADATA_BYTES_MAX {
        return Err(Error::new(
            ErrorKind::TooLarge,
            format!("`metadata` has {metadata} bytes; at most {METADATA_BYTES_MAX} are allowed."),
        ));
    }
    let device = terms.device.as_deref().map_or(1, |device| device.chars().count());
    if device == 0 || device > DEVICE_ID_CHARS_MAX || has_control(terms.device.as_deref()) {
        return refused(format!(
            "`device_id` must have 1 to {DEVICE_ID_CHARS_MAX} characters, and no control characters."
        ));
    }
    let name = terms.name.as_deref().map_or(1, str::len);
    if name == 0 || name > TOKEN_NAME_BYTES_MAX || has_control(terms.name.as_deref()) {
        return refused(format!("`name` must have 1 to {TOKEN_NAME_BYTES_MAX} bytes, and no control characters."));
    }
    Ok(terms)
}

fn has_control(text: Option<&str>) -> bool {
    text.is_some_and(|text| text.chars().any(char::is_control))
}

/// An origin as browsers send it: scheme, host, and port unless it is the scheme's own (RFC 6454, section 6.2).
fn checked_origin(text: &str) -> Result<String> {
    let lower = text.to_ascii_lowercase();
    let host =
        lower.split_once("://").filter(|(scheme, _)| !scheme.is_empty() && is_word(scheme)).map(|(_, host)| host);
    let is_host =
        |host: &str| !host.is_empty() && host.bytes().all(|byte| is_word_byte(byte) || b".:[]_".contains(&byte));
    if !host.is_some_and(is_host) || lower.len() > PEER_TEXT_BYTES_MAX {
        let shown: String = text.chars().take(64).collect();
        return Err(Error::new(
            ErrorKind::InvalidInput,
            format!(
                "{shown:?} in `origins` is no origin; write it as browsers do, like \"https://app.example.com\" or \"http://localhost:3000\"."
            ),
        ));
    }
    let own = [("https://", ":443"), ("http://", ":80")];
    let without =
        own.iter().find_map(|(scheme, port)| lower.strip_suffix(port).filter(|rest| rest.starts_with(scheme)));
    Ok(without.unwrap_or(&lower).to_owned())
}

fn is_word(text: &str) -> bool {
    text.bytes().all(|byte| is_word_byte(byte) || byte == b'+')
}

const fn is_word_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'-'
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn origins_are_those_of_browsers() {
        for (text, expected) in [
            ("https://App.Example.com", Some("https://app.example.com")),
            ("https://app.example.com:443", Some("https://app.example.com")),
            ("http://localhost:3000", Some("http://localhost:3000")),
            ("http://[::1]:80", Some("http://[::1]")),
            ("capacitor://localhost", Some("capacitor://localhost")),
            ("https://", None),
            ("app.example.com", None),
            ("https://a/b", None),
            ("https://*", None),
            ("null", None),
            ("", None),
        ] {
            assert_eq!(checked_origin(text).ok().as_deref(), expected, "{text}");
        }
    }

    #[test]
    fn terms_are_checked() {
        let terms = |edit: fn(&mut TokenTerms)| {
            let mut terms = TokenTerms::default();
            edit(&mut terms);
            check_terms(terms).map_err(|error| error.kind)
        };
        use ErrorKind::{InvalidInput, LimitReached, TooLarge};
        for (edit, expected) in [
            ((|_| {}) as fn(&mut TokenTerms), None),
            (|terms| terms.connections_max = Some(1_024), None),
            (|terms| terms.connections_max = Some(1_025), Some(InvalidInput)),
            (|terms| terms.connections_max = Some(0), Some(InvalidInput)),
            (|terms| terms.networks = vec!["10.0.0.0/8".into(), "::1".into()], None),
            (|terms| terms.networks = vec!["10.0.0.1/8".into()], Some(InvalidInput)),
            (|terms| terms.networks = vec!["::1".into(); 33], Some(LimitReached)),
            (|terms| terms.origins = vec!["x".into()], Some(InvalidInput)),
            (|terms| terms.name = Some("n".repeat(255)), None),
            (|terms| terms.name = Some("n".repeat(256)), Some(InvalidInput)),
            (|terms| terms.name = Some("a\u{1}".into()), Some(InvalidInput)),
            (|terms| terms.device = Some("é".repeat(150)), None),
            (|terms| terms.device = Some("é".repeat(151)), Some(InvalidInput)),
            (|terms| terms.device = Some(String::new()), Some(InvalidInput)),
            (
                |terms| {
                    let text = format!("{{\"a\":\"{}\"}}", "x".repeat(8_192));
                    terms.metadata = JsonObject::parse(text.as_bytes(), 100_000).ok();
                },
                Some(TooLarge),
            ),
        ] {
            assert_eq!(terms(edit).err(), expected);
        }
        let spelled = terms(|terms| terms.networks = vec!["::1".into()]).unwrap().networks;
        assert_eq!(spelled, ["::1/128"]);
    }

    #[test]
    fn times_are_in_order_and_lives_within_ten_years() {
        let day = 86_400_000;
        let ten_years = 3_650 * day;
        for (start, end, is_fine) in [
            (None, None, true),
            (None, Some(0), false),
            (None, Some(1), true),
            (None, Some(ten_years), true),
            (None, Some(u64::MAX / 2), true),
            (Some(5), Some(5), false),
            (Some(4), Some(5), true),
            (Some(ten_years + 1), None, false),
        ] {
            let now = UnixMillis(1_000_000);
            let after = |ms: u64| now.plus(ms);
            assert_eq!(check_end(end.map(after), start.map(after), now).is_ok(), is_fine, "{start:?} {end:?}");
        }
        for (life, is_fine) in [(ten_years, true), (ten_years + 1, false), (u64::MAX, false)] {
            assert_eq!(end_of(None, Some(life), UnixMillis(1_000_000)).is_ok(), is_fine, "{life}");
        }
    }
}
