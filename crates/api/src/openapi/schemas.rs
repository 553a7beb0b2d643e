//! The schemas of `/v2`, and its parameters.

use serde_json::{Value, json};

/// Parameters of the query and headers, by the names that operations use.
const PARAMETERS: &[(&str, &str, &str)] = &[
    ("limit", "integer", "At most so many, 1 to 1000; 100 unless given."),
    ("cursor", "string", "The `next_cursor` of the page before."),
    ("order", "string", "`desc` (the latest first) or `asc`."),
    ("order:tokens", "string", "`asc` (the oldest first) or `desc`."),
    ("order:names", "string", "`created`, or `name`: in the order of ids, which `prefix` finds by."),
    ("cursor:names", "string", "The `next_cursor` of the page before, of the same list in the same order."),
    ("prefix", "string", "Only what has an id that begins so."),
    ("user_prefix", "string", "Only what belongs to users whose ids begin so."),
    ("type", "string", "Only channels of this type, in the order of their ids."),
    ("kind", "string", "Only tokens that came to be so."),
    ("online", "string", "Only tokens with a live connection, or without."),
    ("made_by", "string", "Only tokens that were made with the key with this id."),
    ("name", "string", "Only tokens in whose names this occurs."),
    ("subject", "string", "Only entries about this id."),
    ("actor", "string", "Only entries of this actor."),
    ("action", "string", "Only entries of this action, or of all that begin so (`token.`)."),
    ("outcome", "string", "Only entries of what was done, or was refused."),
    ("since", "time", "Only what is not before this time."),
    ("until", "time", "Only what is before this time."),
    ("from", "time", "Only what is not before this time."),
    ("to", "time", "Only what is before this time."),
    ("step", "string", "`hour`, or `minute`."),
    ("after", "integer", "The `sequence` of the last entry that you have."),
    ("user_id", "string", "Only what belongs to this user."),
    ("channel", "string", "Only what is subscribed to this channel."),
    ("token", "string", "Only what is of the token with this id."),
    ("protocol", "string", "Only what speaks this: `native`, `leap` or `events`."),
    ("address", "string", "Only what comes from this address, or from this network, as 10.0.0.0/8."),
    ("only", "string", "Only what waits for its socket (`behind`), or has no token (`anonymous`)."),
    ("status", "string", "Only what is in this state."),
    ("part", "integer", "Which part of the results, from 1."),
    ("after:position", "string", "Only messages behind this position."),
    ("before", "string", "Only messages before this position."),
    ("since_at", "integer", "Only messages accepted at this moment (milliseconds since 1970) or later."),
    ("order:history", "string", "`oldest` first, or `newest`."),
    ("wait_ms", "integer", "Wait so long for a message behind `after`, if there is none yet."),
    ("limit:members", "integer", "At most so many members, 0 to 1000; 100 unless given."),
    ("after:member", "string", "Only members behind this one: the `next` of the page before."),
    ("sample", "boolean", "`limit` members at random instead."),
    ("Idempotency-Key", "header", "The same request with the same key is done once; at most 255 bytes."),
    ("If-Match", "header", "Only if the thing is still at this ETag."),
];

/// Whether a parameter of this name in the table is a header.
pub(super) fn is_header(name: &str) -> bool {
    PARAMETERS.iter().any(|(known, kind, _)| *known == name && *kind == "header")
}

