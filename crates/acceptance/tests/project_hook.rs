//! A project's access hook, seen by a little backend: its questions are signed, its answers hold, and what it does not answer harms nobody.
#![allow(clippy::unwrap_used, clippy::disallowed_methods)]

use std::io::Write as _;
use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tollgate_acceptance::standard_webhooks::check;
use tollgate_testkit::poll::{SOON, until};
use tollgate_testkit::receiver::{Answer, Received, Receiver};
use tollgate_testkit::{Api, Leap, Native, Server, Setup};

/// A server that may call receivers on this machine.
fn start() -> Server {
    let setup = Setup::default().env("TOLLGATE_OUTBOUND_ALLOWED_HOSTS", "127.0.0.1");
    setup.env("TOLLGATE_OUTBOUND_ALLOW_HTTP", "true").start()
}

fn v2(api: &Api<'_>, method: &str, path: &str, body: &Value) -> (u16, Value) {
    let body = (method != "GET").then(|| body.to_string().into_bytes());
    let reply = api.try_call(method, path, body.as_deref()).unwrap();
    (reply.status, serde_json::from_slice(&reply.body).unwrap_or(Value::Null))
}

/// Changes the hook; gives it as it is shown.
fn set(server: &Server, hook: &Value) -> Value {
    let (status, project) = v2(&server.api(), "PATCH", "/v2/project", &json!({"hook": hook}));
    assert_eq!(status, 200, "{project}");
    let shown = project["settings"]["hook"].clone();
    if let Some(secret) = shown["secret"].as_str() {
        server.remember(secret);
    }
    shown
}

/// Has this receiver asked these questions; gives the secret.
fn ask(server: &Server, receiver: &Receiver, questions: &[&str]) -> String {
    let hook = set(server, &json!({"url": format!("http://{}/hook?x=1", receiver.addr), "questions": questions}));
    hook["secret"].as_str().unwrap().to_owned()
}

fn say(receiver: &Receiver, answer: &Value) {
    let body = answer.to_string();
    let head = format!("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {}\r\n", body.len());
    receiver.answer(Answer::Bytes(format!("{head}Connection: close\r\n\r\n{body}")));
}

fn client(server: &Server, token: &str) -> Leap {
    server.identified(Some(token)).0
}

/// The code that a client's connect is closed with.
fn refused(server: &Server, token: &str) -> u16 {
    let mut leap = server.leap();
    leap.send(&json!({"op": 2, "d": {"project_id": server.project, "token": token}}));
    leap.closed().0
}

fn message(leap: &mut Leap, text: &str) {
    leap.event("MESSAGE", "room", json!({"e": "SAID", "d": text}));
}

#[test]
fn connecting_entering_and_publishing_are_asked_about_in_signed_questions() {
    let (receiver, server) = (Receiver::start(), start());
    let api = server.api();
    api.channel("room", "private", json!({"n": 1}));
    let token = api.token(json!({"user": 7}));
    let secret = ask(&server, &receiver, &["connect", "subscribe", "publish"]);
    say(&receiver, &json!({"allow": true}));
    let mut leap = client(&server, &token);
    assert_eq!(leap.join("room"), json!({"n": 1}));
    message(&mut leap, "hi");
    assert_eq!(leap.expect("MESSAGE", "room")["d"], "hi");
    let asked = [receiver.next(), receiver.next(), receiver.next()];
    for request in &asked {
        assert_eq!((request.method.as_str(), request.path.as_str()), ("POST", "/hook?x=1"));
        let text = String::from_utf8_lossy(&request.body).into_owned();
        assert!(!text.contains(&token["leap_token_".len()..]), "the hook must not learn the secret");
    }
    let [connect, subscribe, publish] = asked.each_ref().map(|request| check(request, &secret));
    assert_eq!((&connect["type"], &connect["data"]["address"]), (&json!("hook.connect"), &json!("127.0.0.1")));
    for (question, kind) in [(&connect, "hook.connect"), (&subscribe, "hook.subscribe"), (&publish, "hook.publish")] {
        assert_eq!((&question["type"], &question["data"]["token_state"]), (&json!(kind), &json!({"user": 7})));
        assert_eq!(question["data"]["project_id"], json!(server.project));
    }
    assert_eq!(
        (&subscribe["data"]["channel_id"], &subscribe["data"]["channel_type"]),
        (&json!("room"), &json!("private"))
    );
    assert_eq!(publish["data"]["message"], json!({"event": "SAID", "data": "hi"}));
    // A no to each of them.
    say(&receiver, &json!({"allow": false, "reason": "no"}));
    message(&mut leap, "again");
    receiver.next();
    leap.quiet();
    assert_eq!(refused(&server, &token), 4001, "a client that is not wanted stays away");
    receiver.next();
    // The hook is taken away.
    assert_eq!(set(&server, &Value::Null), Value::Null);
    message(&mut leap, "free");
    assert_eq!(leap.expect("MESSAGE", "room")["d"], "free");
    assert!(receiver.is_quiet());
    secret_is_shown_once(&server, &receiver);
}

