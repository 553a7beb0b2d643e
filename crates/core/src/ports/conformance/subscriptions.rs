//! Cases of subscriptions.

use super::{Bench, Case, channel, id, name, subscription, token, token_with};
use crate::credentials::RowKind;
use crate::ids::{ProjectId, TokenId};
use crate::limits::SUBSCRIPTIONS_PER_TOKEN_MAX;
use crate::ports::store::{Change, StoreError, Subject, Write};

pub(super) const CASES: &[Case] = &[
    ("tokens_come_with_their_channels", tokens_come_with_their_channels),
    ("deleted_tokens_are_gone_with_their_subscriptions", deleted_tokens_are_gone_with_their_subscriptions),
    ("subscribing_twice_is_no_change", subscribing_twice_is_no_change),
    ("lasting_wins_over_ephemeral", lasting_wins_over_ephemeral),
    ("subscriptions_stay_within_their_project", subscriptions_stay_within_their_project),
    ("subscriptions_have_a_limit", subscriptions_have_a_limit),
];

const ONE: ProjectId = ProjectId::new(1);
const TWO: ProjectId = ProjectId::new(2);
const T11: TokenId = TokenId::new(11);
const TOKEN: Subject = Subject::Row(RowKind::Token);

fn tokens_come_with_their_channels(bench: &mut Bench) {
    bench.given(bench.store.insert_channel(channel(1, "a"), None));
    bench.given(bench.store.insert_channel(channel(1, "b"), None));
    // In the order asked for; a channel named twice is subscribed to once.
    let changes = [
        Change::Row(token(1, 11)),
        Change::Subscribed(subscription(1, 11, "b", false)),
        Change::Subscribed(subscription(1, 11, "a", false)),
    ];
    bench.step(bench.commit(token_with(1, 11, &["b", "a", "b"])), &Ok(()), &changes);
}

fn deleted_tokens_are_gone_with_their_subscriptions(bench: &mut Bench) {
    bench.given(bench.store.insert_channel(channel(1, "a"), None));
    bench.given(bench.commit(token_with(1, 11, &["a"])));
    bench.given(bench.commit(token_with(1, 12, &["a"])));
    let gone = name(RowKind::Token, 1, 11);
    bench.step(bench.commit(vec![Write::Delete(gone)]), &Ok(()), &[Change::RowDeleted(gone)]);
    bench.step(bench.store.delete_subscription(ONE, T11, id("a"), None), &Ok(false), &[]);
    // A row of another kind with the same number is not the token: its deletion ends no subscription.
    let usage = name(RowKind::TokenUsage, 1, 12);
    bench.given(bench.commit(vec![Write::Insert(super::row(usage.kind, 1, 12, 1))]));
    bench.given(bench.commit(vec![Write::Delete(usage)]));
    bench.step(bench.store.insert_subscription(subscription(1, 12, "a", false), None), &Ok(false), &[]);
    // A later token with the same number starts without any.
    bench.given(bench.commit(token_with(1, 11, &[])));
    bench.step(bench.store.delete_subscription(ONE, T11, id("a"), None), &Ok(false), &[]);
    let replayed = bench.restart();
    let subscribed = replayed.iter().filter(|change| matches!(change, Change::Subscribed(_)));
    assert_eq!(subscribed.collect::<Vec<_>>(), [&Change::Subscribed(subscription(1, 12, "a", false))]);
}

fn subscribing_twice_is_no_change(bench: &mut Bench) {
    bench.given(bench.store.insert_channel(channel(1, "a"), None));
    bench.given(bench.commit(token_with(1, 11, &[])));
    for ephemeral in [false, true] {
        let wanted = subscription(1, 11, "a", ephemeral);
        bench.step(
            bench.store.insert_subscription(wanted.clone(), None),
            &Ok(true),
            &[Change::Subscribed(wanted.clone())],
        );
        bench.step(bench.store.insert_subscription(wanted, None), &Ok(false), &[]);
        let ended = Change::Unsubscribed { project: ONE, token: T11, channel: id("a") };
        bench.step(bench.store.delete_subscription(ONE, T11, id("a"), None), &Ok(true), &[ended]);
        bench.step(bench.store.delete_subscription(ONE, T11, id("a"), None), &Ok(false), &[]);
    }
    let lost = |subject| Err(StoreError::NotFound(subject));
    bench.step(bench.store.insert_subscription(subscription(1, 99, "a", false), None), &lost(TOKEN), &[]);
    bench.step(bench.store.insert_subscription(subscription(1, 11, "none", false), None), &lost(Subject::Channel), &[]);
    bench.step(bench.store.delete_subscription(ONE, TokenId::new(99), id("a"), None), &Ok(false), &[]);
    bench.step(bench.store.delete_subscription(ONE, T11, id("none"), None), &Ok(false), &[]);
}

