//! The master key: the one secret outside the database. It wraps the others and is told from a wrong one at start.
//!
//! Not here: the file or variable it comes from, and its permissions. Decision: `docs/adr/0002-secrets-at-rest.md`.

use super::key_ring::RingKey;
use super::sealing::{self, Binding, DataKey, KeyBytes, SealRefusal};
use crate::audit::LedgerKey;
use crate::clock::Entropy;
use crate::ids::ProjectId;
use base64::Engine as _;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use std::fmt;
use zeroize::Zeroizing;

const KEK_LABEL: &[u8] = b"tollgate kek v1";
const CHECK_LABEL: &[u8] = b"tollgate key check v1";
const CHECK_TEXT: &[u8] = b"tollgate: this is the right master key";

/// What a master key seals itself. Stored through the AAD, apart from the numbers of `RowKind`: never reuse one.
const KIND_KEY_CHECK: u8 = 1;
const KIND_DATA_KEY: u8 = 2;
const KIND_RING_KEY: u8 = 3;
const KIND_LEDGER_KEY: u8 = 4;

const HEX_CHARS: usize = 64;
/// Base64 of 32 bytes, without and with its padding.
const BASE64_CHARS: std::ops::RangeInclusive<usize> = 43..=44;
const ANY_PADDING: GeneralPurposeConfig =
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
const STANDARD: GeneralPurpose = GeneralPurpose::new(&alphabet::STANDARD, ANY_PADDING);
const URL_SAFE: GeneralPurpose = GeneralPurpose::new(&alphabet::URL_SAFE, ANY_PADDING);

/// Why a text is not a master key. Never holds any of the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MasterKeyError {
    /// Nothing but white space.
    #[error("the master key is empty; it must be 32 random bytes as base64 (44 characters) or hex (64 characters)")]
    Empty,
    /// Neither of the two lengths.
    #[error(
        "the master key has {0} characters; 32 bytes are 44 characters of base64 (43 without padding) or 64 of hex"
    )]
    Length(usize),
    /// The right length, but not base64 or hex.
    #[error("the master key's length fits {0}, but its characters do not; it must be 32 random bytes")]
    Alphabet(&'static str),
    /// All bytes are alike.
    #[error("the master key is a placeholder: all its bytes are alike; make one with `openssl rand -base64 32`")]
    Placeholder,
}

/// The master key does not open the key check value of a data folder.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "this is not the master key the data was sealed with ({0}); nothing was changed. Give the key that was in use \
     before, or restore it from the backup; a new key cannot read old data"
)]
pub struct WrongMasterKey(SealRefusal);

/// 32 bytes that everything sealed hangs on. Zeroed on drop, unprintable.
pub struct MasterKey(KeyBytes);

impl MasterKey {
    /// Draws a new key.
    #[must_use]
    pub fn generate(entropy: &dyn Entropy) -> Self {
        let mut bytes = KeyBytes::default();
        entropy.fill(bytes.as_mut());
        Self(bytes)
    }

    /// Reads the text of a key file or variable: base64 (RFC 4648, either alphabet, padded or not) or hex of
    /// either case, with white space around it.
    ///
    /// # Errors
    /// [`MasterKeyError`], which says what was wrong and never shows the text.
    pub fn parse(text: &str) -> Result<Self, MasterKeyError> {
        let text = text.trim();
        let mut key = KeyBytes::default();
        match text.len() {
            0 => return Err(MasterKeyError::Empty),
            HEX_CHARS => read_hex(text, &mut key).ok_or(MasterKeyError::Alphabet("hex"))?,
            length if BASE64_CHARS.contains(&length) => {
                read_base64(text, &mut key).ok_or(MasterKeyError::Alphabet("base64"))?;
            }
            _ => return Err(MasterKeyError::Length(text.chars().count())),
        }
        if key.iter().all(|byte| *byte == key[0]) {
            return Err(MasterKeyError::Placeholder);
        }
        Ok(Self(key))
    }

    /// The key as text for its file: 44 characters of base64. Write it with mode 0600 and nowhere else.
    #[must_use]
    pub fn expose(&self) -> Zeroizing<String> {
        Zeroizing::new(STANDARD.encode(self.0.as_slice()))
    }

    /// The key check value, made once with the data folder and stored beside what the key seals.
    #[must_use]
    pub fn seal_check(&self, entropy: &dyn Entropy) -> Vec<u8> {
        sealing::seal(&sealing::derive(&self.0, CHECK_LABEL), check_binding(), CHECK_TEXT, entropy)
    }

