//! Sealing: AES-256-GCM (NIST SP 800-38D) of a row's secret content, bound to the row it belongs to.
//!
//! `version (1 B) ‖ nonce (12 B) ‖ ciphertext ‖ tag (16 B)`. Not here: where data keys are kept; the
//! [`MasterKey`](super::MasterKey) wraps them. Decision and limits: `docs/adr/0002-secrets-at-rest.md`.

use crate::clock::Entropy;
use crate::ids::ProjectId;
use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use aws_lc_rs::hkdf;
use std::fmt;
use zeroize::Zeroizing;

const VERSION: u8 = 1;
const TAG_BYTES: usize = 16;
/// Bytes a sealed value is longer than its plaintext.
pub const SEAL_OVERHEAD_BYTES: usize = 1 + NONCE_LEN + TAG_BYTES;

const ROW_LABEL: &[u8; 15] = b"tollgate row v1";

/// A 32-byte key, zeroed on drop.
pub(super) type KeyBytes = Zeroizing<[u8; 32]>;

/// What kind of record a row seals. The numbers are stored, in the rows and through the AAD: never reuse one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum RowKind {
    /// [`crate::records::SettingsRecord`]; id = project number.
    Settings = 20,
    /// [`crate::records::KeyRecord`].
    Key = 21,
    /// [`crate::records::UserRecord`].
    User = 22,
    /// [`crate::records::TokenRecord`]. Its row's deletion takes its subscriptions along.
    Token = 23,
    /// [`crate::records::AuthTokenRecord`].
    AuthToken = 24,
    /// [`crate::records::IssuerRecord`].
    Issuer = 25,
    /// [`crate::records::SigningKeyRecord`].
    SigningKey = 26,
    /// [`crate::records::WebhookRecord`].
    Webhook = 27,
    /// [`crate::records::DeliveryRecord`].
    Delivery = 28,
    /// [`crate::records::JobRecord`].
    Job = 29,
    /// what a part of a job takes or came to. Neither replayed nor handed over: read when it is its turn.
    JobPart = 30,
    /// [`crate::records::UsageRecord`] of a token; id = token number.
    TokenUsage = 31,
    /// [`crate::records::UsageRecord`] of a user; id = user number.
    UserUsage = 32,
    /// [`crate::records::IdempotencyRecord`].
    Idempotency = 33,
    /// [`crate::records::ProjectUsageRecord`]; id = project number.
    ProjectUsage = 34,
    /// [`crate::records::ToldRecord`]: a token of which webhook endpoints were told that it is online; id = token number.
    OnlineToken = 35,
    /// [`crate::records::ToldRecord`]: a channel of which webhook endpoints were told that somebody is in it; its number is made from its name.
    OccupiedChannel = 36,
    /// [`crate::records::MailboxRecord`]; id = token number.
    Mailbox = 37,
    /// [`crate::records::DirectMessageRecord`].
    DirectMessage = 38,
    /// [`crate::records::OperatorRecord`], of the house alone; id = operator number.
    Operator = 39,
    /// [`crate::records::InvitationRecord`], of the house alone.
    Invitation = 40,
}

impl RowKind {
    /// Every kind, in the order of replay: owners before what they own.
    pub const ALL: [Self; 21] = [
        Self::Settings,
        Self::Key,
        Self::User,
        Self::Token,
        Self::AuthToken,
        Self::Issuer,
        Self::SigningKey,
        Self::Webhook,
        Self::Delivery,
        Self::Job,
        Self::JobPart,
        Self::TokenUsage,
        Self::UserUsage,
        Self::Idempotency,
        Self::ProjectUsage,
        Self::OnlineToken,
        Self::OccupiedChannel,
        Self::Mailbox,
        Self::DirectMessage,
        Self::Operator,
        Self::Invitation,
    ];

    /// The stored number.
    #[must_use]
    pub const fn number(self) -> u8 {
        self as u8
    }

