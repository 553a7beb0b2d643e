//! Somebody else writes into the file while no server runs: whatever they change, the next start refuses it, or proving the audit log does.

use rusqlite::types::Value;
use rusqlite::{Connection, ErrorCode, params_from_iter};
use tempfile::TempDir;
use tollgate_core::audit::{AuditDraft, AuditOutcome, LedgerKey};
use tollgate_core::clock::UnixMillis;
use tollgate_core::credentials::RowKind;
use tollgate_core::delivery::Publication;
use tollgate_core::ids::{ProjectId, TokenId};
use tollgate_core::json::JsonValue;
use tollgate_core::model::{Capabilities, ChannelSettings, Project};
use tollgate_core::ports::conformance::{block_on, ledger};
use tollgate_core::ports::store::{
    AuditStore as _, ChannelStore as _, HistoryStore as _, Row, RowName, Store as _, StoreError,
    SubscriptionStore as _, Unit, Vault, WrappedRingKey, Write,
};

use super::{ONE, channel, durable, file, fresh, observe, token};
use crate::SqliteStore;

/// The file of a store with two of everything.
struct Original(TempDir);

impl Original {
    fn new() -> Self {
        let (folder, store) = fresh();
        observe(&store);
        fill(&store);
        block_on(store.close()).unwrap();
        Self(folder)
    }

    /// What a start says of the file after `tamper`: that it is damaged, or else what proving the audit log says.
    fn after(&self, tamper: impl FnOnce(&Connection)) -> Option<String> {
        let copy = self.copy();
        tamper(&raw(&copy));
        verdict(&copy, &ledger())
    }

    fn copy(&self) -> TempDir {
        let copy = tempfile::tempdir().unwrap();
        std::fs::copy(file(&self.0), file(&copy)).unwrap();
        copy
    }

    /// That each of these is refused, in these words.
    #[track_caller]
    fn refuses(&self, table: &[(&str, &str)]) {
        for (sql, expected) in table {
            let said = self.after(|db| {
                let changed = db.execute_batch(sql).map(|()| db.total_changes());
                assert!(changed.as_ref().is_ok_and(|changed| *changed > 0), "{sql}: {changed:?}");
            });
            assert!(said.as_ref().is_some_and(|said| said.contains(expected)), "{sql}: {said:?}");
        }
    }
}

fn raw(folder: &TempDir) -> Connection {
    let db = Connection::open(file(folder)).unwrap();
    db.execute_batch("PRAGMA foreign_keys = OFF").unwrap();
    db
}

fn verdict(folder: &TempDir, key: &LedgerKey) -> Option<String> {
    let store = SqliteStore::open(&file(folder)).unwrap();
    match block_on(store.attach(std::sync::Arc::<super::Recorder>::default(), key.clone())) {
        Ok(()) => block_on(store.verify_audit()).unwrap().err().map(|broken| broken.to_string()),
        Err(StoreError::Damaged(what)) => Some(what),
        Err(other) => panic!("{other}"),
    }
}

fn row(kind: RowKind, project: u64, id: u64, revision: u32) -> Row {
    let name = RowName { kind, project: ProjectId::new(project), id };
    Row { name, revision, sealed: vec![revision as u8, id as u8, 7, 7] }
}

