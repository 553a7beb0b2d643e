//! Tests of the module as a whole: published vectors, tables of refusals, junk.
#![allow(clippy::unwrap_used)]
