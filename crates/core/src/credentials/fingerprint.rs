//! Fingerprints: what stands for a text that need not, or must not, be kept.
//!
//! Not here: hashes of secrets, which are with their kind of secret.

use aws_lc_rs::digest;

/// SHA-256 over the parts, each behind its length, so that no two lists of parts are spelled alike.
#[must_use]
pub fn fingerprint(parts: &[&[u8]]) -> [u8; 32] {
    let mut context = digest::Context::new(&digest::SHA256);
    for part in parts {
        context.update(&(part.len() as u64).to_be_bytes());
        context.update(part);
    }
    let mut out = [0; 32];
    out.copy_from_slice(context.finish().as_ref());
    out
}

/// A fingerprint as the number of a row: its first 63 bits. Who wants to be the only one with a name takes the number of that name, and the store
/// lets only one row have it.
#[must_use]
pub fn number_of(fingerprint: &[u8; 32]) -> u64 {
    let mut first = [0; 8];
    first.copy_from_slice(&fingerprint[..8]);
    u64::from_be_bytes(first) >> 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_of_parts_are_told_apart() {
        let lists: [&[&[u8]]; 5] = [&[b"ab"], &[b"a", b"b"], &[b"", b"ab"], &[b"ab", b""], &[]];
        for (at, one) in lists.iter().enumerate() {
            for (other_at, other) in lists.iter().enumerate() {
                assert_eq!(fingerprint(one) == fingerprint(other), at == other_at, "{one:?} {other:?}");
            }
        }
        assert_eq!(number_of(&[0xff; 32]), u64::MAX >> 1);
    }
}
