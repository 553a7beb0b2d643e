//! A certificate from an authority that speaks ACME (RFC 8555), by `instant-acme`. That the names lead here is proven on the listener of the
//! clients itself, by `tls-alpn-01` (RFC 8737): no second port, no files to serve. When to renew is the authority's word (RFC 9773) where it
//! gives one, else when a third of the life is left.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::Request;
use instant_acme::{
    Account, AccountCredentials, AuthorizationStatus, BodyWrapper, BytesResponse, CertificateIdentifier, ChallengeType,
    Error as AcmeError, HttpClient, Identifier, NewAccount, NewOrder, Order, OrderStatus, RetryPolicy,
};
use rcgen::{CertificateParams, CustomExtension, DistinguishedName, KeyPair};
use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use serde::{Deserialize, Serialize};
use tollgate_core::clock::UnixMillis;
use tollgate_core::ports::outbound::OutboundRules;
use tollgate_gateway::tls::Pair;
use zeroize::Zeroizing;

use super::stored::{ACCOUNT, CERTIFICATE, Stored};
use super::{Certificate, Life};
use crate::Failure;
use crate::config::AcmeSettings;
use crate::data_dir::DataDir;
use crate::outbound::{Direct, Trust};

/// The first wait after a failure; each further one is twice as long. Let's Encrypt lets a name fail five times an hour.
const RETRY_FIRST: Duration = Duration::from_mins(2);
const RETRY_MAX: Duration = Duration::from_hours(6);
/// Between one certificate and asking for the next.
const PAUSE: Duration = Duration::from_hours(1);
/// The authority is asked at least so often when to renew.
const ASK_EVERY: Duration = Duration::from_hours(12);
/// What the authority may take to look at a proof, or to sign.
const PATIENCE: RetryPolicy =
    RetryPolicy::new().initial_delay(Duration::from_millis(250)).timeout(Duration::from_mins(2));
/// The longest answer of an authority that is read, in bytes.
const ANSWER_BYTES_MAX: usize = 1 << 20;

/// Keeps a certificate for the names of the settings.
pub(super) struct Acme {
    settings: AcmeSettings,
    stored: Stored,
    certificate: Arc<Certificate>,
    calls: Arc<Direct>,
}

/// The account as it is kept: with the authority that it is one of.
#[derive(Serialize, Deserialize)]
struct KeptAccount {
    directory: String,
    credentials: AccountCredentials,
}

/// Whose certificate the authority's own address must show.
pub(super) fn trust(settings: &AcmeSettings) -> Result<Trust, Failure> {
    let Some(path) = &settings.root_file else { return Ok(Trust::system()) };
    let failed = |why: String| format!("acme.root_file = {}: {why}", path.display());
    let text = std::fs::read(path).map_err(|error| failed(error.to_string()))?;
    let mut roots = RootCertStore::empty();
    for root in CertificateDer::pem_slice_iter(&text) {
        let root = root.map_err(|error| failed(format!("must be PEM: {error}")))?;
        roots.add(root).map_err(|error| failed(error.to_string()))?;
    }
    if roots.is_empty() {
        return Err(failed("must be PEM with at least one certificate".into()).into());
    }
    Ok(Trust::these(roots))
}

impl Acme {
    /// With the certificate of before, if there is one for these names.
    pub(super) fn new(
        settings: AcmeSettings,
        folder: &DataDir,
        certificate: Arc<Certificate>,
    ) -> Result<Self, Failure> {
        let stored = Stored::within(folder.path())?;
        // Who runs the server chose the authority: it may be one of the house.
        let rules = OutboundRules { allow_private: true, allow_http: false, allowed: Vec::new() };
        rules.target(&settings.directory).map_err(|failure| format!("acme.directory: {failure}"))?;
        let calls = Arc::new(Direct::new(rules, trust(&settings)?));
        let acme = Self { settings, stored, certificate, calls };
        if let Some(pem) = acme.stored.read(CERTIFICATE) {
            let taken = Pair::from_pem(&pem, &pem).map_err(|error| error.to_string()).and_then(|pair| {
                let fits = Life::of(&pair)?.covers(&acme.settings.domains);
                if fits { acme.certificate.take(&pair) } else { Err("it is for other names".into()) }
            });
            if let Err(why) = taken {
                tracing::warn!(why, "the certificate of before is of no use; a new one is asked for");
            }
        }
        Ok(acme)
    }

