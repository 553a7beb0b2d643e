//! The binary `tollgate`: config, wiring, telemetry and the command line. No protocol and no storage logic lives here.
fn main() {}
