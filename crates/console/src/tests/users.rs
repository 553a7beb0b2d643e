//! A user's page: what is done to all of it at once, whatever its id is.

use std::time::Duration;

use tollgate_node::{NewToken, NewUser, UserOfToken, UserUpdate};

use super::*;
use crate::words;

const HOSTILE: &str = "\"><script>alert(1)</script>";

fn backend(place: &Place) -> Caller {
    Caller::ProjectOperator { project: place.project }
}

async fn user(place: &Place, id: &str, tokens: usize) {
    let new = NewUser { user_id: id.to_owned(), ..NewUser::default() };
    place.node.create_user(&backend(place), new).await.unwrap();
    for _ in 0..tokens {
        let user = Some(UserOfToken { user_id: id.to_owned(), display_name: None });
        place.node.issue_token(&backend(place), NewToken { user, ..NewToken::default() }, None).await.unwrap();
    }
}

fn working(place: &Place, id: &str) -> usize {
    place.node.user(&backend(place), id).unwrap().tokens
}

#[tokio::test]
async fn every_id_has_a_page_and_is_text_there() {
    let place = Place::open().await;
    let editor = place.sign_in(Role::Editor);
    for id in [".", "..", "~", "~..", "%2e%2e", "a/b", "../../x", "é🦀", HOSTILE, "?a=b#c", "\\..\\x", "a b"] {
        user(&place, id, 1).await;
        let path = place.at(&format!("/users/{}", words::segment(id)));
        let list = place.get(&editor, &place.at(&format!("/users?prefix={}", words::path(id)))).await.text;
        assert!(list.contains(&format!("href=\"{path}\"")), "{id}: {list}");
        let page = place.get(&editor, &path).await;
        assert_eq!((page.status, page.text.contains("<script>alert")), (200, false), "{id}");
        for below in ["/revoke", "/ban", "/delete"] {
            let asked = place.get(&editor, &format!("{path}{below}")).await;
            assert!(asked.status == 200 && asked.text.contains("This ends 1 token and closes 0 connections."), "{id}");
            assert!(!asked.text.contains("<script>alert"));
        }
        let sent = place.post(&editor, &format!("{path}/message"), "event=hello&data=%7B%7D").await;
        assert_eq!(sent.location(), format!("{path}?done=sent&to=0&kept=0"), "{id} {}", sent.text);
        let saved = place.post(&editor, &format!("{path}/revoke"), "how=revoke").await;
        assert_eq!((saved.location(), working(&place, id)), (&*format!("{path}?done=revoked_all"), 0), "{id}");
        let gone = place.post(&editor, &format!("{path}/delete"), "how=delete").await;
        assert!(gone.location().ends_with("/users?done=deleted"), "{id} {}", gone.text);
        assert_eq!(place.get(&editor, &path).await.status, 404, "{id}");
    }
}