/// A parameter as OpenAPI has it. What is behind a colon tells parameters of one name apart.
///
/// # Panics
/// In tests, for a name that is not in the table.
pub(super) fn parameter(name: &str) -> Value {
    let found = PARAMETERS.iter().find(|(known, ..)| *known == name);
    let (name, kind, description) = found.expect("invariant: operations name parameters of the table");
    let schema = match (*name, *kind) {
        ("limit", _) => json!({"type": "integer", "minimum": 1, "maximum": 1000}),
        ("part", _) => json!({"type": "integer", "minimum": 1, "maximum": 1000}),
        ("limit:members", _) => json!({"type": "integer", "minimum": 0, "maximum": 1000}),
        ("after:position" | "before", _) => {
            json!({"type": "string", "pattern": "^[0-9a-fA-F]{1,16}-[0-9]{1,19}$", "examples": ["18c3f-41"]})
        }
        ("order:history", _) => json!({"type": "string", "enum": ["oldest", "newest"]}),
        ("wait_ms", _) => json!({"type": "integer", "minimum": 0, "maximum": 60_000}),
        ("token", _) => id("tok"),
        ("outcome", _) => json!({"type": "string", "enum": ["done", "refused"]}),
        ("order:names", _) => json!({"type": "string", "enum": ["created", "name"]}),
        ("cursor:names", _) => json!({"type": "string", "pattern": "^[A-Za-z0-9_-]{1,1366}$"}),
        ("type", _) => json!({"type": "string", "enum": ["private", "public", "unprotected"]}),
        ("kind", _) => json!({"type": "string", "enum": ["plain", "user_token", "session", "issued"]}),
        ("online", _) => json!({"type": "string", "enum": ["true", "false"]}),
        ("made_by", _) => id("ptkid"),
        ("only", _) => json!({"type": "string", "enum": ["behind", "anonymous"]}),
        ("sample", _) => json!({"type": "boolean"}),
        ("step", _) => json!({"type": "string", "enum": ["minute", "hour"]}),
        ("order" | "order:tokens", _) => json!({"type": "string", "enum": ["asc", "desc"]}),
        (_, "integer") => json!({"type": "integer", "minimum": 0, "maximum": 9_007_199_254_740_991_i64}),
        (_, "time") => json!({"type": "string", "format": "date-time"}),
        ("Idempotency-Key", _) => json!({"type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[!-~]+$"}),
        ("If-Match", _) => json!({"type": "string", "pattern": "^\"[0-9]{1,18}\"$"}),
        ("cursor", _) => json!({"type": "string", "pattern": "^[A-Za-z0-9_-]{11}$"}),
        _ => json!({"type": "string", "maxLength": 1024}),
    };
    let place = if *kind == "header" { "header" } else { "query" };
    let name = name.split(':').next();
    json!({"name": name, "in": place, "required": false, "description": description, "schema": schema})
}

/// What a parameter of a path is called outside: a user goes by the id that the caller gave it, which is the `user_id` of our answers and
/// not their `id`.
pub(super) fn path_name(name: &str) -> &str {
    if name == "user" { "user_id" } else { name }
}

/// A parameter of the path.
pub(super) fn path_parameter(name: &str) -> Value {
    let (description, schema) = match name {
        "key" => ("A key's id.", id("ptkid")),
        "token" => ("A token's id, or its secret.", json!({"type": "string", "minLength": 1, "maxLength": 255})),
        "user" => ("Your own id of the user.", json!({"type": "string", "minLength": 1, "maxLength": 50})),
        "channel" => ("A channel's id.", json!({"type": "string", "minLength": 1, "maxLength": 255})),
        "job" => ("A job's id.", id("job")),
        "part" => ("Which part, from 1.", json!({"type": "integer", "minimum": 1, "maximum": 1000})),
        "kid" => (
            "A signing key's id, as JWTs and key sets name it.",
            json!({"type": "string", "pattern": "^[A-Za-z0-9_-]{43}$"}),
        ),
        "issuer" => ("An issuer's id.", id("iss")),
        "webhook" => ("A webhook's id.", id("wh")),
        "delivery" => ("A message's id.", id("msg")),
        "connection" => ("A connection's id.", id("conn")),
        _ => ("An id.", json!({"type": "string", "minLength": 1, "maxLength": 255})),
    };
    json!({"name": path_name(name), "in": "path", "required": true, "description": description, "schema": schema})
}

/// An id of ours.
pub(super) fn id(prefix: &str) -> Value {
    json!({"type": "string", "pattern": format!("^{prefix}_[A-Za-z0-9_-]{{1,27}}$")})
}

pub(super) fn time() -> Value {
    json!({"type": "string", "format": "date-time"})
}

