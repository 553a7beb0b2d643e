//! The schemas of tokens, and of what they are used for.

use serde_json::{Value, json};

use super::schemas::{answered, id, maybe_text, maybe_time, or_null, page, taken, time};

/// No control characters.
const PRINTABLE: &str = "^[^\\u0000-\\u001f\\u007f-\\u009f]*$";

fn text(least: u32, most: u32) -> Value {
    json!({"type": "string", "minLength": least, "maxLength": most, "pattern": PRINTABLE})
}

fn list(items: &Value, most: u32) -> Value {
    json!({"type": "array", "maxItems": most, "items": items})
}

pub(super) fn schemas() -> Value {
    let mut all = tokens();
    for part in [wishes(), introspection(), uses()] {
        if let (Value::Object(all), Value::Object(part)) = (&mut all, part) {
            all.extend(part);
        }
    }
    all
}

fn tokens() -> Value {
    let state = json!({"type": ["object", "null"]});
    let capabilities = or_null(&list(&json!({"$ref": "#/components/schemas/Capability"}), 32));
    let previous = answered(&json!({"generation": {"type": "integer"}, "until": time(), "uses": {"type": "integer"}}));
    let revoked = answered(&json!({"decided_at": time(), "effective_at": time(), "reason": maybe_text()}));
    let mut token = answered(&json!({
        "id": id("tok"), "project_id": id("project"),
        "kind": {"type": "string", "enum": ["plain", "user_token", "session", "issued"]},
        "status": {"type": "string", "enum": ["active", "expired", "revoked", "not_yet_valid"]},
        "user_id": maybe_text(), "display_name": maybe_text(), "name": maybe_text(), "device_id": maybe_text(),
        "state": state, "state_version": {"type": "integer"}, "capabilities": capabilities,
        "max_connections": {"type": ["integer", "null"]}, "networks": list(&json!({"type": "string"}), 32),
        "origins": list(&json!({"type": "string"}), 32), "metadata": {"type": ["object", "null"]},
        "version": {"type": "integer", "description": "The ETag."}, "generation": {"type": "integer"},
        "previous_secret": or_null(&previous), "created_at": time(), "not_before": maybe_time(),
        "expires_at": maybe_time(), "refresh_after": maybe_time(), "revoked": or_null(&revoked),
        "made_by": maybe_text(), "issuer": maybe_text(), "connections": {"type": "integer"}, "last_seen_at": maybe_time(),
    }));
    token["properties"]["secret"] = json!({"type": "string", "description": "Only in the answer that made it."});
    json!({"Token": token, "TokenPage": page("Token")})
}

fn wishes() -> Value {
    let network = json!({"type": "string", "maxLength": 49, "description": "As 10.0.0.0/8, or one address."});
    let origin = json!({"type": "string", "maxLength": 512, "description": "As https://app.example.com."});
    let capabilities = or_null(&list(&json!({"$ref": "#/components/schemas/Capability"}), 32));
    let seconds = json!({"type": ["integer", "null"], "minimum": 1, "maximum": 315_360_000});
    let connections = json!({"type": ["integer", "null"], "minimum": 1, "maximum": 1_024});
    let object = json!({"type": ["object", "null"]});
    let changed = json!({
        "name": or_null(&text(1, 60)), "expires_at": maybe_time(), "ttl_s": seconds, "not_before": maybe_time(),
        "capabilities": capabilities, "max_connections": connections, "networks": or_null(&list(&network, 32)),
        "origins": or_null(&list(&origin, 32)), "metadata": object, "device_id": or_null(&text(1, 150)),
    });
    let mut wanted = changed.clone();
    wanted["user_id"] = or_null(&text(1, 50));
    wanted["display_name"] = or_null(&text(0, 100));
    wanted["state"] = object;
    wanted["channels"] = or_null(&list(&json!({"type": "string", "minLength": 1, "maxLength": 255}), 1_024));
    json!({
        "NewTicket": taken(&json!({"token": or_null(&text(1, 4_096))}), &[]),
        "Ticket": answered(&json!({"ticket": {"type": "string"}, "expires_in_ms": {"type": "integer"}})),
        "NewToken": taken(&wanted, &[]),
        "TokenChange": taken(&changed, &[]),
        "TokenLoss": answered(&json!({
            "subscriptions_lost": {"type": "array", "items": {"type": "string"}, "description": "Channels that it would leave, losing the right to subscribe to them."},
            "connections_closed": {"type": "integer"},
        })),
        "State": {"type": "object"},
        "AnyState": {"type": ["object", "null"]},
        "TokenState": answered(&json!({"state": {"type": ["object", "null"]}, "version": {"type": "integer"}})),
    })
}

