//! Every request, done.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use tollgate_testkit::{Native, Server, Setup, wait};

use crate::{at, channel, datas, member, room, say, token};

#[test]
fn connect_says_who_one_is_and_what_holds() {
    let server = Server::start();
    channel(&server, "room", &json!({}));
    let (id, secret) = token(&server, &json!({"user_id": "ann", "channels": ["room"], "ttl_s": 3_600}));
    let (mut first, told) = Native::connect(&server, &json!({"token": secret, "sdk": "test/1"}));
    assert_eq!(
        (&told["resumed"], &told["token"]["id"], &told["token"]["user"]),
        (&json!(false), &json!(id), &json!("ann"))
    );
    let left = told["token"]["expires_in_ms"].as_u64().unwrap();
    assert!(left > 3_500_000 && left <= 3_600_000, "{told}");
    assert_eq!((told["ping_ms"].is_u64(), told["timeout_ms"].is_u64()), (true, true));
    assert_eq!(told["limits"], json!({"message_bytes": 65_536, "requests": 64, "subscriptions": 1_024}));
    let entry = &told["channels"][0];
    assert_eq!((&entry["channel"], &entry["type"], &entry["state"]), (&json!("room"), &json!("private"), &json!({})));
    let (session, direct) = (told["session"].as_str().unwrap(), told["direct"].as_str().unwrap());
    let position = say(&mut first, &json!(1));
    drop(first);
    let (mut ben, _) = member(&server, "ben");
    say(&mut ben, &json!(2));

    let fields = json!({"token": secret, "session": session, "positions": {"room": position}, "direct": direct});
    let (mut again, told) = Native::connect(&server, &fields);
    assert_eq!((&told["resumed"], &told["session"], &told["direct"]), (&json!(true), &json!(session), &json!(direct)));
    assert_eq!(told["channels"][0]["resuming"], true);
    let began = again.push("subscribed");
    assert_eq!(
        (&began["channel"], &began["position"], &began["recovered"]),
        (&json!("room"), &json!(position), &json!(true))
    );
    assert_eq!(again.push("message")["data"], 2);
    again.quiet();

    // Somebody without a token has neither that nor a session.
    let (_, nobody) = Native::connect(&server, &json!({}));
    let absent = ["token", "session", "direct"].map(|field| nobody.get(field).is_none());
    assert_eq!((absent, &nobody["channels"]), ([true; 3], &json!([])));
}

#[test]
fn renew_goes_on_with_another_token_of_the_user() {
    let server = Server::start();
    channel(&server, "room", &json!({}));
    let (_, short) = token(&server, &json!({"user_id": "ann", "channels": ["room"], "ttl_s": 3_600}));
    let (_, long) = token(&server, &json!({"user_id": "ann", "channels": ["room"], "ttl_s": 7_200}));
    let (mut native, _) = Native::connect(&server, &json!({"token": short}));
    let renewed = native.ok("renew", &json!({"token": long}));
    assert!(renewed["token"]["expires_in_ms"].as_u64().unwrap() > 7_000_000, "{renewed}");
    say(&mut native, &json!(1));
}

