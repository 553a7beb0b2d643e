//! Cases of rows: each step of a unit by itself, and that every value is kept.

use super::{Bench, Case, block_on, channel, name, object, project, row, token_with};
use crate::clock::UnixMillis;
use crate::credentials::RowKind;
use crate::ids::ProjectId;
use crate::model::{Capabilities, Channel, ChannelType, Project};
use crate::ports::store::{Change, Row, StoreError, Subject, Write};

pub(super) const CASES: &[Case] = &[
    ("rows_are_inserted", rows_are_inserted),
    ("numbers_are_taken_within_their_kind", numbers_are_taken_within_their_kind),
    ("rows_are_replaced_by_their_next_revision_alone", rows_are_replaced_by_their_next_revision_alone),
    ("rows_are_deleted", rows_are_deleted),
    ("rows_stay_within_their_project", rows_stay_within_their_project),
    ("large_kinds_are_read_and_not_told", large_kinds_are_read_and_not_told),
    ("projects_are_created_and_replaced", projects_are_created_and_replaced),
    ("records_keep_every_value", records_keep_every_value),
];

const USER: Subject = Subject::Row(RowKind::User);

fn user(project: u64, id: u64, revision: u32) -> Row {
    row(RowKind::User, project, id, revision)
}

fn rows_are_inserted(bench: &mut Bench) {
    for kind in RowKind::ALL {
        let row = row(kind, 1, 7, 1);
        let told = if kind.is_kept_in_memory() { vec![Change::Row(row.clone())] } else { vec![] };
        bench.step(bench.commit(vec![Write::Insert(row.clone())]), &Ok(()), &told);
        bench.step(bench.store.row(row.name), &Ok(Some(row.clone())), &[]);
    }
    let lost = Err(StoreError::NotFound(Subject::Project));
    bench.step(bench.commit(vec![Write::Insert(user(9, 8, 1))]), &lost, &[]);
    let late = Err(StoreError::Conflict(RowKind::User));
    bench.step(bench.commit(vec![Write::Insert(user(1, 8, 2))]), &late, &[]);
    bench.step(bench.store.row(name(RowKind::User, 1, 8)), &Ok(None), &[]);
}

fn numbers_are_taken_within_their_kind(bench: &mut Bench) {
    bench.given(bench.commit(vec![Write::Insert(user(1, 7, 1))]));
    bench.given(bench.commit(vec![Write::Insert(row(RowKind::Key, 1, 7, 1))]));
    // A secret names its token without the project, so a number must not repeat across projects either.
    for project in [1, 2] {
        let taken = Err(StoreError::AlreadyExists(USER));
        bench.step(bench.commit(vec![Write::Insert(user(project, 7, 1))]), &taken, &[]);
    }
}

fn rows_are_replaced_by_their_next_revision_alone(bench: &mut Bench) {
    bench.given(bench.commit(vec![Write::Insert(user(1, 7, 1))]));
    let conflict = Err(StoreError::Conflict(RowKind::User));
    for wrong in [0, 1, 3, u32::MAX] {
        bench.step(bench.commit(vec![Write::Update(user(1, 7, wrong))]), &conflict, &[]);
    }
    bench.step(bench.store.row(name(RowKind::User, 1, 7)), &Ok(Some(user(1, 7, 1))), &[]);
    for revision in [2, 3] {
        let row = user(1, 7, revision);
        bench.step(bench.commit(vec![Write::Update(row.clone())]), &Ok(()), &[Change::Row(row)]);
        bench.step(bench.commit(vec![Write::Update(user(1, 7, revision))]), &conflict, &[]);
    }
    let lost = Err(StoreError::NotFound(USER));
    bench.step(bench.commit(vec![Write::Update(user(1, 8, 2))]), &lost, &[]);
    bench.step(bench.store.row(name(RowKind::User, 1, 7)), &Ok(Some(user(1, 7, 3))), &[]);
}

fn rows_are_deleted(bench: &mut Bench) {
    let gone = name(RowKind::User, 1, 7);
    bench.given(bench.commit(vec![Write::Insert(user(1, 7, 1))]));
    bench.given(bench.commit(vec![Write::Update(user(1, 7, 2))]));
    bench.step(bench.commit(vec![Write::Delete(gone)]), &Ok(()), &[Change::RowDeleted(gone)]);
    bench.step(bench.commit(vec![Write::Delete(gone)]), &Err(StoreError::NotFound(USER)), &[]);
    bench.step(bench.store.row(gone), &Ok(None), &[]);
    // The number is free again, and begins anew.
    bench.step(bench.commit(vec![Write::Insert(user(1, 7, 1))]), &Ok(()), &[Change::Row(user(1, 7, 1))]);
}

