//! Tickets: each opens one stream of the token that it was made for, in its project and for its time.

use std::time::{Duration, Instant};

use serde_json::json;

use crate::stream::Ask;
use crate::{ask, call, done, open, refused, say, server, ticket, token};

const USED_UP: (u16, &str) = (401, "invalid_auth");

#[test]
fn a_ticket_opens_one_stream_by_either_way() {
    let server = server();
    let (id, secret) = token(&server);
    for is_post in [false, true] {
        let ticket = ticket(&server, &secret);
        let query = format!("project={}&channel=room&ticket={ticket}", server.project);
        let body =
            json!({"connect": {"project": server.project, "ticket": ticket}, "subscribe": [{"channel": "room"}]});
        let asked = if is_post { Ask::Post(&body) } else { Ask::Get(&query) };
        let (mut events, connected) = open(&server, &asked, &[]);
        assert_eq!(connected["token"]["id"], id, "{connected}");
        let position = say(&server, "room", &json!("hello"));
        let message = events.expect("message");
        assert_eq!((&message.data["data"], message.id), (&json!("hello"), Some(format!("room@{position}"))));
        for _ in 0..2 {
            let (status, code) = refused(ask(&server, &asked, &[]));
            assert_eq!((status, code.as_str()), USED_UP, "a second time");
        }
        say(&server, "room", &json!("on"));
        assert_eq!(events.expect("message").data["data"], "on", "the first goes on");
    }
}

#[test]
fn a_ticket_is_good_in_its_own_project_alone() {
    let server = server();
    let (id, secret) = token(&server);
    let (other, key) = server.new_project("other");
    assert_eq!(call(&server, &key, "POST", "/v2/channels", &json!({"id": "room", "type": "public"})).0, 201);
    let ticket = ticket(&server, &secret);
    let asked = |project: &str| format!("project={project}&channel=room&ticket={ticket}");
    let (status, code) = refused(ask(&server, &Ask::Get(&asked(&other)), &[]));
    assert_eq!((status, code.as_str()), USED_UP);
    // Nobody else can have used it up.
    let (_, connected) = open(&server, &Ask::Get(&asked(&server.project)), &[]);
    assert_eq!(connected["token"]["id"], id);
}

#[test]
fn a_ticket_ends_with_its_token_and_with_its_time() {
    let server = server();
    let (id, secret) = token(&server);
    let (_, long) = token(&server);
    let late = ticket(&server, &long);
    let made = Instant::now();
    let early = ticket(&server, &secret);
    done(&server, "POST", "/v2/tokens/revoke", &json!({"token": id}));
    let asked = |ticket: &str| format!("project={}&channel=room&ticket={ticket}", server.project);
    let (status, code) = refused(ask(&server, &Ask::Get(&asked(&early)), &[]));
    assert_eq!((status, code.as_str()), (401, "token_revoked"));
    // Its time is said when it is made.
    let (_, answer) = call(&server, &format!("Bearer {long}"), "POST", "/v2/tickets", &json!({}));
    assert_eq!(answer["expires_in_ms"], 30_000);
    std::thread::sleep(Duration::from_millis(30_000).saturating_sub(made.elapsed()));
    let (status, code) = refused(ask(&server, &Ask::Get(&asked(&late)), &[]));
    assert_eq!((status, code.as_str()), USED_UP, "too late");
}

#[test]
fn who_asks_for_a_stream_needs_no_more_than_a_key_holder_gives() {
    let server = server();
    let (id, secret) = token(&server);
    // A backend makes one for the token by its public id, and never shows the secret to the page.
    let made = done(&server, "POST", "/v2/tickets", &json!({"token": id}));
    let query = format!("project={}&channel=room&ticket={}", server.project, made["ticket"].as_str().unwrap());
    assert_eq!(open(&server, &Ask::Get(&query), &[]).1["token"]["id"], id);
    // A ticket opens connections and nothing else.
    let spare = ticket(&server, &secret);
    for path in ["/v2/me", "/v2/channels/room/history"] {
        assert_eq!(call(&server, &format!("Bearer {spare}"), "GET", path, &serde_json::Value::Null).0, 401, "{path}");
    }
}
