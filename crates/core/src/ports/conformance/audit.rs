//! Cases of the audit log: its order and chain, queries, and what pruning leaves.

use super::{Bench, Case, block_on, channel, draft, id, ledger, subscription, token_with};
use crate::audit::{AuditDraft, AuditEntry, AuditOutcome, ChainHead};
use crate::clock::UnixMillis;
use crate::ids::{ProjectId, TokenId};
use crate::model::{Capabilities, ChannelSettings};
use crate::ports::store::{AuditQuery, Unit};

pub(super) const CASES: &[Case] = &[
    ("entries_are_chained_in_commit_order", entries_are_chained_in_commit_order),
    ("entries_keep_every_value", entries_keep_every_value),
    ("every_method_writes_its_entry", every_method_writes_its_entry),
    ("queries_filter", queries_filter),
    ("queries_go_on_where_they_ended", queries_go_on_where_they_ended),
    ("a_search_stops_and_goes_on", a_search_stops_and_goes_on),
    ("pruning_leaves_a_provable_rest", pruning_leaves_a_provable_rest),
    ("long_logs_are_proven", long_logs_are_proven),
];

const ONE: ProjectId = ProjectId::new(1);

fn write(bench: &Bench, audit: Vec<AuditDraft>) {
    block_on(bench.store.commit(Unit { writes: vec![], audit })).unwrap();
}

fn query(bench: &Bench, query: AuditQuery) -> Vec<AuditEntry> {
    block_on(bench.store.audit_entries(query)).unwrap()
}

fn all() -> AuditQuery {
    AuditQuery { limit: AuditQuery::LIMIT_MAX, ..AuditQuery::default() }
}

/// Proves the chain, by the store and by what it tells; gives its beginning and end.
fn verified(bench: &Bench) -> (ChainHead, ChainHead) {
    let (base, head) = block_on(bench.store.verify_audit()).unwrap().unwrap();
    let told = query(bench, all()).iter().try_fold(base, |head, entry| ledger().follow(head, entry));
    assert_eq!(told, Ok(head));
    (base, head)
}

fn sequences(entries: &[AuditEntry]) -> Vec<u64> {
    entries.iter().map(|entry| entry.sequence).collect()
}

fn entries_are_chained_in_commit_order(bench: &mut Bench) {
    assert_eq!(verified(bench), (ChainHead::START, ChainHead::START));
    write(bench, vec![draft("a", 9), draft("b", 3)]);
    write(bench, vec![draft("c", 5)]);
    let entries = query(bench, all());
    assert_eq!(sequences(&entries), [1, 2, 3]);
    let drafts: Vec<_> = entries.iter().map(|entry| entry.draft.clone()).collect();
    assert_eq!(drafts, [draft("a", 9), draft("b", 3), draft("c", 5)], "in commit order, whatever their times");
    let (_, head) = verified(bench);
    assert_eq!(head.sequence, 3);
    // The chain goes on after a restart.
    bench.restart();
    assert_eq!(verified(bench).1, head);
    write(bench, vec![draft("d", 6)]);
    assert_eq!(verified(bench).1.sequence, 4);
}

fn entries_keep_every_value(bench: &mut Bench) {
    let odd = AuditDraft {
        at: UnixMillis(u64::MAX),
        project: Some(ProjectId::new(u64::MAX)),
        actor: "'; DROP TABLE audit; -- \u{0} é 🦀".into(),
        action: String::new(),
        subject: "\n\u{7f}".into(),
        outcome: AuditOutcome::Refused,
        count: u64::MAX,
        detail: Some(String::new()),
        request_id: Some("é".into()),
        address: Some("::1".into()),
    };
    let bare = AuditDraft { project: None, ..draft("", 0) };
    write(bench, vec![odd.clone(), bare.clone()]);
    bench.restart();
    verified(bench);
    let drafts: Vec<_> = query(bench, all()).into_iter().map(|entry| entry.draft).collect();
    assert_eq!(drafts, [odd, bare]);
}

fn every_method_writes_its_entry(bench: &mut Bench) {
    bench.given(bench.commit(token_with(1, 11, &[])));
    let (store, token) = (&bench.store, TokenId::new(11));
    let entry = |action: &str| Some(draft(action, 1));
    let settings = ChannelSettings::default();
    block_on(store.insert_channel(channel(1, "a"), entry("1"))).unwrap();
    block_on(store.insert_channel(channel(1, "a"), entry("refused"))).unwrap_err();
    block_on(store.change_settings(ONE, id("a"), Capabilities::from_bits(0).unwrap(), settings, entry("2"))).unwrap();
    block_on(store.change_settings(ONE, id("none"), Capabilities::default(), settings, entry("refused"))).unwrap_err();
    // Subscriptions are idempotent: asked for is asked for, and noted each time.
    for action in ["3", "4"] {
        block_on(store.insert_subscription(subscription(1, 11, "a", false), entry(action))).unwrap();
    }
    block_on(store.insert_subscription(subscription(1, 99, "a", false), entry("refused"))).unwrap_err();
    for action in ["5", "6"] {
        block_on(store.delete_subscription(ONE, token, id("a"), entry(action))).unwrap();
    }
    block_on(store.delete_channel(ONE, id("a"), entry("7"))).unwrap();
    block_on(store.delete_channel(ONE, id("a"), entry("refused"))).unwrap_err();
    verified(bench);
    let actions: Vec<_> = query(bench, all()).into_iter().map(|entry| entry.draft.action).collect();
    assert_eq!(actions, ["1", "2", "3", "4", "5", "6", "7"]);
}

