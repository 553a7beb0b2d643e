//! Creating: users, policies, idempotency keys, and what happens to requests at the same time.

use std::collections::BTreeSet;

use tollgate_core::clock::UnixMillis;
use tollgate_core::error::ErrorKind;
use tollgate_core::grants::{Grant, Operation};
use tollgate_core::ids::ChannelId;
use tollgate_core::limits::IDEMPOTENCY_MS;
use tollgate_core::model::ChannelType;
use tollgate_core::permissions::Permissions;
use tollgate_core::records::MintPolicy;
use tollgate_node::{IssuedToken, NewKey, NewToken, Once, Place, TokenFilter, TokenUpdate, UserOfToken};

use super::bench::{Bench, START, block_on, by_id, secret};

fn of_user(user_id: &str, display_name: Option<&str>) -> NewToken {
    let user = UserOfToken { user_id: user_id.into(), display_name: display_name.map(Into::into) };
    NewToken { user: Some(user), ..NewToken::default() }
}

fn once(key: &str, body: &str) -> Once {
    Once::new(key, &[b"token.create", body.as_bytes()]).unwrap()
}

#[test]
fn a_user_comes_to_be_with_its_first_token() {
    let bench = Bench::new();
    let first = bench.issue(of_user("u1", Some("Ann")));
    let (user, record) = first.token.user.unwrap();
    assert_eq!((record.user_id.as_str(), record.display_name.as_deref()), ("u1", Some("Ann")));
    let second = bench.issue(of_user("u1", None));
    assert_eq!(second.token.user.unwrap().0, user, "the same user, its name kept");
    let renamed = bench.issue(of_user("u1", Some("Anna")));
    assert_eq!(renamed.token.user.unwrap().1.display_name.as_deref(), Some("Anna"));
    assert_ne!(bench.issue(of_user("u2", None)).token.user.unwrap().0, user);
    for user_id in ["", &"x".repeat(51), "a\u{1}"] {
        let refused = bench.run(bench.node.issue_token(&bench.key, of_user(user_id, None), None)).unwrap_err();
        assert_eq!(refused.kind, ErrorKind::InvalidInput, "{user_id:?}");
    }
    assert_eq!(bench.audit("token.create").len(), 4);
}

#[test]
fn a_user_named_by_many_at_once_is_one_user() {
    let bench = Bench::new();
    let (node, key) = (&bench.node, &bench.key);
    let issue = |at: usize| {
        block_on(node.issue_token(key, of_user("same", at.is_multiple_of(2).then_some("S")), None)).unwrap()
    };
    let issued: Vec<IssuedToken> = std::thread::scope(|scope| {
        let all: Vec<_> = (0..16).map(|at| scope.spawn(move || issue(at))).collect();
        all.into_iter().map(|one| one.join().unwrap()).collect()
    });
    let users: BTreeSet<_> = issued.iter().map(|one| one.token.user.as_ref().unwrap().0).collect();
    assert_eq!(users.len(), 1, "sixteen requests, one user");
    let filter = TokenFilter { user_id: Some("same".into()), ..TokenFilter::default() };
    assert_eq!(bench.node.token_page(key, &filter, None, 100).unwrap().tokens.len(), 16);
}

#[test]
fn an_idempotency_key_makes_one_token() {
    let bench = Bench::new();
    let (node, key) = (&bench.node, &bench.key);
    let issue = || block_on(node.issue_token(key, of_user("u", None), Some(&once("k", "{}")))).unwrap();
    let issued: Vec<IssuedToken> = std::thread::scope(|scope| {
        let all: Vec<_> = (0..16).map(|_| scope.spawn(issue)).collect();
        all.into_iter().map(|one| one.join().unwrap()).collect()
    });
    let secrets: BTreeSet<_> = issued.iter().map(secret).collect();
    assert_eq!(secrets.len(), 1, "sixteen requests, one secret");
    assert_eq!(issued.iter().filter(|one| !one.repeated).count(), 1);
    assert_eq!(bench.audit("token.create").len(), 1, "one token, one entry");
    let other = bench.run(node.issue_token(key, NewToken::default(), Some(&once("k", "{ }")))).unwrap_err();
    assert_eq!(other.kind, ErrorKind::IdempotencyMismatch);
    // The secret is that of the creation, whatever has become of the token.
    let rotated = bench.run(node.rotate_token(key, &by_id(&issued[0]), Some(0), None, None)).unwrap();
    assert_eq!(BTreeSet::from([secret(&issue())]), secrets);
    assert!(bench.works(&secret(&rotated)) && !bench.works(&secret(&issue())));
    bench.clock.advance(IDEMPOTENCY_MS - 1);
    assert_eq!(issue().token.id, issued[0].token.id);
    bench.clock.advance(1);
    let later = issue();
    assert_ne!(later.token.id, issued[0].token.id, "a day later the key is forgotten");
    assert_eq!(issue().token.id, later.token.id, "and remembers what it made since");
    bench.run(node.delete_token(key, &by_id(&later))).unwrap();
    let gone = bench.run(node.issue_token(key, of_user("u", None), Some(&once("k", "{}")))).unwrap_err();
    assert_eq!(gone.kind, ErrorKind::NotFound);
}

