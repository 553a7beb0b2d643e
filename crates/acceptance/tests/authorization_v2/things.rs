//! What operations are about: one of each kind, in one project, made by its own key.

use std::time::Duration;

use serde_json::{Value, json};
use tollgate_testkit::receiver::Receiver;
use tollgate_testkit::{Leap, Server, Setup, until};

use crate::document::{Names, Operation};

/// Long enough for anything to be done.
const DONE: Duration = Duration::from_secs(20);

/// A server that may send webhooks to this machine, and someone who gets them.
pub(crate) fn server() -> (Server, Receiver) {
    let config = "[outbound]\nallow_private = true\nallow_http = true\n";
    (Setup::default().config(config).start(), Receiver::start())
}

/// One request with the project's own key, which must succeed.
#[track_caller]
pub(crate) fn made(server: &Server, method: &str, path: &str, body: &Value) -> Value {
    let reply = server.api().try_call(method, path, Some(body.to_string().as_bytes())).unwrap();
    assert!(matches!(reply.status, 200..=202), "{method} {path} {body}: {}", reply.text());
    reply.json()
}

fn text(value: &Value, field: &str) -> String {
    value[field].as_str().unwrap_or_else(|| panic!("no {field} in {value}")).to_owned()
}

/// A token: its id and its secret.
pub(crate) fn token(server: &Server, wanted: &Value) -> (String, String) {
    let made = made(server, "POST", "/v2/tokens/batch", &json!({"action": "create", "entries": [wanted]}));
    let (id, secret) = (text(&made["results"][0], "id"), text(&made["results"][0], "secret"));
    server.remember(&secret);
    (id, secret)
}

/// Things that exist, under names that end in `number`.
pub(crate) fn things(server: &Server, receiver: &Receiver, number: usize) -> Names {
    let url = format!("http://{}/hook", receiver.addr);
    let channel = format!("room{number}");
    let kept = json!({"id": channel, "type": "private", "state": {"kept": true}, "settings": {"presence": true}});
    made(server, "POST", "/v2/channels", &kept);
    let (token, secret) = token(server, &json!({"state": {"kept": true}, "channels": [channel]}));
    let key = text(&made(server, "POST", "/v2/keys", &json!({"permissions": ["read_channels"]})), "id");
    let user = format!("ann{number}");
    made(server, "POST", "/v2/users", &json!({"user_id": user}));
    let job = text(&made(server, "POST", "/v2/jobs", &json!({"action": "create", "total": 1})), "id");
    let hmac = json!({"algorithm": "HS256", "secret": "0123456789abcdef0123456789abcdef"});
    let issuer = json!({"issuer": format!("https://one{number}.example"), "secret": hmac});
    let issuer = text(&made(server, "POST", "/v2/issuers", &issuer), "id");
    let signing = server.api().try_call("GET", "/v2/signing-keys", None).unwrap().json()["data"][0].clone();
    let signing = if signing.is_null() { made(server, "POST", "/v2/signing-keys/rotate", &json!({})) } else { signing };
    let webhook = text(&made(server, "POST", "/v2/webhooks", &json!({"url": url, "events": ["token.*"]})), "id");
    let delivery = text(&made(server, "POST", &format!("/v2/webhooks/{webhook}/test"), &json!({})), "id");
    Names::from([
        ("channel", channel),
        ("token", token),
        ("secret", secret),
        ("key", key),
        ("user_id", user),
        ("job", job),
        ("issuer", issuer),
        ("kid", text(&signing, "kid")),
        ("part", "1".to_owned()),
        ("webhook", webhook),
        ("delivery", delivery),
        ("connection", never("conn")),
        ("url", url),
        ("new", format!("new{number}")),
    ])
}

/// An id that nothing has.
fn never(prefix: &str) -> String {
    format!("{prefix}_MTIzNDU2Nzg5MDEyMzQ1Njc4")
}

/// The same names for things that nobody has ever made.
pub(crate) fn nothings(things: &Names) -> Names {
    let mut names = things.clone();
    for (name, value) in [
        ("channel", "nowhere".to_owned()),
        ("token", never("tok")),
        ("key", never("ptkid")),
        ("user_id", "nobody".to_owned()),
        ("job", never("job")),
        ("issuer", never("iss")),
        ("kid", "A".repeat(43)),
        ("webhook", never("wh")),
        ("delivery", never("msg")),
    ] {
        names.insert(name, value);
    }
    names
}

/// Brings things into the state in which the operation has something to do. What is answered is to be kept until it is done.
pub(crate) fn prepare(server: &Server, operation: &Operation, names: &mut Names) -> Option<Leap> {
    let job = format!("/v2/jobs/{}", names["job"]);
    match operation.id.as_str() {
        "messageConnection" | "closeConnection" => {
            let (leap, _) = server.identified(Some(&names["secret"]));
            let path = format!("/v2/tokens/{}/connections", names["token"]);
            let live = server.api().try_call("GET", &path, None).unwrap().json();
            names.insert("connection", text(&live["data"][0], "id"));
            return Some(leap);
        }
        "testHook" => {
            let hook = json!({"url": names["url"], "questions": ["publish"]});
            made(server, "PATCH", "/v2/project", &json!({"hook": hook}));
        }
        "restoreToken" => {
            made(server, "POST", "/v2/tokens/revoke", &json!({"token": names["token"], "grace_s": 0}));
        }
        "unbanUser" => {
            made(server, "POST", &format!("/v2/users/{}/ban", names["user_id"]), &json!({}));
        }
        "retireSigningKey" => {
            made(server, "POST", "/v2/signing-keys/rotate", &json!({}));
        }
        "startJob" => {
            made(server, "PUT", &format!("{job}/parts/1"), &json!([{}]));
        }
        "readJobResults" => {
            made(server, "PUT", &format!("{job}/parts/1"), &json!([{}]));
            made(server, "POST", &format!("{job}/start"), &json!({}));
            until(DONE, "the job is done", || {
                let job = server.api().try_call("GET", &job, None).unwrap().json();
                (job["status"] == "finished").then_some(())
            });
        }
        _ => {}
    }
    None
}

/// The sequence of the project's last audit entry.
pub(crate) fn last_sequence(server: &Server) -> u64 {
    let page = server.api().try_call("GET", "/v2/audit?limit=1", None).unwrap().json();
    page["data"][0]["sequence"].as_u64().unwrap()
}

/// The entries after a sequence that requests left, oldest first; not those of what goes on behind them, like jobs.
pub(crate) fn entries_after(server: &Server, sequence: u64) -> Vec<Value> {
    let text = server.api().try_call("GET", &format!("/v2/audit/export?after={sequence}"), None).unwrap().text();
    let entries = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    entries.filter(|entry| entry["request_id"].is_string()).collect()
}
