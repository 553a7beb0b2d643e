//! Who is there, told to webhook endpoints: occupied and vacated, online, in order although a try fails, and the batch query for the rest.
#![allow(clippy::unwrap_used, clippy::disallowed_methods)]

use serde_json::{Value, json};
use tollgate_acceptance::standard_webhooks::check;
use tollgate_testkit::poll::{SOON, until};
use tollgate_testkit::receiver::{Answer, Receiver};
use tollgate_testkit::{Api, Server, Setup};

fn start() -> Server {
    let setup = Setup::default().env("TOLLGATE_OUTBOUND_ALLOWED_HOSTS", "127.0.0.1");
    setup.env("TOLLGATE_OUTBOUND_ALLOW_HTTP", "true").start()
}

fn v2(api: &Api<'_>, method: &str, path: &str, body: &Value) -> (u16, Value) {
    let reply = api.try_call(method, path, Some(body.to_string().as_bytes())).unwrap();
    (reply.status, serde_json::from_slice(&reply.body).unwrap_or(Value::Null))
}

fn register(server: &Server, receiver: &Receiver, events: &[&str]) -> String {
    let wanted = json!({"url": format!("http://{}/", receiver.addr), "events": events});
    let (status, made) = v2(&server.api(), "POST", "/v2/webhooks", &wanted);
    assert_eq!(status, 201, "{made}");
    let secret = made["secret"].as_str().unwrap().to_owned();
    server.remember(&secret);
    secret
}

#[test]
fn a_channel_s_beginning_and_end_come_in_order_although_a_try_fails_and_the_server_dies() {
    let (receiver, mut server) = (Receiver::start(), start());
    server.api().channel("hall", "unprotected", json!({}));
    let secret = register(&server, &receiver, &["channel.*"]);
    receiver.answer(Answer::status(500));
    let (mut guest, _) = server.identified(None);
    guest.join("hall");
    let first = receiver.next();
    let told = check(&first, &secret);
    assert_eq!((&told["type"], &told["data"]["channel_id"]), (&json!("channel.occupied"), &json!("hall")));
    guest.cut();
    // The end is in the line while the beginning is not delivered.
    let hooks: Value =
        serde_json::from_slice(&server.api().try_call("GET", "/v2/webhooks", None).unwrap().body).unwrap();
    let path = format!("/v2/webhooks/{}/deliveries", hooks["data"][0]["id"].as_str().unwrap());
    until(SOON, "the end to be written down behind the beginning", || {
        let listed = server.api().try_call("GET", &path, None).unwrap();
        let listed: Value = serde_json::from_slice(&listed.body).unwrap();
        (listed["data"].as_array()?.len() == 2).then_some(())
    });
    assert!(receiver.is_quiet(), "it waits for its turn");
    server.kill();
    receiver.answer(Answer::status(204));
    server.start_again();
    let (again, last) = (receiver.next(), receiver.next());
    assert_eq!(again.headers["webhook-id"], first.headers["webhook-id"]);
    assert_eq!(check(&last, &secret)["type"], "channel.vacated");
}

#[test]
fn who_is_online_is_told_once_and_can_be_asked_for_many() {
    let (receiver, server) = (Receiver::start(), start());
    let api = server.api();
    let secret = register(&server, &receiver, &["token.online", "token.offline"]);
    let (_, made) = v2(&api, "POST", "/v2/tokens", &json!({"user_id": "ann"}));
    let (id, token) = (made["id"].as_str().unwrap().to_owned(), made["secret"].as_str().unwrap().to_owned());
    server.remember(&token);
    let (first, _) = server.identified(Some(&token));
    let (second, _) = server.identified(Some(&token));
    let told = check(&receiver.next(), &secret);
    assert_eq!(
        (&told["type"], &told["data"]["id"], &told["data"]["user_id"]),
        (&json!("token.online"), &json!(id), &json!("ann"))
    );
    let ask = || {
        let (status, said) =
            v2(&api, "POST", "/v2/online", &json!({"tokens": [id, "tok_MQ"], "users": ["ann", "ben"]}));
        assert_eq!(status, 200, "{said}");
        said
    };
    let said = ask();
    for named in [&said["tokens"][0], &said["users"][0]] {
        assert_eq!((&named["online"], &named["connections"]), (&json!(true), &json!(2)));
    }
    let never = json!({"online": false, "connections": 0, "last_seen_at": null});
    assert_eq!((&said["tokens"][1], &said["users"][1]), (&never, &never));
    first.close();
    second.close();
    let gone =
        until(SOON, "both connections to be over", || Some(ask()).filter(|said| said["tokens"][0]["online"] == false));
    assert!(gone["tokens"][0]["last_seen_at"].is_string(), "{gone}");
    assert_eq!(gone["tokens"][0], gone["users"][0]);
    // Back within its session: no news.
    let _third = server.identified(Some(&token));
    assert!(receiver.is_quiet());
}
