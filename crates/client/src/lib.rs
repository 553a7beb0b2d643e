//! The Rust SDK of Tollgate: one connection, however often it is made again, by which an application publishes, subscribes, and goes on
//! without gaps where it was. It speaks the native protocol (`docs/protocol/native.md`) and no other; `docs/sdk/rust.md` is its page.
//!
//! ```no_run
//! use tollgate_client::{Client, Event};
//!
//! # async fn get_token() -> Result<String, tollgate_client::Error> { Ok(String::new()) }
//! # async fn example() -> Result<(), tollgate_client::Error> {
//! let client = Client::builder("https://tollgate.example.com", "project_…").token_provider(get_token).connect().await?;
//! let mut room = client.subscribe("room").await?;
//! client.publish("room", "said", "hello").await?;
//! while let Some(event) = room.next().await {
//!     if let Event::Message(message) = event {
//!         let said: String = message.data.read()?;
//!         assert_eq!(said, "hello");
//!         break;
//!     }
//! }
//! client.close().await;
//! # Ok(())
//! # }
//! ```

mod builder;
mod calls;
mod channels;
mod client;
mod driver;
mod error;
mod machine;
mod position;
mod random;
mod requests;
mod socket;
mod subscription;
#[cfg(test)]
mod transcript_tests;
mod words;

pub use builder::Builder;
pub use client::{Client, Subscribe};
pub use error::{Error, Refusal};
pub use position::Position;
pub use requests::{History, HistoryPage, Members, MembersPage, Outgoing, Published};
pub use subscription::{DirectMessages, Subscription};
pub use tollgate_protocol_native::wire::Retry;
pub use words::{
    Counters, Direct, DirectMessage, EndReason, Event, Member, Message, Payload, PresenceChange, ResumePoint, Rewind,
    Sender, State, Status,
};
