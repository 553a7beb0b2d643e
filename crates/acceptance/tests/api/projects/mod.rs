//! Tests of `projects`, one file a verb.

mod this;
