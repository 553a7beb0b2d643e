//! Hop's Leap Edge wire protocol.
