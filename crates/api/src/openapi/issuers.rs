//! The schemas of access tokens, signing keys and issuers.

use serde_json::{Value, json};

use super::schemas::{answered, id, maybe_text, maybe_time, or_null, page, taken, time};

pub(super) fn schemas() -> Value {
    let claim = json!({"type": ["string", "null"], "minLength": 1, "maxLength": 256});
    let algorithms = json!(["HS256", "HS384", "HS512", "RS256", "RS384", "RS512", "PS256", "ES256", "ES384", "EdDSA"]);
    let change = json!({
        "audiences": {"type": ["array", "null"], "maxItems": 16, "items": {"type": "string", "minLength": 1, "maxLength": 512}},
        "user_id_claim": claim,
        "display_name_claim": claim,
        "capabilities_claim": claim,
        "policy": or_null(&json!({"$ref": "#/components/schemas/MintPolicy"})),
        "leeway_s": {"type": ["integer", "null"], "minimum": 0, "maximum": 60},
        "secret": or_null(&taken(&json!({
            "algorithm": {"enum": ["HS256", "HS384", "HS512"]},
            "secret": {"type": "string", "minLength": 32, "maxLength": 1024},
            "encoding": {"enum": ["text", "base64", "base64url", null]},
        }), &["algorithm", "secret"])),
        "pem": or_null(&taken(&json!({
            "algorithm": {"enum": algorithms}, "pem": {"type": "string", "maxLength": 16_384},
        }), &["algorithm", "pem"])),
        "jwks": {"type": ["object", "null"], "description": "A JWK set, RFC 7517."},
        "jwks_url": {"type": ["string", "null"], "format": "uri", "maxLength": 2_048},
        "defer": {"type": "boolean", "description": "Register although `jwks_url` cannot be fetched now."},
    });
    let mut new = change.clone();
    new["issuer"] = json!({"type": "string", "minLength": 1, "maxLength": 512, "description": "The `iss` of its JWTs, to the letter."});
    let mut changed = change;
    changed["disabled"] = json!({"type": ["boolean", "null"]});
    json!({
        "NewAccessToken": taken(&json!({
            "ttl_s": {"type": ["integer", "null"], "minimum": 1, "maximum": 315_360_000},
            "audience": {"type": ["string", "null"], "minLength": 1, "maxLength": 512, "description": "For whom, if not for this server."},
        }), &[]),
        "AccessToken": answered(&json!({
            "token": {"type": "string"}, "access_token": {"type": "string"}, "token_type": {"const": "Bearer"},
            "issued_at": time(), "expires_at": time(),
        })),
        "SigningKey": answered(&json!({
            "kid": {"type": "string"}, "algorithm": {"enum": ["ES256", "EdDSA", "RS256"]},
            "status": {"enum": ["next", "signing", "verifying", "ended", "retired"]}, "public_jwk": {"type": "object"},
            "created_at": time(), "signs_from": time(), "verifies_until": maybe_time(), "retired_at": maybe_time(),
        })),
        "SigningKeyPage": page("SigningKey"),
        "NewSigningKey": taken(&json!({
            "algorithm": {"enum": ["ES256", "EdDSA", "RS256", null]},
            "signs_in_s": {"type": ["integer", "null"], "minimum": 0, "maximum": 31_536_000},
        }), &[]),
        "Retirement": taken(&json!({"emergency": {"type": "boolean"}}), &[]),
        "Issuer": answered(&json!({
            "id": id("iss"), "issuer": {"type": "string"}, "audiences": {"type": "array", "items": {"type": "string"}},
            "user_id_claim": {"type": "string"}, "display_name_claim": maybe_text(), "capabilities_claim": maybe_text(),
            "policy": {"$ref": "#/components/schemas/MintPolicy"}, "leeway_s": {"type": "integer"},
            "key_source": {"enum": ["secret", "pem", "jwks", "jwks_url"]},
            "keys": {"type": "array", "items": answered(&json!({"kid": maybe_text(), "algorithm": {"enum": algorithms}}))},
            "jwks_url": maybe_text(), "fetched_at": maybe_time(), "created_at": time(), "disabled_at": maybe_time(),
        })),
        "IssuerPage": page("Issuer"),
        "NewIssuer": taken(&new, &["issuer"]),
        "IssuerChange": taken(&changed, &[]),
        "IssuerDeleted": answered(&json!({"id": id("iss"), "tokens": {"type": "integer"}})),
    })
}
