//! Tests of `messages`, one file a verb.

mod post;