fn lasting_wins_over_ephemeral(bench: &mut Bench) {
    bench.given(bench.store.insert_channel(channel(1, "a"), None));
    bench.given(bench.commit(token_with(1, 11, &[])));
    let (ephemeral, lasting) = (subscription(1, 11, "a", true), subscription(1, 11, "a", false));
    bench.step(
        bench.store.insert_subscription(ephemeral.clone(), None),
        &Ok(true),
        &[Change::Subscribed(ephemeral.clone())],
    );
    bench.step(bench.store.insert_subscription(lasting.clone(), None), &Ok(true), &[Change::Subscribed(lasting)]);
    bench.step(bench.store.insert_subscription(ephemeral, None), &Ok(false), &[]);
}

fn subscriptions_stay_within_their_project(bench: &mut Bench) {
    for project in [1, 2] {
        bench.given(bench.store.insert_channel(channel(project, "a"), None));
        bench.given(bench.commit(token_with(project, 10 + project, &["a"])));
    }
    bench.given(bench.store.insert_channel(channel(2, "theirs"), None));
    let lost = |subject| Err(StoreError::NotFound(subject));
    bench.step(bench.store.insert_subscription(subscription(1, 12, "a", false), None), &lost(TOKEN), &[]);
    bench.step(bench.store.insert_subscription(subscription(2, 11, "theirs", false), None), &lost(TOKEN), &[]);
    bench.step(
        bench.store.insert_subscription(subscription(1, 11, "theirs", false), None),
        &lost(Subject::Channel),
        &[],
    );
    bench.step(bench.store.delete_subscription(TWO, T11, id("a"), None), &Ok(false), &[]);
    bench.step(bench.store.delete_subscription(ONE, TokenId::new(12), id("a"), None), &Ok(false), &[]);
    // Deleting one project's channel ends nothing in the other.
    bench.given(bench.store.delete_channel(TWO, id("a"), None));
    bench.step(bench.store.insert_subscription(subscription(1, 11, "a", false), None), &Ok(false), &[]);
}

fn subscriptions_have_a_limit(bench: &mut Bench) {
    let names: Vec<_> = (0..=SUBSCRIPTIONS_PER_TOKEN_MAX).map(|number| format!("c{number}")).collect();
    for name in &names {
        bench.given(bench.store.insert_channel(channel(1, name), None));
    }
    let with = |count| token_with(1, 11, &names.iter().take(count).map(String::as_str).collect::<Vec<_>>());
    let over = || StoreError::LimitReached("subscriptions");
    let (most, last) = (SUBSCRIPTIONS_PER_TOKEN_MAX, names.last().unwrap());
    bench.step(bench.commit(with(most + 1)), &Err(over()), &[]);
    bench.given(bench.commit(with(most)));
    bench.given(bench.commit(token_with(1, 12, &[])));
    bench.step(bench.store.insert_subscription(subscription(1, 11, last, false), None), &Err(over()), &[]);
    // What is there already is no more; room made is room; others have their own.
    bench.step(bench.store.insert_subscription(subscription(1, 11, "c0", false), None), &Ok(false), &[]);
    bench.given(bench.store.delete_subscription(ONE, T11, id("c0"), None));
    assert!(bench.given(bench.store.insert_subscription(subscription(1, 11, last, true), None)));
    assert!(bench.given(bench.store.insert_subscription(subscription(1, 12, last, false), None)));
}