    /// Has a certificate, and the next one before it ends. Never ends.
    pub(super) async fn keep(self) {
        let mut wait = RETRY_FIRST;
        loop {
            let due = self.due().await;
            let now = self.certificate.clock.unix();
            if now < due {
                let wait = Duration::from_millis(due.0 - now.0).min(ASK_EVERY);
                // Asked in between, it looks again at when; a certificate is not had twice for a signal.
                let _ = tokio::time::timeout(wait, self.certificate.hurry.notified()).await;
                continue;
            }
            match self.obtain().await {
                Ok(()) => {
                    wait = RETRY_FIRST;
                    // Whatever an authority says or signs, it is not asked again and again.
                    tokio::time::sleep(PAUSE).await;
                }
                Err(why) => {
                    self.certificate.failed(&why);
                    tracing::info!(seconds = wait.as_secs(), "the authority is asked again after a wait, or on SIGHUP");
                    let _ = tokio::time::timeout(wait, self.certificate.hurry.notified()).await;
                    wait = (wait * 2).min(RETRY_MAX);
                }
            }
        }
    }

    /// When to have the next one.
    async fn due(&self) -> UnixMillis {
        let Some(life) = self.certificate.life() else { return UnixMillis(0) };
        let third = life.renewal();
        match self.suggested().await {
            // Never so late that a failure could not be repeated.
            Ok(Some(at)) => at.min(life.last_call()),
            Ok(None) => third,
            Err(why) => {
                tracing::debug!(why, "the authority does not say when to renew");
                third
            }
        }
    }

    /// The middle of the time in which the authority wants the certificate renewed, if it says one.
    async fn suggested(&self) -> Result<Option<UnixMillis>, String> {
        let Some(pem) = self.stored.read(CERTIFICATE) else { return Ok(None) };
        let pair = Pair::from_pem(&pem, &pem).map_err(|error| error.to_string())?;
        let leaf = CertificateDer::from(pair.leaf());
        let named = CertificateIdentifier::try_from(&leaf)?;
        let account = self.account().await.map_err(|error| error.to_string())?;
        match account.renewal_info(&named).await {
            Ok((told, _)) => {
                let (start, end) =
                    (told.suggested_window.start.unix_timestamp(), told.suggested_window.end.unix_timestamp());
                let middle = u64::try_from(start.midpoint(end)).unwrap_or(0);
                Ok(Some(UnixMillis(middle.saturating_mul(1_000))))
            }
            Err(AcmeError::Unsupported(_)) => Ok(None),
            Err(error) => Err(error.to_string()),
        }
    }

    async fn obtain(&self) -> Result<(), String> {
        let names = &self.settings.domains;
        tracing::info!(names = names.join(","), directory = self.settings.directory, "asking for a certificate");
        let brought = self.order().await;
        self.certificate.shown.forget_proofs();
        let pem = brought.map_err(|failure| failure.to_string())?;
        let pair = Pair::from_pem(&pem, &pem).map_err(|error| format!("what the authority sent: {error}"))?;
        if !Life::of(&pair)?.covers(names) {
            return Err("the authority sent a certificate for other names".into());
        }
        // On disk first: shown and then forgotten by a crash, it would have to be had again, and authorities count.
        self.stored.write(CERTIFICATE, &pem)?;
        self.certificate.take(&pair)
    }

