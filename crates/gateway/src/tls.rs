//! TLS by rustls, with aws-lc-rs as the only provider. The caller gives PEM text; reading files and renewing them is its work.

use std::sync::Arc;

use rustls::crypto::aws_lc_rs;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

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

/// TLS 1.2 and 1.3 for HTTP/1.1, with this certificate chain (leaf first) and its private key.
pub fn server_config(certificates_pem: &[u8], key_pem: &[u8]) -> Result<Arc<rustls::ServerConfig>, TlsError> {
    let certificates = CertificateDer::pem_slice_iter(certificates_pem)
        .collect::<Result<Vec<_>, _>>()
        .map_err(|error| TlsError::Certificate(error.to_string()))?;
    if certificates.is_empty() {
        return Err(TlsError::Certificate("none was found".to_owned()));
    }
    let key = PrivateKeyDer::from_pem_slice(key_pem).map_err(|error| TlsError::Key(error.to_string()))?;
    let mut config = rustls::ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .and_then(|builder| builder.with_no_client_auth().with_single_cert(certificates, key))
        .map_err(TlsError::Unusable)?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Arc::new(config))
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
            let answer = server_config(certificate.as_bytes(), key.as_bytes());
            let text = answer.map_or_else(|error| error.to_string(), |_| "ok".to_owned());
            assert!(text.contains(expected), "{text:?} should say {expected:?}");
        }
    }
}
