//! Listing live connections while they come and go, and ending one.

use std::net::IpAddr;

use tollgate_core::CloseReason;
use tollgate_core::authorize::Caller;
use tollgate_core::command::PresentedSecret;
use tollgate_core::error::ErrorKind;
use tollgate_core::ids::{ChannelId, ConnectionId};
use tollgate_core::json::JsonValue;
use tollgate_core::model::ChannelType;
use tollgate_node::{ConnectionFilter, ConnectionKey, ConnectionRow, ConnectionsOnly, NewToken, UserOfToken};

use super::bench::{Bench, START, Told, secret};

fn page(
    bench: &Bench,
    filter: &ConnectionFilter,
    after: Option<u64>,
    limit: usize,
) -> (Vec<ConnectionRow>, Option<u64>) {
    let page = bench.run(bench.node.connections(&bench.key, filter, after, limit)).unwrap();
    assert!(page.connections.len() <= limit);
    (page.connections, page.next)
}

fn all(bench: &Bench, filter: &ConnectionFilter, limit: usize) -> Vec<ConnectionId> {
    let (mut seen, mut after) = (Vec::new(), None);
    loop {
        let (rows, next) = page(bench, filter, after, limit);
        seen.extend(rows.into_iter().map(|row| row.id));
        after = next;
        if after.is_none() {
            return seen;
        }
    }
}

/// Connections of tokens: of users `u0` to `u2` by turns, every fourth subscribed to `room`.
fn crowd(bench: &Bench, count: usize) -> Vec<(String, ConnectionKey)> {
    bench.channel("room", ChannelType::Private);
    let one = |at: usize| {
        let user = UserOfToken { user_id: format!("u{}", at % 3), display_name: None };
        let channels = if at.is_multiple_of(4) { vec![ChannelId::new("room").unwrap()] } else { vec![] };
        let issued = bench.issue(NewToken { user: Some(user), channels, ..NewToken::default() });
        let address = format!("10.0.{}.7", at % 5);
        let key = bench.connect_from(&secret(&issued), Some(&address), Some("https://a.example")).unwrap();
        (issued.token.id.to_string(), key)
    };
    (0..count).map(one).collect()
}

#[test]
fn each_filter_means_what_it_says_on_pages_of_any_size() {
    let bench = Bench::new();
    let crowd = crowd(&bench, 41);
    let anonymous = bench.connect_anonymous();
    bench.open();
    let (rows, _) = page(&bench, &ConnectionFilter::default(), None, 1_000);
    assert_eq!(rows.len(), 42, "who has not said who it is, is not listed");
    let first = &rows[0];
    assert_eq!(first.token.map(|token| token.to_string()).as_ref(), Some(&crowd[0].0));
    assert_eq!(
        (first.user_id.as_deref(), first.format, first.channels, first.since.0, first.ends_at),
        (Some("u0"), "nothing", 1, START, None)
    );
    assert_eq!(first.address, Some(IpAddr::from([10, 0, 0, 7])));
    assert_eq!(first.origin.as_deref(), Some("https://a.example"));
    let last = &rows[41];
    assert_eq!((last.token, last.user_id.as_deref(), last.address, last.since.0), (None, None, None, START));
    bench.stall(crowd[8].1);
    let said = JsonValue::parse(b"1", 10).unwrap();
    let token = PresentedSecret::new(crowd[8].0.clone());
    bench.run(bench.node.direct_message(&bench.key, &token, "X", said)).unwrap();
    let ids =
        |fits: &dyn Fn(usize) -> bool| -> Vec<_> { (0..42).filter(|at| fits(*at)).map(|at| rows[at].id).collect() };
    let filter = ConnectionFilter::default;
    let room = ChannelId::new("room").unwrap();
    let table: [(ConnectionFilter, &dyn Fn(usize) -> bool); 12] = [
        (filter(), &|_| true),
        (ConnectionFilter { user_id: Some("u1".into()), ..filter() }, &|at| at < 41 && at % 3 == 1),
        (ConnectionFilter { user_id: Some("nobody".into()), ..filter() }, &|_| false),
        (ConnectionFilter { channel: Some(room.clone()), ..filter() }, &|at| at < 41 && at % 4 == 0),
        (ConnectionFilter { channel: Some(ChannelId::new("nowhere").unwrap()), ..filter() }, &|_| false),
        (ConnectionFilter { channel: Some(room), user_id: Some("u0".into()), ..filter() }, &|at| {
            at < 41 && at % 12 == 0
        }),
        (ConnectionFilter { address: Some("10.0.2.0/24".parse().unwrap()), ..filter() }, &|at| at < 41 && at % 5 == 2),
        (ConnectionFilter { only: ConnectionsOnly::Anonymous, ..filter() }, &|at| at == 41),
        (ConnectionFilter { only: ConnectionsOnly::Behind, ..filter() }, &|at| at == 8),
        (ConnectionFilter { token: rows[3].token, ..filter() }, &|at| at == 3),
        (ConnectionFilter { token: rows[3].token, user_id: Some("u1".into()), ..filter() }, &|_| false),
        (ConnectionFilter { format: Some("leap".into()), ..filter() }, &|_| false),
    ];
    for (at, (filter, fits)) in table.iter().enumerate() {
        for limit in [1, 2, 7, 1_000] {
            assert_eq!(all(&bench, filter, limit), ids(*fits), "{at} {limit}");
        }
    }
    let behind = ConnectionFilter { only: ConnectionsOnly::Behind, ..filter() };
    assert!(page(&bench, &behind, None, 9).0[0].waiting_bytes > 0);
    bench.gone(anonymous);
    assert_eq!(all(&bench, &filter(), 50).len(), 41);
}

