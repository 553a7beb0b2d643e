//! Passwords of operators: Argon2id (RFC 9106), and which texts are no good as one.
//!
//! Not here: how often somebody may try, and on which thread. One pass over 46 MiB takes some 60 ms of a core, so callers bound how many
//! run at once.

use std::fmt;

use argon2::{Algorithm, Argon2, Params, Version};
use aws_lc_rs::constant_time::verify_slices_are_equal;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::clock::Entropy;
use crate::command::PresentedSecret;
use crate::error::{Error, ErrorKind, Result};
use crate::limits::{PASSWORD_BYTES_MAX, PASSWORD_CHARS_MIN};

/// Memory, in KiB, and passes of new hashes (source: OWASP's Password Storage Cheat Sheet, the row with one pass).
const MEMORY_KIB: u32 = 47_104;
const PASSES: u32 = 1;
const LANES: u32 = 1;

/// Names shorter than this may be part of a password: they come about by chance.
const NAME_CHARS_TOLD: usize = 4;
/// So many different characters are too few.
const FEW_CHARS: usize = 4;
/// So many jumps a walk over keys may have.
const JUMPS_MAX: usize = 3;
/// What people walk along: the rows of keys, and the alphabet.
const WALKS: [&str; 5] = ["1234567890", "qwertyuiop", "asdfghjkl", "zxcvbnm", "abcdefghijklmnopqrstuvwxyz"];

/// What a password is checked against: with its own salt and the parameters that it was made with.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PasswordHash {
    m_kib: u32,
    t: u32,
    p: u32,
    salt: [u8; 16],
    hash: [u8; 32],
}

impl PasswordHash {
    /// Hashes a password, with a new salt.
    #[must_use]
    pub fn of(password: &PresentedSecret, entropy: &dyn Entropy) -> Self {
        let mut salt = [0; 16];
        entropy.fill(&mut salt);
        let mut made = Self { m_kib: MEMORY_KIB, t: PASSES, p: LANES, salt, hash: [0; 32] };
        made.hash = *made.computed(password).expect("invariant: our own parameters are valid");
        made
    }

    /// One that no password fits: for making who asks for an unknown name wait as long.
    #[must_use]
    pub const fn of_nobody() -> Self {
        Self { m_kib: MEMORY_KIB, t: PASSES, p: LANES, salt: [0; 16], hash: [0; 32] }
    }

    /// Whether it is this password. Compared in constant time.
    #[must_use]
    pub fn verify(&self, password: &PresentedSecret) -> bool {
        self.computed(password).is_some_and(|hash| verify_slices_are_equal(&*hash, &self.hash).is_ok())
    }

    /// Whether it was made with less work than new ones are.
    #[must_use]
    pub const fn is_weak(&self) -> bool {
        self.m_kib < MEMORY_KIB || self.t < PASSES
    }

    fn computed(&self, password: &PresentedSecret) -> Option<Zeroizing<[u8; 32]>> {
        let mut hash = Zeroizing::new([0; 32]);
        let params = Params::new(self.m_kib, self.t, self.p, Some(hash.len())).ok()?;
        let argon = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
        argon.hash_password_into(password.expose().as_bytes(), &self.salt, hash.as_mut()).ok()?;
        Some(hash)
    }
}

impl fmt::Debug for PasswordHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PasswordHash(argon2id m={} t={} p={})", self.m_kib, self.t, self.p)
    }
}

/// Refuses what is no good as the password of this operator. Taken as it is typed: nothing is trimmed, and every character is allowed.
///
/// # Errors
/// `invalid_input`, saying what to do.
pub fn check_password(name: &str, password: &PresentedSecret) -> Result<()> {
    let refuse = |text: String| Err(Error::new(ErrorKind::InvalidInput, text));
    let text = password.expose();
    let chars = text.chars().count();
    if chars < PASSWORD_CHARS_MIN {
        return refuse(format!(
            "The password has {chars} characters; it needs {PASSWORD_CHARS_MIN} or more. Four words that have nothing to do with each other are good."
        ));
    }
    if text.len() > PASSWORD_BYTES_MAX {
        return refuse(format!("The password has {} bytes; at most {PASSWORD_BYTES_MAX} are taken.", text.len()));
    }
    let lower = Zeroizing::new(text.to_lowercase());
    if lower.contains("tollgate") || (name.len() >= NAME_CHARS_TOLD && lower.contains(&name.to_lowercase())) {
        return refuse("The password has your name or `tollgate` in it; choose one that nobody guesses first.".into());
    }
    let different: std::collections::BTreeSet<char> = lower.chars().collect();
    if different.len() <= FEW_CHARS {
        return refuse(format!("The password has {FEW_CHARS} different characters or fewer; choose another."));
    }
    if jumps(&lower) <= JUMPS_MAX {
        return refuse("The password goes along the keys or the alphabet; choose another.".into());
    }
    Ok(())
}