/// `schema`, or null.
pub(super) fn or_null(schema: &Value) -> Value {
    json!({"anyOf": [schema, {"type": "null"}]})
}

pub(super) fn maybe_time() -> Value {
    or_null(&time())
}

pub(super) fn maybe_text() -> Value {
    json!({"type": ["string", "null"]})
}

fn seconds(least: u64) -> Value {
    json!({"type": ["integer", "null"], "minimum": least, "maximum": 315_360_000})
}

/// A page of a list of these.
pub(super) fn page(schema: &str) -> Value {
    json!({
        "type": "object",
        "required": ["data", "next_cursor"],
        "properties": {
            "data": {"type": "array", "items": {"$ref": format!("#/components/schemas/{schema}")}},
            "next_cursor": maybe_text(),
        },
    })
}

/// An object as we answer it: every field is always there.
pub(super) fn answered(properties: &Value) -> Value {
    let required: Vec<String> = properties.as_object().into_iter().flat_map(|all| all.keys().cloned()).collect();
    json!({"type": "object", "required": required, "properties": properties})
}

/// An object as we take it: unknown fields are refused.
pub(super) fn taken(properties: &Value, required: &[&str]) -> Value {
    json!({"type": "object", "additionalProperties": false, "required": required, "properties": properties})
}

pub(super) fn schemas() -> Value {
    let mut all = json!({
        "Problem": answered(&json!({
            "type": {"type": "string"}, "title": {"type": "string"}, "status": {"type": "integer"},
            "code": {"type": "string"}, "detail": {"type": "string"}, "retryable": {"type": "boolean"},
            "request_id": {"type": "string"},
        })),
        "Capability": taken(&json!({
            "channels": {"type": "string", "minLength": 1, "maxLength": 255, "description": "A channel id, `prefix*`, or `*`."},
            "operations": {"type": "array", "minItems": 1, "maxItems": 6, "items": {"$ref": "#/components/schemas/Operation"}},
        }), &["channels", "operations"]),
        "Operation": {"type": "string", "enum": ["subscribe", "publish", "presence", "history", "state.read", "state.write"]},
        "Bucket": taken(&json!({
            "burst": {"type": "integer", "minimum": 1, "maximum": 1_000_000},
            "per_second": {"type": "number", "minimum": 0.0001, "maximum": 1_000_000},
        }), &["burst", "per_second"]),
        "Grace": taken(&json!({"grace_s": {"type": ["integer", "null"], "minimum": 0, "maximum": 604_800}}), &[]),
    });
    for part in [
        project(),
        keys(),
        super::tokens::schemas(),
        super::channels::schemas(),
        super::issuers::schemas(),
        revocation(),
        users(),
        jobs(),
        audit(),
        webhooks(),
        online(),
        usage(),
    ] {
        if let (Value::Object(all), Value::Object(part)) = (&mut all, part) {
            all.extend(part);
        }
    }
    all
}

