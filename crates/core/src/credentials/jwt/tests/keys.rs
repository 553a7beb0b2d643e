//! Which keys and key sets can be registered, and what is said about the others.

use super::super::{
    Algorithm, IssuerKey, IssuerKeyError, IssuerRules, IssuerSettings, IssuerSettingsError, JWKS_BYTES_MAX, Jwks,
    JwksError,
};
use super::samples::*;
use super::{jwk, jwk_text, secret_key};
use IssuerKeyError::*;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

fn refusal(jwk: &str) -> Option<IssuerKeyError> {
    IssuerKey::from_jwk(jwk.as_bytes()).err()
}

#[test]
fn a_jwk_that_is_no_verifying_key_is_refused_with_the_reason() {
    let with = jwk_text;
    let secret = |bytes: usize| format!(r#"{{"kty":"oct","k":"{}"}}"#, URL_SAFE_NO_PAD.encode(vec![7; bytes]));
    let too_wide = P256_JWK.replace("\"y\":\"", "\"y\":\"AAAA");
    let not_a_point = format!(r#"{{"kty":"EC","crv":"P-256","x":"{0}","y":"{0}"}}"#, URL_SAFE_NO_PAD.encode([1; 32]));
    let rsa = |n: &[u8], e: &[u8]| {
        format!(r#"{{"kty":"RSA","n":"{}","e":"{}"}}"#, URL_SAFE_NO_PAD.encode(n), URL_SAFE_NO_PAD.encode(e))
    };
    for (text, error) in [
        (String::new(), Json),
        ("[]".into(), Json),
        (format!("{{{}}}", " ".repeat(16 * 1024)), TooLong(16 * 1024 + 2)),
        (with(r#""kty":"EC""#, P256_JWK), DuplicateMember),
        ("{}".into(), Member("kty")),
        (r#"{"kty":1}"#.into(), Member("kty")),
        (r#"{"kty":"ec"}"#.into(), Unsupported("`kty`")),
        (r#"{"kty":"EC"}"#.into(), Member("crv")),
        (P521_JWK.into(), Unsupported("`crv`")),
        (
            r#"{"kty":"OKP","crv":"X25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}"#.into(),
            Unsupported("`crv`"),
        ),
        (r#"{"kty":"OKP","crv":"Ed25519","x":"AAAA"}"#.into(), Member("x")),
        (r#"{"kty":"OKP","crv":"Ed25519"}"#.into(), Member("x")),
        (with(r#""d":"AAAA""#, P256_JWK), Private),
        (with(r#""d":null"#, ED_JWK), Private),
        (with(r#""p":"AAAA""#, RSA_JWK), Private),
        (with(r#""use":"enc""#, RSA_JWK), OtherUse),
        (with(r#""use":1"#, RSA_JWK), OtherUse),
        (with(r#""key_ops":["encrypt"]"#, RSA_JWK), OtherUse),
        (with(r#""key_ops":"verify""#, RSA_JWK), OtherUse),
        (with(r#""kid":"""#, RSA_JWK), Kid),
        (with(r#""kid":7"#, RSA_JWK), Member("kid")),
        (with(&format!(r#""kid":"{}""#, "k".repeat(513)), RSA_JWK), Kid),
        (with(r#""alg":"none""#, RSA_JWK), Unsupported("`alg`")),
        (with(r#""alg":"RSA-OAEP""#, RSA_JWK), Unsupported("`alg`")),
        (with(r#""alg":["RS256"]"#, RSA_JWK), Member("alg")),
        (with(r#""alg":"HS256""#, RSA_JWK), AlgorithmOfKind(Algorithm::Hs256)),
        (with(r#""alg":"ES256""#, RSA_JWK), AlgorithmOfKind(Algorithm::Es256)),
        (with(r#""alg":"ES384""#, P256_JWK), AlgorithmOfKind(Algorithm::Es384)),
        (with(r#""alg":"ES256""#, ED_JWK), AlgorithmOfKind(Algorithm::Es256)),
        (with(r#""alg":"RS256""#, &secret(32)), AlgorithmOfKind(Algorithm::Rs256)),
        (RSA_1024_JWK.into(), RsaBits(1024)),
        (too_wide, Member("y")),
        (not_a_point, Rejected),
        (rsa(&[0xfe; 256], &[1, 0, 1]), Rejected),
        (rsa(&[0xff; 256], &[1]), Rejected),
        (rsa(&[0xff; 256], &[2]), Rejected),
        (rsa(&[0xff; 256], &[0xff; 8]), Rejected), // an exponent that makes each verification slow
        (rsa(&[0xff; 256], &[]), Rejected),
        (rsa(&[], &[1, 0, 1]), Rejected),
        (rsa(&[0xff; 1025], &[1, 0, 1]), RsaBits(8200)),
        (secret(31), SecretBytes(31)),
        (secret(1025), SecretBytes(1025)),
        (r#"{"kty":"oct"}"#.into(), Member("k")),
        (r#"{"kty":"oct","k":"!"}"#.into(), Member("k")),
    ] {
        assert_eq!(refusal(&text), Some(error), "{text}");
    }
    let leading_zero = RSA_JWK.replace("\"e\":\"AQAB\"", "\"e\":\"AAEAAQ\"");
    for good in [secret(32), with(r#""key_ops":["verify","sign"],"x5c":["ignored"]"#, P256_JWK), leading_zero] {
        assert_eq!(refusal(&good), None, "{good}");
    }
}

#[test]
fn a_pem_is_taken_for_its_own_kind_of_algorithm_only() {
    use Algorithm::*;
    let table = [
        (RSA_PEM, vec![Rs256, Rs384, Rs512, Ps256]),
        (P256_PEM, vec![Es256]),
        (P384_PEM, vec![Es384]),
        (ED_PEM, vec![EdDsa]),
    ];
    for (pem, fitting) in table {
        for algorithm in Algorithm::ALL {
            let expected = if fitting.contains(&algorithm) { None } else { Some(AlgorithmOfKind(algorithm)) };
            assert_eq!(IssuerKey::from_pem(algorithm, None, pem).err(), expected, "{algorithm} {pem}");
        }
    }
    let refusal = |pem: &str| IssuerKey::from_pem(Rs256, None, pem).unwrap_err();
    assert_eq!(refusal(RSA_1024_PEM), RsaBits(1024));
    assert_eq!(refusal(P521_PEM), Unsupported("kind of public key"));
    assert_eq!(refusal(&RSA_PEM.replace("PUBLIC", "PRIVATE")), Private);
    assert_eq!(refusal("-----BEGIN RSA PRIVATE KEY-----"), Private);
    assert_eq!(refusal(&"x".repeat(20_000)), TooLong(20_000));
    for (pem, says) in [
        (RSA_PKCS1_PEM.to_owned(), "openssl rsa"),
        ("-----BEGIN CERTIFICATE-----\n".into(), "openssl x509"),
        ("secret".into(), "must begin"),
        (format!("{RSA_PEM}{RSA_PEM}"), "not base64"),
        (RSA_PEM.replace("END", "FIN"), "end with"),
        (RSA_PEM.replace('\n', "\n!"), "must hold one key"),
    ] {
        let message = refusal(&pem).to_string();
        assert!(message.contains(says), "{says}: {message}");
    }
    let crlf = format!("\r\n{}", P256_PEM.replace('\n', "\r\n"));
    assert!(IssuerKey::from_pem(Es256, Some("k".into()), &crlf).is_ok());
    assert_eq!(IssuerKey::from_pem(Es256, Some(String::new()), P256_PEM).err(), Some(Kid));
    // Any damage to the bytes is refused, and none of it panics.
    let body: String = P256_PEM.lines().filter(|line| !line.starts_with('-')).collect();
    for at in 0..body.len() {
        let cut = format!("-----BEGIN PUBLIC KEY-----\n{}\n-----END PUBLIC KEY-----", &body[..at]);
        assert!(IssuerKey::from_pem(Es256, None, &cut).is_err(), "cut at {at}");
    }
}

#[test]
fn a_public_key_can_never_be_a_secret() {
    for text in [RSA_PEM, &format!("\n {ED_PEM}"), RSA_JWK, P256_JWK] {
        let refusal = IssuerKey::from_secret(Algorithm::Hs256, None, text.as_bytes()).err();
        assert_eq!(refusal, Some(SecretIsKey), "{text}");
    }
    for algorithm in Algorithm::ALL {
        let refusal = IssuerKey::from_secret(algorithm, None, &[7; 32]).err();
        let expected = if algorithm.word().starts_with("HS") { None } else { Some(AlgorithmOfKind(algorithm)) };
        assert_eq!(refusal, expected, "{algorithm}");
    }
    assert_eq!(IssuerKey::from_secret(Algorithm::Hs512, None, &[7; 31]).err(), Some(SecretBytes(31)));
    assert!(IssuerKey::from_secret(Algorithm::Hs256, None, b"{a random secret with a brace in front").is_ok());
}

fn set(keys: &[&str]) -> String {
    format!(r#"{{"keys":[{}]}}"#, keys.join(","))
}

#[test]
fn a_key_set_gives_what_is_usable_and_counts_the_rest() {
    let named = jwk_text(r#""kid":"a""#, P256_JWK);
    let text =
        set(&[&named, RSA_JWK, P521_JWK, RSA_1024_JWK, r#"{"kty":"new"}"#, "{}", &jwk_text(r#""use":"enc""#, ED_JWK)]);
    let parsed = Jwks::parse(text.as_bytes()).unwrap();
    assert_eq!(parsed.passed_over(), 5);
    let keys: Vec<_> = parsed.keys().iter().map(|key| (key.kid(), key.algorithm())).collect();
    assert_eq!(keys, [(Some("a"), Algorithm::Es256), (None, Algorithm::Rs256)]);
    assert_eq!(parsed.into_keys().len(), 2);
}

#[test]
fn a_key_set_that_is_none_or_leaks_is_refused_whole() {
    let many = |count: usize| set(&vec![P256_JWK; count]);
    let long = format!("{}{}", set(&[P256_JWK]), " ".repeat(JWKS_BYTES_MAX));
    for (text, error) in [
        (String::new(), JwksError::Json),
        ("[]".into(), JwksError::Json),
        ("{}".into(), JwksError::Json),
        (r#"{"keys":{}}"#.into(), JwksError::Json),
        (r#"{"keys":[1]}"#.into(), JwksError::Json),
        ("<html>".into(), JwksError::Json),
        (r#"{"keys":[],"keys":[]}"#.into(), JwksError::DuplicateMember),
        (set(&[&jwk_text(r#""kty":"EC""#, P256_JWK)]), JwksError::DuplicateMember),
        (set(&[]), JwksError::NoUsableKey(0)),
        (set(&[P521_JWK, "{}"]), JwksError::NoUsableKey(2)),
        (set(&[P256_JWK, &jwk_text(r#""d":"AA""#, P256_JWK)]), JwksError::Private),
        (set(&[P256_JWK, r#"{"kty":"new","d":"AA"}"#]), JwksError::Private),
        (set(&[P256_JWK, r#"{"kty":"oct","k":"AA"}"#]), JwksError::Private),
        (many(65), JwksError::TooManyKeys(65)),
        (long.clone(), JwksError::TooLong(long.len())),
    ] {
        assert_eq!(Jwks::parse(text.as_bytes()).err(), Some(error), "{:.100}", text);
    }
    assert_eq!(Jwks::parse(many(64).as_bytes()).unwrap().keys().len(), 64);
}

#[test]
fn settings_of_an_issuer_are_checked() {
    let check = |change: fn(&mut IssuerSettings)| {
        let mut settings = IssuerSettings::new("https://issuer.example");
        change(&mut settings);
        IssuerRules::new(settings, vec![secret_key()]).err()
    };
    assert_eq!(check(|_| {}), None);
    assert_eq!(check(|s| s.leeway_s = 60), None);
    assert_eq!(check(|s| s.leeway_s = 61), Some(IssuerSettingsError::Leeway(61)));
    assert_eq!(check(|s| s.issuer.clear()), Some(IssuerSettingsError::Issuer));
    assert_eq!(check(|s| s.issuer = "i".repeat(513)), Some(IssuerSettingsError::Issuer));
    assert_eq!(check(|s| s.audience = Some(vec![])), Some(IssuerSettingsError::Audience));
    assert_eq!(check(|s| s.audience = Some(vec![String::new()])), Some(IssuerSettingsError::Audience));
    assert_eq!(check(|s| s.audience = Some(vec!["a".into(); 17])), Some(IssuerSettingsError::Audience));
    assert_eq!(check(|s| s.user_id_claim.clear()), Some(IssuerSettingsError::Claim("user_id_claim")));
    assert_eq!(
        check(|s| s.display_name_claim = Some("c".repeat(257))),
        Some(IssuerSettingsError::Claim("display_name_claim"))
    );
    assert_eq!(
        check(|s| s.capabilities_claim = Some(String::new())),
        Some(IssuerSettingsError::Claim("capabilities_claim"))
    );
    assert_eq!(check(|s| s.lifetime_s_max = Some(0)), Some(IssuerSettingsError::Lifetime));
    let many = IssuerRules::new(IssuerSettings::new("i"), vec![secret_key(); 65]).err();
    assert_eq!(many, Some(IssuerSettingsError::TooManyKeys(65)));
}

#[test]
fn debug_shows_algorithm_and_kid_only() {
    assert_eq!(format!("{:?}", secret_key()), "IssuerKey(HS256, kid None)");
    assert_eq!(format!("{:?}", jwk(r#""kid":"a""#, ED_JWK)), "IssuerKey(EdDSA, kid Some(\"a\"))");
}
