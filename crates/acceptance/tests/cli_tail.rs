//! `tollgate tail` and `tollgate token inspect` beside a real server.
#![allow(clippy::unwrap_used, clippy::disallowed_methods)]

use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Child, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use serde_json::{Value, json};
use tollgate_testkit::binary::{self, run};
use tollgate_testkit::{Server, until};

const SOON: Duration = Duration::from_secs(20);

/// A tail that runs, and its lines.
struct Tail {
    child: Child,
    lines: Receiver<String>,
}

impl Tail {
    fn start(server: &Server, args: &[&str]) -> Self {
        let mut command = binary::command(&["tail", "room", "--data-dir", server.data().to_str().unwrap()]);
        let mut child = command.args(args).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let (tell, lines) = channel();
        let out = child.stdout.take().unwrap();
        std::thread::spawn(move || {
            for line in BufReader::new(out).lines().map_while(Result::ok) {
                let _ = tell.send(line);
            }
        });
        Self { child, lines }
    }

    fn line(&self) -> String {
        self.lines.recv_timeout(SOON).expect("a line in time")
    }

    fn data(&self) -> Value {
        serde_json::from_str::<Value>(&self.line()).unwrap()["data"].clone()
    }
}

impl Drop for Tail {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn say(server: &Server, data: &Value) {
    server.v2("POST", "/v2/channels/room/messages", &json!({"event": "said", "data": data}));
}

#[test]
fn a_tail_shows_what_comes_in_order_also_after_a_restart() {
    let mut server = Server::start();
    let history = json!({"durable": true, "size": 100, "ttl_ms": 3_600_000});
    server.v2("POST", "/v2/channels", &json!({"id": "room", "type": "private", "settings": {"history": history}}));
    for number in 0..3 {
        say(&server, &json!(number));
    }
    let mut tail = Tail::start(&server, &["--json", "--history", "2", "--count", "7"]);
    assert_eq!([tail.data(), tail.data()], [json!(1), json!(2)], "the past first");
    say(&server, &json!(3));
    assert_eq!(tail.data(), json!(3));
    server.stop();
    server.start_again();
    for number in 4..8 {
        say(&server, &json!(number));
    }
    let last: Vec<_> = (4..8).map(|_| tail.data()).collect();
    assert_eq!(last, (4..8).map(|number| json!(number)).collect::<Vec<_>>());
    let status = until(SOON, "it ends after as many as were wanted", || tail.child.try_wait().unwrap());
    assert!(status.success());
}

#[test]
fn people_get_lines_and_what_is_lost_is_said() {
    let mut server = Server::start();
    server.v2("POST", "/v2/channels", &json!({"id": "room", "type": "private"}));
    say(&server, &json!({"text": "a\u{1b}b"}));
    let mut tail = Tail::start(&server, &["--history", "1", "--count", "2"]);
    let line = tail.line();
    assert!(line.ends_with("  said  backend  {\"text\":\"a\\u001bb\"}"), "{line}");
    // A channel that is in memory begins anew, and who was at a position of before is told.
    server.stop();
    server.start_again();
    let err = tail.child.stderr.take().unwrap();
    let (tell, told) = channel();
    std::thread::spawn(move || {
        BufReader::new(err).lines().map_while(Result::ok).for_each(|line| drop(tell.send(line)));
    });
    while !told.recv_timeout(SOON).expect("that something was lost").contains("messages were lost") {}
    say(&server, &json!("again"));
    assert!(tail.line().ends_with("\"again\""));
}

#[test]
fn a_tail_of_nothing_is_refused() {
    let mut server = Server::start();
    let data = server.data().to_str().unwrap().to_owned();
    let said = run(&["tail", "none", "--data-dir", &data]);
    assert!(!said.ok && said.stderr.contains("not_found"), "{said:#?}");
    assert!(!run(&["tail", "room", "--history", "1001", "--data-dir", &data]).ok);
    server.stop();
    let said = run(&["tail", "room", "--data-dir", &data]);
    assert!(!said.ok && said.stderr.contains("no server uses the data folder"), "{said:#?}");
}

/// Pipes a secret into `token inspect`; gives whether it was answered, and all it said.
fn inspect(server: &Server, secret: &str, args: &[&str]) -> (bool, String) {
    let mut command = binary::command(&["token", "inspect", "--data-dir", server.data().to_str().unwrap()]);
    command.args(args).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    child.stdin.take().unwrap().write_all(secret.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    let said = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(secret.trim().len() < 12 || !said.contains(secret.trim()), "the secret is never shown: {said}");
    (output.status.success(), said)
}

#[test]
fn a_secret_is_inspected_and_never_shown() {
    let mut server = Server::start();
    server.v2("POST", "/v2/channels", &json!({"id": "room", "type": "private"}));
    let made = server.v2("POST", "/v2/tokens", &json!({"user_id": "ann", "ttl_s": 3600, "channels": ["room"]}));
    let (id, secret) = (made["id"].as_str().unwrap().to_owned(), made["secret"].as_str().unwrap().to_owned());
    server.remember(&secret);
    for running in [true, false] {
        if !running {
            server.stop();
        }
        let (ok, said) = inspect(&server, &format!("{secret}\n"), &[]);
        assert!(ok && said.starts_with("It works.\n"), "{said}");
        for part in [id.as_str(), "user            ann", "subscriptions   room", "expires"] {
            assert!(said.contains(part), "{part}: {said}");
        }
    }
    server.start_again();
    server.v2("POST", "/v2/tokens/revoke", &json!({"tokens": [id], "reason": "stolen"}));
    let (ok, said) = inspect(&server, &secret, &[]);
    assert!(ok && said.starts_with("It does not work: ") && said.contains("revoked"), "{said}");
    let (ok, said) = inspect(&server, &secret, &["--json"]);
    let said: Value = serde_json::from_str(&said).unwrap();
    assert_eq!((ok, &said["active"], &said["token"]["id"]), (true, &json!(false), &json!(id)));
    for (text, what) in [(server.key.as_str(), "a project's key"), (&id, "a token's id"), ("", "standard input")] {
        let (ok, said) = inspect(&server, text, &[]);
        assert!(!ok && said.contains(what), "{said}");
    }
    let (ok, said) = inspect(&server, "leap_token_nonsense", &[]);
    assert!(ok && said.starts_with("It does not work: "), "{said}");
}