fn secret_is_shown_once(server: &Server, receiver: &Receiver) {
    let first = ask(server, receiver, &["connect"]);
    let (_, project) = v2(&server.api(), "GET", "/v2/project", &Value::Null);
    assert!(project["settings"]["hook"]["url"].is_string() && !project.to_string().contains(&first));
    let changed = set(server, &json!({"timeout_ms": 300}));
    assert_eq!((&changed["timeout_ms"], &changed["secret"]), (&json!(300), &Value::Null));
    let rotated = set(server, &json!({"rotate_secret": true}));
    assert!(
        rotated["secret"].as_str().is_some_and(|second| second != first)
            && rotated["previous_secret_until"].is_string()
    );
}

#[test]
fn messages_of_one_publisher_keep_their_order_while_the_hook_thinks() {
    let (receiver, server) = (Receiver::start(), start());
    let api = server.api();
    api.channel("room", "public", json!({}));
    let (mut publisher, mut reader) = (client(&server, &api.token(json!({}))), client(&server, &api.token(json!({}))));
    publisher.join("room");
    reader.join("room");
    ask(&server, &receiver, &["publish"]);
    receiver.answer(Answer::Held);
    for text in ["one", "two", "three"] {
        message(&mut publisher, text);
    }
    let first: Value = serde_json::from_slice(&receiver.next().body).unwrap();
    assert_eq!(first["data"]["message"]["data"], "one");
    // What a backend says does not wait for what a client said.
    api.publish("room", "NEWS", json!(1));
    assert_eq!(reader.expect("MESSAGE", "room")["e"], "NEWS");
    assert!(receiver.is_quiet(), "the second is asked about when the first is decided");
    say(&receiver, &json!({"allow": true}));
    let heard = ["one", "two", "three"].map(|_| reader.expect("MESSAGE", "room")["d"].clone());
    assert_eq!(heard, ["one", "two", "three"]);
    let rest = [receiver.next(), receiver.next()].map(|request| {
        let body: Value = serde_json::from_slice(&request.body).unwrap();
        body["data"]["message"]["data"].clone()
    });
    assert_eq!(rest, ["two", "three"]);
}

#[test]
fn an_answer_is_used_again_as_long_as_it_says_and_until_the_token_changes() {
    let (receiver, server) = (Receiver::start(), start());
    let api = server.api();
    api.channel("room", "public", json!({}));
    let token = api.token(json!({}));
    let mut leap = client(&server, &token);
    leap.join("room");
    ask(&server, &receiver, &["publish"]);
    say(&receiver, &json!({"allow": true, "cache_ms": 60_000}));
    for text in ["one", "two", "three"] {
        message(&mut leap, text);
        assert_eq!(leap.expect("MESSAGE", "room")["d"], text);
    }
    receiver.next();
    assert!(receiver.is_quiet());
    let (status, _) = v2(&api, "PUT", &format!("/v2/tokens/{token}/state"), &json!({"muted": true}));
    assert_eq!(status, 200);
    say(&receiver, &json!({"allow": false}));
    message(&mut leap, "four");
    assert_eq!(check_state(&receiver.next()), json!({"muted": true}));
    leap.quiet();
}

fn check_state(request: &Received) -> Value {
    let body: Value = serde_json::from_slice(&request.body).unwrap();
    body["data"]["token_state"].clone()
}

#[test]
fn a_backend_that_fails_is_left_alone_and_tried_again_by_one_question() {
    let (receiver, server) = (Receiver::start(), start());
    let token = server.api().token(json!({}));
    ask(&server, &receiver, &["connect"]);
    receiver.answer(Answer::status(500));
    for _ in 0..5 {
        assert_eq!(refused(&server, &token), 4000, "come back");
        receiver.next();
    }
    let opened = Instant::now();
    assert_eq!(refused(&server, &token), 4000);
    assert!(receiver.is_quiet(), "it rests");
    say(&receiver, &json!({"allow": true}));
    // Nobody has to do anything: after the rest one question finds out that it is back.
    until(SOON, "the hook to be asked again", || {
        let mut leap = server.leap();
        leap.send(&json!({"op": 2, "d": {"project_id": server.project, "token": token}}));
        leap.ending(Duration::from_millis(200)).is_none().then_some(())
    });
    assert!(opened.elapsed() >= Duration::from_secs(4), "{:?}", opened.elapsed());
    client(&server, &token);
    let log = server.log();
    assert_eq!(log.matches("it is not asked for a while").count(), 1, "{log}");
    assert_eq!(log.matches("the access hook answers again").count(), 1, "{log}");
}

