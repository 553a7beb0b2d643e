//! Links: the first owner's, those of people who are invited, and those of people who forgot.

use tollgate_core::authorize::Caller;
use tollgate_core::error::ErrorKind;
use tollgate_core::limits::{INVITATION_MS, INVITATIONS_MAX};
use tollgate_core::roles::Role;
use tollgate_node::{NewOperator, OperatorUpdate};

use super::bench::{Bench, PASSWORD, block_on, kind, secret};

#[test]
fn the_first_link_makes_the_owner_once() {
    let mut bench = Bench::new();
    assert!(!bench.node.has_operator());
    let early = block_on(bench.node.invite_first()).unwrap().unwrap();
    bench.restart();
    let link = block_on(bench.node.invite_first()).unwrap().unwrap();
    assert_eq!(kind(bench.accept(&early, Some("eve"))), ErrorKind::Gone, "a later start has another link");
    let view = bench.node.invitation(&secret(&link.expose())).unwrap();
    assert_eq!((view.name, view.role), (None, Role::Owner));

    for name in ["", "Ada", "a b", &"a".repeat(65)] {
        assert_eq!(kind(bench.accept(&link, Some(name))), ErrorKind::InvalidInput, "{name}");
    }
    let weak = block_on(bench.node.accept_invitation(&secret(&link.expose()), Some("ada"), &secret("too short")));
    assert_eq!(kind(weak), ErrorKind::InvalidInput);
    let ada = bench.accept(&link, Some("ada")).unwrap();
    assert!(bench.node.has_operator() && bench.node.signed_in(ada));
    assert_eq!(kind(bench.accept(&link, Some("eve"))), ErrorKind::Gone);
    assert!(block_on(bench.node.invite_first()).unwrap().is_none());

    bench.restart();
    assert!(bench.node.has_operator() && block_on(bench.node.invite_first()).unwrap().is_none());
    assert_eq!(bench.sign_in("ada", PASSWORD, "127.0.0.1").unwrap(), ada);
    let ada = ada.operator;
    assert_eq!(
        bench.audit("operator."),
        [
            "operator.link system the first owner".to_owned(),
            "operator.link system the first owner".to_owned(),
            format!("operator.accept {ada} {ada}"),
            format!("operator.sign_in {ada} {ada}"),
        ]
    );
}

#[test]
fn the_first_link_is_over_once_there_is_an_owner_by_another_way() {
    let bench = Bench::new();
    let first = block_on(bench.node.invite_first()).unwrap().unwrap();
    let new = NewOperator { name: "bo".into(), role: Role::Owner };
    let (_, own) = block_on(bench.node.invite_operator(&Caller::Operator, new)).unwrap();
    assert!(bench.node.invitation(&secret(&first.expose())).is_ok(), "who was only invited is no owner yet");
    bench.accept(&own, None).unwrap();
    assert_eq!(kind(bench.node.invitation(&secret(&first.expose()))), ErrorKind::Gone);
    assert_eq!(kind(bench.accept(&first, Some("eve"))), ErrorKind::Gone);
    assert_eq!(bench.node.operators(&Caller::Operator).unwrap().len(), 1);
}

#[test]
fn of_two_who_use_a_link_at_once_one_wins() {
    let bench = Bench::new();
    let link = block_on(bench.node.invite_first()).unwrap().unwrap();
    let outcomes: Vec<_> = std::thread::scope(|scope| {
        let tries: Vec<_> =
            ["one", "two", "three"].map(|name| scope.spawn(|| bench.accept(&link, Some(name)))).into_iter().collect();
        tries.into_iter().map(|one| one.join().unwrap()).collect()
    });
    assert_eq!(outcomes.iter().filter(|one| one.is_ok()).count(), 1, "{outcomes:?}");
    assert!(outcomes.into_iter().filter_map(Result::err).all(|error| error.kind == ErrorKind::Gone));
    assert_eq!(bench.node.operators(&Caller::Operator).unwrap().len(), 1);
}

