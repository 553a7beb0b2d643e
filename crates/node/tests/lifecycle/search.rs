//! Finding by the beginnings of names, and tokens by what is said of them, page by page, against a plain list and while things come and go.

use std::collections::BTreeSet;

use tollgate_core::clock::UnixMillis;
use tollgate_core::ids::{ChannelId, TokenId};
use tollgate_core::model::ChannelType;
use tollgate_core::records::TokenKind;
use tollgate_node::{NewToken, NewUser, TokenFilter, TokenStatus, UserOfToken};

use super::bench::{Bench, by_id, secret};

fn channels(bench: &Bench, prefix: &str, kind: Option<ChannelType>, limit: usize) -> Vec<String> {
    let (mut seen, mut after) = (Vec::new(), None::<ChannelId>);
    loop {
        let after_text = after.as_ref().map(ChannelId::as_str);
        let (page, next) = bench.node.channels_named(&bench.key, prefix, kind, after_text, limit).unwrap();
        assert!(page.len() <= limit);
        seen.extend(page.into_iter().map(|channel| channel.id.to_string()));
        after = next;
        if after.is_none() {
            return seen;
        }
    }
}

fn users(bench: &Bench, prefix: &str, limit: usize) -> Vec<String> {
    let (mut seen, mut after) = (Vec::<String>::new(), None::<String>);
    loop {
        let page = bench.node.users_named(&bench.key, prefix, after.as_deref(), limit).unwrap();
        seen.extend(page.into_iter().map(|user| user.user_id));
        if seen.last() == after.as_ref() {
            return seen;
        }
        after = seen.last().cloned();
    }
}

/// Names that share beginnings, and none; of bytes above ASCII, too.
const NAMES: [&str; 12] = ["a", "aa", "ab", "abc", "abd", "b", "room", "room 1", "room-10", "room-2", "é", "éa"];

#[test]
fn what_begins_so_is_found_in_order_while_names_come_and_go() {
    let bench = Bench::new();
    let mut there: BTreeSet<&str> = BTreeSet::new();
    let mut random = 7_usize;
    for step in 0..120 {
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let name = NAMES[(random >> 33) % NAMES.len()];
        if there.insert(name) {
            let kind = if name.len().is_multiple_of(2) { ChannelType::Public } else { ChannelType::Private };
            bench.channel(name, kind);
            let new = NewUser { user_id: name.into(), ..NewUser::default() };
            bench.run(bench.node.create_user(&bench.key, new)).unwrap();
        } else {
            there.remove(name);
            bench.run(bench.node.delete_channel(&bench.key, &ChannelId::new(name).unwrap())).unwrap();
            bench.run(bench.node.delete_user(&bench.key, name)).unwrap();
        }
        for prefix in ["", "a", "ab", "room", "room-", "é", "z"] {
            let expected: Vec<String> =
                there.iter().filter(|name| name.starts_with(prefix)).map(ToString::to_string).collect();
            let public: Vec<String> = expected.iter().filter(|name| name.len().is_multiple_of(2)).cloned().collect();
            for limit in [1, 2, 100] {
                assert_eq!(channels(&bench, prefix, None, limit), expected, "{step} {prefix:?} {limit}");
                assert_eq!(channels(&bench, prefix, Some(ChannelType::Public), limit), public, "{step} {prefix:?}");
                assert_eq!(users(&bench, prefix, limit), expected, "{step} {prefix:?} {limit}");
            }
        }
    }
    let again = NewUser { user_id: "later".into(), ..NewUser::default() };
    bench.run(bench.node.create_user(&bench.key, again)).unwrap();
    let renamed = tollgate_node::UserUpdate { display_name: Some(Some("Later".into())), ..Default::default() };
    bench.run(bench.node.change_user(&bench.key, "later", renamed)).unwrap();
    assert_eq!(users(&bench, "late", 9), ["later"], "a changed user is found as before");
}

fn tokens(bench: &Bench, filter: &TokenFilter, limit: usize, newest_first: bool) -> Vec<TokenId> {
    let filter = TokenFilter { newest_first, ..filter.clone() };
    let (mut seen, mut after) = (Vec::new(), None);
    loop {
        let page = bench.node.token_page(&bench.key, &filter, after, limit).unwrap();
        assert!(page.tokens.len() <= limit && page.looks <= page.total);
        seen.extend(page.tokens.iter().map(|token| token.id));
        after = page.next;
        if after.is_none() {
            return seen;
        }
    }
}

