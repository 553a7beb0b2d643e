//! Every operation × every caller who must not have it: one uniform answer, whether the thing exists or not, and no effect.

use std::collections::BTreeSet;
use std::time::Duration;

use serde_json::{Value, json};
use tollgate_testkit::{Reply, Server, from_now, until};

use crate::document::{Names, Needs, Operation, operations};
use crate::things::{entries_after, last_sequence, made, nothings, server, things, token};

/// How long things live that are to have expired.
const SHORT: Duration = Duration::from_millis(300);
const SOON: Duration = Duration::from_secs(10);

/// What a refusal says, but for what is different each time.
#[derive(Debug, PartialEq)]
struct Told {
    status: u16,
    content_type: Option<String>,
    problem: Value,
}

/// The answer, with the names of things taken out of it.
fn told(reply: &Reply, names: &Names) -> Told {
    let mut text = reply.text();
    for (name, value) in names {
        if text.contains(value.as_str()) && value.len() > 3 {
            text = text.replace(value.as_str(), &format!("<{name}>"));
        }
    }
    let mut problem: Value = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error} in {reply:?}"));
    let fields: BTreeSet<&str> = problem.as_object().unwrap().keys().map(String::as_str).collect();
    let always = ["code", "detail", "request_id", "retryable", "status", "title", "type"];
    assert_eq!(fields, always.into(), "{reply:?}");
    assert_eq!(problem["status"], reply.status, "{reply:?}");
    problem["request_id"] = Value::Null;
    Told { status: reply.status, content_type: reply.header("content-type").map(str::to_owned), problem }
}

/// A caller, and what must come of it: a status, or `None` where this operation is for the caller.
struct Caller {
    name: &'static str,
    credential: String,
    status: fn(&Needs) -> Option<u16>,
}

fn nobody(_: &Needs) -> Option<u16> {
    Some(401)
}

fn key_without(needs: &Needs, has: &[&str]) -> Option<u16> {
    match needs {
        Needs::AnyKey => None,
        Needs::Key(permission) | Needs::Either(permission) => (!has.contains(&permission.as_str())).then_some(403),
        Needs::Token => Some(403),
    }
}

fn publishable(needs: &Needs) -> Option<u16> {
    key_without(needs, &["create_session"])
}

const READ_ONLY: [&str; 3] = ["read_channels", "read_leap_tokens", "read_audit"];

fn read_only(needs: &Needs) -> Option<u16> {
    key_without(needs, &READ_ONLY)
}

/// A token that lives.
fn a_token(needs: &Needs) -> Option<u16> {
    matches!(needs, Needs::Key(_) | Needs::AnyKey).then_some(401)
}

fn new_key(server: &Server, permissions: &[&str]) -> (String, String) {
    let key = made(server, "POST", "/v2/keys", &json!({"permissions": permissions}));
    let secret = key["secret"].as_str().unwrap().to_owned();
    server.remember(&secret);
    (key["id"].as_str().unwrap().to_owned(), secret)
}

/// Waits until a credential is good for nothing.
fn ended(server: &Server, path: &str, credential: &str) {
    until(SOON, "the credential has ended", || {
        let reply = server.api_with(credential).try_call("GET", path, None).unwrap();
        (reply.status == 401).then_some(())
    });
}

fn callers(server: &Server) -> Vec<Caller> {
    let wanted = json!({"permissions": ["all"], "expires_at": from_now(SHORT)});
    let expired_key = made(server, "POST", "/v2/keys", &wanted)["secret"].as_str().unwrap().to_owned();
    let (revoked, revoked_key) = new_key(server, &["all"]);
    made(server, "POST", &format!("/v2/keys/{revoked}/revoke"), &json!({}));
    let expired_token = token(server, &json!({"expires_at": from_now(SHORT)})).1;
    let (revoked, revoked_token) = token(server, &json!({}));
    made(server, "POST", "/v2/tokens/revoke", &json!({"token": revoked}));
    let live_token = token(server, &json!({})).1;
    ended(server, "/v2/project", &expired_key);
    until(SOON, "the token has expired", || {
        let asked = json!({"action": "introspect", "entries": [expired_token]});
        let said = made(server, "POST", "/v2/tokens/batch", &asked);
        (said["results"][0]["status"] == "inactive").then_some(())
    });
    let caller = |name, credential: &str, status| Caller { name, credential: credential.to_owned(), status };
    vec![
        caller("no credential", "", nobody),
        caller("junk", "junk", nobody),
        caller("an unknown key", "ptk_dW5rbm93bg", nobody),
        caller("an unknown token", "leap_token_dW5rbm93bg", nobody),
        caller("an expired key", &expired_key, nobody),
        caller("a revoked key", &revoked_key, nobody),
        caller("an expired token", &expired_token, nobody),
        caller("a revoked token", &revoked_token, nobody),
        caller("a token", &live_token, a_token),
        caller("a publishable key", &new_key(server, &["create_session"]).1, publishable),
        caller("a read-only key", &new_key(server, &READ_ONLY).1, read_only),
    ]
}

