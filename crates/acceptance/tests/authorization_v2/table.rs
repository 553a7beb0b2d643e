//! A valid request for each operation that is not a GET. `{key}`, `{token}` and the like stand for things that exist.

/// The operation's id, its body, and how many audit entries it leaves when it succeeds.
pub(crate) struct Row {
    pub(crate) operation: &'static str,
    pub(crate) body: &'static str,
    pub(crate) entries: usize,
}

const fn row(operation: &'static str, body: &'static str) -> Row {
    Row { operation, body, entries: 1 }
}

/// Leaves none: a question that is asked by POST, or what flows through channels, which are messages and their state (a hundred thousand of
/// them a second would drown what the log is for; who may send them is decided by operations that are in it).
const fn unwritten(operation: &'static str, body: &'static str) -> Row {
    Row { operation, body, entries: 0 }
}

pub(crate) const ROWS: &[Row] = &[
    row("changeProject", r#"{"strict_devices":true}"#),
    row("testHook", r#"{"question":"publish"}"#),
    row("createKey", r#"{"permissions":["read_channels"]}"#),
    row("changeKey", r#"{"name":"renamed"}"#),
    row("rotateKey", r#"{"grace_s":60}"#),
    row("revokeKey", "{}"),
    row("createToken", r#"{"state":{"made":true}}"#),
    row("changeToken", r#"{"name":"renamed"}"#),
    unwritten("rehearseTokenChange", r#"{"name":"renamed"}"#),
    row("deleteToken", ""),
    row("rotateToken", r#"{"grace_s":60}"#),
    row("replaceTokenState", r#"{"a":1}"#),
    row("mergeTokenState", r#"{"a":1}"#),
    unwritten("introspectToken", r#"{"token":"{token}"}"#),
    unwritten("explain", r#"{"token":"{token}","wish":"publish","channel":"{channel}"}"#),
    unwritten("explainMessage", r#"{"token":"{token}","channel":"{channel}","position":"1-1"}"#),
    unwritten("find", r#"{"text":"{token}"}"#),
    unwritten("messageToken", r#"{"event":"X"}"#),
    row("subscribeToken", "{}"),
    row("unsubscribeToken", ""),
    row("revokeTokens", r#"{"token":"{token}"}"#),
    row("batchTokens", r#"{"action":"revoke","entries":["{token}"]}"#),
    row("restoreToken", ""),
    row("createUser", r#"{"user_id":"{new}"}"#),
    row("changeUser", r#"{"display_name":"Renamed"}"#),
    row("deleteUser", ""),
    row("banUser", ""),
    row("unbanUser", ""),
    unwritten("queryOnline", r#"{"tokens":["{token}"]}"#),
    unwritten("messageUser", r#"{"event":"X"}"#),
    row("createAuthToken", r#"{"user_id":"{new}"}"#),
    row("createTicket", r#"{"token":"{token}"}"#),
    row("revokeMe", ""),
    row("createChannel", r#"{"id":"{new}","type":"private"}"#),
    row("changeChannel", r#"{"settings":{"retain":true}}"#),
    row("deleteChannel", ""),
    row("addSubscriber", "{}"),
    row("removeSubscriber", ""),
    row("closeConnection", ""),
    unwritten("messageConnection", r#"{"event":"X"}"#),
    unwritten("publishMessage", r#"{"event":"X"}"#),
    unwritten("publishMessages", r#"{"messages":[{"channel":"{channel}","event":"X"}]}"#),
    unwritten("replaceChannelState", r#"{"a":1}"#),
    unwritten("mergeChannelState", r#"{"a":1}"#),
    row("createJob", r#"{"action":"create","total":1}"#),
    row("putJobPart", "[{}]"),
    row("startJob", ""),
    row("cancelJob", ""),
    row("createAccessToken", "{}"),
    row("createSigningKey", "{}"),
    row("rotateSigningKey", ""),
    row("retireSigningKey", "{}"),
    row(
        "createIssuer",
        r#"{"issuer":"https://{new}.example","secret":{"algorithm":"HS256","secret":"0123456789abcdef0123456789abcdef"}}"#,
    ),
    row("changeIssuer", r#"{"disabled":true}"#),
    row("deleteIssuer", ""),
    row("createWebhook", r#"{"url":"{url}","events":["token.*"]}"#),
    row("changeWebhook", r#"{"events":["user.*"]}"#),
    row("deleteWebhook", ""),
    row("rotateWebhook", "{}"),
    row("testWebhook", ""),
    row("replayDelivery", ""),
];

/// GETs that leave an entry: what they hand out is handed out once.
pub(crate) const ENTERED_GETS: &[&str] = &["readJobResults"];
