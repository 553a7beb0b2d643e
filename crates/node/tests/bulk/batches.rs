//! Batches: outcomes in order, one unit of work, one audit entry for each that was done.

use tollgate_core::clock::UnixMillis;
use tollgate_core::error::ErrorKind;
use tollgate_core::ids::ChannelId;
use tollgate_node::{BatchAction, BatchEntry, BatchRequest, EntryOutcome, NewToken};

use super::support::{Bench, block_on, named};

fn good() -> BatchEntry {
    BatchEntry::Create(Box::default())
}

fn bad() -> BatchEntry {
    BatchEntry::Create(Box::new(NewToken { expires_at: Some(UnixMillis(1)), ..NewToken::default() }))
}

fn codes(outcomes: &[EntryOutcome]) -> Vec<&str> {
    let code = |outcome: &'_ EntryOutcome| match outcome {
        EntryOutcome::Secret { .. } => "secret",
        EntryOutcome::Done { .. } => "done",
        EntryOutcome::Inactive { .. } => "inactive",
        EntryOutcome::Refused { code, .. } => {
            ErrorKind::ALL.iter().find(|kind| kind.code() == code).map_or("?", |kind| kind.code())
        }
    };
    outcomes.iter().map(code).collect()
}

#[test]
fn a_bad_entry_spoils_no_other_unless_asked_to() {
    let bench = Bench::new();
    let missing = NewToken { channels: vec![ChannelId::new("nowhere").unwrap()], ..NewToken::default() };
    let entries = vec![good(), bad(), BatchEntry::Create(Box::new(missing)), good()];
    let outcomes = bench.batch(BatchAction::Create, entries.clone());
    assert_eq!(codes(&outcomes), ["secret", "invalid_input", "not_found", "secret"]);
    assert_eq!(bench.audit("token.create").len(), 2);
    let request = BatchRequest { action: BatchAction::Create, atomic: true, entries };
    let refused = block_on(bench.node.batch(&bench.key, &request)).unwrap_err();
    assert!(refused.kind == ErrorKind::InvalidInput && refused.detail.starts_with("Entry 1: "), "{refused}");
    assert_eq!(bench.audit("token.create").len(), 2, "nothing was done");
}

#[test]
fn rotating_revoking_and_asking() {
    let bench = Bench::new();
    let ((a, a_secret), (b, b_secret)) = (bench.token(), bench.token());
    let request = BatchRequest {
        action: BatchAction::Rotate,
        atomic: false,
        entries: vec![named(&a_secret), named("tgt_nothing"), named(&a.to_string())],
    };
    let results = block_on(bench.node.batch(&bench.key, &request)).unwrap();
    let new = results[0].secret.as_ref().unwrap().expose(tollgate_core::credentials::TokenSpelling::Native).to_string();
    let outcomes: Vec<_> = results.into_iter().map(|result| result.outcome).collect();
    assert_eq!(outcomes[0], EntryOutcome::Secret { token: a, generation: 2 });
    assert_eq!(codes(&outcomes), ["secret", "not_found", "invalid_input"], "a token is named once");
    assert_eq!((bench.refusal(&a_secret), bench.refusal(&new)), (None, None), "the old secret has its grace");
    bench.clock.advance(60_000);
    assert_eq!((bench.refusal(&a_secret).as_deref(), bench.refusal(&new)), (Some("token_rotated"), None));
    let outcomes = bench.batch(BatchAction::Revoke, vec![named(&b.to_string()), named(&a_secret)]);
    assert_eq!(codes(&outcomes), ["done", "not_found"], "a secret that was replaced names nothing");
    assert_eq!(bench.refusal(&b_secret).as_deref(), Some("token_revoked"));
    assert_eq!(codes(&bench.batch(BatchAction::Rotate, vec![named(&b.to_string())])), ["wrong_state"]);
    assert_eq!((bench.audit("token.rotate").len(), bench.audit("token.revoke").len()), (1, 1));
}

#[test]
fn a_batch_is_bounded() {
    let bench = Bench::new();
    for (entries, kind) in [(0, ErrorKind::InvalidInput), (1_001, ErrorKind::LimitReached)] {
        let request = BatchRequest { action: BatchAction::Create, atomic: false, entries: vec![good(); entries] };
        assert_eq!(block_on(bench.node.batch(&bench.key, &request)).unwrap_err().kind, kind);
    }
    let channels: Vec<ChannelId> = (0..100).map(|n| ChannelId::new(&format!("c{n}")).unwrap()).collect();
    for id in &channels {
        let new = tollgate_node::NewChannel {
            id: Some(id.clone()),
            kind: tollgate_core::model::ChannelType::Private,
            state: tollgate_core::json::JsonObject::empty(),
            capabilities: tollgate_core::model::Capabilities::default(),
            settings: tollgate_core::model::ChannelSettings::default(),
        };
        block_on(bench.node.create_channel(&bench.key, new)).unwrap();
    }
    let wide = BatchEntry::Create(Box::new(NewToken { channels, ..NewToken::default() }));
    let outcomes = bench.batch(BatchAction::Create, vec![wide; 100]);
    let refused = outcomes.iter().position(|outcome| !outcome.is_done()).unwrap();
    assert_eq!((refused, codes(&outcomes[refused..])), (90, vec!["limit_reached"; 10]));
}

#[test]
fn each_entry_counts_in_the_limits_that_a_project_has_set() {
    let bench = Bench::new();
    let bucket = tollgate_core::records::Bucket { burst: 5, per_second: 1.0 };
    let limit = |settings: &mut tollgate_core::records::SettingsRecord| {
        settings.limits.mint_per_key = Some(bucket);
        Ok(())
    };
    block_on(bench.node.change_settings(&bench.key, &limit)).unwrap();
    let make = |count| {
        let request = BatchRequest { action: BatchAction::Create, atomic: false, entries: vec![good(); count] };
        block_on(bench.node.batch(&bench.key, &request))
    };
    assert!(make(4).is_ok());
    assert_eq!(make(2).unwrap_err().kind, ErrorKind::RateLimited);
    assert!(make(1).is_ok(), "what was refused took nothing");
}