#[test]
fn subscribe_begins_now_or_in_the_past() {
    let (server, mut ann) = room(&json!({"presence": true}));
    let first = say(&mut ann, &json!(1));
    say(&mut ann, &json!(2));
    let last = say(&mut ann, &json!(3));
    let (_, secret) = token(
        &server,
        &json!({"user_id": "ben", "capabilities": [{"channels": "room", "operations": ["subscribe", "presence", "history"]}]}),
    );
    let (mut ben, _) = Native::connect(&server, &json!({"token": secret}));
    let (mut other, _) = Native::connect(&server, &json!({"token": secret}));
    let plain = ben.ok("subscribe", &json!({"channel": "room", "presence": true, "data": {"name": "Ben"}}));
    assert_eq!((&plain["position"], plain.get("recovered")), (&json!(last), None));
    assert_eq!(other.push("subscribed")["channel"], "room", "it holds for every connection of the token");
    let members = ben.ok("presence", &json!({"channel": "room"}));
    assert_eq!(members["members"][1]["data"], json!({"name": "Ben"}), "{members}");

    for (beginning, position, wanted) in [
        (json!({"position": first}), first.clone(), vec![2, 3]),
        (json!({"rewind": {"last": 1}}), at(&first, 2), vec![3]),
        (json!({"rewind": {"since_at": 1}}), at(&first, 0), vec![1, 2, 3]),
    ] {
        let mut body = json!({"channel": "room"});
        body.as_object_mut().unwrap().extend(beginning.as_object().unwrap().clone());
        let reply = other.ok("subscribe", &body);
        assert_eq!((&reply["position"], &reply["recovered"]), (&json!(position), &json!(true)), "{body}");
        let heard: Vec<_> = wanted.iter().map(|_| other.push("message")["data"].clone()).collect();
        assert_eq!(heard, wanted, "{body}");
        other.quiet();
    }
    // A position that is lost is said to be, and nothing of before comes.
    let lost = other.ok("subscribe", &json!({"channel": "room", "position": "1-1"}));
    assert_eq!((&lost["position"], &lost["recovered"]), (&json!(last), &json!(false)));
    other.quiet();
}

#[test]
fn unsubscribe_ends_it_for_every_connection_of_the_token() {
    let (server, mut ann) = room(&json!({}));
    let (mut ben, secret) = member(&server, "ben");
    let (mut other, _) = Native::connect(&server, &json!({"token": secret}));
    assert_eq!(ben.ok("unsubscribe", &json!({"channel": "room"})), json!({}));
    let ended = other.push("unsubscribed");
    assert_eq!((&ended["channel"], &ended["reason"]), (&json!("room"), &json!("ended")));
    say(&mut ann, &json!(1));
    ben.quiet();
    other.quiet();
    assert_eq!(ben.ok("unsubscribe", &json!({"channel": "room"})), json!({}), "who is out stays out");
}

#[test]
fn state_is_set_and_merged_by_version() {
    let (server, mut ann) = room(&json!({}));
    let (mut ben, _) = member(&server, "ben");
    let set = ann.ok("state", &json!({"channel": "room", "set": {"topic": "tea", "n": 1}}));
    let version = set["version"].as_u64().unwrap();
    let merged = ann.ok("state", &json!({"channel": "room", "merge": {"topic": "cake"}, "if_version": version}));
    assert_eq!(merged, json!({"version": version + 1}));
    for (state, at) in [(json!({"topic": "tea", "n": 1}), version), (json!({"topic": "cake", "n": 1}), version + 1)] {
        let push = ben.push("state");
        assert_eq!((&push["state"], &push["version"]), (&state, &json!(at)));
    }
}

#[test]
fn publish_has_a_place_an_id_and_no_echo() {
    let (server, mut ann) = room(&json!({}));
    let (mut ben, _) = member(&server, "ben");
    let body = json!({"channel": "room", "event": "said", "data": {"x": 1.50}, "id": "m1", "echo": false});
    let first = ann.ok("publish", &body);
    assert_eq!(ann.ok("publish", &body), json!({"position": first["position"], "duplicate": true}));
    let own = ann.push("message");
    assert!(own["connection"].is_string(), "the SDK knows its own by this: {own}");
    let heard = ben.push("message");
    assert_eq!((&heard["event"], &heard["data"], &heard["id"]), (&json!("said"), &json!({"x": 1.5}), &json!("m1")));
    assert_eq!(heard["sender"]["user"], "ann");
    assert_eq!(first["position"], at(first["position"].as_str().unwrap(), heard["offset"].as_u64().unwrap()));
    ben.quiet();
}

