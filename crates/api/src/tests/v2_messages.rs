//! Messages under `/v2`: one, many at once, and directly to a token or one of its connections.

use super::*;

async fn room(settings: &str) -> Door {
    let door = Door::open().await;
    let body = format!(r#"{{"id":"room","type":"public","settings":{settings}}}"#);
    assert_eq!(door.call("POST", "/v2/channels", &body).await.status, 201);
    door
}

const PATH: &str = "/v2/channels/room/messages";

#[tokio::test]
async fn a_message_is_answered_with_its_position_and_published_once_by_its_id() {
    let door = room("{}").await;
    let first = door.call("POST", PATH, r#"{"event":"said","data":{"n":1},"id":"one"}"#).await;
    let position = first.json["position"].as_str().unwrap().to_owned();
    assert_eq!((first.status, position.ends_with("-1")), (200, true), "{}", first.json);
    assert!(first.json.get("duplicate").is_none() && first.json.get("conflated").is_none(), "{}", first.json);
    let again = door.call("POST", PATH, r#"{"event":"said","data":{"n":1},"id":"one"}"#).await.json;
    assert_eq!((&again["position"], &again["duplicate"]), (&json!(position), &json!(true)));
    let authorized = ("Authorization", door.key.as_str());
    let by_header =
        door.call_with("POST", PATH, &[authorized, ("Idempotency-Key", "one")], r#"{"event":"said"}"#).await;
    assert_eq!(by_header.json["duplicate"], true, "the header is the id");
    let both = [authorized, ("Idempotency-Key", "two")];
    door.call_with("POST", PATH, &both, r#"{"event":"said","id":"one"}"#).await.refused_v2("invalid_input");
    let same = door.call_with("POST", PATH, &both, r#"{"event":"said","id":"two"}"#).await.json;
    assert!(same["position"].as_str().unwrap().ends_with("-2") && same.get("duplicate").is_none(), "{same}");
    // Another publisher's ids are its own.
    let (_, other) = door.key(Permissions::all()).await;
    let theirs = door.call_as(&other, "POST", PATH, r#"{"event":"said","id":"one"}"#).await.json;
    assert!(theirs["position"].as_str().unwrap().ends_with("-3"), "{theirs}");
}

#[tokio::test]
async fn of_messages_with_one_key_those_that_wait_have_no_position() {
    let door = room(r#"{"conflate_per_second":1}"#).await;
    let body = r#"{"event":"at","data":1,"key":"ann"}"#;
    assert!(door.call("POST", PATH, body).await.json["position"].is_string());
    assert_eq!(door.call("POST", PATH, body).await.json, json!({"conflated": true}));
    let other = door.call("POST", PATH, r#"{"event":"at","data":1,"key":"ben"}"#).await.json;
    assert!(other["position"].is_string(), "{other}");
}

#[tokio::test]
async fn a_message_that_cannot_be_published_is_refused() {
    let door = room("{}").await;
    let long = format!(r#"{{"event":"said","id":"{}"}}"#, "x".repeat(65));
    let event = format!(r#"{{"event":"{}"}}"#, "x".repeat(256));
    for body in [
        "{}",
        r#"{"event":""}"#,
        r#"{"event":1}"#,
        r#"{"event":"said","more":1}"#,
        r#"{"event":"said","channel":"room"}"#,
        r#"{"event":"said","id":""}"#,
        r#"{"event":"said","key":""}"#,
        r#"{"event":"said","echo":"no"}"#,
        &long,
        &event,
    ] {
        door.call("POST", PATH, body).await.refused_v2("invalid_body");
    }
    let large = format!(r#"{{"event":"said","data":"{}"}}"#, "x".repeat(1024 * 1024));
    door.call("POST", PATH, &large).await.refused_v2("payload_too_large");
    door.call("POST", "/v2/channels/none/messages", r#"{"event":"said"}"#).await.refused_v2("not_found");
}

#[tokio::test]
async fn a_batch_has_an_outcome_for_each_message() {
    let door = room("{}").await;
    door.call("POST", "/v2/channels", r#"{"id":"hall","type":"private"}"#).await;
    let batch = r#"{"messages":[{"channel":"room","event":"a","id":"1"},{"channel":"none","event":"a"},{"channel":"hall","event":"a"},
        {"channel":"room","event":"","data":1},{"channel":"room","event":"a","id":"1"},{"channel":"a/b","event":"a"}]}"#;
    let done = door.call("POST", "/v2/publish", batch).await;
    let results = done.json["results"].as_array().unwrap();
    assert_eq!((done.status, results.len()), (200, 6), "{}", done.json);
    assert!(results[0]["position"].as_str().unwrap().ends_with("-1") && results[2]["position"].is_string());
    assert_eq!((&results[4]["position"], &results[4]["duplicate"]), (&results[0]["position"], &json!(true)));
    for (place, status, code) in [(1, 404, "not_found"), (3, 422, "invalid_body"), (5, 422, "invalid_input")] {
        let error = &results[place]["error"];
        assert_eq!((&error["status"], &error["code"]), (&json!(status), &json!(code)), "{error}");
        assert_eq!(error["retryable"], false);
        assert!(!error["detail"].as_str().unwrap().is_empty());
    }
    let token = door.call("POST", "/v2/tokens", "{}").await.json["secret"].as_str().unwrap().to_owned();
    let batch = r#"{"messages":[{"channel":"hall","event":"a"},{"channel":"room","event":"a"}]}"#;
    let results = door.call_as(&token, "POST", "/v2/publish", batch).await.json["results"].clone();
    assert_eq!((&results[0]["error"]["code"], results[1]["position"].is_string()), (&json!("not_found"), true));
    let many = |count: usize| {
        let entries = vec![r#"{"channel":"room","event":"a"}"#; count];
        format!(r#"{{"messages":[{}]}}"#, entries.join(","))
    };
    assert_eq!(door.call("POST", "/v2/publish", &many(100)).await.status, 200);
    assert_eq!(door.call("POST", "/v2/publish", &many(0)).await.json, json!({"results": []}));
    door.call("POST", "/v2/publish", &many(101)).await.refused_v2("limit_reached");
    for body in ["{}", r#"{"messages":[{"event":"a"}]}"#, r#"{"messages":[["room","a"]]}"#, r#"{"messages":{}}"#] {
        door.call("POST", "/v2/publish", body).await.refused_v2("invalid_body");
    }
    let (_, reader) = door.key(Permissions::READ_CHANNELS).await;
    door.call_as(&reader, "POST", "/v2/publish", &many(0)).await.refused_v2("forbidden");
}

#[tokio::test]
async fn direct_messages_say_how_many_they_reached() {
    let door = Door::open().await;
    let token = door.call("POST", "/v2/tokens", r#"{"user_id":"ann"}"#).await.json;
    let id = token["id"].as_str().unwrap();
    let said = r#"{"event":"X","data":null}"#;
    for (path, reached) in [
        (format!("/v2/tokens/{id}/messages"), json!({"connections": 0})),
        ("/v2/users/ann/messages".to_owned(), json!({"connections": 0, "mailboxes": 0})),
    ] {
        assert_eq!(door.call("POST", &path, said).await.json, reached, "{path}");
        door.call("POST", &path, r#"{"event":""}"#).await.refused_v2("invalid_body");
        door.call("POST", &path, r#"{"event":"X","id":"1"}"#).await.refused_v2("invalid_body");
    }
    let nobody = format!("/v2/tokens/{id}/connections/conn_MQ/messages");
    door.call("POST", &nobody, said).await.refused_v2("not_found");
    door.call("POST", &nobody.replace("conn_MQ", "x"), said).await.refused_v2("invalid_input");
    door.call("POST", "/v2/tokens/tok_MQ/messages", said).await.refused_v2("not_found");
}