fn project() -> Value {
    let bucket = or_null(&json!({"$ref": "#/components/schemas/Bucket"}));
    let limits = json!({
        "mint_per_key": bucket, "mint_per_user": bucket, "mint_per_address": bucket, "failed_auth_per_address": bucket,
    });
    let settings = json!({
        "secure_mode": {"type": "string", "enum": ["off", "required"]},
        "auth_tokens_reusable": {"type": "boolean"},
        "auth_token_ttl_s": {"type": ["integer", "null"], "minimum": 1, "maximum": 3600},
        "session_ttl_s": seconds(3_300),
        "user_token_ttl_s": seconds(1),
        "access_token_ttl_s": seconds(60),
        "signing_key_ttl_s": seconds(3_600),
        "audit_ttl_s": seconds(86_400),
        "ended_token_ttl_s": seconds(0),
        "allowed_origins": {"type": "array", "maxItems": 64, "items": {"type": "string", "pattern": "^https?://[a-z0-9.-]{1,200}$"}},
        "user_id_chars_max": {"type": ["integer", "null"], "minimum": 1, "maximum": 900},
        "strict_devices": {"type": "boolean"},
        "strict_bodies": {"type": "boolean"},
        "signing_algorithm": {"enum": ["ES256", "EdDSA", "RS256", null]},
    });
    let with = |limits: Value| {
        let mut settings = settings.clone();
        settings["limits"] = limits;
        settings
    };
    let (mut shown, mut wanted) = (with(answered(&limits)), with(taken(&limits, &[])));
    shown["has_visitor_secret"] = json!({"type": "boolean"});
    wanted["visitor_secret"] = json!({"type": ["string", "null"], "minLength": 16, "maxLength": 255});
    wanted["name"] = json!({"type": "string", "minLength": 1, "maxLength": 255, "pattern": "\\S"});
    let question = json!({"type": "string", "enum": ["subscribe", "publish", "connect"]});
    let hook = json!({
        "url": {"type": "string", "minLength": 1, "maxLength": 2048, "pattern": "^https?://"},
        "questions": {
            "type": "array", "minItems": 1, "maxItems": 3, "items": question,
            "description": "What the project's backend is asked: docs/hooks.md.",
        },
        "anonymous": {"type": "boolean"},
        "timeout_ms": {"type": "integer", "minimum": 50, "maximum": 5000},
        "on_failure": {"type": "string", "enum": ["deny", "allow"]},
    });
    let (mut shown_hook, mut wanted_hook) = (hook.clone(), hook);
    shown_hook["previous_secret_until"] = maybe_time();
    let mut shown_hook = answered(&shown_hook);
    shown_hook["properties"]["secret"] = json!({"type": "string", "description": "Only in the answer that drew it."});
    let mailbox = json!({
        "size": {"type": "integer", "minimum": 1, "maximum": 1_000},
        "ttl_ms": {"type": "integer", "minimum": 1_000, "maximum": 2_592_000_000_u64},
    });
    (shown["mailbox"], wanted["mailbox"]) =
        (or_null(&answered(&mailbox)), or_null(&taken(&mailbox, &["size", "ttl_ms"])));
    shown["hook"] = or_null(&shown_hook);
    wanted_hook["timeout_ms"] = or_null(&wanted_hook["timeout_ms"]);
    wanted_hook["rotate_secret"] = json!({"type": "boolean"});
    wanted["hook"] = or_null(&taken(&wanted_hook, &[]));
    json!({
        "Project": answered(&json!({
            "id": id("project"), "name": {"type": "string"}, "created_at": time(),
            "settings": answered(&shown),
        })),
        "ProjectChange": taken(&nullable(wanted), &[]),
        "HookTest": taken(&json!({"question": or_null(&question)}), &[]),
        "HookTested": answered(&json!({
            "url": {"type": "string"}, "question": question,
            "status": {"type": ["integer", "null"], "description": "Of the answer, if one came."},
            "took_ms": {"type": "integer", "minimum": 0},
            "answer": or_null(&answered(&json!({
                "allow": {"type": "boolean"}, "cache_ms": {"type": "integer", "minimum": 0}, "reason": {"type": ["string", "null"]},
            }))),
            "failure": {"type": ["string", "null"], "description": "Why there is no answer."},
        })),
    })
}

/// The same fields, of which each but `limits` and `name` may be null, for the default.
fn nullable(mut properties: Value) -> Value {
    for (name, schema) in properties.as_object_mut().into_iter().flatten() {
        if name != "limits" && name != "name" {
            *schema = or_null(schema);
        }
    }
    properties
}

