//! A channel's past under `/v2`, waiting for what comes next, and who is there.

use tollgate_core::ErrorKind;
use tollgate_core::command::{HistoryFrom, HistoryQuery, PresentedSecret};
use tollgate_core::ids::ChannelId;
use tollgate_core::limits::POLLS_PER_CHANNEL_MAX;
use tollgate_node::HistoryView;

use super::*;

async fn room(messages: usize) -> Door {
    let door = Door::open().await;
    let body = r#"{"id":"room","type":"private","settings":{"history":{"size":10}}}"#;
    assert_eq!(door.call("POST", "/v2/channels", body).await.status, 201);
    for number in 1..=messages {
        say(&door, number).await;
    }
    door
}

async fn say(door: &Door, number: usize) -> String {
    let body = format!(r#"{{"event":"said","data":{number}}}"#);
    let said = door.call("POST", "/v2/channels/room/messages", &body).await.json;
    said["position"].as_str().unwrap_or_else(|| panic!("{said}")).to_owned()
}

async fn read(door: &Door, query: &str) -> Seen {
    door.call("GET", &format!("/v2/channels/room/history{query}"), "").await
}

fn offsets(seen: &Seen) -> Vec<u64> {
    let messages = seen.json["messages"].as_array().unwrap_or_else(|| panic!("{}", seen.json));
    messages.iter().map(|message| message["offset"].as_u64().unwrap()).collect()
}

#[tokio::test]
async fn history_is_read_forward_and_back_by_position_and_by_time() {
    let door = room(3).await;
    door.clock.advance(1_000);
    let position = say(&door, 4).await;
    let epoch = position.split('-').next().unwrap().to_owned();
    let whole = read(&door, "").await;
    assert_eq!((offsets(&whole), &whole.json["position"]), (vec![1, 2, 3, 4], &json!(position)));
    assert_eq!(whole.json["messages"][0], json!({"offset": 1, "event": "said", "data": 1, "at": NOW}));
    assert!(whole.json.get("next").is_none());
    let later = NOW + 500;
    for (query, expected, next) in [
        ("?limit=3".to_owned(), vec![1, 2, 3], Some(3)),
        ("?limit=4".into(), vec![1, 2, 3, 4], None),
        (format!("?after={epoch}-1&limit=2"), vec![2, 3], Some(3)),
        (format!("?after={epoch}-4"), vec![], None),
        (format!("?before={epoch}-3"), vec![1, 2], None),
        ("?order=newest&limit=2".into(), vec![4, 3], Some(3)),
        (format!("?order=newest&limit=2&before={epoch}-3"), vec![2, 1], None),
        (format!("?since_at={later}"), vec![4], None),
        ("?order=oldest&since_at=0".into(), vec![1, 2, 3, 4], None),
    ] {
        let page = read(&door, &query).await;
        let next = next.map(|offset| format!("{epoch}-{offset}"));
        assert_eq!((offsets(&page), page.json["next"].as_str()), (expected, next.as_deref()), "{query}");
    }
    for query in [
        "?limit=0",
        "?limit=1001",
        "?order=up",
        "?after=x",
        "?after=1-1&before=1-1",
        "?after=1-1&since_at=1",
        "?since_at=-1",
        "?wait_ms=1",
        "?after=1-1&wait_ms=60001",
        "?since_at=1&wait_ms=1",
    ] {
        read(&door, query).await.refused_v2("invalid_input");
    }
}

#[tokio::test]
async fn a_lost_position_is_said_with_where_the_channel_is() {
    let door = room(12).await;
    let position = read(&door, "?limit=1").await.json["position"].as_str().unwrap().to_owned();
    let epoch = position.split('-').next().unwrap();
    for lost in ["fffff-3".to_owned(), format!("{epoch}-1"), format!("{epoch}-99")] {
        for wait in ["", "&wait_ms=1"] {
            let refused = read(&door, &format!("?after={lost}{wait}")).await;
            refused.refused_v2("position_lost");
            assert_eq!((refused.status, &refused.json["problem"]["position"]), (410, &json!(position)), "{lost}");
        }
    }
    assert_eq!(offsets(&read(&door, &format!("?after={epoch}-2")).await).len(), 10);
}

#[tokio::test]
async fn one_poll_too_many_is_told_when_to_come_again_and_not_given_an_empty_page() {
    let door = room(1).await;
    let position = read(&door, "").await.json["position"].as_str().unwrap().to_owned();
    let channel = ChannelId::new("room").unwrap();
    let key = door.node.authenticate(&PresentedSecret::new(door.key.clone())).unwrap();
    let from = HistoryFrom::After(position.parse().unwrap());
    let query = HistoryQuery { from, newest_first: false, limit: 1 };
    let mut polls = tokio::task::JoinSet::new();
    for _ in 0..=POLLS_PER_CHANNEL_MAX {
        let (node, channel) = (Arc::clone(&door.node), channel.clone());
        polls.spawn(async move { node.history_waiting(&key, &channel, query, 60_000).await });
    }
    // Whoever finds no room: all the others have their places then.
    let refused = polls.join_next().await.unwrap().unwrap().unwrap_err();
    assert_eq!(refused.kind, ErrorKind::RateLimited);
    let full = read(&door, &format!("?after={position}&wait_ms=60000")).await;
    assert_eq!(full.headers["retry-after"], "5");
    full.refused_v2("rate_limited");
    assert_eq!(offsets(&read(&door, &format!("?after={position}&limit=1")).await), Vec::<u64>::new());
    let position = say(&door, 2).await;
    while let Some(page) = polls.join_next().await {
        let HistoryView::Page(page) = page.unwrap().unwrap() else { panic!("nothing is lost") };
        assert_eq!((page.messages[0].0, page.position.to_string()), (2, position.clone()));
    }
}

#[tokio::test]
async fn a_poll_waits_for_the_first_message_behind_its_position() {
    let door = room(1).await;
    let position = read(&door, "").await.json["position"].as_str().unwrap().to_owned();
    let query = format!("?after={position}&wait_ms=60000");
    let (heard, _) = tokio::join!(read(&door, &query), say(&door, 2));
    assert_eq!(offsets(&heard), [2]);
    assert_eq!(offsets(&read(&door, &query).await), [2], "what is there is told at once");
    let position = read(&door, "").await.json["position"].as_str().unwrap().to_owned();
    let nothing = read(&door, &format!("?after={position}&wait_ms=20")).await;
    assert_eq!((offsets(&nothing), &nothing.json["position"]), (vec![], &json!(position)));
    // A channel that goes away lets go of who waits.
    let query = format!("?after={position}&wait_ms=60000");
    let (left, deleted) = tokio::join!(read(&door, &query), door.call("DELETE", "/v2/channels/room", ""));
    deleted.nothing();
    left.refused_v2("not_found");
}

#[tokio::test]
async fn who_sent_a_message_is_told_of_clients_alone() {
    let door = room(1).await;
    let body = r#"{"user_id":"ann","channels":["room"],"capabilities":[{"channels":"room","operations":["subscribe","publish","history"]}]}"#;
    let token = door.call("POST", "/v2/tokens", body).await.json;
    let (id, secret) = (token["id"].as_str().unwrap(), token["secret"].as_str().unwrap());
    let said = r#"{"event":"said","data":[],"id":"mine"}"#;
    door.call_as(secret, "POST", "/v2/channels/room/messages", said).await;
    let page = door.call_as(secret, "GET", "/v2/channels/room/history", "").await;
    assert_eq!(offsets(&page), [1, 2]);
    assert!(page.json["messages"][0].get("sender").is_none());
    let second = &page.json["messages"][1];
    assert_eq!((&second["sender"], &second["id"]), (&json!({"user": "ann", "token": id}), &json!("mine")));
}

#[tokio::test]
async fn tokens_read_where_they_may() {
    let door = room(1).await;
    let body = r#"{"id":"hall","type":"public","settings":{"presence":true}}"#;
    door.call("POST", "/v2/channels", body).await;
    door.call("PATCH", "/v2/channels/room", r#"{"settings":{"presence":true}}"#).await;
    let token = |body: &'static str| {
        let door = &door;
        async move { door.call("POST", "/v2/tokens", body).await.json["secret"].as_str().unwrap().to_owned() }
    };
    let plain = token("{}").await;
    let inside = token(r#"{"channels":["room"]}"#).await;
    let writer = token(r#"{"channels":["room"],"capabilities":[{"channels":"room","operations":["publish"]}]}"#).await;
    let (_, blind) = door.key(Permissions::PUBLISH_CHANNEL_MESSAGES).await;
    for (who, channel, expected) in [
        (&plain, "hall", 200),
        (&plain, "room", 404),
        (&plain, "none", 404),
        (&inside, "room", 200),
        (&writer, "room", 403),
        (&door.key, "room", 200),
        (&blind, "room", 403),
        (&door.key, "none", 404),
    ] {
        for what in ["history", "presence"] {
            let got = door.call_as(who, "GET", &format!("/v2/channels/{channel}/{what}"), "").await;
            assert_eq!(got.status, expected, "{channel}/{what}: {}", got.json);
        }
    }
}

#[tokio::test]
async fn presence_is_counted_and_its_parameters_are_checked() {
    let door = room(0).await;
    door.call("GET", "/v2/channels/room/presence", "").await.refused_v2("wrong_state");
    door.call("PATCH", "/v2/channels/room", r#"{"settings":{"presence":true}}"#).await;
    for query in ["", "?limit=0", "?limit=1000&after=ann", "?sample=true"] {
        let page = door.call("GET", &format!("/v2/channels/room/presence{query}"), "").await.json;
        assert_eq!(page, json!({"count": 0, "members": []}), "{query}");
    }
    for query in ["?limit=1001", "?limit=-1", "?sample=1"] {
        door.call("GET", &format!("/v2/channels/room/presence{query}"), "").await.refused_v2("invalid_input");
    }
}
