//! Tokens under `/v2`: what is asked, what is answered, and what is refused.

use super::*;

async fn create(door: &Door, body: &str) -> Value {
    let seen = door.call("POST", "/v2/tokens", body).await;
    assert_eq!(seen.status, 201, "{}", seen.json);
    seen.json
}

fn path(token: &Value, rest: &str) -> String {
    format!("/v2/tokens/{}{rest}", token["id"].as_str().unwrap())
}

#[tokio::test]
async fn a_token_is_created_with_all_that_it_may_have() {
    let door = Door::open().await;
    door.channel("room", "{}").await;
    let body = json!({
        "user_id": "u1", "display_name": "Ann", "name": "phone", "state": {"n": 1}, "ttl_s": 100,
        "capabilities": [{"channels": "room*", "operations": ["subscribe", "state.read"]}],
        "channels": ["room"], "not_before": NOW_TEXT, "max_connections": 2, "networks": ["10.0.0.0/8", "::1"],
        "origins": ["https://app.example"], "metadata": {"plan": "pro"}, "device_id": "d1",
    });
    let mut made = create(&door, &body.to_string()).await;
    let secret = made["secret"].take();
    assert!(secret.as_str().unwrap().starts_with("tgt_"), "{secret}");
    let expected = json!({
        "id": made["id"], "project_id": door.project.to_string(), "kind": "plain", "status": "active", "user_id": "u1",
        "display_name": "Ann", "name": "phone", "device_id": "d1", "state": {"n": 1}, "state_version": 1,
        "capabilities": [{"channels": "room*", "operations": ["subscribe", "state.read"]}], "max_connections": 2,
        "networks": ["10.0.0.0/8", "::1/128"], "origins": ["https://app.example"], "metadata": {"plan": "pro"},
        "version": 1, "generation": 1, "previous_secret": null, "created_at": NOW_TEXT, "not_before": NOW_TEXT,
        "expires_at": "2026-11-22T20:27:01.073Z", "refresh_after": "2026-11-22T20:26:41.073Z", "revoked": null,
        "made_by": made["made_by"], "issuer": null, "connections": 0, "last_seen_at": null, "secret": null,
    });
    assert_eq!(made, expected);
    let got = door.call("GET", &path(&made, ""), "").await;
    assert_eq!((got.status, &got.headers["etag"]), (200, &"\"1\"".parse().unwrap()));
    assert!(got.json.get("secret").is_none(), "shown once and never again");
    let by_secret = door.call("GET", &format!("/v2/tokens/{}", secret.as_str().unwrap()), "").await;
    assert_eq!(by_secret.json, got.json);
    let subscriptions = door.call("GET", &path(&made, "/subscriptions"), "").await.json;
    assert_eq!(subscriptions, json!({"data": [{"channel": "room", "ephemeral": false}]}));
    let plain = create(&door, "").await;
    assert_eq!(
        (&plain["user_id"], &plain["capabilities"], &plain["expires_at"]),
        (&json!(null), &json!(null), &json!(null))
    );
}

