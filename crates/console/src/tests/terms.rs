//! Changing what a token may do, from where and how long: only what differs, told before what is lost, and with somebody else at it.

use tollgate_core::grants::{Grant, Operation};
use tollgate_core::ids::ChannelId;
use tollgate_core::json::JsonObject;
use tollgate_core::model::{Capabilities, ChannelSettings, ChannelType};
use tollgate_core::records::TokenTerms;
use tollgate_node::{NewChannel, NewToken, TokenDetail, TokenUpdate};

use super::*;
use crate::words;

fn backend(place: &Place) -> Caller {
    Caller::ProjectOperator { project: place.project }
}

async fn channel(place: &Place, id: &str) {
    let new = NewChannel {
        id: Some(ChannelId::new(id).unwrap()),
        kind: ChannelType::Private,
        state: JsonObject::empty(),
        capabilities: Capabilities::from_bits(0).unwrap(),
        settings: ChannelSettings::default(),
    };
    place.node.create_channel(&backend(place), new).await.unwrap();
}

fn may(channels: &str, operations: &[Operation]) -> Grant {
    Grant { channels: channels.to_owned(), operations: operations.to_vec() }
}

async fn token(place: &Place, terms: TokenTerms, channels: &[&str]) -> String {
    let channels = channels.iter().map(|id| ChannelId::new(id).unwrap()).collect();
    let new = NewToken { terms, channels, ..NewToken::default() };
    place.node.issue_token(&backend(place), new, None).await.unwrap().token.id.to_string()
}

fn detail(place: &Place, id: &str) -> TokenDetail {
    place.node.token_detail(&backend(place), &PresentedSecret::new(id.to_owned())).unwrap()
}

/// The form as a page has it, as it would be sent; some fields otherwise.
fn form(page: &str, other: &[(&str, &str)]) -> String {
    let from = page.split("id=\"terms\"").nth(1).unwrap().split("</form>").next().unwrap();
    let mut fields: Vec<(String, String)> = Vec::new();
    for tag in from.split('<').filter(|tag| tag.starts_with("input") || tag.starts_with("textarea")) {
        let value = |name: &str| {
            let value = tag.split(&format!(" {name}=\"")).nth(1)?.split('"').next()?;
            Some(
                value
                    .replace("&#34;", "\"")
                    .replace("&#38;", "&")
                    .replace("&#60;", "<")
                    .replace("&#62;", ">")
                    .replace("&#39;", "'"),
            )
        };
        let Some(name) = value("name").filter(|name| name != "_csrf") else { continue };
        let is_box = tag.contains("type=\"checkbox\"") || tag.contains("type=\"radio\"");
        if is_box && !tag.contains(" checked") {
            continue;
        }
        let text = if tag.starts_with("textarea") {
            tag.split('>').nth(1).unwrap().replace("&#34;", "\"")
        } else {
            value("value").unwrap_or_default()
        };
        fields.push((name, text));
    }
    fields.push(("life_ms".to_owned(), "keep".to_owned()));
    for (name, text) in other {
        fields.retain(|(one, _)| one != name);
        fields.push(((*name).to_owned(), (*text).to_owned()));
    }
    fields
        .iter()
        .map(|(name, text)| format!("{}={}", words::path(name), words::path(text)))
        .collect::<Vec<_>>()
        .join("&")
}

