//! The keys of access tokens on a clock that tests own: nothing fails within the overlap of two keys, everything does after a retirement.

use tollgate_core::CloseReason;
use tollgate_core::clock::UnixMillis;
use tollgate_core::command::PresentedSecret;
use tollgate_core::credentials::jwt::Unverified;
use tollgate_core::error::ErrorKind;
use tollgate_node::{AccessWish, NewToken, Place, SigningKeyStatus};

use super::bench::{Bench, IssuedToken, Told, by_id, secret};

const HOUR: u64 = 3_600_000;

/// A JWT of the token, with its end.
fn spell(bench: &Bench, token: &IssuedToken, life_s: u64) -> (String, u64) {
    let wish = AccessWish { life_ms: Some(life_s * 1_000), audience: None };
    let made = bench.run(bench.node.create_access_token(&bench.key, &by_id(token), wish)).unwrap().1;
    (made.text.to_string(), made.expires_at.0)
}

fn kid(text: &str) -> String {
    Unverified::parse(text).unwrap().kid.unwrap()
}

fn refusal(bench: &Bench, text: &str) -> (ErrorKind, String) {
    let secret = PresentedSecret::new(text.into());
    let error = bench.run(bench.node.authenticate_token(None, &secret, Place::default())).unwrap_err();
    (error.kind, error.detail)
}

#[test]
fn a_rotation_on_schedule_fails_nobody_and_ends_what_it_should() {
    let bench = Bench::new();
    let token = bench.issue(NewToken::default());
    bench.settings(|settings| settings.signing_key_life_ms = Some(HOUR));
    let (mut made, mut published) = (Vec::<(String, u64)>::new(), Vec::<(String, u64)>::new());
    let mut kids = Vec::<String>::new();
    // Every instant of which something happens is a whole number of these.
    for at in 0..12 * 60 * 5 + 60 {
        let now = bench.now();
        bench.run(bench.node.turn_signing_keys());
        let mut jwks = bench.node.jwks(bench.project).unwrap();
        if at == 0 {
            spell(&bench, &token, 1);
            jwks = bench.node.jwks(bench.project).unwrap();
        }
        for key in bench.node.signing_keys(&bench.key).unwrap() {
            if jwks.contains(&key.kid) && !published.iter().any(|(kid, _)| *kid == key.kid) {
                published.push((key.kid, now));
            }
        }
        if at % 7 == 0 {
            let (text, end) = spell(&bench, &token, 1_000);
            let kid = kid(&text);
            assert!(jwks.contains(&kid), "whoever gets it can verify it");
            if kids.last() != Some(&kid) {
                let known = published.iter().find(|(known, _)| *known == kid).map(|(_, at)| *at);
                assert!(kids.is_empty() || known.is_some_and(|at| now - at >= 600_000), "published ten minutes before");
                kids.push(kid);
            }
            made.push((text, end));
        }
        made.retain(|(text, end)| {
            let works = bench.works(text);
            assert_eq!(works, now < *end, "at {now}, one that ends at {end}");
            assert!(!works || jwks.contains(&kid(text)), "and offline, too");
            works
        });
        bench.clock.advance(5_000);
    }
    kids.dedup();
    assert!((5..=6).contains(&kids.len()), "five hours, five or six keys: {kids:?}");
    let keys = bench.node.signing_keys(&bench.key).unwrap();
    let signing: Vec<_> = keys.iter().filter(|key| key.status == SigningKeyStatus::Signing).collect();
    assert_eq!(signing.len(), 1);
    assert_eq!(Some(&signing[0].kid), kids.last());
    // A week after the longest access token of a key could end, its record is gone.
    bench.clock.advance(9 * 24 * HOUR);
    bench.run(bench.node.turn_signing_keys());
    bench.run(bench.node.turn_signing_keys());
    let left = bench.node.signing_keys(&bench.key).unwrap();
    assert!(left.len() <= 2, "{left:?}");
    assert!(!bench.node.jwks(bench.project).unwrap().contains(&kids[0]));
}

