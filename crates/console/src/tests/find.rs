//! The box that finds anything.

use tollgate_core::credentials::TokenSpelling;
use tollgate_core::ids::ChannelId;
use tollgate_core::json::JsonObject;
use tollgate_core::model::{Capabilities, ChannelSettings, ChannelType};
use tollgate_node::{NewChannel, NewToken, UserOfToken};

use super::*;
use crate::words;

async fn channel(place: &Place, id: &str) {
    let new = NewChannel {
        id: Some(ChannelId::new(id).unwrap()),
        kind: ChannelType::Private,
        state: JsonObject::empty(),
        capabilities: Capabilities::default(),
        settings: ChannelSettings::default(),
    };
    place.node.create_channel(&Caller::ProjectOperator { project: place.project }, new).await.unwrap();
}

#[tokio::test]
async fn what_names_one_thing_leads_to_its_page_and_no_secret_is_shown_again() {
    let place = Place::open().await;
    let key = Caller::ProjectOperator { project: place.project };
    let hostile = "\"><script>alert(1)</script>";
    for id in ["room", "room-1", "a&b"] {
        channel(&place, id).await;
    }
    let user = UserOfToken { user_id: "ann".to_owned(), display_name: Some(hostile.to_owned()) };
    let issued =
        place.node.issue_token(&key, NewToken { user: Some(user), ..NewToken::default() }, None).await.unwrap();
    let (id, secret) = (issued.token.id.to_string(), issued.secret.expose(TokenSpelling::Native).to_string());
    let project_key = place.node.project_keys(&key).unwrap()[0].id.to_string();
    let owner_id = place.people[2].operator.to_string();
    let (viewer, owner) = (place.sign_in(Role::Viewer), place.sign_in(Role::Owner));
    let path = place.at("/find");
    let find =
        async |browser: &Browser, text: &str| place.post(browser, &path, &format!("text={}", words::path(text))).await;
    let token_page = place.at(&format!("/tokens/{id}"));
    for (text, to) in [
        (id.as_str(), token_page.as_str()),
        (&secret, &token_page),
        ("room", &place.at("/channels/room")),
        ("a&b", &place.at("/channels/a%26b")),
        ("ann", &place.at("/users/ann")),
    ] {
        for browser in [&viewer, &owner] {
            assert_eq!((find(browser, text).await.status, find(browser, text).await.location()), (303, to), "{text}");
        }
    }
    // Pages of keys are owners'.
    assert_eq!(find(&owner, &project_key).await.location(), place.at(&format!("/keys/{project_key}")));
    assert_eq!(find(&viewer, &project_key).await.location(), place.at("/keys"));
    for text in [owner_id.as_str(), "owner"] {
        assert_eq!(find(&owner, text).await.location(), format!("/console/server/operators/{owner_id}"));
        let none = find(&viewer, text).await;
        assert!(none.status == 200 && none.text.contains("Nothing here has this id"), "{}", none.text);
    }
    let some = find(&viewer, "a").await;
    for link in [place.at("/users/ann"), place.at("/channels/a%26b")] {
        assert!(some.status == 200 && some.text.contains(&format!("href=\"{link}\"")), "{}", some.text);
    }
    assert!(some.text.contains("&#60;script&#62;alert") && !some.text.contains("<script>alert"), "{}", some.text);

    // What is not found is not repeated: it may be a secret that was mistyped.
    for text in [&format!("{secret}x"), "ptk_wrong", hostile] {
        let none = find(&viewer, text).await;
        assert!(none.status == 200 && none.text.contains("Nothing here has this id"), "{}", none.text);
        assert!(!none.text.contains(text) && !none.text.contains("/audit?on="), "{text}: {}", none.text);
    }
    let gone = find(&viewer, "tok_MTIz").await;
    assert!(gone.text.contains(&format!("href=\"{}\"", place.at("/audit?on=tok_MTIz"))), "{}", gone.text);
    assert_eq!(find(&viewer, " ").await.status, 422);
    let asked = place.get(&viewer, &path).await;
    assert!(asked.status == 200 && !asked.text.contains("id=\"found\""), "{}", asked.text);
    assert!(asked.text.contains(&format!("method=\"post\" action=\"{path}\"")), "{}", asked.text);
}
