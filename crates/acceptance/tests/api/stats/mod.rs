//! Tests of `stats`, one file a verb.

mod get;