#[test]
fn a_retired_key_is_believed_no_more_and_its_connections_are_closed() {
    let mut bench = Bench::new();
    let token = bench.issue(NewToken::default());
    let (text, _) = spell(&bench, &token, 3_000);
    let by_jwt = bench.connect(&text).unwrap();
    let by_secret = bench.connect(&secret(&token)).unwrap();
    assert!(bench.works(&text) && bench.works(&text), "the second time from what was remembered");
    bench.told();

    let rotated = bench.run(bench.node.rotate_signing_key(&bench.key)).unwrap();
    assert!(bench.works(&text), "a rotation by hand lets the old one verify");
    let (newer, _) = spell(&bench, &token, 3_000);
    assert_eq!(kid(&newer), rotated.kid);
    let old = kid(&text);
    let retired = bench.run(bench.node.retire_signing_key(&bench.key, &old, true)).unwrap();
    assert_eq!(retired.status, SigningKeyStatus::Retired);
    assert_eq!(bench.told(), vec![(by_jwt, Told::Closed(CloseReason::TokenRevoked))], "{by_secret:?} goes on");
    let (kind, detail) = refusal(&bench, &text);
    assert_eq!(kind, ErrorKind::InvalidAuth);
    assert!(detail.contains("`kid`"), "{detail}");
    assert_eq!(bench.connect(&text).unwrap_err().kind, ErrorKind::InvalidAuth);
    assert!(bench.works(&newer));
    assert!(!bench.node.jwks(bench.project).unwrap().contains(&old));

    // The one that signs: another signs at once.
    bench.run(bench.node.retire_signing_key(&bench.key, &rotated.kid, true)).unwrap();
    assert!(!bench.works(&newer));
    let (latest, _) = spell(&bench, &token, 3_000);
    assert!(bench.works(&latest) && ![old, rotated.kid].contains(&kid(&latest)));
    assert_eq!(bench.audit("signing_key.retire").len(), 2);
    bench.restart();
    assert!(bench.works(&latest) && !bench.works(&text) && !bench.works(&newer), "after a restart, too");
    let missing = bench.run(bench.node.retire_signing_key(&bench.key, "none", true)).unwrap_err();
    assert_eq!(missing.kind, ErrorKind::NotFound);
}

#[test]
fn without_an_emergency_what_was_signed_works_until_it_ends() {
    let bench = Bench::new();
    let token = bench.issue(NewToken::default());
    let (text, end) = spell(&bench, &token, 60);
    bench.run(bench.node.retire_signing_key(&bench.key, &kid(&text), false)).unwrap();
    assert_ne!(kid(&spell(&bench, &token, 60).0), kid(&text));
    bench.clock.advance(59_000);
    assert!(bench.works(&text));
    bench.clock.advance(end - bench.now());
    assert_eq!(refusal(&bench, &text).0, ErrorKind::TokenExpired);
}

#[test]
fn a_jwt_ends_its_connection_though_its_token_lasts() {
    let bench = Bench::new();
    let token = bench.issue(NewToken { expires_at: Some(UnixMillis(bench.now() + HOUR)), ..NewToken::default() });
    let (text, _) = spell(&bench, &token, 90);
    let connection = bench.connect(&text).unwrap();
    assert_eq!(bench.ends_in(connection), Some(90_000));
    let other = bench.connect(&secret(&token)).unwrap();
    assert_eq!(bench.ends_in(other), Some(HOUR));
    // A change of the token lets nobody stay longer than its JWT says.
    bench.told();
    let from_now = |ms: u64| Some(Some(UnixMillis(bench.now() + ms)));
    bench.change(&token, |update| update.expires_at = from_now(2 * HOUR));
    bench.told();
    assert_eq!((bench.ends_in(connection), bench.ends_in(other)), (Some(90_000), Some(2 * HOUR)));
    bench.change(&token, |update| update.expires_at = from_now(30_000));
    bench.told();
    assert_eq!(bench.ends_in(connection), Some(30_000));
    let (short, end) = spell(&bench, &token, 90);
    assert_eq!(end, bench.now() + 30_000, "no longer than its token");
    assert!(bench.works(&short));
}

