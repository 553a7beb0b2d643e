//! What operators may do, and what may be done to them.

use tollgate_core::authorize::Caller;
use tollgate_core::error::ErrorKind;
use tollgate_core::ids::{ChannelId, OperatorId};
use tollgate_core::json::JsonObject;
use tollgate_core::model::{Capabilities, ChannelSettings, ChannelType};
use tollgate_core::ports::store::AuditQuery;
use tollgate_core::records::JobStatus;
use tollgate_core::roles::Role;
use tollgate_node::{BatchAction, BatchEntry, NewChannel, NewToken, OperatorUpdate, Page};

use super::bench::{Bench, PASSWORD, block_on, kind, secret};

fn role(role: Role) -> OperatorUpdate {
    OperatorUpdate { role: Some(role), ..OperatorUpdate::default() }
}

fn disabled(disabled: bool) -> OperatorUpdate {
    OperatorUpdate { disabled: Some(disabled), ..OperatorUpdate::default() }
}

#[test]
fn the_last_owner_stays_and_nobody_changes_oneself() {
    let bench = Bench::new();
    let (ada, bo) = (bench.owner(), bench.operator("bo", Role::Editor));
    let (as_ada, machine) = (bench.person(ada, None), Caller::Operator);
    let change = |caller: &Caller, who, update| block_on(bench.node.change_operator(caller, who, update));
    for refused in [
        change(&machine, ada, role(Role::Editor)).map(drop),
        change(&machine, ada, disabled(true)).map(drop),
        block_on(bench.node.delete_operator(&machine, ada)),
        change(&as_ada, ada, role(Role::Owner)).map(drop),
        block_on(bench.node.delete_operator(&as_ada, ada)),
    ] {
        assert_eq!(kind(refused), ErrorKind::WrongState);
    }
    // One that was invited and never came is no owner to rely on.
    let new = tollgate_node::NewOperator { name: "cy".into(), role: Role::Owner };
    block_on(bench.node.invite_operator(&machine, new)).unwrap();
    assert_eq!(kind(change(&machine, ada, role(Role::Viewer))), ErrorKind::WrongState);
    change(&as_ada, bo, role(Role::Owner)).unwrap();
    change(&bench.person(bo, None), ada, role(Role::Viewer)).unwrap();
    assert_eq!(kind(block_on(bench.node.delete_operator(&machine, bo))), ErrorKind::WrongState);
    assert_eq!(kind(change(&machine, OperatorId::new(1), role(Role::Viewer))), ErrorKind::NotFound);
}

#[test]
fn only_owners_see_and_change_operators() {
    let bench = Bench::new();
    let ada = bench.owner();
    for (name, held) in [("vi", Role::Viewer), ("ed", Role::Editor)] {
        let id = bench.operator(name, held);
        for caller in [bench.person(id, None), bench.person(id, Some(0)), bench.person(ada, Some(0)), bench.keys[0]] {
            let new = tollgate_node::NewOperator { name: "eve".into(), role: Role::Viewer };
            for refused in [
                bench.node.operators(&caller).map(drop),
                block_on(bench.node.invite_operator(&caller, new)).map(drop),
                block_on(bench.node.link_operator(&caller, ada)).map(drop),
                block_on(bench.node.change_operator(&caller, ada, role(Role::Viewer))).map(drop),
                block_on(bench.node.delete_operator(&caller, ada)),
            ] {
                assert_eq!(kind(refused), ErrorKind::Forbidden, "{caller:?}");
            }
        }
        assert_eq!(bench.node.this_operator(&bench.person(id, Some(0))).unwrap().name, name);
    }
    assert_eq!(bench.node.operators(&bench.person(ada, None)).unwrap().len(), 3);
}

#[test]
fn a_change_holds_at_once_and_ends_sessions() {
    let bench = Bench::new();
    bench.owner();
    let bo = bench.operator("bo", Role::Viewer);
    let keys = |caller: &Caller| bench.node.project_keys(caller).is_ok();
    let session = || bench.sign_in("bo", PASSWORD, "127.0.0.1").unwrap();
    let begun = session();
    assert!(keys(&bench.person(bo, Some(0))) && bench.node.signed_in(begun));
    // The same once more changes nothing.
    block_on(bench.node.change_operator(&Caller::Operator, bo, role(Role::Viewer))).unwrap();
    assert!(bench.node.signed_in(begun));
    block_on(bench.node.change_operator(&Caller::Operator, bo, role(Role::Editor))).unwrap();
    assert!(!bench.node.signed_in(begun));
    assert!(matches!(bench.person(bo, None), Caller::Person { role: Role::Editor, .. }));
    let begun = session();
    block_on(bench.node.change_operator(&Caller::Operator, bo, disabled(true))).unwrap();
    assert!(bench.node.person(bo, None).is_none() && !bench.node.signed_in(begun));
    assert_eq!(kind(bench.sign_in("bo", PASSWORD, "127.0.0.1")), ErrorKind::InvalidAuth);
    block_on(bench.node.change_operator(&Caller::Operator, bo, disabled(false))).unwrap();
    assert!(!bench.node.signed_in(begun), "what was over does not come back");
    let begun = session();
    block_on(bench.node.delete_operator(&Caller::Operator, bo)).unwrap();
    assert!(bench.node.person(bo, None).is_none() && !bench.node.signed_in(begun));
    assert_eq!(kind(bench.sign_in("bo", PASSWORD, "127.0.0.1")), ErrorKind::InvalidAuth);
}