#[tokio::test]
async fn what_a_create_does_not_take_is_named() {
    let door = Door::open().await;
    let table = [
        (r#"{"userId":"u"}"#, "invalid_body", "userId"),
        (r#"{"ttl_s":-1}"#, "invalid_body", "-1"),
        (r#"{"ttl_s":0}"#, "invalid_input", "expires_at"),
        (r#"{"ttl_s":1,"expires_at":"2030-01-01T00:00:00Z"}"#, "invalid_input", "ttl_s"),
        (r#"{"ttl_s":18446744073709551615}"#, "invalid_input", "3650 days"),
        (r#"{"expires_at":"soon"}"#, "invalid_body", "RFC 3339"),
        (r#"{"display_name":"A"}"#, "invalid_input", "user_id"),
        (r#"{"user_id":""}"#, "invalid_input", "user id has 0 characters"),
        (r#"{"capabilities":[{"channels":"a","operations":["fly"]}]}"#, "invalid_body", "fly"),
        (r#"{"capabilities":[{"channels":"a","operations":[]}]}"#, "invalid_input", "operations"),
        (r#"{"capabilities":[{"channels":"a","operations":["publish"],"x":1}]}"#, "invalid_body", "x"),
        (r#"{"channels":["none"]}"#, "not_found", "none"),
        (r#"{"networks":["10.0.0.1/8"]}"#, "invalid_input", "10.0.0.1/8"),
        (r#"{"origins":["app.example"]}"#, "invalid_input", "app.example"),
        (r#"{"max_connections":0}"#, "invalid_input", "max_connections"),
        (r#"{"metadata":[]}"#, "invalid_body", "object"),
        ("[]", "invalid_body", "object"),
    ];
    for (body, code, said) in table {
        let seen = door.call("POST", "/v2/tokens", body).await;
        seen.refused_v2(code);
        assert!(seen.message().contains(said), "{body}: {}", seen.message());
    }
    assert_eq!(door.call("GET", "/v2/tokens", "").await.json["data"], json!([]), "refused creates create nothing");
}

#[tokio::test]
async fn a_repeated_create_makes_one_token() {
    let door = Door::open().await;
    let key = door.key.clone();
    let send = async |path: &str, idempotency_key: &str, body: &str| {
        let headers = [("Authorization", key.as_str()), ("Idempotency-Key", idempotency_key)];
        door.call_with("POST", path, &headers, body).await
    };
    let first = send("/v2/tokens", "k1", r#"{"name":"a"}"#).await;
    let again = send("/v2/tokens", "k1", r#"{"name":"a"}"#).await;
    assert_eq!((first.status, again.status, &first.json), (201, 201, &again.json), "the same answer, secret and all");
    assert!(first.headers.get("idempotency-replayed").is_none() && again.headers["idempotency-replayed"] == "true");
    send("/v2/tokens", "k1", r#"{"name":"b"}"#).await.refused_v2("idempotency_mismatch");
    send("/v2/tokens", &"k".repeat(256), "{}").await.refused_v2("invalid_input");
    assert_ne!(send("/v2/tokens", "k2", r#"{"name":"a"}"#).await.json["id"], first.json["id"]);
    let rotate = path(&first.json, "/rotate");
    send(&rotate, "k1", "{}").await.refused_v2("idempotency_mismatch");
    let rotated = send(&rotate, "k3", "{}").await.json;
    assert_eq!(send(&rotate, "k3", "{}").await.json, rotated);
    assert_eq!(rotated["generation"], 2);
}

#[tokio::test]
async fn a_token_is_changed_at_an_expected_version() {
    let door = Door::open().await;
    let made = create(&door, r#"{"metadata":{"a":1,"b":{"c":2}},"networks":["::1"]}"#).await;
    let patch = async |version: &str, body: &str| {
        let headers = [("Authorization", door.key.as_str()), ("If-Match", version)];
        door.call_with("PATCH", &path(&made, ""), &headers, body).await
    };
    let body = r#"{"metadata":{"a":null,"b":{"d":3}},"name":"n","capabilities":[],"max_connections":5}"#;
    let changed = patch("\"1\"", body).await;
    assert_eq!((changed.status, &changed.headers["etag"]), (200, &"\"2\"".parse().unwrap()), "{}", changed.json);
    assert_eq!(changed.json["metadata"], json!({"b": {"c": 2, "d": 3}}));
    assert_eq!((&changed.json["networks"], &changed.json["capabilities"]), (&json!(["::1/128"]), &json!([])));
    patch("\"1\"", "{}").await.refused_v2("version_mismatch");
    let taken =
        patch("*", r#"{"name":null,"capabilities":null,"networks":null,"metadata":null,"max_connections":null}"#).await;
    for field in ["name", "capabilities", "metadata", "max_connections"] {
        assert_eq!(taken.json[field], json!(null), "{field}");
    }
    assert_eq!(taken.json["networks"], json!([]));
    for (body, code) in [
        (r#"{"state":{}}"#, "invalid_body"),
        (r#"{"user_id":"u"}"#, "invalid_body"),
        (r#"{"expires_at":"2020-01-01T00:00:00Z"}"#, "invalid_input"),
        (r#"{"ttl_s":1,"expires_at":null}"#, "invalid_input"),
    ] {
        patch("*", body).await.refused_v2(code);
    }
    assert_eq!(patch("*", r#"{"ttl_s":60}"#).await.json["expires_at"], "2026-11-22T20:26:21.073Z");
    assert_eq!(patch("*", r#"{"expires_at":null}"#).await.json["expires_at"], json!(null));
    door.call("DELETE", &path(&made, ""), "").await.nothing();
    door.call("DELETE", &path(&made, ""), "").await.refused_v2("not_found");
}

#[tokio::test]
async fn lists_come_in_pages() {
    let door = Door::open().await;
    door.channel("room", "{}").await;
    for at in 0..5 {
        let user = if at % 2 == 0 { "even" } else { "odd" };
        create(&door, &format!(r#"{{"user_id":"{user}","name":"t{at}","channels":["room"]}}"#)).await;
    }
    create(&door, r#"{"not_before":"2030-01-01T00:00:00Z"}"#).await;
    let names = async |query: &str| {
        let (mut names, mut cursor) = (Vec::new(), String::new());
        for _ in 0..20 {
            let page = door.call("GET", &format!("/v2/tokens?limit=2{query}{cursor}"), "").await.json;
            for token in page["data"].as_array().unwrap() {
                assert!(token.get("secret").is_none());
                names.push(token["name"].as_str().unwrap_or("-").to_owned());
            }
            let Some(next) = page["next_cursor"].as_str() else { return names.join(" ") };
            cursor = format!("&cursor={next}");
        }
        panic!("pages without end")
    };
    assert_eq!(names("").await, "t0 t1 t2 t3 t4 -");
    assert_eq!(names("&user_id=even").await, "t0 t2 t4");
    assert_eq!(names("&channel=room&user_id=odd").await, "t1 t3");
    assert_eq!(names("&status=not_yet_valid").await, "-");
    assert_eq!(names("&status=expired").await, "");
    assert_eq!(names("&user_id=nobody").await, "");
    for query in ["status=dead", "limit=0", "limit=1001", "cursor=x", "channel=a%2Fb"] {
        door.call("GET", &format!("/v2/tokens?{query}"), "").await.refused_v2("invalid_input");
    }
}

#[tokio::test]
async fn a_rotation_leaves_two_secrets_for_a_while() {
    let door = Door::open().await;
    let made = create(&door, "{}").await;
    let rotated = door.call("POST", &path(&made, "/rotate"), r#"{"grace_s":30}"#).await;
    assert_eq!(rotated.status, 201);
    assert_ne!(rotated.json["secret"], made["secret"]);
    assert_eq!(
        rotated.json["previous_secret"],
        json!({"generation": 1, "until": "2026-11-22T20:25:51.073Z", "uses": 0})
    );
    for secret in [&made["secret"], &rotated.json["secret"]] {
        assert_eq!(door.call_as(secret.as_str().unwrap(), "GET", "/v2/me", "").await.status, 200);
    }
    let seen = door.call("GET", &path(&made, ""), "").await.json;
    assert_eq!(seen["previous_secret"]["uses"], 1);
    door.call("POST", &path(&made, "/rotate"), r#"{"grace_s":0}"#).await;
    for secret in [&made["secret"], &rotated.json["secret"]] {
        let refused = door.call_as(secret.as_str().unwrap(), "GET", "/v2/me", "").await;
        refused.refused_v2("token_rotated");
        assert_eq!(refused.headers["www-authenticate"], "Bearer realm=\"tollgate\", error=\"invalid_token\"");
    }
    door.call("POST", &path(&made, "/rotate"), r#"{"grace_s":604801}"#).await.refused_v2("invalid_input");
    door.call("POST", &path(&made, "/rotate"), r#"{"grace":1}"#).await.refused_v2("invalid_body");
}

#[tokio::test]
async fn an_introspection_says_what_a_token_is_and_why_it_is_refused() {
    let door = Door::open().await;
    let body = r#"{"user_id":"u","display_name":"Ann","ttl_s":60,"networks":["10.0.0.0/8"],
        "capabilities":[{"channels":"a b","operations":["publish","subscribe"]}]}"#;
    let made = create(&door, body).await;
    let ask = async |body: Value| {
        let seen = door.call("POST", "/v2/tokens/introspect", &body.to_string()).await;
        assert_eq!(seen.status, 200, "{}", seen.json);
        seen.json
    };
    let mut seen = ask(json!({"token": made["secret"], "token_type_hint": "access_token"})).await;
    assert!(seen["token"].take()["id"] == made["id"]);
    let expected = json!({
        "active": true, "jti": made["id"], "token_type": "Bearer", "sub": "u", "username": "Ann",
        "scope": "publish:a%20b subscribe:a%20b", "client_id": made["made_by"], "iss": door.project.to_string(),
        "iat": NOW / 1_000, "exp": NOW / 1_000 + 60, "token": null,
    });
    assert_eq!(seen, expected);
    let elsewhere = ask(json!({"token": made["secret"], "address": "192.0.2.1"})).await;
    assert_eq!((&elsewhere["active"], &elsewhere["refusal"]["code"]), (&json!(false), &json!("wrong_place")));
    assert_eq!(ask(json!({"token": made["secret"], "address": "10.0.0.1"})).await["active"], true);
    let own = door.call_as(made["secret"].as_str().unwrap(), "GET", "/v2/me", "").await;
    own.refused_v2("wrong_place");
    for (text, code) in [("x", "malformed"), ("tgt_0", "malformed")] {
        let refused = ask(json!({"token": text})).await;
        assert_eq!((&refused["active"], &refused["refusal"]["code"]), (&json!(false), &json!(code)));
        assert_eq!(refused["refusal"]["since"], json!(null));
    }
    door.call("DELETE", &path(&made, ""), "").await.nothing();
    assert_eq!(ask(json!({"token": made["secret"]})).await["refusal"]["code"], "deleted");
    door.call("POST", "/v2/tokens/introspect", "{}").await.refused_v2("invalid_body");
    let wrong = json!({"token": "x", "address": "here"}).to_string();
    door.call("POST", "/v2/tokens/introspect", &wrong).await.refused_v2("invalid_input");
}

#[tokio::test]
async fn a_tokens_state_is_read_replaced_and_merged() {
    let door = Door::open().await;
    let made = create(&door, "{}").await;
    let state = path(&made, "/state");
    let at = async |method: &str, version: &str, body: &str| {
        let headers = [("Authorization", door.key.as_str()), ("If-Match", version)];
        door.call_with(method, &state, &headers, body).await
    };
    assert_eq!(door.call("GET", &state, "").await.json, json!({"state": null, "version": 1}));
    let replaced = at("PUT", "\"1\"", r#"{"a":1.50}"#).await;
    assert_eq!(replaced.json, json!({"state": {"a": 1.50}, "version": 2}));
    assert_eq!(replaced.headers["etag"], "\"2\"");
    at("PATCH", "\"1\"", "{}").await.refused_v2("version_mismatch");
    assert_eq!(at("PATCH", "\"2\"", r#"{"b":{}}"#).await.json["state"], json!({"a": 1.50, "b": {}}));
    assert_eq!(at("PUT", "*", " null ").await.json, json!({"state": null, "version": 4}));
    for (method, body) in [("PUT", "1"), ("PUT", ""), ("PATCH", "null"), ("PATCH", "[]")] {
        let refused = at(method, "*", body).await;
        refused.refused_v2("invalid_body");
        let said = refused.message();
        assert!(
            said.contains(if body.is_empty() { "not valid JSON" } else { "A JSON object is needed" }),
            "{body}: {said}"
        );
    }
    let large = format!(r#"{{"a":"{}"}}"#, "x".repeat(32 * 1024));
    at("PUT", "*", &large).await.refused_v2("payload_too_large");
}

#[tokio::test]
async fn subscriptions_and_messages_of_a_token() {
    let door = Door::open().await;
    door.channel("room", "{}").await;
    let made = create(&door, "{}").await;
    let room = path(&made, "/subscriptions/room");
    for _ in 0..2 {
        door.call("PUT", &room, r#"{"ephemeral":true}"#).await.nothing();
    }
    let listed = async || door.call("GET", &path(&made, "/subscriptions"), "").await.json["data"].clone();
    assert_eq!(listed().await, json!([{"channel": "room", "ephemeral": true}]));
    door.call("PUT", &room, "").await.nothing();
    assert_eq!(listed().await, json!([{"channel": "room", "ephemeral": false}]));
    door.call("DELETE", &room, "").await.nothing();
    assert_eq!(listed().await, json!([]));
    door.call("PUT", &path(&made, "/subscriptions/none"), "").await.refused_v2("not_found");
    assert_eq!(door.call("GET", &path(&made, "/connections"), "").await.json, json!({"data": []}));
    let sent = door.call("POST", &path(&made, "/messages"), r#"{"event":"E","data":[1.0]}"#).await;
    assert_eq!(sent.json, json!({"connections": 0}), "nobody is there, and that is said");
    for body in ["{}", r#"{"event":""}"#, r#"{"event":1}"#, r#"{"event":"E","d":1}"#] {
        door.call("POST", &path(&made, "/messages"), body).await.refused_v2("invalid_body");
    }
}

#[tokio::test]
async fn why_a_token_may_or_may_not_is_explained() {
    let door = Door::open().await;
    door.channel("room", "{}").await;
    let made = door.call("POST", "/v2/tokens", r#"{"channels":["room"]}"#).await.json;
    let (id, secret) = (made["id"].as_str().unwrap(), made["secret"].as_str().unwrap());
    for token in [id, secret] {
        let asked = json!({"token": token, "wish": "publish", "channel": "room", "by": "rest"}).to_string();
        let yes = door.call("POST", "/v2/explain", &asked).await;
        assert_eq!((yes.status, &yes.json["verdict"], &yes.json["told"]), (200, &json!("yes"), &Value::Null));
        assert_eq!(yes.json["token"], id);
        let asked = json!({"token": token, "wish": "state.write", "channel": "room"}).to_string();
        let no = door.call("POST", "/v2/explain", &asked).await.json;
        assert_eq!((&no["verdict"], &no["told"]), (&json!("no"), &json!("not_granted")));
        let last = no["steps"].as_array().unwrap().last().unwrap();
        assert_eq!((&last["step"], &last["held"]), (&json!("right"), &json!("failed")));
        assert!(last["advice"].as_str().unwrap().contains("token_set_state"), "{last}");
        assert!(!no.to_string().contains(secret));
    }
    for wrong in [
        json!({"token": id, "wish": "fly"}),
        json!({"token": id, "wish": "publish"}),
        json!({"token": id, "wish": "connect", "channel": "room"}),
        json!({"token": id, "wish": "publish", "channel": "room", "by": "mail"}),
        json!({"token": id, "wish": "connect", "address": "here"}),
        json!({"token": id, "wish": "publish", "channel": "a/b"}),
    ] {
        door.call("POST", "/v2/explain", &wrong.to_string()).await.refused_v2("invalid_input");
    }
    door.call("POST", "/v2/explain", r#"{"wish":"connect"}"#).await.refused_v2("invalid_body");
}

#[tokio::test]
async fn what_became_of_a_message_is_told() {
    let door = Door::open().await;
    door.channel("room", "{}").await;
    let made = door.call("POST", "/v2/tokens", r#"{"channels":["room"]}"#).await.json;
    let (id, secret) = (made["id"].as_str().unwrap(), made["secret"].as_str().unwrap());
    let published = door.call("POST", "/v2/channels/room/messages", r#"{"event":"said","data":{"text":"hi"}}"#).await;
    let position = published.json["position"].as_str().unwrap();
    let step = |json: &Value, name: &str| {
        let steps = json["steps"].as_array().unwrap();
        steps.iter().find(|step| step["step"] == name).unwrap_or_else(|| panic!("no {name}: {json}")).clone()
    };
    for token in [id, secret] {
        let asked = json!({"token": token, "channel": "room", "position": position}).to_string();
        let told = door.call("POST", "/v2/explain/message", &asked).await;
        assert_eq!((told.status, &told.json["token"], &told.json["position"]), (200, &json!(id), &json!(position)));
        assert_eq!((&told.json["event"], &told.json["sender"]), (&json!("said"), &Value::Null));
        assert!(told.json["at"].is_string(), "{}", told.json);
        for (name, held) in [("kept", "held"), ("works", "held"), ("subscribed", "unknown"), ("present", "failed")] {
            let fact = step(&told.json, name);
            let has_text = fact["said"].as_str().is_some_and(|said| !said.is_empty());
            assert!((name == "subscribed" || fact["held"] == held) && has_text, "{name}: {fact}");
        }
        assert!(!told.json.to_string().contains(secret) && !told.json.to_string().contains("\"hi\""));
    }
    let direct = door.call("POST", "/v2/explain/message", &json!({"token": id}).to_string()).await;
    assert_eq!((direct.status, &direct.json["position"]), (200, &Value::Null), "{}", direct.json);
    assert_eq!(step(&direct.json, "kept")["held"], "failed");
    door.call("PATCH", "/v2/project", r#"{"mailbox":{"size":5,"ttl_ms":60000}}"#).await;
    let sent = door.call("POST", &format!("/v2/tokens/{id}/messages"), r#"{"event":"secret.event","data":1}"#).await;
    assert!(sent.status < 300, "{}", sent.json);
    let direct = door.call("POST", "/v2/explain/message", &json!({"token": id}).to_string()).await.json;
    assert_eq!(
        (&step(&direct, "kept")["held"], &step(&direct, "acknowledged")["held"]),
        (&json!("held"), &json!("unknown"))
    );
    assert!(!direct.to_string().contains("secret.event"), "what it says is its token's alone");
    let place = direct["position"].as_str().unwrap();
    let named = json!({"token": id, "position": place}).to_string();
    assert_eq!(door.call("POST", "/v2/explain/message", &named).await.json["position"], place);
    let epoch = place.split('-').next().unwrap();
    for (wrong, code) in [
        (json!({"token": id, "channel": "room"}), "invalid_input"),
        (json!({"token": id, "channel": "room", "position": "x"}), "invalid_input"),
        (json!({"token": id, "channel": "a/b", "position": position}), "invalid_input"),
        (json!({"token": id, "position": format!("{epoch}-2")}), "invalid_input"),
        (json!({"token": id, "channel": "nowhere", "position": position}), "not_found"),
        (json!({"token": "tok_AAAA", "channel": "room", "position": position}), "not_found"),
        (json!({"token": "x"}), "not_found"),
        (json!({"channel": "room", "position": position}), "invalid_body"),
        (json!({"token": id, "of": 1}), "invalid_body"),
    ] {
        door.call("POST", "/v2/explain/message", &wrong.to_string()).await.refused_v2(code);
    }
}

#[tokio::test]
async fn a_change_is_rehearsed_before_it_is_made() {
    let door = Door::open().await;
    door.call("POST", "/v2/channels", r#"{"id":"room","type":"private"}"#).await;
    let wanted = r#"{"channels":["room"],"capabilities":[{"channels":"*","operations":["subscribe"]}]}"#;
    let token = door.call("POST", "/v2/tokens", wanted).await.json;
    let path = format!("/v2/tokens/{}", token["id"].as_str().unwrap());
    let change = r#"{"capabilities":[],"device_id":"d1"}"#;
    let told = door.call("POST", &format!("{path}/rehearse"), change).await;
    assert_eq!((told.status, &told.json), (200, &json!({"subscriptions_lost": ["room"], "connections_closed": 0})));
    assert_eq!(door.call("GET", &path, "").await.json["version"], 1, "it was only asked");
    for body in [r#"{"dry_run":true}"#, r#"{"ttl_s":1,"expires_at":null}"#, r#"{"device_id":""}"#] {
        assert_eq!(door.call("POST", &format!("{path}/rehearse"), body).await.status, 422, "{body}");
    }
    let changed = door.call("PATCH", &path, change).await.json;
    assert_eq!((&changed["device_id"], &changed["capabilities"]), (&json!("d1"), &json!([])));
    assert_eq!(door.call("GET", &format!("{path}/subscriptions"), "").await.json["data"], json!([]));
}