#[test]
fn every_spelling_ends_with_the_record() {
    let bench = Bench::new();
    let token = bench.issue(NewToken::default());
    let (text, _) = spell(&bench, &token, 3_000);
    bench.run(bench.node.rotate_token(&bench.key, &by_id(&token), Some(10_000), None, None)).unwrap();
    assert!(bench.works(&text), "within the grace");
    bench.clock.advance(10_000);
    assert_eq!(refusal(&bench, &text).0, ErrorKind::TokenRotated);
    let (text, _) = spell(&bench, &token, 3_000);
    let own =
        bench.run(bench.node.authenticate_token(None, &PresentedSecret::new(text.clone()), Place::default())).unwrap();
    bench.run(bench.node.revoke_own_token(&own)).unwrap();
    assert_eq!(refusal(&bench, &text).0, ErrorKind::TokenRevoked);
    let refused = bench.run(bench.node.create_access_token(&bench.key, &by_id(&token), AccessWish::default()));
    assert_eq!(refused.unwrap_err().kind, ErrorKind::TokenRevoked);
}

#[test]
fn a_jwt_for_somebody_else_is_not_let_in_here() {
    let bench = Bench::new();
    let token = bench.issue(NewToken::default());
    let wish = AccessWish { life_ms: None, audience: Some("https://media.example".into()) };
    let made = bench.run(bench.node.create_access_token(&bench.key, &by_id(&token), wish)).unwrap().1;
    let (kind, detail) = refusal(&bench, &made.text);
    assert_eq!(kind, ErrorKind::InvalidAuth);
    assert!(detail.contains("`aud`"), "{detail}");
    for (life_ms, audience) in
        [(Some(0), None), (Some(u64::MAX), None), (None, Some(String::new())), (None, Some("a".repeat(513)))]
    {
        let wish = AccessWish { life_ms, audience };
        let refused = bench.run(bench.node.create_access_token(&bench.key, &by_id(&token), wish)).unwrap_err();
        assert_eq!(refused.kind, ErrorKind::InvalidInput);
    }
}

#[test]
fn keys_follow_the_projects_algorithm_and_are_bounded() {
    let bench = Bench::new();
    let token = bench.issue(NewToken::default());
    for (word, expected) in [(None, "ES256"), (Some("EdDSA"), "EdDSA")] {
        bench.settings(|settings| settings.signing_algorithm = word.map(str::to_owned));
        let key = bench.run(bench.node.rotate_signing_key(&bench.key)).unwrap();
        assert_eq!(key.algorithm, expected);
        let (text, _) = spell(&bench, &token, 60);
        assert_eq!(Unverified::parse(&text).unwrap().algorithm.word(), expected);
        assert!(bench.works(&text));
    }
    let create = |algorithm, signs_in_ms| bench.run(bench.node.create_signing_key(&bench.key, algorithm, signs_in_ms));
    assert_eq!(create(Some("HS256"), None).unwrap_err().kind, ErrorKind::InvalidInput);
    assert_eq!(create(None, Some(u64::MAX)).unwrap_err().kind, ErrorKind::InvalidInput);
    let next = create(Some("ES256"), None).unwrap();
    assert_eq!((next.status, next.algorithm.as_str()), (SigningKeyStatus::Next, "ES256"));
    let made = (0..20).map(|_| create(None, Some(HOUR))).take_while(Result::is_ok).count();
    assert!(made < 16, "{made}");
    assert_eq!(create(None, Some(HOUR)).unwrap_err().kind, ErrorKind::LimitReached);
}
