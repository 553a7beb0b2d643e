//! REST facades: HTTP in, operations out. The only crate that knows HTTP statuses.
//!
//! One request's life: [`Router`] finds the route in a table, asks the node who is calling, reads the body within its limits,
//! runs the route's handler (parse, one operation, render) and wraps the outcome into an envelope with headers.
//!
//! What is *not* here: decisions (permissions, limits of values, existence are the node's), sockets and HTTP framing (the
//! gateway's), and any web framework: ids must be decoded, refused and logged by our own rules, which is most of what a
//! framework's router does.

mod answer;
mod body;
mod call;
mod fields;
mod health;
mod hop;
mod json;
mod jwks;
mod openapi;
mod percent;
mod query;
mod refusal;
mod request_id;
mod routes;
mod service;
mod socialplus;
mod timing;
mod traced;
mod v2;

#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Duration;

use tollgate_core::ports::trace::Tracer;
use tollgate_node::Node;

pub use percent::decode as percent_decode;
pub use service::Router;
pub use timing::{RouteFigures, STATUS_CLASSES};
pub use v2::audit::audit_line;

/// Limits of HTTP bodies, and what makes request ids unique.
#[derive(Clone, Copy, Debug)]
pub struct ApiConfig {
    /// Largest body of a request, in bytes. More is answered with 413.
    pub body_bytes_max: usize,
    /// How long a body may take to arrive. Longer is answered with 408.
    pub body_deadline: Duration,
    /// A number that differs between starts of the server; it begins the request ids that we make.
    pub instance: u32,
}

impl Default for ApiConfig {
    fn default() -> Self {
        Self { body_bytes_max: 2 * 1024 * 1024, body_deadline: Duration::from_secs(30), instance: 0 }
    }
}

/// The service that answers every plain HTTP request of the server.
#[must_use]
pub fn router(node: Arc<Node>, config: ApiConfig) -> Router {
    Router::new(node, config, routes::ROUTES, None)
}

/// The same, with its requests collected.
#[must_use]
pub fn traced_router(node: Arc<Node>, config: ApiConfig, tracer: Arc<dyn Tracer>) -> Router {
    Router::new(node, config, routes::ROUTES, Some(tracer))
}
