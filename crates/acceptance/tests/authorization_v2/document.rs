//! The operations, read from the document that the running server gives.

use std::collections::BTreeMap;

use serde_json::Value;
use tollgate_testkit::{Reply, Server};

use crate::table::{ENTERED_GETS, ROWS};

/// Who an operation is for.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Needs {
    /// Any project key.
    AnyKey,
    /// A project key with this permission.
    Key(String),
    /// A token.
    Token,
    /// A token that may do it, or a project key with this permission.
    Either(String),
}

#[derive(Debug)]
pub(crate) struct Operation {
    pub(crate) id: String,
    pub(crate) method: String,
    /// `/v2/keys/{key}`.
    pub(crate) path: String,
    pub(crate) needs: Needs,
    pub(crate) body: &'static str,
    /// The audit entries that it leaves.
    pub(crate) entries: usize,
    /// The status of its success.
    pub(crate) succeeds: u16,
}

/// What `{names}` stand for.
pub(crate) type Names = BTreeMap<&'static str, String>;

impl Operation {
    /// One request of it with these names, as whoever has the credential.
    pub(crate) fn ask(&self, server: &Server, credential: &str, names: &Names) -> Reply {
        let (path, body) = (fill(&self.path, names), fill(self.body, names));
        let body = Some(body).filter(|body| !body.is_empty());
        let reply = server.api_with(credential).try_call(&self.method, &path, body.as_deref().map(str::as_bytes));
        reply.unwrap_or_else(|error| panic!("{} {path}: {error}", self.method))
    }

    /// Whether it is about one thing that its path names.
    pub(crate) fn names_a_thing(&self) -> bool {
        self.path.contains('{')
    }
}

fn fill(text: &str, names: &Names) -> String {
    let mut text = text.to_owned();
    for (name, value) in names {
        text = text.replace(&format!("{{{name}}}"), value);
    }
    assert!(!text.starts_with('/') || !text.contains('{'), "nothing stands for what is in braces: {text}");
    text
}

/// Every operation of the document.
pub(crate) fn operations(server: &Server) -> Vec<Operation> {
    let document = server.api_with("").try_call("GET", "/v2/openapi.json", None).unwrap().json();
    let mut all = Vec::new();
    for (path, methods) in document["paths"].as_object().unwrap() {
        for (method, described) in methods.as_object().unwrap() {
            all.push(operation(path, method, described));
        }
    }
    assert!(all.len() > 35, "the document has lost operations: {}", all.len());
    all
}

fn operation(path: &str, method: &str, described: &Value) -> Operation {
    let id = described["operationId"].as_str().unwrap().to_owned();
    let (body, entries) = if method == "get" {
        ("", usize::from(ENTERED_GETS.contains(&id.as_str())))
    } else {
        let row = ROWS.iter().find(|row| row.operation == id);
        let row = row.unwrap_or_else(|| panic!("the table has no valid request for {id}: {method} {path}"));
        (row.body, row.entries)
    };
    let succeeds = described["responses"]
        .as_object()
        .unwrap()
        .keys()
        .find_map(|status| status.parse().ok().filter(|status| (200..300).contains(status)));
    Operation {
        needs: needs(described["description"].as_str().unwrap()),
        id,
        method: method.to_uppercase(),
        path: path.to_owned(),
        body,
        entries,
        succeeds: succeeds.unwrap(),
    }
}

fn needs(said: &str) -> Needs {
    let permission = || said.split('`').nth(1).unwrap().to_owned();
    if said.starts_with("Needs a project key that may `") {
        Needs::Key(permission())
    } else if said.starts_with("Needs a project key, whatever") {
        Needs::AnyKey
    } else if said == "Needs a token." {
        Needs::Token
    } else if said.starts_with("Needs a token that may") && said.contains("or a project key that may `") {
        Needs::Either(permission())
    } else {
        panic!("who this is for is not understood: {said}")
    }
}
