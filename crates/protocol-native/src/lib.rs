//! Tollgate's own wire protocol, `tollgate.v1`: its frames for both sides ([`wire`]), the machine of one connection ([`NativeDialect`]), and
//! the broadcast encodings for WebSockets ([`NativeEncoder`]) and event streams ([`SseEncoder`]).
//!
//! What is *not* here: sockets, clocks, permissions, and any decision about who may do what. A frame becomes a
//! [`tollgate_core::command::Command`], an outcome becomes a frame. `docs/protocol/native.md` is the contract.

mod busy;
mod close;
mod config;
mod dialect;
mod encoder;
mod outcome;
mod read;
mod sse;
pub mod wire;
mod write;

pub use config::{NativeConfig, NativeCounters};
pub use dialect::NativeDialect;
pub use encoder::{NativeEncoder, SseEncoder};
pub use sse::{SSE_BODY_BYTES_MAX, SSE_CHANNELS_MAX, SSE_SUBSCRIBES_MAX, SseChannel, SseStart};