fn fill(store: &SqliteStore) {
    let ring = [1, 2].map(|number| WrappedRingKey {
        number,
        wrapped: vec![number as u8; 8],
        active: number == 2,
        created_at: UnixMillis(5),
    });
    let vault = Vault { key_check: vec![1, 2], ledger_key: vec![3, 4], ring: ring.into(), last_number: 2 };
    let mut writes = vec![Write::Vault(vault)];
    for number in [1, 2] {
        writes.push(Write::Project(Project {
            id: ProjectId::new(number),
            name: format!("Project {number}"),
            created_at: UnixMillis(9),
            wrapped_data_keys: vec![(1, vec![1, number as u8]), (2, vec![2, number as u8])],
        }));
    }
    for kind in RowKind::ALL {
        for id in [11, 12] {
            writes.push(Write::Insert(row(kind, 1, id, 1)));
            writes.push(Write::Update(row(kind, 1, id, 2)));
        }
    }
    let audit = (1..=6).map(|number| draft(number, number % 2 == 0)).collect();
    block_on(store.commit(Unit { writes, audit })).unwrap();
    for name in ["a", "b"] {
        block_on(store.insert_channel(channel(name, "{}"), None)).unwrap();
    }
    let mut kept = channel("kept", "{}");
    kept.settings = durable(10);
    block_on(store.insert_channel(kept.clone(), None)).unwrap();
    for once in 0..3 {
        let message = Publication::new("said", JsonValue::null(), UnixMillis(5));
        block_on(store.append(ONE, kept.id.clone(), message, Some([once; 16]))).unwrap();
    }
    for (token, name, ephemeral) in [(11, "a", false), (11, "b", true), (12, "a", false)] {
        let (token, channel) = (TokenId::new(token), channel(name, "{}").id);
        let one = tollgate_core::model::Subscription { project: ONE, token, channel, ephemeral };
        block_on(store.insert_subscription(one, Some(draft(7, false)))).unwrap();
    }
}

fn draft(number: u64, is_full: bool) -> AuditDraft {
    let text = |text: &str| is_full.then(|| text.to_owned());
    AuditDraft {
        at: UnixMillis(number),
        project: is_full.then_some(ONE),
        actor: format!("ptkid_{number}"),
        action: "token.create".into(),
        subject: "tok_1".into(),
        outcome: if is_full { AuditOutcome::Refused } else { AuditOutcome::Done },
        count: number,
        detail: text("because"),
        request_id: text("r1"),
        address: text("::1"),
    }
}

