//! The words and the decisions: ids, credentials, model, authorize, limits, errors, ports. No I/O, no clock.
