//! The transcript bench: drives a dialect through a plain-text script on virtual time and compares every effect. Written with the first dialect.
