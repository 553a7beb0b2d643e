//! Access tokens as JWTs: a second spelling of a record, and no more than that.

use super::*;
use tollgate_core::credentials::TokenSpelling;
use tollgate_node::TokenUpdate;

#[test]
fn a_jwt_is_worth_what_its_record_is() {
    let mut bench = Bench::new();
    let session = bench.session("alice", "a").unwrap();
    let secret = session.refresh_token.expose(TokenSpelling::Leap).to_string();
    for text in [session.access_token.text.as_str(), &secret] {
        assert_eq!(refused(&bench, text), None);
    }
    bench.restart();
    assert_eq!(bench.refused(&session), None, "the key is kept");
    // The record's end, in whatever way, is the end of both.
    let id = PresentedSecret::new(session.token.to_string());
    let soon = tollgate_core::clock::UnixMillis(1_800_000_000_500);
    let update = TokenUpdate { expires_at: Some(Some(soon)), ..TokenUpdate::default() };
    block_on(bench.node.change_token(&bench.key, &id, update)).unwrap();
    bench.clock.advance(499);
    assert_eq!(bench.refused(&session), None);
    bench.clock.advance(1);
    for text in [session.access_token.text.as_str(), &secret] {
        assert_eq!(refused(&bench, text), Some(ErrorKind::TokenExpired));
    }
    block_on(bench.node.delete_token(&bench.key, &id)).unwrap();
    for text in [session.access_token.text.as_str(), &secret] {
        assert!(refused(&bench, text).is_some());
    }
}

#[test]
fn a_shorter_life_of_jwts_is_kept_to_the_second_and_renewed() {
    let bench = Bench::new();
    bench.settings(|settings| settings.access_token_life_ms = Some(60_000));
    let session = bench.session("alice", "a").unwrap();
    bench.clock.advance(59_999);
    assert_eq!(bench.refused(&session), None);
    bench.clock.advance(1);
    assert_eq!(bench.refused(&session), Some(ErrorKind::TokenExpired));
    let secret = PresentedSecret::new(session.refresh_token.expose(TokenSpelling::Native).to_string());
    let renewed = block_on(bench.node.refresh_session(&bench.key, "alice", &secret)).unwrap();
    assert_eq!(refused(&bench, &renewed.text), None);
    let stranger = block_on(bench.node.refresh_session(&bench.key, "bob", &secret)).unwrap_err();
    assert_eq!(stranger.kind, ErrorKind::Forbidden);
}

#[test]
fn what_was_changed_or_signed_elsewhere_is_refused() {
    let bench = Bench::new();
    let session = bench.session("alice", "a").unwrap();
    let text = session.access_token.text.to_string();
    for at in 0..text.len() {
        let mut changed = text.clone().into_bytes();
        changed[at] = if changed[at] == b'A' { b'B' } else { b'A' };
        let changed = String::from_utf8(changed).unwrap();
        assert_eq!(refused(&bench, &changed), Some(ErrorKind::InvalidAuth), "{at}");
    }
    for junk in ["", ".", "..", "a.b.c", &text[..text.len() - 2], &format!("{text}.x"), &text.replace('.', "..")] {
        assert_eq!(refused(&bench, junk), Some(ErrorKind::InvalidAuth), "{junk}");
    }
    // Another server's, of a project with the same number.
    let other = Bench::new();
    let foreign = other.session("alice", "a").unwrap();
    assert_eq!(refused(&bench, &foreign.access_token.text), Some(ErrorKind::InvalidAuth));
}

#[test]
fn the_public_keys_are_those_that_verify() {
    let bench = Bench::new();
    assert_eq!(bench.node.jwks(bench.project).unwrap(), r#"{"keys":[]}"#);
    for algorithm in ["EdDSA", "ES256"] {
        let bench = Bench::new();
        bench.settings(|settings| settings.signing_algorithm = Some(algorithm.into()));
        let session = bench.session("alice", "a").unwrap();
        assert_eq!(bench.refused(&session), None);
        let keys = bench.node.jwks(bench.project).unwrap();
        assert!(keys.contains(&format!("\"alg\":\"{algorithm}\"")) && !keys.contains("\"d\""), "{keys}");
        assert_eq!(bench.audit("signing_key.create").len(), 1);
    }
}
