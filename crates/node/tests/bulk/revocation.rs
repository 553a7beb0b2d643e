//! Who is hit by a revocation and who is not, and what can be undone.

use std::cell::RefCell;
use std::collections::HashMap;
use std::future::Future;
use std::pin::Pin;

use tollgate_core::command::PresentedSecret;
use tollgate_core::error::ErrorKind;
use tollgate_core::ids::TokenId;
use tollgate_node::{NewToken, RevokeRequest, Revoked, Selector};

use super::support::{Bench, Committed, Rng, block_on, run_all};

fn all() -> Selector {
    Selector { all: true, ..Selector::default() }
}

fn one(token: &str) -> Selector {
    Selector::token(PresentedSecret::new(token.into()))
}

fn revoke(bench: &Bench, request: RevokeRequest) -> Revoked {
    block_on(bench.node.revoke(&bench.key, request)).unwrap()
}

fn at_once(bench: &Bench, selector: Selector) -> Revoked {
    revoke(bench, RevokeRequest { selector, ..RevokeRequest::default() })
}

/// social.plus item 24: revoking hits all that was made before, and nothing that is made after, whatever overtakes what.
#[test]
fn every_tokens_fate_is_its_place_in_the_commit_order() {
    let mut hit_and_missed = (0, 0);
    for seed in 0..300 {
        let mut rng = Rng::new(seed);
        let bench = Bench::with_pauses(Some(seed));
        let (node, key) = (&bench.node, &bench.key);
        let answers = RefCell::new(Vec::new());
        let mut tasks: Vec<Pin<Box<dyn Future<Output = ()> + '_>>> = Vec::new();
        for _ in 0..24 {
            tasks.push(Box::pin(async { drop(node.create_token(key, NewToken::default()).await.unwrap()) }));
        }
        let place = rng.below(20);
        tasks.insert(
            place,
            Box::pin(async {
                let request = RevokeRequest { selector: all(), ..RevokeRequest::default() };
                let revoked = node.revoke(key, request).await.unwrap();
                answers.borrow_mut().push(revoked);
            }),
        );
        run_all(&mut rng, tasks);
        let log = bench.store.log();
        let tokens: Vec<TokenId> = log.iter().filter_map(made).collect();
        let first_hit = log.iter().position(|one| matches!(one, Committed::Changed(_)));
        let end = first_hit.unwrap_or_else(|| {
            // It hit nothing, so it came before everything: its entry alone was committed.
            assert_eq!(answers.borrow()[0].matched, 0, "seed {seed}");
            0
        });
        let before = log[..end].iter().filter_map(made).count();
        assert_eq!(tokens.len(), 24);
        assert_eq!(answers.borrow()[0].revoked, before as u64, "seed {seed}: {log:?}");
        for (place, token) in tokens.iter().enumerate() {
            let expected = (place < before).then(|| "token_revoked".to_owned());
            assert_eq!(
                bench.refusal(&token.to_string()),
                expected,
                "seed {seed}, token {place} of {before} before: {log:?}"
            );
        }
        hit_and_missed = (hit_and_missed.0 + before, hit_and_missed.1 + tokens.len() - before);
    }
    assert!(hit_and_missed.0 > 1_000 && hit_and_missed.1 > 1_000, "the schedules prove little: {hit_and_missed:?}");
}

fn made(one: &Committed) -> Option<TokenId> {
    if let Committed::Made(token) = one { Some(*token) } else { None }
}

#[test]
fn a_revocation_larger_than_a_unit_hits_everything_and_says_so_once() {
    let bench = Bench::new();
    let tokens: Vec<_> = (0..4_500).map(|_| bench.token()).collect();
    let answer = at_once(&bench, all());
    assert_eq!((answer.matched, answer.revoked, answer.connections_closed), (4_500, 4_500, 0));
    assert!(tokens.iter().all(|(_, secret)| bench.refusal(secret).as_deref() == Some("token_revoked")));
    assert_eq!(bench.audit("token.revoke"), [(String::new(), 4_500, Some("all".into()))]);
    let again = at_once(&bench, all());
    assert_eq!((again.matched, again.revoked), (4_500, 0), "what is revoked stays as it was");
}

#[test]
fn it_holds_after_a_restart_and_when_the_clock_goes_back() {
    let mut bench = Bench::new();
    bench.clock.advance(100_000);
    let ((_, secret), (_, other)) = (bench.token(), bench.token());
    at_once(&bench, one(&secret));
    bench.clock.0.store(0, std::sync::atomic::Ordering::Relaxed);
    assert_eq!(bench.refusal(&secret).as_deref(), Some("token_revoked"));
    bench.restart();
    assert_eq!(bench.refusal(&secret).as_deref(), Some("token_revoked"));
    assert_eq!(bench.refusal(&other), None);
}

