//! `tollgate-bench`: the load generator and the headline figures.
fn main() {}
