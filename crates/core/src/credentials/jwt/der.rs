//! The little of DER (X.690) that is needed: which kind of key a SubjectPublicKeyInfo holds, and the numbers of an RSA key.
//! Whether a key is valid is for aws-lc to say.

const SEQUENCE: u8 = 0x30;
const INTEGER: u8 = 0x02;
const OBJECT_ID: u8 = 0x06;

const RSA: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01];
const EC: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01];
const P256: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07];
const P384: &[u8] = &[0x2b, 0x81, 0x04, 0x00, 0x22];
const ED25519: &[u8] = &[0x2b, 0x65, 0x70];

/// The kinds of public keys that we can verify with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum KeyKind {
    Rsa,
    P256,
    P384,
    Ed25519,
}

/// The kind of key in a SubjectPublicKeyInfo (RFC 5280 section 4.1); nothing for other kinds and other bytes.
pub(super) fn spki_kind(der: &[u8]) -> Option<KeyKind> {
    let (info, rest) = element(der, SEQUENCE)?;
    if !rest.is_empty() {
        return None;
    }
    let (algorithm, _key) = element(info, SEQUENCE)?;
    let (id, parameters) = element(algorithm, OBJECT_ID)?;
    if id == EC {
        let (curve, _) = element(parameters, OBJECT_ID)?;
        return [(P256, KeyKind::P256), (P384, KeyKind::P384)].into_iter().find(|(id, _)| *id == curve).map(|(_, k)| k);
    }
    [(RSA, KeyKind::Rsa), (ED25519, KeyKind::Ed25519)].into_iter().find(|(known, _)| *known == id).map(|(_, kind)| kind)
}

/// Modulus and exponent of an RSAPublicKey (RFC 8017 appendix A.1.1), big-endian without leading zeros.
pub(super) fn rsa_numbers(der: &[u8]) -> Option<(&[u8], &[u8])> {
    let (numbers, _) = element(der, SEQUENCE)?;
    let (modulus, rest) = element(numbers, INTEGER)?;
    let (exponent, _) = element(rest, INTEGER)?;
    Some((without_leading_zeros(modulus), without_leading_zeros(exponent)))
}

pub(super) fn without_leading_zeros(number: &[u8]) -> &[u8] {
    let zeros = number.iter().take_while(|byte| **byte == 0).count();
    &number[zeros..]
}

/// One element with this tag: its content, and what follows it. Lengths up to 65,535.
fn element(input: &[u8], tag: u8) -> Option<(&[u8], &[u8])> {
    let (length, body) = match input {
        [found, length @ 0..=0x7f, body @ ..] if *found == tag => (usize::from(*length), body),
        [found, 0x81, length, body @ ..] if *found == tag => (usize::from(*length), body),
        [found, 0x82, high, low, body @ ..] if *found == tag => (usize::from(*high) << 8 | usize::from(*low), body),
        _ => return None,
    };
    body.split_at_checked(length)
}
