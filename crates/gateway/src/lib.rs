//! Listeners, TLS, upgrade, WebSocket frames and event streams: the only crate that touches sockets; it runs the shards.
//!
//! A connection begins in [`gateway`]'s accept loop, is served HTTP within [`limits`], and, if a [`door`] takes it, goes on as a WebSocket
//! or an event stream on its shard's engine. Not here: what a message means (dialects), who may do what (operations), and what the API answers.

mod accept;
mod admission;
mod alarm;
mod bind;
mod bucket;
mod contain;
pub mod counters;
pub mod door;
mod envelope;
pub mod events;
pub mod forwarded;
pub mod frame;
pub mod gateway;
mod head_timer;
mod http1;
pub mod limits;
mod requests;
mod shard;
mod socket;
pub mod tls;
mod upgrade;
mod wheel;

pub use admission::Occupancy;
pub use bind::Listeners;
pub use door::{Door, Doors, ErrorForm, Opening, Reading, Refused, Transport};
pub use forwarded::{ForwardedBy, Proxies};
pub use gateway::{Gateway, Setup};
pub use limits::Limits;
pub use requests::Arrival;
