//! What ends a stream, and what it says last.

use serde_json::{Value, json};
use tollgate_testkit::poll::SOON;

use crate::stream::Ask;
use crate::{bearer, done, open, say, server, token, token_with};

/// The two ways to ask for `room`.
fn both(server: &tollgate_testkit::Server) -> (String, Value) {
    let body = json!({"connect": {"project": server.project}, "subscribe": [{"channel": "room"}]});
    (format!("project={}&channel=room", server.project), body)
}

#[test]
fn a_revocation_ends_streams_at_once() {
    let server = server();
    let (query, body) = both(&server);
    let (id, secret) = token(&server);
    let (_, other) = token(&server);
    let (mine, others) = (bearer(&secret), bearer(&other));
    let streams =
        [Ask::Get(&query), Ask::Post(&body)].map(|asked| open(&server, &asked, &[("Authorization", &mine)]).0);
    let (mut spared, _) = open(&server, &Ask::Get(&query), &[("Authorization", &others)]);
    done(&server, "POST", "/v2/tokens/revoke", &json!({"token": id}));
    // The answer is there, so nothing reaches them any more.
    say(&server, "room", &json!("secret"));
    for mut events in streams {
        let closed = events.expect("closed");
        assert_eq!(closed.data, json!({"code": 4102, "reason": "The token was revoked"}));
        assert_eq!(closed.retry, None, "it is no use to come back with the same token");
        assert!(events.next().is_none(), "the last event");
    }
    assert_eq!(spared.expect("message").data["data"], "secret");
    // And who comes back with it is told by the status, so that an `EventSource` stops trying.
    for asked in [Ask::Get(&query), Ask::Post(&body)] {
        let events = crate::ask(&server, &asked, &[("Authorization", &mine)]);
        assert_eq!(events.status(), 401);
        assert!(events.header("www-authenticate").is_some(), "{}", events.head);
    }
}

#[test]
fn a_stream_ends_with_its_token() {
    let server = server();
    let (query, _) = both(&server);
    let (_, secret) = token_with(&server, &json!({"channels": ["room"], "ttl_s": 2}));
    let (mut events, connected) = open(&server, &Ask::Get(&query), &[("Authorization", &bearer(&secret))]);
    assert!(connected["token"]["expires_in_ms"].as_u64().unwrap() <= 2_000, "{connected}");
    let mut told = Vec::new();
    let closed = loop {
        let event = events.next().expect("closed comes before the end");
        if event.kind == "closed" {
            break event;
        }
        told.push(event.kind);
    };
    assert_eq!(told, ["expiring"]);
    assert_eq!((closed.data["code"].clone(), closed.retry), (json!(4101), None), "{closed:?}");
}

#[test]
fn a_server_that_stops_tells_streams_when_to_come_back() {
    let mut server = server();
    let (query, body) = both(&server);
    let (_, secret) = token(&server);
    let header = bearer(&secret);
    let streams =
        [Ask::Get(&query), Ask::Post(&body)].map(|asked| open(&server, &asked, &[("Authorization", &header)]).0);
    server.terminate();
    for mut events in streams {
        let closed = events.expect("closed");
        assert_eq!(closed.data, json!({"code": 4000, "reason": "Restarting: come back"}));
        assert!(closed.retry.is_some_and(|wait_ms| wait_ms < 5_000), "{closed:?}");
        assert!(events.next().is_none());
    }
    assert!(server.ended(SOON).success(), "{}", server.log());
}
