//! Starts the real binary for tests, and speaks to it as outsiders do.
