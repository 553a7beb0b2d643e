//! Cases of tokens and their subscriptions.

use super::{Bench, Case, channel, id, subscription, token};
use crate::clock::UnixMillis;
use crate::ids::{ProjectId, TokenId};
use crate::limits::SUBSCRIPTIONS_PER_TOKEN_MAX;
use crate::model::Token;
use crate::ports::store::{Change, StoreError, Subject, TokenChange};

pub(super) const CASES: &[Case] = &[
    ("tokens_come_with_their_channels", tokens_come_with_their_channels),
    ("token_ids_are_taken_everywhere", token_ids_are_taken_everywhere),
    ("tokens_are_inserted_whole_or_not_at_all", tokens_are_inserted_whole_or_not_at_all),
    ("tokens_change", tokens_change),
    ("deleted_tokens_are_gone_with_their_subscriptions", deleted_tokens_are_gone_with_their_subscriptions),
    ("subscribing_twice_is_no_change", subscribing_twice_is_no_change),
    ("lasting_wins_over_ephemeral", lasting_wins_over_ephemeral),
    ("subscriptions_stay_within_their_project", subscriptions_stay_within_their_project),
    ("subscriptions_have_a_limit", subscriptions_have_a_limit),
];

const ONE: ProjectId = ProjectId::new(1);
const TWO: ProjectId = ProjectId::new(2);
const T11: TokenId = TokenId::new(11);

fn tokens_come_with_their_channels(bench: &Bench<'_>) {
    bench.given(bench.store.insert_channel(channel(1, "a")));
    bench.given(bench.store.insert_channel(channel(1, "b")));
    let plain =
        Token { sealed_state: None, expires_at: Some(UnixMillis(99)), generation: u32::MAX, ..token(1, u64::MAX) };
    bench.step(bench.store.insert_token(plain.clone(), vec![]), &Ok(()), &[Change::TokenCreated(plain)]);
    // In the order asked for; a channel named twice is subscribed to once.
    let changes = [
        Change::TokenCreated(token(1, 11)),
        Change::Subscribed(subscription(1, 11, "b", false)),
        Change::Subscribed(subscription(1, 11, "a", false)),
    ];
    bench.step(bench.store.insert_token(token(1, 11), vec![id("b"), id("a"), id("b")]), &Ok(()), &changes);
}

fn token_ids_are_taken_everywhere(bench: &Bench<'_>) {
    bench.given(bench.store.insert_token(token(1, 11), vec![]));
    bench.step(bench.store.insert_token(token(1, 11), vec![]), &Err(StoreError::AlreadyExists(Subject::Token)), &[]);
    // A secret names its token without the project, so an id must not repeat across projects either.
    bench.step(bench.store.insert_token(token(2, 11), vec![]), &Err(StoreError::AlreadyExists(Subject::Token)), &[]);
    bench.step(bench.store.insert_token(token(9, 12), vec![]), &Err(StoreError::NotFound(Subject::Project)), &[]);
}

fn tokens_are_inserted_whole_or_not_at_all(bench: &Bench<'_>) {
    bench.given(bench.store.insert_channel(channel(1, "a")));
    bench.given(bench.store.insert_channel(channel(2, "theirs")));
    for missing in ["none", "theirs"] {
        let channels = vec![id("a"), id(missing)];
        bench.step(bench.store.insert_token(token(1, 11), channels), &Err(StoreError::NotFound(Subject::Channel)), &[]);
    }
    bench.step(bench.store.delete_token(ONE, T11), &Err(StoreError::NotFound(Subject::Token)), &[]);
    let lost = Err(StoreError::NotFound(Subject::Token));
    bench.step(bench.store.insert_subscription(subscription(1, 11, "a", false)), &lost, &[]);
    // Nothing was left behind of the token or its first subscription.
    bench.step(bench.store.insert_token(token(1, 11), vec![]), &Ok(()), &[Change::TokenCreated(token(1, 11))]);
    bench.step(bench.store.delete_subscription(ONE, T11, id("a")), &Ok(false), &[]);
}

fn tokens_change(bench: &Bench<'_>) {
    bench.given(bench.store.insert_token(token(1, 11), vec![]));
    let change = |sealed_state, expires_at| TokenChange { sealed_state, expires_at };
    let at = Some(UnixMillis(5));
    let table = [
        (change(Some(Some(vec![1])), None), Token { sealed_state: Some(vec![1]), ..token(1, 11) }),
        (change(None, Some(at)), Token { sealed_state: Some(vec![1]), expires_at: at, ..token(1, 11) }),
        (change(Some(None), None), Token { sealed_state: None, expires_at: at, ..token(1, 11) }),
        (change(Some(Some(vec![])), Some(None)), Token { sealed_state: Some(vec![]), ..token(1, 11) }),
    ];
    for (change, record) in table {
        bench.step(
            bench.store.change_token(ONE, T11, change.clone()),
            &Ok(record.clone()),
            &[Change::TokenChanged(record.clone())],
        );
        bench.step(bench.store.change_token(ONE, T11, change), &Ok(record.clone()), &[]);
        bench.step(bench.store.change_token(ONE, T11, TokenChange::default()), &Ok(record), &[]);
    }
    let lost = Err(StoreError::NotFound(Subject::Token));
    bench.step(bench.store.change_token(ONE, TokenId::new(12), TokenChange::default()), &lost, &[]);
    bench.step(bench.store.change_token(TWO, T11, TokenChange::default()), &lost, &[]);
}

