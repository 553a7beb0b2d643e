//! Cases of whole units of work: all of it or nothing, and what comes before the first.

use std::sync::Arc;

use super::{
    Bench, Case, Recorder, block_on, channel, draft, id, ledger, name, project, row, subscription, token, token_with,
};
use crate::audit::ChainHead;
use crate::clock::UnixMillis;
use crate::credentials::RowKind;
use crate::ids::{ProjectId, TokenId};
use crate::model::Project;
use crate::ports::store::{AuditQuery, Change, Changes, StoreError, Subject, Unit, Vault, WrappedRingKey, Write};

pub(super) const CASES: &[Case] = &[
    ("units_are_done_in_order", units_are_done_in_order),
    ("a_refused_step_undoes_the_whole_unit", a_refused_step_undoes_the_whole_unit),
    ("units_have_a_limit", units_have_a_limit),
    ("the_vault_is_kept", the_vault_is_kept),
    ("nothing_is_done_before_the_store_is_attached", nothing_is_done_before_the_store_is_attached),
    ("probe_is_no_change", probe_is_no_change),
];

const ONE: ProjectId = ProjectId::new(1);
const TOKEN: Subject = Subject::Row(RowKind::Token);

fn units_are_done_in_order(bench: &mut Bench) {
    bench.step(bench.commit(vec![]), &Ok(()), &[]);
    // Each step finds what those before it have done.
    let gone = name(RowKind::Token, 3, 11);
    let writes = vec![
        Write::Project(project(3)),
        Write::Insert(token(3, 11)),
        Write::Update(row(RowKind::Token, 3, 11, 2)),
        Write::Delete(gone),
        Write::Insert(token(3, 11)),
    ];
    let told = [
        Change::Project(project(3)),
        Change::Row(token(3, 11)),
        Change::Row(row(RowKind::Token, 3, 11, 2)),
        Change::RowDeleted(gone),
        Change::Row(token(3, 11)),
    ];
    bench.step(bench.commit(writes), &Ok(()), &told);
}

fn a_refused_step_undoes_the_whole_unit(bench: &mut Bench) {
    bench.given(bench.store.insert_channel(channel(1, "a"), None));
    bench.given(bench.store.insert_channel(channel(2, "theirs"), None));
    bench.given(bench.commit(token_with(1, 11, &["a"])));
    let vault = Vault { key_check: vec![1], ledger_key: vec![2], ring: vec![], last_number: 0 };
    bench.given(bench.commit(vec![Write::Vault(vault.clone())]));
    let lost = StoreError::NotFound;
    let refused = [
        (Write::Insert(token(1, 12)), StoreError::AlreadyExists(TOKEN)),
        (Write::Insert(token(9, 99)), lost(Subject::Project)),
        (Write::Update(token(1, 99)), lost(TOKEN)),
        (Write::Update(row(RowKind::Token, 1, 14, 3)), StoreError::Conflict(RowKind::Token)),
        (Write::Delete(name(RowKind::User, 1, 11)), lost(Subject::Row(RowKind::User))),
        (Write::Subscribe(subscription(1, 99, "a", false)), lost(TOKEN)),
        (Write::Subscribe(subscription(1, 12, "none", false)), lost(Subject::Channel)),
        (Write::Subscribe(subscription(1, 12, "theirs", false)), lost(Subject::Channel)),
    ];
    for (step, error) in refused {
        let mut writes = token_with(1, 12, &["a"]);
        writes.extend([
            Write::Project(Project { name: "New".into(), ..project(2) }),
            Write::Project(project(4)),
            Write::Vault(Vault { key_check: vec![9], ..vault.clone() }),
            Write::Delete(name(RowKind::Token, 1, 11)),
            Write::Insert(row(RowKind::Token, 1, 14, 1)),
        ]);
        writes.push(step);
        let unit = Unit { writes, audit: vec![draft("token.create", 1)] };
        bench.step(bench.store.commit(unit), &Err(error), &[]);
    }
    // Nothing was left behind.
    bench.step(bench.store.vault(), &Ok(Some(vault)), &[]);
    bench.step(bench.store.insert_channel(channel(4, "a"), None), &Err(lost(Subject::Project)), &[]);
    bench.step(bench.store.delete_subscription(ONE, TokenId::new(12), id("a"), None), &Ok(false), &[]);
    bench.step(bench.store.insert_subscription(subscription(1, 11, "a", false), None), &Ok(false), &[]);
    for (id, kept) in [(11, Some(token(1, 11))), (12, None), (14, None)] {
        bench.step(bench.store.row(name(RowKind::Token, 1, id)), &Ok(kept), &[]);
    }
    bench.step(bench.store.audit_entries(AuditQuery { limit: 9, ..AuditQuery::default() }), &Ok(vec![]), &[]);
    let start = ChainHead::START;
    bench.step(bench.store.verify_audit(), &Ok(Ok((start, start))), &[]);
    let replayed = bench.restart();
    assert_eq!(replayed.iter().filter(|change| **change == Change::Project(project(2))).count(), 1);
    assert_eq!(replayed.len(), 6, "two projects, a token, two channels, a subscription: {replayed:?}");
}

