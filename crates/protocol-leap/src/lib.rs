//! Hop's Leap Edge wire protocol: the machine of one connection ([`LeapDialect`]) and the broadcast encoding ([`LeapEncoder`]).
//!
//! What is *not* here: sockets, clocks, permissions, and any decision about who may do what. A frame becomes a
//! [`tollgate_core::command::Command`], an outcome becomes a frame. `docs/protocol/leap.md` shows the protocol as we speak it.

mod busy;
mod close;
mod config;
mod dialect;
mod encoder;
mod frame;
mod outcome;
mod query;
mod write;

pub use config::{LeapConfig, LeapCounters, MOVE_TO_BYTES_MAX};
pub use dialect::LeapDialect;
pub use encoder::LeapEncoder;
pub use frame::{ClientFrame, Refusal};
pub use query::check_query;
