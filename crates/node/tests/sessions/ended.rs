//! What keeps a user's tokens from growing without end.

use super::*;
use tollgate_core::limits::{ENDED_TOKENS_PER_USER_MAX, TOKENS_PER_USER_MAX};
use tollgate_core::ports::store::{AuditQuery, AuditStore as _};
use tollgate_core::records::Bucket;
use tollgate_node::Page;

fn unlimited(bench: &Bench) {
    let bucket = Some(Bucket { burst: 1_000_000, per_second: 1_000_000.0 });
    bench.settings(|settings| (settings.limits.mint_per_user, settings.limits.mint_per_key) = (bucket, bucket));
}

fn count(bench: &Bench) -> u64 {
    bench.node.tokens(&bench.key, Page::ALL).unwrap().total
}

#[test]
fn random_devices_do_not_grow_the_store_for_ever() {
    let bench = Bench::new();
    unlimited(&bench);
    let first = bench.session("alice", "first").unwrap();
    for device in 1..TOKENS_PER_USER_MAX {
        bench.clock.advance(1);
        bench.session("alice", &format!("d{device}")).unwrap();
    }
    assert_eq!(bench.refused(&first), None);
    for device in 0..300 {
        bench.clock.advance(1);
        bench.session("alice", &format!("e{device}")).unwrap();
    }
    assert!(bench.refused(&first).is_some(), "the oldest idle one went, and says so");
    let user = bench.node.user(&bench.operator(), "alice").unwrap();
    assert_eq!(user.tokens, TOKENS_PER_USER_MAX);
    assert!(count(&bench) <= (TOKENS_PER_USER_MAX + ENDED_TOKENS_PER_USER_MAX) as u64, "{}", count(&bench));
    let newest = AuditQuery { newest_first: true, limit: 1, ..AuditQuery::default() };
    let entry = block_on(bench.store.audit_entries(newest)).unwrap().remove(0);
    assert!(entry.draft.detail.unwrap().contains("the oldest idle one"), "and the audit log names it");
}

#[test]
fn a_device_that_comes_back_again_and_again_leaves_no_heap() {
    let bench = Bench::new();
    unlimited(&bench);
    for round in 0..400 {
        bench.clock.advance(10_000);
        let session = bench.session("alice", "same").unwrap();
        assert_eq!(bench.refused(&session), None, "{round}");
    }
    assert_eq!(bench.node.user(&bench.operator(), "alice").unwrap().tokens, 1);
    assert!(count(&bench) <= ENDED_TOKENS_PER_USER_MAX as u64 + 1, "{}", count(&bench));
}

#[test]
fn ended_tokens_are_forgotten_after_their_time() {
    let bench = Bench::new();
    let wish = SessionRequest { life_ms: Some(60_000), ..request("alice", "a") };
    let short = block_on(bench.node.create_session(&bench.key, wish)).unwrap();
    let lasting = bench.session("bob", "b").unwrap();
    bench.clock.advance(60_000);
    let week = 7 * 86_400_000;
    bench.clock.advance(week - 1);
    block_on(bench.node.forget_ended());
    assert_eq!((count(&bench), bench.refused(&short)), (2, Some(ErrorKind::TokenExpired)));
    bench.clock.advance(1);
    block_on(bench.node.forget_ended());
    assert_eq!((count(&bench), bench.refused(&lasting)), (1, None));
    bench.settings(|settings| settings.ended_token_life_ms = Some(0));
    block_on(bench.node.end_user_sessions(&bench.operator(), "bob")).unwrap();
    block_on(bench.node.forget_ended());
    assert_eq!(count(&bench), 0);
}