#[test]
fn a_grace_lets_it_work_until_then_and_can_be_taken_back() {
    let bench = Bench::new();
    let (id, secret) = bench.token();
    let graced = |grace_ms| RevokeRequest { selector: one(&secret), grace_ms, ..RevokeRequest::default() };
    revoke(&bench, graced(10_000));
    assert_eq!(bench.refusal(&secret), None);
    let later = revoke(&bench, graced(60_000));
    assert_eq!((later.matched, later.revoked), (1, 0), "a later end gives it no more time");
    bench.clock.advance(9_999);
    assert_eq!(bench.refusal(&secret), None);
    bench.clock.advance(1);
    assert_eq!(bench.refusal(&secret).as_deref(), Some("token_revoked"));
    let token = PresentedSecret::new(id.to_string());
    block_on(bench.node.restore_token(&bench.key, &token)).unwrap();
    assert_eq!(bench.refusal(&secret), None);
    assert_eq!(bench.audit("token.restore"), [(id.to_string(), 1, None)]);
}

#[test]
fn a_leak_is_never_taken_back() {
    let bench = Bench::new();
    let (id, secret) = bench.token();
    let with = |reason: &str, grace_ms| RevokeRequest {
        selector: one(&id.to_string()),
        reason: Some(reason.into()),
        grace_ms,
        ..RevokeRequest::default()
    };
    revoke(&bench, with("signed out", 0));
    assert_eq!(revoke(&bench, with("leaked: seen in a log", 60_000)).revoked, 1, "it becomes a leak");
    assert_eq!(bench.refusal(&secret).as_deref(), Some("token_revoked"), "and gets no time back by it");
    assert_eq!(revoke(&bench, with("signed out", 0)).revoked, 0, "and stays one");
    let refused = block_on(bench.node.restore_token(&bench.key, &PresentedSecret::new(id.to_string()))).unwrap_err();
    assert_eq!(refused.kind, ErrorKind::WrongState);
}

#[test]
fn selectors_mean_what_fits_all_of_them() {
    let bench = Bench::new();
    let old = bench.token();
    bench.clock.advance(1_000);
    let at = tollgate_core::clock::Clock::unix(bench.clock.as_ref());
    let new = bench.token();
    let ids: HashMap<&str, String> = [("old", old.0.to_string()), ("new", new.0.to_string())].into();
    let tollgate_core::authorize::Caller::ProjectKey { key, .. } = bench.key else { unreachable!() };
    let table: [(&str, Selector, u64); 9] = [
        ("all", all(), 2),
        ("an id", one(&ids["old"]), 1),
        ("a secret", one(&new.1), 1),
        ("a stranger's", one("tgt_nothing"), 0),
        ("before", Selector { issued_before: Some(at), ..Selector::default() }, 1),
        ("before, and new", Selector { issued_before: Some(at), ..one(&ids["new"]) }, 0),
        ("made by", Selector { made_by: Some(key), ..Selector::default() }, 2),
        ("ring key", Selector { key_number: Some(1), ..Selector::default() }, 2),
        ("another ring key", Selector { key_number: Some(2), ..Selector::default() }, 0),
    ];
    for (name, selector, expected) in table {
        let dry = revoke(&bench, RevokeRequest { selector, dry_run: true, ..RevokeRequest::default() });
        assert_eq!((dry.matched, dry.revoked), (expected, expected), "{name}");
    }
    assert!(bench.audit("token.revoke").is_empty(), "a dry run is a read");
    assert_eq!(bench.refusal(&old.1), None, "and changes nothing");
    let nothing = block_on(bench.node.revoke(&bench.key, RevokeRequest::default())).unwrap_err();
    assert_eq!(nothing.kind, ErrorKind::InvalidInput);
}

#[test]
fn deleting_by_a_rule_leaves_no_record() {
    let bench = Bench::new();
    let (_, secret) = bench.token();
    let answer = revoke(&bench, RevokeRequest { selector: all(), delete: true, ..RevokeRequest::default() });
    assert_eq!(answer.revoked, 1);
    assert_eq!(bench.refusal(&secret).as_deref(), Some("invalid_auth"));
    assert_eq!(bench.audit("token.delete"), [(String::new(), 1, Some("all".into()))]);
}

#[test]
fn a_long_revocation_says_how_far_it_is() {
    let bench = Bench::with_pauses(Some(1));
    for _ in 0..4_100 {
        block_on(bench.node.create_token(&bench.key, NewToken::default())).unwrap();
    }
    let far = || bench.node.revoking(&bench.key).unwrap();
    assert_eq!(far(), None);
    let request = RevokeRequest { selector: all(), ..RevokeRequest::default() };
    let mut work = Box::pin(bench.node.revoke(&bench.key, request));
    let mut seen = Vec::new();
    let revoked = block_on(std::future::poll_fn(|context| {
        let step = work.as_mut().poll(context);
        if step.is_pending() && far().is_some() && seen.last() != Some(&far()) {
            seen.push(far());
        }
        step
    }));
    assert_eq!(seen, [0, 2_000, 4_000].map(|done| Some((done, 4_100))));
    assert_eq!((revoked.unwrap().revoked, far()), (4_100, None));
    let halted = Box::pin(bench.node.revoke(&bench.key, RevokeRequest { selector: all(), ..RevokeRequest::default() }));
    drop(halted);
    assert_eq!(far(), None);
}