#[test]
fn what_is_no_answer_refuses_within_the_deadline_or_lets_in_where_the_project_says_so() {
    let (receiver, elsewhere, server) = (Receiver::start(), Receiver::start(), start());
    let api = server.api();
    let token = api.token(json!({}));
    api.channel("den", "private", json!({}));
    ask(&server, &receiver, &["connect"]);
    set(&server, &json!({"timeout_ms": 300}));
    let redirect = format!("HTTP/1.1 307 X\r\nLocation: http://{}/\r\nContent-Length: 0\r\n\r\n", elsewhere.addr);
    let long = format!("HTTP/1.1 200 X\r\nContent-Length: 5000\r\n\r\n{{\"allow\":true}}{}", " ".repeat(4986));
    for answer in [
        Answer::Silence,
        Answer::Bytes(redirect),
        Answer::Bytes(long),
        Answer::Bytes("HTTP/1.1 200 X\r\nContent-Length: 2\r\n\r\nno".into()),
    ] {
        receiver.answer(answer.clone());
        let began = Instant::now();
        assert_eq!(refused(&server, &token), 4000, "{answer:?}");
        assert!(began.elapsed() < Duration::from_secs(3), "{answer:?}: {:?}", began.elapsed());
        receiver.next();
    }
    assert!(elsewhere.is_quiet(), "a redirect was followed");
    set(&server, &json!({"questions": ["connect", "subscribe"], "on_failure": "allow"}));
    let mut leap = client(&server, &token);
    assert_eq!(leap.refused("den"), "NOT_GRANTED", "a private channel needs a yes");
}

#[test]
fn a_late_yes_overrules_nothing_that_happened_meanwhile() {
    let (receiver, server) = (Receiver::start(), start());
    let api = server.api();
    api.channel("room", "public", json!({}));
    let (talker, doomed) = (api.token(json!({})), api.token(json!({})));
    let mut reader = client(&server, &api.token(json!({})));
    let (mut first, mut second) = (client(&server, &talker), client(&server, &doomed));
    for leap in [&mut reader, &mut first, &mut second] {
        leap.join("room");
    }
    ask(&server, &receiver, &["connect", "publish"]);
    let yes = || say(&receiver, &json!({"allow": true}));
    // The channel may not be written into any more.
    receiver.answer(Answer::Held);
    message(&mut first, "too late");
    receiver.next();
    assert_eq!(v2(&api, "PATCH", "/v1/channels/room", &json!({"capabilities": 0})).0, 200);
    yes();
    first.quiet();
    reader.quiet();
    assert_eq!(v2(&api, "PATCH", "/v1/channels/room", &json!({"capabilities": 2})).0, 200);
    // The token that publishes is gone, and so is its connection.
    receiver.answer(Answer::Held);
    message(&mut second, "too late");
    receiver.next();
    api.delete(&format!("/v1/channels/tokens/{doomed}")).no_content();
    yes();
    assert_eq!(second.closed().0, 4001);
    reader.quiet();
    // The token that connects is gone.
    receiver.answer(Answer::Held);
    let mut late = server.leap();
    late.send(&json!({"op": 2, "d": {"project_id": server.project, "token": talker}}));
    receiver.next();
    api.delete(&format!("/v1/channels/tokens/{talker}")).no_content();
    yes();
    assert_eq!(late.closed().0, 4001);
}

#[test]
fn a_hook_inside_the_servers_own_network_is_refused() {
    let server = Setup::default().start();
    for url in ["https://127.0.0.1/", "https://169.254.169.254/latest", "http://example.com/"] {
        let wanted = json!({"hook": {"url": url, "questions": ["connect"]}});
        let (status, refused) = v2(&server.api(), "PATCH", "/v2/project", &wanted);
        assert_eq!((status, &refused["code"]), (422, &json!("invalid_input")), "{url}: {refused}");
    }
}

#[test]
fn the_command_line_sets_a_hook_and_takes_it_away() {
    let (receiver, server) = (Receiver::start(), start());
    let url = format!("http://{}/", receiver.addr);
    let project =
        |args: &[&str]| server.command(&[&["project", "set"], args, &["--json"]].concat())["settings"]["hook"].clone();
    let made = project(&["--hook-url", &url, "--hook-question", "connect", "--hook-timeout-ms", "700"]);
    let secret = made["secret"].as_str().unwrap().to_owned();
    server.remember(&secret);
    assert_eq!((&made["url"], &made["timeout_ms"], &made["on_failure"]), (&json!(url), &json!(700), &json!("deny")));
    let changed = project(&["--hook-on-failure", "allow", "--hook-anonymous", "true"]);
    assert_eq!(
        (&changed["on_failure"], &changed["anonymous"], &changed["secret"]),
        (&json!("allow"), &json!(true), &Value::Null)
    );
    say(&receiver, &json!({"allow": true}));
    let _guest = server.identified(None);
    assert_eq!(check(&receiver.next(), &secret)["type"], "hook.connect");
    assert_eq!(project(&["--hook-url", "none"]), Value::Null);
}

