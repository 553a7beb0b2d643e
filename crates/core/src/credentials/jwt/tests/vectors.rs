//! Vectors of the RFCs and of Node's crypto module, for every algorithm and every way to give its key.

use super::super::jwk::{Jwk, Numbers};
use super::super::verifier::Verifier;
use super::super::{Algorithm, IssuerKey, IssuerRules, IssuerSettings, JwtRefusal, VerifiedClaims};
use super::samples::*;
use super::{NOW, at, jwk, rules};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::Value;

/// `{"iss":"joe",\r\n "exp":1300819380,\r\n "http://example.com/is_root":true}` of RFC 7515 appendix A.
const RFC_7515_PAYLOAD: &str =
    "eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ";
const RFC_7515_A1_KEY: &str =
    r#"{"kty":"oct","k":"AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow"}"#;
const RFC_7515_A2_KEY: &str = concat!(
    r#"{"kty":"RSA","e":"AQAB","n":"ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-4qPCJrcS2mJPME"#,
    "zP1Pt0Bm4d4QlL-yRT-SFd2lZS-pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-bSf63kpaSHSXndS5z5rexMdbBYUsLA9e-",
    r#"KXBdQOS-UTo7WTBEMa2R2CapHg665xsmtdVMTBQY4uDZlxvb3qCo5ZwKh9kG4LT6_I5IhlJH7aGhyxXFvUK-DWNmoudF8NAco9_h9iaGNj8q2ethFk"#,
    r#"MLs91kzk2PAcDTW9gb54h4FRWyuXpoQ"}"#,
);
const RFC_7515_A3_KEY: &str = r#"{"kty":"EC","crv":"P-256","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU","y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"}"#;
const RFC_7515_SIGNATURES: [(&str, &str, &str); 3] = [
    (RFC_7515_A1_KEY, "eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9", "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"),
    (
        RFC_7515_A2_KEY,
        "eyJhbGciOiJSUzI1NiJ9",
        concat!(
            "cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7AAuHIm4Bh-0Qc_lF5YKt_O8W2Fp5jujGbds9uJdbF9CU",
            "Ar7t1dnZcAcQjbKBYNX4BAynRFdiuB--f_nZLgrnbyTyWzO75vRK5h6xBArLIARNPvkSjtQBMHlb1L07Qe7K0GarZRmB_eSN9383LcOLn6_d",
            "O--xi12jzDwusC-eOkHWEsqtFZESc6BfI7noOPqvhJ1phCnvWh6IeYI2w9QOYEUipUTI8np6LbgGY9Fs98rqVt5AXLIhWkWywlVmtVrBp0ig",
            "cN_IoypGlUPQGe77Rw",
        ),
    ),
    (
        RFC_7515_A3_KEY,
        "eyJhbGciOiJFUzI1NiJ9",
        "DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q",
    ),
];

#[test]
fn the_examples_of_rfc_7515_verify_and_then_expire() {
    for (key, header, signature) in RFC_7515_SIGNATURES {
        let token = format!("{header}.{RFC_7515_PAYLOAD}.{signature}");
        let mut settings = IssuerSettings::new("joe");
        settings.user_id_claim = "iss".into();
        settings.capabilities_claim = Some("http://example.com/is_root".into());
        let rules = IssuerRules::new(settings, vec![IssuerKey::from_jwk(key.as_bytes()).unwrap()]).unwrap();
        let expected = VerifiedClaims {
            user_id: "joe".into(),
            display_name: None,
            exp: 1_300_819_380,
            nbf: None,
            iat: None,
            jti: None,
            capabilities: Some(Value::Bool(true)),
        };
        assert_eq!(rules.verify(&token, at(1_300_819_379)), Ok(expected), "{key}");
        let expired = JwtRefusal::Expired { exp: 1_300_819_380, now: 1_300_819_380 };
        assert_eq!(rules.verify(&token, at(1_300_819_380)), Err(expired), "{key}");
    }
}

fn numbers(text: &str) -> (Algorithm, Numbers) {
    let value: Value = serde_json::from_str(text).unwrap();
    let jwk = Jwk::read(value.as_object().unwrap()).unwrap();
    (jwk.algorithm, jwk.numbers)
}

#[test]
fn the_ed25519_example_and_the_thumbprints_of_rfc_8037_and_7638_come_out() {
    let key = r#"{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}"#;
    let (algorithm, Numbers::Public(numbers_of_key)) = numbers(key) else { panic!("a public key") };
    let verifier = Verifier::from_numbers(algorithm, &numbers_of_key).unwrap();
    let signed = b"eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc";
    let signature = URL_SAFE_NO_PAD
        .decode("hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg")
        .unwrap();
    assert!(verifier.fits(signed, &signature));
    assert!(!verifier.fits(&signed[1..], &signature));
    assert!(!verifier.fits(signed, &signature[..63]));
    assert_eq!(numbers_of_key.thumbprint(), "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k");

    let rsa = concat!(
        r#"{"kty":"RSA","n":"0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPe"#,
        "bWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9",
        "c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-",
        r#"kEgU8awapJzKnqDKgw","e":"AQAB","alg":"RS256","kid":"2011-04-29"}"#,
    );
    let (_, Numbers::Public(rsa)) = numbers(rsa) else { panic!("a public key") };
    assert_eq!(rsa.thumbprint(), "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs");
}

