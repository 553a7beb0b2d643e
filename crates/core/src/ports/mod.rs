//! The ports: what an outer crate implements for the operations. Contracts in prose; one conformance suite each.

pub mod broker;
#[cfg(any(test, feature = "conformance"))]
pub mod by_hand;
#[cfg(any(test, feature = "conformance"))]
pub mod conformance;
pub mod hook;
#[cfg(any(test, feature = "conformance"))]
pub mod memory;
pub mod outbound;
pub mod store;
pub mod trace;

use std::future::Future;
use std::pin::Pin;

/// An answer that comes later. No runtime is implied.
pub type Pending<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;
