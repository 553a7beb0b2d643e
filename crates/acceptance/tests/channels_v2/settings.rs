//! What a channel's settings and capabilities do, at once.

use serde_json::{Value, json};
use tollgate_testkit::{Server, wait};

use crate::{ask, done, get, heard, say, token};

#[test]
fn capabilities_change_what_live_clients_may() {
    let server = Server::start();
    done(&server, "POST", "/v2/channels", &json!({"id": "room", "type": "private"}));
    let (_, secret) = token(&server, &json!({"channels": ["room"]}));
    let (mut leap, _) = server.identified(Some(&secret));
    leap.event("MESSAGE", "room", json!({"e": "SAID", "d": 1}));
    assert_eq!(leap.expect("MESSAGE", "room")["d"], 1);
    done(&server, "PATCH", "/v2/channels/room", &json!({"capabilities": ["token_set_state"]}));
    leap.event("MESSAGE", "room", json!({"e": "SAID", "d": 2}));
    assert_eq!(leap.drain(), Vec::<Value>::new(), "it may not publish any more");
    leap.event("SET_CHANNEL_STATE", "room", json!({"by": "client"}));
    leap.expect("STATE_UPDATE", "room");
    assert_eq!(get(&server, "/v2/channels/room")["state"], json!({"by": "client"}));
}

#[test]
fn a_channel_tells_where_it_is_and_how_many_are_online_and_ends_with_word_to_its_subscribers() {
    let server = Server::start();
    done(&server, "POST", "/v2/channels", &json!({"id": "room", "type": "private"}));
    let (id, secret) = token(&server, &json!({}));
    done(&server, "PUT", &format!("/v2/channels/room/subscribers/{id}"), &json!({}));
    let (mut leap, _) = server.identified(Some(&secret));
    let position = say(&server, "room", &json!(1));
    leap.expect("MESSAGE", "room");
    let now = get(&server, "/v2/channels/room");
    assert_eq!((&now["online"], &now["position"]), (&json!(1), &json!(position)));
    done(&server, "DELETE", &format!("/v2/channels/room/subscribers/{id}"), &Value::Null);
    leap.expect("UNAVAILABLE", "room");
    assert_eq!(get(&server, "/v2/channels/room")["online"], 0);
    done(&server, "PUT", &format!("/v2/channels/room/subscribers/{id}"), &json!({"ephemeral": true}));
    leap.expect("AVAILABLE", "room");
    done(&server, "DELETE", "/v2/channels/room", &Value::Null);
    leap.expect("UNAVAILABLE", "room");
    assert_eq!(ask(&server.api(), "GET", "/v2/channels/room", &Value::Null).0, 404);
}

#[test]
fn who_is_there_is_told_where_presence_is_on() {
    let server = Server::start();
    done(&server, "POST", "/v2/channels", &json!({"id": "room", "type": "public", "settings": {"presence": true}}));
    let mut clients = Vec::new();
    for user in ["ann", "ben", "cyd"] {
        let (_, secret) = token(&server, &json!({"user_id": user}));
        let (mut leap, _) = server.identified(Some(&secret));
        leap.join("room");
        clients.push((leap, secret));
    }
    let members = |query: &str| get(&server, &format!("/v2/channels/room/presence{query}"));
    wait("three are there", || members("?limit=0")["count"] == 3);
    let first = members("?limit=2");
    assert_eq!((&first["members"][0]["member"], &first["next"]), (&json!("ann"), &json!("ben")));
    assert!(first["members"][0]["since_at"].is_u64(), "{first}");
    let rest = members("?after=ben");
    assert_eq!((&rest["members"][0]["member"], rest.get("next")), (&json!("cyd"), None));
    assert_eq!(members("?limit=2&sample=true")["members"].as_array().unwrap().len(), 2);
    let (_, secret) = &clients[0];
    assert_eq!(ask(&server.api_with(secret), "GET", "/v2/channels/room/presence", &Value::Null).0, 200);
    done(&server, "PATCH", "/v2/channels/room", &json!({"settings": {"presence": false}}));
    let (status, refused) = ask(&server.api(), "GET", "/v2/channels/room/presence", &Value::Null);
    assert_eq!((status, &refused["code"]), (409, &json!("wrong_state")));
}

#[test]
fn the_command_line_does_the_same() {
    let server = Server::start();
    let run = |args: &[&str]| server.command(&[args, &["--json"]].concat());
    let made = run(&["channel", "create", "room", "--type", "public", "--history-size", "2", "--presence", "true"]);
    assert_eq!((&made["settings"]["history"]["size"], &made["settings"]["presence"]), (&json!(2), &json!(true)));
    let first = run(&["publish", "room", "said", "{\"text\":\"hello\"}", "--id", "1"]);
    assert_eq!(run(&["publish", "room", "said", "again", "--id", "1"])["position"], first["position"]);
    for text in ["two", "three"] {
        run(&["publish", "room", "said", text]);
    }
    assert_eq!(heard(&run(&["history", "room"])), [json!("two"), json!("three")]);
    assert_eq!(heard(&run(&["history", "room", "--newest", "--limit", "1"])), [json!("three")]);
    let set = run(&["channel", "set", "room", "--retain", "true", "--capability", "none"]);
    assert_eq!((&set["capabilities"], &set["settings"]["retain"]), (&json!([]), &json!(true)));
    assert!(run(&["channel", "show", "room"])["position"].is_string());
    assert_eq!(run(&["channel", "list"])["data"].as_array().unwrap().len(), 1);
    let deleted =
        tollgate_testkit::binary::run(&["channel", "delete", "room", "--data-dir", server.data().to_str().unwrap()]);
    assert!(deleted.ok, "{deleted:?}");
    assert_eq!(run(&["channel", "list"])["data"], json!([]));
}

#[test]
fn changes_that_come_at_once_are_all_made() {
    let server = Server::start();
    done(&server, "POST", "/v2/channels", &json!({"id": "room", "type": "private"}));
    for round in 0..40 {
        let is_on = round % 2 == 0;
        let changes = [
            json!({"settings": {"presence": is_on}}),
            json!({"settings": {"echo": !is_on}}),
            json!({"settings": {"history": {"size": 100 + round}}}),
            json!({"settings": {"history": {"ttl_ms": 60_000 + round}}}),
            json!({"capabilities": if is_on { vec!["token_publish"] } else { vec!["token_set_state"] }}),
        ];
        std::thread::scope(|scope| {
            for change in &changes {
                scope.spawn(|| done(&server, "PATCH", "/v2/channels/room", change));
            }
        });
        let now = get(&server, "/v2/channels/room");
        for change in &changes {
            assert!(contains(&now, change), "round {round}: {change} is not in {now}");
        }
    }
}

/// Whether everything that is asked for is there.
fn contains(there: &Value, asked: &Value) -> bool {
    match asked {
        Value::Object(asked) => asked.iter().all(|(name, asked)| contains(&there[name], asked)),
        _ => there == asked,
    }
}
