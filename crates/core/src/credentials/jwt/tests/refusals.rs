//! Every reason to refuse a token of an issuer, in tables; and that nothing else is refused.

use super::super::{Algorithm, IssuerKey, IssuerRules, IssuerSettings, JwtRefusal, Part, TOKEN_BYTES_MAX, Unverified};
use super::samples::*;
use super::{ISSUER, NOW, at, hs256, jwk, payload, rules, secret_key};
use JwtRefusal::*;
use std::collections::BTreeSet;

const HEADER: &str = r#"{"alg":"HS256"}"#;
const NOW_S: u64 = NOW.0 / 1000;
const GOOD: &str = r#""exp":1700003600,"sub":"u""#;

/// Truly signed by the registered key; so what is refused is refused for the reason given.
fn check(header: &str, payload: &str, expected: &Result<&str, JwtRefusal>) {
    let outcome = rules(vec![secret_key()]).verify(&hs256(header, payload), NOW);
    assert_eq!(outcome.map(|claims| claims.user_id), expected.clone().map(str::to_owned), "{header} {payload}");
}

fn missing(claim: &str) -> JwtRefusal {
    MissingClaim(claim.into())
}

fn wrong_type(claim: &str, needed: &'static str) -> JwtRefusal {
    ClaimType { claim: claim.into(), needed }
}

