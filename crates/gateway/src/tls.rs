//! TLS by rustls, with aws-lc-rs as the only provider. The caller gives PEM text; reading files, renewing them and speaking with those who
//! issue certificates is its work.

use std::collections::HashMap;
use std::sync::{Arc, RwLock};

use rustls::crypto::aws_lc_rs;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;

/// What a connection speaks that only proves whose name this is (RFC 8737, section 6.2).
const ACME_TLS: &[u8] = b"acme-tls/1";

/// Why a certificate and key cannot be used.
#[derive(Debug)]
pub enum TlsError {
    /// The certificate text is not PEM, or holds no certificate.
    Certificate(String),
    /// The key text is not PEM, or holds no private key.
    Key(String),
    /// They do not belong together, or are of a kind that is not supported.
    Unusable(rustls::Error),
}

impl std::fmt::Display for TlsError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            TlsError::Certificate(why) => {
                write!(f, "the certificate chain must be PEM with at least one certificate: {why}")
            }
            TlsError::Key(why) => write!(f, "the private key must be PEM, in PKCS#8, PKCS#1 or SEC1 form: {why}"),
            TlsError::Unusable(why) => write!(f, "certificate and private key cannot be used together: {why}"),
        }
    }
}

impl std::error::Error for TlsError {}

/// A certificate chain, leaf first, and the private key that belongs to it.
#[derive(Clone)]
pub struct Pair(Arc<CertifiedKey>);

impl Pair {
    /// Reads both from PEM.
    ///
    /// # Errors
    /// Either is no PEM of its kind, or they do not belong together.
    pub fn from_pem(certificates_pem: &[u8], key_pem: &[u8]) -> Result<Self, TlsError> {
        let (certificates, key) = parsed(certificates_pem, key_pem)?;
        let certified = CertifiedKey::from_der(certificates, key, &aws_lc_rs::default_provider());
        certified.map(|pair| Self(Arc::new(pair))).map_err(TlsError::Unusable)
    }

    /// A proof for [`Certificates::prove`], which the caller just made for this key. Its mark (RFC 8737, section 3) is critical and unknown to
    /// whoever checks certificates, so nobody can check here that the two belong together.
    ///
    /// # Errors
    /// Either is no PEM of its kind.
    pub fn proof_from_pem(certificate_pem: &[u8], key_pem: &[u8]) -> Result<Self, TlsError> {
        let (certificates, key) = parsed(certificate_pem, key_pem)?;
        let key = aws_lc_rs::default_provider().key_provider.load_private_key(key).map_err(TlsError::Unusable)?;
        Ok(Self(Arc::new(CertifiedKey::new(certificates, key))))
    }

    /// The leaf, in DER.
    #[must_use]
    pub fn leaf(&self) -> &[u8] {
        // A pair has one by the way it is made; without one there is nothing to show.
        self.0.cert.first().map_or(&[], |leaf| leaf)
    }
}

fn parsed(
    certificates_pem: &[u8],
    key_pem: &[u8],
) -> Result<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>), TlsError> {
    let certificates = CertificateDer::pem_slice_iter(certificates_pem)
        .collect::<Result<Vec<_>, _>>()
        .map_err(|error| TlsError::Certificate(error.to_string()))?;
    if certificates.is_empty() {
        return Err(TlsError::Certificate("none was found".to_owned()));
    }
    let key = PrivateKeyDer::from_pem_slice(key_pem).map_err(|error| TlsError::Key(error.to_string()))?;
    Ok((certificates, key))
}

impl std::fmt::Debug for Pair {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Pair")
    }
}

/// What is shown to whoever connects. It can be replaced at any time: handshakes from then on show the new one, and connections that are
/// there go on as they are.
#[derive(Debug, Default)]
pub struct Certificates {
    shown: RwLock<Option<Arc<CertifiedKey>>>,
    /// By the name that is to be proven.
    proofs: RwLock<HashMap<String, Arc<CertifiedKey>>>,
}

const UNPOISONED: &str = "invariant: nobody panics with the lock";

impl Certificates {
    /// From now on this one is shown. Until the first, every handshake fails.
    pub fn show(&self, pair: &Pair) {
        *self.shown.write().expect(UNPOISONED) = Some(Arc::clone(&pair.0));
    }

    /// Whether there is one to show.
    #[must_use]
    pub fn has_any(&self) -> bool {
        self.shown.read().expect(UNPOISONED).is_some()
    }

    /// Proves to who asks by `acme-tls/1` that `name` leads here, until [`Certificates::forget_proofs`].
    pub fn prove(&self, name: &str, pair: &Pair) {
        self.proofs.write().expect(UNPOISONED).insert(name.to_ascii_lowercase(), Arc::clone(&pair.0));
    }

    /// Takes all proofs away.
    pub fn forget_proofs(&self) {
        self.proofs.write().expect(UNPOISONED).clear();
    }
}

impl ResolvesServerCert for Certificates {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        if hello.alpn().is_some_and(|mut spoken| spoken.any(|protocol| protocol == ACME_TLS)) {
            let name = hello.server_name()?.to_ascii_lowercase();
            return self.proofs.read().expect(UNPOISONED).get(&name).cloned();
        }
        self.shown.read().expect(UNPOISONED).clone()
    }
}

/// TLS 1.2 and 1.3 for HTTP/1.1, with whatever certificate is shown at the time. With `proves` also `acme-tls/1`, over which nothing is
/// said after the handshake.
#[must_use]
pub fn server_config(certificates: Arc<Certificates>, proves: bool) -> Arc<rustls::ServerConfig> {
    let mut config = rustls::ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("invariant: the provider speaks TLS 1.2 and 1.3")
        .with_no_client_auth()
        .with_cert_resolver(certificates);
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    if proves {
        config.alpn_protocols.push(ACME_TLS.to_vec());
    }
    Arc::new(config)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn pem_is_taken_and_what_is_wrong_with_it_is_said() {
        let own = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        let other = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        let (certificate, key) = (own.cert.pem(), own.signing_key.serialize_pem());
        let table = [
            (certificate.as_str(), key.as_str(), "ok"),
            ("", &key, "at least one certificate"),
            (&key, &key, "at least one certificate"),
            (&certificate, "", "private key must be PEM"),
            (&certificate, &certificate, "private key must be PEM"),
            (&certificate, &other.signing_key.serialize_pem(), "cannot be used together"),
        ];
        for (certificate, key, expected) in table {
            let answer = Pair::from_pem(certificate.as_bytes(), key.as_bytes());
            let text = answer.map_or_else(|error| error.to_string(), |_| "ok".to_owned());
            assert!(text.contains(expected), "{text:?} should say {expected:?}");
        }
    }
}
