//! Signing in: guessing is slow and locks nobody out, what is wrong says nothing, and passwords change.

use std::time::Instant;

use tollgate_core::authorize::Caller;
use tollgate_core::error::ErrorKind;
use tollgate_core::roles::Role;
use tollgate_node::OperatorUpdate;

use super::bench::{Bench, PASSWORD, block_on, kind, secret};

const WRONG: &str = "a guess that is wrong";

#[test]
fn the_sixth_try_from_a_network_waits_and_others_do_not() {
    let bench = Bench::new();
    bench.owner();
    for address in ["203.0.113.5", "127.0.0.1"] {
        for _ in 0..5 {
            assert_eq!(kind(bench.sign_in("owner", WRONG, address)), ErrorKind::InvalidAuth);
        }
        let refused = bench.sign_in("owner", PASSWORD, address).unwrap_err();
        assert_eq!((refused.kind, refused.retry_after_ms), (ErrorKind::RateLimited, Some(30_000)), "{address}");
    }
    assert!(bench.sign_in("owner", PASSWORD, "203.0.113.6").is_ok());
    bench.clock.advance(30_000);
    for _ in 0..10 {
        assert!(bench.sign_in("owner", PASSWORD, "203.0.113.5").is_ok(), "who is right takes nothing");
    }
}

#[test]
fn strangers_do_not_lock_out_who_was_here_before() {
    let bench = Bench::new();
    bench.owner();
    assert!(bench.sign_in("owner", PASSWORD, "198.51.100.1").is_ok());
    let stranger = |number: usize| format!("203.0.113.{number}");
    for number in 0..50 {
        assert_eq!(kind(bench.sign_in("owner", WRONG, &stranger(number))), ErrorKind::InvalidAuth, "{number}");
    }
    let refused = bench.sign_in("owner", WRONG, &stranger(77)).unwrap_err();
    assert_eq!((refused.kind, refused.retry_after_ms), (ErrorKind::RateLimited, Some(10_000)));
    assert!(bench.sign_in("owner", PASSWORD, "198.51.100.1").is_ok(), "its own network is known");
    bench.clock.advance(31 * 86_400_000);
    assert!(bench.sign_in("owner", PASSWORD, &stranger(78)).is_ok(), "and by then there is room again");
}

#[test]
fn a_thousand_tries_at_once_are_a_few_hashes() {
    let bench = Bench::new();
    bench.owner();
    let outcomes: Vec<_> = std::thread::scope(|scope| {
        let tries: Vec<_> = (0..100)
            .map(|_| {
                let bench = &bench;
                scope.spawn(move || {
                    (0..10).map(|_| kind(bench.sign_in("owner", WRONG, "203.0.113.5"))).collect::<Vec<_>>()
                })
            })
            .collect();
        tries.into_iter().flat_map(|one| one.join().unwrap()).collect()
    });
    let looked_at = outcomes.iter().filter(|kind| **kind == ErrorKind::InvalidAuth).count();
    assert_eq!(looked_at, 5, "{outcomes:?}");
    assert!(outcomes.iter().all(|kind| matches!(kind, ErrorKind::InvalidAuth | ErrorKind::RateLimited)));
    // One entry, once a minute, for all of them.
    block_on(bench.node.keep_refusals());
    assert_eq!(bench.audit("authentication.refused"), ["authentication.refused anonymous wrong_password"]);
}

#[test]
#[allow(clippy::disallowed_methods)] // Real time is what is compared.
fn an_unknown_name_says_and_takes_what_a_known_one_does() {
    let bench = Bench::new();
    bench.owner();
    bench.operator("out", Role::Viewer);
    let out = bench.node.operators(&Caller::Operator).unwrap().pop().unwrap().id;
    let update = OperatorUpdate { disabled: Some(true), ..OperatorUpdate::default() };
    block_on(bench.node.change_operator(&Caller::Operator, out, update)).unwrap();
    let took = |name: &str, password: &str| {
        let mut all: Vec<_> = (0..5)
            .map(|number| {
                let begun = Instant::now();
                let refused = bench.sign_in(name, password, &format!("203.0.113.{number}")).unwrap_err();
                (begun.elapsed(), refused.to_string())
            })
            .collect();
        all.sort();
        let (least, said) = all.remove(0);
        (least.as_secs_f64(), said)
    };
    let (known, said) = took("owner", WRONG);
    for (name, password) in [("nobody", WRONG), ("out", PASSWORD), ("out", WRONG), ("", WRONG)] {
        let (unknown, says) = took(name, password);
        assert_eq!(says, said, "{name}");
        let ratio = unknown / known;
        assert!((0.2..5.0).contains(&ratio), "{name}: {ratio}");
    }
}

#[test]
fn a_changed_password_ends_other_sessions_and_links() {
    let bench = Bench::new();
    let owner = bench.owner();
    let caller = bench.person(owner, None);
    let begun = bench.sign_in("owner", PASSWORD, "127.0.0.1").unwrap();
    let link = block_on(bench.node.link_operator(&Caller::Operator, owner)).unwrap();
    let change = |old: &str, new: &str| block_on(bench.node.change_own_password(&caller, &secret(old), &secret(new)));
    assert_eq!(kind(change(WRONG, "another of four words")), ErrorKind::InvalidAuth);
    assert_eq!(kind(change(PASSWORD, "short")), ErrorKind::InvalidInput);
    let goes_on = change(PASSWORD, "another of four words").unwrap();
    assert!(bench.node.signed_in(goes_on) && !bench.node.signed_in(begun));
    assert_eq!(kind(bench.accept(&link, None)), ErrorKind::Gone);
    assert_eq!(kind(bench.sign_in("owner", PASSWORD, "127.0.0.1")), ErrorKind::InvalidAuth);
    assert!(bench.sign_in("owner", "another of four words", "127.0.0.1").is_ok());

    let confirm = |caller: &Caller, password: &str| block_on(bench.node.confirm_password(caller, &secret(password)));
    assert_eq!(confirm(&caller, "another of four words"), Ok(()));
    assert_eq!(kind(confirm(&bench.keys[0], PASSWORD)), ErrorKind::Forbidden);
    let tries: Vec<_> = (0..6).map(|_| kind(confirm(&caller, WRONG))).collect();
    // One of the five went to the try to change the password.
    assert_eq!(tries.iter().filter(|kind| **kind == ErrorKind::RateLimited).count(), 2, "{tries:?}");
}

#[test]
fn the_audit_log_says_who_came_and_went() {
    let bench = Bench::new();
    let owner = bench.owner();
    bench.sign_in("owner", PASSWORD, "127.0.0.1").unwrap();
    let caller = bench.person(owner, Some(0));
    block_on(bench.node.sign_out(&caller)).unwrap();
    let told = bench.audit("operator.sign_");
    assert!(told.is_empty(), "only whole actions and families are asked for: {told:?}");
    assert_eq!(bench.audit("operator.sign_in"), [format!("operator.sign_in {owner} {owner}")]);
    assert_eq!(bench.audit("operator.sign_out"), [format!("operator.sign_out {owner} {owner}")]);
    assert_eq!(kind(block_on(bench.node.sign_out(&bench.keys[0]))), ErrorKind::Forbidden);
}
