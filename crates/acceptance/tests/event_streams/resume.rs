//! Coming back: by the id of the last event, by positions, and with a session.

use serde_json::{Value, json};
use tollgate_testkit::Server;

use crate::stream::Ask;
use crate::{Plain, bearer, done, open, say, server, token, token_with};

/// What a stream says of these messages, and the id of the last event.
#[track_caller]
fn heard(events: &mut Plain, count: usize) -> (Vec<Value>, String) {
    let mut last = None;
    let all = (0..count).map(|_| {
        let message = events.expect("message");
        last = message.id;
        message.data["data"].clone()
    });
    (all.collect(), last.unwrap())
}

fn room(server: &Server) -> (String, Value) {
    let body = json!({"connect": {"project": server.project}, "subscribe": [{"channel": "room"}]});
    (format!("project={}&channel=room", server.project), body)
}

#[test]
fn who_names_the_last_event_is_told_what_came_after_it() {
    let server = server();
    let (_, secret) = token(&server);
    let (header, (query, body)) = (bearer(&secret), room(&server));
    for asked in [Ask::Get(&query), Ask::Post(&body)] {
        let (mut events, _) = open(&server, &asked, &[("Authorization", &header)]);
        for number in 0..3 {
            say(&server, "room", &json!(number));
        }
        let (_, second) = heard(&mut events, 2);
        drop(events);
        say(&server, "room", &json!("missed"));
        // As a browser does it: the same request, and one header more.
        let again = [("Authorization", header.as_str()), ("Last-Event-ID", second.as_str())];
        let (mut events, connected) = open(&server, &asked, &again);
        assert_eq!(connected["channels"][0]["resuming"], true, "{connected}");
        let begun = events.expect("subscribed").data;
        assert_eq!(
            (&begun["recovered"], format!("room@{}", begun["position"].as_str().unwrap())),
            (&json!(true), second)
        );
        assert_eq!(heard(&mut events, 2).0, [json!(2), json!("missed")], "all of it, and none twice");
        say(&server, "room", &json!("live"));
        assert_eq!(heard(&mut events, 1).0, [json!("live")]);
    }
}

/// The token is subscribed to what the address does not name; a browser sends back the id of whatever came last.
#[test]
fn the_last_event_may_be_of_a_channel_that_was_not_asked_for() {
    let server = server();
    let (_, secret) = token_with(&server, &json!({"channels": ["room", "tea"]}));
    let (header, (query, body)) = (bearer(&secret), room(&server));
    for asked in [Ask::Get(&query), Ask::Post(&body)] {
        let (mut events, _) = open(&server, &asked, &[("Authorization", &header)]);
        say(&server, "tea", &json!("green"));
        let (_, last) = heard(&mut events, 1);
        drop(events);
        say(&server, "tea", &json!("black"));
        let again = [("Authorization", header.as_str()), ("Last-Event-ID", last.as_str())];
        let (mut events, _) = open(&server, &asked, &again);
        let begun = events.expect("subscribed").data;
        assert_eq!((&begun["channel"], &begun["recovered"]), (&json!("tea"), &json!(true)));
        assert_eq!(heard(&mut events, 1).0, [json!("black")]);
    }
}

#[test]
fn a_position_that_is_lost_is_said_to_be() {
    let server = server();
    done(&server, "PATCH", "/v2/channels/room", &json!({"settings": {"history": {"size": 2}}}));
    let (_, secret) = token(&server);
    let (header, (query, body)) = (bearer(&secret), room(&server));
    let first = say(&server, "room", &json!(0));
    for number in 1..5 {
        say(&server, "room", &json!(number));
    }
    for asked in [Ask::Get(&query), Ask::Post(&body)] {
        let last = format!("room@{first}");
        let headers = [("Authorization", header.as_str()), ("Last-Event-ID", last.as_str())];
        let (mut events, _) = open(&server, &asked, &headers);
        let begun = events.expect("subscribed").data;
        assert_eq!(begun["recovered"], false, "{begun}");
        assert_ne!(begun["position"], first, "{begun}");
    }
}

/// What an address has no room for.
#[test]
fn a_body_takes_up_a_session_with_its_direct_messages_and_all_positions() {
    let server = server();
    let (id, secret) = token_with(&server, &json!({"channels": ["room", "tea"]}));
    let ask = |more: &Value| {
        let mut connect = json!({"project": server.project, "token": secret, "data": {"name": "Ann"}});
        connect.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        json!({"connect": connect})
    };
    let (events, connected) = open(&server, &Ask::Post(&ask(&json!({}))), &[]);
    let (session, direct) = (connected["session"].clone(), connected["direct"].clone());
    let position = |channel: &str| {
        let all = connected["channels"].as_array().unwrap();
        all.iter().find(|one| one["channel"] == channel).unwrap()["position"].clone()
    };
    let positions = json!({"room": position("room"), "tea": position("tea")});
    drop(events);
    say(&server, "room", &json!("in the room"));
    say(&server, "tea", &json!("at tea"));
    done(&server, "POST", &format!("/v2/tokens/{id}/messages"), &json!({"event": "whispered", "data": "to you"}));
    let again = ask(&json!({"session": session, "direct": direct, "positions": positions}));
    let (mut events, connected) = open(&server, &Ask::Post(&again), &[]);
    assert_eq!((&connected["resumed"], &connected["session"]), (&json!(true), &session), "{connected}");
    assert_eq!(connected["direct_lost"], Value::Null, "{connected}");
    let mut told: Vec<(String, Value)> = Vec::new();
    while told.len() < 3 {
        let event = events.next().unwrap();
        match event.kind.as_str() {
            "subscribed" => assert_eq!(event.data["recovered"], true, "{event:?}"),
            kind => told.push((kind.to_owned(), event.data["data"].clone())),
        }
    }
    told.sort_by_key(|(_, data)| data.to_string());
    let kinds = [("message", "at tea"), ("message", "in the room"), ("direct", "to you")];
    assert_eq!(told, kinds.map(|(kind, data)| (kind.to_owned(), json!(data))));
}

#[test]
fn a_body_subscribes_with_presence_and_with_more_channels_than_an_address() {
    let server = server();
    let channels: Vec<String> = (0..64).map(|number| format!("c{number}")).collect();
    for id in &channels {
        done(&server, "POST", "/v2/channels", &json!({"id": id, "type": "public", "settings": {"presence": true}}));
    }
    let (_, secret) = token_with(&server, &json!({}));
    let wished: Vec<Value> = channels.iter().map(|id| json!({"channel": id, "presence": true})).collect();
    let body = json!({"connect": {"project": server.project, "token": secret}, "subscribe": wished});
    let (mut events, _) = open(&server, &Ask::Post(&body), &[]);
    let mut entered: Vec<String> = Vec::new();
    while entered.len() < channels.len() {
        let event = events.next().unwrap();
        if event.kind != "presence" {
            assert_eq!(event.kind, "subscribed", "{event:?}");
            entered.push(event.data["channel"].as_str().unwrap().to_owned());
        }
    }
    entered.sort_by_key(|id| id[1..].parse::<u32>().unwrap());
    assert_eq!(entered, channels);
    // Somebody else comes: who watches is told.
    let (_, other) = token_with(&server, &json!({"channels": ["c7"], "user_id": "bob"}));
    let body = json!({"connect": {"project": server.project, "token": other, "data": {"name": "Bob"}}});
    let (_there, _) = open(&server, &Ask::Post(&body), &[]);
    loop {
        let event = events.expect("presence").data;
        if event["channel"] == "c7" && event["joined"].to_string().contains("Bob") {
            break;
        }
    }
}