#[test]
fn tokens_are_found_by_what_is_said_of_them_in_both_orders() {
    let bench = Bench::new();
    bench.channel("room", ChannelType::Private);
    let room = ChannelId::new("room").unwrap();
    let issued: Vec<_> = (0..40_usize)
        .map(|at| {
            let user_id = ["ann", "anna", "ben", "anton"][at % 4].to_owned();
            let mut new = NewToken {
                user: (!at.is_multiple_of(5)).then_some(UserOfToken { user_id, display_name: None }),
                channels: if at.is_multiple_of(3) { vec![room.clone()] } else { vec![] },
                ..NewToken::default()
            };
            new.terms.name = (at.is_multiple_of(7)).then(|| format!("Kitchen {at}"));
            bench.issue(new)
        })
        .collect();
    for at in (0..40).step_by(6) {
        bench.connect(&secret(&issued[at])).unwrap();
    }
    let user = |at: usize| (!at.is_multiple_of(5)).then(|| ["ann", "anna", "ben", "anton"][at % 4]);
    let kind = issued[1].token.kind;
    assert_ne!(kind, TokenKind::Session);
    let all = TokenFilter::default;
    let table: [(TokenFilter, &dyn Fn(usize) -> bool); 12] = [
        (all(), &|_| true),
        (TokenFilter { user_prefix: Some("ann".into()), ..all() }, &|at| {
            user(at).is_some_and(|user| user.starts_with("ann"))
        }),
        (TokenFilter { user_prefix: Some(String::new()), ..all() }, &|at| user(at).is_some()),
        (TokenFilter { user_prefix: Some("x".into()), ..all() }, &|_| false),
        (TokenFilter { user_id: Some("ann".into()), ..all() }, &|at| user(at) == Some("ann")),
        (TokenFilter { user_id: Some("ben".into()), user_prefix: Some("an".into()), ..all() }, &|_| false),
        (TokenFilter { channel: Some(room.clone()), ..all() }, &|at| at.is_multiple_of(3)),
        (TokenFilter { channel: Some(room), user_prefix: Some("an".into()), ..all() }, &|at| {
            at.is_multiple_of(3) && user(at).is_some_and(|user| user.starts_with("an"))
        }),
        (TokenFilter { online: Some(true), ..all() }, &|at| at.is_multiple_of(6)),
        (TokenFilter { online: Some(false), name_part: Some("kITCH".into()), ..all() }, &|at| {
            !at.is_multiple_of(6) && at.is_multiple_of(7)
        }),
        (TokenFilter { kind: Some(TokenKind::Session), ..all() }, &|_| false),
        (TokenFilter { kind: Some(kind), made_by: issued[0].token.made_by, ..all() }, &|at| {
            issued[at].token.kind == kind
        }),
    ];
    for (row, (filter, fits)) in table.iter().enumerate() {
        let mut expected: Vec<TokenId> = (0..40).filter(|at| fits(*at)).map(|at| issued[at].token.id).collect();
        for newest_first in [false, true] {
            for limit in [1, 3, 100] {
                assert_eq!(tokens(&bench, filter, limit, newest_first), expected, "{row} {limit} {newest_first}");
            }
            expected.reverse();
        }
    }
    let newest = TokenFilter { newest_first: true, ..all() };
    let page = bench.node.token_page(&bench.key, &newest, None, 10).unwrap();
    let newer = bench.issue(NewToken::default());
    bench.run(bench.node.delete_token(&bench.key, &by_id(&issued[29]))).unwrap();
    let rest = bench.node.token_page(&bench.key, &newest, page.next, 100).unwrap();
    let expected: Vec<TokenId> = (0..29).rev().map(|at| issued[at].token.id).collect();
    assert_eq!(rest.tokens.iter().map(|token| token.id).collect::<Vec<_>>(), expected);
    assert!(!expected.contains(&newer.token.id));
}

