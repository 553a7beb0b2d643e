//! The console: pages for operators, rendered here and whole without script. HTTP in, operations out.
//!
//! One request's life ([`Console`]): the rules of HTTP (`rules`), the route (`routes`), whose session it is (`sessions`, `cookie`), the body
//! (`form`), the role, and then a page of `pages`, which asks the node and fills a template. How a page is added: the top of `pages.rs`.
//!
//! What is *not* here: decisions (they are `core`'s, by way of the node's operations, which decide again behind every button), operations of its own,
//! and any way into the API: no other door reads the cookie.

mod answer;
mod assets;
mod body;
mod confirm;
mod cookie;
mod diff;
mod figures;
mod form;
mod frame;
mod json_text;
mod pages;
mod plot;
mod premises;
mod refused;
mod request_id;
mod routes;
mod rules;
mod service;
mod sessions;
mod snippets;
mod spans;
mod surroundings;
mod visit;
mod words;
mod works;

#[cfg(test)]
mod tests;

use std::sync::Arc;

use tollgate_core::clock::{Clock, Entropy};
use tollgate_node::Node;

pub use body::AnswerBody;
pub use figures::{ConsoleFigures, PageFigures};
pub use premises::{About, Finding, Premises, SettingShown, Verdict};
pub use service::Console;
pub use surroundings::{Condition, Part, Pulse, Stretch, Surroundings};

/// What the console needs of the server.
pub struct ConsoleParts {
    /// Whom it asks.
    pub node: Arc<Node>,
    /// For the ends of sessions.
    pub clock: Arc<dyn Clock>,
    /// For the names of sessions.
    pub entropy: Arc<dyn Entropy>,
    /// The server that it stands in.
    pub premises: Arc<dyn Premises>,
    /// The server around it.
    pub surroundings: Arc<dyn Surroundings>,
    /// What it was told.
    pub settings: ConsoleSettings,
}

impl std::fmt::Debug for ConsoleParts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ConsoleParts").field("settings", &self.settings).finish_non_exhaustive()
    }
}

/// How the console is set up.
#[derive(Clone, Debug)]
pub struct ConsoleSettings {
    /// Names by which it may be reached, as `Host` has them; empty is any.
    pub hosts: Vec<String>,
    /// A session ends after so many milliseconds without use.
    pub idle_ms: u64,
    /// A session ends so many milliseconds after it began.
    pub session_ms: u64,
    /// Its listener speaks TLS.
    pub tls: bool,
    /// A number that differs between starts of the server; it begins the request ids that are made here.
    pub instance: u32,
}