#[test]
fn a_refused_request_is_not_remembered() {
    let bench = Bench::new();
    let refused = NewToken { channels: vec![ChannelId::new("room").unwrap()], ..NewToken::default() };
    let issue = || bench.run(bench.node.issue_token(&bench.key, refused.clone(), Some(&once("k", "{}"))));
    assert_eq!(issue().unwrap_err().kind, ErrorKind::NotFound);
    bench.channel("room", ChannelType::Private);
    assert!(!issue().unwrap().repeated);
    for key in ["", "é", "a b", &"k".repeat(256)] {
        assert_eq!(Once::new(key, &[]).unwrap_err().kind, ErrorKind::InvalidInput, "{key:?}");
    }
}

#[test]
fn an_idempotency_key_is_its_callers_own() {
    let bench = Bench::new();
    let first = bench.run(bench.node.issue_token(&bench.key, NewToken::default(), Some(&once("k", "{}")))).unwrap();
    let (_, key) = restricted(&bench, MintPolicy::default());
    let other = bench.run(bench.node.issue_token(&key, NewToken::default(), Some(&once("k", "{}")))).unwrap();
    assert_ne!(first.token.id, other.token.id);
}

fn restricted(bench: &Bench, policy: MintPolicy) -> (String, tollgate_core::authorize::Caller) {
    let permissions = Permissions::parse("create_leap_token,update_leap_token,read_leap_tokens").unwrap();
    let new = NewKey { permissions, policy, ..NewKey::default() };
    let (_, secret) = bench.run(bench.node.create_project_key(&bench.key, new)).unwrap();
    let text = secret.expose().to_string();
    let caller = bench.node.authenticate(&tollgate_core::command::PresentedSecret::new(text.clone())).unwrap();
    (text, caller)
}

#[test]
fn a_keys_policy_bounds_what_it_makes_and_changes() {
    let bench = Bench::new();
    bench.channel("room-1", ChannelType::Private);
    bench.channel("hall", ChannelType::Private);
    let ceiling = vec![Grant { channels: "room-*".into(), operations: vec![Operation::Subscribe] }];
    let policy =
        MintPolicy { life_ms_max: Some(60_000), ceiling: Some(ceiling.clone()), channels: Some(vec!["room-*".into()]) };
    let (_, key) = restricted(&bench, policy);
    let issue = |new| bench.run(bench.node.issue_token(&key, new, None));
    let plain = issue(NewToken::default()).unwrap();
    assert_eq!(plain.token.terms.grants.as_ref(), Some(&ceiling), "who asks for nothing gets the ceiling, and no more");
    assert_eq!(plain.token.expires_at, Some(UnixMillis(START + 60_000)));
    let mut wide = NewToken::default();
    wide.terms.grants = Some(vec![Grant { channels: "*".into(), operations: vec![Operation::Subscribe] }]);
    let long = NewToken { life_ms: Some(60_001), ..NewToken::default() };
    let elsewhere = NewToken { channels: vec![ChannelId::new("hall").unwrap()], ..NewToken::default() };
    for new in [wide, long, elsewhere] {
        assert_eq!(issue(new).unwrap_err().kind, ErrorKind::Forbidden);
    }
    let change = |update| bench.run(bench.node.update_token(&key, &by_id(&plain), update));
    let never = change(TokenUpdate { expires_at: Some(None), ..TokenUpdate::default() }).unwrap();
    assert_eq!(never.expires_at, Some(UnixMillis(START + 60_000)), "never is the key's longest");
    let free = change(TokenUpdate { grants: Some(None), ..TokenUpdate::default() }).unwrap();
    assert_eq!(free.terms.grants, Some(ceiling));
    let long = TokenUpdate { life_ms: Some(60_001), ..TokenUpdate::default() };
    assert_eq!(change(long).unwrap_err().kind, ErrorKind::Forbidden);
}

#[test]
fn lives_are_counted_from_now_and_told_ahead() {
    let bench = Bench::new();
    bench.clock.advance(500);
    let token = bench.issue(NewToken { life_ms: Some(100_000), ..NewToken::default() });
    assert_eq!(token.token.expires_at, Some(UnixMillis(START + 100_500)));
    assert_eq!(token.token.refresh_after, Some(UnixMillis(START + 80_500)), "after 80 % of its life");
    let both = NewToken { life_ms: Some(1), expires_at: Some(UnixMillis(START + 9_000)), ..NewToken::default() };
    let refused = bench.run(bench.node.issue_token(&bench.key, both, None)).unwrap_err();
    assert_eq!(refused.kind, ErrorKind::InvalidInput);
    bench.clock.advance(99_999);
    assert!(bench.works(&secret(&token)));
    bench.clock.advance(1);
    assert_eq!(bench.refused(&secret(&token), Place::default()), Some("token_expired"), "at the instant of its end");
}

#[test]
fn a_user_has_at_most_a_thousand_tokens() {
    let bench = Bench::new();
    for _ in 0..1_000 {
        bench.issue(NewToken { life_ms: Some(1_000), ..of_user("many", None) });
    }
    let more = || bench.run(bench.node.issue_token(&bench.key, of_user("many", None), None));
    assert_eq!(more().unwrap_err().kind, ErrorKind::LimitReached);
    bench.clock.advance(1_000);
    assert!(more().is_ok(), "what has ended does not count");
}
