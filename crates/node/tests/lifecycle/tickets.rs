//! Tickets: what they stand for, once, and what ends them.

use tollgate_core::authorize::Caller;
use tollgate_core::command::PresentedSecret;
use tollgate_core::error::ErrorKind;

use super::bench::{Bench, by_id, secret};

fn ticket(bench: &Bench, token: &PresentedSecret) -> String {
    let none = PresentedSecret::new(String::new());
    let made = bench.run(bench.node.create_ticket(&bench.key, &none, Some(token))).unwrap();
    made.expose().to_string()
}

#[test]
fn a_ticket_lets_in_once_and_for_its_time() {
    let bench = Bench::new();
    let issued = bench.with_terms(|_| {});
    let one = ticket(&bench, &by_id(&issued));
    bench.connect(&one).unwrap();
    assert_eq!(bench.connect(&one).unwrap_err().kind, ErrorKind::InvalidAuth, "used");
    let late = ticket(&bench, &by_id(&issued));
    bench.clock.advance(tollgate_node::TICKET_MS);
    assert_eq!(bench.connect(&late).unwrap_err().kind, ErrorKind::InvalidAuth, "ended");
    assert_eq!(bench.audit("ticket.create").len(), 2);
    assert!(bench.connect(&secret(&issued)).is_ok(), "the token itself goes on");
}

#[test]
fn a_ticket_renews_once() {
    let bench = Bench::new();
    let issued = bench.with_terms(|_| {});
    let connection = bench.connect(&ticket(&bench, &by_id(&issued))).unwrap();
    let one = ticket(&bench, &by_id(&issued));
    assert_eq!(bench.renew(connection, &one).unwrap().token.id, issued.token.id);
    assert_eq!(bench.renew(connection, &one).unwrap_err().kind, ErrorKind::InvalidAuth, "used");
    assert_eq!(bench.connect(&one).unwrap_err().kind, ErrorKind::InvalidAuth, "nor does it connect");
}

#[test]
fn what_ends_a_token_ends_its_tickets() {
    let bench = Bench::new();
    let issued = bench.with_terms(|_| {});
    let made = ticket(&bench, &by_id(&issued));
    bench.revoke(issued.token.id);
    assert_eq!(bench.connect(&made).unwrap_err().kind, ErrorKind::TokenRevoked);
    let none = PresentedSecret::new(String::new());
    let refused = bench.run(bench.node.create_ticket(&bench.key, &none, Some(&by_id(&issued)))).unwrap_err();
    assert_eq!(refused.kind, ErrorKind::TokenRevoked);
}

#[test]
fn a_token_makes_tickets_for_itself_alone() {
    let bench = Bench::new();
    let (own, other) = (bench.with_terms(|_| {}), bench.with_terms(|_| {}));
    let caller = Caller::Token { project: bench.project, token: own.token.id };
    let mine = PresentedSecret::new(secret(&own));
    let made = bench.run(bench.node.create_ticket(&caller, &mine, None)).unwrap();
    bench.connect(&made.expose()).unwrap();
    let refused = bench.run(bench.node.create_ticket(&caller, &mine, Some(&by_id(&other)))).unwrap_err();
    assert_eq!(refused.kind, ErrorKind::Forbidden);
    let anonymous = Caller::Anonymous { project: bench.project };
    assert!(bench.run(bench.node.create_ticket(&anonymous, &mine, None)).is_err());
}