/// How often the next character is neither the same one nor the one beside it.
fn jumps(text: &str) -> usize {
    let beside = |a: char, b: char| {
        let along = |walk: &&str| {
            let (a, b) = (walk.find(a), walk.find(b));
            matches!((a, b), (Some(a), Some(b)) if a.abs_diff(b) == 1)
        };
        a == b || WALKS.iter().any(along)
    };
    text.chars().zip(text.chars().skip(1)).filter(|(a, b)| !beside(*a, *b)).count()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::super::test_entropy::TestEntropy;
    use super::*;

    fn secret(text: &str) -> PresentedSecret {
        PresentedSecret::new(text.into())
    }

    #[test]
    fn a_password_fits_its_own_hash_alone() {
        let entropy = TestEntropy::new(1);
        let password = secret("correct horse battery staple");
        let (hash, other) = (PasswordHash::of(&password, &entropy), PasswordHash::of(&password, &entropy));
        assert!(hash.verify(&password) && !hash.verify(&secret("correct horse battery stapl")));
        assert_ne!(hash, other, "each has a salt of its own");
        assert!(!PasswordHash::of_nobody().verify(&password));
        assert_eq!(format!("{hash:?}"), "PasswordHash(argon2id m=47104 t=1 p=1)");
        let written = serde_json::to_string(&hash).unwrap();
        assert_eq!(serde_json::from_str::<PasswordHash>(&written).unwrap(), hash);
        assert!(!hash.is_weak() && PasswordHash { m_kib: 19_456, ..hash }.is_weak());
    }

    /// Checked against the reference implementation by the vectors of its authors, so that a hash of today opens tomorrow.
    #[test]
    fn it_is_argon2id() {
        let mut hash = PasswordHash { m_kib: 65_536, t: 2, p: 1, salt: [0; 16], hash: [0; 32] };
        hash.salt.copy_from_slice(b"somesaltsomesalt");
        let argon = Argon2::new(Algorithm::Argon2id, Version::V0x13, Params::new(65_536, 2, 1, Some(32)).unwrap());
        let mut known = [0; 32];
        // `echo -n password | argon2 somesalt -id -t 2 -m 16 -p 1 -l 32` of the reference implementation.
        argon.hash_password_into(b"password", b"somesalt", &mut known).unwrap();
        let hex: String = known.iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(hex, "09316115d5cf24ed5a15a31a3ba326e5cf32edc24702987c02b6566f61913cf7");
        hash.hash = *hash.computed(&secret("password")).unwrap();
        assert!(hash.verify(&secret("password")));
    }

    #[test]
    fn what_everybody_tries_first_is_refused() {
        for (text, why) in [
            ("short", "needs 15"),
            ("fourteen chars", "needs 15"),
            (&"é".repeat(513), "bytes"),
            ("my-Tollgate-server-1", "`tollgate`"),
            ("xx-Johanna-yy-1234", "your name"),
            ("abababababababab", "different"),
            ("qwertyuiopasdfghjkl", "along"),
            ("1234567890qwertyuiop", "along"),
            ("abcdefghijklmnopqrst", "along"),
            ("111112222233333444445", "along"),
            // Three jumps.
            ("abcdqwerasdfzxcv", "along"),
        ] {
            let error = check_password("johanna", &secret(text)).unwrap_err();
            assert!(error.detail.contains(why), "{text}: {error:?}");
            assert!(!error.detail.contains(text), "{error:?}");
        }
        for good in [
            "correct horse battery staple",
            "           x y z 1 2 3",
            "пароль из пятнадцати букв",
            "k3J-9xQ-22v-Lp0",
            "abcdqwerasdfzxcv1234",
        ] {
            check_password("johanna", &secret(good)).unwrap();
        }
        check_password("jo", &secret("we all enjoy a long walk")).unwrap();
    }
}