#[test]
fn publish_with_a_key_keeps_to_the_latest() {
    let (_server, mut ann) = room(&json!({"conflate_per_second": 1}));
    let body = |data: u64| json!({"channel": "room", "event": "moved", "data": data, "key": "ann"});
    // In one go, so that no second passes between them.
    let ids = [1, 2, 3].map(|data| ann.request("publish", &body(data)));
    let (mut replies, mut heard) = (BTreeMap::new(), Vec::new());
    while replies.len() < ids.len() || heard.len() < 2 {
        let frame = ann.frame();
        match frame["id"].as_u64() {
            Some(id) => drop(replies.insert(id, frame["ok"].clone())),
            None => heard.push(frame["data"].clone()),
        }
    }
    assert!(replies[&ids[0]]["position"].is_string(), "{replies:?}");
    assert_eq!([&replies[&ids[1]], &replies[&ids[2]]], [&json!({"conflated": true}); 2]);
    assert_eq!(heard, [1, 3]);
}

#[test]
fn batch_tells_the_outcome_of_each() {
    let (server, mut ann) = room(&json!({}));
    let message = |channel: &str, data: u64| json!({"channel": channel, "event": "said", "data": data});
    let sent = ann.ok("batch", &json!({"messages": [message("room", 1), message("nowhere", 2), message("room", 3)]}));
    let results = sent["results"].as_array().unwrap();
    assert_eq!((results.len(), &results[1]["error"]["retry"]), (3, &json!("never")), "{sent}");
    assert!(results[0]["position"].is_string() && results[2]["position"].is_string(), "{sent}");
    let kept = server.v2("GET", "/v2/channels/room/history", &Value::Null);
    assert_eq!(datas(&kept["messages"]), [1, 3]);
}

#[test]
fn history_is_read_in_pages_both_ways() {
    let (_server, mut ann) = room(&json!({}));
    let places: Vec<_> = (1..=5).map(|data| say(&mut ann, &json!(data))).collect();
    let mut page = |fields: Value| {
        let mut body = json!({"channel": "room"});
        body.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
        let page = ann.ok("history", &body);
        assert_eq!(page["position"], places[4], "{page}");
        (datas(&page["messages"]), page["next"].clone())
    };
    let numbers = |numbers: &[u64]| numbers.iter().map(|number| json!(number)).collect::<Vec<_>>();
    assert_eq!(page(json!({})), (numbers(&[1, 2, 3, 4, 5]), Value::Null));
    assert_eq!(page(json!({"limit": 2})), (numbers(&[1, 2]), json!(places[1])));
    assert_eq!(page(json!({"after": places[1], "limit": 2})), (numbers(&[3, 4]), json!(places[3])));
    assert_eq!(page(json!({"after": places[4]})), (numbers(&[]), Value::Null));
    assert_eq!(page(json!({"order": "newest", "limit": 2})), (numbers(&[5, 4]), json!(places[3])));
    assert_eq!(page(json!({"before": places[3], "order": "newest"})), (numbers(&[3, 2, 1]), Value::Null));
    assert_eq!(page(json!({"since_at": 1, "limit": 1})), (numbers(&[1]), json!(places[0])));
}

#[test]
fn presence_lists_counts_and_samples() {
    let (server, mut ann) = room(&json!({"presence": true}));
    let _others: Vec<_> = ["ben", "cyd"].map(|user| member(&server, user)).into();
    let ask = |ann: &mut Native, fields: Value| {
        let mut body = json!({"channel": "room"});
        body.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
        ann.ok("presence", &body)
    };
    wait("all three to be there", || ask(&mut ann, json!({"limit": 0})) == json!({"count": 3, "members": []}));
    let first = ask(&mut ann, json!({"limit": 2}));
    let names =
        |page: &Value| page["members"].as_array().unwrap().iter().map(|one| one["member"].clone()).collect::<Vec<_>>();
    assert_eq!((names(&first), &first["next"]), (vec![json!("ann"), json!("ben")], &json!("ben")));
    let second = ask(&mut ann, json!({"after": "ben"}));
    assert_eq!((names(&second), second.get("next")), (vec![json!("cyd")], None));
    assert!(second["members"][0]["since_at"].is_u64());
    let sample = ask(&mut ann, json!({"sample": true, "limit": 2}));
    assert_eq!((sample["count"].as_u64(), names(&sample).len()), (Some(3), 2));
}

