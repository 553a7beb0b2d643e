//! Reading page by page: by user, channel and status, with tokens coming and going meanwhile.

use tollgate_core::clock::UnixMillis;
use tollgate_core::ids::{ChannelId, TokenId};
use tollgate_core::model::ChannelType;
use tollgate_node::{NewToken, TokenFilter, TokenStatus, UserOfToken};

use super::bench::{Bench, START, by_id};

fn pages(bench: &Bench, filter: &TokenFilter, limit: usize) -> Vec<TokenId> {
    let (mut seen, mut after) = (Vec::new(), None);
    loop {
        let page = bench.node.token_page(&bench.key, filter, after, limit).unwrap();
        assert!(page.tokens.len() <= limit);
        seen.extend(page.tokens.iter().map(|token| token.id));
        after = page.next;
        if after.is_none() {
            return seen;
        }
    }
}

#[test]
fn pages_have_each_token_once_in_order() {
    let bench = Bench::new();
    bench.channel("room", ChannelType::Private);
    let room = ChannelId::new("room").unwrap();
    let (mut all, mut of_user, mut in_room, mut expiring, mut early) = (vec![], vec![], vec![], vec![], vec![]);
    for at in 0..50_u64 {
        let user = (at % 3 == 0).then(|| UserOfToken { user_id: "u".into(), display_name: None });
        let id = bench
            .issue(NewToken {
                user: user.clone(),
                channels: if at % 4 == 0 { vec![room.clone()] } else { vec![] },
                life_ms: (at % 5 == 0).then_some(1_000),
                not_before: (at % 5 == 1).then_some(UnixMillis(START + 9_000)),
                ..NewToken::default()
            })
            .token
            .id;
        all.push(id);
        for (is_one, list) in [
            (user.is_some(), &mut of_user),
            (at % 4 == 0, &mut in_room),
            (at % 5 == 0, &mut expiring),
            (at % 5 == 1, &mut early),
        ] {
            if is_one {
                list.push(id);
            }
        }
    }
    bench.clock.advance(1_000);
    let user = TokenFilter { user_id: Some("u".into()), ..TokenFilter::default() };
    let channel = TokenFilter { channel: Some(room), ..TokenFilter::default() };
    let status = |status| TokenFilter { status: Some(status), ..TokenFilter::default() };
    for limit in [1, 7, 50, 1_000] {
        assert_eq!(pages(&bench, &TokenFilter::default(), limit), all, "{limit}");
        assert_eq!(pages(&bench, &user, limit), of_user, "{limit}");
        assert_eq!(pages(&bench, &channel, limit), in_room, "{limit}");
        assert_eq!(pages(&bench, &status(TokenStatus::Expired), limit), expiring, "{limit}");
        assert_eq!(pages(&bench, &status(TokenStatus::NotYetValid), limit), early, "{limit}");
    }
    let both = TokenFilter { status: Some(TokenStatus::Active), channel: channel.channel, ..user };
    let expected: Vec<_> = (0..50).step_by(12).filter(|at| at % 5 > 1).map(|at| all[at]).collect();
    assert_eq!(pages(&bench, &both, 2), expected);
    let nobody = TokenFilter { user_id: Some("nobody".into()), ..TokenFilter::default() };
    let nowhere = TokenFilter { channel: Some(ChannelId::new("nowhere").unwrap()), ..TokenFilter::default() };
    assert!(pages(&bench, &nobody, 9).is_empty() && pages(&bench, &nowhere, 9).is_empty());
}

#[test]
fn what_comes_and_goes_moves_no_page() {
    let bench = Bench::new();
    let first: Vec<_> = (0..10).map(|_| bench.issue(NewToken::default())).collect();
    let page = bench.node.token_page(&bench.key, &TokenFilter::default(), None, 4).unwrap();
    let more = bench.issue(NewToken::default());
    for gone in [1, 3, 5] {
        bench.run(bench.node.delete_token(&bench.key, &by_id(&first[gone]))).unwrap();
    }
    let rest = bench.node.token_page(&bench.key, &TokenFilter::default(), page.next, 100).unwrap();
    let ids: Vec<_> = rest.tokens.iter().map(|token| token.id).collect();
    let expected: Vec<_> = [4, 6, 7, 8, 9].map(|at| first[at].token.id).into_iter().chain([more.token.id]).collect();
    assert_eq!((ids, rest.next), (expected, None), "though the cursor's own token is gone");
    let all = bench.node.tokens(&bench.key, tollgate_node::Page::ALL).unwrap();
    assert_eq!((all.total, all.entries.len()), (8, 8));
}
