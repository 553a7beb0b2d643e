//! All tests that need more than one crate: black-box, against the real binary, one folder of `tests/` for each area.
//!
//! A test that holds a numbered behaviour of Hop carries the number in its name (`b21_patch_merges_top_level` holds "Hop
//! behaviour 21"); `tests/coverage.rs` has the table, and fails if a number has no test.

pub mod standard_webhooks;