fn keys() -> Value {
    let policy = json!({
        "ttl_s_max": {"type": ["integer", "null"], "minimum": 1, "maximum": 315_360_000},
        "capabilities": or_null(&json!({"type": "array", "maxItems": 32, "items": {"$ref": "#/components/schemas/Capability"}})),
        "channels": or_null(&json!({"type": "array", "maxItems": 32, "items": {"type": "string"}})),
    });
    let name = json!({"type": ["string", "null"], "minLength": 1, "maxLength": 100});
    let mut key = answered(&json!({
        "id": id("ptkid"), "name": maybe_text(), "hint": {"type": "string"}, "publishable": {"type": "boolean"},
        "permissions": {"type": "array", "items": {"type": "string"}}, "policy": {"$ref": "#/components/schemas/MintPolicy"},
        "created_at": time(), "expires_at": maybe_time(), "last_used_at": maybe_time(), "revoked_at": maybe_time(),
    }));
    key["properties"]["secret"] = json!({"type": "string", "description": "Only in the answer that made it."});
    json!({
        "MintPolicy": taken(&policy, &[]),
        "Key": key,
        "KeyPage": page("Key"),
        "NewKey": taken(&json!({
            "name": name, "permissions": {"type": "array", "minItems": 1, "maxItems": 32, "items": {"type": "string", "enum": permissions()}},
            "policy": or_null(&json!({"$ref": "#/components/schemas/MintPolicy"})), "expires_at": maybe_time(),
        }), &["permissions"]),
        "KeyChange": taken(&json!({
            "name": name, "policy": or_null(&json!({"$ref": "#/components/schemas/MintPolicy"})), "expires_at": maybe_time(),
        }), &[]),
    })
}

fn permissions() -> Vec<&'static str> {
    let named = tollgate_core::permissions::Permissions::NAMED.iter().map(|(name, _)| *name);
    std::iter::once("all").chain(named).collect()
}

fn revocation() -> Value {
    let secret =
        json!({"type": "string", "minLength": 1, "maxLength": 8192, "description": "A token's id or its secret."});
    let mut criteria = json!({
        "token": secret,
        "token_type_hint": {"type": "string"},
        "tokens": {"type": "array", "maxItems": 1000, "items": secret},
        "user_id": {"type": "string", "minLength": 1, "maxLength": 900},
        "device_id": {"type": "string", "minLength": 1, "maxLength": 150},
        "key_number": {"type": "integer", "minimum": 0, "maximum": 65535},
        "made_by": id("ptkid"),
        "capability": {"$ref": "#/components/schemas/Capability"},
        "metadata": {"type": "object"},
        "kind": {"type": "string", "enum": ["plain", "user_token", "session", "issued"]},
        "issued_before": time(),
        "all": {"type": "boolean"},
        "grace_s": {"type": "integer", "minimum": 0, "maximum": 604_800},
        "reason": {"type": "string", "maxLength": 255},
        "dry_run": {"type": "boolean"},
        "delete": {"type": "boolean"},
    });
    // Left out and null are the same, but for those that have a value of their own when they are left out.
    for name in [
        "token",
        "token_type_hint",
        "user_id",
        "device_id",
        "key_number",
        "made_by",
        "capability",
        "metadata",
        "kind",
        "issued_before",
        "reason",
    ] {
        criteria[name] = or_null(&criteria[name]);
    }
    json!({
        "Revoke": taken(&criteria, &[]),
        "Revoked": answered(&json!({
            "matched": {"type": "integer"}, "revoked": {"type": "integer"}, "connections_closed": {"type": "integer"},
            "last_closed_at": maybe_time(), "effective_at": time(), "dry_run": {"type": "boolean"},
        })),
        "Restored": answered(&json!({"id": id("tok"), "restored": {"type": "boolean"}})),
    })
}