#[test]
fn an_invited_operator_gets_in_by_its_link_alone() {
    let bench = Bench::new();
    let owner = bench.person(bench.owner(), None);
    let new = || NewOperator { name: "bo".into(), role: Role::Editor };
    let (bo, link) = block_on(bench.node.invite_operator(&owner, new())).unwrap();
    assert!(!bo.has_password && bo.link_until.is_some());
    assert_eq!(kind(block_on(bench.node.invite_operator(&owner, new()))), ErrorKind::AlreadyExists);
    assert!(bench.node.person(bo.id, None).is_none(), "nobody yet");
    assert_eq!(kind(bench.sign_in("bo", PASSWORD, "127.0.0.1")), ErrorKind::InvalidAuth);
    let view = bench.node.invitation(&secret(&link.expose())).unwrap();
    assert_eq!((view.name.as_deref(), view.role), (Some("bo"), Role::Editor));
    // The name that is typed is not asked.
    assert_eq!(bench.accept(&link, Some("eve")).unwrap().operator, bo.id);
    assert_eq!(bench.sign_in("bo", PASSWORD, "127.0.0.1").unwrap().operator, bo.id);
    let bo = bench.node.operators(&owner).unwrap().pop().unwrap();
    assert!(bo.has_password && bo.link_until.is_none() && bo.made_by.is_some());
}

#[test]
fn a_link_works_for_a_day() {
    let bench = Bench::new();
    bench.owner();
    let new = NewOperator { name: "bo".into(), role: Role::Viewer };
    let (bo, link) = block_on(bench.node.invite_operator(&Caller::Operator, new)).unwrap();
    bench.clock.advance(INVITATION_MS - 1);
    assert!(bench.node.invitation(&secret(&link.expose())).is_ok());
    bench.clock.advance(1);
    assert_eq!(kind(bench.node.invitation(&secret(&link.expose()))), ErrorKind::Gone);
    assert_eq!(kind(bench.accept(&link, None)), ErrorKind::Gone);
    let again = block_on(bench.node.link_operator(&Caller::Operator, bo.id)).unwrap();
    assert!(bench.accept(&again, None).is_ok());
}

#[test]
fn who_forgot_gets_a_link_and_the_old_password_works_until_it_is_used() {
    let bench = Bench::new();
    let owner = bench.owner();
    let bo = bench.operator("bo", Role::Viewer);
    let session = bench.sign_in("bo", PASSWORD, "127.0.0.1").unwrap();
    let first = block_on(bench.node.link_operator(&Caller::Operator, bo)).unwrap();
    let link = block_on(bench.node.link_operator(&bench.person(owner, None), bo)).unwrap();
    assert_eq!(kind(bench.accept(&first, None)), ErrorKind::Gone, "the later one took its place");
    assert!(bench.sign_in("bo", PASSWORD, "127.0.0.1").is_ok() && bench.node.signed_in(session));
    let other = secret("another of four words");
    let anew = block_on(bench.node.accept_invitation(&secret(&link.expose()), None, &other)).unwrap();
    assert!(!bench.node.signed_in(session) && bench.node.signed_in(anew));
    assert_eq!(kind(bench.sign_in("bo", PASSWORD, "127.0.0.1")), ErrorKind::InvalidAuth);

    let update = OperatorUpdate { disabled: Some(true), ..OperatorUpdate::default() };
    let link = block_on(bench.node.link_operator(&Caller::Operator, bo)).unwrap();
    block_on(bench.node.change_operator(&Caller::Operator, bo, update)).unwrap();
    assert_eq!(kind(bench.accept(&link, None)), ErrorKind::Gone, "it is disabled");
    assert_eq!(kind(block_on(bench.node.link_operator(&Caller::Operator, bo))), ErrorKind::WrongState);
}

#[test]
fn links_that_nobody_uses_are_bounded() {
    let bench = Bench::new();
    let invite = |number: usize| {
        let new = NewOperator { name: format!("op{number}"), role: Role::Viewer };
        block_on(bench.node.invite_operator(&Caller::Operator, new))
    };
    (0..INVITATIONS_MAX).for_each(|number| drop(invite(number).unwrap()));
    assert_eq!(kind(invite(99)), ErrorKind::LimitReached);
    bench.clock.advance(INVITATION_MS);
    assert!(invite(99).is_ok(), "those whose time is over made room");
}