    /// Tells at start whether this is the key that made `check`.
    ///
    /// # Errors
    /// [`WrongMasterKey`] for another key and for a damaged value: the two cannot be told apart.
    pub fn verify_check(&self, check: &[u8]) -> Result<(), WrongMasterKey> {
        let text = sealing::open(&sealing::derive(&self.0, CHECK_LABEL), check_binding(), check);
        match text {
            Ok(text) if text.as_slice() == CHECK_TEXT => Ok(()),
            Ok(_) => Err(WrongMasterKey(SealRefusal::Refused)),
            Err(refusal) => Err(WrongMasterKey(refusal)),
        }
    }

    /// Draws the key of the audit log and of the store's own books, wrapped for storage: it outlives a change of the master key, so that
    /// the log stays provable.
    #[must_use]
    pub fn new_ledger_key(&self, entropy: &dyn Entropy) -> Vec<u8> {
        let mut bytes = KeyBytes::default();
        entropy.fill(bytes.as_mut());
        sealing::seal(&self.kek(), ledger_key_binding(), bytes.as_ref(), entropy)
    }

    /// Unwraps what [`new_ledger_key`](Self::new_ledger_key) or [`rewrap_ledger_key`](Self::rewrap_ledger_key) made.
    ///
    /// # Errors
    /// [`SealRefusal`].
    pub fn unwrap_ledger_key(&self, wrapped: &[u8]) -> Result<LedgerKey, SealRefusal> {
        self.unwrap_key(ledger_key_binding(), wrapped).map(|bytes| LedgerKey::new(&bytes))
    }

    /// Wraps the ledger key, which `old` wrapped, under this master key.
    ///
    /// # Errors
    /// [`SealRefusal`] when `old` did not wrap it.
    pub fn rewrap_ledger_key(&self, old: &Self, wrapped: &[u8], entropy: &dyn Entropy) -> Result<Vec<u8>, SealRefusal> {
        let bytes = old.unwrap_key(ledger_key_binding(), wrapped)?;
        Ok(sealing::seal(&self.kek(), ledger_key_binding(), bytes.as_ref(), entropy))
    }

    /// Wraps a project's data key for storage (61 bytes), bound to the project and the key's number.
    #[must_use]
    pub fn wrap_data_key(&self, project: ProjectId, number: u16, key: &DataKey, entropy: &dyn Entropy) -> Vec<u8> {
        sealing::seal(&self.kek(), data_key_binding(project, number), key.bytes(), entropy)
    }

    /// Unwraps what [`wrap_data_key`](Self::wrap_data_key) made for the same project and number.
    ///
    /// # Errors
    /// [`SealRefusal`].
    pub fn unwrap_data_key(&self, project: ProjectId, number: u16, wrapped: &[u8]) -> Result<DataKey, SealRefusal> {
        self.unwrap_key(data_key_binding(project, number), wrapped).map(DataKey::from_bytes)
    }

    /// Wraps a key of the token key ring for storage (61 bytes), bound to its number.
    #[must_use]
    pub fn wrap_ring_key(&self, number: u16, key: &RingKey, entropy: &dyn Entropy) -> Vec<u8> {
        sealing::seal(&self.kek(), ring_key_binding(number), key.bytes(), entropy)
    }

    /// Unwraps what [`wrap_ring_key`](Self::wrap_ring_key) made for the same number.
    ///
    /// # Errors
    /// [`SealRefusal`].
    pub fn unwrap_ring_key(&self, number: u16, wrapped: &[u8]) -> Result<RingKey, SealRefusal> {
        self.unwrap_key(ring_key_binding(number), wrapped).map(RingKey::from_bytes)
    }

    fn unwrap_key(&self, binding: Binding, wrapped: &[u8]) -> Result<KeyBytes, SealRefusal> {
        let bytes = sealing::open(&self.kek(), binding, wrapped)?;
        let mut key = KeyBytes::default();
        if bytes.len() != key.len() {
            return Err(SealRefusal::Refused);
        }
        key.copy_from_slice(&bytes);
        Ok(key)
    }

    fn kek(&self) -> KeyBytes {
        sealing::derive(&self.0, KEK_LABEL)
    }
}

impl fmt::Debug for MasterKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MasterKey(…)")
    }
}

fn check_binding() -> Binding {
    Binding::new(KIND_KEY_CHECK, 0, 0, 0)
}

fn data_key_binding(project: ProjectId, number: u16) -> Binding {
    Binding::new(KIND_DATA_KEY, project.get(), u64::from(number), 0)
}

