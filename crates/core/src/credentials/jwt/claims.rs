//! Claims by name and type. A claim of the wrong JSON type is refused, never treated as absent: a token whose `exp` is a string
//! would live for ever (CVE-2026-25537).

use super::refusal::JwtRefusal;
use crate::clock::UnixMillis;
use serde_json::{Map, Value};

/// Longest name or path of a claim in an issuer's settings, in bytes.
pub const CLAIM_PATH_BYTES_MAX: usize = 256;
/// 9999-12-31T23:59:59Z. Whatever is later was not meant in seconds.
const TIME_S_MAX: u64 = 253_402_300_799;

/// A time of the token in seconds since 1970. Fractions are allowed (RFC 7519 section 2) and rounded against the bearer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Moment {
    pub(super) rounded_down: u64,
    pub(super) rounded_up: u64,
}

pub(super) fn optional_time(claims: &Map<String, Value>, name: &'static str) -> Result<Option<Moment>, JwtRefusal> {
    let Some(value) = claims.get(name) else { return Ok(None) };
    let Value::Number(number) = value else { return Err(wrong_type(name, "a number of seconds")) };
    let moment = match (number.as_u64(), number.as_f64()) {
        (Some(whole), _) => Moment { rounded_down: whole, rounded_up: whole },
        // What is beyond u64 comes as a float as well; the range ends far below.
        (None, Some(float)) if float >= 0.0 && float <= TIME_S_MAX as f64 => {
            Moment { rounded_down: float.floor() as u64, rounded_up: float.ceil() as u64 }
        }
        _ => return Err(JwtRefusal::TimeRange(name)),
    };
    if moment.rounded_up > TIME_S_MAX { Err(JwtRefusal::TimeRange(name)) } else { Ok(Some(moment)) }
}

pub(super) fn time(claims: &Map<String, Value>, name: &'static str) -> Result<Moment, JwtRefusal> {
    optional_time(claims, name)?.ok_or_else(|| missing(name))
}

/// The three times of a token.
#[derive(Clone, Copy, Debug)]
pub(super) struct Times {
    pub(super) exp: u64,
    pub(super) nbf: Option<u64>,
    pub(super) iat: Option<u64>,
}

impl Times {
    /// Reads them and holds them against `now`: not expired, begun, and not made in the future, give or take `leeway_s` seconds.
    pub(super) fn check(claims: &Map<String, Value>, now: UnixMillis, leeway_s: u64) -> Result<Self, JwtRefusal> {
        let exp = time(claims, "exp")?.rounded_down;
        let nbf = optional_time(claims, "nbf")?.map(|moment| moment.rounded_up);
        let iat = optional_time(claims, "iat")?.map(|moment| moment.rounded_down);
        let now = now.0 / 1000;
        // "On or after" `exp` a token must not be accepted (RFC 7519 section 4.1.4).
        if now >= exp + leeway_s {
            return Err(JwtRefusal::Expired { exp, now });
        }
        match (nbf, iat) {
            (Some(nbf), _) if nbf > now + leeway_s => Err(JwtRefusal::NotYetValid { nbf, now }),
            (_, Some(iat)) if iat > now + leeway_s => Err(JwtRefusal::IssuedInFuture { iat, now }),
            _ => Ok(Self { exp, nbf, iat }),
        }
    }
}

pub(super) fn optional_string<'c>(claims: &'c Map<String, Value>, name: &str) -> Result<Option<&'c str>, JwtRefusal> {
    match claims.get(name) {
        None => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(_) => Err(wrong_type(name, "a string")),
    }
}

pub(super) fn string<'c>(claims: &'c Map<String, Value>, name: &str) -> Result<&'c str, JwtRefusal> {
    optional_string(claims, name)?.ok_or_else(|| missing(name))
}

/// `aud`: one string or a list of strings (RFC 7519 section 4.1.3). Tells whether `wanted` accepts any of them.
pub(super) fn audience_is(claims: &Map<String, Value>, wanted: impl Fn(&str) -> bool) -> Result<bool, JwtRefusal> {
    let mistyped = || wrong_type("aud", "a string or a list of strings");
    match claims.get("aud") {
        None => Ok(false),
        Some(Value::String(one)) => Ok(wanted(one)),
        Some(Value::Array(many)) => {
            let names: Option<Vec<&str>> = many.iter().map(Value::as_str).collect();
            Ok(names.ok_or_else(mistyped)?.into_iter().any(wanted))
        }
        Some(_) => Err(mistyped()),
    }
}

/// The value at a path: the claim of exactly this name, else, cut at a dot, the rest of the path within the claim of the longest
/// name that is there. So `https://example.com/user.id` finds a claim of this name and one within `https://example.com/user`.
pub(super) fn at_path<'c>(claims: &'c Map<String, Value>, path: &str) -> Option<&'c Value> {
    let (mut object, mut path) = (claims, path);
    loop {
        if let Some(value) = object.get(path) {
            return Some(value);
        }
        let (at, within) = path.rmatch_indices('.').find_map(|(at, _)| Some((at, object.get(&path[..at])?)))?;
        (object, path) = (within.as_object()?, &path[at + 1..]);
    }
}

/// A user's id: a string that is not empty, or a whole number, which is spelled in decimal.
pub(super) fn user_id(claims: &Map<String, Value>, path: &str) -> Result<String, JwtRefusal> {
    match at_path(claims, path) {
        None => Err(missing(path)),
        Some(Value::String(text)) if !text.is_empty() => Ok(text.clone()),
        Some(Value::Number(number)) if number.is_u64() || number.is_i64() => Ok(number.to_string()),
        Some(_) => Err(wrong_type(path, "a string that is not empty, or a whole number")),
    }
}

/// A display name: a string; absent when it is absent or `null`.
pub(super) fn display_name(claims: &Map<String, Value>, path: &str) -> Result<Option<String>, JwtRefusal> {
    match at_path(claims, path) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text.clone())),
        Some(_) => Err(wrong_type(path, "a string")),
    }
}

pub(super) fn missing(name: &str) -> JwtRefusal {
    JwtRefusal::MissingClaim(name.into())
}

pub(super) fn wrong_type(name: &str, needed: &'static str) -> JwtRefusal {
    JwtRefusal::ClaimType { claim: name.into(), needed }
}