fn rows_stay_within_their_project(bench: &mut Bench) {
    bench.given(bench.commit(vec![Write::Insert(user(1, 7, 1))]));
    let lost = Err(StoreError::NotFound(USER));
    bench.step(bench.commit(vec![Write::Update(user(2, 7, 2))]), &lost, &[]);
    bench.step(bench.commit(vec![Write::Delete(name(RowKind::User, 2, 7))]), &lost, &[]);
    bench.step(bench.store.row(name(RowKind::User, 2, 7)), &Ok(None), &[]);
    bench.step(bench.store.row(name(RowKind::User, 1, 7)), &Ok(Some(user(1, 7, 1))), &[]);
}

fn large_kinds_are_read_and_not_told(bench: &mut Bench) {
    let part = |revision| row(RowKind::JobPart, 1, 7, revision);
    bench.step(bench.commit(vec![Write::Insert(part(1))]), &Ok(()), &[]);
    bench.step(bench.commit(vec![Write::Update(part(2))]), &Ok(()), &[]);
    let replayed = bench.restart();
    assert!(replayed.iter().all(|change| matches!(change, Change::Project(_))), "{replayed:?}");
    bench.step(bench.store.row(part(2).name), &Ok(Some(part(2))), &[]);
    bench.step(bench.commit(vec![Write::Delete(part(2).name)]), &Ok(()), &[]);
    bench.step(bench.store.row(part(2).name), &Ok(None), &[]);
}

fn projects_are_created_and_replaced(bench: &mut Bench) {
    let told = [Change::Project(project(3))];
    bench.step(bench.commit(vec![Write::Project(project(3))]), &Ok(()), &told);
    bench.step(bench.commit(vec![Write::Project(project(3))]), &Ok(()), &[]);
    let keys = vec![(1, vec![1]), (2, vec![]), (u16::MAX, vec![3; 60])];
    let new = Project { name: "New".into(), wrapped_data_keys: keys, ..project(3) };
    bench.step(bench.commit(vec![Write::Project(new.clone())]), &Ok(()), &[Change::Project(new.clone())]);
    let shuffled = vec![(u16::MAX, vec![3; 60]), (1, vec![1]), (2, vec![])];
    let shuffled = Project { wrapped_data_keys: shuffled, ..new.clone() };
    bench.step(bench.commit(vec![Write::Project(shuffled)]), &Ok(()), &[]);
    let fewer = Project { wrapped_data_keys: vec![(2, vec![])], ..new };
    bench.given(bench.commit(vec![Write::Project(fewer.clone())]));
    let expected: Vec<_> = [project(1), project(2), fewer].map(Change::Project).into();
    assert_eq!(bench.restart(), expected);
}

fn records_keep_every_value(bench: &mut Bench) {
    // Told by a replay, so that each value has been where the store keeps it: every bit of an id and of a time, texts and bytes
    // of any kind, and what is not there.
    let odd_project = Project {
        id: ProjectId::new(u64::MAX),
        name: "'; DROP TABLE projects; -- \u{0} é 🦀".into(),
        created_at: UnixMillis(u64::MAX),
        wrapped_data_keys: vec![(0, Vec::new()), (u16::MAX, vec![0, 255])],
    };
    let odd_channel = Channel {
        kind: ChannelType::Unprotected,
        capabilities: Capabilities::from_bits(0).unwrap(),
        state: object(r#"{ "é\"\u0000" : [12345678901234567890.10] }"#),
        ..channel(u64::MAX, &"é".repeat(127))
    };
    let odd_row = Row { sealed: (0..=255).collect(), ..user(u64::MAX, 1 << 63, 1) };
    let empty_row = Row { sealed: vec![], ..user(u64::MAX, 0, 1) };
    let rows = [odd_row.clone(), empty_row.clone()].map(Write::Insert);
    bench.given(bench.commit(std::iter::once(Write::Project(odd_project.clone())).chain(rows).collect()));
    let kept = block_on(bench.store.insert_channel(odd_channel.clone(), None)).unwrap();
    bench.given(bench.commit(token_with(u64::MAX, u64::MAX, &[odd_channel.id.as_str()])));

    let seen = bench.restart();
    let expected = [
        Change::Project(project(1)),
        Change::Project(project(2)),
        Change::Project(odd_project),
        Change::Row(odd_row),
        Change::Row(empty_row),
        Change::Row(super::token(u64::MAX, u64::MAX)),
        Change::ChannelCreated(kept),
        Change::Subscribed(super::subscription(u64::MAX, u64::MAX, odd_channel.id.as_str(), false)),
    ];
    assert_eq!(seen.len(), expected.len());
    expected.iter().for_each(|change| assert!(seen.contains(change), "{change:?} is not in {seen:?}"));
}