    /// The kind with this stored number.
    #[must_use]
    pub fn from_number(number: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.number() == number)
    }

    /// Whether rows of this kind are replayed at the start and handed to the observer: all but those too large for memory.
    #[must_use]
    pub const fn is_kept_in_memory(self) -> bool {
        !matches!(self, Self::JobPart)
    }

    /// What people call it.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Settings => "settings",
            Self::Key => "project key",
            Self::User => "user",
            Self::Token => "token",
            Self::AuthToken => "auth token",
            Self::Issuer => "issuer",
            Self::SigningKey => "signing key",
            Self::Webhook => "webhook",
            Self::Delivery => "webhook message",
            Self::Job => "job",
            Self::JobPart => "job part",
            Self::TokenUsage => "token's usage",
            Self::UserUsage => "user's usage",
            Self::Idempotency => "idempotency key",
            Self::ProjectUsage => "project's usage",
            Self::OnlineToken => "news of an online token",
            Self::OccupiedChannel => "news of an occupied channel",
            Self::Mailbox => "mailbox",
            Self::DirectMessage => "direct message",
            Self::Operator => "operator",
            Self::Invitation => "invitation",
        }
    }
}

/// Where a sealed value belongs. It opens only under the same four.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RowBinding {
    /// What is sealed.
    pub kind: RowKind,
    /// The project that owns the row.
    pub project: ProjectId,
    /// The row's number among those of its kind in the project.
    pub id: u64,
    /// The revision the row says it has, from 1. An older sealed value put back under a newer revision is refused here; a
    /// whole row put back, revision included, is noticed by the store's ledger.
    pub revision: u32,
}

/// Why a sealed value did not open.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SealRefusal {
    /// Shorter than the least a sealed value can be.
    #[error("the sealed value is cut short: {0} bytes, and the least is {SEAL_OVERHEAD_BYTES}")]
    TooShort(usize),
    /// Written by a newer program, or damaged in its first byte.
    #[error("the sealed value has format version {0}, and this program reads version {VERSION}; run a newer program")]
    Version(u8),
    /// Sealed under a data key that is retired, or never was.
    #[error("the value was sealed under data key {0}, which is not in use")]
    UnknownKey(u16),
    /// Changed, moved from another row, project or revision, or sealed under another key.
    #[error("the sealed value does not belong here: it was changed, moved, or sealed under another key")]
    Refused,
}

/// A project's data key: 32 random bytes, zeroed on drop, unprintable. Stored only wrapped.
pub struct DataKey(KeyBytes);

impl DataKey {
    /// Draws a new key.
    #[must_use]
    pub fn generate(entropy: &dyn Entropy) -> Self {
        let mut bytes = KeyBytes::default();
        entropy.fill(bytes.as_mut());
        Self(bytes)
    }

    pub(super) fn from_bytes(bytes: KeyBytes) -> Self {
        Self(bytes)
    }

    pub(super) fn bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// Seals `plaintext` for one row. The result is [`SEAL_OVERHEAD_BYTES`] longer.
    ///
    /// Limits: any plaintext below 64 GiB (the caller's own limits are far lower); about 2³² seals of one row.
    #[must_use]
    pub fn seal(&self, row: RowBinding, plaintext: &[u8], entropy: &dyn Entropy) -> Vec<u8> {
        seal(&self.row_key(row), Binding::of_row(row), plaintext, entropy)
    }

    /// Opens what [`seal`](Self::seal) sealed for the same row.
    ///
    /// # Errors
    /// [`SealRefusal`]; nothing of the content is returned unless all of it is genuine.
    pub fn open(&self, row: RowBinding, sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, SealRefusal> {
        open(&self.row_key(row), Binding::of_row(row), sealed)
    }

    fn row_key(&self, row: RowBinding) -> KeyBytes {
        let mut label = [0; ROW_LABEL.len() + 9];
        let (name, rest) = label.split_at_mut(ROW_LABEL.len());
        name.copy_from_slice(ROW_LABEL);
        rest[0] = row.kind as u8;
        rest[1..].copy_from_slice(&row.id.to_be_bytes());
        derive(&self.0, &label)
    }
}

impl fmt::Debug for DataKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("DataKey(…)")
    }
}

