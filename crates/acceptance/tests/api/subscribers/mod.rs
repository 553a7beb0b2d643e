//! Tests of `subscribers`, one file a verb.

mod delete;
mod list;
mod put;
