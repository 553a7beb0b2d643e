//! Changes: of the record, of the state, and races of two.

use tollgate_core::CloseReason;
use tollgate_core::clock::UnixMillis;
use tollgate_core::error::ErrorKind;
use tollgate_core::grants::{Grant, Operation};
use tollgate_core::ids::ChannelId;
use tollgate_core::json::JsonObject;
use tollgate_core::model::ChannelType;
use tollgate_core::ports::store::StateChange;
use tollgate_node::{MetadataChange, NewToken, TokenUpdate};

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
        metadata: Some(Some(MetadataChange::Patch(object(r#"{"a":null,"b":{"c":null,"e":4}}"#)))),
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
        metadata: Some(Some(MetadataChange::Patch(object(&format!("{{\"k{at}\":{at}}}"))))),
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

#[test]
fn notes_are_patched_or_replaced_and_a_device_is_changed() {
    let bench = Bench::new();
    let token = bench.with_terms(|terms| terms.metadata = Some(object(r#"{"a":1,"b":{"c":2}}"#)));
    let change = |update| bench.run(bench.node.update_token(&bench.key, &by_id(&token), update));
    let replaced = MetadataChange::Replace(object(r#"{"b":null,"d":[]}"#));
    let update = TokenUpdate { metadata: Some(Some(replaced)), device: Some(Some("d1".into())), ..Default::default() };
    let changed = change(update).unwrap();
    assert_eq!(changed.terms.metadata.unwrap().as_str(), r#"{"b":null,"d":[]}"#, "a null in it is a value");
    assert_eq!(changed.terms.device.as_deref(), Some("d1"));
    let large = object(&format!(r#"{{"a":"{}"}}"#, "x".repeat(9_000)));
    let large = TokenUpdate { metadata: Some(Some(MetadataChange::Replace(large))), ..Default::default() };
    assert_eq!(change(large).unwrap_err().kind, ErrorKind::TooLarge);
    assert_eq!(change(TokenUpdate { device: Some(None), ..Default::default() }).unwrap().terms.device, None);
}

/// What is said before and what happens then are compared, over changes that take something and changes that do not.
#[test]
fn what_a_change_would_take_is_what_it_takes() {
    let may = |channels: &str| vec![Grant { channels: channels.into(), operations: vec![Operation::Subscribe] }];
    let grants = |grants: Option<Vec<Grant>>| TokenUpdate { grants: Some(grants), ..TokenUpdate::default() };
    let from = |networks: &[&str]| TokenUpdate {
        networks: Some(networks.iter().map(ToString::to_string).collect()),
        ..TokenUpdate::default()
    };
    let table = [
        (TokenUpdate { name: Some(Some("n".into())), ..TokenUpdate::default() }, vec![], 0),
        (grants(Some(may("a*"))), vec!["b"], 0),
        (grants(Some(may("b"))), vec!["a1", "a2"], 0),
        (grants(Some(vec![])), vec!["a1", "a2", "b"], 0),
        (grants(Some(may("*"))), vec![], 0),
        // Of these it may subscribe to the public one without any capability.
        (grants(None), vec!["a2", "b"], 0),
        (from(&["10.0.0.0/8"]), vec![], 1),
        (from(&["192.0.2.0/24", "10.0.0.0/8"]), vec![], 0),
        (TokenUpdate { grants: Some(Some(may("b"))), ..from(&["2001:db8::/32"]) }, vec!["a1", "a2"], 2),
        (TokenUpdate { not_before: Some(Some(UnixMillis(START + 9_000))), ..TokenUpdate::default() }, vec![], 2),
        (TokenUpdate { connections_max: Some(Some(1)), ..TokenUpdate::default() }, vec![], 0),
    ];
    for (update, subscriptions, connections) in table {
        let bench = Bench::new();
        for (id, kind) in [("a1", ChannelType::Public), ("a2", ChannelType::Private), ("b", ChannelType::Private)] {
            bench.channel(id, kind);
        }
        bench.channel("beyond", ChannelType::Private);
        let mut new = NewToken::default();
        // The last one is its backend's doing, beyond any right of its own: it stays.
        new.channels = ["a1", "a2", "b", "beyond"].iter().map(|id| ChannelId::new(id).unwrap()).collect();
        new.terms.grants = Some([may("a1"), may("a2"), may("b")].concat());
        let token = bench.issue(new);
        for address in ["10.1.2.3", "192.0.2.1"] {
            bench.connect_from(&secret(&token), Some(address), None).unwrap();
        }
        let subscribed = || -> Vec<String> {
            let all = bench.node.token_subscriptions(&bench.key, &by_id(&token)).unwrap();
            all.into_iter().map(|one| one.channel.to_string()).collect()
        };
        bench.told();
        let loss = bench.node.would_lose(&bench.key, &by_id(&token), &update).unwrap();
        let said: Vec<&str> = loss.subscriptions.iter().map(ChannelId::as_str).collect();
        assert_eq!((&said, loss.connections), (&subscriptions, connections), "{update:?}");
        assert_eq!((subscribed().len(), bench.told(), bench.audit("token.change").len()), (4, vec![], 0), "only asked");
        bench.run(bench.node.update_token(&bench.key, &by_id(&token), update.clone())).unwrap();
        let left: Vec<_> = ["a1", "a2", "b", "beyond"].into_iter().filter(|id| !subscriptions.contains(id)).collect();
        assert_eq!(subscribed(), left, "{update:?}");
        let closed = bench.told().into_iter().filter(|(_, told)| matches!(told, Told::Closed(_))).count();
        assert_eq!(closed, connections, "{update:?}");
    }
    let bench = Bench::new();
    let token = bench.issue(NewToken::default());
    for (update, kind) in [
        (TokenUpdate { if_revision: Some(7), ..TokenUpdate::default() }, ErrorKind::VersionMismatch),
        (from(&["nowhere"]), ErrorKind::InvalidInput),
    ] {
        assert_eq!(bench.node.would_lose(&bench.key, &by_id(&token), &update).unwrap_err().kind, kind);
    }
    let read = tollgate_core::authorize::Caller::ProjectKey {
        project: bench.project,
        key: tollgate_core::ids::KeyId::new(1),
        permissions: tollgate_core::permissions::Permissions::READ_LEAP_TOKENS,
    };
    let refused = bench.node.would_lose(&read, &by_id(&token), &TokenUpdate::default()).unwrap_err();
    assert_eq!(refused.kind, ErrorKind::Forbidden);
}
