//! Long polls: woken by the first message, ended by their time, by the client's going, by a revocation and by the server's end.

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tollgate_testkit::http::{Http, request};
use tollgate_testkit::{Server, wait};

use crate::{ask, done, get, heard, say, token};

const SOON: Duration = Duration::from_secs(10);

fn room(server: &Server) -> String {
    done(server, "POST", "/v2/channels", &json!({"id": "room", "type": "private"}));
    say(server, "room", &json!(0))
}

/// A poll that has been sent, and waits.
fn poll(server: &Server, credential: &str, position: &str) -> Http {
    let mut http = Http::connect(server.addr).unwrap();
    let path = format!("/v2/channels/room/history?after={position}&wait_ms=60000");
    http.write(&request("GET", &path, &[("Authorization", credential)], None)).unwrap();
    http
}

/// Those of a few requests before may be among them for a moment.
fn descriptors(server: &Server) -> usize {
    std::fs::read_dir(format!("/proc/{}/fd", server.pid())).unwrap().count()
}

#[test]
fn many_polls_hear_the_first_message_and_the_server_goes_on_meanwhile() {
    let server = Server::start();
    let position = room(&server);
    let (_, secret) = token(&server, &json!({"channels": ["room"]}));
    let mut polls: Vec<Http> = (0..200).map(|_| poll(&server, &secret, &position)).collect();
    assert_eq!(get(&server, "/v2/channels/room")["id"], "room", "nobody else waits");
    let began = Instant::now();
    say(&server, "room", &json!({"text": "hello"}));
    for poll in &mut polls {
        let reply = poll.reply(false).unwrap();
        assert_eq!((reply.status, heard(&reply.json())), (200, vec![json!({"text": "hello"})]));
    }
    assert!(began.elapsed() < SOON, "{:?}", began.elapsed());
    let waited = Instant::now();
    let now = get(&server, "/v2/channels/room")["position"].clone();
    let nothing = get(&server, &format!("/v2/channels/room/history?after={}&wait_ms=300", now.as_str().unwrap()));
    assert_eq!(heard(&nothing), Vec::<Value>::new());
    assert!(waited.elapsed() >= Duration::from_millis(300), "it waited");
}

#[test]
fn nothing_is_left_of_clients_that_go_away() {
    let server = Server::start();
    let position = room(&server);
    let before = descriptors(&server);
    let polls: Vec<Http> = (0..50).map(|_| poll(&server, &server.key, &position)).collect();
    wait("all are there", || descriptors(&server) >= before + 45);
    drop(polls);
    wait("all are gone", || descriptors(&server) <= before + 1);
}

#[test]
fn a_poll_of_a_token_that_was_revoked_meanwhile_hears_nothing() {
    let server = Server::start();
    let position = room(&server);
    let (id, secret) = token(&server, &json!({"channels": ["room"]}));
    let mut waiting = poll(&server, &secret, &position);
    done(&server, "POST", "/v2/tokens/revoke", &json!({"token": id}));
    say(&server, "room", &json!("secret"));
    let reply = waiting.reply(false).unwrap();
    assert_eq!((reply.status, &reply.json()["code"]), (401, &json!("token_revoked")));
    assert!(!reply.text().contains("secret\""), "{}", reply.text());
}

#[test]
fn a_new_run_of_offsets_and_the_end_of_a_channel_let_go_of_who_waits() {
    let server = Server::start();
    let position = room(&server);
    let mut waiting = poll(&server, &server.key, &position);
    // It waits, unless the change comes first; the answer is the same.
    done(&server, "PATCH", "/v2/channels/room", &json!({"settings": {"history": {"durable": true}}}));
    let reply = waiting.reply(false).unwrap();
    assert_eq!((reply.status, &reply.json()["code"]), (410, &json!("position_lost")));
    let position = reply.json()["position"].as_str().unwrap().to_owned();
    let mut waiting = poll(&server, &server.key, &position);
    done(&server, "DELETE", "/v2/channels/room", &Value::Null);
    assert_eq!(waiting.reply(false).unwrap().status, 404);
    assert_eq!(ask(&server.api(), "GET", "/v2/channels/room/history", &Value::Null).0, 404);
}

#[test]
fn a_server_that_stops_answers_who_waits() {
    let mut server = Server::start();
    let position = room(&server);
    let before = descriptors(&server);
    let mut polls: Vec<Http> = (0..20).map(|_| poll(&server, &server.key, &position)).collect();
    wait("all are there", || descriptors(&server) >= before + 15);
    server.terminate();
    for poll in &mut polls {
        let reply = poll.reply(false).unwrap();
        assert_eq!((reply.status, heard(&reply.json())), (200, Vec::<Value>::new()));
    }
    assert!(server.ended(SOON).success(), "{}", server.log());
}
