//! The certificate that clients are shown, from its origin to its renewal: two files ([`files`]) that somebody else renews, or an authority
//! that is asked by ACME ([`acme`]). A new one is taken without ending a connection, and one that is no good leaves the old one in its place.

mod acme;
mod files;
mod stored;

use std::path::Path;
use std::sync::{Arc, Mutex};

use tokio::sync::Notify;
use tollgate_core::clock::{Clock, UnixMillis};
use tollgate_core::ports::Pending;
use tollgate_gateway::tls::{Certificates, Pair, server_config};
use x509_parser::extensions::GeneralName;
use x509_parser::parse_x509_certificate;

use crate::Failure;
use crate::config::{TlsFiles, TlsSettings};
use crate::data_dir::DataDir;

tollgate_core::counters! {
    /// What has become of certificates since the start.
    pub(crate) struct CertificateCounters {
        /// Certificates that are, or were, shown.
        taken,
        /// Times that a new one could not be had or used.
        failed,
    }
}

/// What a certificate says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Life {
    pub(crate) not_before: UnixMillis,
    pub(crate) not_after: UnixMillis,
    /// DNS names, as they are spelled in it.
    names: Vec<String>,
}

impl Life {
    /// What the leaf says.
    fn of(pair: &Pair) -> Result<Self, String> {
        let (_, leaf) =
            parse_x509_certificate(pair.leaf()).map_err(|error| format!("the certificate cannot be read: {error}"))?;
        let millis = |seconds: i64| UnixMillis(u64::try_from(seconds).unwrap_or(0).saturating_mul(1_000));
        let (not_before, not_after) =
            (millis(leaf.validity().not_before.timestamp()), millis(leaf.validity().not_after.timestamp()));
        let names = leaf.subject_alternative_name().ok().flatten().map_or_else(Vec::new, |names| {
            let dns = names.value.general_names.iter().filter_map(|name| match name {
                GeneralName::DNSName(name) => Some((*name).to_owned()),
                _ => None,
            });
            dns.collect()
        });
        Ok(Self { not_before, not_after, names })
    }

    /// When a third of it is left, which is when the next one should be had.
    const fn renewal(&self) -> UnixMillis {
        self.with_left(3)
    }

    /// When a sixth is left: no advice moves the renewal behind it.
    const fn last_call(&self) -> UnixMillis {
        self.with_left(6)
    }

    /// When one part of so many is left.
    const fn with_left(&self, parts: u64) -> UnixMillis {
        UnixMillis(self.not_after.0.saturating_sub(self.not_after.0.saturating_sub(self.not_before.0) / parts))
    }

    fn covers(&self, names: &[String]) -> bool {
        names.iter().all(|name| self.names.iter().any(|own| own.eq_ignore_ascii_case(name)))
    }
}

/// What is shown now, and how it came to be.
pub(crate) struct Certificate {
    shown: Arc<Certificates>,
    life: Mutex<Option<Life>>,
    pub(crate) counters: CertificateCounters,
    /// Told when somebody wants the origin looked at now.
    hurry: Notify,
    clock: Arc<dyn Clock>,
}

impl Certificate {
    fn new(clock: Arc<dyn Clock>) -> Self {
        Self {
            shown: Arc::default(),
            life: Mutex::default(),
            counters: CertificateCounters::default(),
            hurry: Notify::new(),
            clock,
        }
    }

    /// Shows this one from now on. One that has ended, or has not begun, is shown all the same when nothing better is there: clients say
    /// then what is wrong, where a closed door would not.
    fn take(&self, pair: &Pair) -> Result<(), String> {
        let life = Life::of(pair)?;
        let (now, held) = (self.clock.unix(), self.life());
        if life.not_after <= now && held.is_some_and(|held| held.not_after > now) {
            return Err("it has ended already".into());
        }
        self.shown.show(pair);
        let until = spelled(life.not_after);
        if life.not_after <= now {
            tracing::error!(until, "the certificate has ended: clients will refuse it");
        } else {
            tracing::info!(until, names = life.names.join(","), "a certificate is shown");
        }
        *self.life.lock().expect(UNPOISONED) = Some(life);
        self.counters.taken.one();
        Ok(())
    }