    /// Chain and key in one PEM text.
    async fn order(&self) -> Result<Zeroizing<Vec<u8>>, Failure> {
        let account = self.account().await?;
        let names: Vec<_> = self.settings.domains.iter().cloned().map(Identifier::Dns).collect();
        let mut order = account.new_order(&NewOrder::new(&names)).await?;
        let mut authorizations = order.authorizations();
        while let Some(authorization) = authorizations.next().await {
            let mut authorization = authorization?;
            if authorization.status == AuthorizationStatus::Valid {
                continue;
            }
            let mut challenge = authorization
                .challenge(ChallengeType::TlsAlpn01)
                .ok_or("the authority does not take tls-alpn-01, which is the one proof that this server gives")?;
            let name = challenge.identifier().to_string();
            let proof = proof(&name, challenge.key_authorization().digest().as_ref())?;
            self.certificate.shown.prove(&name, &proof);
            challenge.set_ready().await?;
        }
        match order.poll_ready(&PATIENCE).await {
            Ok(OrderStatus::Ready) => {}
            Ok(_) | Err(AcmeError::Api(_)) => return Err(refusal(&mut order).await.into()),
            Err(error) => return Err(error.into()),
        }
        let key = Zeroizing::new(order.finalize().await?);
        let chain = order.poll_certificate(&PATIENCE).await?;
        Ok(Zeroizing::new(format!("{chain}\n{}", *key).into_bytes()))
    }

    /// The account of before, or a new one.
    async fn account(&self) -> Result<Account, Failure> {
        let builder = Account::builder_with_http(Box::new(Calls(Arc::clone(&self.calls))));
        let directory = &self.settings.directory;
        if let Some(text) = self.stored.read(ACCOUNT) {
            match serde_json::from_slice::<KeptAccount>(&text) {
                Ok(kept) if kept.directory == *directory => {
                    return Ok(builder.from_credentials(kept.credentials).await?);
                }
                Ok(_) => {}
                Err(error) => tracing::warn!(%error, "the ACME account of before cannot be read; a new one is made"),
            }
        }
        let contact = self.settings.contact.as_ref().map(|address| format!("mailto:{address}"));
        let contact: Vec<&str> = contact.iter().map(String::as_str).collect();
        let wanted = NewAccount { contact: &contact, terms_of_service_agreed: true, only_return_existing: false };
        let (account, credentials) = builder.create(&wanted, directory.clone(), None).await?;
        let kept = Zeroizing::new(serde_json::to_vec(&KeptAccount { directory: directory.clone(), credentials })?);
        self.stored.write(ACCOUNT, &kept)?;
        Ok(account)
    }
}

/// What the authority says stood against it.
async fn refusal(order: &mut Order) -> String {
    let mut told = Vec::new();
    let mut authorizations = order.authorizations();
    while let Some(Ok(authorization)) = authorizations.next().await {
        let name = authorization.identifier().to_string();
        let errors = authorization.challenges.iter().filter_map(|challenge| challenge.error.as_ref());
        told.extend(errors.map(|error| format!("{name}: {error}")));
    }
    let told = if told.is_empty() { "it does not say why".to_owned() } else { told.join("; ") };
    format!("the authority could not see that the names lead here (port 443 must reach this server): {told}")
}

/// The certificate that proves a name (RFC 8737, section 3): signed by itself, with the digest of what the authority asked for.
fn proof(name: &str, digest: &[u8]) -> Result<Pair, Failure> {
    let key = KeyPair::generate()?;
    let mut params = CertificateParams::new(vec![name.to_owned()])?;
    params.distinguished_name = DistinguishedName::new();
    params.custom_extensions = vec![CustomExtension::new_acme_identifier(digest)];
    let certificate = params.self_signed(&key)?;
    let key = Zeroizing::new(key.serialize_pem());
    Ok(Pair::proof_from_pem(certificate.pem().as_bytes(), key.as_bytes())?)
}

/// The client of the house in the shape that the library takes.
struct Calls(Arc<Direct>);

impl HttpClient for Calls {
    fn request(
        &self,
        request: Request<BodyWrapper<Bytes>>,
    ) -> Pin<Box<dyn Future<Output = Result<BytesResponse, AcmeError>> + Send>> {
        let calls = Arc::clone(&self.0);
        Box::pin(async move {
            let (parts, body) = request.into_parts();
            let body = body.collect().await.unwrap_or_else(|never| match never {}).to_bytes();
            let url = parts.uri.to_string();
            let request = Request::from_parts(parts, Full::new(body));
            let answer = calls.send(&url, request, ANSWER_BYTES_MAX).await;
            let (parts, body) = answer.map_err(|failure| AcmeError::Other(Box::new(failure)))?.into_parts();
            Ok(BytesResponse { parts, body: Box::new(body) })
        })
    }
}
