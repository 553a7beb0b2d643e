//! One process's runtime: operations and the hub.
