//! Cases of the vault, projects and keys.

use std::sync::Arc;

use super::{Bench, Case, Recorder, block_on, channel, key, object, project, token};
use crate::clock::UnixMillis;
use crate::ids::{KeyId, ProjectId};
use crate::model::{Capabilities, Channel, ChannelType, Project, ProjectKey, Subscription, Token};
use crate::permissions::Permissions;
use crate::ports::store::{Change, Changes, StoreError, Subject, Vault, WrappedRingKey};

pub(super) const CASES: &[Case] = &[
    ("vault_is_kept_once", vault_is_kept_once),
    ("project_comes_with_its_key", project_comes_with_its_key),
    ("project_or_key_taken_inserts_neither", project_or_key_taken_inserts_neither),
    ("records_keep_every_value", records_keep_every_value),
    ("keys_are_added", keys_are_added),
    ("keys_are_revoked_once", keys_are_revoked_once),
    ("keys_are_touched", keys_are_touched),
    ("probe_is_no_change", probe_is_no_change),
];

fn vault_is_kept_once(bench: &Bench<'_>) {
    let ring_key =
        |number, active| WrappedRingKey { number, wrapped: vec![number as u8; 60], active, created_at: UnixMillis(7) };
    let vault = Vault { key_check: vec![0, 1, 255], ring: vec![ring_key(0, false), ring_key(u16::MAX, true)] };
    bench.step(bench.store.vault(), &Ok(None), &[]);
    bench.step(bench.store.insert_vault(vault.clone()), &Ok(()), &[]);
    bench.step(bench.store.vault(), &Ok(Some(vault.clone())), &[]);
    let again = block_on(bench.store.insert_vault(Vault { key_check: vec![], ring: vec![] }));
    assert!(matches!(again, Err(StoreError::Unavailable(_))), "{again:?}");
    bench.step(bench.store.vault(), &Ok(Some(vault)), &[]);
}

fn project_comes_with_its_key(bench: &Bench<'_>) {
    let changes = [Change::Project(project(3)), Change::Key(key(3, 103))];
    bench.step(bench.store.insert_project(project(3), key(3, 103)), &Ok(()), &changes);
}

fn project_or_key_taken_inserts_neither(bench: &Bench<'_>) {
    bench.step(
        bench.store.insert_project(project(1), key(1, 105)),
        &Err(StoreError::AlreadyExists(Subject::Project)),
        &[],
    );
    bench.step(bench.store.insert_project(project(5), key(5, 101)), &Err(StoreError::AlreadyExists(Subject::Key)), &[]);
    // Neither the project 5 nor the key 105 was left behind.
    let changes = [Change::Project(project(5)), Change::Key(key(5, 105))];
    bench.step(bench.store.insert_project(project(5), key(5, 105)), &Ok(()), &changes);
}

