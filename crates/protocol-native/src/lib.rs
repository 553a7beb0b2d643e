//! Tollgate's own wire protocol, `tollgate.v1`: its frames ([`wire`]), which the server and the Rust SDK share.
//!
//! What is *not* here: sockets, clocks, permissions, and any decision about who may do what. `docs/protocol/native.md` is the contract.

pub mod wire;