/// Fields that are filled in otherwise, and what becomes of the terms by it.
type Step = (&'static [(&'static str, &'static str)], fn(&mut TokenTerms));

const HOSTILE: &str = "\"><script>alert(1)</script>";

fn rich() -> TokenTerms {
    TokenTerms {
        grants: Some(vec![
            may("a*", &[Operation::StateRead, Operation::Subscribe]),
            may("b", &[Operation::Publish]),
            may("c", &Operation::ALL),
            may("d", &[Operation::History]),
        ]),
        connections_max: Some(4),
        networks: vec!["10.0.0.0/8".to_owned(), "2001:db8::/32".to_owned()],
        origins: vec!["https://shop.example".to_owned()],
        metadata: Some(JsonObject::parse(br#"{"a":1.50,"b":null,"c":{"d":"x \" y"}}"#, 1_000).unwrap()),
        device: Some("d1".to_owned()),
        name: Some(HOSTILE.to_owned()),
        ..TokenTerms::default()
    }
}

#[tokio::test]
async fn a_form_that_nobody_touched_changes_nothing_and_one_field_changes_one_term() {
    let place = Place::open().await;
    let id = token(&place, rich(), &[]).await;
    let (editor, path) = (place.sign_in(Role::Editor), place.at(&format!("/tokens/{id}/terms")));
    let page = place.get(&editor, &path).await.text;
    assert!(!page.contains("<script>alert"), "{page}");
    let there = detail(&place, &id);
    let same = place.post(&editor, &path, &form(&page, &[])).await;
    assert_eq!((same.status, same.location().ends_with("?done=same")), (303, true), "{}", same.text);
    assert_eq!(detail(&place, &id).revision, there.revision, "nothing was written");
    let mut expected = there.terms.clone();
    let mut revision = there.revision;
    let steps: [Step; 9] = [
        (&[("name", "phone")], |terms| terms.name = Some("phone".to_owned())),
        (&[("name", "")], |terms| terms.name = None),
        (&[("device", "d2")], |terms| terms.device = Some("d2".to_owned())),
        (&[("connections_max", "")], |terms| terms.connections_max = None),
        (&[("networks", "")], |terms| terms.networks = Vec::new()),
        (&[("origins", "https://a.example, https://b.example")], |terms| {
            terms.origins = vec!["https://a.example".to_owned(), "https://b.example".to_owned()];
        }),
        (&[("metadata", "{\"z\": null}")], |terms| {
            terms.metadata = Some(JsonObject::parse(br#"{"z":null}"#, 100).unwrap());
        }),
        (&[("grant_3", "e*"), ("grant_3_publish", "on")], |terms| {
            let grants = terms.grants.as_mut().unwrap();
            // The rows' order of operations is the builder's.
            grants[0].operations.sort_unstable();
            grants[3] = may("e*", &[Operation::Publish, Operation::History]);
        }),
        (&[("metadata", "")], |terms| terms.metadata = None),
    ];
    for (fields, edit) in steps {
        let page = place.get(&editor, &path).await.text;
        let saved = place.post(&editor, &path, &form(&page, fields)).await;
        assert_eq!((saved.status, saved.location().ends_with("?done=saved")), (303, true), "{fields:?} {}", saved.text);
        edit(&mut expected);
        revision += 1;
        let now = detail(&place, &id);
        assert_eq!((&now.terms, now.revision, now.expires_at), (&expected, revision, there.expires_at), "{fields:?}");
    }
    let viewer = place.sign_in(Role::Viewer);
    let seen = place.get(&viewer, &path).await;
    assert!(seen.status == 200 && !seen.text.contains(">Save</button>"));
    assert_eq!(place.post(&viewer, &path, &form(&page, &[("name", "x")])).await.status, 403);
}

#[tokio::test]
async fn an_end_is_moved_and_what_is_wrong_is_said_beside_its_field() {
    let place = Place::open().await;
    let id = token(&place, TokenTerms::default(), &[]).await;
    let (editor, path) = (place.sign_in(Role::Editor), place.at(&format!("/tokens/{id}/terms")));
    let now = place.clock.unix();
    for (fields, ends) in [
        (&[("life_ms", "3600000")][..], Some(now.0 + 3_600_000)),
        (&[("ends_at", "2031-01-02T03:04")], Some(1_925_089_440_000)),
        (&[("name", "x")], Some(1_925_089_440_000)),
        (&[("life_ms", "")], None),
    ] {
        let page = place.get(&editor, &path).await.text;
        let saved = place.post(&editor, &path, &form(&page, fields)).await;
        assert_eq!(saved.status, 303, "{fields:?} {}", saved.text);
        assert_eq!(detail(&place, &id).expires_at.map(|at| at.0), ends, "{fields:?}");
    }
    let page = place.get(&editor, &path).await.text;
    let before = detail(&place, &id);
    for (fields, wrong) in [
        (&[("ends_at", "2020-01-01T00:00")][..], "life_ms-wrong"),
        (&[("ends_at", "soon")], "ends_at-wrong"),
        (&[("life_ms", "x")], "life_ms-wrong"),
        (&[("networks", "here")], "networks-wrong"),
        (&[("origins", "shop.example")], "origins-wrong"),
        (&[("connections_max", "0")], "connections_max-wrong"),
        (&[("connections_max", "many")], "connections_max-wrong"),
        (&[("metadata", "[1]")], "metadata-wrong"),
        (&[("may", "exactly"), ("grant_0", "a")], "grants-wrong"),
        (&[("may", "types"), ("grant_0", "a"), ("grant_0_publish", "on")], "grants-wrong"),
    ] {
        let refused = place.post(&editor, &path, &form(&page, fields)).await;
        assert_eq!(
            (refused.status, refused.text.contains(&format!("id=\"{wrong}\""))),
            (422, true),
            "{fields:?} {}",
            refused.text
        );
        for (_, typed) in fields.iter().filter(|(name, _)| !matches!(*name, "life_ms" | "may")) {
            assert!(refused.text.contains(*typed), "{typed} is still there");
        }
    }
    assert_eq!(detail(&place, &id).revision, before.revision);
}

#[tokio::test]
async fn what_is_lost_is_told_before_and_told_again_when_it_is_more_by_then() {
    let place = Place::open().await;
    for id in ["a1", "a2", "b"] {
        channel(&place, id).await;
    }
    let terms = TokenTerms { grants: Some(vec![may("*", &[Operation::Subscribe])]), ..TokenTerms::default() };
    let id = token(&place, terms, &["a1", "b"]).await;
    let (editor, path) = (place.sign_in(Role::Editor), place.at(&format!("/tokens/{id}/terms")));
    let page = place.get(&editor, &path).await.text;
    let narrowed = form(&page, &[("grant_0", "b")]);
    let asked = place.post(&editor, &path, &narrowed).await;
    assert_eq!(asked.status, 200);
    assert!(asked.text.contains("It loses 1 subscription") && asked.text.contains("a1"), "{}", asked.text);
    assert_eq!(detail(&place, &id).revision, 1, "nothing yet");
    let lost = asked.text.split("name=\"lost\" value=\"").nth(1).unwrap().split('"').next().unwrap().to_owned();
    assert!(asked.text.contains("name=\"grant_0\" value=\"b\""), "the form is carried on");
    // Meanwhile it is subscribed to one more.
    let secret = PresentedSecret::new(id.clone());
    place.node.subscribe_token(&backend(&place), &ChannelId::new("a2").unwrap(), &secret, false).await.unwrap();
    let again = place.post(&editor, &path, &format!("{narrowed}&lost={lost}&how=change")).await;
    assert!(again.status == 200 && again.text.contains("It loses 2 subscriptions"), "{}", again.text);
    let lost = again.text.split("name=\"lost\" value=\"").nth(1).unwrap().split('"').next().unwrap().to_owned();
    let done = place.post(&editor, &path, &format!("{narrowed}&lost={lost}&how=change")).await;
    assert_eq!((done.status, done.location().ends_with("?done=saved")), (303, true), "{}", done.text);
    let left = place.node.token_subscriptions(&backend(&place), &secret).unwrap();
    assert_eq!(left.iter().map(|one| one.channel.as_str()).collect::<Vec<_>>(), ["b"]);
    // Without a row it may do nothing of its own; that is not the same as following the types.
    let page = place.get(&editor, &path).await.text;
    let none = form(&page, &[("grant_0", ""), ("grant_0_subscribe", "")]);
    let asked = place.post(&editor, &path, &none).await;
    let lost = asked.text.split("name=\"lost\" value=\"").nth(1).unwrap().split('"').next().unwrap().to_owned();
    assert_eq!(place.post(&editor, &path, &format!("{none}&lost={lost}&how=change")).await.status, 303);
    assert_eq!(detail(&place, &id).terms.grants, Some(vec![]));
    let page = place.get(&editor, &path).await.text;
    assert!(place.post(&editor, &path, &form(&page, &[])).await.location().ends_with("?done=same"), "and it stays so");
    assert!(place.get(&editor, &place.at(&format!("/tokens/{id}"))).await.text.contains("None at all"));
    let page = place.get(&editor, &path).await.text;
    assert_eq!(place.post(&editor, &path, &form(&page, &[("may", "types")])).await.status, 303);
    assert_eq!(detail(&place, &id).terms.grants, None);
}

#[tokio::test]
async fn of_two_at_once_the_second_sees_what_the_first_did() {
    let place = Place::open().await;
    let id = token(&place, rich(), &[]).await;
    let (editor, path) = (place.sign_in(Role::Editor), place.at(&format!("/tokens/{id}/terms")));
    let page = place.get(&editor, &path).await.text;
    let secret = PresentedSecret::new(id.clone());
    // The state has versions of its own: it is no conflict of the terms.
    place.node.change_token_state(&backend(&place), &secret, None, None).await.unwrap();
    let saved = place.post(&editor, &path, &form(&page, &[("name", "mine")])).await;
    assert_eq!(saved.status, 303, "{}", saved.text);
    let page = place.get(&editor, &path).await.text;
    let theirs = TokenUpdate { name: Some(Some(HOSTILE.to_owned())), device: Some(None), ..TokenUpdate::default() };
    place.node.update_token(&backend(&place), &secret, theirs).await.unwrap();
    let conflict = place.post(&editor, &path, &form(&page, &[("connections_max", "9")])).await;
    assert_eq!(conflict.status, 409);
    for said in [
        "Somebody was faster",
        "began from version 3",
        "it is version 4 now",
        "device: none",
        "device: d1",
        "connections: at most 9",
        "Put mine over version 4",
    ] {
        assert!(conflict.text.contains(said), "{said}: {}", conflict.text);
    }
    assert!(!conflict.text.contains("<script>alert"));
    assert_eq!(detail(&place, &id).terms.connections_max, Some(4));
    let over = place.post(&editor, &path, &form(&conflict.text, &[])).await;
    assert_eq!((over.status, over.location().ends_with("?done=saved")), (303, true), "{}", over.text);
    let now = detail(&place, &id);
    assert_eq!(
        (now.terms.connections_max, now.terms.device.as_deref(), now.terms.name.as_deref()),
        (Some(9), Some("d1"), Some("mine"))
    );
    // Where both want the same there is nothing to settle.
    let page = place.get(&editor, &path).await.text;
    let theirs = TokenUpdate { name: Some(Some("both".to_owned())), ..TokenUpdate::default() };
    place.node.update_token(&backend(&place), &secret, theirs).await.unwrap();
    assert!(place.post(&editor, &path, &form(&page, &[("name", "both")])).await.location().ends_with("?done=same"));
}

#[tokio::test]
async fn subscriptions_are_made_and_ended_and_a_token_is_deleted_after_a_page_of_its_own() {
    let place = Place::open().await;
    for at in 0..60 {
        channel(&place, &format!("room {at:02}")).await;
    }
    let id = token(&place, TokenTerms::default(), &[]).await;
    let (editor, viewer) = (place.sign_in(Role::Editor), place.sign_in(Role::Viewer));
    let path = place.at(&format!("/tokens/{id}/subscriptions"));
    for at in 0..55 {
        let ephemeral = if at == 3 { "&ephemeral=on" } else { "" };
        let added = place.post(&editor, &path, &format!("channel=room+{at:02}{ephemeral}")).await;
        assert!(added.location().ends_with("?done=added"), "{}", added.text);
    }
    let first = place.get(&viewer, &path).await.text;
    assert!(first.contains("room 49") && !first.contains("room 50") && !first.contains(">Remove</button>"), "{first}");
    assert!(first.contains("with its session") && first.contains("<span class=\"tag\">55</span>"));
    let next = place.get(&viewer, &format!("{path}?after=room%2049")).await.text;
    assert!(next.contains("room 54") && !next.contains("room 49") && !next.contains("Next page"), "{next}");
    let removed = place.post(&editor, &path, "act=remove&channel=room+54").await;
    assert!(removed.location().ends_with("?done=removed"), "{}", removed.text);
    assert!(place.get(&viewer, &path).await.text.contains("<span class=\"tag\">54</span>"));
    for (channel, status, said) in
        [("none", 404, "none"), ("a/b", 422, "The channel id"), ("%3Cscript%3Ealert(1)", 404, "There is no channel")]
    {
        let refused = place.post(&editor, &path, &format!("channel={channel}")).await;
        assert_eq!((refused.status, refused.text.contains(said)), (status, true), "{}", refused.text);
        assert!(!refused.text.contains("<script>alert"));
    }
    let log = place.get(&viewer, &place.at(&format!("/tokens/{id}/audit"))).await.text;
    assert!(log.contains("subscription.delete") && log.contains("room 54") && log.contains("Next page"), "{log}");
    assert_eq!(place.get(&viewer, &place.at(&format!("/tokens/{id}/usage"))).await.status, 200);
    let delete = place.at(&format!("/tokens/{id}/delete"));
    assert_eq!(place.get(&viewer, &delete).await.status, 403);
    let asked = place.get(&editor, &delete).await.text;
    assert!(asked.contains("This closes 0 connections, and ends 54 subscriptions."), "{asked}");
    let gone = place.post(&editor, &delete, "how=delete").await;
    assert!(gone.location().ends_with("/tokens?done=deleted"), "{}", gone.text);
    for below in ["", "/terms", "/subscriptions", "/usage", "/audit", "/delete"] {
        assert_eq!(place.get(&editor, &place.at(&format!("/tokens/{id}{below}"))).await.status, 404, "{below}");
    }
    assert_eq!(place.post(&editor, &delete, "how=delete").await.status, 404);
}
