//! Checksums of what comes in parts: whether bytes are those that were written. Not a proof of who wrote them.

use aws_lc_rs::digest;

/// SHA-256 (FIPS 180-4) over bytes that come in parts.
pub struct Checksum(digest::Context);

impl Checksum {
    /// Over nothing yet.
    #[must_use]
    pub fn new() -> Self {
        Self(digest::Context::new(&digest::SHA256))
    }

    /// The next part.
    pub fn add(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    /// Over all parts.
    #[must_use]
    pub fn sum(self) -> [u8; 32] {
        let mut sum = [0; 32];
        sum.copy_from_slice(self.0.finish().as_ref());
        sum
    }
}

impl Default for Checksum {
    fn default() -> Self {
        Self::new()
    }
}

impl std::fmt::Debug for Checksum {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Checksum")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_do_not_matter() {
        let mut sum = Checksum::new();
        sum.add(b"a");
        sum.add(b"bc");
        // FIPS 180-4, the example "abc".
        assert_eq!(sum.sum()[..4], [0xba, 0x78, 0x16, 0xbf]);
    }
}