/// A project's data keys, numbered: the newest seals, all open. A sealed value begins with its key's number (2 bytes, big-endian).
#[derive(Clone)]
pub struct DataKeys(Vec<(u16, std::sync::Arc<DataKey>)>);

impl DataKeys {
    /// Keys with their numbers; the highest number is the newest. `None` if there is none, or a number twice.
    #[must_use]
    pub fn new(mut keys: Vec<(u16, DataKey)>) -> Option<Self> {
        keys.sort_by_key(|(number, _)| *number);
        let alike = keys.windows(2).any(|pair| pair[0].0 == pair[1].0);
        (!keys.is_empty() && !alike)
            .then(|| Self(keys.into_iter().map(|(number, key)| (number, std::sync::Arc::new(key))).collect()))
    }

    /// The number of the key that seals.
    #[must_use]
    pub fn newest(&self) -> u16 {
        self.0.last().map_or(0, |(number, _)| *number)
    }

    /// The numbers of all keys, oldest first.
    pub fn numbers(&self) -> impl Iterator<Item = u16> + '_ {
        self.0.iter().map(|(number, _)| *number)
    }

    /// The number of the key that sealed this, if it has the form of a sealed value.
    #[must_use]
    pub fn number_of(sealed: &[u8]) -> Option<u16> {
        sealed.first_chunk::<2>().map(|number| u16::from_be_bytes(*number))
    }

    /// Seals for one row, under the newest key.
    #[must_use]
    pub fn seal(&self, row: RowBinding, plaintext: &[u8], entropy: &dyn Entropy) -> Vec<u8> {
        let (number, key) = self.0.last().expect("invariant: there is at least one data key");
        let mut sealed = number.to_be_bytes().to_vec();
        sealed.extend_from_slice(&key.seal(row, plaintext, entropy));
        sealed
    }

    /// Opens what was sealed for the same row under any of the keys.
    ///
    /// # Errors
    /// [`SealRefusal`].
    pub fn open(&self, row: RowBinding, sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, SealRefusal> {
        let (number, rest) = sealed.split_first_chunk::<2>().ok_or(SealRefusal::TooShort(sealed.len()))?;
        let number = u16::from_be_bytes(*number);
        let found = self.0.iter().find(|(have, _)| *have == number);
        let (_, key) = found.ok_or(SealRefusal::UnknownKey(number))?;
        key.open(row, rest)
    }
}

impl fmt::Debug for DataKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.numbers()).finish()
    }
}

/// The additional data of a sealed value: version ‖ kind ‖ project ‖ id ‖ generation, big-endian.
#[derive(Clone, Copy)]
pub(super) struct Binding([u8; 22]);

impl Binding {
    pub(super) fn new(kind: u8, project: u64, id: u64, generation: u32) -> Self {
        let mut bytes = [0; 22];
        bytes[0] = VERSION;
        bytes[1] = kind;
        bytes[2..10].copy_from_slice(&project.to_be_bytes());
        bytes[10..18].copy_from_slice(&id.to_be_bytes());
        bytes[18..].copy_from_slice(&generation.to_be_bytes());
        Self(bytes)
    }

    fn of_row(row: RowBinding) -> Self {
        Self::new(row.kind as u8, row.project.get(), row.id, row.revision)
    }
}

