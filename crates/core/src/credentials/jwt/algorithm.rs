//! The signature algorithms by their registered names (RFC 7518 section 3.1, RFC 8037). `none` is not one of them.

use aws_lc_rs::hmac;
use aws_lc_rs::signature::{self, EcdsaVerificationAlgorithm, RsaParameters};

/// An algorithm that a registered issuer may sign with. A key has exactly one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Algorithm {
    /// HMAC with SHA-256 under a shared secret.
    Hs256,
    /// HMAC with SHA-384 under a shared secret.
    Hs384,
    /// HMAC with SHA-512 under a shared secret.
    Hs512,
    /// RSA, PKCS #1 v1.5, SHA-256; keys of 2,048 to 8,192 bits.
    Rs256,
    /// RSA, PKCS #1 v1.5, SHA-384; keys of 2,048 to 8,192 bits.
    Rs384,
    /// RSA, PKCS #1 v1.5, SHA-512; keys of 2,048 to 8,192 bits.
    Rs512,
    /// RSA-PSS, SHA-256, salt of 32 bytes; keys of 2,048 to 8,192 bits.
    Ps256,
    /// ECDSA on P-256 with SHA-256.
    Es256,
    /// ECDSA on P-384 with SHA-384.
    Es384,
    /// Ed25519. Also read as `Ed25519`, its name of RFC 9864.
    EdDsa,
}

/// What kind of key an algorithm needs, in the parameters that aws-lc-rs wants.
pub(super) enum Scheme {
    Hmac(hmac::Algorithm),
    Rsa(&'static RsaParameters),
    Ecdsa(&'static EcdsaVerificationAlgorithm),
    Ed25519,
}

impl Algorithm {
    /// Every algorithm.
    pub const ALL: [Self; 10] = [
        Self::Hs256,
        Self::Hs384,
        Self::Hs512,
        Self::Rs256,
        Self::Rs384,
        Self::Rs512,
        Self::Ps256,
        Self::Es256,
        Self::Es384,
        Self::EdDsa,
    ];

    /// Its registered name, as `alg` spells it.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Hs256 => "HS256",
            Self::Hs384 => "HS384",
            Self::Hs512 => "HS512",
            Self::Rs256 => "RS256",
            Self::Rs384 => "RS384",
            Self::Rs512 => "RS512",
            Self::Ps256 => "PS256",
            Self::Es256 => "ES256",
            Self::Es384 => "ES384",
            Self::EdDsa => "EdDSA",
        }
    }

    /// The algorithm with this name; names differ by case.
    #[must_use]
    pub fn from_word(word: &str) -> Option<Self> {
        match word {
            "Ed25519" => Some(Self::EdDsa),
            _ => Self::ALL.into_iter().find(|one| one.word() == word),
        }
    }

    pub(super) const fn scheme(self) -> Scheme {
        match self {
            Self::Hs256 => Scheme::Hmac(hmac::HMAC_SHA256),
            Self::Hs384 => Scheme::Hmac(hmac::HMAC_SHA384),
            Self::Hs512 => Scheme::Hmac(hmac::HMAC_SHA512),
            Self::Rs256 => Scheme::Rsa(&signature::RSA_PKCS1_2048_8192_SHA256),
            Self::Rs384 => Scheme::Rsa(&signature::RSA_PKCS1_2048_8192_SHA384),
            Self::Rs512 => Scheme::Rsa(&signature::RSA_PKCS1_2048_8192_SHA512),
            Self::Ps256 => Scheme::Rsa(&signature::RSA_PSS_2048_8192_SHA256),
            Self::Es256 => Scheme::Ecdsa(&signature::ECDSA_P256_SHA256_FIXED),
            Self::Es384 => Scheme::Ecdsa(&signature::ECDSA_P384_SHA384_FIXED),
            Self::EdDsa => Scheme::Ed25519,
        }
    }
}

/// An algorithm that our own access tokens are signed with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum SigningAlgorithm {
    /// ECDSA on P-256: what every library reads. The default.
    #[default]
    Es256,
    /// Ed25519: short keys, and signatures that need no randomness.
    EdDsa,
    /// RSA of 2,048 bits, for readers that know nothing else. Its tokens are 256 characters longer.
    Rs256,
}

impl SigningAlgorithm {
    /// Its registered name.
    #[must_use]
    pub const fn word(self) -> &'static str {
        self.algorithm().word()
    }

    /// The algorithm with this name.
    #[must_use]
    pub fn from_word(word: &str) -> Option<Self> {
        [Self::Es256, Self::EdDsa, Self::Rs256].into_iter().find(|one| one.word() == word)
    }

    /// The same among all algorithms.
    #[must_use]
    pub const fn algorithm(self) -> Algorithm {
        match self {
            Self::Es256 => Algorithm::Es256,
            Self::EdDsa => Algorithm::EdDsa,
            Self::Rs256 => Algorithm::Rs256,
        }
    }
}