#[test]
fn who_stays_is_on_one_page_whatever_comes_and_goes() {
    let bench = Bench::new();
    crowd(&bench, 30);
    let user = Some(UserOfToken { user_id: "u0".into(), display_name: None });
    let visitor = secret(&bench.issue(NewToken { user, ..NewToken::default() }));
    let stays: Vec<ConnectionId> = all(&bench, &ConnectionFilter::default(), 1_000);
    for of_user in [None, Some("u0".to_owned())] {
        let filter = ConnectionFilter { user_id: of_user.clone(), ..ConnectionFilter::default() };
        let (mut seen, mut after, mut turn) = (Vec::new(), None, 0);
        let mut visitors: Vec<ConnectionKey> = Vec::new();
        loop {
            let (rows, next) = page(&bench, &filter, after, 4);
            seen.extend(rows.into_iter().map(|row| row.id));
            after = next;
            if after.is_none() {
                break;
            }
            turn += 1;
            if turn < 6 {
                visitors.push(bench.connect_anonymous());
                visitors.extend((0..2).map(|_| bench.connect(&visitor).unwrap()));
                bench.gone(visitors.remove(0));
            }
        }
        visitors.into_iter().for_each(|one| bench.gone(one));
        let step = if of_user.is_some() { 3 } else { 1 };
        let expected: Vec<_> = stays.iter().copied().step_by(step).collect();
        let of_those: Vec<_> = seen.iter().copied().filter(|one| stays.contains(one)).collect();
        assert_eq!(of_those, expected, "{of_user:?}");
    }
}

#[test]
fn a_connection_is_ended_once_and_its_token_goes_on() {
    let bench = Bench::new();
    let crowd = crowd(&bench, 5);
    let anonymous = bench.connect_anonymous();
    let (rows, _) = page(&bench, &ConnectionFilter::default(), None, 9);
    bench.told();
    for (at, key) in [(3, crowd[3].1), (5, anonymous)] {
        bench.run(bench.node.disconnect(&bench.key, rows[at].id)).unwrap();
        assert_eq!(bench.told(), [(key, Told::Closed(CloseReason::Dismissed))]);
        let again = bench.run(bench.node.disconnect(&bench.key, rows[at].id)).unwrap_err();
        assert_eq!(again.kind, ErrorKind::NotFound, "one that is on its way out is not there any more");
        bench.gone(key);
    }
    assert_eq!(bench.audit("connection.close"), [rows[3].id.to_string(), rows[5].id.to_string()]);
    assert!(bench.node.token_detail(&bench.key, &PresentedSecret::new(crowd[3].0.clone())).is_ok());
    assert_eq!(all(&bench, &ConnectionFilter::default(), 2).len(), 4);
}

/// Connections of one project are nobody else's.
#[test]
fn another_project_sees_and_ends_nothing() {
    let bench = Bench::new();
    crowd(&bench, 3);
    let (rows, _) = page(&bench, &ConnectionFilter::default(), None, 9);
    let (_, secret) = bench.run(bench.node.create_project(&Caller::Operator, "other")).unwrap();
    let other = bench.node.authenticate(&PresentedSecret::new(secret.expose().to_string())).unwrap();
    let seen = bench.run(bench.node.connections(&other, &ConnectionFilter::default(), None, 9)).unwrap();
    assert_eq!(seen.connections, []);
    let refused = bench.run(bench.node.disconnect(&other, rows[0].id)).unwrap_err();
    assert_eq!(refused.kind, ErrorKind::NotFound);
    let token = Caller::Token { project: bench.project, token: rows[0].token.unwrap() };
    for nobody in [token, Caller::Anonymous { project: bench.project }] {
        let kinds = [
            bench.run(bench.node.connections(&nobody, &ConnectionFilter::default(), None, 9)).unwrap_err().kind,
            bench.run(bench.node.disconnect(&nobody, rows[0].id)).unwrap_err().kind,
        ];
        assert_eq!(kinds, [ErrorKind::Forbidden; 2]);
    }
    assert_eq!(page(&bench, &ConnectionFilter::default(), None, 9).0, rows);
}

#[test]
fn a_page_looks_at_so_many_and_says_where_to_go_on() {
    let bench = Bench::new();
    crowd(&bench, 3);
    (0..21_000).for_each(|_| {
        bench.open();
    });
    bench.connect_anonymous();
    let nameless = ConnectionFilter { only: ConnectionsOnly::Anonymous, ..ConnectionFilter::default() };
    let (rows, next) = page(&bench, &nameless, None, 10);
    assert_eq!(rows, []);
    let (rows, end) = page(&bench, &nameless, next, 10);
    assert_eq!((rows.len(), end), (1, None));
    for limit in [1, 3, 4, 5] {
        assert_eq!(all(&bench, &ConnectionFilter::default(), limit).len(), 4, "{limit}");
    }
    bench.run(bench.node.disconnect(&bench.key, rows[0].id)).unwrap();
}