/// Refused alike whether the thing exists or not; gives the code.
fn refused(server: &Server, operation: &Operation, caller: &Caller, status: u16, places: [&Names; 2]) -> String {
    let what = format!("{} by {}", operation.id, caller.name);
    let [real, never] = places.map(|names| told(&operation.ask(server, &caller.credential, names), names));
    assert_eq!(real.status, status, "{what}: {real:?}");
    assert_eq!(real, never, "{what}: the answer tells whether the thing exists");
    real.problem["code"].as_str().unwrap().to_owned()
}

#[test]
fn every_operation_refuses_every_caller_who_must_not_have_it() {
    let (server, receiver) = server();
    let real = things(&server, &receiver, 0);
    let never = nothings(&real);
    let callers = callers(&server);
    let (mut listener, _) = server.identified(Some(&real["secret"]));
    let before = last_sequence(&server);
    let all = operations(&server);
    for caller in &callers {
        let mut codes = BTreeSet::new();
        for operation in &all {
            let Some(status) = (caller.status)(&operation.needs) else { continue };
            let code = refused(&server, operation, caller, status, [&real, &never]);
            let for_tokens = matches!(operation.needs, Needs::Token | Needs::Either(_));
            codes.insert((status, for_tokens, code));
        }
        let kinds: BTreeSet<(u16, bool)> = codes.iter().map(|(status, tokens, _)| (*status, *tokens)).collect();
        assert_eq!(codes.len(), kinds.len(), "{} is told different things: {codes:?}", caller.name);
    }
    let done: Vec<Value> = entries_after(&server, before).into_iter().filter(|one| one["outcome"] == "done").collect();
    assert!(done.is_empty(), "a refused caller changed something: {done:?}");
    listener.quiet();
}

#[test]
fn every_operation_needs_its_own_permission() {
    let (server, receiver) = server();
    let real = things(&server, &receiver, 0);
    let never = nothings(&real);
    let all = operations(&server);
    let every: BTreeSet<&str> = all
        .iter()
        .filter_map(|operation| match &operation.needs {
            Needs::Key(permission) | Needs::Either(permission) => Some(permission.as_str()),
            Needs::AnyKey | Needs::Token => None,
        })
        .chain(["create_channel", "delete_channels", "create_session"])
        .collect();
    for lacked in &every {
        let others: Vec<&str> = every.iter().filter(|other| *other != lacked).copied().collect();
        let credential = new_key(&server, &others).1;
        let caller = Caller { name: "a key without the permission", credential, status: nobody };
        let before = last_sequence(&server);
        for operation in &all {
            if matches!(&operation.needs, Needs::Key(permission) | Needs::Either(permission) if permission == lacked) {
                let code = refused(&server, operation, &caller, 403, [&real, &never]);
                assert_eq!(code, "forbidden", "{} without {lacked}", operation.id);
            }
        }
        let entries = entries_after(&server, before);
        assert!(entries.iter().all(|entry| entry["outcome"] != "done"), "without {lacked}: {entries:?}");
    }
}

#[test]
fn another_project_finds_nothing_and_changes_nothing() {
    let (server, receiver) = server();
    let real = things(&server, &receiver, 0);
    let never = nothings(&real);
    let (_, key) = server.new_project("other");
    let asked = br#"{"action":"create","entries":[{}]}"#;
    let minted = server.api_with(&key).try_call("POST", "/v2/tokens/batch", Some(asked)).unwrap().json();
    let credential = minted["results"][0]["secret"].as_str().unwrap().to_owned();
    let foreign_token = Caller { name: "a token of another project", credential, status: nobody };
    let foreign = Caller { name: "the key of another project", credential: key, status: nobody };
    let (mut listener, _) = server.identified(Some(&real["secret"]));
    let before = last_sequence(&server);
    for operation in &operations(&server) {
        if matches!(operation.needs, Needs::Either(_)) && operation.names_a_thing() {
            refused(&server, operation, &foreign_token, 404, [&real, &never]);
        }
        if operation.needs == Needs::Token {
            refused(&server, operation, &foreign, 403, [&real, &never]);
        } else if operation.names_a_thing() {
            assert_eq!(refused(&server, operation, &foreign, 404, [&real, &never]), "not_found", "{}", operation.id);
        } else {
            // It has its own project's answer, in which nothing of ours may be.
            let reply = operation.ask(&server, &foreign.credential, &real);
            assert!(reply.status < 500, "{}: {reply:?}", operation.id);
            let words = ["key", "job", "webhook", "delivery", "secret"].map(|name| real[name].as_str());
            for ours in words.into_iter().chain([server.project.as_str()]) {
                assert!(!reply.text().contains(ours), "{} shows {ours}: {}", operation.id, reply.text());
            }
        }
    }
    assert_eq!(entries_after(&server, before), Vec::<Value>::new(), "another project changed something");
    listener.quiet();
}

#[test]
fn a_key_that_may_do_nothing_is_not_made() {
    let (server, _receiver) = server();
    let reply = server.api().try_call("POST", "/v2/keys", Some(br#"{"permissions":[]}"#)).unwrap();
    assert_eq!(reply.status, 422, "{}", reply.text());
}
