//! The schemas of channels: their settings, states, messages, past, and who is there.

use serde_json::{Value, json};

use super::schemas::{answered, or_null, page, taken, time};
use crate::v2::channel_shown::WORDS;

pub(super) fn schemas() -> Value {
    let mut all = channels();
    for part in [messages(), past()] {
        if let (Value::Object(all), Value::Object(part)) = (&mut all, part) {
            all.extend(part);
        }
    }
    all
}

fn position() -> Value {
    json!({"type": "string", "description": "`EPOCH-OFFSET`; to be kept as it came.", "examples": ["18c3f-41"]})
}

/// An object of which some fields are only there when they have something to say.
fn answered_with(always: &Value, sometimes: Value) -> Value {
    let mut object = answered(always);
    if let (Some(properties), Value::Object(sometimes)) = (object["properties"].as_object_mut(), sometimes) {
        properties.extend(sometimes);
    }
    object
}

fn channels() -> Value {
    let words: Vec<&str> = WORDS.iter().map(|(word, _)| *word).collect();
    let capabilities = json!({
        "type": "array", "maxItems": 32, "items": {"type": "string", "enum": words},
        "description": "Who may publish and set the state, beside backends; and whether the channel ends when everybody has left.",
        "examples": [["token_publish"]],
    });
    let history = json!({
        "size": {"type": "integer", "minimum": 0, "maximum": 10_000, "description": "At most so many messages are kept."},
        "ttl_ms": {"type": "integer", "minimum": 1_000, "maximum": 315_360_000_000_u64, "description": "For at most so long."},
        "durable": {"type": "boolean", "description": "On the disk; a message is acknowledged when it is there."},
    });
    let settings = json!({
        "presence": {"type": "boolean", "description": "Keeps who is in the channel."},
        "echo": {"type": "boolean", "description": "Messages of clients come back to who sent them, unless they say otherwise."},
        "retain": {"type": "boolean", "description": "The last message is kept however old it is, and handed to who subscribes."},
        "conflate_per_second": {
            "type": "integer", "minimum": 0, "maximum": 100,
            "description": "Of messages with the same key, at most so many a second: the latest. 0 is without such a limit.",
        },
    });
    let (mut shown, mut wanted) = (settings.clone(), nullable(settings));
    shown["history"] = answered(&history);
    wanted["history"] = or_null(&taken(&nullable(history), &[]));
    let mut wanted = taken(&wanted, &[]);
    wanted["description"] = "What is left out, or null, stays; of a new channel it is the default.".into();
    wanted["examples"] = json!([{"history": {"size": 1_000, "ttl_ms": 86_400_000, "durable": true}, "presence": true}]);
    let kind = json!({"type": "string", "enum": ["private", "public", "unprotected"]});
    let id = json!({
        "type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[^/?#\\u0000-\\u001f\\u007f-\\u009f]+$",
        "examples": ["room"],
    });
    json!({
        "Channel": answered_with(&json!({
            "id": {"type": "string"}, "type": kind, "capabilities": capabilities, "settings": answered(&shown),
            "state": {"type": "object"}, "version": {"type": "integer", "description": "Of the state."}, "created_at": time(),
        }), json!({
            "position": position(),
            "online": {"type": "integer", "description": "Sessions that are subscribed and connected. Only where one channel is asked for, as is `position`."},
        })),
        "ChannelPage": page("Channel"),
        "NewChannel": taken(&json!({
            "id": or_null(&id), "type": kind, "capabilities": or_null(&capabilities), "settings": or_null(&wanted),
            "state": {"type": ["object", "null"], "description": "At most 1 MiB of JSON."},
        }), &["type"]),
        "ChannelChange": taken(&json!({"capabilities": or_null(&capabilities), "settings": or_null(&wanted)}), &[]),
        "ChannelState": answered(&json!({"state": {"type": "object"}, "version": {"type": "integer"}})),
    })
}

/// The same fields, of which each may be null.
fn nullable(mut properties: Value) -> Value {
    for (_, schema) in properties.as_object_mut().into_iter().flatten() {
        *schema = or_null(schema);
    }
    properties
}

fn messages() -> Value {
    let name = |description: &str| {
        or_null(&json!({"type": "string", "minLength": 1, "maxLength": 64, "description": description}))
    };
    let message = json!({
        "event": {"type": "string", "minLength": 1, "maxLength": 255, "examples": ["said"]},
        "data": {"description": "Any JSON value, at most 1 MiB.", "examples": [{"text": "hello"}]},
        "id": name("Your own. Published again with the same id within two minutes, a message is not sent again."),
        "echo": {"type": ["boolean", "null"], "description": "Whether the SDK of the sender hands it to its application; else as the channel says."},
        "key": name("In a channel that conflates: of messages with one key only the latest is delivered."),
    });
    // Without the limits of one message: what is over them is its own error, and no fault of the batch.
    let (text, maybe_text) = (json!({"type": "string"}), json!({"type": ["string", "null"]}));
    let entry = json!({
        "channel": {"type": "string", "examples": ["room"]}, "event": text, "data": message["data"], "id": maybe_text,
        "echo": message["echo"], "key": maybe_text,
    });
    let refused = answered(&json!({
        "status": {"type": "integer"}, "code": {"type": "string"}, "detail": {"type": "string"}, "retryable": {"type": "boolean"},
    }));
    let outcome = json!({
        "position": position(),
        "epoch": {"type": "string", "description": "The run of offsets, in decimal."},
        "offset": {"type": "integer", "description": "The place in it."},
        "duplicate": {"type": "boolean", "description": "It was published before; this is its position."},
        "conflated": {"type": "boolean", "description": "It waits for its turn, or was replaced by a later one with its key: it has no position."},
    });
    let mut result = json!({"type": "object", "properties": outcome});
    result["properties"]["error"] = refused;
    json!({
        "NewMessage": taken(&message, &["event"]),
        "NewMessages": taken(&json!({
            "messages": {"type": "array", "maxItems": 100, "items": taken(&entry, &["channel", "event"])},
        }), &["messages"]),
        "Published": {"type": "object", "properties": outcome},
        "Results": answered(&json!({
            "results": {"type": "array", "items": result, "description": "In the order of the messages: the place of each, or its error."},
        })),
    })
}

fn past() -> Value {
    let moment = json!({"type": "integer", "description": "Milliseconds since 1970."});
    let text = json!({"type": "string"});
    let sender = answered_with(&json!({"token": text}), json!({"user": text}));
    let message = answered_with(
        &json!({"offset": {"type": "integer"}, "event": text, "data": {"description": "Any JSON value."}, "at": moment}),
        json!({
            "sender": sender, "id": text,
            "connection": {"type": "string", "description": "Which sent it and does not want it back."},
        }),
    );
    let member = answered_with(&json!({"member": text, "since_at": moment}), json!({"data": {"type": "object"}}));
    json!({
        "HistoryPage": answered_with(
            &json!({"messages": {"type": "array", "items": message}, "position": position()}),
            json!({"next": {"type": "string", "description": "Goes on as `after`, or as `before` when the newest come first."}}),
        ),
        "MembersPage": answered_with(
            &json!({"count": {"type": "integer"}, "members": {"type": "array", "items": member}}),
            json!({"next": {"type": "string", "description": "Goes on as `after`."}}),
        ),
    })
}
