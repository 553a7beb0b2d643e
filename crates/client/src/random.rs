//! What a client draws: how long it waits, and ids of messages.

/// From 0 to below 1.
pub(crate) fn fraction() -> f64 {
    let mut bytes = [0; 8];
    getrandom::fill(&mut bytes).expect("invariant: the system has a random source");
    // 53 bits are what the number holds.
    (u64::from_le_bytes(bytes) >> 11) as f64 / (1_u64 << 53) as f64
}

/// An id that nobody else draws: 32 hexadecimal digits.
pub(crate) fn id() -> String {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).expect("invariant: the system has a random source");
    format!("{:032x}", u128::from_le_bytes(bytes))
}
