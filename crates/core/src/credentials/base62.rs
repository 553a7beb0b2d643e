//! Fixed-width base62 of byte arrays, and the checksum that ends every credential.
//!
//! Digits are `0-9A-Za-z`, most significant first, so text sorts as the bytes do. Each array has exactly one
//! spelling. Not here: variable width, and any claim to constant time (spelling and reading index by digit value).

use zeroize::Zeroizing;

const DIGITS: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// Digits are made four at a time: the most whose arithmetic with one byte fits 32 bits.
const GROUP_DIGITS: usize = 4;
const GROUP: u32 = 62u32.pow(GROUP_DIGITS as u32);

/// Digits are read five at a time: the most whose value fits 32 bits, so that the arithmetic with a limb fits 64.
const READ_DIGITS: usize = 5;
/// Limbs of 32 bits of the number that is read: the most bytes of any array that is spelled, and a little more.
const LIMBS: usize = 8;

/// Characters of [`checksum`]: the least `n` with 62ⁿ ≥ 2³².
pub const CHECKSUM_CHARS: usize = 6;

/// Whether `chars` base62 digits can hold every array of `bytes` bytes: chars · log₂ 62 ≥ 8 · bytes.
const fn is_wide_enough(chars: usize, bytes: usize) -> bool {
    chars * 5_954_196 >= bytes * 8_000_000 // log₂ 62 = 5.9541963…, cut, so that this errs towards wider
}

/// Spells `bytes`, read as one big-endian number, in exactly `CHARS` digits with leading zeros.
///
/// A width too narrow for `BYTES` does not compile.
#[must_use]
pub fn encode<const BYTES: usize, const CHARS: usize>(bytes: &[u8; BYTES]) -> [u8; CHARS] {
    const { assert!(is_wide_enough(CHARS, BYTES), "too few base62 digits for these bytes") };
    let mut quotient = Zeroizing::new(*bytes);
    let mut text = [0; CHARS];
    for group in text.rchunks_mut(GROUP_DIGITS) {
        let mut remainder = 0u32;
        for byte in quotient.iter_mut() {
            let dividend = remainder << 8 | u32::from(*byte); // below 62⁴ · 2⁸, which is below 2³²
            *byte = (dividend / GROUP) as u8; // < 256, because remainder < GROUP
            remainder = dividend % GROUP;
        }
        for digit in group.iter_mut().rev() {
            *digit = DIGITS[(remainder % 62) as usize];
            remainder /= 62;
        }
    }
    text
}

/// Reads what [`encode`] spelled. `None` for a character outside the alphabet and for a number that does not fit
/// `BYTES` bytes, so that no array has a second spelling.
#[must_use]
pub fn decode<const CHARS: usize, const BYTES: usize>(text: &[u8; CHARS]) -> Option<[u8; BYTES]> {
    const { assert!(BYTES <= 4 * LIMBS, "more bytes than there is room for while reading") };
    let mut limbs = Zeroizing::new([0u32; LIMBS]); // least significant first
    for group in text.chunks(READ_DIGITS) {
        let (mut carry, mut factor) = (0u64, 1u64);
        for &character in group {
            carry = carry * 62 + u64::from(digit_value(character)?);
            factor *= 62;
        }
        for limb in limbs.iter_mut() {
            let product = u64::from(*limb) * factor + carry; // at most 2³² · 62⁵ - 1, which is below 2⁶⁴
            *limb = product as u32; // its low half
            carry = product >> 32;
        }
        if carry != 0 {
            return None;
        }
    }
    let mut bytes = Zeroizing::new([0u8; 4 * LIMBS]);
    for (four, limb) in bytes.rchunks_exact_mut(4).zip(limbs.iter()) {
        four.copy_from_slice(&limb.to_be_bytes());
    }
    let (beyond, number) = bytes.split_at(4 * LIMBS - BYTES);
    if beyond.iter().any(|byte| *byte != 0) {
        return None;
    }
    number.try_into().ok()
}

/// Whether every byte is a base62 digit.
#[must_use]
pub fn is_base62(text: &[u8]) -> bool {
    text.iter().all(u8::is_ascii_alphanumeric)
}