fn introspection() -> Value {
    let address = json!({"anyOf": [{"type": "string", "format": "ipv4"}, {"type": "string", "format": "ipv6"}, {"type": "null"}]});
    let wishes = ["connect", "subscribe", "publish", "history", "presence", "state.read", "state.write"];
    let explain = taken(
        &json!({
            "token": {"type": "string", "description": "A secret, a JWT, or the id, which stands for the newest secret."},
            "wish": {"type": "string", "enum": wishes},
            "channel": or_null(&json!({"type": "string", "minLength": 1, "maxLength": 255})),
            "by": or_null(&json!({"type": "string", "enum": ["connection", "rest"]})),
            "address": address, "origin": {"type": ["string", "null"]},
        }),
        &["token", "wish"],
    );
    let step = answered(&json!({
        "step": {"type": "string", "enum": ["genuine", "works", "place", "room", "channel", "right", "keeps", "hook"]},
        "held": {"type": "string", "enum": ["held", "failed", "unknown"]},
        "said": {"type": "string"}, "advice": maybe_text(),
    }));
    let fate = answered(&json!({
        "step": {"type": "string", "enum": ["kept", "acknowledged", "works", "subscribed", "echo", "connection", "ended", "present"]},
        "held": {"type": "string", "enum": ["held", "failed", "unknown"], "description": "Whether it speaks for the message having been written to the token's clients."},
        "said": {"type": "string"}, "connection": maybe_text(),
    }));
    let kinds =
        ["token", "user", "channel", "message", "connection", "key", "issuer", "signing_key", "webhook", "operator"];
    let found = answered(&json!({
        "kind": {"type": "string", "enum": kinds},
        "id": {"type": "string", "description": "By what it is known; a secret is never repeated."},
        "name": {"type": "string", "description": "A name or address of it for people, or nothing."},
        "named": {"type": "boolean", "description": "Whether the text names it; otherwise its id begins so."},
    }));
    let words = ["jti", "token_type", "sub", "username", "scope", "client_id", "iss"];
    let mut properties = json!({
        "active": {"type": "boolean"},
        "refusal": answered(&json!({"code": {"type": "string"}, "reason": {"type": "string"}, "since": maybe_time()})),
        "token": {"$ref": "#/components/schemas/Token"},
    });
    for word in words {
        properties[word] = json!({"type": "string"});
    }
    for word in ["iat", "nbf", "exp"] {
        properties[word] = json!({"type": "integer", "description": "Seconds since 1970."});
    }
    json!({
        "Introspect": taken(&json!({
            "token": {"type": "string"},
            "token_type_hint": {"type": ["string", "null"]},
            "address": {"anyOf": [{"type": "string", "format": "ipv4"}, {"type": "string", "format": "ipv6"}, {"type": "null"}]},
            "origin": {"type": ["string", "null"]},
        }), &["token"]),
        "Explain": explain,
        "Explanation": answered(&json!({
            "verdict": {"type": "string", "enum": ["yes", "no", "hook_decides"]},
            "told": or_null(&json!({"type": "string", "description": "The code that its client is answered."})),
            "token": maybe_text(), "steps": {"type": "array", "items": step},
        })),
        "ExplainMessage": taken(&json!({
            "token": {"type": "string", "description": "A secret, a JWT, or the id."},
            "channel": or_null(&json!({"type": "string", "minLength": 1, "maxLength": 255, "description": "Without one it was a direct message."})),
            "position": or_null(&json!({"type": "string", "description": "The message's position, as its publication was answered, and as the history has it; of a direct message as its client was told it. Without one, and without a channel, the last direct message is meant."})),
        }), &["token"]),
        "Find": taken(&json!({
            "text": {"type": "string", "minLength": 1, "description": "An id, a token's or key's secret, the id of a user or channel or its beginning, or `CHANNEL@POSITION`."},
        }), &["text"]),
        "FindResults": answered(&json!({"data": {"type": "array", "items": found}})),
        "MessageFate": answered(&json!({
            "token": {"type": "string"}, "position": maybe_text(), "at": maybe_time(),
            "event": or_null(&json!({"type": "string", "description": "With the permission to read channels."})),
            "sender": maybe_text(), "steps": {"type": "array", "items": fate},
        })),
        "Introspection": {"type": "object", "required": ["active"], "properties": properties},
    })
}

fn uses() -> Value {
    let connection = answered(&json!({
        "id": {"type": "string"}, "since": time(), "address": maybe_text(), "generation": {"type": "integer"},
        "ends_at": maybe_time(),
    }));
    let live = answered(&json!({
        "id": {"type": "string"}, "protocol": {"type": "string"}, "token": maybe_text(), "user_id": maybe_text(),
        "address": maybe_text(), "origin": maybe_text(), "since": time(), "ends_at": maybe_time(),
        "channels": {"type": "integer", "description": "How many it is subscribed to."},
        "waiting_bytes": {"type": "integer", "description": "What waits for its socket, because it does not read fast enough."},
    }));
    let subscription = answered(&json!({"channel": {"type": "string"}, "ephemeral": {"type": "boolean"}}));
    json!({
        "Connection": live,
        "ConnectionPage": page("Connection"),
        "Connections": answered(&json!({"data": {"type": "array", "items": connection}})),
        "Subscriptions": answered(&json!({"data": {"type": "array", "items": subscription}})),
        "Subscribe": taken(&json!({"ephemeral": {"type": "boolean"}}), &[]),
    })
}
