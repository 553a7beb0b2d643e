//! Every list in a request's body has the limit that the description of `/v2` gives it, also for one item again and again, and takes no item
//! that the description does not.

use std::collections::BTreeMap;

use super::*;

/// The one list without a number in its refusal: each of these once is all there is.
const OPERATIONS: &str = r#""subscribe"|"publish"|"presence"|"history"|"state.read"|"state.write""#;

/// What a list is asked with: the request, its body with LIST for the list, and its items by turns; `#` is another number each time.
type Ask = (&'static str, &'static str, &'static str, &'static str, &'static str);

/// By where the description has the list: a schema and the way in it.
const ASKS: &[Ask] = &[
    ("Batch.entries", "POST", "/v2/tokens/batch", r#"{"action":"introspect","entries":LIST}"#, r#""tok_9""#),
    (
        "Capability.operations",
        "POST",
        "/v2/tokens",
        r#"{"capabilities":[{"channels":"a","operations":LIST}]}"#,
        OPERATIONS,
    ),
    ("ChannelChange.capabilities", "PATCH", "/v2/channels/room", r#"{"capabilities":LIST}"#, r#""ephemeral""#),
    ("IssuerChange.audiences", "PATCH", "/v2/issuers/ISSUER", r#"{"audiences":LIST}"#, r#""a#""#),
    ("JobPart", "PUT", "/v2/jobs/JOB/parts/1", "LIST", r#""tok_9""#),
    (
        "MintPolicy.capabilities",
        "POST",
        "/v2/keys",
        r#"{"permissions":["all"],"policy":{"capabilities":LIST}}"#,
        r#"{"channels":"a","operations":["publish"]}"#,
    ),
    ("MintPolicy.channels", "POST", "/v2/keys", r#"{"permissions":["all"],"policy":{"channels":LIST}}"#, r#""a""#),
    ("NewChannel.capabilities", "POST", "/v2/channels", r#"{"type":"public","capabilities":LIST}"#, r#""ephemeral""#),
    (
        "NewIssuer.audiences",
        "POST",
        "/v2/issuers",
        r#"{"issuer":"https://two.example","secret":{"algorithm":"HS256","secret":"0123456789abcdef0123456789abcdef"},"audiences":LIST}"#,
        r#""a#""#,
    ),
    ("NewJob.entries", "POST", "/v2/jobs", r#"{"action":"introspect","entries":LIST}"#, r#""tok_9""#),
    ("NewKey.permissions", "POST", "/v2/keys", r#"{"permissions":LIST}"#, r#""read_channels""#),
    ("NewMessages.messages", "POST", "/v2/publish", r#"{"messages":LIST}"#, r#"{"channel":"room","event":"e"}"#),
    (
        "NewToken.capabilities",
        "POST",
        "/v2/tokens",
        r#"{"capabilities":LIST}"#,
        r#"{"channels":"a","operations":["publish"]}"#,
    ),
    ("NewToken.channels", "POST", "/v2/tokens", r#"{"channels":LIST}"#, r#""room""#),
    ("NewToken.networks", "POST", "/v2/tokens", r#"{"networks":LIST}"#, r#""10.0.0.0/8""#),
    ("NewToken.origins", "POST", "/v2/tokens", r#"{"origins":LIST}"#, r#""https://a.example""#),
    ("NewWebhook.events", "POST", "/v2/webhooks", r#"{"url":"https://a.example","events":LIST}"#, r#""*""#),
    ("OnlineQuery.tokens", "POST", "/v2/online", r#"{"tokens":LIST}"#, r#""tok_9""#),
    ("OnlineQuery.users", "POST", "/v2/online", r#"{"users":LIST}"#, r#""ann""#),
    ("ProjectChange.allowed_origins", "PATCH", "/v2/project", r#"{"allowed_origins":LIST}"#, r#""https://a.example""#),
    (
        "ProjectChange.hook.questions",
        "PATCH",
        "/v2/project",
        r#"{"hook":{"url":"https://a.example","questions":LIST}}"#,
        r#""publish""#,
    ),
    ("Revoke.tokens", "POST", "/v2/tokens/revoke", r#"{"tokens":LIST}"#, r#""tok_9""#),
    (
        "TokenChange.capabilities",
        "PATCH",
        "/v2/tokens/TOKEN",
        r#"{"capabilities":LIST}"#,
        r#"{"channels":"a","operations":["publish"]}"#,
    ),
    ("TokenChange.networks", "PATCH", "/v2/tokens/TOKEN", r#"{"networks":LIST}"#, r#""10.0.0.0/8""#),
    ("TokenChange.origins", "PATCH", "/v2/tokens/TOKEN", r#"{"origins":LIST}"#, r#""https://a.example""#),
    ("WebhookChange.events", "PATCH", "/v2/webhooks/WEBHOOK", r#"{"events":LIST}"#, r#""*""#),
];

#[tokio::test]
async fn every_list_is_held_to_its_description() {
    let door = Door::open().await;
    door.channel("room", "{}").await;
    let described = door.call("GET", "/v2/openapi.json", "").await.json;
    let mut found = BTreeMap::new();
    for (path, operations) in described["paths"].as_object().unwrap() {
        for (method, operation) in operations.as_object().unwrap() {
            if let Some(schema) = operation.pointer("/requestBody/content/application~1json/schema") {
                lists(&described, schema, &format!("{method} {path}"), &mut found);
            }
        }
    }
    let asked: Vec<_> = ASKS.iter().map(|(place, ..)| (*place).to_owned()).collect();
    assert_eq!(found.keys().cloned().collect::<Vec<_>>(), asked, "the lists of the description");
    let id = async |path: &str, body: &str| {
        let made = door.call("POST", path, body).await;
        assert!(made.status < 300, "{}", made.json);
        made.json["id"].as_str().unwrap().to_owned()
    };
    let issuer = r#"{"issuer":"https://one.example","secret":{"algorithm":"HS256","secret":"0123456789abcdef0123456789abcdef"}}"#;
    let ids = [
        ("ISSUER", id("/v2/issuers", issuer).await),
        ("JOB", id("/v2/jobs", r#"{"action":"introspect","total":1000}"#).await),
        ("TOKEN", id("/v2/tokens", "{}").await),
        ("WEBHOOK", id("/v2/webhooks", r#"{"url":"https://a.example","events":["*"]}"#).await),
    ];
    for (place, method, path, body, item) in ASKS {
        let (most, item_schema) = &found[*place];
        let most = most.as_u64().unwrap_or_else(|| panic!("{place} has no end"));
        let path = ids.iter().fold((*path).to_owned(), |path, (word, id)| path.replace(word, id));
        let ask = async |count: u64| {
            let by_turns = item.split('|').cycle().take(count as usize).enumerate();
            let items: Vec<_> = by_turns.map(|(at, item)| item.replace('#', &at.to_string())).collect();
            door.call(method, &path, &body.replace("LIST", &format!("[{}]", items.join(",")))).await
        };
        let refused = ask(most + 1).await;
        let named = *item == OPERATIONS || refused.message().contains(&most.to_string());
        assert!(
            (400..500).contains(&refused.status) && named,
            "{place}, one more: {} {}",
            refused.status,
            refused.json
        );
        let taken = ask(most).await;
        assert!(taken.status < 300, "{place}: {} {}", taken.status, taken.json);
        for none in no_items(item_schema) {
            let refused = door.call(method, &path, &body.replace("LIST", &json!([none]).to_string())).await;
            assert!((400..500).contains(&refused.status), "{place} of {none}: {} {}", refused.status, refused.json);
        }
    }
}

#[tokio::test]
async fn a_name_that_no_token_user_or_device_can_have_revokes_nothing() {
    let door = Door::open().await;
    let long = |chars: usize| format!("\"{}\"", "é".repeat(chars));
    for (field, most) in [("user_id", 900), ("device_id", 150)] {
        for (name, status) in [("\"\"".to_owned(), 422), (long(most + 1), 422), (long(most), 200)] {
            let seen = door.call("POST", "/v2/tokens/revoke", &format!(r#"{{"{field}":{name}}}"#)).await;
            assert_eq!(seen.status, status, "{field}: {}", seen.json);
        }
    }
    let seen = door.call("POST", "/v2/tokens/revoke", r#"{"tokens":["tok_9",""]}"#).await;
    seen.refused_v2("invalid_input");
    assert!(seen.message().starts_with("Token 2 of 2 has 0 bytes;"), "{}", seen.message());
}

#[tokio::test]
async fn an_entry_of_permissions_is_one_name() {
    let door = Door::open().await;
    for names in [r#"[""]"#, r#"[" all"]"#, r#"["read_channels,manage_keys"]"#, r#"["read_channels","read"]"#] {
        door.call("POST", "/v2/keys", &format!(r#"{{"permissions":{names}}}"#)).await.refused_v2("invalid_input");
    }
}

fn resolved<'a>(all: &'a Value, schema: &'a Value) -> &'a Value {
    match schema["$ref"].as_str() {
        Some(reference) => &all["components"]["schemas"][reference.rsplit('/').next().unwrap()],
        None => schema,
    }
}

/// What is no item of a list: each breaks one thing that the description says of its items.
fn no_items(item: &Value) -> Vec<Value> {
    let mut none = Vec::new();
    if item["type"] == "string" {
        none.extend([json!(1), Value::Null, json!(["a"])]);
    }
    if item["minLength"].as_u64().is_some_and(|least| least > 0) {
        none.push(json!(""));
    }
    if let Some(most) = item["maxLength"].as_u64() {
        none.push(json!("a".repeat(most as usize + 1)));
    }
    if item.get("enum").is_some() {
        none.push(json!("nothing of the kind"));
    }
    if item.get("pattern").is_some() {
        none.push(json!("\u{7}"));
    }
    if item["type"] == "object" {
        none.extend([json!({}), json!("a"), json!([])]);
    }
    none
}

/// The lists below this schema: where each is, how long it may be at most, and what its items are.
fn lists(all: &Value, schema: &Value, place: &str, found: &mut BTreeMap<String, (Value, Value)>) {
    if let Some(reference) = schema["$ref"].as_str() {
        let name = reference.rsplit('/').next().unwrap();
        return lists(all, &all["components"]["schemas"][name], name, found);
    }
    if let Some(items) = schema.get("items") {
        found.insert(place.to_owned(), (schema["maxItems"].clone(), resolved(all, items).clone()));
        lists(all, items, place, found);
    }
    for (name, property) in schema["properties"].as_object().into_iter().flatten() {
        lists(all, property, &format!("{place}.{name}"), found);
    }
    for kind in ["anyOf", "oneOf", "allOf"] {
        for one in schema[kind].as_array().into_iter().flatten() {
            lists(all, one, place, found);
        }
    }
}
