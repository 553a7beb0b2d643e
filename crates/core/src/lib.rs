//! The words and the decisions of Tollgate: ids, records, permissions, limits, errors, close reasons and the ports.
//!
//! What is *not* here: I/O, clocks, tokio, HTTP, SQL and wire formats. Everything in this crate is a plain value, a pure
//! function, or a trait that an outer crate implements.

pub mod audit;
pub mod authorize;
pub mod checksum;
pub mod clock;
pub mod close;
pub mod command;
pub mod counter;
pub mod credentials;
pub mod delivery;
pub mod digits;
pub mod error;
pub mod grants;
pub mod histogram;
pub mod ids;
pub mod json;
pub mod limits;
pub mod model;
pub mod peer;
pub mod permissions;
pub mod policy;
pub mod ports;
pub mod records;
pub mod roles;

pub use close::CloseReason;
pub use error::{Error, ErrorKind, Result};