/// The listing of docs/hooks.md, run as it stands there.
#[allow(clippy::explicit_write)]
#[test]
fn the_page_s_own_lines_tell_genuine_questions_from_others() {
    let page = include_str!("../../../docs/hooks.md");
    let listing = page.split_once("```js\n").unwrap().1.split_once("```").unwrap().0;
    let (receiver, server) = (Receiver::start(), start());
    let token = server.api().token(json!({"text": "é \u{1f600}"}));
    let secret = ask(&server, &receiver, &["connect"]);
    say(&receiver, &json!({"allow": true}));
    client(&server, &token);
    let request = receiver.next();
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("body"), &request.body).unwrap();
    let driver = r#"
import { readFileSync } from "node:fs";
const [secret, headers, dir] = [process.argv[2], JSON.parse(process.argv[3]), process.argv[4]];
const body = readFileSync(`${dir}/body`);
const other = "whsec_" + Buffer.alloc(32, 1).toString("base64");
const late = { ...headers, "webhook-timestamp": String(Number(headers["webhook-timestamp"]) - 301) };
const cut = { ...headers, "webhook-signature": headers["webhook-signature"].slice(0, -4) };
console.log(JSON.stringify([isGenuine(secret, headers, body), isGenuine(other, headers, body),
  isGenuine(secret, headers, body + " "), isGenuine(secret, late, body), isGenuine(secret, cut, body)]));
"#;
    std::fs::write(dir.path().join("check.mjs"), format!("{listing}{driver}")).unwrap();
    let headers = serde_json::to_string(&request.headers).unwrap();
    let ran = Command::new("node").arg(dir.path().join("check.mjs")).args([&secret, &headers]).arg(dir.path()).output();
    let Ok(ran) = ran else {
        writeln!(std::io::stderr(), "SKIPPED the guide's check of signatures: there is no node on this machine")
            .unwrap();
        return;
    };
    assert_eq!(
        String::from_utf8_lossy(&ran.stdout).trim(),
        "[true,false,false,false,false]",
        "{}",
        String::from_utf8_lossy(&ran.stderr)
    );
}

#[test]
fn a_reason_reaches_the_client_over_our_own_protocol_and_over_v2() {
    let (receiver, server) = (Receiver::start(), start());
    let api = server.api();
    for (id, kind) in [("room", "public"), ("den", "private")] {
        server.v2("POST", "/v2/channels", &json!({"id": id, "type": kind, "capabilities": ["token_publish"]}));
    }
    let made = server.v2("POST", "/v2/tokens", &json!({"channels": ["room"]}));
    let token = made["secret"].as_str().unwrap();
    server.remember(token);
    ask(&server, &receiver, &["subscribe", "publish"]);
    let (mut native, _) = Native::connect(&server, &json!({"token": token}));
    let message = json!({"channel": "room", "event": "said", "data": 1});
    say(&receiver, &json!({"allow": false, "reason": "muted\nuntil noon"}));
    let (muted, kept_out) = (
        "The project's backend refused this message in the channel room: muted until noon.",
        "The project's backend refused this client the channel den: muted until noon.",
    );
    for (name, body, told) in [("publish", &message, muted), ("subscribe", &json!({"channel": "den"}), kept_out)] {
        let refused = native.refused(name, body);
        assert_eq!((&refused["code"], &refused["message"]), (&json!("not_granted"), &json!(told)), "{refused}");
    }
    let own = server.api_with(token);
    let (status, refused) = v2(&own, "POST", "/v2/channels/room/messages", &json!({"event": "said", "data": 1}));
    assert_eq!(
        (status, &refused["code"], &refused["detail"]),
        (403, &json!("not_granted"), &json!(muted)),
        "{refused}"
    );
    let batch = json!({"messages": [message]});
    let (_, results) = v2(&own, "POST", "/v2/publish", &batch);
    assert!(results.to_string().contains("muted until noon"), "{results}");
    // Whoever publishes with a key is not asked about, and nobody hears of what was refused.
    let (status, _) = v2(&api, "POST", "/v2/channels/room/messages", &json!({"event": "from-backend", "data": 2}));
    assert!(status < 300);
    let heard = native.push("message");
    assert_eq!(heard["event"], "from-backend", "{heard}");
}