#[test]
fn ended_tokens_are_found_by_their_status_whatever_becomes_of_them() {
    let bench = Bench::new();
    let issued: Vec<_> = (0..24).map(|_| bench.issue(NewToken::default())).collect();
    let with = |status| TokenFilter { status: Some(status), ..TokenFilter::default() };
    let at = |wanted: &[usize]| wanted.iter().map(|at| issued[*at].token.id).collect::<Vec<_>>();
    let check = |revoked: &[usize], later: &[usize]| {
        for limit in [1, 2, 100] {
            assert_eq!(tokens(&bench, &with(TokenStatus::Revoked), limit, false), at(revoked), "{limit}");
            assert_eq!(tokens(&bench, &with(TokenStatus::NotYetValid), limit, false), at(later), "{limit}");
            let backward: Vec<_> = at(revoked).into_iter().rev().collect();
            assert_eq!(tokens(&bench, &with(TokenStatus::Revoked), limit, true), backward, "{limit}");
        }
        let page = bench.node.token_page(&bench.key, &with(TokenStatus::Revoked), None, 100).unwrap();
        assert!(page.looks <= 4, "{} looks for {revoked:?}, and not at each token", page.looks);
    };
    check(&[], &[]);
    for token in [3, 7, 20] {
        bench.revoke(issued[token].token.id);
    }
    let start = |ms| Some(Some(UnixMillis(bench.now() + ms)));
    bench.change(&issued[9], |update| update.not_before = start(5_000));
    bench.change(&issued[20], |update| update.not_before = start(5_000));
    check(&[3, 7, 20], &[9]);
    bench.run(bench.node.restore_token(&bench.key, &by_id(&issued[7]))).unwrap();
    bench.run(bench.node.delete_token(&bench.key, &by_id(&issued[3]))).unwrap();
    check(&[20], &[9]);
    bench.run(bench.node.restore_token(&bench.key, &by_id(&issued[20]))).unwrap();
    check(&[], &[9, 20]);
    bench.clock.advance(5_000);
    check(&[], &[]);
    bench.change(&issued[9], |update| update.not_before = Some(None));
    bench.change(&issued[20], |update| update.not_before = Some(None));
    bench.revoke(issued[9].token.id);
    check(&[9], &[]);
}

/// Counted as they come and go, and never looked at one by one: against looking.
#[test]
fn who_is_online_in_a_channel_is_counted_through_everything_that_happens() {
    let bench = Bench::new();
    let rooms = ["a", "b", "c"];
    for id in rooms {
        bench.channel(id, ChannelType::Private);
    }
    let room = |at: usize| ChannelId::new(rooms[at % 3]).unwrap();
    let user = || Some(UserOfToken { user_id: "ann".into(), display_name: None });
    let new = || bench.issue(NewToken { user: user(), ..NewToken::default() });
    let mut issued: Vec<_> = (0..6).map(|_| new()).collect();
    let mut live: Vec<(usize, tollgate_node::ConnectionKey)> = Vec::new();
    let mut subscribed: BTreeSet<(usize, usize)> = BTreeSet::new();
    let mut random = 7_usize;
    let mut draw = move |below: usize| {
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (random >> 33) % below
    };
    for step in 0..1_500 {
        let (token, at) = (draw(6), draw(3));
        let id = by_id(&issued[token]);
        match draw(9) {
            0 | 1 => live.push((token, bench.connect(&secret(&issued[token])).unwrap())),
            2 | 3 if !live.is_empty() => bench.gone(live.swap_remove(draw(live.len())).1),
            4 | 5 => {
                subscribed.insert((token, at));
                bench.run(bench.node.subscribe_token(&bench.key, &room(at), &id, step % 2 == 0)).unwrap();
            }
            6 => {
                subscribed.remove(&(token, at));
                bench.run(bench.node.unsubscribe_token(&bench.key, &room(at), &id)).unwrap();
            }
            7 if !live.is_empty() => {
                let one = draw(live.len());
                bench.renew(live[one].1, &secret(&issued[token])).unwrap();
                live[one].0 = token;
            }
            8 if step % 5 == 0 => {
                bench.run(bench.node.delete_token(&bench.key, &id)).unwrap();
                live.retain(|(one, _)| *one != token);
                subscribed.retain(|(one, _)| *one != token);
                issued[token] = new();
            }
            8 if step % 7 == 0 => {
                bench.run(bench.node.delete_channel(&bench.key, &room(at))).unwrap();
                subscribed.retain(|(_, one)| *one != at);
                bench.channel(rooms[at], ChannelType::Private);
            }
            _ => {}
        }
        bench.told();
        for (at, name) in rooms.iter().enumerate() {
            let online: BTreeSet<usize> =
                live.iter().map(|(token, _)| *token).filter(|token| subscribed.contains(&(*token, at))).collect();
            let count = bench.node.online_count(&bench.key, &room(at)).unwrap();
            assert_eq!(count, online.len() as u64, "step {step}, {name}");
        }
    }
}
