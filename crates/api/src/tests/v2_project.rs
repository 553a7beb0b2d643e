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