#[test]
fn who_subscribes_again_never_left() {
    let (server, mut ann) = room(&json!({"presence": true}));
    let (mut ben, _) = member(&server, "ben");
    ben.ok("subscribe", &json!({"channel": "room", "presence": true}));
    let position = say(&mut ann, &json!(1));
    let members = |native: &mut Native| native.ok("presence", &json!({"channel": "room"}))["members"].clone();
    wait("both", || members(&mut ben).as_array().unwrap().len() == 2);
    let before = members(&mut ben);
    ann.ok("subscribe", &json!({"channel": "room", "presence": true}));
    ann.ok("subscribe", &json!({"channel": "room", "position": position}));
    assert_eq!(members(&mut ben), before, "since_at, above all");
    ann.ok("presence_set", &json!({"channel": "room", "data": {"n": 1}}));
    wait("her data", || members(&mut ben)[0]["data"] == json!({"n": 1}));
    assert_eq!(members(&mut ben)[0]["since_at"], before[0]["since_at"]);
}

/// Sent in one go, as by an application that does not wait: whoever orders the channel, its own message is behind its subscription.
#[test]
fn who_subscribes_and_then_publishes_hears_it() {
    let server = Setup::default().env("TOLLGATE_SHARDS", "3").start();
    for number in 0..60 {
        let (room, open) = (format!("room-{number}"), format!("open-{number}"));
        channel(&server, &room, &json!({}));
        let capabilities = ["anonymous_publish"];
        server.v2("POST", "/v2/channels", &json!({"id": open, "type": "unprotected", "capabilities": capabilities}));
        let (_, secret) =
            token(&server, &json!({"capabilities": [{"channels": room, "operations": ["subscribe", "publish"]}]}));
        for (channel, who) in [(room, json!({"token": secret})), (open, json!({}))] {
            let (mut native, _) = Native::connect(&server, &who);
            let body = json!({"channel": channel, "event": "said", "data": number});
            let asked = [native.request("subscribe", &json!({"channel": channel})), native.request("publish", &body)];
            for id in asked {
                assert!(native.reply(id)["ok"].is_object());
            }
            assert_eq!(native.push("message")["data"], number, "{channel}");
        }
    }
}

#[test]
fn presence_set_changes_what_others_see() {
    let (server, mut ann) = room(&json!({"presence": true}));
    assert_eq!(ann.ok("presence_set", &json!({"channel": "room", "data": {"mood": "good"}})), json!({}));
    let (mut ben, _) = member(&server, "ben");
    wait("the change", || {
        let page = ben.ok("presence", &json!({"channel": "room", "limit": 1}));
        page["members"][0]["data"] == json!({"mood": "good"})
    });
}

#[test]
fn ack_takes_direct_messages_out_of_the_mailbox() {
    let server = Server::start();
    server.v2("PATCH", "/v2/project", &json!({"mailbox": {"size": 10, "ttl_ms": 60_000}}));
    let (id, secret) = token(&server, &json!({}));
    for data in 1..=3 {
        server.v2("POST", &format!("/v2/tokens/{id}/messages"), &json!({"event": "hi", "data": data}));
    }
    let (mut native, told) = Native::connect(&server, &json!({"token": secret}));
    let offsets: Vec<_> = (1..=3).map(|_| native.push("direct")["offset"].as_u64().unwrap()).collect();
    let direct = told["direct"].as_str().unwrap();
    assert_eq!(native.ok("ack", &json!({"direct": at(direct, offsets[1])})), json!({}));
    let (mut again, _) = Native::connect(&server, &json!({"token": secret}));
    assert_eq!(again.push("direct")["data"], 3);
    again.quiet();
    let unsent = again.refused("ack", &json!({"direct": at(direct, offsets[2] + 1)}));
    assert_eq!(unsent["code"], "invalid_input");
    assert_eq!(again.ok("ack", &json!({"direct": "1-1"})), json!({}), "of another epoch: there is nothing to take out");
}
