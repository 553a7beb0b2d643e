//! The server's operators: links, roles, signing in, and the house that keeps them, over the store in memory and a clock of our own.
#![allow(clippy::unwrap_used)]

mod bench;
mod house;
mod links;
mod roles;
mod signing_in;
