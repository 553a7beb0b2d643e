//! Auth tokens.

use super::*;
use tollgate_node::NewAuthToken;

fn with(token: &NewAuthToken, user: &str, device: &str) -> SessionRequest {
    let auth_token = Some(PresentedSecret::new(token.secret.expose().to_string()));
    SessionRequest { auth_token, ..request(user, device) }
}

#[test]
fn a_used_auth_token_stays_used_through_a_crash() {
    let mut bench = Bench::new();
    bench.settings(|settings| settings.secure_mode = true);
    let token = block_on(bench.node.create_auth_token(&bench.key, "alice", None)).unwrap();
    block_on(bench.node.create_session(&bench.key, with(&token, "alice", "a"))).unwrap();
    bench.restart();
    for device in ["a", "b"] {
        let error = block_on(bench.node.create_session(&bench.key, with(&token, "alice", device))).unwrap_err();
        assert!(error.kind == ErrorKind::Forbidden && error.detail.contains("used already"), "{error}");
    }
    assert_eq!(bench.audit("session.create_user_token").len(), 1);
}

#[test]
fn nothing_of_an_auth_token_is_stored_but_its_hash() {
    let bench = Bench::new();
    let token = block_on(bench.node.create_auth_token(&bench.key, "alice", None)).unwrap();
    let text = token.secret.expose();
    let entries = bench.audit("auth_token.create");
    assert_eq!((entries.len(), entries[0].0.as_str()), (1, "alice"));
    assert!(!format!("{entries:?} {token:?}").contains(&text[4..12]));
}

#[test]
fn they_are_forgotten_an_hour_after_their_end() {
    let bench = Bench::new();
    let token = block_on(bench.node.create_auth_token(&bench.key, "alice", Some(60_000))).unwrap();
    let why = || {
        block_on(bench.node.forget_ended());
        block_on(bench.node.create_session(&bench.key, with(&token, "alice", "a"))).unwrap_err().detail
    };
    bench.clock.advance(60_000);
    assert!(
        why().contains("expired at 2027-01-15T08:01:00Z by the server's clock, which now shows 2027-01-15T08:01:00Z"),
        "{}",
        why()
    );
    bench.clock.advance(3_599_999);
    assert!(why().contains("expired"));
    bench.clock.advance(1);
    assert!(why().contains("unknown"));
}
