//! The pages that look: connections, and why a token may or may not. Live connections are tested over the real server.

use tollgate_core::ids::ChannelId;
use tollgate_core::model::{Capabilities, ChannelSettings, ChannelType};
use tollgate_node::{NewChannel, NewToken};

use super::*;
use crate::words;

async fn token_in_room(place: &Place) -> (String, String) {
    let key = Caller::ProjectOperator { project: place.project };
    let new = NewChannel {
        id: Some(ChannelId::new("room").unwrap()),
        kind: ChannelType::Private,
        state: tollgate_core::json::JsonObject::empty(),
        capabilities: Capabilities::from_bits(0).unwrap(),
        settings: ChannelSettings::default(),
    };
    place.node.create_channel(&key, new).await.unwrap();
    let channels = vec![ChannelId::new("room").unwrap()];
    let issued = place.node.issue_token(&key, NewToken { channels, ..NewToken::default() }, None).await.unwrap();
    let secret = issued.secret.expose(tollgate_core::credentials::TokenSpelling::Native).to_string();
    (issued.token.id.to_string(), secret)
}

#[tokio::test]
async fn a_question_is_answered_with_each_decision_and_no_secret_is_in_an_address() {
    let place = Place::open().await;
    let (id, secret) = token_in_room(&place).await;
    let (browser, path) = (place.sign_in(Role::Viewer), place.at("/explain"));
    let asking = place.get(&browser, &format!("{path}?token={id}&channel=room")).await;
    assert!(asking.status == 200 && asking.text.contains(&format!("value=\"{id}\"")), "{}", asking.text);
    for token in [&id, &secret] {
        let no = place.post(&browser, &path, &format!("token={token}&wish=publish&channel=room&by=rest")).await;
        assert_eq!(no.status, 200);
        for said in ["No, it may not", "not_granted", "token_publish", "which is off", "What would change it"] {
            assert!(no.text.contains(said), "{said}: {}", no.text);
        }
        let yes = place.post(&browser, &path, &format!("token={token}&wish=history&channel=room")).await;
        assert!(yes.text.contains("Yes, it may") && yes.text.contains("It is subscribed"), "{}", yes.text);
        let connect = place.post(&browser, &path, &format!("token={token}&wish=connect&channel=room")).await;
        assert!(connect.text.contains("Yes, it may"), "{}", connect.text);
    }
    let hostile = words::path("\"><script>alert(1)</script>");
    let junk = place.post(&browser, &path, &format!("token={hostile}&wish=publish&channel=room")).await;
    assert!(junk.text.contains("invalid_auth") && !junk.text.contains("<script>alert"), "{}", junk.text);
    for (fields, said) in [
        ("token=&wish=publish&channel=room".to_owned(), "Give a token"),
        (format!("token={id}&wish=fly&channel=room"), "Choose what"),
        (format!("token={id}&wish=publish"), "Say in which"),
        (format!("token={id}&wish=subscribe&channel=room&by=rest"), "Over REST nobody subscribes"),
        (format!("token={id}&wish=connect&address=here"), "An IP address like"),
        (format!("token={id}&wish=publish&channel={hostile}"), "The channel id"),
    ] {
        let seen = place.post(&browser, &path, &fields).await;
        assert_eq!((seen.status, seen.text.contains(said)), (422, true), "{fields}: {}", seen.text);
        assert!(!seen.text.contains("<script>alert"));
    }
}

#[tokio::test]
async fn what_became_of_a_message_is_told_fact_by_fact() {
    let place = Place::open().await;
    let (id, _) = token_in_room(&place).await;
    let (browser, path) = (place.sign_in(Role::Viewer), place.at("/explain"));
    let told = place.post(&browser, &path, &format!("ask=message&of={id}&sent_in=room&position=1-1")).await;
    assert_eq!(told.status, 200, "{}", told.text);
    for said in ["What is known of it", "does not keep it any more", "subscribed to the channel", &id] {
        assert!(told.text.contains(said), "{said}: {}", told.text);
    }
    let direct = place.post(&browser, &path, &format!("ask=message&of={id}")).await;
    assert!(direct.status == 200 && direct.text.contains("it has none now"), "{}", direct.text);
    let hostile = words::path("\"><script>alert(1)</script>");
    for (fields, said) in [
        ("of=&sent_in=room&position=1-1".to_owned(), "Give a token"),
        ("of=tok_AAAA&sent_in=room&position=1-1".to_owned(), "There is no such token"),
        (format!("of={hostile}&sent_in=room&position=1-1"), "There is no such token"),
        (format!("of={id}&sent_in=nowhere&position=1-1"), "There is no channel nowhere"),
        (format!("of={id}&position=1-0"), "count from 1"),
        (format!("of={id}&sent_in=room"), "Say at which"),
        (format!("of={id}&sent_in=room&position={hostile}"), "A position is spelled"),
        (format!("of={id}&sent_in={hostile}&position=1-1"), "The channel id"),
    ] {
        let seen = place.post(&browser, &path, &format!("ask=message&{fields}")).await;
        assert_eq!((seen.status, seen.text.contains(said)), (422, true), "{fields}: {}", seen.text);
        assert!(!seen.text.contains("<script>alert"));
    }
}

#[tokio::test]
async fn connections_are_looked_for_and_one_that_has_gone_is_as_good_as_ended() {
    let place = Place::open().await;
    let (id, _) = token_in_room(&place).await;
    let path = place.at("/connections");
    let hostile = words::path("\"><script>alert(1)</script>");
    for role in Role::ALL {
        let browser = place.sign_in(role);
        for query in
            ["", "?q=ann", "?q=10.0.0.0/8", "?only=behind", "?only=anonymous&protocol=native", "?after=4294967296"]
        {
            let seen = place.get(&browser, &format!("{path}{query}")).await;
            assert_eq!((seen.status, seen.text.contains("No connection fits")), (200, true), "{query}: {}", seen.text);
        }
        let of_token = place.get(&browser, &format!("{path}?token={id}")).await;
        assert!(of_token.text.contains(&format!("value=\"{id}\"")), "{}", of_token.text);
        let shown = place.get(&browser, &format!("{path}?q={hostile}&protocol={hostile}&only={hostile}")).await;
        assert!(shown.status == 200 && !shown.text.contains("<script>alert"), "{}", shown.text);
    }
    let editor = place.sign_in(Role::Editor);
    let gone = place.post(&editor, &path, "connection=conn_MQ&q=a%26b").await;
    assert_eq!((gone.status, gone.location().ends_with("/connections?q=a%26b&done=disconnected")), (303, true));
    assert_eq!(place.post(&editor, &path, "connection=x").await.status, 422);
}
