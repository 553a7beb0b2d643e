//! Records as a store kept them.
#![allow(clippy::unwrap_used)]
use super::*;
use crate::json::JsonValue;

#[test]
fn json_let_in_by_older_rules_is_read() {
    let object = || JsonObject::parse_stored(r#"{"n":1e999}"#, 100).ok();
    let terms = TokenTerms { metadata: object(), ..TokenTerms::default() };
    let token = r#"{"generation":1,"state":{"n":1e999},"state_version":1,"created_at":5}"#;
    let token: TokenRecord = from_bytes(token.as_bytes()).unwrap();
    assert_eq!(token.state, object());
    let token = TokenRecord { terms, ..token };
    assert_eq!(from_bytes(&to_bytes(&token)), Some(token.clone()));
    assert_eq!(
        from_bytes(&to_bytes(&TokenRecord { state: None, ..token.clone() })),
        Some(TokenRecord { state: None, ..token })
    );
    let user = UserRecord {
        user_id: "ben".into(),
        display_name: None,
        attributes: object(),
        created_at: UnixMillis(5),
        updated_at: UnixMillis(5),
        banned_at: None,
    };
    assert_eq!(from_bytes(&to_bytes(&user)), Some(user));
    let message = DirectMessageRecord {
        token: TokenId::new(1),
        run: 1,
        offset: 1,
        event: "e".into(),
        data: JsonValue::parse_stored("1e999", 100).unwrap(),
        at: UnixMillis(5),
    };
    assert_eq!(from_bytes(&to_bytes(&message)), Some(message));
}
