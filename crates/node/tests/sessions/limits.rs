//! Limits, and what is noted of those who run into them.

use super::*;
use std::net::IpAddr;
use tollgate_core::records::Bucket;
use tollgate_node::{Origin, with_origin};

fn from(address: &str) -> Origin {
    Origin { address: Some(address.parse::<IpAddr>().unwrap()), ..Origin::default() }
}

/// What a key comes to from an address.
fn try_key(bench: &Bench, address: &str, key: &str) -> Option<ErrorKind> {
    let secret = PresentedSecret::new(key.to_owned());
    block_on(with_origin(from(address), async { bench.node.authenticate(&secret).err().map(|error| error.kind) }))
}

#[test]
fn guessing_slows_down_and_a_good_key_always_gets_in() {
    let bench = Bench::new();
    let (_, good) =
        block_on(bench.node.create_key(&Caller::Operator, bench.project, Permissions::READ_CHANNELS)).unwrap();
    let good = good.expose().to_string();
    // Well-formed, and nobody's.
    let (_, other) = block_on(bench.node.create_key(&Caller::Operator, bench.project, Permissions::NONE)).unwrap();
    let guess = other.expose().to_string();
    let (id, _) = bench.node.keys(&Caller::Operator, None).unwrap().last().map(|key| (key.id, ())).unwrap();
    block_on(bench.node.revoke_key(&Caller::Operator, id)).unwrap();
    for round in 0..20 {
        let junk = if round % 2 == 0 { "ptk_junk" } else { &guess };
        assert_eq!(try_key(&bench, "192.0.2.1", junk), Some(ErrorKind::InvalidAuth), "{round}");
    }
    assert_eq!(try_key(&bench, "192.0.2.1", &guess), Some(ErrorKind::RateLimited));
    assert_eq!(try_key(&bench, "192.0.2.1", &good), None, "whoever else sits behind the address");
    assert_eq!(try_key(&bench, "192.0.2.2", &guess), Some(ErrorKind::InvalidAuth));
    bench.clock.advance(5_999);
    assert_eq!(try_key(&bench, "192.0.2.1", &guess), Some(ErrorKind::RateLimited));
    bench.clock.advance(1);
    assert_eq!(try_key(&bench, "192.0.2.1", &guess), Some(ErrorKind::InvalidAuth), "ten a minute");
    for round in 0..100 {
        assert_eq!(try_key(&bench, "127.0.0.1", &guess), Some(ErrorKind::InvalidAuth), "{round}: not on this machine");
    }
    // One customer of a provider is one /64.
    for round in 0..20 {
        assert_eq!(try_key(&bench, &format!("2001:db8:1:2::{round}"), "x"), Some(ErrorKind::InvalidAuth));
    }
    assert_eq!(try_key(&bench, "2001:db8:1:2:ffff::1", "x"), Some(ErrorKind::RateLimited));
    assert_eq!(try_key(&bench, "2001:db8:1:3::1", "x"), Some(ErrorKind::InvalidAuth));
}

#[test]
fn what_is_genuine_and_over_is_no_guess() {
    let bench = Bench::new();
    let session = bench.session("alice", "a").unwrap();
    block_on(bench.node.end_user_sessions(&bench.operator(), "alice")).unwrap();
    for spelling in [
        session.access_token.text.to_string(),
        session.refresh_token.expose(tollgate_core::credentials::TokenSpelling::Native).to_string(),
    ] {
        for _ in 0..100 {
            let asked = async { refused(&bench, &spelling) };
            assert_eq!(block_on(with_origin(from("192.0.2.1"), asked)), Some(ErrorKind::TokenRevoked));
        }
    }
    assert_eq!(try_key(&bench, "192.0.2.1", "x"), Some(ErrorKind::InvalidAuth));
}

#[test]
fn minting_is_bounded_by_key_user_and_address_apart() {
    let bench = Bench::new();
    let few = |burst| Some(Bucket { burst, per_second: 1.0 });
    bench.settings(|settings| {
        settings.limits.mint_per_key = few(6);
        settings.limits.mint_per_user = few(2);
        settings.limits.mint_per_address = few(4);
    });
    let other_key = bench.key_with(Permissions::CREATE_SESSION);
    let mut device = 0;
    let mut mint = |key: &Caller, user: &str, address: &str| {
        device += 1;
        let wish = request(user, &format!("d{device}"));
        block_on(with_origin(from(address), bench.node.create_session(key, wish)))
            .map_err(|error| (error.kind, error.retry_after_ms))
    };
    let limited = Some((ErrorKind::RateLimited, Some(1_000)));
    let mut check = |key: &Caller, user: &str, address: &str, expected: Option<(ErrorKind, Option<u64>)>| {
        assert_eq!(mint(key, user, address).err(), expected, "{user} {address}");
    };
    check(&bench.key, "a", "192.0.2.1", None);
    check(&bench.key, "a", "192.0.2.1", None);
    check(&bench.key, "a", "192.0.2.2", limited);
    check(&other_key, "a", "192.0.2.2", limited);
    check(&bench.key, "b", "192.0.2.1", None);
    check(&bench.key, "b", "192.0.2.1", None);
    check(&bench.key, "c", "192.0.2.1", limited);
    check(&bench.key, "c", "192.0.2.2", None);
    check(&bench.key, "c", "192.0.2.2", None);
    check(&bench.key, "d", "192.0.2.3", limited);
    check(&other_key, "d", "192.0.2.3", None);
    bench.clock.advance(1_000);
    check(&bench.key, "a", "192.0.2.2", None);
    // A refusal is no mint, and leaves no token.
    assert_eq!(bench.node.tokens(&bench.key, tollgate_node::Page::ALL).unwrap().total, 8);
}

#[test]
fn refusals_are_written_down_as_sums() {
    let bench = Bench::new();
    for round in 0..500 {
        try_key(&bench, if round % 5 == 0 { "192.0.2.9" } else { "192.0.2.1" }, "x");
    }
    let session = bench.session("alice", "a").unwrap();
    let changed = session.access_token.text.replace('.', ".A");
    for _ in 0..3 {
        refused(&bench, &changed);
        refused(&bench, "tgt_junk");
    }
    assert!(bench.audit("authentication.refused").is_empty());
    block_on(bench.node.keep_refusals());
    let entries = bench.audit("authentication.refused");
    let sums: Vec<(&str, u64)> = entries.iter().map(|(subject, count, _)| (subject.as_str(), *count)).collect();
    assert!(sums.contains(&("unknown_key", 500)) && sums.contains(&("malformed", 3)), "{sums:?}");
    assert!(entries.len() <= 4, "{entries:?}");
    let detail = entries.iter().find(|entry| entry.0 == "unknown_key").and_then(|entry| entry.2.clone()).unwrap();
    assert_eq!(detail, "unknown_key; from 192.0.2.1 (400), 192.0.2.9 (100)");
    block_on(bench.node.keep_refusals());
    assert_eq!(bench.audit("authentication.refused").len(), entries.len(), "once");
}
