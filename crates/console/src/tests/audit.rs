//! The audit log taken along, and proven as a work.

use tollgate_core::ids::{ChannelId, OperatorId};
use tollgate_core::json::JsonObject;
use tollgate_core::model::{Capabilities, ChannelSettings, ChannelType};
use tollgate_core::ports::store::AuditQuery;
use tollgate_node::NewChannel;

use super::bulk::ended;
use super::*;
use crate::works::{About, Far};

/// Makes a channel, which leaves an entry of this caller's.
pub(super) async fn channel(place: &Place, caller: &Caller, number: usize) {
    let new = NewChannel {
        id: Some(ChannelId::new(&format!("room{number}")).unwrap()),
        kind: ChannelType::Private,
        state: JsonObject::empty(),
        capabilities: Capabilities::default(),
        settings: ChannelSettings::default(),
    };
    place.node.create_channel(caller, new).await.unwrap();
}

async fn channels(place: &Place, count: usize) {
    let caller = Caller::ProjectOperator { project: place.project };
    for number in 0..count {
        channel(place, &caller, number).await;
    }
}

#[tokio::test]
async fn an_export_is_all_that_the_filters_fit_oldest_first() {
    let place = Place::open().await;
    let (viewer, owner) = (place.sign_in(Role::Viewer), place.sign_in(Role::Owner));
    // More than are in memory at once.
    channels(&place, 2_001).await;
    let path = place.at("/audit/export");
    let all = place.post(&viewer, &path, "what=channel.&who=&on=&outcome=&since=&until=").await;
    assert_eq!((all.status, all.headers["content-type"].to_str().unwrap()), (200, "application/x-ndjson"));
    let kept = all.headers["content-disposition"].to_str().unwrap();
    let named = format!("attachment; filename=\"tollgate-audit-{}-2026-11-22.jsonl\"", place.project);
    assert_eq!(kept, named);
    assert!(!all.headers.contains_key("content-length") && all.headers["cache-control"] == "no-store");
    let lines: Vec<&str> = all.text.lines().collect();
    assert_eq!(lines.len(), 2_001);
    for (number, line) in lines.iter().enumerate() {
        assert!(line.ends_with(&format!(" channel.create room{number}")), "{number}: {line}");
    }
    let one = place.post(&viewer, &path, "on=room7").await.text;
    assert!(one.lines().count() == 1 && one.contains(" room7\n"), "{one}");
    assert_eq!(place.post(&viewer, &path, "on=%3Cscript%3E").await.text, "");
    // The page's own form has what the page shows.
    let page = place.get(&viewer, &place.at("/audit?what=channel.&on=room7")).await.text;
    let form = page.split("/audit/export\"").nth(1).unwrap().split("</form>").next().unwrap();
    for field in ["name=\"what\" value=\"channel.\"", "name=\"on\" value=\"room7\"", "name=\"who\" value=\"\""] {
        assert!(form.contains(field), "{field}: {form}");
    }
    // What is of the whole server is for owners, and in no project's export.
    assert!(!place.post(&viewer, &path, "").await.text.contains("operator."));
    assert_eq!(place.post(&viewer, "/console/server/audit/export", "").await.status, 403);
    let whole = place.post(&owner, "/console/server/audit/export", "what=operator.").await;
    assert!(whole.text.contains("operator.accept") && !whole.text.contains("channel."), "{}", whole.text);
    assert!(whole.headers["content-disposition"].to_str().unwrap().contains("tollgate-audit-server-"));
    let query = AuditQuery { action: Some("audit".to_owned()), limit: 9, ..AuditQuery::default() };
    assert_eq!(place.node.audit(&Caller::Operator, query).await.unwrap(), [], "reading leaves no entry");
}

#[tokio::test]
async fn a_chain_is_proven_as_a_work_and_a_break_is_an_alarm() {
    let place = Place::open().await;
    channels(&place, 250).await;
    let (viewer, owner) = (place.sign_in(Role::Viewer), place.sign_in(Role::Owner));
    for (browser, path) in [(&viewer, place.at("/audit")), (&owner, "/console/server/audit".to_owned())] {
        let begun = place.post(browser, &format!("{path}/verify"), "").await;
        let works = path.replace("/audit", "/works/");
        assert!(begun.status == 303 && begun.location().starts_with(&works), "{}", begun.location());
        let done = ended(&place, browser, begun.location()).await;
        for said in ["<h2>Done</h2>", "<dt>Intact</dt>", "Its end, to be kept elsewhere", &format!("href=\"{path}\"")] {
            assert!(done.status == 200 && done.text.contains(said), "{said}: {}", done.text);
        }
        assert!(!done.text.contains(", and in the <a"), "a proof leaves no entry: {}", done.text);
    }
    assert_eq!(place.post(&viewer, "/console/server/audit/verify", "").await.status, 403);
    assert!(place.store.tamper_with_audit(100));
    for (browser, path) in [(&viewer, place.at("/audit")), (&owner, "/console/server/audit".to_owned())] {
        let begun = place.post(browser, &format!("{path}/verify"), "").await;
        let alarm = ended(&place, browser, begun.location()).await.text;
        assert!(
            alarm.contains("<h2>Not intact</h2>") && alarm.contains("class=\"note bad\" role=\"alert\""),
            "{alarm}"
        );
        assert!(alarm.contains("entry 100 was changed") && !alarm.contains("It is done"), "{alarm}");
        // The one of another operator is not found.
        let other = if std::ptr::eq(browser, &viewer) { &owner } else { &viewer };
        assert!([403, 404].contains(&place.get(other, begun.location()).await.status));
    }
}

#[tokio::test]
async fn a_work_that_counts_by_itself_says_how_far_it_is() {
    let place = Place::open().await;
    let owner = place.sign_in(Role::Owner);
    let operator: OperatorId = place.people[2].operator;
    let (what, on) = ("Counting", String::new());
    let about = About { operator, project: Some(place.project), what, on, counts: false };
    let (far, clock): (_, Arc<dyn Clock>) = (Arc::new(Far::default()), place.clock.clone());
    let house = place.console.house();
    let number = house.works().begin_telling(about, Arc::clone(&far), &clock, std::future::pending()).unwrap();
    let path = place.at(&format!("/works/{number}"));
    assert!(place.get(&owner, &path).await.text.contains("At work for"));
    far.tell(1_200, 5_000);
    let text = place.get(&owner, &path).await.text;
    assert!(text.contains("1,200 of 5,000") && text.contains("value=\"1200\" max=\"5000\""), "{text}");
    // What came since is not counted above the whole.
    far.tell(9, 5);
    assert!(place.get(&owner, &path).await.text.contains("5 of 5"));
}