#[test]
fn a_person_at_work_on_one_project_finds_nothing_of_another() {
    let bench = Bench::new();
    let here = bench.person(bench.owner(), Some(0));
    let room = ChannelId::new("room").unwrap();
    let new = NewChannel {
        id: Some(room.clone()),
        kind: ChannelType::Private,
        state: JsonObject::empty(),
        capabilities: Capabilities::default(),
        settings: ChannelSettings::default(),
    };
    block_on(bench.node.create_channel(&bench.keys[1], new)).unwrap();
    let token = block_on(bench.node.create_token(&bench.keys[1], NewToken::default())).unwrap();
    let id = secret(&token.id.to_string());
    let Caller::ProjectKey { key, .. } = bench.keys[1] else { panic!("no key") };
    for refused in [
        bench.node.channel(&here, &room).map(drop),
        bench.node.token_detail(&here, &id).map(drop),
        bench.node.project_key(&here, key).map(drop),
        block_on(bench.node.delete_channel(&here, &room)),
        block_on(bench.node.delete_token(&here, &id)),
    ] {
        assert_eq!(kind(refused), ErrorKind::NotFound);
    }
    assert!(bench.node.token_page(&here, &Default::default(), None, 10).unwrap().tokens.is_empty());
    let query = AuditQuery { project: Some(bench.projects[1]), limit: 100, ..AuditQuery::default() };
    let told = block_on(bench.node.audit(&here, query)).unwrap();
    assert!(!told.is_empty() && told.iter().all(|entry| entry.draft.project == Some(bench.projects[0])));
    // Secrets are spelled for nobody who signed in.
    assert_eq!(kind(bench.node.tokens(&here, Page::ALL)), ErrorKind::Forbidden);
}

#[test]
fn the_audit_log_of_the_whole_server_is_the_owners() {
    let bench = Bench::new();
    let (ada, vi) = (bench.owner(), bench.operator("vi", Role::Viewer));
    let ask = |caller: &Caller| block_on(bench.node.audit(caller, AuditQuery { limit: 100, ..AuditQuery::default() }));
    assert!(ask(&bench.person(ada, None)).unwrap().iter().any(|entry| entry.draft.project.is_none()));
    assert_eq!(kind(ask(&bench.person(vi, None))), ErrorKind::Forbidden);
    assert!(ask(&bench.person(vi, Some(0))).is_ok());
}

#[test]
fn a_job_runs_with_what_its_operator_may_do_now() {
    let bench = Bench::new();
    bench.owner();
    let bo = bench.operator("bo", Role::Editor);
    let submit = || {
        let entries = vec![BatchEntry::Create(Box::default()); 3];
        block_on(bench.node.create_whole_job(&bench.person(bo, Some(0)), BatchAction::Create, entries)).unwrap().id
    };
    let ended = |job| {
        while block_on(bench.node.work_on_jobs()) {}
        let record = bench.node.job(&bench.keys[0], job).unwrap().record;
        (record.status, record.succeeded, record.failure.clone())
    };
    let done = submit();
    assert_eq!(ended(done), (JobStatus::Finished, 3, None));
    let job = submit();
    block_on(bench.node.change_operator(&Caller::Operator, bo, role(Role::Viewer))).unwrap();
    let (status, made, why) = ended(job);
    assert_eq!((status, made), (JobStatus::Failed, 0));
    assert!(why.as_ref().is_some_and(|why| why.contains("(viewer)")), "{why:?}");
    block_on(bench.node.change_operator(&Caller::Operator, bo, role(Role::Editor))).unwrap();
    let job = submit();
    block_on(bench.node.delete_operator(&Caller::Operator, bo)).unwrap();
    let why = "The operator who submitted it is gone, or was disabled.".to_owned();
    assert_eq!(ended(job), (JobStatus::Failed, 0, Some(why)));
}
