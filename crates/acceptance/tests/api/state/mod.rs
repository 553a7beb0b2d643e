//! Tests of `state`, one file a verb.

mod get;
mod patch;
mod put;