/// The digit standing for a value below 62, picked evenly by a random number (bias below 2⁻⁵⁸).
pub(super) fn random_digit(random: u64) -> u8 {
    DIGITS[((u128::from(random) * 62) >> 64) as usize]
}

/// The CRC-32 (IEEE 802.3, as in RFC 1952 §8) of `body` as it is spelled, in six base62 digits.
///
/// Detects typing errors and look-alikes without a key; every change of one character is found. No protection
/// against intent.
#[must_use]
pub fn checksum(body: &[u8]) -> [u8; CHECKSUM_CHARS] {
    encode(&crc32fast::hash(body).to_be_bytes())
}

fn digit_value(character: u8) -> Option<u32> {
    let value = match character {
        b'0'..=b'9' => character - b'0',
        b'A'..=b'Z' => character - b'A' + 10,
        b'a'..=b'z' => character - b'a' + 36,
        _ => return None,
    };
    Some(u32::from(value))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn spells_known_numbers() {
        for (number, text) in [
            (0, "00000000000"),
            (9, "00000000009"),
            (10, "0000000000A"),
            (36, "0000000000a"),
            (61, "0000000000z"),
            (62, "00000000010"),
            (62 * 62 * 62 - 1, "00000000zzz"),
            (u64::MAX, "LygHa16AHYF"), // 2⁶⁴ - 1, worked out with arbitrary-precision arithmetic
        ] {
            let spelled: [u8; 11] = encode(&number.to_be_bytes());
            assert_eq!(std::str::from_utf8(&spelled).unwrap(), text, "{number}");
            assert_eq!(decode::<11, 8>(&spelled), Some(number.to_be_bytes()), "{text}");
        }
    }

    #[test]
    fn refuses_what_does_not_fit_or_is_no_digit() {
        for text in ["LygHa16AHYG", "zzzzzzzzzzz", "0000000000-", "0000000000_", "0000000 000", "0000000000\u{7f}"] {
            assert_eq!(decode::<11, 8>(text.as_bytes().try_into().unwrap()), None, "{text}");
        }
    }

    #[test]
    fn alphabet_and_digit_values_agree() {
        for byte in 0..=u8::MAX {
            let place = DIGITS.iter().position(|digit| *digit == byte);
            assert_eq!(digit_value(byte).map(|value| value as usize), place, "{byte}");
            assert_eq!(is_base62(&[byte]), place.is_some(), "{byte}");
        }
    }

    #[test]
    fn checksum_of_the_reference_string() {
        // CRC-32 of "123456789" is cbf43926, the check value of the CRC catalogue (CRC-32/ISO-HDLC).
        assert_eq!(decode::<6, 4>(&checksum(b"123456789")), Some([0xcb, 0xf4, 0x39, 0x26]));
    }

    #[test]
    fn random_digits_cover_the_alphabet_and_nothing_else() {
        assert_eq!((random_digit(0), random_digit(u64::MAX)), (b'0', b'z'));
        let seen: std::collections::BTreeSet<u8> = (0..62u64).map(|n| random_digit(n * (u64::MAX / 62) + 99)).collect();
        assert_eq!(seen.len(), 62);
    }

    proptest! {
        #[test]
        fn decode_undoes_encode(bytes: [u8; 30]) {
            let text: [u8; 41] = encode(&bytes);
            prop_assert!(is_base62(&text));
            prop_assert_eq!(decode::<41, 30>(&text), Some(bytes));
        }

        #[test]
        fn encode_undoes_decode(text in proptest::array::uniform11(0usize..62)) {
            let text = text.map(|value| DIGITS[value]);
            if let Some(bytes) = decode::<11, 8>(&text) {
                prop_assert_eq!(encode::<8, 11>(&bytes), text);
            }
        }

        #[test]
        fn text_sorts_as_numbers(a: u64, b: u64) {
            let spell = |n: u64| encode::<8, 11>(&n.to_be_bytes());
            prop_assert_eq!(spell(a).cmp(&spell(b)), a.cmp(&b));
        }
    }
}
