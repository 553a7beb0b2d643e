//! Messages by `/v2` as live clients hear them.

use serde_json::{Value, json};
use tollgate_testkit::http::Http;
use tollgate_testkit::{Server, until, wait};

use crate::{ask, done, get, heard, token};

#[test]
fn a_message_is_heard_once_however_often_it_is_sent_and_batches_keep_their_order() {
    let server = Server::start();
    for id in ["room", "hall"] {
        done(&server, "POST", "/v2/channels", &json!({"id": id, "type": "unprotected"}));
    }
    let (mut leap, _) = server.identified(None);
    leap.join("room");
    for _ in 0..3 {
        let headers = [("Authorization", server.key.as_str()), ("Idempotency-Key", "order-7")];
        let mut http = Http::connect(server.addr).unwrap();
        let body = br#"{"event":"ORDER","data":7}"#;
        let sent = http.request("POST", "/v2/channels/room/messages", &headers, Some(body)).unwrap();
        assert_eq!(sent.status, 200, "{}", sent.text());
    }
    let batch = json!({"messages": [
        {"channel": "room", "event": "A"}, {"channel": "hall", "event": "B"}, {"channel": "gone", "event": "C"}, {"channel": "room", "event": "D"},
    ]});
    let results = done(&server, "POST", "/v2/publish", &batch)["results"].clone();
    assert_eq!(results[2]["error"]["code"], "not_found");
    for event in ["ORDER", "A", "D"] {
        assert_eq!(leap.expect("MESSAGE", "room")["e"], event);
    }
    leap.quiet();
}

#[test]
fn of_messages_with_one_key_the_latest_is_delivered() {
    let server = Server::start();
    let settings = json!({"id": "map", "type": "unprotected", "settings": {"conflate_per_second": 2}});
    done(&server, "POST", "/v2/channels", &settings);
    let (mut leap, _) = server.identified(None);
    leap.join("map");
    let mut conflated = 0;
    for number in 0..20 {
        let body = json!({"event": "AT", "data": number, "key": "ann"});
        let sent = done(&server, "POST", "/v2/channels/map/messages", &body);
        conflated += u32::from(sent["conflated"] == true);
    }
    assert!(conflated >= 15, "{conflated} of 20 waited or were replaced");
    assert_eq!(leap.expect("MESSAGE", "map")["d"], 0);
    until(std::time::Duration::from_secs(5), "the latest is delivered", || {
        (leap.expect("MESSAGE", "map")["d"] == 19).then_some(())
    });
    wait("it has its place", || heard(&get(&server, "/v2/channels/map/history")).last() == Some(&json!(19)));
    leap.quiet();
}

#[test]
fn a_direct_message_reaches_a_token_a_user_or_one_connection() {
    let server = Server::start();
    let (id, secret) = token(&server, &json!({"user_id": "ann"}));
    let (mut one, _) = server.identified(Some(&secret));
    let (mut two, _) = server.identified(Some(&secret));
    let path = format!("/v2/tokens/{id}");
    let said = |data: u32| json!({"event": "HI", "data": data});
    assert_eq!(done(&server, "POST", &format!("{path}/messages"), &said(1)), json!({"connections": 2}));
    assert_eq!(done(&server, "POST", "/v2/users/ann/messages", &said(2)), json!({"connections": 2, "mailboxes": 0}));
    for leap in [&mut one, &mut two] {
        for data in 1..=2 {
            assert_eq!(leap.dispatch("DIRECT_MESSAGE")["d"]["d"], data);
        }
    }
    let live = get(&server, &format!("{path}/connections"))["data"].clone();
    let first = live[0]["id"].as_str().unwrap();
    let to_first = format!("{path}/connections/{first}/messages");
    assert_eq!(done(&server, "POST", &to_first, &said(3)), json!({"connections": 1}));
    assert_eq!(one.dispatch("DIRECT_MESSAGE")["d"]["d"], 3);
    two.quiet();
    let (other, _) = token(&server, &json!({}));
    let foreign = format!("/v2/tokens/{other}/connections/{first}/messages");
    assert_eq!(ask(&server.api(), "POST", &foreign, &said(4)).0, 404, "another token's connection");
    one.close();
    wait("the connection is gone", || ask(&server.api(), "POST", &to_first, &said(5)).0 == 404);
    assert_eq!(get(&server, &format!("{path}/connections"))["data"].as_array().map(Vec::len), Some(1));
    assert_eq!(ask(&server.api_with(&secret), "POST", &to_first, &Value::Null).0, 401, "for backends alone");
}