fn ledger_key_binding() -> Binding {
    Binding::new(KIND_LEDGER_KEY, 0, 0, 0)
}

fn ring_key_binding(number: u16) -> Binding {
    Binding::new(KIND_RING_KEY, 0, u64::from(number), 0)
}

fn read_hex(text: &str, key: &mut [u8; 32]) -> Option<()> {
    let nibble = |character: u8| char::from(character).to_digit(16).map(|value| value as u8); // below 16
    for (byte, pair) in key.iter_mut().zip(text.as_bytes().as_chunks::<2>().0) {
        *byte = nibble(pair[0])? << 4 | nibble(pair[1])?;
    }
    Some(())
}

fn read_base64(text: &str, key: &mut [u8; 32]) -> Option<()> {
    let engine = if text.contains(['-', '_']) { URL_SAFE } else { STANDARD };
    let bytes = Zeroizing::new(engine.decode(text).ok()?);
    (bytes.len() == key.len()).then(|| key.copy_from_slice(&bytes))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::super::sealing::{RowBinding, RowKind};
    use super::super::test_entropy::{FixedEntropy, TestEntropy, hex};
    use super::super::{KeyRing, TokenSpelling};
    use super::*;
    use crate::ids::TokenId;
    use proptest::prelude::*;

    const A: ProjectId = ProjectId::new(1);
    const B: ProjectId = ProjectId::new(2);

    fn master(seed: u64) -> MasterKey {
        MasterKey::generate(&TestEntropy::new(seed))
    }

    #[test]
    fn reads_each_spelling_of_the_same_key() {
        let bytes: [u8; 32] = std::array::from_fn(|at| 0xf0 ^ (at as u8 * 7));
        let hex = hex(&bytes);
        let standard = STANDARD.encode(bytes);
        let url_safe = URL_SAFE.encode(bytes);
        assert_ne!(standard, url_safe, "the sample tells the alphabets apart");
        for text in [
            hex.clone(),
            hex.to_uppercase(),
            format!("  {hex}\r\n"),
            standard.clone(),
            standard.trim_end_matches('=').into(),
            format!("\n{standard}\n"),
            url_safe.clone(),
            url_safe.trim_end_matches('=').into(),
        ] {
            assert_eq!(*MasterKey::parse(&text).unwrap().0, bytes, "{text}");
        }
        assert_eq!(*MasterKey::parse(&standard).unwrap().expose(), standard);
    }

    #[test]
    fn refuses_what_is_no_key_and_says_why() {
        use MasterKeyError::{Alphabet, Empty, Length, Placeholder};
        for (text, error) in [
            ("".to_owned(), Empty),
            (" \n\t".into(), Empty),
            ("secret".into(), Length(6)),
            ("ab".repeat(31), Length(62)),
            ("ab".repeat(33), Length(66)),
            ("é".repeat(16), Length(16)),
            (format!("{}zz", "ab".repeat(31)), Alphabet("hex")),
            ("é".repeat(32), Alphabet("hex")),
            ("é".repeat(22), Alphabet("base64")),
            (format!("{}!=", "A".repeat(42)), Alphabet("base64")),
            (format!("-/{}=", "A".repeat(41)), Alphabet("base64")),
            ("A".repeat(44), Alphabet("base64")), // 33 bytes
            ("0".repeat(64), Placeholder),
            ("5a".repeat(32), Placeholder),
            (format!("{}=", "A".repeat(43)), Placeholder),
        ] {
            let refused = MasterKey::parse(&text).err();
            assert_eq!(refused, Some(error), "{text}");
            let message = error.to_string();
            assert!(text.trim().is_empty() || !message.contains(text.trim()), "the message repeats the key: {message}");
        }
    }

    /// As Node's crypto module computes them: master key = bytes 0..32, wrapped keys = 07…, nonce = 09….
    #[test]
    fn labels_and_formats_stay_as_they_are() {
        let master = MasterKey(Zeroizing::new(std::array::from_fn(|at| at as u8)));
        let seven = || Zeroizing::new([7; 32]);
        let nonce = FixedEntropy(9);
        let same_key = "19891a63fcd8f430b540f20aeb632029ad3fde00c9a7de33196f5add2db5a70e";
        for (sealed, content_and_tag) in [
            (
                master.wrap_data_key(A, 0, &DataKey::from_bytes(seven()), &nonce),
                format!("{same_key}d5f8d83ca331ff776c1d894ee4aaedf0"),
            ),
            (
                master.wrap_ring_key(258, &RingKey::from_bytes(seven()), &nonce),
                format!("{same_key}aeba6be3dca63b19ed46ae27bfc42dcd"),
            ),
            (
                master.seal_check(&nonce),
                "87898eceb3cb4a4972a356220ef0a0955a454583f5c6e65d847073d93f21116545681eebc251de46e40b4407340188dc339119fafd62"
                    .into(),
            ),
        ] {
            assert_eq!(hex(&sealed), format!("01090909090909090909090909{content_and_tag}"));
        }
    }

    #[test]
    fn a_wrong_key_fails_the_check_and_the_right_one_passes() {
        let check = master(1).seal_check(&TestEntropy::new(9));
        assert_eq!(master(1).verify_check(&check), Ok(()));
        assert_eq!(master(2).verify_check(&check), Err(WrongMasterKey(SealRefusal::Refused)));
        assert_eq!(master(1).verify_check(&[]), Err(WrongMasterKey(SealRefusal::TooShort(0))));
        for at in 0..check.len() {
            let mut damaged = check.clone();
            damaged[at] ^= 1;
            assert!(master(1).verify_check(&damaged).is_err(), "byte {at}");
        }
        let message = master(2).verify_check(&check).unwrap_err().to_string();
        assert!(message.contains("not the master key") && message.contains("nothing was changed"), "{message}");
    }

    #[test]
    fn data_keys_unwrap_for_their_project_only_and_move_to_a_new_master_key() {
        let entropy = TestEntropy::new(3);
        let row = RowBinding { kind: RowKind::Token, project: A, id: 1, revision: 1 };
        let key = DataKey::generate(&entropy);
        let sealed = key.seal(row, b"content", &entropy);
        let wrapped = master(1).wrap_data_key(A, 1, &key, &entropy);
        assert_eq!(wrapped.len(), 61);
        let open = |key: &DataKey| key.open(row, &sealed).map(|text| text.to_vec());
        assert_eq!(open(&master(1).unwrap_data_key(A, 1, &wrapped).unwrap()).unwrap(), b"content");
        assert_eq!(master(1).unwrap_data_key(B, 1, &wrapped).err(), Some(SealRefusal::Refused));
        assert_eq!(master(2).unwrap_data_key(A, 1, &wrapped).err(), Some(SealRefusal::Refused));
        assert_eq!(master(1).unwrap_data_key(A, 2, &wrapped).err(), Some(SealRefusal::Refused));
        let rewrapped = master(2).wrap_data_key(A, 1, &master(1).unwrap_data_key(A, 1, &wrapped).unwrap(), &entropy);
        assert_eq!(open(&master(2).unwrap_data_key(A, 1, &rewrapped).unwrap()).unwrap(), b"content");
    }

    #[test]
    fn ring_keys_unwrap_under_their_number_only() {
        let entropy = TestEntropy::new(4);
        let key = RingKey::generate(&entropy);
        let wrapped = master(1).wrap_ring_key(7, &key, &entropy);
        let again = master(1).unwrap_ring_key(7, &wrapped).unwrap();
        let text = KeyRing::new(7, &key).spell(A, TokenId::new(1), 0).expose(TokenSpelling::Native);
        assert!(KeyRing::new(7, &again).verify(A, &text).is_ok());
        assert_eq!(master(1).unwrap_ring_key(8, &wrapped).err(), Some(SealRefusal::Refused));
        assert_eq!(master(2).unwrap_ring_key(7, &wrapped).err(), Some(SealRefusal::Refused));
        // The kinds of wrapped things do not stand in for each other, even where the numbers agree.
        let zero = ProjectId::new(0);
        let data_key = master(1).wrap_data_key(zero, 0, &DataKey::generate(&entropy), &entropy);
        assert_eq!(master(1).unwrap_ring_key(0, &data_key).err(), Some(SealRefusal::Refused));
        assert_eq!(
            master(1).unwrap_data_key(zero, 0, &master(1).seal_check(&entropy)).err(),
            Some(SealRefusal::Refused)
        );
    }

    #[test]
    fn debug_prints_nothing_of_the_key() {
        assert_eq!(format!("{:?}", master(1)), "MasterKey(…)");
    }

    proptest! {
        #[test]
        fn parse_undoes_expose(seed: u64) {
            let key = master(seed);
            prop_assert_eq!(*MasterKey::parse(&key.expose()).unwrap().0, *key.0);
        }

        #[test]
        fn junk_never_panics(text in "[0-9a-f]{64}|.{0,70}|[!-~]{43,44}|[!-~]{64}") {
            let _ = MasterKey::parse(&text);
        }
    }
}