fn users() -> Value {
    let user_id = json!({"type": "string", "minLength": 1, "maxLength": 50, "pattern": "^[^\\x00-\\x1f]+$"});
    let name = json!({"type": ["string", "null"], "maxLength": 100});
    let attributes = json!({"type": ["object", "null"], "description": "At most 8 KiB of JSON."});
    let counts = json!({"user_id": {"type": "string"}, "tokens": {"type": "integer"}, "connections_closed": {"type": "integer"}});
    json!({
        "User": answered(&json!({
            "id": id("user"), "user_id": {"type": "string"}, "display_name": maybe_text(), "attributes": attributes,
            "created_at": time(), "updated_at": time(), "banned_at": maybe_time(),
            "active_tokens": {"type": "integer"}, "is_online": {"type": "boolean"}, "last_seen_at": maybe_time(),
        })),
        "UserPage": page("User"),
        "NewUser": taken(&json!({"user_id": user_id, "display_name": name, "attributes": attributes}), &["user_id"]),
        "UserChange": taken(&json!({"display_name": name, "attributes": attributes}), &[]),
        "TokensEnded": answered(&counts),
        "Message": taken(&json!({
            "event": {"type": "string", "minLength": 1, "maxLength": 255}, "data": {"description": "Any JSON, at most 1 MiB."},
        }), &["event"]),
        "Reached": answered(&json!({"connections": {"type": "integer"}})),
        "UserReached": answered(&json!({
            "connections": {"type": "integer"},
            "mailboxes": {"type": "integer", "description": "Mailboxes that keep it until it is acknowledged, those of tokens that are connected among them."},
        })),
        "NewAuthToken": taken(&json!({
            "user_id": user_id, "ttl_s": {"type": ["integer", "null"], "minimum": 1, "maximum": 3600},
        }), &["user_id"]),
        "AuthToken": answered(&json!({"auth_token": {"type": "string"}, "user_id": {"type": "string"}, "expires_at": time()})),
    })
}

fn jobs() -> Value {
    let entries = |least: u32| {
        json!({
            "type": "array", "minItems": least, "maxItems": 1000,
            "items": {"description": "To create: what POST /v2/tokens takes. Else: a token's id or secret, alone or as `token` of an object."},
        })
    };
    let action = json!({"type": "string", "enum": ["create", "revoke", "rotate", "introspect"]});
    let mut outcome = json!({
        "type": "object", "required": ["status"],
        "properties": {"status": {"type": "string", "enum": ["created", "revoked", "rotated", "active", "inactive", "refused"]}},
    });
    for name in ["id", "secret", "code", "detail"] {
        outcome["properties"][name] = json!({"type": "string"});
    }
    outcome["properties"]["generation"] = json!({"type": "integer"});
    json!({
        "Outcome": outcome,
        "Batch": taken(&json!({
            "action": action, "mode": {"type": "string", "enum": ["best_effort", "atomic"]}, "entries": entries(1),
        }), &["action", "entries"]),
        "BatchResults": answered(&json!({
            "action": action, "results": {"type": "array", "items": {"$ref": "#/components/schemas/Outcome"}},
        })),
        "NewJob": {"oneOf": [
            taken(&json!({"action": action, "total": {"type": "integer", "minimum": 1, "maximum": 1_000_000}}), &["action", "total"]),
            taken(&json!({"action": action, "entries": entries(1)}), &["action", "entries"]),
        ]},
        "Job": answered(&json!({
            "id": id("job"), "action": action,
            "status": {"type": "string", "enum": ["receiving", "running", "finished", "cancelled", "failed"]},
            "total": {"type": "integer"}, "received": {"type": "integer"}, "parts": {"type": "integer"},
            "parts_done": {"type": "integer"}, "parts_read": {"type": "integer"}, "succeeded": {"type": "integer"},
            "failed": {"type": "integer"}, "submitted_by": {"type": "string"}, "created_at": time(),
            "ended_at": maybe_time(), "expires_at": maybe_time(), "failure": maybe_text(),
        })),
        "JobPage": page("Job"),
        "JobPart": entries(1),
        "JobResults": answered(&json!({
            "part": {"type": "integer"}, "results": {"type": "array", "items": {"$ref": "#/components/schemas/Outcome"}},
        })),
    })
}

fn audit() -> Value {
    json!({
        "AuditEntry": answered(&json!({
            "sequence": {"type": "integer"}, "at": time(), "actor": {"type": "string"}, "action": {"type": "string"},
            "subject": {"type": "string"}, "outcome": {"type": "string", "enum": ["done", "refused"]},
            "count": {"type": "integer"}, "detail": maybe_text(), "request_id": maybe_text(), "address": maybe_text(),
            "mac": {"type": "string"},
        })),
        "AuditPage": page("AuditEntry"),
        "AuditProof": answered(&json!({
            "intact": {"type": "boolean"}, "first_sequence": {"type": ["integer", "null"]},
            "last_sequence": {"type": ["integer", "null"]}, "last_mac": maybe_text(), "problem": maybe_text(),
        })),
    })
}

