//! The house: kept like a project, and found by nobody.

use tollgate_core::authorize::Caller;
use tollgate_core::error::ErrorKind;
use tollgate_core::ids::ProjectId;
use tollgate_core::records::SettingsRecord;
use tollgate_core::roles::Role;

use super::bench::{Bench, PASSWORD, block_on, kind};

#[test]
fn the_house_is_no_project_that_anybody_finds() {
    let bench = Bench::new();
    bench.owner();
    assert_eq!(bench.node.projects(&Caller::Operator).unwrap().len(), 2);
    let inside = Caller::ProjectOperator { project: ProjectId::HOUSE };
    for refused in [
        bench.node.this_project(&inside).map(drop),
        bench.node.settings(&inside).map(drop),
        block_on(bench.node.create_key(&Caller::Operator, ProjectId::HOUSE, Default::default())).map(drop),
        bench.node.keys(&Caller::Operator, Some(ProjectId::HOUSE)).map(drop),
    ] {
        assert_eq!(kind(refused), ErrorKind::NotFound);
    }
    let person = bench.node.person(bench.node.operators(&Caller::Operator).unwrap()[0].id, Some(ProjectId::HOUSE));
    assert_eq!(kind(bench.node.this_project(&person.unwrap())), ErrorKind::NotFound);
}

#[test]
fn its_keys_are_turned_over_with_the_others() {
    let mut bench = Bench::new();
    bench.owner();
    let bo = bench.operator("bo", Role::Viewer);
    block_on(bench.node.link_operator(&Caller::Operator, bo)).unwrap();
    assert_eq!(block_on(bench.node.rotate_data_keys(&Caller::Operator)).unwrap(), 2, "projects are counted");
    let house = |bench: &Bench| {
        let status = block_on(bench.node.keyring(&Caller::Operator)).unwrap();
        status.projects.into_iter().find(|one| one.project == "server").unwrap()
    };
    assert_eq!((house(&bench).keys, house(&bench).records_to_reseal), (vec![1, 2], 3));
    block_on(bench.node.reseal()).unwrap();
    assert_eq!((house(&bench).keys, house(&bench).records_to_reseal), (vec![2], 0));
    bench.rotate_master_key();
    bench.restart();
    assert!(bench.sign_in("bo", PASSWORD, "127.0.0.1").is_ok());
    assert!(bench.sign_in("owner", PASSWORD, "127.0.0.1").is_ok());
}

#[test]
fn numbers_go_on_behind_those_of_operators() {
    let mut bench = Bench::new();
    bench.clock.advance(10_000);
    let owner = bench.owner();
    bench.restart();
    let later = bench.operator("bo", Role::Viewer);
    assert!(later > owner);
}

#[test]
fn a_name_outlives_the_keys_that_are_turned_over() {
    let mut bench = Bench::new();
    bench.owner();
    let project = bench.node.projects(&Caller::Operator).unwrap()[0].id;
    let inside = Caller::ProjectOperator { project };
    let named = |bench: &Bench| bench.node.this_project(&inside).unwrap().name;
    let keep = |_: &mut SettingsRecord| Ok(());
    block_on(bench.node.rotate_data_keys(&Caller::Operator)).unwrap();
    block_on(bench.node.change_project(&inside, Some("Shop"), &keep)).unwrap();
    assert_eq!(named(&bench), "Shop");
    let keys = block_on(bench.node.keyring(&Caller::Operator)).unwrap().projects;
    assert_eq!(keys.iter().find(|one| one.project == project.to_string()).unwrap().keys, [1, 2], "none is lost");
    block_on(bench.node.rotate_data_keys(&Caller::Operator)).unwrap();
    bench.rotate_master_key();
    bench.restart();
    assert_eq!(named(&bench), "Shop");
    // Both or neither: what the settings refuse changes no name.
    let wrong = |settings: &mut SettingsRecord| {
        settings.user_id_chars_max = Some(0);
        Ok(())
    };
    assert_eq!(kind(block_on(bench.node.change_project(&inside, Some("Other"), &wrong))), ErrorKind::InvalidInput);
    for name in ["", " ", "a\nb", &"é".repeat(128)] {
        assert_eq!(kind(block_on(bench.node.change_project(&inside, Some(name), &keep))), ErrorKind::InvalidInput);
    }
    assert_eq!(named(&bench), "Shop");
}
