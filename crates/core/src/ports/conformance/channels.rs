//! Cases of channels, their state and their settings.

use super::{Bench, Case, channel, id, object, subscription, token_with};
use crate::ids::{ProjectId, TokenId};
use crate::json::JsonObject;
use crate::limits::{CHANNEL_STATE_BYTES_MAX, CONFLATE_PER_SECOND_MAX, HISTORY_SIZE_MAX, HISTORY_TTL_MS_MAX};
use crate::model::{Capabilities, Channel, ChannelSettings, ChannelType, HistorySettings};
use crate::ports::store::{Change, StateChange, StoreError, Subject};

pub(super) const CASES: &[Case] = &[
    ("channels_get_sequence_and_version", channels_get_sequence_and_version),
    ("channel_ids_are_taken_within_a_project", channel_ids_are_taken_within_a_project),
    ("channel_ids_are_compared_byte_by_byte", channel_ids_are_compared_byte_by_byte),
    ("deleted_channels_are_gone_with_their_subscriptions", deleted_channels_are_gone_with_their_subscriptions),
    ("sequences_are_never_given_out_twice", sequences_are_never_given_out_twice),
    ("state_is_replaced", state_is_replaced),
    ("state_is_merged", state_is_merged),
    ("state_let_in_by_older_rules_is_read", state_let_in_by_older_rules_is_read),
    ("state_changes_only_at_the_version_expected", state_changes_only_at_the_version_expected),
    ("merged_state_has_a_limit", merged_state_has_a_limit),
    ("settings_change", settings_change),
    ("channels_are_created_with_their_settings", channels_are_created_with_their_settings),
];

const ONE: ProjectId = ProjectId::new(1);
const TWO: ProjectId = ProjectId::new(2);

fn channels_get_sequence_and_version(bench: &mut Bench) {
    let kinds = [ChannelType::Private, ChannelType::Public, ChannelType::Unprotected];
    let mut last = 0;
    for (kind, name) in kinds.into_iter().zip(["a", "b", "c"]) {
        let capabilities = Capabilities::from_bits(31).unwrap();
        let asked = Channel { kind, capabilities, version: 77, sequence: 1 << 40, ..channel(1, name) };
        let kept = super::block_on(bench.store.insert_channel(asked.clone(), None)).unwrap();
        assert!(kept.sequence > last && kept.sequence < 1 << 40, "{} after {last}: given by the store", kept.sequence);
        last = kept.sequence;
        assert_eq!(kept, Channel { version: 1, sequence: last, ..asked });
        assert_eq!(bench.seen.take(), [Change::ChannelCreated(kept)]);
    }
}

fn channel_ids_are_taken_within_a_project(bench: &mut Bench) {
    bench.given(bench.store.insert_channel(channel(1, "room"), None));
    bench.step(
        bench.store.insert_channel(channel(1, "room"), None),
        &Err(StoreError::AlreadyExists(Subject::Channel)),
        &[],
    );
    bench.step(bench.store.insert_channel(channel(9, "room"), None), &Err(StoreError::NotFound(Subject::Project)), &[]);
    bench.given(bench.store.insert_channel(channel(2, "room"), None));
}

fn channel_ids_are_compared_byte_by_byte(bench: &mut Bench) {
    for name in ["room", "ROOM", "room ", "é", "e\u{301}", "1", "01", "1.0"] {
        bench.given(bench.store.insert_channel(channel(1, name), None));
    }
    for name in ["Room", " room", "1.00"] {
        bench.step(bench.store.delete_channel(ONE, id(name), None), &Err(StoreError::NotFound(Subject::Channel)), &[]);
    }
}

fn deleted_channels_are_gone_with_their_subscriptions(bench: &mut Bench) {
    bench.given(bench.store.insert_channel(channel(1, "room"), None));
    bench.given(bench.store.insert_channel(channel(1, "other"), None));
    bench.given(bench.commit(token_with(1, 11, &["room", "other"])));
    bench.given(bench.commit(token_with(1, 12, &["room"])));
    let gone = Change::ChannelDeleted { project: ONE, channel: id("room") };
    bench.step(bench.store.delete_channel(ONE, id("room"), None), &Ok(()), &[gone]);

    bench.step(bench.store.delete_channel(ONE, id("room"), None), &Err(StoreError::NotFound(Subject::Channel)), &[]);
    let lost = Err(StoreError::NotFound(Subject::Channel));
    bench.step(bench.store.insert_subscription(subscription(1, 11, "room", false), None), &lost, &[]);
    let state = StateChange::Replace(object("{}"));
    bench.step(
        bench.store.change_state(ONE, id("room"), state, None),
        &Err(StoreError::NotFound(Subject::Channel)),
        &[],
    );

    // A later channel with the same id starts without subscribers; the other channel has kept its own.
    bench.given(bench.store.insert_channel(channel(1, "room"), None));
    bench.step(bench.store.delete_subscription(ONE, TokenId::new(11), id("room"), None), &Ok(false), &[]);
    bench.step(bench.store.insert_subscription(subscription(1, 11, "other", false), None), &Ok(false), &[]);
}