fn units_have_a_limit(bench: &mut Bench) {
    let unit = |writes: usize, audit: usize| Unit {
        writes: (0..writes as u64).map(|id| Write::Insert(row(RowKind::Delivery, 1, id, 1))).collect(),
        audit: vec![draft("token.create", 1); audit],
    };
    let over = Err(StoreError::LimitReached("steps of a unit"));
    for (writes, audit) in [(Unit::STEPS_MAX + 1, 0), (0, Unit::STEPS_MAX + 1)] {
        bench.step(bench.store.commit(unit(writes, audit)), &over, &[]);
    }
    block_on(bench.store.commit(unit(Unit::STEPS_MAX, Unit::STEPS_MAX))).unwrap();
    assert_eq!(bench.seen.take().len(), Unit::STEPS_MAX);
}

fn the_vault_is_kept(bench: &mut Bench) {
    let ring_key =
        |number, active| WrappedRingKey { number, wrapped: vec![number as u8; 60], active, created_at: UnixMillis(7) };
    let vault = Vault {
        key_check: vec![0, 1, 255],
        ledger_key: vec![3; 60],
        ring: vec![ring_key(0, false), ring_key(u16::MAX, true)],
        last_number: u16::MAX,
    };
    bench.step(bench.store.vault(), &Ok(None), &[]);
    let mut shuffled = vault.clone();
    shuffled.ring.reverse();
    bench.step(bench.commit(vec![Write::Vault(shuffled)]), &Ok(()), &[Change::Vault(vault.clone())]);
    assert_eq!(bench.restart().len(), 2, "the vault is proven in any order");
    bench.step(bench.store.vault(), &Ok(Some(vault.clone())), &[]);
    let next = Vault { key_check: vec![], ring: vec![ring_key(7, true)], last_number: 9, ..vault };
    bench.step(bench.commit(vec![Write::Vault(next.clone())]), &Ok(()), &[Change::Vault(next.clone())]);
    let replayed = bench.restart();
    assert_eq!(replayed, [1, 2].map(|number| Change::Project(project(number))), "the vault is no part of a replay");
    bench.step(bench.store.vault(), &Ok(Some(next)), &[]);
}

fn nothing_is_done_before_the_store_is_attached(bench: &mut Bench) {
    bench.store = (bench.made.reopen)();
    let early = block_on(bench.commit(vec![Write::Insert(token(1, 11))]));
    assert!(matches!(early, Err(StoreError::Unavailable(_))), "{early:?}");
    let early = block_on(bench.store.insert_channel(channel(1, "a"), None));
    assert!(matches!(early, Err(StoreError::Unavailable(_))), "{early:?}");
    assert_eq!(block_on(bench.store.vault()), Ok(None));
    assert_eq!(block_on(bench.store.probe()), Ok(()));
    let seen = Arc::<Recorder>::default();
    block_on(bench.store.attach(Arc::clone(&seen) as Arc<dyn Changes>, ledger())).unwrap();
    assert_eq!(seen.take(), [1, 2].map(|number| Change::Project(project(number))));
}

fn probe_is_no_change(bench: &mut Bench) {
    bench.step(bench.store.probe(), &Ok(()), &[]);
    bench.step(bench.store.probe(), &Ok(()), &[]);
}