/// HKDF-SHA256 (RFC 5869) with an empty salt: a key for the use that `label` names.
pub(super) fn derive(key: &[u8; 32], label: &[u8]) -> KeyBytes {
    let mut derived = KeyBytes::default();
    hkdf::Salt::new(hkdf::HKDF_SHA256, &[])
        .extract(key)
        .expand(&[label], hkdf::HKDF_SHA256)
        .and_then(|output| output.fill(derived.as_mut()))
        .expect("invariant: HKDF-SHA256 yields 32 bytes for a short label");
    derived
}

pub(super) fn seal(key: &[u8; 32], binding: Binding, plaintext: &[u8], entropy: &dyn Entropy) -> Vec<u8> {
    let mut nonce = [0; NONCE_LEN];
    entropy.fill(&mut nonce);
    let mut sealed = Vec::with_capacity(plaintext.len() + SEAL_OVERHEAD_BYTES);
    sealed.push(VERSION);
    sealed.extend_from_slice(&nonce);
    sealed.extend_from_slice(plaintext);
    let content = &mut sealed[1 + NONCE_LEN..];
    let tag = aes_key(key)
        .seal_in_place_separate_tag(Nonce::assume_unique_for_key(nonce), Aad::from(binding.0), content)
        .expect("invariant: AES-256-GCM seals any plaintext below 64 GiB");
    sealed.extend_from_slice(tag.as_ref());
    sealed
}