fn sequences_are_never_given_out_twice(bench: &mut Bench) {
    let first = bench.given(bench.store.insert_channel(channel(1, "room"), None));
    bench.given(bench.store.delete_channel(ONE, id("room"), None));
    let second = bench.given(bench.store.insert_channel(channel(1, "room"), None));
    assert!(second.sequence > first.sequence, "{} after {}", second.sequence, first.sequence);
    // Nor after a restart, when the channel with the highest one is gone.
    bench.given(bench.store.delete_channel(ONE, id("room"), None));
    bench.restart();
    let third = bench.given(bench.store.insert_channel(channel(1, "room"), None));
    assert!(third.sequence > second.sequence, "{} after {}", third.sequence, second.sequence);
}

fn state_is_replaced(bench: &mut Bench) {
    bench.given(bench.store.insert_channel(channel(1, "room"), None));
    let told = |text, version| Change::ChannelState { project: ONE, channel: id("room"), state: object(text), version };
    for (text, version) in [(r#"{"b": [1.50] }"#, 2), ("{}", 3), ("{}", 4)] {
        let change = StateChange::Replace(object(text));
        bench.step(
            bench.store.change_state(ONE, id("room"), change, None),
            &Ok((object(text), version)),
            &[told(text, version)],
        );
    }
    let lost = Err(StoreError::NotFound(Subject::Channel));
    bench.step(bench.store.change_state(ONE, id("none"), StateChange::Replace(object("{}")), None), &lost, &[]);
    bench.step(bench.store.change_state(TWO, id("room"), StateChange::Merge(object("{}")), None), &lost, &[]);
}

fn state_is_merged(bench: &mut Bench) {
    bench.given(bench.store.insert_channel(channel(1, "room"), None));
    let table = [
        (r#"{"n":12345678901234567890.10}"#, r#"{"topic":"é","n":12345678901234567890.10}"#),
        (r#"{"topic":{"deep":1}}"#, r#"{"topic":{"deep":1},"n":12345678901234567890.10}"#),
        (r#"{"topic":null,"n":1}"#, r#"{"topic":null,"n":1}"#),
    ];
    for ((patch, merged), version) in table.into_iter().zip(2..) {
        let change = StateChange::Merge(object(patch));
        let told = Change::ChannelState { project: ONE, channel: id("room"), state: object(merged), version };
        bench.step(bench.store.change_state(ONE, id("room"), change, None), &Ok((object(merged), version)), &[told]);
    }
}

fn state_let_in_by_older_rules_is_read(bench: &mut Bench) {
    let state = JsonObject::parse_stored(r#"{"n":1e999}"#, CHANNEL_STATE_BYTES_MAX).unwrap();
    let kept = bench.given(bench.store.insert_channel(Channel { state, ..channel(1, "room") }, None));
    let replayed = bench.restart();
    assert!(replayed.contains(&Change::ChannelCreated(kept)), "{replayed:?}");
    let (patch, mended) = (object(r#"{"m":1}"#), JsonObject::parse_stored(r#"{"n":1e999,"m":1}"#, 100).unwrap());
    let told = Change::ChannelState { project: ONE, channel: id("room"), state: mended.clone(), version: 2 };
    let answer = bench.store.change_state(ONE, id("room"), StateChange::Merge(patch), None);
    bench.step(answer, &Ok((mended, 2)), &[told]);
}

fn state_changes_only_at_the_version_expected(bench: &mut Bench) {
    bench.given(bench.store.insert_channel(channel(1, "room"), None));
    let change = || StateChange::Replace(object(r#"{"a":1}"#));
    let mismatch = Err(StoreError::VersionMismatch { current: 1 });
    for wrong in [0, 2, u64::MAX] {
        bench.step(bench.store.change_state(ONE, id("room"), change(), Some(wrong)), &mismatch, &[]);
    }
    let told = Change::ChannelState { project: ONE, channel: id("room"), state: object(r#"{"a":1}"#), version: 2 };
    bench.step(bench.store.change_state(ONE, id("room"), change(), Some(1)), &Ok((object(r#"{"a":1}"#), 2)), &[told]);
    let mismatch = Err(StoreError::VersionMismatch { current: 2 });
    bench.step(bench.store.change_state(ONE, id("room"), change(), Some(1)), &mismatch, &[]);
}

fn merged_state_has_a_limit(bench: &mut Bench) {
    // `{"a":"xxx…"}` of exactly the limit, merged with one more key.
    let largest = format!(r#"{{"a":"{}"}}"#, "x".repeat(CHANNEL_STATE_BYTES_MAX - r#"{"a":""}"#.len()));
    assert_eq!(largest.len(), CHANNEL_STATE_BYTES_MAX);
    bench.given(bench.store.insert_channel(Channel { state: object("{}"), ..channel(1, "room") }, None));
    let merge = |text: &str| bench.store.change_state(ONE, id("room"), StateChange::Merge(object(text)), None);
    let told = Change::ChannelState { project: ONE, channel: id("room"), state: object(&largest), version: 2 };
    bench.step(merge(&largest), &Ok((object(&largest), 2)), &[told]);
    bench.step(merge(r#"{"b":1}"#), &Err(StoreError::LimitReached("channel state")), &[]);
    // Nothing was changed: the next change finds version 2 and the old state.
    let (state, version) = bench.given(merge(r#"{"a":0}"#));
    assert_eq!((state, version), (object(r#"{"a":0}"#), 3));
}

fn settings_change(bench: &mut Bench) {
    let room = bench.given(bench.store.insert_channel(channel(1, "room"), None));
    let change = |capabilities, settings| bench.store.change_settings(ONE, id("room"), capabilities, settings, None);
    let first = room.settings;
    let mut kept = room;
    for settings in every_setting(first) {
        for bits in [0, 31] {
            let capabilities = Capabilities::from_bits(bits).unwrap();
            let told = Change::ChannelSettings { project: ONE, channel: id("room"), capabilities, settings, run: 0 };
            bench.step(change(capabilities, settings), &Ok(()), &[told]);
            bench.step(change(capabilities, settings), &Ok(()), &[]);
            (kept.capabilities, kept.settings) = (capabilities, settings);
        }
    }
    let lost = Err(StoreError::NotFound(Subject::Channel));
    bench.step(bench.store.change_settings(TWO, id("room"), Capabilities::default(), first, None), &lost, &[]);
    // The version counts changes of state alone.
    let state = StateChange::Replace(object("{}"));
    (kept.state, kept.version) = bench.given(bench.store.change_state(ONE, id("room"), state, Some(1)));
    assert_eq!(kept.version, 2);
    assert!(bench.restart().contains(&Change::ChannelCreated(kept)));
}

fn channels_are_created_with_their_settings(bench: &mut Bench) {
    let all = every_setting(ChannelSettings::default());
    let made: Vec<_> = all
        .into_iter()
        .zip(0..)
        .map(|(settings, number)| {
            let asked = Channel { settings, run: 7, offset: 7, ..channel(1, &format!("room{number}")) };
            bench.given(bench.store.insert_channel(asked, None))
        })
        .collect();
    assert!(made.iter().all(|one| (one.run, one.offset) == (0, 0)), "nothing durable was begun: {made:?}");
    let replayed = bench.restart();
    for one in made {
        assert!(replayed.contains(&Change::ChannelCreated(one.clone())), "{one:?}");
    }
}

/// Settings that differ from these by one each; none is durable. The last are the largest that there are.
fn every_setting(from: ChannelSettings) -> Vec<ChannelSettings> {
    let history = from.history;
    let sized = |size, ttl_ms| ChannelSettings { history: HistorySettings { size, ttl_ms, ..history }, ..from };
    vec![
        sized(0, history.ttl_ms),
        sized(history.size, 1_000),
        ChannelSettings { presence: !from.presence, ..from },
        ChannelSettings { echo: !from.echo, ..from },
        ChannelSettings { retain: !from.retain, ..from },
        ChannelSettings { conflate_per_second: 1, ..from },
        ChannelSettings {
            history: HistorySettings { size: HISTORY_SIZE_MAX, ttl_ms: HISTORY_TTL_MS_MAX, durable: false },
            presence: true,
            echo: true,
            retain: true,
            conflate_per_second: CONFLATE_PER_SECOND_MAX,
        },
    ]
}