#[test]
fn what_nobody_touched_is_accepted() {
    let original = Original::new();
    assert_eq!(original.after(|_| {}), None);
    // Nor does it matter what the books do not prove.
    let state = |text: &str| format!("UPDATE channels SET state = '{text}', version = 9");
    assert_eq!(original.after(|db| db.execute_batch(&state(r#"{"a":1}"#)).unwrap()), None);
    original.refuses(&[(&state("[]"), "object"), (&state("{"), "JSON")]);
    let copy = original.copy();
    let said = verdict(&copy, &LedgerKey::new(&[1; 32]));
    assert!(said.is_some_and(|said| said.contains("another master key")), "under another ledger key");
}

#[test]
fn any_changed_value_is_refused() {
    let original = Original::new();
    let db = raw(&original.0);
    let all = "SELECT s.name, t.name FROM sqlite_schema s, pragma_table_info(s.name) t WHERE s.type = 'table'";
    let mut columns = db.prepare(all).unwrap();
    let columns = columns.query_map([], |row| Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?))).unwrap();
    let mut count = 0;
    for (table, column) in columns.map(Result::unwrap) {
        let unproven = ["probe.only_row", "probe.count", "channels.state", "channels.version"];
        // The schema itself says that there is one row. What histories hold is not proven.
        if ["histories", "messages", "onces"].contains(&&*table) {
            continue;
        }
        if unproven.contains(&&*format!("{table}.{column}")) || column == "only_row" {
            continue;
        }
        for row in rows(&db, &table) {
            let place = row.iter().position(|(name, _)| *name == column).unwrap();
            for changed in others(&row[place].1) {
                let mut is_changed = false;
                let said = original.after(|db| is_changed = replace(db, &table, &row, &column, &changed));
                assert_eq!(said.is_some(), is_changed, "{table}.{column} = {changed:?} of {row:?}");
                count += u32::from(is_changed);
            }
        }
    }
    assert!(count > 500, "{count} changes tried");
}

fn rows(db: &Connection, table: &str) -> Vec<Vec<(String, Value)>> {
    let mut statement = db.prepare(&format!("SELECT * FROM {table}")).unwrap();
    let names: Vec<String> = statement.column_names().map(str::to_owned).collect();
    let read = |row: &rusqlite::Row<'_>| {
        let value = |(at, name): (usize, &String)| Ok((name.clone(), row.get(at)?));
        names.iter().enumerate().map(value).collect()
    };
    statement.query_map([], read).unwrap().map(Result::unwrap).collect()
}

/// Values that a column with this one could have instead.
fn others(value: &Value) -> Vec<Value> {
    match value {
        Value::Null => vec![Value::Integer(1), Value::Text("x".into())],
        Value::Integer(number) => vec![Value::Integer(number ^ 1), Value::Integer(number + (1 << 40)), Value::Null],
        Value::Real(_) => unreachable!("no column is one"),
        Value::Text(text) => {
            let mut flipped = text.clone().into_bytes();
            *flipped.last_mut().unwrap() ^= 1;
            vec![Value::Text(String::from_utf8(flipped).unwrap()), Value::Text(format!("{text} ")), Value::Null]
        }
        Value::Blob(bytes) => {
            let flipped = |at: usize| {
                let mut flipped = bytes.clone();
                flipped[at] ^= 1;
                Value::Blob(flipped)
            };
            vec![flipped(0), flipped(bytes.len() - 1), Value::Blob(bytes[1..].to_vec()), Value::Blob(vec![])]
        }
    }
}

/// Puts another value in place; where the schema has no place for it, nothing is changed and it says no.
fn replace(db: &Connection, table: &str, row: &[(String, Value)], column: &str, changed: &Value) -> bool {
    let condition: Vec<_> = row.iter().zip(2..).map(|((name, _), at)| format!("{name} IS ?{at}")).collect();
    let sql = format!("UPDATE OR REPLACE {table} SET {column} = ?1 WHERE {}", condition.join(" AND "));
    let values = std::iter::once(changed).chain(row.iter().map(|(_, value)| value));
    match db.execute(&sql, params_from_iter(values)) {
        Ok(count) => {
            assert_eq!(count, 1);
            true
        }
        Err(refused) => {
            let code = refused.sqlite_error_code();
            assert!(matches!(code, Some(ErrorCode::ConstraintViolation | ErrorCode::TypeMismatch)), "{refused}");
            false
        }
    }
}

#[test]
fn every_setting_of_a_channel_is_proven() {
    let flags: Vec<String> = [1, 2, 4, 8, 16]
        .iter()
        .map(|bit| format!("UPDATE channels SET flags = (flags | {bit}) - (flags & {bit}) WHERE id = 'kept'"))
        .collect();
    let numbers = ["history_size", "history_ttl_ms", "conflate_per_second", "run"];
    let numbers = numbers.map(|column| format!("UPDATE channels SET {column} = {column} + 1 WHERE id = 'kept'"));
    let table: Vec<_> = flags.iter().chain(&numbers).map(|sql| (&**sql, "")).collect();
    Original::new().refuses(&table);
}

#[test]
fn what_was_removed_is_missed() {
    Original::new().refuses(&[
        ("DELETE FROM tokens WHERE id = 12", "1 records of the kind `token`, and 2 were committed"),
        ("DELETE FROM rows", "settings"),
        ("DELETE FROM projects WHERE id = 2; DELETE FROM data_keys WHERE project = 2", "`project`, and 2"),
        ("DELETE FROM data_keys WHERE project = 2 AND number = 1", "project"),
        ("DELETE FROM ring_keys WHERE number = 1", "vault"),
        ("DELETE FROM vault; DELETE FROM ring_keys", "0 records of the kind `vault`"),
        ("DELETE FROM channels WHERE id = 'b'; DELETE FROM subscriptions WHERE channel = 2", "`channel`, and 3"),
        ("DELETE FROM histories", "history is gone"),
        ("DELETE FROM subscriptions WHERE token = 12", "2 records of the kind `subscription`, and 3"),
        ("DELETE FROM tokens WHERE id = 12; DELETE FROM subscriptions WHERE token = 12", "token"),
    ]);
}

#[test]
fn what_was_planted_is_noticed() {
    Original::new().refuses(&[
        ("INSERT INTO tokens SELECT 13, project, 1, sealed FROM tokens WHERE id = 11", "token"),
        ("INSERT INTO rows SELECT 23, id, project, revision, sealed FROM tokens WHERE id = 11", "among those of other kinds"),
        ("INSERT INTO rows SELECT kind, 13, project, 1, sealed FROM rows WHERE id = 11 AND kind = 30", "job part"),
        ("INSERT INTO rows SELECT 99, id, project, 1, sealed FROM tokens", "kind 99"),
        ("INSERT INTO rows SELECT 300, id, project, 1, sealed FROM tokens", "kind 300"),
        ("INSERT INTO subscriptions VALUES (12, 2, 0)", "subscription"),
        ("INSERT INTO subscriptions VALUES (12, 99, 0)", "subscription"),
        ("INSERT INTO subscriptions VALUES (99, 1, 0)", "subscription"),
        ("INSERT INTO channels SELECT 4, project, 'c', kind, capabilities, 1, 1, history_size, history_ttl_ms, flags, conflate_per_second, run, state FROM channels WHERE id = 'a'", "channel"),
        ("INSERT INTO messages SELECT channel, run, 4, at, token, user, connection, id, event, data FROM messages WHERE offset = 3", "messages that were never written"),
        ("UPDATE histories SET last_offset = 2", "messages that were never written"),
        ("INSERT INTO projects VALUES (3, 'Three', 1)", "project"),
        ("INSERT INTO data_keys VALUES (2, 3, x'00')", "project"),
        ("INSERT INTO data_keys VALUES (9, 1, x'00')", "data key"),
        ("INSERT INTO ring_keys VALUES (3, x'00', 1, 1)", "vault"),
        ("INSERT INTO audit SELECT 10, at, project, actor, action, subject, outcome, count, detail, request_id, address, mac FROM audit WHERE sequence = 9", "never written"),
    ]);
}

#[test]
fn what_was_exchanged_is_noticed() {
    let audit = "UPDATE audit SET mac = (SELECT mac FROM audit o WHERE o.sequence = 7 - audit.sequence) WHERE sequence IN (3, 4)";
    Original::new().refuses(&[
        (
            "UPDATE tokens SET sealed = (SELECT o.sealed FROM tokens o WHERE o.id = 23 - tokens.id)",
            "one or more of its 2 records of the kind `token`",
        ),
        // The same content under another kind, and in another project.
        ("DELETE FROM rows WHERE kind = 22; INSERT INTO rows SELECT 22, id + 10, project, revision, sealed FROM tokens", "user"),
        ("UPDATE rows SET project = 2 WHERE kind = 21", "project key"),
        // Whole rows under each other's numbers.
        ("UPDATE rows SET id = -id WHERE kind = 24; UPDATE rows SET id = 23 + id WHERE kind = 24", "auth token"),
        ("UPDATE channels SET id = 'x' WHERE id = 'a'; UPDATE channels SET id = 'a' WHERE id = 'b'; UPDATE channels SET id = 'b' WHERE id = 'x'", "channel"),
        ("UPDATE subscriptions SET channel = 3 - channel WHERE token = 12", "subscription"),
        ("UPDATE subscriptions SET ephemeral = 1 - ephemeral", "subscription"),
        ("UPDATE data_keys SET project = -project; UPDATE data_keys SET project = 3 + project", "project"),
        (audit, "entry 3 was changed"),
    ]);
}

#[test]
fn what_was_put_back_is_noticed() {
    let original = Original::new();
    // Everything as it was before a restart in which one of each was changed or deleted.
    let later = Original(original.copy());
    let store = SqliteStore::open(&file(&later.0)).unwrap();
    observe(&store);
    let writes = vec![
        Write::Update(row(RowKind::Token, 1, 11, 3)),
        Write::Delete(row(RowKind::User, 1, 12, 2).name),
        Write::Delete(token(12).name),
        Write::Project(Project {
            id: ProjectId::new(2),
            name: "New".into(),
            created_at: UnixMillis(9),
            wrapped_data_keys: vec![(2, vec![2, 2])],
        }),
    ];
    block_on(store.commit(Unit { writes, audit: vec![draft(10, true)] })).unwrap();
    let (a, b) = (channel("a", "{}").id, channel("b", "{}").id);
    let settings = ChannelSettings { presence: true, ..ChannelSettings::default() };
    block_on(store.change_settings(ONE, b.clone(), Capabilities::default(), settings, None)).unwrap();
    // Off and on again, so that it is in its second run.
    let kept = channel("kept", "{}").id;
    for settings in [ChannelSettings::default(), durable(10)] {
        block_on(store.change_settings(ONE, kept.clone(), Capabilities::default(), settings, None)).unwrap();
    }
    block_on(store.delete_subscription(ONE, TokenId::new(11), b, None)).unwrap();
    block_on(store.delete_channel(ONE, a, None)).unwrap();
    block_on(store.close()).unwrap();
    assert_eq!(later.after(|_| {}), None);

    let attached = format!("ATTACH '{}' AS old;", file(&original.0).display());
    let back = |table: &str, condition: &str| {
        format!("{attached} INSERT OR REPLACE INTO {table} SELECT * FROM old.{table} WHERE {condition}")
    };
    let whole = |table: &str| format!("{attached} DELETE FROM {table}; INSERT INTO {table} SELECT * FROM old.{table}");
    let table = [
        (back("tokens", "id = 11"), "token"),
        (back("rows", "kind = 22 AND id = 12"), "user"),
        (back("tokens", "id = 12"), "token"),
        (back("projects", "id = 2"), "project"),
        (back("data_keys", "project = 2"), "project"),
        (back("channels", "id = 'a'"), "channel"),
        (back("channels", "id = 'b'"), "channel"),
        (back("channels", "id = 'kept'"), "channel"),
        (back("subscriptions", "channel = 2"), "subscription"),
        (whole("rows"), "user"),
        (whole("tokens"), "token"),
        (whole("channels"), "channel"),
        (whole("subscriptions"), "subscription"),
        (whole("audit"), "ends at entry 9, and 10 were written"),
        (whole("books"), "project"),
        (format!("{} ; {}", whole("books"), whole("rows").replace(&attached, "")), "project"),
    ];
    later.refuses(&table.each_ref().map(|(sql, expected)| (&**sql, *expected)));
    // The file whole is a backup, and looks like one.
    let tables = [
        "vault",
        "ring_keys",
        "projects",
        "data_keys",
        "rows",
        "tokens",
        "channels",
        "histories",
        "messages",
        "onces",
        "subscriptions",
        "audit",
        "books",
    ];
    let all: Vec<_> = tables.map(|table| whole(table).replace(&attached, "")).into();
    assert_eq!(later.after(|db| db.execute_batch(&format!("{attached} {}", all.join(";"))).unwrap()), None);
}

#[test]
fn the_audit_log_cannot_be_cut_or_rewritten() {
    let renumbered = "DELETE FROM audit WHERE sequence = 4; UPDATE audit SET sequence = -sequence WHERE sequence > 4; UPDATE audit SET sequence = -sequence - 1 WHERE sequence < 0";
    Original::new().refuses(&[
        ("DELETE FROM audit WHERE sequence = 1", "entry 1 is missing"),
        ("DELETE FROM audit WHERE sequence = 4", "entry 4 is missing"),
        ("DELETE FROM audit WHERE sequence = 9", "ends at entry 8, and 9 were written"),
        ("DELETE FROM audit", "ends at entry 0, and 9 were written"),
        (renumbered, "entry 4 was changed"),
        ("UPDATE audit SET sequence = 0 WHERE sequence = 1", "entry 1 is missing"),
        ("INSERT INTO audit SELECT 0, at, project, actor, action, subject, outcome, count, detail, request_id, address, mac FROM audit WHERE sequence = 1", "0 stands in its place"),
        ("UPDATE audit SET actor = 'operator' WHERE sequence = 9", "entry 9 was changed"),
        ("UPDATE audit SET outcome = 'unknown' WHERE sequence = 5", "entry 5 was changed"),
    ]);
    // After pruning, too.
    let original = Original::new();
    let store = SqliteStore::open(&file(&original.0)).unwrap();
    observe(&store);
    block_on(store.prune_audit(UnixMillis(4), 100)).unwrap();
    block_on(store.close()).unwrap();
    assert_eq!(original.after(|_| {}), None);
    original.refuses(&[
        ("DELETE FROM audit WHERE sequence = 4", "entry 4 is missing"),
        ("DELETE FROM audit", "ends at entry 3, and 9 were written"),
    ]);
}

#[test]
fn pruning_takes_no_evidence_with_it() {
    for tamper in [
        "UPDATE audit SET actor = 'operator' WHERE sequence = 2",
        "DELETE FROM audit WHERE sequence = 1",
        "DELETE FROM audit WHERE sequence = 2",
    ] {
        let original = Original::new();
        raw(&original.0).execute_batch(tamper).unwrap();
        let store = SqliteStore::open(&file(&original.0)).unwrap();
        observe(&store);
        let pruned = block_on(store.prune_audit(UnixMillis(4), 100));
        assert!(matches!(&pruned, Err(StoreError::Damaged(what)) if what.contains("pruned")), "{tamper}: {pruned:?}");
        assert!(block_on(store.verify_audit()).unwrap().is_err(), "{tamper}");
    }
}

#[test]
fn a_log_that_was_cut_goes_on_and_still_shows_it() {
    let original = Original::new();
    raw(&original.0).execute_batch("DELETE FROM audit WHERE sequence > 7").unwrap();
    let store = SqliteStore::open(&file(&original.0)).unwrap();
    observe(&store);
    block_on(store.commit(Unit { writes: vec![], audit: vec![draft(10, true)] })).unwrap();
    let broken = block_on(store.verify_audit()).unwrap().unwrap_err();
    assert_eq!(broken.to_string(), "entry 8 is missing: 10 stands in its place");
}

#[test]
fn the_books_cannot_be_written_or_done_without() {
    let original = Original::new();
    original.refuses(&[
        ("DELETE FROM books", "books are gone"),
        ("UPDATE books SET mac = zeroblob(32)", "books were changed"),
        ("UPDATE books SET mac = x''", "books were changed"),
        ("UPDATE books SET content = x''", "books were changed"),
        // A new store has none, and it has nothing else either.
        ("DELETE FROM books; DELETE FROM rows; DELETE FROM audit", "books are gone"),
        ("DELETE FROM books; DELETE FROM projects; DELETE FROM data_keys; DELETE FROM rows; DELETE FROM tokens; DELETE FROM channels; DELETE FROM subscriptions; DELETE FROM vault; DELETE FROM ring_keys", "books are gone"),
    ]);
    let other = Original::new();
    let store = SqliteStore::open(&file(&other.0)).unwrap();
    observe(&store);
    block_on(store.commit(Unit { writes: vec![Write::Delete(token(12).name)], audit: vec![] })).unwrap();
    block_on(store.close()).unwrap();
    let attached =
        format!("ATTACH '{}' AS other; REPLACE INTO books SELECT * FROM other.books", file(&other.0).display());
    original.refuses(&[(&attached, "token")]);
}

#[test]
fn planted_triggers_do_nothing() {
    let original = Original::new();
    raw(&original.0)
        .execute_batch("CREATE TRIGGER planted AFTER INSERT ON rows BEGIN DELETE FROM audit; DELETE FROM rows; END")
        .unwrap();
    let store = SqliteStore::open(&file(&original.0)).unwrap();
    observe(&store);
    block_on(super::insert_token(&store, token(13), &[])).unwrap();
    block_on(store.close()).unwrap();
    assert_eq!(original.after(|_| {}), None);
}
