//! Bytes of strangers, as tokens, as parts of tokens, as claims and as keys: refused, and nothing panics.

use super::super::{Algorithm, IssuerKey, IssuerRules, IssuerSettings, Jwks, Unverified};
use super::samples::RSA_JWK;
use super::{ISSUER, NOW, hs256, jwk, payload, rules, secret_key};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use proptest::prelude::*;

const HEADER: &str = r#"{"alg":"HS256"}"#;

proptest! {
    #[test]
    fn junk_is_refused_without_a_panic(text in ".{0,300}") {
        prop_assert!(rules(vec![secret_key(), jwk("", RSA_JWK)]).verify(&text, NOW).is_err());
        let _ = Unverified::parse(&text);
    }

    #[test]
    fn junk_in_each_part_is_refused_without_a_panic(header in any::<Vec<u8>>(), claims in any::<Vec<u8>>(), mac in any::<Vec<u8>>()) {
        let [header, claims, mac] = [header, claims, mac].map(|bytes| URL_SAFE_NO_PAD.encode(bytes));
        let good = hs256(HEADER, &payload(r#""exp":1700003600,"sub":"u""#));
        let parts: Vec<&str> = good.split('.').collect();
        for text in [
            format!("{header}.{}.{}", parts[1], parts[2]),
            format!("{}.{claims}.{}", parts[0], parts[2]),
            format!("{}.{}.{mac}", parts[0], parts[1]),
            format!("{header}.{claims}.{mac}"),
        ] {
            prop_assert!(rules(vec![secret_key()]).verify(&text, NOW).is_err());
        }
    }

    #[test]
    fn any_json_truly_signed_never_panics(value in any_json(), name in "exp|nbf|iat|sub|iss|aud|jti") {
        let mut settings = IssuerSettings::new(ISSUER);
        settings.audience = Some(vec!["a".into()]);
        settings.lifetime_s_max = Some(1);
        let rules = IssuerRules::new(settings, vec![secret_key()]).unwrap();
        let token = hs256(HEADER, &format!(r#"{{"iss2":1,"exp2":2,"{name}":{value}}}"#));
        prop_assert!(rules.verify(&token, NOW).is_err());
    }

    #[test]
    fn keys_of_junk_are_refused_without_a_panic(text in ".{0,200}", bytes in any::<Vec<u8>>()) {
        let _ = IssuerKey::from_jwk(text.as_bytes());
        let _ = Jwks::parse(&bytes);
        let pem = format!("-----BEGIN PUBLIC KEY-----\n{}\n-----END PUBLIC KEY-----", STANDARD.encode(&bytes));
        for algorithm in Algorithm::ALL {
            prop_assert!(IssuerKey::from_pem(algorithm, None, &pem).is_err());
        }
    }
}

fn any_json() -> impl Strategy<Value = String> {
    prop_oneof![
        any::<f64>().prop_filter("JSON has no NaN", |value| value.is_finite()).prop_map(|value| format!("{value:e}")),
        any::<i128>().prop_map(|value| value.to_string()),
        "[0-9]{1,400}",
        "\\PC{0,20}".prop_map(|text| serde_json::Value::String(text).to_string()),
        Just("[]".to_owned()),
        Just("{}".to_owned()),
        Just("null".to_owned()),
    ]
}
