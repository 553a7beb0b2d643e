//! Our own access tokens: what we sign we verify, others read it too, and nothing else passes.

use super::super::{
    AccessClaims, AccessExpectations, AccessUser, Algorithm, JwtRefusal, SigningAlgorithm, SigningKey, SigningKeyError,
    TOKEN_BYTES_MAX, VerifyingKey, verify_access,
};
use super::at;
use super::samples::*;
use crate::ids::{ProjectId, TokenId};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use proptest::prelude::*;
use serde_json::{Value, json};

const ALL: [SigningAlgorithm; 3] = [SigningAlgorithm::Es256, SigningAlgorithm::EdDsa, SigningAlgorithm::Rs256];

fn sample_key(algorithm: SigningAlgorithm) -> SigningKey {
    let pkcs8 = match algorithm {
        SigningAlgorithm::Es256 => P256_PKCS8,
        SigningAlgorithm::EdDsa => ED_PKCS8,
        SigningAlgorithm::Rs256 => RSA_PKCS8,
    };
    SigningKey::from_pkcs8(algorithm, &STANDARD.decode(pkcs8).unwrap()).unwrap()
}

fn claims() -> AccessClaims {
    AccessClaims {
        iss: "https://chat.example".into(),
        sub: "user_1".into(),
        aud: Some("web".into()),
        iat: 1000,
        exp: 2000,
        nbf: Some(1000),
        jti: TokenId::new(42),
        generation: u32::MAX,
        project: ProjectId::new(7),
        user: Some(AccessUser {
            user_id: "user_1".into(),
            public_user_id: "jane \"é\" 🦀".into(),
            display_name: Some("Jane Doe".into()),
        }),
    }
}

fn expected<'e>() -> AccessExpectations<'e> {
    AccessExpectations { now: at(1500), leeway_s: 0, issuer: None, audience: None, project: None }
}

fn verify(key: &VerifyingKey, text: &str, expected: &AccessExpectations<'_>) -> Result<AccessClaims, JwtRefusal> {
    verify_access(text, &|kid| (kid == key.kid()).then_some(key), expected)
}

/// Any header and payload under the sample key, for what `sign` would never write.
fn forge(key: &SigningKey, header: &Value, payload: &Value) -> String {
    let signed =
        format!("{}.{}", URL_SAFE_NO_PAD.encode(header.to_string()), URL_SAFE_NO_PAD.encode(payload.to_string()));
    let signature = URL_SAFE_NO_PAD.encode(key.signature(signed.as_bytes()));
    format!("{signed}.{signature}")
}

fn payload_of(token: &str) -> Value {
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(token.split('.').nth(1).unwrap()).unwrap()).unwrap()
}

#[test]
fn what_is_signed_verifies_under_every_algorithm() {
    let bare = AccessClaims { aud: None, nbf: None, user: None, ..claims() };
    let nameless = AccessUser { display_name: None, ..claims().user.unwrap() };
    let nameless = AccessClaims { user: Some(nameless), ..claims() };
    for algorithm in ALL {
        let key = SigningKey::generate(algorithm).unwrap();
        for claims in [claims(), bare.clone(), nameless.clone()] {
            let token = key.sign(&claims);
            assert!(token.len() < TOKEN_BYTES_MAX / 4, "{}", token.len());
            assert_eq!(verify(key.verifying_key(), &token, &expected()), Ok(claims), "{algorithm:?}");
        }
    }
}

/// social.plus item 5: `exp`, `iat`, `jti`, `kid`, `sub`, `iss`, the four of `user`, and never a refresh token.
#[test]
fn sp5_a_token_says_what_social_plus_reads_and_no_more() {
    let key = sample_key(SigningAlgorithm::Es256);
    let token = key.sign(&claims());
    let header: Value =
        serde_json::from_slice(&URL_SAFE_NO_PAD.decode(token.split('.').next().unwrap()).unwrap()).unwrap();
    assert_eq!(header, json!({ "alg": "ES256", "typ": "JWT", "kid": key.kid() }));
    let project = ProjectId::new(7).to_string();
    let expected = json!({
        "iss": "https://chat.example", "sub": "user_1", "aud": "web", "iat": 1000, "exp": 2000, "nbf": 1000,
        "jti": TokenId::new(42).to_string(), "gen": u32::MAX, "project": project,
        "user": { "userId": "user_1", "publicUserId": "jane \"é\" 🦀", "networkId": project, "displayName": "Jane Doe" },
    });
    assert_eq!(payload_of(&token), expected);
}

