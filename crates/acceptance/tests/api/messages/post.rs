//! `POST /v1/channels/:id/messages` and its alias `/publish`.

use serde_json::{Value, json};
use tollgate_testkit::Server;

#[test]
fn b23_a_message_reaches_every_subscribed_connection_once() {
    let server = Server::start();
    let api = server.api();
    api.channel("room", "unprotected", json!({}));
    let token = api.token(json!({}));
    api.subscribe("room", &token);
    let mut listeners = vec![server.identified(Some(&token)).0, server.identified(Some(&token)).0];
    for _ in 0..6 {
        let (mut guest, _) = server.identified(None);
        guest.join("room");
        listeners.push(guest);
    }
    let (mut stranger, _) = server.identified(None);
    for data in [json!({"hi": 1}), json!(1), json!("text"), json!([1, [2]]), json!(true), Value::Null] {
        api.publish("room", "MSG", data.clone());
        for listener in &mut listeners {
            let message = listener.dispatch("MESSAGE");
            assert_eq!((&message["c"], &message["d"]), (&json!("room"), &json!({"e": "MSG", "d": data})));
        }
    }
    api.post("/v1/channels/room/messages", json!({"e": "NODATA"})).no_content();
    for listener in &mut listeners {
        assert_eq!(listener.expect("MESSAGE", "room"), json!({"e": "NODATA", "d": null}), "a missing d is null");
        listener.quiet();
    }
    stranger.quiet();
}

#[test]
fn b23_bad_messages_are_400_and_unknown_channels_404() {
    let server = Server::start();
    let api = server.api();
    api.channel("room", "unprotected", json!({}));
    let (mut guest, _) = server.identified(None);
    guest.join("room");
    for body in
        [json!({}), json!({"d": 1}), json!({"e": "", "d": 1}), json!({"e": 1}), json!({"e": null}), json!({"e": ["x"]})]
    {
        let reply = api.post("/v1/channels/room/messages", body.clone());
        assert_eq!(reply.status, 400, "{body}");
    }
    api.post("/v1/channels/none/messages", json!({"e": "X"})).refused(404, "not_found");
    guest.quiet();
}

#[test]
fn b23_messages_keep_their_order_per_channel() {
    let server = Server::start();
    server.api().channel("room", "unprotected", json!({}));
    let mut guests: Vec<_> = (0..4).map(|_| server.identified(None).0).collect();
    for guest in &mut guests {
        guest.join("room");
    }
    std::thread::scope(|scope| {
        for publisher in 0..3 {
            let api = server.api();
            scope.spawn(move || (0..100).for_each(|n| api.publish("room", "N", json!({"p": publisher, "n": n}))));
        }
    });
    let sequences: Vec<Vec<Value>> = guests
        .iter_mut()
        .map(|guest| (0..300).map(|_| guest.expect("MESSAGE", "room")["d"].clone()).collect())
        .collect();
    for publisher in 0..3 {
        let own: Vec<_> =
            sequences[0].iter().filter(|d| d["p"] == publisher).map(|d| d["n"].as_u64().unwrap()).collect();
        assert_eq!(own, (0..100).collect::<Vec<_>>(), "in the order they were answered");
    }
    assert!(sequences.iter().all(|sequence| sequence == &sequences[0]), "every subscriber sees the same order");
    guests.iter_mut().for_each(tollgate_testkit::Leap::quiet);
}

#[test]
fn b24_publish_is_an_alias_of_messages() {
    let server = Server::start();
    let api = server.api();
    api.channel("room", "unprotected", json!({}));
    let (mut guest, _) = server.identified(None);
    guest.join("room");
    api.post("/v1/channels/room/publish", json!({"e": "X", "d": {"v": 1}})).no_content();
    assert_eq!(guest.expect("MESSAGE", "room"), json!({"e": "X", "d": {"v": 1}}));
    api.post("/v1/channels/none/publish", json!({"e": "X"})).refused(404, "not_found");
}

#[test]
fn b08_a_body_of_1_mib_is_accepted_and_delivered() {
    let server = Server::start();
    let api = server.api();
    api.channel("room", "unprotected", json!({}));
    let (mut guest, _) = server.identified(None);
    guest.join("room");
    let body_len = 1024 * 1024;
    let text = "x".repeat(body_len - r#"{"d":"","e":"BIG"}"#.len());
    let reply = api.post("/v1/channels/room/messages", json!({"e": "BIG", "d": text}));
    reply.no_content();
    assert_eq!(guest.expect("MESSAGE", "room")["d"].as_str().unwrap().len(), text.len());
    let state = json!({"text": "y".repeat(body_len - r#"{"text":""}"#.len())});
    assert_eq!(api.put("/v1/channels/room/state", state.clone()).data()["state"], state);
    assert_eq!(guest.expect("STATE_UPDATE", "room")["state"], state);
}
