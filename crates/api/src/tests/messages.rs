//! Messages into channels and to tokens.

use super::*;

#[tokio::test]
async fn b23_b24_b31_messages_are_204() {
    let door = Door::open().await;
    door.channel("room", "{}").await;
    let token = door.token("{}").await;
    let direct = format!("/v1/channels/tokens/{token}/messages");
    for path in ["/v1/channels/room/messages", "/v1/channels/room/publish", &direct] {
        for body in
            [r#"{"e":"MSG","d":{"hi":1}}"#, r#"{"e":"MSG","d":1}"#, r#"{"e":"MSG"}"#, r#"{"e":"é\n","d":null,"x":1}"#]
        {
            door.call("POST", path, body).await.nothing();
        }
        let table = [
            (r#"{"d":1}"#, 400, "invalid_body"),
            (r#"{"e":null}"#, 400, "invalid_body"),
            (r#"{"e":""}"#, 400, "invalid_body"),
            (r#"{"e":1}"#, 400, "invalid_body"),
            (r#"{"e":["X"]}"#, 400, "invalid_body"),
            (r#"{"e":"\ud800"}"#, 400, "invalid_body"),
            (r#"{"e":"X","d":"\udc00"}"#, 400, "invalid_body"),
        ];
        for (body, status, code) in table {
            door.call("POST", path, body).await.refused(status, code);
        }
        let event = |len: usize| format!(r#"{{"e":"{}"}}"#, "x".repeat(len));
        door.call("POST", path, &event(255)).await.nothing();
        door.call("POST", path, &event(256)).await.refused(400, "invalid_body");
        let data = |len: usize| format!(r#"{{"e":"X","d":"{}"}}"#, "x".repeat(len - 2));
        door.call("POST", path, &data(1024 * 1024)).await.nothing();
        door.call("POST", path, &data(1024 * 1024 + 1)).await.refused(413, "payload_too_large");
        let deep = |depth: usize| format!(r#"{{"e":"X","d":{}{}}}"#, "[".repeat(depth), "]".repeat(depth));
        door.call("POST", path, &deep(128)).await.nothing();
        door.call("POST", path, &deep(100_000)).await.refused(400, "invalid_body");
    }
    door.call("POST", "/v1/channels/none/messages", r#"{"e":"X"}"#).await.refused(404, "not_found");
    door.call("POST", "/v1/channels/tokens/leap_token_x/messages", r#"{"e":"X"}"#).await.refused(404, "not_found");
}
