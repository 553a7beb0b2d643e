//! Rotation: two secrets at most, each to its instant.

use std::collections::BTreeSet;

use tollgate_core::CloseReason;
use tollgate_core::error::ErrorKind;
use tollgate_node::{NewToken, Once, Place, TokenUpdate};

use super::bench::{Bench, Told, block_on, by_id, secret};

#[test]
fn the_old_secret_works_until_its_grace_ends() {
    let bench = Bench::new();
    let first = bench.issue(NewToken::default());
    let second = bench.run(bench.node.rotate_token(&bench.key, &by_id(&first), Some(5_000), None, None)).unwrap();
    assert_ne!(secret(&first), secret(&second));
    assert_eq!((second.token.generation, second.token.id), (2, first.token.id));
    assert_eq!(second.token.previous.unwrap().uses, 0);
    for _ in 0..3 {
        assert!(bench.works(&secret(&first)) && bench.works(&secret(&second)));
    }
    let seen = bench.node.token_detail(&bench.key, &by_id(&first)).unwrap().previous.unwrap();
    assert_eq!((seen.generation, seen.uses), (1, 3), "uses of the old one are counted");
    bench.clock.advance(4_999);
    assert!(bench.works(&secret(&first)));
    bench.clock.advance(1);
    assert_eq!(bench.refused(&secret(&first), Place::default()), Some("token_rotated"));
    assert!(bench.works(&secret(&second)));
    assert_eq!(bench.node.token_detail(&bench.key, &by_id(&first)).unwrap().previous, None);
    assert_eq!(bench.audit("token.rotate"), [first.token.id.to_string()]);
}

#[test]
fn there_are_never_more_than_two() {
    let bench = Bench::new();
    let first = bench.issue(NewToken::default());
    let rotate = || bench.run(bench.node.rotate_token(&bench.key, &by_id(&first), Some(60_000), None, None)).unwrap();
    let old = bench.connect(&secret(&first)).unwrap();
    let second = rotate();
    let newer = bench.connect(&secret(&second)).unwrap();
    let third = rotate();
    assert_eq!(bench.refused(&secret(&first), Place::default()), Some("token_rotated"), "its grace is cut short");
    assert!(bench.works(&secret(&second)) && bench.works(&secret(&third)));
    let closed: Vec<_> = bench.told().into_iter().filter(|(_, told)| matches!(told, Told::Closed(_))).collect();
    assert_eq!(closed, [(old, Told::Closed(CloseReason::TokenExpired))]);
    let live: Vec<_> = bench.node.token_connections(&bench.key, &by_id(&first)).unwrap();
    assert!(live.iter().any(|one| one.generation == 2) && bench.connect(&secret(&third)).is_ok(), "{newer:?} goes on");
}

#[test]
fn connections_of_the_old_secret_are_told_their_end() {
    let bench = Bench::new();
    let token = bench.issue(NewToken::default());
    let connection = bench.connect(&secret(&token)).unwrap();
    bench.told();
    let rotate =
        |grace| bench.run(bench.node.rotate_token(&bench.key, &by_id(&token), Some(grace), None, None)).unwrap();
    let second = rotate(30_000);
    assert_eq!(bench.told(), [(connection, Told::End(Some(30_000)))]);
    let newer = bench.connect(&secret(&second)).unwrap();
    bench.told();
    rotate(0);
    let closed = bench.told().into_iter().filter(|(_, told)| matches!(told, Told::Closed(_)));
    let told: BTreeSet<String> = closed.map(|told| format!("{told:?}")).collect();
    let gone = |connection| format!("{:?}", (connection, Told::Closed(CloseReason::TokenExpired)));
    assert_eq!(told, BTreeSet::from([gone(connection), gone(newer)]), "without grace both end with the answer");
}

#[test]
fn rotations_at_once_follow_each_other() {
    let bench = Bench::new();
    let token = bench.issue(NewToken::default());
    let (node, key, id) = (&bench.node, &bench.key, &by_id(&token));
    let rotate = || block_on(node.rotate_token(key, id, Some(60_000), None, None)).unwrap();
    let issued: Vec<_> = std::thread::scope(|scope| {
        let all: Vec<_> = (0..8).map(|_| scope.spawn(rotate)).collect();
        all.into_iter().map(|one| one.join().unwrap()).collect()
    });
    let secrets: BTreeSet<_> = issued.iter().map(secret).collect();
    assert_eq!(secrets.len(), 8, "each made its own");
    assert_eq!(secrets.iter().filter(|secret| bench.works(secret)).count(), 2, "the last and the one before");
    let after = node.token_detail(key, id).unwrap();
    assert_eq!((after.generation, after.revision), (9, 9));
    let won = std::thread::scope(|scope| {
        let rotate = || block_on(node.rotate_token(key, id, None, Some(9), None)).is_ok();
        let all: Vec<_> = (0..4).map(|_| scope.spawn(rotate)).collect();
        all.into_iter().map(|one| one.join().unwrap()).filter(|won| *won).count()
    });
    assert_eq!(won, 1, "one of those that expect the same version");
}

#[test]
fn a_repeated_rotation_rotates_once() {
    let bench = Bench::new();
    let token = bench.issue(NewToken::default());
    let by_secret = tollgate_core::command::PresentedSecret::new(secret(&token));
    let once = Once::new("key", &[b"token.rotate", b"{}"]).unwrap();
    let rotate = || bench.run(bench.node.rotate_token(&bench.key, &by_secret, Some(1_000), None, Some(&once)));
    let first = rotate().unwrap();
    bench.clock.advance(1_000);
    let again = rotate().unwrap();
    assert!(again.repeated && secret(&again) == secret(&first), "though the secret that names the token has ended");
    assert_eq!(bench.audit("token.rotate").len(), 1);
}

#[test]
fn what_has_ended_is_not_rotated() {
    let bench = Bench::new();
    let token = bench.issue(NewToken { life_ms: Some(1_000), ..NewToken::default() });
    let rotate = |grace| bench.run(bench.node.rotate_token(&bench.key, &by_id(&token), grace, None, None));
    assert_eq!(rotate(Some(7 * 86_400_000 + 1)).unwrap_err().kind, ErrorKind::InvalidInput);
    bench.clock.advance(1_000);
    assert_eq!(rotate(None).unwrap_err().kind, ErrorKind::WrongState);
    let longer = TokenUpdate { life_ms: Some(5_000), ..TokenUpdate::default() };
    bench.run(bench.node.update_token(&bench.key, &by_id(&token), longer)).unwrap();
    assert!(rotate(None).is_ok());
}
