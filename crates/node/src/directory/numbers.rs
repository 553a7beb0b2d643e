//! Tables by numbers that this server gave out itself (projects, tokens): looked into several times for each connection, so their hash is one
//! multiplication. Not for anything that a customer chose: it resists nobody who picks keys that collide.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

/// A table by ids, or by ids and whether there is one.
pub type NumberMap<K, V> = HashMap<K, V, BuildHasherDefault<NumberHasher>>;

/// Hashes numbers.
#[derive(Clone, Copy, Debug, Default)]
pub struct NumberHasher(u64);

/// 2⁶⁴ divided by the golden ratio, odd.
const SPREAD: u64 = 0x9E37_79B9_7F4A_7C15;

impl Hasher for NumberHasher {
    fn write(&mut self, bytes: &[u8]) {
        for part in bytes.chunks(8) {
            let mut number = [0; 8];
            number[..part.len()].copy_from_slice(part);
            self.write_u64(u64::from_le_bytes(number));
        }
    }

    fn write_u64(&mut self, number: u64) {
        // Both halves of the product: the table picks its slot by low bits and tells neighbours apart by high ones.
        let product = u128::from(self.0 ^ number) * u128::from(SPREAD);
        self.0 = product as u64 ^ (product >> 64) as u64;
    }

    fn write_usize(&mut self, number: usize) {
        self.write_u64(number as u64);
    }

    fn write_isize(&mut self, number: isize) {
        self.write_u64(number as u64);
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;
    use std::hash::{BuildHasher, BuildHasherDefault};

    use tollgate_core::ids::{ProjectId, TokenId};

    use super::NumberHasher;

    /// As ids come: some a millisecond, the same node, times far apart.
    #[test]
    fn ids_are_spread_over_slots_and_tags() {
        let hasher = BuildHasherDefault::<NumberHasher>::default();
        let ids = (0..1_000_u64).flat_map(|ms| (0..8).map(move |sequence| (ms * 977) << 22 | sequence));
        let hashes: Vec<u64> = ids.map(|id| hasher.hash_one((ProjectId::new(7), Some(TokenId::new(id))))).collect();
        for (what, shift, bits) in [("slots", 0, 13), ("tags and some slots", 51, 13)] {
            let taken: HashSet<u64> = hashes.iter().map(|hash| hash >> shift & ((1 << bits) - 1)).collect();
            // 8,000 thrown at random into 8,192 places take about 5,100 of them.
            assert!(taken.len() > 4_700, "{what}: {} of 8192", taken.len());
        }
        let one = |token| hasher.hash_one((ProjectId::new(7), token));
        assert_ne!(one(None), one(Some(TokenId::new(0))));
    }
}
