//! The ports: what an outer crate implements for the operations. Contracts in prose; one conformance suite each.

pub mod broker;
pub mod hook;
pub mod store;

use std::future::Future;
use std::pin::Pin;

/// An answer that comes later. No runtime is implied.
pub type Pending<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;
