//! Any text as a JWT, any claims truly signed, and any bytes as keys: nothing panics, only what was signed is accepted, and what is
//! accepted says what a plain JSON parser finds in it.
//!
//! The first byte tells what the rest is: `t` a token's text, `s` header and payload (parted by a line feed) for us to sign, else keys.
#![no_main]

use std::sync::LazyLock;

use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use libfuzzer_sys::fuzz_target;
use serde_json::Value;
use tollgate_core::clock::UnixMillis;
use tollgate_core::credentials::jwt::{
    AccessExpectations, Algorithm, IssuerKey, IssuerRules, IssuerSettings, Jwks, SigningAlgorithm, SigningKey,
    Unverified, VerifyingKey, verify_access,
};

const SECRET: &[u8] = b"0123456789abcdef0123456789abcdef";
const ED_JWK: &[u8] = br#"{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo","kid":"k"}"#;
const NOW_S: u64 = 1_700_000_100;
const NOW: UnixMillis = UnixMillis(NOW_S * 1000);

static HMAC: LazyLock<hmac::Key> = LazyLock::new(|| hmac::Key::new(hmac::HMAC_SHA256, SECRET));
static RULES: LazyLock<IssuerRules> = LazyLock::new(|| {
    let settings = IssuerSettings {
        audience: Some(vec!["tollgate".into()]),
        display_name_claim: Some("user.name".into()),
        capabilities_claim: Some("caps".into()),
        lifetime_s_max: Some(86_400),
        ..IssuerSettings::new("https://issuer.example")
    };
    let secret = IssuerKey::from_secret(Algorithm::Hs256, Some("k".into()), SECRET).expect("a good secret");
    let public = IssuerKey::from_jwk(ED_JWK).expect("the key of RFC 8037");
    IssuerRules::new(settings, vec![secret, public]).expect("good settings")
});
static OURS: LazyLock<VerifyingKey> = LazyLock::new(|| {
    VerifyingKey::from_jwk(&serde_json::from_slice(ED_JWK).expect("JSON")).expect("the key of RFC 8037")
});

/// Verifies the token everywhere. Who has found one that passes knows the secret, and its claims are these.
fn verify(token: &str) {
    let unverified = Unverified::parse(token);
    if let Ok(claims) = RULES.verify(token, NOW) {
        assert!(unverified.is_ok(), "accepted, but unreadable");
        let (signed, mac) = token.rsplit_once('.').expect("accepted, so in three parts");
        let mac = URL_SAFE_NO_PAD.decode(mac).expect("accepted, so base64url");
        assert!(hmac::verify(&HMAC, signed.as_bytes(), &mac).is_ok(), "nobody but us knows a key");
        let payload = signed.split_once('.').expect("accepted, so in three parts").1;
        let payload: Value = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(payload).expect("base64url")).expect("JSON");
        assert_eq!(payload["iss"], "https://issuer.example");
        assert!(payload["aud"] == "tollgate" || payload["aud"].as_array().is_some_and(|all| all.contains(&"tollgate".into())));
        let exp = payload["exp"].as_f64().expect("`exp` is a number");
        assert!(exp > NOW_S as f64 && claims.exp == exp.floor() as u64, "{exp}");
        assert!(payload.get("nbf").is_none_or(|nbf| nbf.as_f64().is_some_and(|nbf| nbf <= NOW_S as f64)));
        assert!(!claims.user_id.is_empty());
        assert!(payload["sub"] == claims.user_id.as_str() || payload["sub"].to_string() == claims.user_id);
    }
    let expected = AccessExpectations { now: NOW, leeway_s: 0, issuer: None, audience: None, project: None };
    assert!(verify_access(token, &|_| Some(&OURS), &expected).is_err(), "nobody has signed with this key");
}

fn keys(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let pem = format!("-----BEGIN PUBLIC KEY-----\n{}\n-----END PUBLIC KEY-----", STANDARD.encode(bytes));
    for algorithm in Algorithm::ALL {
        let _refused = IssuerKey::from_pem(algorithm, None, &text);
        let _refused = IssuerKey::from_pem(algorithm, None, &pem);
    }
    for algorithm in [SigningAlgorithm::Es256, SigningAlgorithm::EdDsa, SigningAlgorithm::Rs256] {
        if let Ok(key) = SigningKey::from_pkcs8(algorithm, bytes) {
            let again = SigningKey::from_pkcs8(algorithm, &key.to_pkcs8()).expect("what we wrote");
            assert_eq!(again.kid(), key.kid());
        }
    }
    let _refused = IssuerKey::from_secret(Algorithm::Hs512, None, bytes);
    if let Ok(key) = IssuerKey::from_jwk(bytes)
        && let Ok(value) = serde_json::from_slice(bytes)
        && let Ok(ours) = VerifyingKey::from_jwk(&value)
    {
        assert_eq!(key.algorithm(), ours.algorithm().algorithm());
        let again = VerifyingKey::from_jwk(&ours.public_jwk()).expect("what we wrote");
        assert_eq!((again.kid(), again.kid().len()), (ours.kid(), 43));
    }
    if let Ok(set) = Jwks::parse(bytes) {
        assert!((1..=64).contains(&(set.keys().len() + set.passed_over())) && !set.keys().is_empty());
    }
}

fuzz_target!(|data: &[u8]| {
    let Some((kind, rest)) = data.split_first() else { return };
    match kind {
        b't' => verify(&String::from_utf8_lossy(rest)),
        b's' => {
            let line = rest.iter().position(|byte| *byte == b'\n').unwrap_or(rest.len());
            let (header, payload) = rest.split_at(line);
            let payload = payload.get(1..).unwrap_or_default();
            let signed = format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(payload));
            let mac = hmac::sign(&HMAC, signed.as_bytes());
            verify(&format!("{signed}.{}", URL_SAFE_NO_PAD.encode(mac)));
        }
        _ => keys(rest),
    }
});
