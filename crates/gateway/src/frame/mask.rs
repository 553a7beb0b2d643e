//! The client's mask: XOR with a repeating four-byte key, in place, from any phase of the key.

/// Unmasks `bytes`, the first of which is byte `offset` of its frame's payload.
pub(super) fn unmask(bytes: &mut [u8], key: [u8; 4], offset: usize) {
    let mut key = key;
    key.rotate_left(offset % 4);
    let word = u64::from(u32::from_ne_bytes(key));
    let word = word | (word << 32);
    let (words, rest) = bytes.as_chunks_mut::<8>();
    for chunk in words {
        *chunk = (u64::from_ne_bytes(*chunk) ^ word).to_ne_bytes();
    }
    for (byte, key) in rest.iter_mut().zip(key.into_iter().cycle()) {
        *byte ^= key;
    }
}

#[cfg(test)]
mod tests {
    use super::unmask;

    #[test]
    fn every_length_and_phase_agrees_with_the_definition() {
        let key = [0x11, 0x22, 0x33, 0x44];
        for length in 0..40 {
            for offset in 0..9 {
                let plain: Vec<u8> = (0..length as u8).collect();
                let mut masked: Vec<u8> = plain.iter().enumerate().map(|(i, b)| b ^ key[(offset + i) % 4]).collect();
                unmask(&mut masked, key, offset);
                assert_eq!(masked, plain, "length {length}, offset {offset}");
            }
        }
    }
}
