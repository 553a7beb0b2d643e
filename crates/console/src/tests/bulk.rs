//! What is done to many tokens: ending them by a rule, rehearsed first, and the page of the work.

use std::time::Duration;

use tollgate_core::json::JsonObject;
use tollgate_core::ports::store::AuditQuery;
use tollgate_core::records::TokenTerms;
use tollgate_node::{NewToken, TokenFilter, TokenStatus, UserOfToken};

use super::*;
use crate::words;

async fn tokens_of(place: &Place, user: &str, count: usize) {
    let key = Caller::ProjectOperator { project: place.project };
    for _ in 0..count {
        let user = (!user.is_empty()).then(|| UserOfToken { user_id: user.to_owned(), display_name: None });
        let metadata = JsonObject::parse(br#"{"shop":"a"}"#, 100).unwrap();
        let terms = TokenTerms { metadata: Some(metadata), device: Some("d1".to_owned()), ..TokenTerms::default() };
        place.node.issue_token(&key, NewToken { user, terms, ..NewToken::default() }, None).await.unwrap();
    }
}

fn revoked_of(place: &Place, user: &str) -> usize {
    let key = Caller::ProjectOperator { project: place.project };
    let filter =
        TokenFilter { user_id: Some(user.to_owned()), status: Some(TokenStatus::Revoked), ..TokenFilter::default() };
    place.node.token_page(&key, &filter, None, 100).unwrap().tokens.len()
}

/// The page of a work, when it has ended.
pub(super) async fn ended(place: &Place, browser: &Browser, path: &str) -> Seen {
    let waits = async {
        loop {
            let seen = place.get(browser, path).await;
            if seen.status != 200 || !seen.text.contains("<h2>At work</h2>") {
                return seen;
            }
            assert!(seen.text.contains("<progress") && seen.text.contains("data-live=\"1\""), "{}", seen.text);
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(120), waits).await.unwrap()
}

#[tokio::test]
async fn a_rule_is_rehearsed_and_then_done_and_its_page_says_what_it_came_to() {
    let place = Place::open().await;
    tokens_of(&place, "ann", 23).await;
    tokens_of(&place, "bo", 1).await;
    let (editor, path) = (place.sign_in(Role::Editor), place.at("/tokens/revoke"));
    assert!(place.get(&editor, &place.at("/tokens")).await.text.contains(&format!("href=\"{path}\"")));
    assert!(place.get(&editor, &format!("{path}?user=ann")).await.text.contains("value=\"ann\""));
    for (rule, count) in [
        ("user=ann", "23 tokens"),
        ("user=bo", "1 token"),
        ("device=d1&kind=plain", "24 tokens"),
        ("metadata=%7B%22shop%22%3A%22a%22%7D&user=bo", "1 token"),
        ("issued_before=2030-01-01T00:00", "24 tokens"),
    ] {
        let seen = place.post(&editor, &path, &format!("{rule}&act=rehearse")).await;
        assert!(
            seen.status == 200 && seen.text.contains(&format!("<b id=\"count\">{count}</b>")),
            "{rule}: {}",
            seen.text
        );
    }
    for rule in
        ["user=nobody", "kind=session", "device=d2", "issued_before=2020-01-01T00:00", "channels=x*&operation=publish"]
    {
        let seen = place.post(&editor, &path, &format!("{rule}&act=rehearse")).await;
        assert!(
            seen.text.contains("Nothing would change") && !seen.text.contains("id=\"deed\""),
            "{rule}: {}",
            seen.text
        );
    }
    let rehearsed = place.post(&editor, &path, "user=ann&act=rehearse").await.text;
    assert_eq!(rehearsed.matches("class=\"name mono\"").count(), 20, "{rehearsed}");
    assert!(
        rehearsed.contains("The first 20") && rehearsed.contains("<input type=\"hidden\" name=\"user\" value=\"ann\">")
    );
    assert_eq!((revoked_of(&place, "ann"), revoked_of(&place, "bo")), (0, 0), "a rehearsal changes nothing");

    let begun = place.post(&editor, &path, "user=ann&act=revoke&reason=lost%20phones&grace_ms=0").await;
    assert!(begun.status == 303 && begun.location().starts_with(&place.at("/works/")), "{}", begun.text);
    let done = ended(&place, &editor, begun.location()).await;
    assert!(
        done.text.contains("<dt>Ended by this</dt><dd>23</dd>") && done.text.contains("user: ann"),
        "{}",
        done.text
    );
    assert_eq!((revoked_of(&place, "ann"), revoked_of(&place, "bo")), (23, 0));
    let log = place
        .node
        .audit(
            &Caller::Operator,
            AuditQuery { action: Some("token.revoke".to_owned()), limit: 9, ..AuditQuery::default() },
        )
        .await
        .unwrap();
    assert_eq!(log.len(), 1, "once, and no rehearsal");
    let draft = &log[0].draft;
    assert_eq!((draft.actor.clone(), draft.count), (place.people[1].operator.to_string(), 23));
    assert!(draft.detail.as_deref().unwrap().contains("reason: lost phones"));
    assert!(draft.request_id.as_deref().is_some_and(|id| id.starts_with("con-")), "{draft:?}");

    // The page is its operator's, of this project.
    let owner = place.sign_in(Role::Owner);
    assert_eq!(place.get(&owner, begun.location()).await.status, 404);
    assert_eq!(place.get(&editor, &place.at("/works/x")).await.status, 404);
}

#[tokio::test]
async fn many_tokens_are_ended_in_steps_that_are_seen() {
    let place = Place::open().await;
    tokens_of(&place, "", 2_100).await;
    let (owner, path) = (place.sign_in(Role::Owner), place.at("/tokens/revoke"));
    let begun = place.post(&owner, &path, "all=on&act=revoke&delete=on").await;
    assert_eq!(begun.status, 303);
    let mut far = String::new();
    let waits = async {
        while !far.contains(" of 2,100") {
            far = place.get(&owner, begun.location()).await.text;
            assert!(far.contains("<h2>At work</h2>"), "{far}");
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(120), waits).await.unwrap();
    let done = ended(&place, &owner, begun.location()).await.text;
    assert!(done.contains("<dt>Ended by this</dt><dd>2,100</dd>") && done.contains("Deleting tokens"), "{done}");
    let key = Caller::ProjectOperator { project: place.project };
    assert!(place.node.token_page(&key, &TokenFilter::default(), None, 9).unwrap().tokens.is_empty());
}

#[tokio::test]
async fn a_rule_that_is_wrong_or_not_ones_own_is_refused_beside_its_field() {
    let place = Place::open().await;
    tokens_of(&place, "ann", 1).await;
    let (editor, path) = (place.sign_in(Role::Editor), place.at("/tokens/revoke"));
    let hostile = words::path("\"><script>alert(1)</script>");
    for act in ["rehearse", "revoke"] {
        for (fields, status, said) in [
            (String::new(), 422, "Nothing says which tokens are meant"),
            ("all=on".to_owned(), 403, "for an owner to end"),
            ("kind=x".to_owned(), 422, "Choose one of the kinds"),
            (format!("made_by={hostile}"), 422, "made_by-wrong"),
            ("metadata=%5B%5D".to_owned(), 422, "metadata-wrong"),
            (format!("issued_before={hostile}"), 422, "Write a moment like"),
            ("channels=x&operation=fly".to_owned(), 422, "Choose one of what may be done"),
            ("user=ann&grace_ms=1&delete=on".to_owned(), 422, "Deleting is at once"),
            (format!("user=ann&reason={}", "x".repeat(256)), 422, "reason-wrong"),
        ] {
            let seen = place.post(&editor, &path, &format!("{fields}&act={act}")).await;
            assert!(seen.status == status && seen.text.contains(said), "{act} {fields}: {} {}", seen.status, seen.text);
            assert!(!seen.text.contains("<script>alert"));
        }
    }
    let seen = place.post(&editor, &path, &format!("user={hostile}&act=rehearse")).await;
    assert!(seen.status == 200 && !seen.text.contains("<script>alert"), "{}", seen.text);
    tokens_of(&place, "<script>alert(1)</script>", 1).await;
    let seen = place.post(&editor, &path, "device=d1&act=rehearse").await;
    assert!(
        seen.text.contains("<b id=\"count\">2 tokens</b>") && !seen.text.contains("<script>alert"),
        "{}",
        seen.text
    );
    assert_eq!(revoked_of(&place, "ann"), 0);
    let viewer = place.sign_in(Role::Viewer);
    assert_eq!(place.get(&viewer, &path).await.status, 403);
    assert_eq!(place.post(&viewer, &path, "user=ann&act=revoke").await.status, 403);
}
