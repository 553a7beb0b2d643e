//! REST facades: HTTP in, operations out. The only crate that knows HTTP statuses.
