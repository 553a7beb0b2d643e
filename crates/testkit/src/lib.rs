//! Starts the real binary for tests, and speaks to it as outsiders do: HTTP and WebSocket over plain sockets.
//!
//! Not a mock and not an SDK: nothing here links the server. Everything blocks, with a deadline, and a broken
//! expectation panics with what was seen, because the only callers are tests. The WebSocket client is tungstenite, an
//! implementation that shares no code with the server; [`raw`] is for bytes that no proper client would send.
// Only tests use this crate, so a failed unwrap is a failed test, and real time is the time that is tested.
#![allow(clippy::unwrap_used, clippy::disallowed_methods)]

pub mod api;
pub mod binary;
pub mod http;
pub mod leap;
pub mod native;
pub mod poll;
pub mod proxy;
pub mod random;
pub mod raw;
pub mod receiver;
pub mod server;
mod socket;

pub use api::{Api, Token};
pub use http::{Http, Reply};
pub use leap::Leap;
pub use native::Native;
pub use poll::{alongside, from_now, spelled, until, wait};
pub use random::Random;
pub use server::{Server, Setup};
