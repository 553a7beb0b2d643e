//! Developer commands: the checks and the test run. Not a place for product code.
fn main() {}
