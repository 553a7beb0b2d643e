//! Why a token is refused: the same word over REST, at a connect, and in an introspection.

use tollgate_core::authorize::Caller;
use tollgate_core::clock::UnixMillis;
use tollgate_core::command::PresentedSecret;
use tollgate_core::credentials::TokenSpelling;
use tollgate_core::error::ErrorKind;
use tollgate_node::{NewToken, Place};

use super::bench::{Bench, START, by_id, secret};

fn introspected(bench: &Bench, text: &str) -> (Option<&'static str>, Option<UnixMillis>) {
    let found = bench.run(bench.node.introspect(&bench.key, &PresentedSecret::new(text.into()), None)).unwrap();
    (found.refusal.as_ref().map(|refused| refused.code), found.refusal.and_then(|refused| refused.since))
}

#[test]
fn each_end_has_its_word_everywhere() {
    let bench = Bench::new();
    let expired = bench.issue(NewToken { life_ms: Some(1_000), ..NewToken::default() });
    let early = bench.issue(NewToken { not_before: Some(UnixMillis(START + 9_000)), ..NewToken::default() });
    let rotated = bench.issue(NewToken::default());
    bench.run(bench.node.rotate_token(&bench.key, &by_id(&rotated), Some(500), None, None)).unwrap();
    let revoked = bench.issue(NewToken::default());
    let own = bench
        .run(bench.node.authenticate_token(None, &PresentedSecret::new(secret(&revoked)), Place::default()))
        .unwrap();
    bench.run(bench.node.revoke_own_token(&own)).unwrap();
    bench.clock.advance(1_000);
    let table = [
        (&expired, "token_expired", START + 1_000),
        (&early, "token_not_yet_valid", START + 9_000),
        (&rotated, "token_rotated", START + 500),
        (&revoked, "token_revoked", START),
    ];
    for (token, code, since) in table {
        let text = secret(token);
        assert_eq!(bench.refused(&text, Place::default()), Some(code));
        assert_eq!(bench.connect(&text).unwrap_err().kind.code(), code);
        assert_eq!(introspected(&bench, &text), (Some(code), Some(UnixMillis(since))), "{code}");
    }
    bench.clock.advance(8_000);
    assert!(bench.works(&secret(&early)), "at the instant of its beginning");
    let found = bench.run(bench.node.introspect(&bench.key, &PresentedSecret::new(secret(&revoked)), None)).unwrap();
    assert!(found.refusal.unwrap().reason.contains("ended by its holder"), "the revoker's reason is told");
    assert_eq!(bench.run(bench.node.revoke_own_token(&own)).unwrap_err().kind, ErrorKind::TokenRevoked);
    assert_eq!(bench.audit("token.revoke").len(), 1);
}

#[test]
fn what_proves_nothing_is_unknown() {
    let bench = Bench::new();
    let token = bench.issue(NewToken::default());
    let good = secret(&token);
    let (other, other_key) = bench.run(bench.node.create_project(&Caller::Operator, "other")).unwrap();
    let other_key = bench.node.authenticate(&PresentedSecret::new(other_key.expose().to_string())).unwrap();
    let foreign = bench.run(bench.node.create_token(&other_key, NewToken::default())).unwrap();
    let foreign = foreign.secret.expose(TokenSpelling::Native).to_string();
    let mut typo = good.clone();
    typo.replace_range(20..21, if &good[20..21] == "a" { "b" } else { "a" });
    for (text, code) in [(typo.as_str(), "checksum"), ("tgt_x", "malformed"), ("", "malformed"), (&foreign, "unknown")]
    {
        assert_eq!(introspected(&bench, text).0, Some(code), "{text}");
        let found = bench.run(bench.node.introspect(&bench.key, &PresentedSecret::new(text.into()), None)).unwrap();
        assert!(found.token.is_none(), "nothing is told of another project's token");
    }
    assert!(bench.works(&foreign), "it is a token, if not of this project");
    let claims = |project| {
        let secret = PresentedSecret::new(foreign.clone());
        bench.run(bench.node.authenticate_token(project, &secret, Place::default())).map_err(|error| error.kind)
    };
    assert!(matches!(claims(Some(other.id)), Ok(Caller::Token { project, .. }) if project == other.id));
    assert_eq!(claims(Some(bench.project)).unwrap_err(), ErrorKind::InvalidAuth);
    assert_eq!(introspected(&bench, &good.replace("tgt_", "leap_token_")).0, None, "either spelling");
    bench.run(bench.node.delete_token(&bench.key, &by_id(&token))).unwrap();
    assert_eq!(introspected(&bench, &good).0, Some("deleted"));
    assert_eq!(bench.refused(&good, Place::default()), Some("invalid_auth"));
}

