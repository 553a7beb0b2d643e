//! Session requests that come again under an idempotency key.

use super::*;

fn keyed(key: &str, user: &str, device: &str) -> SessionRequest {
    SessionRequest { idempotency_key: Some(key.into()), ..request(user, device) }
}

#[test]
fn an_idempotency_key_gives_the_same_token_to_every_device() {
    let bench = Bench::new();
    let make = |wish| block_on(bench.node.create_session(&bench.key, wish)).unwrap();
    let first = make(keyed("k1", "alice", "a"));
    let again = make(keyed("k1", "alice", "b"));
    assert_eq!(first.token, again.token);
    assert_eq!(bench.refused(&again), None);
    assert_eq!(bench.audit("session.create_user_token").len(), 1);
    assert_ne!(make(keyed("k2", "alice", "c")).token, first.token, "another key");
}

#[test]
fn a_key_is_for_one_wish_of_one_user() {
    let bench = Bench::new();
    let make = |wish| block_on(bench.node.create_session(&bench.key, wish)).map(|session| session.token);
    let first = make(keyed("k", "alice", "a")).unwrap();
    let longer = SessionRequest { life_ms: Some(7_200_000), ..keyed("k", "alice", "a") };
    for other in [keyed("k", "bob", "a"), longer] {
        assert_eq!(make(other).unwrap_err().kind, ErrorKind::IdempotencyMismatch);
    }
    for bad in ["", "two words", &"k".repeat(256)] {
        let error = make(keyed(bad, "alice", "a")).unwrap_err();
        assert_eq!(error.kind, ErrorKind::InvalidInput);
        assert!(error.detail.contains("`idempotencyKey`"), "{}", error.detail);
    }
    assert_eq!(make(keyed("k", "alice", "z")).unwrap(), first, "and nothing of that changed it");
}

#[test]
fn a_key_alone_opens_nothing_in_secure_mode() {
    let bench = Bench::new();
    bench.settings(|settings| settings.secure_mode = true);
    let word =
        || block_on(bench.node.create_auth_token(&bench.key, "alice", None)).unwrap().secret.expose().to_string();
    let with = |word: Option<&str>| {
        let auth_token = word.map(|word| PresentedSecret::new(word.to_owned()));
        let wish = SessionRequest { auth_token, ..keyed("k", "alice", "a") };
        block_on(bench.node.create_session(&bench.key, wish)).map(|session| session.token)
    };
    let mine = word();
    let first = with(Some(&mine)).unwrap();
    assert_eq!(with(None).unwrap_err().kind, ErrorKind::Forbidden);
    assert_eq!(with(Some(&word())).unwrap_err().kind, ErrorKind::IdempotencyMismatch);
    assert_eq!(with(Some(&mine)).unwrap(), first, "the word that made it, though it is used up");
}

#[test]
fn what_a_key_made_is_not_given_out_once_it_has_ended() {
    let bench = Bench::new();
    let first = block_on(bench.node.create_session(&bench.key, keyed("k", "alice", "a"))).unwrap();
    block_on(bench.node.end_user_sessions(&bench.key, "alice")).unwrap();
    assert!(bench.refused(&first).is_some());
    let again = block_on(bench.node.create_session(&bench.key, keyed("k", "alice", "b")));
    assert_eq!(again.unwrap_err().kind, ErrorKind::IdempotencyMismatch);
}