    /// A new one could not be had or used.
    fn failed(&self, why: &str) {
        self.counters.failed.one();
        match self.life() {
            Some(held) => {
                tracing::error!(why, until = spelled(held.not_after), "no new certificate; the present one stays");
            }
            None => tracing::error!(why, "no certificate: every TLS handshake fails until there is one"),
        }
    }

    fn life(&self) -> Option<Life> {
        self.life.lock().expect(UNPOISONED).clone()
    }

    /// From when to when the one that is shown is good.
    pub(crate) fn good(&self) -> Option<(UnixMillis, UnixMillis)> {
        self.life().map(|life| (life.not_before, life.not_after))
    }

    /// When the one that is shown ends; `None` when there is none yet.
    pub(crate) fn ends(&self) -> Option<UnixMillis> {
        self.life().map(|life| life.not_after)
    }

    /// Has the origin looked at now.
    pub(crate) fn look(&self) {
        self.hurry.notify_one();
    }
}

const UNPOISONED: &str = "invariant: nobody panics with the lock";

fn spelled(at: UnixMillis) -> String {
    let at = time::OffsetDateTime::from_unix_timestamp(i64::try_from(at.0 / 1_000).unwrap_or(i64::MAX));
    at.ok().and_then(|at| at.format(&time::format_description::well_known::Rfc3339).ok()).unwrap_or_default()
}

/// TLS as the settings ask for it.
pub(crate) struct Prepared {
    pub(crate) config: Arc<rustls::ServerConfig>,
    pub(crate) certificate: Arc<Certificate>,
    /// What goes on as long as the server does. Never ends by itself.
    pub(crate) upkeep: Pending<'static, ()>,
}

/// Reads what is there. Files must be good now; with ACME the first certificate may come later.
///
/// # Errors
/// The files cannot be read or used, or the folder for what ACME brings cannot be made.
pub(crate) fn prepare(settings: &TlsSettings, folder: &DataDir, clock: Arc<dyn Clock>) -> Result<Prepared, Failure> {
    let certificate = Arc::new(Certificate::new(clock));
    let (proves, upkeep): (bool, Pending<'static, ()>) = match settings {
        TlsSettings::Files(files) => {
            certificate.take(&files::read(files)?)?;
            (false, Box::pin(files::watch(Arc::clone(&certificate), files.clone())))
        }
        TlsSettings::Acme(settings) => {
            let acme = acme::Acme::new(settings.clone(), folder, Arc::clone(&certificate))?;
            (true, Box::pin(acme.keep()))
        }
    };
    Ok(Prepared { config: server_config(Arc::clone(&certificate.shown), proves), certificate, upkeep })
}

/// Whether these settings could be used, without starting anything.
pub(crate) fn check(settings: &TlsSettings) -> Result<(), Failure> {
    match settings {
        TlsSettings::Files(files) => Ok(Life::of(&files::read(files)?).map(drop)?),
        TlsSettings::Acme(settings) => acme::trust(settings).map(drop),
    }
}

/// From when to when the certificate is good that a start would show; nothing where an authority has given none yet.
///
/// # Errors
/// Why it cannot be read or used.
pub(crate) fn good(settings: &TlsSettings, data_dir: &Path) -> Result<Option<(UnixMillis, UnixMillis)>, String> {
    let pair = match settings {
        TlsSettings::Files(files) => Some(files::read(files)?),
        TlsSettings::Acme(_) => stored::certificate(data_dir)?,
    };
    let life = pair.as_ref().map(Life::of).transpose()?;
    Ok(life.map(|life| (life.not_before, life.not_after)))
}

/// The file with a private key that somebody else wrote, if there is one.
pub(crate) fn key_file(settings: &TlsSettings) -> Option<std::path::PathBuf> {
    match settings {
        TlsSettings::Files(TlsFiles { key, .. }) => Some(key.clone()),
        TlsSettings::Acme(_) => None,
    }
}