#[test]
fn headers() {
    for (header, expected) in [
        (HEADER, Ok("u")),
        (r#"{"alg":"HS256","typ":"JWT"}"#, Ok("u")),
        (r#"{"alg":"HS256","typ":"at+JWT","cty":"x","zip":"DEF","b64":false}"#, Ok("u")),
        (r#"{"alg":"HS256","typ":"application/at+jwt"}"#, Ok("u")),
        // Headers that tell where to find a key are not even looked at.
        (r#"{"alg":"HS256","jku":"https://evil.example","x5u":1,"jwk":{"kty":"oct","k":"AA"},"x5c":["AA"]}"#, Ok("u")),
        (r#"{"alg":"HS256","kid":"../../etc/passwd"}"#, Ok("u")),
        (r#"{"alg":"HS256","typ":"logout+jwt"}"#, Err(WrongType)),
        (r#"{"alg":"HS256","typ":"application/"}"#, Err(WrongType)),
        (r#"{"alg":"HS256","typ":"é€application"}"#, Err(WrongType)),
        (r#"{"alg":"HS256","typ":1}"#, Err(HeaderField("typ"))),
        (r#"{"alg":"HS256","kid":1}"#, Err(HeaderField("kid"))),
        (r#"{"alg":"HS256","kid":null}"#, Err(HeaderField("kid"))),
        (r#"{"alg":"HS256","crit":["exp"],"exp":1}"#, Err(Critical)),
        (r#"{"alg":"HS256","crit":null}"#, Err(Critical)),
        (r#"{"alg":"none"}"#, Err(Unsigned)),
        (r#"{"alg":"nOnE"}"#, Err(Unsigned)),
        (r#"{"alg":"hs256"}"#, Err(UnsupportedAlgorithm)),
        (r#"{"alg":"HS256 "}"#, Err(UnsupportedAlgorithm)),
        (r#"{"alg":"ES512"}"#, Err(UnsupportedAlgorithm)),
        (r#"{"alg":""}"#, Err(UnsupportedAlgorithm)),
        (r#"{"alg":["HS256"]}"#, Err(HeaderField("alg"))),
        (r#"{"alg":null}"#, Err(HeaderField("alg"))),
        ("{}", Err(HeaderField("alg"))),
        (r#"{"alg":"RS256"}"#, Err(AlgorithmOfKey { token: Algorithm::Rs256, key: Algorithm::Hs256 })),
        (r#"{"alg":"HS512"}"#, Err(AlgorithmOfKey { token: Algorithm::Hs512, key: Algorithm::Hs256 })),
        (r#"{"alg":"HS256","alg":"HS256"}"#, Err(DuplicateKey(Part::Header))),
        (r#"{"alg":"none","\u0061lg":"HS256"}"#, Err(DuplicateKey(Part::Header))),
        ("[]", Err(Json(Part::Header))),
        ("", Err(Json(Part::Header))),
        ("\u{feff}{\"alg\":\"HS256\"}", Err(Json(Part::Header))),
    ] {
        check(header, &payload(GOOD), &expected);
    }
}

#[test]
fn times() {
    let number = "a number of seconds";
    let in_time = 1_700_003_600_u64;
    for (claims, expected) in [
        (format!(r#""exp":{in_time}"#), Ok("u")),
        ("\"exp\":1700003600.9".into(), Ok("u")),
        ("\"exp\":1.7000036e9".into(), Ok("u")),
        ("\"exp\":253402300799".into(), Ok("u")),
        (format!(r#""exp":{}"#, NOW_S + 1), Ok("u")),
        (format!(r#""exp":{NOW_S}"#), Err(Expired { exp: NOW_S, now: NOW_S })),
        (format!(r#""exp":{NOW_S}.999"#), Err(Expired { exp: NOW_S, now: NOW_S })),
        ("\"exp\":0".into(), Err(Expired { exp: 0, now: NOW_S })),
        ("\"exp\":-0".into(), Err(Expired { exp: 0, now: NOW_S })),
        ("\"exp\":1e-9".into(), Err(Expired { exp: 0, now: NOW_S })),
        ("\"exp\":-1".into(), Err(TimeRange("exp"))),
        ("\"exp\":-1e300".into(), Err(TimeRange("exp"))),
        ("\"exp\":253402300800".into(), Err(TimeRange("exp"))),
        ("\"exp\":253402300799.5".into(), Err(TimeRange("exp"))),
        ("\"exp\":1700003600000".into(), Err(TimeRange("exp"))),
        ("\"exp\":18446744073709551615".into(), Err(TimeRange("exp"))),
        ("\"exp\":18446744073709551616".into(), Err(TimeRange("exp"))),
        ("\"exp\":1e308".into(), Err(TimeRange("exp"))),
        ("\"exp\":1e309".into(), Err(Json(Part::Payload))),
        ("\"exp\":\"1700003600\"".into(), Err(wrong_type("exp", number))),
        ("\"exp\":null".into(), Err(wrong_type("exp", number))),
        ("\"exp\":true".into(), Err(wrong_type("exp", number))),
        ("\"exp\":[1700003600]".into(), Err(wrong_type("exp", number))),
        ("\"exp\":{}".into(), Err(wrong_type("exp", number))),
        ("\"Exp\":1700003600".into(), Err(missing("exp"))),
        (String::from("\"x\":1"), Err(missing("exp"))),
        ("\"exp\":1,\"exp\":1700003600".into(), Err(DuplicateKey(Part::Payload))),
        (format!(r#""exp":{in_time},"nbf":{NOW_S}"#), Ok("u")),
        (format!(r#""exp":{in_time},"nbf":{}"#, NOW_S + 1), Err(NotYetValid { nbf: NOW_S + 1, now: NOW_S })),
        (format!(r#""exp":{in_time},"nbf":{NOW_S}.1"#), Err(NotYetValid { nbf: NOW_S + 1, now: NOW_S })),
        (format!(r#""exp":{in_time},"nbf":"0""#), Err(wrong_type("nbf", number))),
        (format!(r#""exp":{in_time},"nbf":null"#), Err(wrong_type("nbf", number))),
        (format!(r#""exp":{in_time},"nbf":-5"#), Err(TimeRange("nbf"))),
        (format!(r#""exp":{in_time},"iat":{NOW_S}.9"#), Ok("u")),
        (format!(r#""exp":{in_time},"iat":{}"#, NOW_S + 1), Err(IssuedInFuture { iat: NOW_S + 1, now: NOW_S })),
        (format!(r#""exp":{in_time},"iat":"x""#), Err(wrong_type("iat", number))),
    ] {
        check(HEADER, &payload(&format!("{claims},\"sub\":\"u\"")), &expected);
    }
}

#[test]
fn other_claims() {
    let text = "a string";
    let id = "a string that is not empty, or a whole number";
    let exp = r#""exp":1700003600"#;
    for (claims, expected) in [
        (format!(r#"{exp},"sub":"ü \"x\" 🦀""#), Ok("ü \"x\" 🦀")),
        (format!(r#"{exp},"sub":"\ud83e\udd80""#), Ok("🦀")),
        (format!(r#"{exp},"sub":18446744073709551615"#), Ok("18446744073709551615")),
        (format!(r#"{exp},"sub":-7"#), Ok("-7")),
        (format!(r#"{exp},"sub":18446744073709551616"#), Err(wrong_type("sub", id))),
        (format!(r#"{exp},"sub":1.0"#), Err(wrong_type("sub", id))),
        (format!(r#"{exp},"sub":"""#), Err(wrong_type("sub", id))),
        (format!(r#"{exp},"sub":null"#), Err(wrong_type("sub", id))),
        (format!(r#"{exp},"sub":["u"]"#), Err(wrong_type("sub", id))),
        (format!(r#"{exp},"sub":"\ud800""#), Err(Json(Part::Payload))),
        (exp.into(), Err(missing("sub"))),
        (format!(r#"{GOOD},"jti":7"#), Err(wrong_type("jti", text))),
        (format!(r#"{GOOD},"x":{{"a":1,"a":2}}"#), Err(DuplicateKey(Part::Payload))),
        (format!(r#"{GOOD},"iss":"{ISSUER}""#), Err(DuplicateKey(Part::Payload))),
    ] {
        check(HEADER, &payload(&claims), &expected);
    }
    for (payload, expected) in [
        (format!("{{{GOOD}}}"), missing("iss")),
        (format!(r#"{{"iss":"{ISSUER}/",{GOOD}}}"#), WrongIssuer),
        (format!(r#"{{"iss":"",{GOOD}}}"#), WrongIssuer),
        (format!(r#"{{"iss":["{ISSUER}"],{GOOD}}}"#), wrong_type("iss", text)),
        (format!(r#"{{"iss":null,{GOOD}}}"#), wrong_type("iss", text)),
        ("\"\"".into(), Json(Part::Payload)),
        ("{}{}".into(), Json(Part::Payload)),
        (format!("{{\"x\":{}{},{GOOD}}}", "[".repeat(1000), "]".repeat(1000)), Json(Part::Payload)),
    ] {
        check(HEADER, &payload, &Err(expected));
    }
}

#[test]
fn audience_lifetime_and_leeway_are_held_by_the_rules() {
    let outcome = |change: &dyn Fn(&mut IssuerSettings), claims: &str, now: u64| {
        let mut settings = IssuerSettings::new(ISSUER);
        change(&mut settings);
        let rules = IssuerRules::new(settings, vec![secret_key()]).unwrap();
        rules.verify(&hs256(HEADER, &payload(claims)), at(now)).map(|claims| claims.exp).err()
    };
    let audience = |settings: &mut IssuerSettings| settings.audience = Some(vec!["a".into(), "b".into()]);
    let mistyped = Some(wrong_type("aud", "a string or a list of strings"));
    for (claims, expected) in [
        (r#""aud":"a""#, None),
        (r#""aud":["x","b"]"#, None),
        (r#""aud":"A""#, Some(WrongAudience)),
        (r#""aud":"a,b""#, Some(WrongAudience)),
        (r#""aud":[]"#, Some(WrongAudience)),
        (r#""x":1"#, Some(WrongAudience)),
        (r#""aud":[["a"]]"#, mistyped.clone()),
        (r#""aud":["a",1]"#, mistyped.clone()),
        (r#""aud":null"#, mistyped.clone()),
        (r#""aud":{"a":1}"#, mistyped),
    ] {
        assert_eq!(outcome(&audience, &format!("{GOOD},{claims}"), NOW_S), expected, "{claims}");
    }
    assert_eq!(outcome(&|_| {}, &format!(r#"{GOOD},"aud":7"#), NOW_S), None, "not looked at");

    let hour = |settings: &mut IssuerSettings| settings.lifetime_s_max = Some(3600);
    let too_long = |lifetime_s| Some(LivesTooLong { lifetime_s, lifetime_s_max: 3600 });
    for (exp, iat, expected) in [
        (NOW_S + 3600, "", None),
        (NOW_S + 3601, "", too_long(3601)),
        (NOW_S + 3500, r#","iat":1700000000"#, None),
        (NOW_S + 3501, r#","iat":1700000000"#, too_long(3601)),
        (NOW_S + 3500, r#","iat":0"#, too_long(NOW_S + 3500)),
        (253_402_300_799, "", too_long(253_402_300_799 - NOW_S)),
    ] {
        assert_eq!(outcome(&hour, &format!(r#""sub":"u","exp":{exp}{iat}"#), NOW_S), expected, "{exp} {iat}");
    }

    let lenient = |settings: &mut IssuerSettings| settings.leeway_s = 30;
    let claims = r#""sub":"u","nbf":1000,"iat":1000,"exp":2000"#;
    for (now, expected) in [
        (969, Some(NotYetValid { nbf: 1000, now: 969 })),
        (970, None),
        (2029, None),
        (2030, Some(Expired { exp: 2000, now: 2030 })),
    ] {
        assert_eq!(outcome(&lenient, claims, now), expected, "{now}");
    }
    let future = Some(IssuedInFuture { iat: 1000, now: 969 });
    assert_eq!(outcome(&lenient, r#""sub":"u","iat":1000,"exp":2000"#, 969), future);
}

#[test]
fn paths_find_nested_claims_and_claims_with_dots() {
    let claims = r#""exp":1700003600,"sub":"s","https://x.example/id":"url","https://x.example/claims":{"user.id":"both"},
        "user":{"id":"nested","name":"N","deep":{"er":7}},"a.b":{"c":"longest"},"a":{"b":{"c":"shorter"}},"caps":{"x":["y"]},"nil":null"#;
    let outcome = |user: &str, name: Option<&str>, caps: Option<&str>| {
        let mut settings = IssuerSettings::new(ISSUER);
        settings.user_id_claim = user.into();
        settings.display_name_claim = name.map(str::to_owned);
        settings.capabilities_claim = caps.map(str::to_owned);
        let rules = IssuerRules::new(settings, vec![secret_key()]).unwrap();
        rules.verify(&hs256(HEADER, &payload(claims)), NOW)
    };
    for (path, expected) in [
        ("sub", Some("s")),
        ("https://x.example/id", Some("url")),
        ("https://x.example/claims.user.id", Some("both")),
        ("user.id", Some("nested")),
        ("user.deep.er", Some("7")),
        ("a.b.c", Some("longest")),
        ("user", None),
        ("user.none", None),
        ("user.id.x", None),
        (".", None),
        ("..", None),
        ("user.", None),
        (".user", None),
    ] {
        assert_eq!(outcome(path, None, None).map(|claims| claims.user_id).ok().as_deref(), expected, "{path}");
    }
    let name = |path| outcome("sub", Some(path), None).map(|claims| claims.display_name);
    assert_eq!(name("user.name"), Ok(Some("N".into())));
    assert_eq!(name("nowhere"), Ok(None));
    assert_eq!(name("nil"), Ok(None));
    assert_eq!(name("user.deep"), Err(wrong_type("user.deep", "a string")));
    let capabilities = |path| outcome("sub", None, Some(path)).unwrap().capabilities.map(|value| value.to_string());
    assert_eq!(capabilities("caps").as_deref(), Some(r#"{"x":["y"]}"#));
    assert_eq!(capabilities("nil"), None);
    assert_eq!(capabilities("nowhere"), None);
}

#[test]
fn form_is_checked_before_anything_is_decoded() {
    let good = hs256(HEADER, &payload(GOOD));
    let [header, claims, mac] = good.split('.').collect::<Vec<_>>()[..] else { panic!("three parts") };
    let join = |parts: &[&str]| parts.join(".");
    let long = "A".repeat(TOKEN_BYTES_MAX + 1);
    let filled = hs256(HEADER, &payload(&format!(r#"{GOOD},"x":"{}""#, "x".repeat(5900))));
    assert!(filled.len() > 7900 && rules(vec![secret_key()]).verify(&filled, NOW).is_ok());
    for (text, expected) in [
        (String::new(), Segments(1)),
        ("a".into(), Segments(1)),
        ("a.b".into(), Segments(2)),
        ("a.b.c.d.e".into(), Segments(5)),
        (".".repeat(TOKEN_BYTES_MAX), Segments(TOKEN_BYTES_MAX + 1)),
        (long.clone(), TooLong(long.len())),
        ("é".repeat(TOKEN_BYTES_MAX), TooLong(2 * TOKEN_BYTES_MAX)),
        ("..".into(), Json(Part::Header)),
        (join(&[&"A".repeat(1368), claims, mac]), HeaderTooLong(1026)),
        (join(&[&format!("{header}="), claims, mac]), Encoding(Part::Header)),
        (join(&[&format!("{header} "), claims, mac]), Encoding(Part::Header)),
        (format!(" {good}"), Encoding(Part::Header)),
        (format!("Bearer {good}"), Encoding(Part::Header)),
        (join(&["é", claims, mac]), Encoding(Part::Header)),
        (join(&[header, &format!("{claims}=="), mac]), Encoding(Part::Payload)),
        (join(&[header, "a+/b", mac]), Encoding(Part::Payload)),
        (join(&[header, "A", mac]), Encoding(Part::Payload)),
        (join(&[header, "", mac]), Json(Part::Payload)),
        (join(&[header, claims, &format!("{mac}=")]), Encoding(Part::Signature)),
        (format!("{good}\n"), Encoding(Part::Signature)),
        (join(&[header, claims, ""]), Signature),
        (join(&[header, claims, &mac[..mac.len() - 3]]), Signature),
    ] {
        assert_eq!(rules(vec![secret_key()]).verify(&text, NOW), Err(expected), "{:.60}", text);
    }
    // A last character with bits left over would be a second spelling of the same bytes.
    let second = ["B", "C", "D"].map(|last| format!("{}{last}", &good[..good.len() - 1]));
    let outcomes: Vec<_> = second.iter().map(|text| rules(vec![secret_key()]).verify(text, NOW)).collect();
    assert!(outcomes.contains(&Err(Encoding(Part::Signature))), "{outcomes:?}");
}

#[test]
fn a_public_key_never_verifies_an_hmac() {
    let expected = Err(AlgorithmOfKey { token: Algorithm::Hs256, key: Algorithm::Rs256 });
    let pem = IssuerKey::from_pem(Algorithm::Rs256, Some("k".into()), RSA_PEM).unwrap();
    assert_eq!(rules(vec![pem.clone()]).verify(CONFUSED, NOW), expected);
    assert_eq!(rules(vec![jwk("", RSA_JWK), pem]).verify(CONFUSED, NOW), expected);
    // With a secret registered besides, the confused token meets the secret and nothing else.
    let named = IssuerKey::from_secret(Algorithm::Hs256, Some("k".into()), SECRET).unwrap();
    assert_eq!(rules(vec![jwk(r#""kid":"k""#, RSA_JWK), named]).verify(CONFUSED, NOW), Err(Signature));
}

#[test]
fn keys_are_found_by_kid_within_their_issuer() {
    let key = |kid: Option<&str>, secret: &[u8]| {
        IssuerKey::from_secret(Algorithm::Hs256, kid.map(str::to_owned), secret).unwrap()
    };
    let other = [9; 32];
    let plain = hs256(HEADER, &payload(GOOD));
    let named = hs256(r#"{"alg":"HS256","kid":"a"}"#, &payload(GOOD));
    let four = vec![key(None, &other), key(None, &[8; 32]), key(None, &[6; 32]), key(None, SECRET)];
    for (keys, token, expected) in [
        (vec![], &plain, Err(UnknownKid)),
        (vec![], &named, Err(UnknownKid)),
        (vec![key(Some("a"), SECRET)], &named, Ok(())),
        (vec![key(Some("a"), SECRET)], &plain, Ok(())),
        (vec![key(Some("A"), SECRET)], &named, Err(UnknownKid)),
        (vec![key(Some("b"), SECRET), key(Some("a"), &other)], &named, Err(Signature)),
        (vec![key(Some("b"), SECRET), key(None, SECRET)], &named, Err(UnknownKid)),
        (vec![key(None, &other), key(None, SECRET)], &named, Ok(())),
        (vec![key(Some("a"), &other), key(Some("a"), SECRET)], &named, Ok(())),
        (vec![key(None, &other), key(None, SECRET)], &plain, Ok(())),
        (vec![key(None, &other)], &plain, Err(Signature)),
        (four.clone(), &plain, Ok(())),
        ([four, vec![key(None, &[7; 32])]].concat(), &plain, Err(KidNeeded)),
        (
            vec![jwk(r#""kid":"a""#, ED_JWK)],
            &named,
            Err(AlgorithmOfKey { token: Algorithm::Hs256, key: Algorithm::EdDsa }),
        ),
        (vec![jwk(r#""kid":"a""#, ED_JWK), key(Some("a"), SECRET)], &named, Ok(())),
    ] {
        assert_eq!(rules(keys.clone()).verify(token, NOW).map(|_| ()), expected, "{keys:?}");
    }
    // Two issuers with the same `kid`: the key of one says nothing in the name of the other.
    let foreign = IssuerRules::new(IssuerSettings::new("https://other.example"), vec![key(Some("a"), SECRET)]).unwrap();
    assert_eq!(foreign.verify(&named, NOW), Err(WrongIssuer));
    assert_eq!(rules(vec![key(Some("a"), &other)]).verify(&named, NOW), Err(Signature));
}

#[test]
fn unverified_tells_whom_to_ask_and_nothing_more() {
    let token =
        hs256(r#"{"alg":"ES384","kid":"k","typ":"JWT","jku":"https://evil.example"}"#, r#"{"iss":"i","sub":"u"}"#);
    let expected = Unverified {
        algorithm: Algorithm::Es384,
        kid: Some("k".into()),
        typ: Some("JWT".into()),
        issuer: Some("i".into()),
    };
    assert_eq!(Unverified::parse(&token), Ok(expected));
    assert_eq!(Unverified::parse(&hs256(HEADER, "{}")).unwrap().issuer, None);
    assert_eq!(Unverified::parse(&hs256(HEADER, r#"{"iss":1}"#)), Err(wrong_type("iss", "a string")));
    assert_eq!(Unverified::parse(&hs256(r#"{"alg":"none"}"#, "{}")), Err(Unsigned));
    assert_eq!(Unverified::parse(&"a".repeat(TOKEN_BYTES_MAX + 1)), Err(TooLong(TOKEN_BYTES_MAX + 1)));
}

#[test]
fn refusals_speak_to_the_caller_and_repeat_nothing() {
    for (refusal, says) in [
        (Expired { exp: 100, now: 135 }, "the token has expired: its `exp` is 100, now it is 135 (35 s later)"),
        (NotYetValid { nbf: 60, now: 50 }, "the token is not valid yet: its `nbf` is 60, now it is 50 (10 s earlier)"),
        (missing("user.id"), "the token has no claim `user.id`, which is needed"),
        (
            AlgorithmOfKey { token: Algorithm::Hs256, key: Algorithm::Rs256 },
            "the token's `alg` is HS256, but the key is for RS256 only",
        ),
        (TooLong(9000), "the token has 9000 characters; at most 8192 are allowed"),
    ] {
        assert_eq!(refusal.to_string(), says);
    }
    let canary = "c4n4ry";
    let mut reasons = BTreeSet::new();
    for token in [
        hs256(&format!(r#"{{"alg":"HS256","typ":"{canary}"}}"#), &payload(GOOD)),
        hs256(&format!(r#"{{"alg":"{canary}"}}"#), &payload(GOOD)),
        hs256(HEADER, &format!(r#"{{"iss":"{canary}",{GOOD}}}"#)),
        hs256(HEADER, &payload(&format!(r#"{GOOD},"jti":["{canary}"]"#))),
        hs256(HEADER, &payload(&format!(r#""sub":"u","exp":"{canary}""#))),
        hs256(HEADER, &payload(&format!(r#""{canary}":1,"{canary}":2"#))),
        format!("{canary}!.a.b"),
    ] {
        let refusal = rules(vec![secret_key()]).verify(&token, NOW).unwrap_err();
        assert!(!format!("{refusal} {refusal:?}").contains(canary), "{refusal:?}");
        reasons.insert(refusal.reason());
    }
    assert_eq!(
        reasons.into_iter().collect::<Vec<_>>(),
        ["malformed", "wrong_algorithm", "wrong_claim", "wrong_issuer", "wrong_type"]
    );
}