pub(super) fn open(key: &[u8; 32], binding: Binding, sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, SealRefusal> {
    if sealed.len() < SEAL_OVERHEAD_BYTES {
        return Err(SealRefusal::TooShort(sealed.len()));
    }
    if sealed[0] != VERSION {
        return Err(SealRefusal::Version(sealed[0]));
    }
    let (nonce, content) = sealed[1..].split_first_chunk::<NONCE_LEN>().ok_or(SealRefusal::TooShort(sealed.len()))?;
    let mut content = Zeroizing::new(content.to_vec());
    let plaintext_bytes = aes_key(key)
        .open_in_place(Nonce::assume_unique_for_key(*nonce), Aad::from(binding.0), content.as_mut_slice())
        .map_err(|_| SealRefusal::Refused)?
        .len();
    content.truncate(plaintext_bytes);
    Ok(content)
}

fn aes_key(key: &[u8; 32]) -> LessSafeKey {
    LessSafeKey::new(UnboundKey::new(&AES_256_GCM, key).expect("invariant: AES-256 takes 32 bytes"))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::super::test_entropy::{FixedEntropy, TestEntropy, hex};
    use super::*;
    use proptest::prelude::*;

    const ROW: RowBinding = RowBinding { kind: RowKind::Token, project: ProjectId::new(1), id: 5, revision: 3 };
    const TEXT: &[u8] = br#"{"name":"Ada"}"#;

    fn key(seed: u64) -> DataKey {
        DataKey::generate(&TestEntropy::new(seed))
    }

    #[test]
    fn hkdf_gives_the_reference_output() {
        // Worked out with Python's hmac after RFC 5869: empty salt, key = bytes 0..32, info = "tollgate kek v1".
        let derived = derive(&std::array::from_fn(|at| at as u8), b"tollgate kek v1");
        assert_eq!(hex(&*derived), "3a21668a6098e02e5fc0b49fa39b8fa2ace65879b991610c8322fa896ff22b9f");
    }

    /// Label, row key, additional data and layout, as Node's crypto module computes them: key = bytes 0..32, nonce = 09….
    #[test]
    fn the_format_stays_as_it_is() {
        let key = DataKey::from_bytes(Zeroizing::new(std::array::from_fn(|at| at as u8)));
        let expected = concat!(
            "01",
            "090909090909090909090909",
            "f24ff78098ddddb5cc1d8693c730",
            "a067694769a93c2ba07bc6201a86ae07"
        );
        assert_eq!(hex(&key.seal(ROW, TEXT, &FixedEntropy(9))), expected);
    }

    #[test]
    fn opens_where_it_was_sealed_and_shows_nothing() {
        let entropy = TestEntropy::new(2);
        for plaintext in [&b""[..], TEXT, &[0; 32 * 1024]] {
            let sealed = key(1).seal(ROW, plaintext, &entropy);
            assert_eq!(sealed.len(), plaintext.len() + SEAL_OVERHEAD_BYTES);
            assert_eq!(key(1).open(ROW, &sealed).unwrap().as_slice(), plaintext);
        }
        let sealed = key(1).seal(ROW, TEXT, &entropy);
        assert!(!sealed.windows(3).any(|window| window == b"Ada"));
        assert_ne!(key(1).seal(ROW, TEXT, &entropy), sealed, "the same content twice looks different");
        assert_eq!(format!("{:?}", key(1)), "DataKey(…)");
    }

    #[test]
    fn opens_nowhere_else() {
        let sealed = key(1).seal(ROW, TEXT, &TestEntropy::new(2));
        for (row, what) in [
            (RowBinding { id: 6, ..ROW }, "another row"),
            (RowBinding { project: ProjectId::new(2), ..ROW }, "another project"),
            (RowBinding { kind: RowKind::User, ..ROW }, "another kind"),
            (RowBinding { revision: 4, ..ROW }, "an older value under a newer revision"),
            (RowBinding { revision: 2, ..ROW }, "a newer value under an older revision"),
        ] {
            assert_eq!(key(1).open(row, &sealed).err(), Some(SealRefusal::Refused), "{what}");
        }
        assert_eq!(key(2).open(ROW, &sealed).err(), Some(SealRefusal::Refused), "another key");
    }

    #[test]
    fn the_binding_alone_refuses_under_the_same_key() {
        // With one key for all rows, so that the derived row key cannot be what refuses.
        let (bytes, entropy) = ([7; 32], TestEntropy::new(3));
        let binding = Binding::of_row(ROW);
        let sealed = seal(&bytes, binding, TEXT, &entropy);
        assert!(open(&bytes, binding, &sealed).is_ok());
        for at in 0..binding.0.len() {
            let mut other = binding;
            other.0[at] ^= 1;
            assert_eq!(open(&bytes, other, &sealed).err(), Some(SealRefusal::Refused), "byte {at}");
        }
    }

    #[test]
    fn any_changed_bit_is_refused() {
        let sealed = key(1).seal(ROW, TEXT, &TestEntropy::new(2));
        for bit in 0..sealed.len() * 8 {
            let mut changed = sealed.clone();
            changed[bit / 8] ^= 1 << (bit % 8);
            let expected = if bit < 8 { SealRefusal::Version(changed[0]) } else { SealRefusal::Refused };
            assert_eq!(key(1).open(ROW, &changed).err(), Some(expected), "bit {bit}");
        }
    }

    #[test]
    fn any_other_length_is_refused() {
        let mut sealed = key(1).seal(ROW, TEXT, &TestEntropy::new(2));
        for length in 0..sealed.len() {
            let expected =
                if length < SEAL_OVERHEAD_BYTES { SealRefusal::TooShort(length) } else { SealRefusal::Refused };
            assert_eq!(key(1).open(ROW, &sealed[..length]).err(), Some(expected), "{length}");
        }
        sealed.push(0);
        assert_eq!(key(1).open(ROW, &sealed).err(), Some(SealRefusal::Refused));
    }

    proptest! {
        #[test]
        fn open_undoes_seal(seed: u64, project: u64, id: u64, revision: u32, plaintext: Vec<u8>) {
            let row = RowBinding { project: ProjectId::new(project), id, revision, ..ROW };
            let sealed = key(seed).seal(row, &plaintext, &TestEntropy::new(seed));
            prop_assert_eq!(key(seed).open(row, &sealed).unwrap().to_vec(), plaintext);
        }

        #[test]
        fn junk_never_opens(sealed: Vec<u8>) {
            prop_assert!(key(1).open(ROW, &sealed).is_err());
        }
    }
}