fn webhooks() -> Value {
    let url = json!({"type": "string", "minLength": 1, "maxLength": 2048, "pattern": "^https?://"});
    let events = json!({
        "type": "array", "minItems": 1, "maxItems": 64, "items": {"type": "string", "minLength": 1, "maxLength": 64},
        "description": "Names of events, `family.*`, or `*`.",
    });
    let wanted = json!({"url": url, "events": events, "disabled": {"type": "boolean"}});
    let mut webhook = answered(&json!({
        "id": id("wh"), "url": {"type": "string"}, "events": {"type": "array", "items": {"type": "string"}},
        "disabled": {"type": "boolean"}, "disabled_at": maybe_time(), "disabled_for": maybe_text(),
        "failing_since": maybe_time(), "previous_secret_until": maybe_time(), "created_at": time(),
    }));
    webhook["properties"]["secret"] = json!({"type": "string", "description": "Only in the answer that made it."});
    json!({
        "Webhook": webhook,
        "WebhookPage": page("Webhook"),
        "NewWebhook": taken(&wanted, &["url", "events"]),
        "WebhookChange": taken(&wanted, &[]),
        "Delivery": answered(&json!({
            "id": id("msg"), "event": {"type": "string"},
            "status": {"type": "string", "enum": ["waiting", "delivered", "failed"]}, "tries": {"type": "integer"},
            "last_failure": maybe_text(), "created_at": time(), "next_try_at": maybe_time(),
            "delivered_at": maybe_time(), "given_up_at": maybe_time(),
            "payload": {"description": "The body, as it is sent."},
        })),
        "DeliveryPage": page("Delivery"),
    })
}

fn online() -> Value {
    // Of any length: what no name can be is a name that nobody has.
    let names = json!({"type": "array", "maxItems": 1000, "items": {"type": "string"}});
    let one = answered(&json!({
        "online": {"type": "boolean"}, "connections": {"type": "integer"}, "last_seen_at": maybe_time(),
    }));
    json!({
        "OnlineQuery": {
            "description": "Tokens by id or secret, users by your own ids; at most 1,000 names in all.",
            "type": "object", "additionalProperties": false, "required": [],
            "properties": {"tokens": names, "users": names},
        },
        "Online": answered(&json!({
            "tokens": {"type": "array", "items": one, "description": "In the order of the query. Who is not known is offline and was never seen."},
            "users": {"type": "array", "items": one},
        })),
    })
}

fn usage() -> Value {
    let counts = json!({"type": "object", "additionalProperties": {"type": "integer"}});
    let mut used = answered(&json!({
        "first_seen_at": maybe_time(), "last_used_at": maybe_time(), "live_connections": {"type": "integer"},
        "connections": {"type": "integer"}, "messages_in": {"type": "integer"}, "messages_out": {"type": "integer"},
        "requests": {"type": "integer"}, "refusals": counts,
        "addresses": {"type": "array", "maxItems": 8, "items": answered(&json!({"address": {"type": "string"}, "seen_at": time()}))},
    }));
    used["properties"]["id"] = id("tok");
    used["properties"]["user_id"] = json!({"type": "string"});
    let bucket = answered(&json!({
        "at": time(), "connections": {"type": "integer"}, "messages_in": {"type": "integer"},
        "messages_out": {"type": "integer"}, "requests": {"type": "integer"}, "refusals": counts,
    }));
    json!({
        "Usage": used,
        "UsageSeries": answered(&json!({
            "step": {"type": "string", "enum": ["minute", "hour"]}, "from": time(), "to": time(),
            "data": {"type": "array", "items": bucket},
        })),
        "Alert": answered(&json!({
            "alert": {"type": "string"}, "subject": {"type": "string"}, "detail": {"type": "string"},
            "active": {"type": "boolean"}, "raised_at": time(), "cleared_at": maybe_time(),
        })),
        "AlertPage": page("Alert"),
    })
}