#[test]
fn node_signs_and_we_verify_under_each_form_of_each_key() {
    use Algorithm::*;
    let rsa = |algorithm: Algorithm| {
        let named = format!(r#""kid":"k","alg":"{algorithm}""#);
        [jwk(&named, RSA_JWK), IssuerKey::from_pem(algorithm, Some("k".into()), RSA_PEM).unwrap()]
    };
    let table = [
        (HS256, vec![IssuerKey::from_secret(Hs256, None, SECRET).unwrap()]),
        (HS384, vec![IssuerKey::from_secret(Hs384, None, SECRET).unwrap()]),
        (HS512, vec![IssuerKey::from_secret(Hs512, Some("named".into()), SECRET).unwrap()]),
        (RS256, rsa(Rs256).into()),
        (RS384, rsa(Rs384).into()),
        (RS512, rsa(Rs512).into()),
        (PS256, rsa(Ps256).into()),
        (RS256, vec![jwk("", RSA_JWK)]),
        (ES256, vec![jwk(r#""kid":"k""#, P256_JWK), IssuerKey::from_pem(Es256, None, P256_PEM).unwrap()]),
        (ES384, vec![jwk(r#""kid":"k","use":"sig""#, P384_JWK), IssuerKey::from_pem(Es384, None, P384_PEM).unwrap()]),
        (EDDSA, vec![jwk(r#""kid":"k","alg":"Ed25519""#, ED_JWK), IssuerKey::from_pem(EdDsa, None, ED_PEM).unwrap()]),
    ];
    let mut settings = IssuerSettings::new(super::ISSUER);
    settings.audience = Some(vec!["other".into(), "tollgate".into()]);
    settings.display_name_claim = Some("name".into());
    for (token, keys) in table {
        for key in keys {
            let rules = IssuerRules::new(settings.clone(), vec![key.clone()]).unwrap();
            let claims = rules.verify(token, NOW).unwrap_or_else(|refusal| panic!("{key:?}: {refusal}"));
            assert_eq!((claims.user_id.as_str(), claims.display_name.as_deref()), ("user_é", Some("Zoë")));
            assert_eq!((claims.exp, claims.nbf, claims.iat), (1_700_003_600, Some(1_700_000_000), Some(1_700_000_000)));
            assert_eq!((claims.jti.as_deref(), claims.capabilities), (Some("j1"), None));
        }
    }
}

#[test]
fn every_changed_character_of_a_token_is_noticed() {
    for (token, key) in [(ES256, jwk("", P256_JWK)), (EDDSA, jwk("", ED_JWK)), (HS256, super::secret_key())] {
        let rules = rules(vec![key]);
        assert!(rules.verify(token, NOW).is_ok());
        for at in 0..token.len() {
            for other in [b'A', b'B', b'.'] {
                let mut changed = token.as_bytes().to_vec();
                if changed[at] != other {
                    changed[at] = other;
                    let changed = String::from_utf8(changed).unwrap();
                    assert!(rules.verify(&changed, NOW).is_err(), "character {at}");
                }
            }
        }
        for end in 0..token.len() {
            assert!(rules.verify(&token[..end], NOW).is_err(), "cut at {end}");
        }
    }
}

#[test]
fn signatures_of_another_form_do_not_fit() {
    let es256 = rules(vec![jwk("", P256_JWK)]);
    assert_eq!(es256.verify(ES256_DER, NOW), Err(JwtRefusal::Signature));
    let ps256 = rules(vec![jwk(r#""alg":"PS256""#, RSA_JWK)]);
    assert_eq!(ps256.verify(PS256_NO_SALT, NOW), Err(JwtRefusal::Signature));

    let (signed, signature) = ES256.rsplit_once('.').unwrap();
    let signature = URL_SAFE_NO_PAD.decode(signature).unwrap();
    let with = |signature: &[u8]| format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature));
    assert!(es256.verify(&with(&signature), NOW).is_ok());
    let zeros = [0; 32];
    for other in [
        vec![],
        vec![0; 64],
        signature[..63].to_vec(),
        [signature.as_slice(), &[0]].concat(),
        [&[0], signature.as_slice()].concat(),
        [&signature[..32], &zeros].concat(),
        [&zeros, &signature[32..]].concat(),
        [&signature[32..], &signature[..32]].concat(),
        [&signature[..32], &P256_ORDER].concat(),
    ] {
        assert_eq!(es256.verify(&with(&other), NOW), Err(JwtRefusal::Signature), "{other:?}");
    }
    // ECDSA itself gives each signature a twin. That is why nothing may take a token's text for its identity.
    let twin = [&signature[..32], &minus(&P256_ORDER, &signature[32..])].concat();
    assert!(es256.verify(&with(&twin), NOW).is_ok());
}

const P256_ORDER: [u8; 32] = [
    0xff, 0xff, 0xff, 0xff, 0x00, 0x00, 0x00, 0x00, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xbc, 0xe6, 0xfa,
    0xad, 0xa7, 0x17, 0x9e, 0x84, 0xf3, 0xb9, 0xca, 0xc2, 0xfc, 0x63, 0x25, 0x51,
];

fn minus(from: &[u8; 32], number: &[u8]) -> Vec<u8> {
    let mut difference = from.to_vec();
    let mut borrow = 0i16;
    for (digit, less) in difference.iter_mut().zip(number).rev() {
        let value = i16::from(*digit) - i16::from(*less) - borrow;
        borrow = i16::from(value < 0);
        *digit = value.rem_euclid(256) as u8;
    }
    difference
}