fn queries_filter(bench: &mut Bench) {
    let entry = |project: Option<u64>, actor: &str, action: &str, subject: &str, at| AuditDraft {
        project: project.map(ProjectId::new),
        actor: actor.into(),
        subject: subject.into(),
        ..draft(action, at)
    };
    write(
        bench,
        vec![
            entry(Some(1), "ptkid_1", "token.create", "tok_1", 10),
            entry(Some(1), "ptkid_2", "token.revoke", "tok_1", 30),
            entry(Some(2), "ptkid_1", "token.create", "tok_2", 20),
            entry(None, "operator", "tokens", "tok_1", 40),
            AuditDraft { outcome: AuditOutcome::Refused, ..entry(Some(1), "ptkid_1", "user.create", "user_1", 50) },
        ],
    );
    let text = |text: &str| Some(text.to_owned());
    let table = [
        (all(), vec![1, 2, 3, 4, 5]),
        (AuditQuery { project: Some(ONE), ..all() }, vec![1, 2, 5]),
        (AuditQuery { subject: text("tok_1"), ..all() }, vec![1, 2, 4]),
        (AuditQuery { project: Some(ONE), subject: text("tok_1"), ..all() }, vec![1, 2]),
        (AuditQuery { actor: text("ptkid_1"), ..all() }, vec![1, 3, 5]),
        (AuditQuery { project: Some(ONE), actor: text("ptkid_1"), ..all() }, vec![1, 5]),
        (AuditQuery { subject: text("tok_1"), actor: text("ptkid_1"), ..all() }, vec![1]),
        (AuditQuery { action: text("token.create"), ..all() }, vec![1, 3]),
        (AuditQuery { action: text("token."), ..all() }, vec![1, 2, 3]),
        (AuditQuery { action: text("token"), ..all() }, vec![]),
        (AuditQuery { since: Some(UnixMillis(20)), until: Some(UnixMillis(40)), ..all() }, vec![2, 3]),
        (AuditQuery { outcome: Some(AuditOutcome::Refused), ..all() }, vec![5]),
        (AuditQuery { outcome: Some(AuditOutcome::Done), project: Some(ONE), ..all() }, vec![1, 2]),
        (AuditQuery { since: Some(UnixMillis(51)), ..all() }, vec![]),
        (AuditQuery { after: Some(3), ..all() }, vec![4, 5]),
        (AuditQuery { after: Some(3), newest_first: true, ..all() }, vec![2, 1]),
        (AuditQuery { newest_first: true, limit: 2, ..all() }, vec![5, 4]),
        (AuditQuery { project: Some(ONE), action: text("token."), newest_first: true, ..all() }, vec![2, 1]),
        (AuditQuery { limit: 0, ..all() }, vec![1]),
        (AuditQuery { after: Some(u64::MAX), ..all() }, vec![]),
        (AuditQuery { after: Some(0), newest_first: true, ..all() }, vec![]),
        (AuditQuery { after: Some(u64::MAX), newest_first: true, limit: 1, ..all() }, vec![5]),
    ];
    for (asked, expected) in table {
        assert_eq!(sequences(&query(bench, asked.clone())), expected, "{asked:?}");
    }
}

fn queries_go_on_where_they_ended(bench: &mut Bench) {
    // More than any one step of a store reads, with one in a thousand fitting.
    for round in 0..6_u64 {
        let entries = (0..1_000).map(|at| draft(if at == 500 { "rare" } else { "usual" }, round * 1_000 + at));
        write(bench, entries.collect());
    }
    for newest_first in [false, true] {
        let mut found = Vec::new();
        let mut after = None;
        loop {
            let page = query(bench, AuditQuery { action: Some("rare".into()), after, newest_first, limit: 4, ..all() });
            let Some(last) = page.last() else { break };
            after = Some(last.sequence);
            found.extend(sequences(&page));
        }
        let mut expected: Vec<_> = (0..6).map(|round| round * 1_000 + 501).collect();
        if newest_first {
            expected.reverse();
        }
        assert_eq!(found, expected);
    }
}