#[test]
fn keys_of_node_sign_what_their_public_halves_verify() {
    use super::super::IssuerKey;
    for (algorithm, jwk) in
        [(SigningAlgorithm::Es256, P256_JWK), (SigningAlgorithm::EdDsa, ED_JWK), (SigningAlgorithm::Rs256, RSA_JWK)]
    {
        let key = sample_key(algorithm);
        let mut published = key.public_jwk();
        let issuer_key = IssuerKey::from_jwk(published.to_string().as_bytes()).unwrap();
        assert_eq!((issuer_key.kid(), issuer_key.algorithm()), (Some(key.kid()), algorithm.algorithm()));
        for (name, value) in [("kid", key.kid()), ("alg", algorithm.word()), ("use", "sig")] {
            assert_eq!(published.as_object_mut().unwrap().remove(name), Some(json!(value)));
        }
        assert_eq!(published, serde_json::from_str::<Value>(jwk).unwrap(), "the numbers are those that Node exports");
        assert_eq!(key.kid().len(), 43);
    }
}

/// Node has computed the thumbprints and signatures; the other way round, it verifies what `sign` gives under `public_jwk`.
#[test]
fn a_token_that_node_spells_for_us_is_ours() {
    for (algorithm, token) in [
        (SigningAlgorithm::Es256, OUR_ES256),
        (SigningAlgorithm::EdDsa, OUR_EDDSA),
        (SigningAlgorithm::Rs256, OUR_RS256),
    ] {
        let key = sample_key(algorithm);
        assert_eq!(verify(key.verifying_key(), token, &expected()), Ok(claims()), "{algorithm:?}");
    }
}

#[test]
fn a_key_survives_pkcs8_and_its_public_half_a_jwk() {
    for algorithm in ALL {
        let key = SigningKey::generate(algorithm).unwrap();
        let again = SigningKey::from_pkcs8(algorithm, &key.to_pkcs8()).unwrap();
        assert_eq!((again.kid(), again.public_jwk()), (key.kid(), key.public_jwk()));
        let public = VerifyingKey::from_jwk(&key.public_jwk()).unwrap();
        assert_eq!((public.kid(), public.algorithm()), (key.kid(), algorithm));
        assert!(verify(&public, &again.sign(&claims()), &expected()).is_ok());
        assert_ne!(SigningKey::generate(algorithm).unwrap().kid(), key.kid());
        for other in ALL.into_iter().filter(|other| *other != algorithm) {
            let refused = SigningKey::from_pkcs8(other, &key.to_pkcs8()).map(|_| ());
            assert_eq!(refused, Err(SigningKeyError::Rejected(other)));
        }
        let pkcs8 = key.to_pkcs8();
        assert!(SigningKey::from_pkcs8(algorithm, &pkcs8[..pkcs8.len() - 1]).is_err());
        let shown = format!("{key:?} {public:?}");
        let word = algorithm.word();
        let kid = key.kid();
        assert_eq!(shown, format!("SigningKey({word}, kid {kid}) VerifyingKey({word}, kid {kid})"));
    }
    assert_eq!(
        SigningKey::from_pkcs8(SigningAlgorithm::Es256, b"").map(|_| ()),
        Err(SigningKeyError::Rejected(SigningAlgorithm::Es256))
    );
    for jwk in [json!(null), json!({}), json!({ "kty": "oct", "k": "AAAA" }), serde_json::from_str(P384_JWK).unwrap()] {
        assert!(VerifyingKey::from_jwk(&jwk).is_err(), "{jwk}");
    }
    for word in ["ES256", "EdDSA", "RS256"] {
        assert_eq!(SigningAlgorithm::from_word(word).unwrap().word(), word);
    }
    assert_eq!(SigningAlgorithm::from_word("HS256"), None);
}

#[test]
fn times_and_expectations_are_held() {
    let key = sample_key(SigningAlgorithm::EdDsa);
    let token = key.sign(&claims());
    let later = |now, leeway_s| AccessExpectations { now: at(now), leeway_s, ..expected() };
    let table = [
        (later(999, 0), Some(JwtRefusal::NotYetValid { nbf: 1000, now: 999 })),
        (later(1000, 0), None),
        (later(1999, 0), None),
        (later(2000, 0), Some(JwtRefusal::Expired { exp: 2000, now: 2000 })),
        (later(2004, 5), None),
        (later(2005, 5), Some(JwtRefusal::Expired { exp: 2000, now: 2005 })),
        (AccessExpectations { issuer: Some("https://chat.example"), ..expected() }, None),
        (AccessExpectations { issuer: Some("https://chat.example/"), ..expected() }, Some(JwtRefusal::WrongIssuer)),
        (AccessExpectations { audience: Some("web"), ..expected() }, None),
        (AccessExpectations { audience: Some("app"), ..expected() }, Some(JwtRefusal::WrongAudience)),
        (AccessExpectations { project: Some(ProjectId::new(7)), ..expected() }, None),
        (AccessExpectations { project: Some(ProjectId::new(8)), ..expected() }, Some(JwtRefusal::WrongProject)),
    ];
    for (expected, refusal) in table {
        assert_eq!(verify(key.verifying_key(), &token, &expected).err(), refusal, "{expected:?}");
    }
    let anonymous = key.sign(&AccessClaims { aud: None, ..claims() });
    let wants = AccessExpectations { audience: Some("web"), ..expected() };
    assert_eq!(verify(key.verifying_key(), &anonymous, &wants), Err(JwtRefusal::WrongAudience));
}

