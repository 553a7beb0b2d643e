//! A repeatable stream of bytes for this module's tests. Not random, and never built into the product.

use crate::clock::Entropy;
use std::sync::atomic::{AtomicU64, Ordering};

/// SHA-256 of seed and block number, so that each draw differs and each run is the same.
pub(super) struct TestEntropy {
    seed: u64,
    block: AtomicU64,
}

impl TestEntropy {
    pub(super) fn new(seed: u64) -> Self {
        Self { seed, block: AtomicU64::new(0) }
    }
}

impl Entropy for TestEntropy {
    fn fill(&self, bytes: &mut [u8]) {
        for chunk in bytes.chunks_mut(32) {
            let block = self.block.fetch_add(1, Ordering::Relaxed);
            let mut input = [0; 16];
            input[..8].copy_from_slice(&self.seed.to_be_bytes());
            input[8..].copy_from_slice(&block.to_be_bytes());
            let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, &input);
            chunk.copy_from_slice(&digest.as_ref()[..chunk.len()]);
        }
    }
}

/// The same byte for ever, for comparing outputs with another program's.
pub(super) struct FixedEntropy(pub(super) u8);

impl Entropy for FixedEntropy {
    fn fill(&self, bytes: &mut [u8]) {
        bytes.fill(self.0);
    }
}

/// Lower-case hex, to compare bytes with another program's.
pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
