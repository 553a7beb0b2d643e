//! `tollgate project show`, `set` and `test-hook`, and `tollgate key rotate`.

use clap::Args;
use serde_json::{Value, json};

use super::{Where, encoded, object, typed_bucket, typed_mailbox, typed_object};
use crate::cli::{Output, Task};

#[derive(Debug, Args)]
pub(crate) struct KeyRotate {
    /// The key's id, `ptkid_…`
    #[arg(value_name = "KEY_ID")]
    key: String,
    /// Seconds that the old key goes on working [default: 86400]
    #[arg(long, value_name = "SECONDS")]
    grace: Option<u64>,
    #[command(flatten)]
    place: Where,
}

impl KeyRotate {
    pub(crate) fn task(self) -> Task {
        let path = format!("/v2/keys/{}/rotate", encoded(&self.key));
        self.place.post(&path, &object([("grace_s", self.grace.map(Value::from))]))
    }
}

#[derive(Debug, Args)]
pub(crate) struct ProjectShow {
    /// The project's id; may be left out while there is one project
    #[arg(value_name = "PROJECT")]
    project: Option<String>,
    #[command(flatten)]
    output: Output,
}

impl ProjectShow {
    pub(crate) fn task(self) -> Task {
        Where { project: self.project, output: self.output }.get("/v2/project", &[])
    }
}

#[derive(Debug, Args)]
pub(crate) struct ProjectTestHook {
    /// The project's id; may be left out while there is one project
    #[arg(value_name = "PROJECT")]
    project: Option<String>,
    /// What to ask: subscribe, publish or connect [default: the first that the hook is asked]
    #[arg(long, value_name = "QUESTION")]
    question: Option<String>,
    #[command(flatten)]
    output: Output,
}

impl ProjectTestHook {
    pub(crate) fn task(self) -> Task {
        let body = object([("question", self.question.map(Value::from))]);
        Where { project: self.project, output: self.output }.post("/v2/project/hook/test", &body)
    }
}

#[derive(Debug, Args)]
pub(crate) struct ProjectSet {
    /// The project's id; may be left out while there is one project
    #[arg(value_name = "PROJECT")]
    project: Option<String>,
    /// Its name, for people
    #[arg(long)]
    name: Option<String>,
    /// Whether sessions need an auth token: off or required
    #[arg(long)]
    secure_mode: Option<String>,
    /// A web origin that may send credentials; may be repeated, and replaces those before
    #[arg(long = "allowed-origin", value_name = "ORIGIN")]
    allowed_origins: Vec<String>,
    /// Tokens made with one key, as BURST/PER_SECOND
    #[arg(long, value_parser = typed_bucket)]
    mint_per_key: Option<Value>,
    /// Tokens made for one user
    #[arg(long, value_parser = typed_bucket)]
    mint_per_user: Option<Value>,
    /// Tokens made from one address
    #[arg(long, value_parser = typed_bucket)]
    mint_per_address: Option<Value>,
    /// Failed authentications from one address
    #[arg(long, value_parser = typed_bucket)]
    failed_auth_per_address: Option<Value>,
    /// The backend that is asked what clients may do, or "none"
    #[arg(long, value_name = "URL")]
    hook_url: Option<String>,
    /// What it is asked: subscribe, publish or connect; may be repeated, and replaces those before
    #[arg(long = "hook-question", value_name = "QUESTION")]
    hook_questions: Vec<String>,
    /// Whether it is asked about anonymous clients, too
    #[arg(long, value_name = "BOOL")]
    hook_anonymous: Option<bool>,
    /// How long it has to answer, 50 to 5000
    #[arg(long, value_name = "MS")]
    hook_timeout_ms: Option<u64>,
    /// What holds for connecting and publishing while it does not answer: deny or allow
    #[arg(long, value_name = "WORD")]
    hook_on_failure: Option<String>,
    /// Draws a new secret for it; the one before signs, too, for a day
    #[arg(long)]
    hook_rotate_secret: bool,
    /// Keeps direct messages until they are acknowledged, SIZE of each token for TTL_MS milliseconds; or "none"
    #[arg(long, value_name = "SIZE/TTL_MS", value_parser = typed_mailbox)]
    mailbox: Option<Value>,
    /// More settings, a JSON object as PATCH /v2/project takes it
    #[arg(long, value_name = "JSON", value_parser = typed_object)]
    set: Option<Value>,
    #[command(flatten)]
    output: Output,
}

impl ProjectSet {
    pub(crate) fn task(self) -> Task {
        let limits = object([
            ("mint_per_key", self.mint_per_key),
            ("mint_per_user", self.mint_per_user),
            ("mint_per_address", self.mint_per_address),
            ("failed_auth_per_address", self.failed_auth_per_address),
        ]);
        let hook = match self.hook_url.as_deref() {
            Some("none") => Some(Value::Null),
            url => Some(object([
                ("url", url.map(Value::from)),
                ("questions", (!self.hook_questions.is_empty()).then(|| json!(self.hook_questions))),
                ("anonymous", self.hook_anonymous.map(Value::from)),
                ("timeout_ms", self.hook_timeout_ms.map(Value::from)),
                ("on_failure", self.hook_on_failure.map(Value::from)),
                ("rotate_secret", self.hook_rotate_secret.then_some(Value::Bool(true))),
            ]))
            .filter(|hook| hook.as_object().is_some_and(|hook| !hook.is_empty())),
        };
        let mut body = object([
            ("name", self.name.map(Value::from)),
            ("hook", hook),
            ("mailbox", self.mailbox),
            ("secure_mode", self.secure_mode.map(Value::from)),
            ("allowed_origins", (!self.allowed_origins.is_empty()).then(|| json!(self.allowed_origins))),
            ("limits", limits.as_object().is_some_and(|limits| !limits.is_empty()).then_some(limits)),
        ]);
        if let (Value::Object(body), Some(Value::Object(more))) = (&mut body, self.set) {
            body.extend(more);
        }
        Where { project: self.project, output: self.output }.patch("/v2/project", &body)
    }
}
