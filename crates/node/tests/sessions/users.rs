//! Users.

use super::*;
use tollgate_node::{NewUser, UserReached, UserUpdate};

fn new(user: &str) -> NewUser {
    NewUser { user_id: user.into(), ..NewUser::default() }
}

#[test]
fn a_deleted_user_takes_everything_along_and_a_namesake_gets_none_of_it() {
    let mut bench = Bench::new();
    let operator = bench.operator();
    let old: Vec<_> = ["a", "b", "c"].iter().map(|device| bench.session("alice", device).unwrap()).collect();
    let vouched = block_on(bench.node.create_auth_token(&bench.key, "alice", None)).unwrap();
    let ended = block_on(bench.node.delete_user(&operator, "alice")).unwrap();
    assert_eq!(ended.tokens, 3);
    assert_eq!(bench.node.user(&operator, "alice").unwrap_err().kind, ErrorKind::NotFound);
    for _ in 0..2 {
        let again = bench.session("alice", "a").unwrap();
        assert_eq!(bench.refused(&again), None);
        for session in &old {
            assert!(bench.refused(session).is_some());
            assert_ne!(session.token, again.token);
        }
        let auth_token = Some(PresentedSecret::new(vouched.secret.expose().to_string()));
        let with_old_word = SessionRequest { auth_token, ..request("alice", "z") };
        let error = block_on(bench.node.create_session(&bench.key, with_old_word)).unwrap_err();
        assert_eq!(error.kind, ErrorKind::Forbidden, "{error}");
        bench.restart();
    }
}

#[test]
fn every_operation_on_a_user_leaves_one_entry() {
    let bench = Bench::new();
    let (operator, node) = (bench.operator(), &bench.node);
    block_on(node.create_user(&operator, new("alice"))).unwrap();
    assert_eq!(block_on(node.create_user(&operator, new("alice"))).unwrap_err().kind, ErrorKind::AlreadyExists);
    let update = UserUpdate { display_name: Some(Some("Alice".into())), attributes: None };
    block_on(node.change_user(&operator, "alice", update)).unwrap();
    bench.session("alice", "a").unwrap();
    bench.session("alice", "b").unwrap();
    let sent = block_on(node.message_user(&operator, "alice", "HI", tollgate_core::json::JsonValue::null())).unwrap();
    assert_eq!(sent, UserReached::default(), "nobody is online");
    assert_eq!(block_on(node.end_user_sessions(&operator, "alice")).unwrap().tokens, 2);
    bench.clock.advance(60_000);
    bench.session("alice", "a").unwrap();
    assert_eq!(block_on(node.ban_user(&operator, "alice")).unwrap().1.tokens, 1);
    block_on(node.unban_user(&operator, "alice")).unwrap();
    block_on(node.delete_user(&operator, "alice")).unwrap();
    for (action, entries) in [
        ("user.create", 1),
        ("user.change", 1),
        ("session.create_user_token", 3),
        ("user.revoke_tokens", 1),
        ("user.ban", 1),
        ("user.unban", 1),
        ("user.delete", 1),
    ] {
        assert_eq!(bench.audit(action).len(), entries, "{action}");
    }
    assert_eq!(bench.audit("user.revoke_tokens")[0].1, 2, "with the number of tokens");
    // Four tokens: a, b, and the next a are kept as revoked ones until they go with their user.
    assert_eq!(bench.audit("user.delete")[0].1, 3);
}

#[test]
fn users_last_as_their_tokens_do() {
    let mut bench = Bench::new();
    let session = bench.session("alice", "a").unwrap();
    let request = SessionRequest { display_name: Some("Ålice 👩🏽".into()), ..request("alice", "b") };
    block_on(bench.node.create_session(&bench.key, request)).unwrap();
    bench.restart();
    let caller = authenticate(&bench, &session.access_token.text).unwrap();
    let user = bench.node.own_user(&caller).unwrap();
    assert_eq!((user.user_id.as_str(), user.display_name.as_deref(), user.tokens), ("alice", Some("Ålice 👩🏽"), 2));
    assert_eq!(bench.node.own_user(&bench.key).unwrap_err().kind, ErrorKind::Forbidden);
}
