//! Listeners, TLS, upgrade and WebSocket frames: the only crate that touches sockets; it runs the shards.

pub mod frame;
pub mod wheel;