#[test]
fn another_key_another_algorithm_and_another_kid_are_refused() {
    let key = sample_key(SigningAlgorithm::Es256);
    let other = SigningKey::generate(SigningAlgorithm::Es256).unwrap();
    let token = key.sign(&claims());
    assert_eq!(verify(other.verifying_key(), &token, &expected()), Err(JwtRefusal::UnknownKid));
    assert_eq!(verify_access(&token, &|_| Some(other.verifying_key()), &expected()), Err(JwtRefusal::Signature));
    let payload = payload_of(&token);
    let kid = key.kid();
    let wrong = |algorithm| JwtRefusal::AlgorithmOfKey { token: algorithm, key: Algorithm::Es256 };
    for (header, refusal) in [
        (json!({ "alg": "ES256" }), JwtRefusal::UnknownKid),
        (json!({ "alg": "ES256", "kid": "" }), JwtRefusal::UnknownKid),
        (json!({ "alg": "HS256", "kid": kid }), wrong(Algorithm::Hs256)),
        (json!({ "alg": "ES384", "kid": kid }), wrong(Algorithm::Es384)),
        (json!({ "alg": "EdDSA", "kid": kid }), wrong(Algorithm::EdDsa)),
        (json!({ "alg": "none", "kid": kid }), JwtRefusal::Unsigned),
        (json!({ "alg": "ES256", "kid": kid, "crit": [] }), JwtRefusal::Critical),
    ] {
        let forged = forge(&key, &header, &payload);
        assert_eq!(verify(key.verifying_key(), &forged, &expected()), Err(refusal), "{header}");
    }
}

#[test]
fn claims_of_the_wrong_type_are_refused_even_under_our_own_key() {
    let key = sample_key(SigningAlgorithm::EdDsa);
    let header = json!({ "alg": "EdDSA", "kid": key.kid() });
    let good = payload_of(&key.sign(&claims()));
    for (pointer, value) in [
        ("exp", json!("2000")),
        ("exp", json!(null)),
        ("iat", json!("1000")),
        ("nbf", json!([])),
        ("iss", json!(1)),
        ("sub", json!({})),
        ("aud", json!(["web"])),
        ("jti", json!("tok_")),
        ("jti", json!("project_Nw")),
        ("gen", json!(-1)),
        ("gen", json!(1.5)),
        ("gen", json!(4_294_967_296_u64)),
        ("gen", json!("1")),
        ("project", json!("7")),
        ("project", json!(ProjectId::new(8).to_string())),
        ("user", json!("user_1")),
        ("user", json!(null)),
    ] {
        let mut payload = good.clone();
        payload[pointer] = value;
        let refusal = verify(key.verifying_key(), &forge(&key, &header, &payload), &expected());
        assert!(refusal.is_err(), "{pointer} {payload}");
    }
    for name in ["exp", "iat", "iss", "sub", "jti", "gen", "project"] {
        let mut payload = good.clone();
        payload.as_object_mut().unwrap().remove(name);
        let refusal = verify(key.verifying_key(), &forge(&key, &header, &payload), &expected());
        assert_eq!(refusal, Err(JwtRefusal::MissingClaim(name.into())), "{payload}");
    }
    for name in ["userId", "publicUserId", "networkId"] {
        let mut payload = good.clone();
        payload["user"].as_object_mut().unwrap().remove(name);
        let refusal = verify(key.verifying_key(), &forge(&key, &header, &payload), &expected());
        assert_eq!(refusal, Err(JwtRefusal::MissingClaim(name.into())), "{payload}");
    }
    assert!(verify(key.verifying_key(), &forge(&key, &header, &good), &expected()).is_ok());
}

proptest! {
    #[test]
    fn any_claims_come_back_as_they_were(id: u64, generation: u32, project: u64, sub in ".{0,50}", name in proptest::option::of(".{0,100}")) {
        let key = sample_key(SigningAlgorithm::EdDsa);
        let user = AccessUser { user_id: sub.clone(), public_user_id: sub.clone(), display_name: name };
        let claims = AccessClaims {
            sub, jti: TokenId::new(id), generation, project: ProjectId::new(project), user: Some(user), ..claims()
        };
        prop_assert_eq!(verify(key.verifying_key(), &key.sign(&claims), &expected()), Ok(claims));
    }
}
