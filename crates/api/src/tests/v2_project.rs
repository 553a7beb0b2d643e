//! The project's settings under `/v2`, where they are more than one word.

use super::*;

#[tokio::test]
async fn mailboxes_are_switched_on_changed_whole_and_switched_off() {
    let door = Door::open().await;
    assert_eq!(door.call("GET", "/v2/project", "").await.json["settings"]["mailbox"], Value::Null);
    let set = async |mailbox: &str| door.call("PATCH", "/v2/project", &format!(r#"{{"mailbox":{mailbox}}}"#)).await;
    let wanted = json!({"size": 100, "ttl_ms": 86_400_000});
    let on = set(&wanted.to_string()).await;
    assert_eq!((on.status, &on.json["settings"]["mailbox"]), (200, &wanted));
    assert_eq!(
        door.call("PATCH", "/v2/project", "{}").await.json["settings"]["mailbox"],
        wanted,
        "what is left out stays"
    );
    for (wrong, code) in [
        (r#"{"size":0,"ttl_ms":1000}"#, "invalid_input"),
        (r#"{"size":1001,"ttl_ms":1000}"#, "invalid_input"),
        (r#"{"size":1,"ttl_ms":999}"#, "invalid_input"),
        (r#"{"size":1,"ttl_ms":2592000001}"#, "invalid_input"),
        (r#"{"size":1}"#, "invalid_body"),
        (r#"{"size":1,"ttl_ms":1000,"run":3}"#, "invalid_body"),
        ("true", "invalid_body"),
    ] {
        set(wrong).await.refused_v2(code);
    }
    assert_eq!(set("null").await.json["settings"]["mailbox"], Value::Null);
}

#[tokio::test]
async fn a_project_is_renamed_with_or_without_settings() {
    let door = Door::open().await;
    let renamed = door.call("PATCH", "/v2/project", r#"{"name":"Shop","strict_devices":true}"#).await;
    assert_eq!((renamed.status, &renamed.json["name"]), (200, &json!("Shop")));
    assert_eq!(renamed.json["settings"]["strict_devices"], true);
    assert_eq!(door.call("PATCH", "/v2/project", r#"{"name":"Shop 2"}"#).await.json["name"], "Shop 2");
    assert_eq!(door.call("GET", "/v2/project", "").await.json["settings"]["strict_devices"], true);
    door.call("PATCH", "/v2/project", r#"{"name":null}"#).await.refused_v2("invalid_input");
    door.call("PATCH", "/v2/project", r#"{"name":" "}"#).await.refused_v2("invalid_input");
    door.call("PATCH", "/v2/project", r#"{"name":1}"#).await.refused_v2("invalid_body");
    door.call("PATCH", "/v2/project", r#"{"name":"Other","user_id_chars_max":0}"#).await.refused_v2("invalid_input");
    assert_eq!(door.call("GET", "/v2/project", "").await.json["name"], "Shop 2");
}

#[tokio::test]
async fn a_hook_is_tried() {
    let door = Door::open().await;
    door.call("POST", "/v2/project/hook/test", "").await.refused_v2("wrong_state");
    let hook = r#"{"hook":{"url":"https://backend.example/","questions":["publish"]}}"#;
    assert_eq!(door.call("PATCH", "/v2/project", hook).await.status, 200);
    // Nobody is called from here: that is a failure in words.
    let tested = door.call("POST", "/v2/project/hook/test", "{}").await;
    assert_eq!(
        (tested.status, &tested.json["question"], &tested.json["status"]),
        (200, &json!("publish"), &Value::Null)
    );
    assert_eq!((&tested.json["answer"], &tested.json["url"]), (&Value::Null, &json!("https://backend.example/")));
    assert!(tested.json["failure"].as_str().is_some_and(|why| !why.is_empty()), "{}", tested.json);
    door.call("POST", "/v2/project/hook/test", r#"{"question":"connect"}"#).await.refused_v2("wrong_state");
    door.call("POST", "/v2/project/hook/test", r#"{"question":"x"}"#).await.refused_v2("invalid_body");
}