fn deleted_tokens_are_gone_with_their_subscriptions(bench: &Bench<'_>) {
    bench.given(bench.store.insert_channel(channel(1, "a")));
    bench.given(bench.store.insert_token(token(1, 11), vec![id("a")]));
    bench.given(bench.store.insert_token(token(1, 12), vec![id("a")]));
    bench.step(bench.store.delete_token(TWO, T11), &Err(StoreError::NotFound(Subject::Token)), &[]);
    bench.step(bench.store.delete_token(ONE, T11), &Ok(()), &[Change::TokenDeleted { project: ONE, token: T11 }]);
    bench.step(bench.store.delete_token(ONE, T11), &Err(StoreError::NotFound(Subject::Token)), &[]);
    bench.step(bench.store.delete_subscription(ONE, T11, id("a")), &Ok(false), &[]);
    // The other token has kept its subscription.
    bench.step(bench.store.insert_subscription(subscription(1, 12, "a", false)), &Ok(false), &[]);
}

fn subscribing_twice_is_no_change(bench: &Bench<'_>) {
    bench.given(bench.store.insert_channel(channel(1, "a")));
    bench.given(bench.store.insert_token(token(1, 11), vec![]));
    for ephemeral in [false, true] {
        let wanted = subscription(1, 11, "a", ephemeral);
        bench.step(bench.store.insert_subscription(wanted.clone()), &Ok(true), &[Change::Subscribed(wanted.clone())]);
        bench.step(bench.store.insert_subscription(wanted), &Ok(false), &[]);
        let ended = Change::Unsubscribed { project: ONE, token: T11, channel: id("a") };
        bench.step(bench.store.delete_subscription(ONE, T11, id("a")), &Ok(true), &[ended]);
        bench.step(bench.store.delete_subscription(ONE, T11, id("a")), &Ok(false), &[]);
    }
    let lost = |subject| Err(StoreError::NotFound(subject));
    bench.step(bench.store.insert_subscription(subscription(1, 99, "a", false)), &lost(Subject::Token), &[]);
    bench.step(bench.store.insert_subscription(subscription(1, 11, "none", false)), &lost(Subject::Channel), &[]);
    bench.step(bench.store.delete_subscription(ONE, TokenId::new(99), id("a")), &Ok(false), &[]);
    bench.step(bench.store.delete_subscription(ONE, T11, id("none")), &Ok(false), &[]);
}

fn lasting_wins_over_ephemeral(bench: &Bench<'_>) {
    bench.given(bench.store.insert_channel(channel(1, "a")));
    bench.given(bench.store.insert_token(token(1, 11), vec![]));
    let (ephemeral, lasting) = (subscription(1, 11, "a", true), subscription(1, 11, "a", false));
    bench.step(bench.store.insert_subscription(ephemeral.clone()), &Ok(true), &[Change::Subscribed(ephemeral.clone())]);
    bench.step(bench.store.insert_subscription(lasting.clone()), &Ok(true), &[Change::Subscribed(lasting)]);
    bench.step(bench.store.insert_subscription(ephemeral), &Ok(false), &[]);
}

fn subscriptions_stay_within_their_project(bench: &Bench<'_>) {
    for project in [1, 2] {
        bench.given(bench.store.insert_channel(channel(project, "a")));
        bench.given(bench.store.insert_token(token(project, 10 + project), vec![id("a")]));
    }
    bench.given(bench.store.insert_channel(channel(2, "theirs")));
    let lost = |subject| Err(StoreError::NotFound(subject));
    bench.step(bench.store.insert_subscription(subscription(1, 12, "a", false)), &lost(Subject::Token), &[]);
    bench.step(bench.store.insert_subscription(subscription(2, 11, "theirs", false)), &lost(Subject::Token), &[]);
    bench.step(bench.store.insert_subscription(subscription(1, 11, "theirs", false)), &lost(Subject::Channel), &[]);
    bench.step(bench.store.delete_subscription(TWO, T11, id("a")), &Ok(false), &[]);
    bench.step(bench.store.delete_subscription(ONE, TokenId::new(12), id("a")), &Ok(false), &[]);
    // Deleting one project's channel ends nothing in the other.
    bench.given(bench.store.delete_channel(TWO, id("a")));
    bench.step(bench.store.insert_subscription(subscription(1, 11, "a", false)), &Ok(false), &[]);
}

fn subscriptions_have_a_limit(bench: &Bench<'_>) {
    let names: Vec<_> = (0..=SUBSCRIPTIONS_PER_TOKEN_MAX).map(|number| format!("c{number}")).collect();
    for name in &names {
        bench.given(bench.store.insert_channel(channel(1, name)));
    }
    let channels = |count| names.iter().take(count).map(|name| id(name)).collect::<Vec<_>>();
    let over = || StoreError::LimitReached("subscriptions");
    let (most, last) = (SUBSCRIPTIONS_PER_TOKEN_MAX, names.last().unwrap());
    bench.step(bench.store.insert_token(token(1, 11), channels(most + 1)), &Err(over()), &[]);
    bench.given(bench.store.insert_token(token(1, 11), channels(most)));
    bench.given(bench.store.insert_token(token(1, 12), vec![]));
    bench.step(bench.store.insert_subscription(subscription(1, 11, last, false)), &Err(over()), &[]);
    // What is there already is no more; room made is room; others have their own.
    bench.step(bench.store.insert_subscription(subscription(1, 11, "c0", false)), &Ok(false), &[]);
    bench.given(bench.store.delete_subscription(ONE, T11, id("c0")));
    assert!(bench.given(bench.store.insert_subscription(subscription(1, 11, last, true))));
    assert!(bench.given(bench.store.insert_subscription(subscription(1, 12, last, false))));
}