fn records_keep_every_value(bench: &Bench<'_>) {
    // Told by a replay, so that each value has been where the store keeps it: every bit of an id and of a time, texts and bytes
    // of any kind, and what is not there.
    let odd_project = Project {
        id: ProjectId::new(u64::MAX),
        name: "'; DROP TABLE projects; -- \u{0} é 🦀".into(),
        created_at: UnixMillis(u64::MAX),
        wrapped_data_key: Vec::new(),
    };
    let odd_key = ProjectKey {
        id: KeyId::new(1 << 63),
        hash: std::array::from_fn(|index| index as u8),
        hint: String::new(),
        permissions: Permissions::all(),
        last_used_at: Some(UnixMillis(0)),
        revoked_at: Some(UnixMillis(u64::MAX)),
        ..key(u64::MAX, 0)
    };
    let odd_channel = Channel {
        kind: ChannelType::Unprotected,
        capabilities: Capabilities::from_bits(0).unwrap(),
        state: object(r#"{ "é\"\u0000" : [12345678901234567890.10] }"#),
        ..channel(u64::MAX, &"é".repeat(127))
    };
    let odd_token = Token {
        generation: u32::MAX,
        expires_at: Some(UnixMillis(u64::MAX)),
        sealed_state: None,
        ..token(u64::MAX, u64::MAX)
    };
    let empty_token = Token { generation: 0, sealed_state: Some(Vec::new()), ..token(u64::MAX, 0) };

    let (store, seen) = ((bench.make)(), Arc::<Recorder>::default());
    block_on(store.insert_project(odd_project.clone(), odd_key.clone())).unwrap();
    let kept = block_on(store.insert_channel(odd_channel.clone())).unwrap();
    for token in [&empty_token, &odd_token] {
        block_on(store.insert_token(token.clone(), vec![odd_channel.id.clone()])).unwrap();
    }
    block_on(store.attach(Arc::clone(&seen) as Arc<dyn Changes>)).unwrap();

    let seen = seen.take();
    let subscribed = |token: &Token| {
        Change::Subscribed(Subscription {
            project: odd_project.id,
            token: token.id,
            channel: odd_channel.id.clone(),
            ephemeral: false,
        })
    };
    let expected = [
        Change::Project(odd_project.clone()),
        Change::Key(odd_key),
        Change::ChannelCreated(Channel { sequence: kept.sequence, ..odd_channel.clone() }),
        subscribed(&empty_token),
        subscribed(&odd_token),
        Change::TokenCreated(empty_token),
        Change::TokenCreated(odd_token),
    ];
    assert_eq!(seen.len(), expected.len());
    expected.iter().for_each(|change| assert!(seen.contains(change), "{change:?} is not in {seen:?}"));
}

fn keys_are_added(bench: &Bench<'_>) {
    bench.step(bench.store.insert_key(key(1, 111)), &Ok(()), &[Change::Key(key(1, 111))]);
    bench.step(bench.store.insert_key(key(1, 111)), &Err(StoreError::AlreadyExists(Subject::Key)), &[]);
    bench.step(bench.store.insert_key(key(9, 112)), &Err(StoreError::NotFound(Subject::Project)), &[]);
}

fn keys_are_revoked_once(bench: &Bench<'_>) {
    let (one, two, first, later) = (ProjectId::new(1), ProjectId::new(2), UnixMillis(50), UnixMillis(60));
    let revoked = ProjectKey { revoked_at: Some(first), ..key(1, 101) };
    bench.step(bench.store.revoke_key(one, KeyId::new(101), first), &Ok(()), &[Change::Key(revoked)]);
    bench.step(bench.store.revoke_key(one, KeyId::new(101), later), &Ok(()), &[]);
    bench.step(bench.store.revoke_key(one, KeyId::new(999), first), &Err(StoreError::NotFound(Subject::Key)), &[]);
    bench.step(bench.store.revoke_key(two, KeyId::new(101), first), &Err(StoreError::NotFound(Subject::Key)), &[]);
    // The first time was kept: it shows when the key's record is told again.
    let touched = ProjectKey { revoked_at: Some(first), last_used_at: Some(later), ..key(1, 101) };
    bench.step(bench.store.touch_keys(vec![(one, KeyId::new(101), later)]), &Ok(()), &[Change::Key(touched)]);
}

fn keys_are_touched(bench: &Bench<'_>) {
    let (one, two) = (ProjectId::new(1), ProjectId::new(2));
    let used = vec![
        (one, KeyId::new(101), UnixMillis(40)),
        (one, KeyId::new(999), UnixMillis(40)),
        (one, KeyId::new(102), UnixMillis(40)),
        (two, KeyId::new(102), UnixMillis(50)),
    ];
    let touched =
        |project, number, at| Change::Key(ProjectKey { last_used_at: Some(UnixMillis(at)), ..key(project, number) });
    bench.step(bench.store.touch_keys(used.clone()), &Ok(()), &[touched(1, 101, 40), touched(2, 102, 50)]);
    bench.step(bench.store.touch_keys(used), &Ok(()), &[]);
    bench.step(bench.store.touch_keys(vec![(one, KeyId::new(101), UnixMillis(39))]), &Ok(()), &[]);
    bench.step(bench.store.touch_keys(vec![(one, KeyId::new(101), UnixMillis(41))]), &Ok(()), &[touched(1, 101, 41)]);
    bench.step(bench.store.touch_keys(Vec::new()), &Ok(()), &[]);
}

fn probe_is_no_change(bench: &Bench<'_>) {
    bench.step(bench.store.probe(), &Ok(()), &[]);
    bench.step(bench.store.probe(), &Ok(()), &[]);
}
