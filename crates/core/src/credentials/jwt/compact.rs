//! The text of a JWT (RFC 7515 compact serialization) taken apart within bounds, and what it claims before any proof.
//!
//! Not here: keys, signatures, and whether any claim is true.

use super::algorithm::Algorithm;
use super::claims;
use super::refusal::{JwtRefusal, Part};
use super::strict_json::{self, NotStrict};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Map, Value};

/// Longest text of a token, in characters. Checked before anything else.
pub const TOKEN_BYTES_MAX: usize = 8 * 1024;
/// Longest header, in bytes after decoding. Checked before decoding.
pub const HEADER_BYTES_MAX: usize = 1024;

/// What a token says of itself. **No proof of anything**: it serves to choose the issuer or the key, and nothing else.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unverified {
    /// The algorithm it says it is signed with.
    pub algorithm: Algorithm,
    /// The key it says it is signed with (`kid`), at most 1 KiB.
    pub kid: Option<String>,
    /// Its `typ`.
    pub typ: Option<String>,
    /// Who it says has made it (`iss`).
    pub issuer: Option<String>,
}

impl Unverified {
    /// Reads header and `iss` of a token without any key.
    ///
    /// # Errors
    /// [`JwtRefusal`] when no key in the world could make this token acceptable.
    pub fn parse(text: &str) -> Result<Self, JwtRefusal> {
        let compact = Compact::parse(text)?;
        let issuer = claims::optional_string(&compact.payload, "iss")?.map(str::to_owned);
        Ok(Self { algorithm: compact.algorithm, kid: compact.kid, typ: compact.typ, issuer })
    }
}

/// A token taken apart; nothing of it is proven.
pub(super) struct Compact<'t> {
    pub(super) algorithm: Algorithm,
    pub(super) kid: Option<String>,
    pub(super) typ: Option<String>,
    pub(super) payload: Map<String, Value>,
    /// What is signed: header and payload as they came.
    pub(super) signed: &'t [u8],
    pub(super) signature: Vec<u8>,
}

impl<'t> Compact<'t> {
    pub(super) fn parse(text: &'t str) -> Result<Self, JwtRefusal> {
        if text.len() > TOKEN_BYTES_MAX {
            return Err(JwtRefusal::TooLong(text.len()));
        }
        let mut parts = text.split('.');
        let (Some(header), Some(payload), Some(signature), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(JwtRefusal::Segments(text.split('.').count()));
        };
        let header_bytes = header.len() * 3 / 4;
        if header_bytes > HEADER_BYTES_MAX {
            return Err(JwtRefusal::HeaderTooLong(header_bytes));
        }
        let signed = &text.as_bytes()[..header.len() + 1 + payload.len()];
        let mut header = object(header, Part::Header)?;
        let algorithm = algorithm(&header)?;
        // RFC 7515 section 4.1.11: who does not understand what `crit` lists must refuse. We understand no extension.
        if header.contains_key("crit") {
            return Err(JwtRefusal::Critical);
        }
        let kid = take_string(&mut header, "kid")?;
        let typ = take_string(&mut header, "typ")?;
        if typ.as_deref().is_some_and(|typ| !is_access_type(typ)) {
            return Err(JwtRefusal::WrongType);
        }
        let payload = object(payload, Part::Payload)?;
        let signature = decode(signature, Part::Signature)?;
        Ok(Self { algorithm, kid, typ, payload, signed, signature })
    }
}

/// RFC 8725 section 3.11: what was made for another purpose (a log-out notice, say) is no access token.
fn is_access_type(typ: &str) -> bool {
    const APPLICATION: &str = "application/";
    let typ = match typ.get(..APPLICATION.len()) {
        Some(start) if start.eq_ignore_ascii_case(APPLICATION) => &typ[APPLICATION.len()..],
        _ => typ,
    };
    typ.eq_ignore_ascii_case("JWT") || typ.eq_ignore_ascii_case("at+jwt")
}

fn algorithm(header: &Map<String, Value>) -> Result<Algorithm, JwtRefusal> {
    match header.get("alg") {
        Some(Value::String(word)) if word.eq_ignore_ascii_case("none") => Err(JwtRefusal::Unsigned),
        Some(Value::String(word)) => Algorithm::from_word(word).ok_or(JwtRefusal::UnsupportedAlgorithm),
        _ => Err(JwtRefusal::HeaderField("alg")),
    }
}

fn take_string(header: &mut Map<String, Value>, name: &'static str) -> Result<Option<String>, JwtRefusal> {
    match header.remove(name) {
        None => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(_) => Err(JwtRefusal::HeaderField(name)),
    }
}

fn object(text: &str, part: Part) -> Result<Map<String, Value>, JwtRefusal> {
    strict_json::parse_object(&decode(text, part)?).map_err(|error| match error {
        NotStrict::Json => JwtRefusal::Json(part),
        NotStrict::DuplicateKey => JwtRefusal::DuplicateKey(part),
    })
}

/// Strict: no padding, no other alphabet, and no bits left over, so that each value has one spelling.
fn decode(text: &str, part: Part) -> Result<Vec<u8>, JwtRefusal> {
    URL_SAFE_NO_PAD.decode(text).map_err(|_| JwtRefusal::Encoding(part))
}

/// Spells what is to be signed.
pub(super) fn encode_signed(header: &Value, payload: &Value) -> String {
    let spell = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    format!("{}.{}", spell(header), spell(payload))
}

/// Puts the signature behind what it signs.
pub(super) fn append_signature(mut signed: String, signature: &[u8]) -> String {
    signed.push('.');
    URL_SAFE_NO_PAD.encode_string(signature, &mut signed);
    signed
}
