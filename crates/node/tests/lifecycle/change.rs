//! Changes: of the record, of the state, and races of two.

use tollgate_core::CloseReason;
use tollgate_core::clock::UnixMillis;
use tollgate_core::error::ErrorKind;
use tollgate_core::json::JsonObject;
use tollgate_core::ports::store::StateChange;
use tollgate_node::{NewToken, TokenUpdate};

use super::bench::{Bench, START, Told, block_on, by_id, secret};

fn object(text: &str) -> JsonObject {
    JsonObject::parse(text.as_bytes(), 10_000).unwrap()
}

#[test]
fn what_is_left_out_stays() {
    let bench = Bench::new();
    let token = bench.with_terms(|terms| {
        terms.name = Some("phone".into());
        terms.metadata = Some(object(r#"{"a":1,"b":{"c":2,"d":3}}"#));
        terms.networks = vec!["10.0.0.0/8".into()];
    });
    let change = |update| bench.run(bench.node.update_token(&bench.key, &by_id(&token), update)).unwrap();
    let none = change(TokenUpdate::default());
    assert_eq!((none.revision, &none.terms), (2, &token.token.terms));
    let patched = change(TokenUpdate {
        metadata: Some(Some(object(r#"{"a":null,"b":{"c":null,"e":4}}"#))),
        name: Some(None),
        connections_max: Some(Some(3)),
        expires_at: Some(Some(UnixMillis(START + 5_000))),
        ..TokenUpdate::default()
    });
    assert_eq!(patched.terms.metadata.as_ref().unwrap().as_str(), r#"{"b":{"d":3,"e":4}}"#);
    assert_eq!((&patched.terms.name, patched.terms.connections_max), (&None, Some(3)));
    assert_eq!((patched.expires_at, patched.terms.networks.len()), (Some(UnixMillis(START + 5_000)), 1));
    assert_eq!(bench.audit("token.change").len(), 2);
    assert!(bench.audit("token.change").iter().all(|subject| *subject == token.token.id.to_string()));
}

#[test]
fn a_change_can_be_bound_to_a_version() {
    let bench = Bench::new();
    let token = bench.issue(NewToken::default());
    let name =
        |name: &str, if_revision| TokenUpdate { name: Some(Some(name.into())), if_revision, ..TokenUpdate::default() };
    let change = |update| bench.run(bench.node.update_token(&bench.key, &by_id(&token), update));
    assert_eq!(change(name("a", Some(1))).unwrap().revision, 2);
    let refused = change(name("b", Some(1))).unwrap_err();
    assert_eq!(refused.kind, ErrorKind::VersionMismatch);
    assert!(refused.detail.contains('2'), "{refused}");
    assert_eq!(change(name("c", Some(2))).unwrap().terms.name.as_deref(), Some("c"));
}

#[test]
fn of_two_patches_at_once_none_is_lost_and_one_wins_a_version() {
    let bench = Bench::new();
    let token = bench.issue(NewToken::default());
    let (node, key, id) = (&bench.node, &bench.key, &by_id(&token));
    let patch = |at: usize| TokenUpdate {
        metadata: Some(Some(object(&format!("{{\"k{at}\":{at}}}")))),
        ..TokenUpdate::default()
    };
    std::thread::scope(|scope| {
        for at in 0..8 {
            scope.spawn(move || block_on(node.update_token(key, id, patch(at))).unwrap());
        }
    });
    let after = bench.node.token_detail(key, id).unwrap();
    let metadata = after.terms.metadata.unwrap();
    assert_eq!(after.revision, 9);
    assert!((0..8).all(|at| metadata.as_str().contains(&format!("\"k{at}\":{at}"))), "{}", metadata.as_str());
    let won: usize = std::thread::scope(|scope| {
        let all: Vec<_> = (0..8)
            .map(|at| {
                let update = TokenUpdate { if_revision: Some(9), ..patch(at) };
                scope.spawn(move || block_on(node.update_token(key, id, update)).is_ok())
            })
            .collect();
        all.into_iter().filter(|_| true).map(|one| usize::from(one.join().unwrap())).sum()
    });
    assert_eq!(won, 1, "one of those that expect the same version");
}

#[test]
fn the_state_has_versions_of_its_own() {
    let bench = Bench::new();
    let token = bench.issue(NewToken { state: Some(object(r#"{"a":1}"#)), ..NewToken::default() });
    let id = by_id(&token);
    let change = |change, version| bench.run(bench.node.change_token_state(&bench.key, &id, change, version));
    let merged = change(Some(StateChange::Merge(object(r#"{"b":{"c":1.50}}"#))), Some(1)).unwrap();
    assert_eq!((merged.0.unwrap().as_str(), merged.1), (r#"{"a":1,"b":{"c":1.50}}"#, 2));
    assert_eq!(change(Some(StateChange::Replace(object("{}"))), Some(1)).unwrap_err().kind, ErrorKind::VersionMismatch);
    assert_eq!(change(None, Some(2)).unwrap(), (None, 3));
    let from_nothing = change(Some(StateChange::Merge(object(r#"{"x":1}"#))), None).unwrap();
    assert_eq!((from_nothing.0.unwrap().as_str(), from_nothing.1), (r#"{"x":1}"#, 4));
    let large = object(&format!("{{\"a\":\"{}\"}}", "x".repeat(9_000)));
    for at in 0..4 {
        let text = large.as_str().replace("\"a\"", &format!("\"a{at}\""));
        let merged = change(Some(StateChange::Merge(object(&text))), None);
        assert_eq!(merged.is_ok(), at < 3, "32 KiB in all");
    }
    bench.run(bench.node.update_token(&bench.key, &id, TokenUpdate::default())).unwrap();
    assert_eq!(bench.node.token_state(&bench.key, &id).unwrap().1, 7, "other changes leave its version alone");
}

#[test]
fn live_connections_hear_of_what_concerns_them() {
    let bench = Bench::new();
    let token = bench.issue(NewToken::default());
    let near = bench.connect_from(&secret(&token), Some("10.1.2.3"), Some("https://a.example")).unwrap();
    let far = bench.connect_from(&secret(&token), Some("192.0.2.1"), None).unwrap();
    bench.told();
    let change = |update| bench.run(bench.node.update_token(&bench.key, &by_id(&token), update)).unwrap();
    change(TokenUpdate { life_ms: Some(9_000), ..TokenUpdate::default() });
    assert_eq!(bench.told(), [(near, Told::End(Some(9_000))), (far, Told::End(Some(9_000)))]);
    change(TokenUpdate { networks: Some(vec!["10.0.0.0/8".into()]), ..TokenUpdate::default() });
    assert_eq!(bench.told(), [(far, Told::Closed(CloseReason::InvalidCredential))], "out at once");
    change(TokenUpdate { origins: Some(vec!["https://a.example".into()]), ..TokenUpdate::default() });
    assert_eq!(bench.told(), []);
    change(TokenUpdate { connections_max: Some(Some(1)), ..TokenUpdate::default() });
    assert_eq!(bench.told(), [], "limits end no live connection");
    change(TokenUpdate { not_before: Some(Some(UnixMillis(START + 5_000))), ..TokenUpdate::default() });
    assert_eq!(bench.told(), [(near, Told::Closed(CloseReason::InvalidCredential))]);
}

#[test]
fn an_end_in_the_past_or_before_the_beginning_is_refused() {
    let bench = Bench::new();
    let token = bench.issue(NewToken { life_ms: Some(10_000), ..NewToken::default() });
    let change = |update| bench.run(bench.node.update_token(&bench.key, &by_id(&token), update));
    let at = |ms| Some(Some(UnixMillis(START + ms)));
    for update in [
        TokenUpdate { expires_at: at(0), ..TokenUpdate::default() },
        TokenUpdate { not_before: at(10_000), ..TokenUpdate::default() },
        TokenUpdate { expires_at: at(1), life_ms: Some(1), ..TokenUpdate::default() },
    ] {
        assert_eq!(change(update).unwrap_err().kind, ErrorKind::InvalidInput);
    }
    assert!(change(TokenUpdate { not_before: at(9_999), ..TokenUpdate::default() }).is_ok());
}
