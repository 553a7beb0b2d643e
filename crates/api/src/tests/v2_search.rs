//! Lists of `/v2` that are sorted by names or narrowed by their beginnings.

use super::*;

/// All pages of a list, so many entries each: what each entry has under `field`.
async fn pages(door: &Door, list: &str, limit: usize, field: &str) -> Vec<String> {
    let (mut seen, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = door.call("GET", &format!("{list}&limit={limit}{cursor}"), "").await;
        assert_eq!(page.status, 200, "{}", page.json);
        let data = page.json["data"].as_array().unwrap();
        assert!(data.len() <= limit);
        seen.extend(data.iter().map(|entry| entry[field].as_str().unwrap().to_owned()));
        match page.json["next_cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => return seen,
        }
    }
}

#[tokio::test]
async fn what_begins_so_is_found_in_the_order_of_names() {
    let door = Door::open().await;
    let names = ["room-b", "room-a", "é 1", "hall", "é 0", "room"];
    for name in names {
        door.call("POST", "/v2/channels", &json!({"id": name, "type": "private"}).to_string()).await;
        door.call("POST", "/v2/users", &json!({"user_id": name}).to_string()).await;
    }
    door.call("POST", "/v2/channels", r#"{"id":"rook","type":"public"}"#).await;
    for (list, field) in [("/v2/channels", "id"), ("/v2/users", "user_id")] {
        for limit in [1, 2, 100] {
            let found = async |query: &str| pages(&door, &format!("{list}?{query}"), limit, field).await;
            assert_eq!(found("prefix=room").await, ["room", "room-a", "room-b"]);
            assert_eq!(found("prefix=room&order=name").await, ["room", "room-a", "room-b"]);
            assert_eq!(found("prefix=%C3%A9").await, ["é 0", "é 1"]);
            assert!(found("prefix=z").await.is_empty());
            let by_name = found("order=name").await;
            assert!(by_name.is_sorted() && by_name.len() >= 6);
            let oldest_first = found("order=created").await;
            assert_eq!(oldest_first.len(), by_name.len());
            if list == "/v2/channels" {
                assert_eq!(oldest_first[..6], names);
                assert_eq!(found("type=public").await, ["rook"]);
                assert_eq!(found("type=private&prefix=roo").await, ["room", "room-a", "room-b"]);
            }
        }
        for wrong in [
            "order=size",
            "prefix=a&order=created",
            "order=name&cursor=!",
            "order=name&cursor=_w",
            "order=name&cursor=",
        ] {
            door.call("GET", &format!("{list}?{wrong}"), "").await.refused_v2("invalid_input");
        }
        door.call("GET", &format!("{list}?prefix={}", "x".repeat(1_025)), "").await.refused_v2("invalid_input");
    }
}

#[tokio::test]
async fn tokens_are_listed_in_both_orders_and_narrowed() {
    let door = Door::open().await;
    for (user, name) in [("ann", "Phone"), ("anna", "Desk"), ("ben", "phone 2")] {
        door.call("POST", "/v2/tokens", &json!({"user_id": user, "name": name}).to_string()).await;
    }
    let found = async |query: &str| pages(&door, &format!("/v2/tokens?{query}"), 2, "user_id").await;
    assert_eq!(found("order=asc").await, ["ann", "anna", "ben"]);
    assert_eq!(found("order=desc").await, ["ben", "anna", "ann"]);
    assert_eq!(found("user_prefix=ann").await, ["ann", "anna"]);
    assert_eq!(found("name=PHONE&order=desc").await, ["ben", "ann"]);
    assert_eq!(found("online=false").await.len(), 3);
    assert!(found("online=true").await.is_empty() && found("kind=session").await.is_empty());
    for wrong in ["order=up", "online=yes", "kind=token", "made_by=tok_MQ", "made_by="] {
        door.call("GET", &format!("/v2/tokens?{wrong}"), "").await.refused_v2("invalid_input");
    }
}

#[tokio::test]
async fn the_audit_log_is_narrowed_by_outcome() {
    let door = Door::open().await;
    door.call("POST", "/v2/users", r#"{"user_id":"ann"}"#).await;
    let done = pages(&door, "/v2/audit?outcome=done", 100, "action").await;
    assert!(done.contains(&"user.create".to_owned()));
    assert!(pages(&door, "/v2/audit?outcome=refused", 100, "action").await.is_empty());
    door.call("GET", "/v2/audit?outcome=maybe", "").await.refused_v2("invalid_input");
}

#[tokio::test]
async fn an_empty_filter_is_not_everything() {
    let door = Door::open().await;
    door.call("POST", "/v2/tokens", r#"{"user_id":"ann"}"#).await;
    let listed = async |query: &str| door.call("GET", &format!("/v2/tokens?{query}"), "").await;
    assert_eq!(listed("user_id=ann").await.json["data"].as_array().unwrap().len(), 1);
    assert_eq!(listed("user_id=").await.json["data"], json!([]), "nobody is called so");
    for query in ["channel=", "status=", "kind=", "online=", "order=", "made_by=", "cursor=", "limit="] {
        listed(query).await.refused_v2("invalid_input");
    }
    door.call("GET", "/v2/usage?step=", "").await.refused_v2("invalid_input");
}

#[tokio::test]
async fn a_parameter_that_is_unknown_or_given_twice_is_refused() {
    let door = Door::open().await;
    let secret = door.call("POST", "/v2/tokens", "{}").await.json["secret"].as_str().unwrap().to_owned();
    let bearer = format!("Bearer {secret}");
    for (key, method, path) in [
        (door.key.as_str(), "GET", "/v2/tokens"),
        (&door.key, "POST", "/v2/tokens"),
        (&door.key, "GET", "/v2/channels/room/history"),
        (&bearer, "GET", "/v2/me"),
    ] {
        let plain = door.call_as(key, method, path, "").await.status;
        let seen = door.call_as(key, method, &format!("{path}?staus=active"), "").await;
        seen.refused_v2("invalid_input");
        assert!(seen.message().starts_with("There is no query parameter `staus` here"), "{}", seen.message());
        assert_eq!(door.call_as(key, method, &format!("{path}?&"), "").await.status, plain, "{path}");
    }
    door.call("GET", "/v2/tokens?limit=1&limit=2", "").await.refused_v2("invalid_input");
    // A header of the description is no parameter of the query.
    door.call("POST", "/v2/tokens?Idempotency-Key=a", "{}").await.refused_v2("invalid_input");
    assert_eq!(door.call("GET", &format!("/v2/tokens?project={}", door.project), "").await.status, 200);
    // Hop's tools send what they like.
    assert_eq!(door.call("GET", "/v1/channels?staus=active&staus=", "").await.status, 200);
}