#[test]
fn networks_and_origins_are_asked_at_every_door() {
    let bench = Bench::new();
    let token = bench.with_terms(|terms| {
        terms.networks = vec!["10.0.0.0/8".into(), "2001:db8::/32".into()];
        terms.origins = vec!["https://App.example:443".into()];
    });
    let text = secret(&token);
    let origin = Some("https://app.example");
    let table = [
        (Some("10.9.8.7"), origin, true),
        (Some("::ffff:10.9.8.7"), origin, true),
        (Some("2001:db8:1::1"), origin, true),
        (Some("11.0.0.1"), origin, false),
        (None, origin, false),
        (Some("10.9.8.7"), None, false),
        (Some("10.9.8.7"), Some("https://evil.example"), false),
        (Some("10.9.8.7"), Some("null"), false),
    ];
    for (address, origin, expected) in table {
        let place = Place { address: address.map(|address| address.parse().unwrap()), origin };
        let refused = bench.refused(&text, place);
        assert_eq!(refused, (!expected).then_some("wrong_place"), "{address:?} {origin:?}");
        let found =
            bench.run(bench.node.introspect(&bench.key, &PresentedSecret::new(text.clone()), Some(place))).unwrap();
        assert_eq!(found.refusal.map(|refused| refused.code), (!expected).then_some("wrong_place"));
        let connected = bench.connect_from(&text, address, origin);
        assert_eq!(connected.is_ok(), expected, "{address:?} {origin:?}");
    }
}

#[test]
fn connections_are_limited_and_listed() {
    let bench = Bench::new();
    let token = bench.with_terms(|terms| terms.connections_max = Some(2));
    let text = secret(&token);
    bench.connect_from(&text, Some("10.0.0.1"), None).unwrap();
    bench.clock.advance(7);
    bench.connect(&text).unwrap();
    assert_eq!(bench.connect(&text).unwrap_err().kind, ErrorKind::LimitReached);
    let listed = bench.node.token_connections(&bench.key, &by_id(&token)).unwrap();
    let shown: Vec<_> =
        listed.iter().map(|one| (one.since.0 - START, one.address.map(|address| address.to_string()))).collect();
    assert_eq!(shown, [(0, Some("10.0.0.1".into())), (7, None)]);
    assert_ne!(listed[0].id, listed[1].id);
}

#[test]
fn only_a_token_is_asked_about_itself() {
    let bench = Bench::new();
    let token = bench.issue(NewToken::default());
    let own = bench
        .run(bench.node.authenticate_token(None, &PresentedSecret::new(secret(&token)), Place::default()))
        .unwrap();
    assert_eq!(bench.node.own_token(&own).unwrap().id, token.token.id);
    assert!(bench.node.own_subscriptions(&own).unwrap().is_empty());
    assert_eq!(bench.node.own_token(&bench.key).unwrap_err().kind, ErrorKind::Forbidden);
    for refused in [
        bench.node.token_detail(&own, &by_id(&token)).map(drop),
        bench.run(bench.node.introspect(&own, &by_id(&token), None)).map(drop),
        bench.run(bench.node.rotate_token(&own, &by_id(&token), None, None, None)).map(drop),
        bench.run(bench.node.issue_token(&own, NewToken::default(), None)).map(drop),
    ] {
        assert_eq!(refused.unwrap_err().kind, ErrorKind::Forbidden);
    }
}