#[tokio::test]
async fn notes_are_changed_only_where_they_differ_and_nobody_is_written_over() {
    let place = Place::open().await;
    user(&place, "ann", 0).await;
    let (editor, path) = (place.sign_in(Role::Editor), place.at("/users/ann"));
    let began =
        |page: &str| page.split("name=\"began\" value=\"").nth(1).unwrap().split('"').next().unwrap().to_owned();
    let there = || place.node.user(&backend(&place), "ann").unwrap();
    let first = began(&place.get(&editor, &path).await.text);
    let same = place.post(&editor, &path, &format!("display_name=&attributes=&began={first}")).await;
    assert_eq!((same.location(), there().updated_at), (&*format!("{path}?done=same"), there().created_at));
    place.clock.advance(1);
    // Their number keeps its digits, which is what a copy by way of a tree would lose.
    let attributes = words::path("{\"n\": 1.50, \"z\": null}");
    let saved = place.post(&editor, &path, &format!("attributes={attributes}&began={first}")).await;
    assert_eq!(saved.location(), format!("{path}?done=saved"), "{}", saved.text);
    assert_eq!(there().attributes.unwrap().as_str(), r#"{"n":1.50,"z":null}"#);
    let second = began(&place.get(&editor, &path).await.text);
    let theirs = UserUpdate { display_name: Some(Some(HOSTILE.to_owned())), attributes: None };
    place.node.change_user(&backend(&place), "ann", theirs).await.unwrap();
    let mine = format!("display_name=mine&attributes={attributes}");
    let conflict = place.post(&editor, &path, &format!("{mine}&began={second}")).await;
    assert_eq!((conflict.status, conflict.text.contains("Somebody was faster")), (409, true), "{}", conflict.text);
    assert!(!conflict.text.contains("<script>alert") && conflict.text.contains("value=\"mine\""));
    assert_eq!(there().display_name.as_deref(), Some(HOSTILE));
    let over = place.post(&editor, &path, &format!("{mine}&began={}", began(&conflict.text))).await;
    assert_eq!((over.status, there().display_name.as_deref()), (303, Some("mine")), "{}", over.text);
    let long = "x".repeat(101);
    for (fields, field) in [
        (format!("display_name={long}"), "display_name"),
        ("attributes=%5B1%5D".to_owned(), "attributes"),
        (format!("attributes=%7B%22a%22%3A%22{}%22%7D", "x".repeat(9_000)), "attributes"),
    ] {
        let wrong =
            place.post(&editor, &path, &format!("{fields}&began={}", began(&over_page(&place, &editor).await))).await;
        let beside = wrong.text.contains(&format!("id=\"{field}-wrong\""));
        assert!(matches!(wrong.status, 413 | 422) && beside, "{field} {}: {}", wrong.status, wrong.text);
    }
    for (fields, field) in [("event=&data=1", "event"), ("event=x&data=%7B", "data")] {
        let wrong = place.post(&editor, &format!("{path}/message"), fields).await;
        assert_eq!(
            (wrong.status, wrong.text.contains(&format!("id=\"{field}-wrong\""))),
            (422, true),
            "{}",
            wrong.text
        );
        assert!(wrong.text.contains("value=\"mine\""), "what is noted of it is still there");
    }
}

async fn over_page(place: &Place, browser: &Browser) -> String {
    place.get(browser, &place.at("/users/ann")).await.text
}

#[tokio::test]
async fn a_banned_user_gets_no_token_until_it_is_let_in_again() {
    let place = Place::open().await;
    user(&place, "ann", 2).await;
    let (editor, path) = (place.sign_in(Role::Editor), place.at("/users/ann"));
    assert!(place.post(&editor, &format!("{path}/ban"), "how=ban").await.location().ends_with("?done=banned"));
    assert_eq!(working(&place, "ann"), 0);
    let page = place.get(&editor, &path).await.text;
    assert!(page.contains(">banned</span>") && page.contains("/unban\"") && !page.contains("/ban\""), "{page}");
    assert!(place.post(&editor, &format!("{path}/unban"), "").await.location().ends_with("?done=unbanned"));
    assert!(place.node.user(&backend(&place), "ann").unwrap().banned_at.is_none());
    let viewer = place.sign_in(Role::Viewer);
    let page = place.get(&viewer, &path).await;
    assert!(page.status == 200 && !page.text.contains("/delete\"") && !page.text.contains("id=\"message\""));
    for below in ["", "/ban", "/unban", "/revoke", "/delete", "/message"] {
        assert_eq!(place.post(&viewer, &format!("{path}{below}"), "").await.status, 403, "{below}");
    }
}

#[tokio::test]
async fn many_tokens_of_a_user_end_as_a_work_that_counts_them() {
    let place = Place::open().await;
    let editor = place.sign_in(Role::Editor);
    for (user_id, below, what) in [("ann", "revoke", "Ending all tokens"), ("bo", "delete", "Deleting a user")] {
        user(&place, user_id, 501).await;
        let path = place.at(&format!("/users/{user_id}"));
        let begun = place.post(&editor, &format!("{path}/{below}"), &format!("how={below}")).await;
        assert!(begun.location().contains("/works/"), "{}", begun.text);
        let waits = async {
            loop {
                let seen = place.get(&editor, begun.location()).await.text;
                if !seen.contains("<h2>At work</h2>") {
                    return seen;
                }
                tokio::task::yield_now().await;
            }
        };
        let done = tokio::time::timeout(Duration::from_secs(120), waits).await.unwrap();
        assert!(done.contains("It is done") && done.contains("501") && done.contains(what), "{done}");
    }
    assert_eq!(working(&place, "ann"), 0);
    assert_eq!(place.get(&editor, &place.at("/users/bo")).await.status, 404);
}