fn a_search_stops_and_goes_on(bench: &mut Bench) {
    let hour = |at: u64| at * 3_600_000;
    for round in 0..12_u64 {
        let action = |at: u64| {
            ["usual", "token.create", "token.revoke"]
                [usize::from(at.is_multiple_of(400)) + usize::from(at.is_multiple_of(800))]
        };
        let entry = |at: u64| AuditDraft {
            project: Some(ProjectId::new(1 + at % 2)),
            actor: format!("ptkid_{}", at % 3),
            subject: format!("tok_{}", at % 5),
            outcome: if at % 500 == 7 { AuditOutcome::Refused } else { AuditOutcome::Done },
            ..draft(action(at), if at == 900 { u64::MAX } else { hour(round * 1_000 + at) })
        };
        write(bench, (0..1_000).map(entry).collect());
    }
    let text = |text: &str| Some(text.to_owned());
    let queries = [
        AuditQuery { action: text("nothing"), ..all() },
        AuditQuery { action: text("token.create"), ..all() },
        AuditQuery { action: text("token."), ..all() },
        AuditQuery { outcome: Some(AuditOutcome::Refused), limit: 5, ..all() },
        AuditQuery { actor: text("ptkid_1"), limit: 7, ..all() },
        AuditQuery { project: Some(ONE), action: text("token.revoke"), ..all() },
        AuditQuery { subject: text("tok_0"), action: text("token.create"), ..all() },
        AuditQuery { subject: text("none"), ..all() },
        AuditQuery { since: Some(UnixMillis(hour(3_990))), until: Some(UnixMillis(hour(8_010))), limit: 900, ..all() },
        AuditQuery { since: Some(UnixMillis(hour(11_990))), ..all() },
        AuditQuery { until: Some(UnixMillis(u64::MAX)), action: text("token.revoke"), ..all() },
    ];
    let everything = query_all(bench);
    for asked in queries {
        for newest_first in [false, true] {
            let asked = AuditQuery { newest_first, ..asked.clone() };
            let mut expected: Vec<u64> =
                everything.iter().filter(|entry| asked.admits(entry)).map(|entry| entry.sequence).collect();
            if newest_first {
                expected.reverse();
            }
            let (mut found, mut after, mut stops) = (Vec::new(), None, 0);
            loop {
                let query = AuditQuery { after, ..asked.clone() };
                let page = block_on(bench.store.search_audit(query, 2_000)).unwrap();
                found.extend(sequences(&page.entries));
                let last = page.entries.last().map(|last| last.sequence);
                let full = last.filter(|_| page.entries.len() == asked.limit());
                stops += usize::from(page.stopped.is_some());
                if let Some((to, at)) = page.stopped {
                    assert!(page.entries.len() < asked.limit(), "it stops only where it found too few");
                    assert_eq!(everything[usize::try_from(to).unwrap() - 1].draft.at, at, "{asked:?}");
                }
                let Some(next) = page.stopped.map(|(to, _)| to).or(full) else { break };
                assert!(after.is_none_or(|after| if newest_first { next < after } else { next > after }), "{asked:?}");
                after = Some(next);
            }
            assert_eq!(found, expected, "{asked:?}");
            let is_rare = asked.subject.is_none() && asked.limit() > expected.len();
            assert!(!is_rare || stops >= 2, "{stops} {asked:?}");
        }
    }
}

/// Every entry, oldest first.
fn query_all(bench: &Bench) -> Vec<AuditEntry> {
    let mut found: Vec<AuditEntry> = Vec::new();
    loop {
        let page = query(bench, AuditQuery { after: found.last().map(|last| last.sequence), ..all() });
        if page.is_empty() {
            return found;
        }
        found.extend(page);
    }
}

fn pruning_leaves_a_provable_rest(bench: &mut Bench) {
    write(bench, [10, 20, 30, 15, 40].map(|at| draft("a", at)).into());
    let (_, head) = verified(bench);
    let prune = |bench: &Bench, before, limit| block_on(bench.store.prune_audit(UnixMillis(before), limit)).unwrap();
    assert_eq!(prune(bench, 10, 9), 0);
    assert_eq!(prune(bench, 100, 0), 0);
    assert_eq!(prune(bench, 100, 1), 1, "at most as many as asked for");
    assert_eq!(prune(bench, 25, 9), 1, "up to the first that is not old enough, whatever comes after it");
    assert_eq!(sequences(&query(bench, all())), [3, 4, 5]);
    let (base, end) = verified(bench);
    assert_eq!((base.sequence, end), (2, head));
    bench.restart();
    assert_eq!(verified(bench), (base, head));
    // All of it may go; the chain goes on from where it was.
    assert_eq!(prune(bench, 100, 9), 3);
    assert_eq!(verified(bench), (head, head));
    bench.restart();
    write(bench, vec![draft("b", 50)]);
    assert_eq!(sequences(&query(bench, all())), [6]);
    assert_eq!(verified(bench).0, head);
}

fn long_logs_are_proven(bench: &mut Bench) {
    for round in 0..5 {
        write(bench, (0..777).map(|at| draft("a", round * 777 + at)).collect());
    }
    let (base, head) = block_on(bench.store.verify_audit()).unwrap().unwrap();
    assert_eq!((base, head.sequence), (ChainHead::START, 5 * 777));
    assert_eq!(block_on(bench.store.prune_audit(UnixMillis(u64::MAX), 2_500)), Ok(2_500));
    let (base, end) = block_on(bench.store.verify_audit()).unwrap().unwrap();
    assert_eq!((base.sequence, end), (2_500, head));
}
