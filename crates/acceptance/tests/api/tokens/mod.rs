//! Tests of `tokens`, one file a verb.

mod create;
mod delete;
mod get;
mod list;
mod messages;
mod patch;
