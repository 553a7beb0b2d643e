//! Tokens and their subscriptions.

use super::*;

#[tokio::test]
async fn b28_a_token_is_created() {
    let door = Door::open().await;
    for body in ["", "{}", r#"{"state":null}"#, r#"{"state":null,"expires_at":null,"channels":null,"x":1}"#] {
        let created = door.call("POST", "/v1/channels/tokens", body).await.data();
        let token = &created["token"];
        let id = token["id"].as_str().unwrap();
        assert!(id.starts_with("leap_token_"), "{id}");
        assert!(token["public_id"].as_str().unwrap().starts_with("tok_"));
        let expected = json!({
            "id": id, "public_id": token["public_id"], "state": null, "project_id": door.project.to_string(),
            "is_online": false, "created_at": NOW_TEXT, "expires_at": null,
        });
        assert_eq!(*token, expected, "{body}");
    }
    let table = [
        (r#""2026-11-22T20:26:21.673319862+00:00""#, "2026-11-22T20:26:21.673Z"),
        (r#""2027-01-01T00:00:00+02:00""#, "2026-12-31T22:00:00.000Z"),
    ];
    for (given, shown) in table {
        for key in ["expires_at", "expiresAt"] {
            let body = format!(r#"{{"state":{{"u":1}},"{key}":{given}}}"#);
            let token = door.call("POST", "/v1/channels/tokens", &body).await.data()["token"].clone();
            assert_eq!((&token["expires_at"], &token["state"]), (&json!(shown), &json!({"u": 1})), "{body}");
        }
    }
    let table = [
        (r#"{"expires_at":"2020-01-01T00:00:00Z"}"#, 400, "invalid_input"),
        (r#"{"expires_at":"soon"}"#, 400, "invalid_body"),
        (r#"{"expires_at":1795379121}"#, 400, "invalid_body"),
        (r#"{"state":[]}"#, 400, "invalid_body"),
        (r#"{"state":"x"}"#, 400, "invalid_body"),
        (r#"{"channels":"room"}"#, 400, "invalid_body"),
        (r#"{"channels":[1]}"#, 400, "invalid_body"),
        (r#"{"channels":["a/b"]}"#, 400, "invalid_input"),
        (r#"{"channels":["none"]}"#, 404, "not_found"),
        ("null", 400, "invalid_body"),
        (" ", 400, "invalid_body"),
        ("[]", 400, "invalid_body"),
    ];
    for (body, status, code) in table {
        door.call("POST", "/v1/channels/tokens", body).await.refused(status, code);
    }
    let large = format!(r#"{{"state":{{"a":"{}"}}}}"#, "x".repeat(32 * 1024));
    door.call("POST", "/v1/channels/tokens", &large).await.refused(413, "payload_too_large");
    let list = door.call("GET", "/v1/channels/tokens", "").await.data();
    assert_eq!(list["total_count"], 8, "refused creates create nothing");
}

#[tokio::test]
async fn b29_a_token_is_read_changed_listed_and_deleted() {
    let door = Door::open().await;
    let first = door.call("POST", "/v1/channels/tokens", r#"{"state":{"n":1.50}}"#).await.data()["token"].clone();
    let second = door.token("{}").await;
    let by = |id: &Value| format!("/v1/channels/tokens/{}", id.as_str().unwrap());
    for name in
        [&first["id"], &first["public_id"], &json!(first["id"].as_str().unwrap().replace("leap_token_", "tgt_"))]
    {
        assert_eq!(door.call("GET", &by(name), "").await.data()["token"], first, "{name}");
    }
    let end = "2030-01-01T00:00:00.000Z";
    let table = [
        (r#"{"state":{"x":2}}"#, json!({"x": 2}), Value::Null),
        (r#"{"expires_at":"2030-01-01T00:00:00Z"}"#, json!({"x": 2}), json!(end)),
        ("{}", json!({"x": 2}), json!(end)),
        (r#"{"state":null}"#, Value::Null, json!(end)),
        (r#"{"state":{},"expiresAt":null}"#, json!({}), Value::Null),
    ];
    for (body, state, expires_at) in table {
        let token = door.call("PATCH", &by(&first["id"]), body).await.data()["token"].clone();
        assert_eq!(
            (&token["state"], &token["expires_at"], &token["id"]),
            (&state, &expires_at, &first["id"]),
            "{body}"
        );
    }
    door.call("PATCH", &by(&first["id"]), r#"{"expires_at":"2020-01-01T00:00:00Z"}"#)
        .await
        .refused(400, "invalid_input");
    let list = door.call("GET", "/v1/channels/tokens?page=1&pageSize=1", "").await.data();
    assert_eq!(
        (&list["tokens"][0]["id"], &list["page_size"], &list["total_count"]),
        (&json!(second), &json!(1), &json!(2))
    );
    door.call("DELETE", &by(&first["id"]), "").await.nothing();
    for method in ["GET", "DELETE"] {
        door.call(method, &by(&first["id"]), "").await.refused(404, "not_found");
    }
    for bad in ["x", "leap_token_", "tok_MTIz", "a%2Fb"] {
        door.call("GET", &format!("/v1/channels/tokens/{bad}"), "").await.refused(404, "not_found");
    }
    door.call("DELETE", "/v1/channels/tokens/", "").await.refused(400, "invalid_input");
    door.call("GET", "/v1/channels/tokens/%ff", "").await.refused(400, "invalid_input");
}

#[tokio::test]
async fn b25_b26_tokens_are_subscribed_and_listed() {
    let door = Door::open().await;
    door.channel("room", "{}").await;
    let token = door.token(r#"{"channels":["room"]}"#).await;
    let other = door.token("{}").await;
    let listed = async || {
        let list = door.call("GET", "/v1/channels/room/tokens", "").await.data();
        list["tokens"]
            .as_array()
            .unwrap()
            .iter()
            .map(|token| token["id"].as_str().unwrap().to_owned())
            .collect::<Vec<_>>()
    };
    assert_eq!(listed().await, std::slice::from_ref(&token), "default channels are subscribed from the start");
    let subscriber = |token: &str| format!("/v1/channels/room/subscribers/{token}");
    for query in ["", "", "?ephemeral=true", "?ephemeral=false"] {
        door.call("PUT", &format!("{}{query}", subscriber(&other)), "").await.nothing();
    }
    assert_eq!(listed().await.len(), 2);
    door.call("PUT", &format!("{}?ephemeral=yes", subscriber(&other)), "").await.refused(400, "invalid_input");
    for _ in 0..2 {
        door.call("DELETE", &subscriber(&token), "").await.nothing();
    }
    assert_eq!(listed().await, [other]);
    door.call("PUT", &subscriber("leap_token_x"), "").await.refused(404, "not_found");
    door.call("PUT", &format!("/v1/channels/none/subscribers/{token}"), "").await.refused(404, "not_found");
    door.call("PUT", "/v1/channels/room/subscribers/", "").await.refused(400, "invalid_input");
}
