//! What the console may tell owners of this server: the settings in force, where it listens, and what the doctor finds. Each is read where the
//! command line reads it.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Semaphore;
use tollgate_console::{About, Finding, Premises, SettingShown, Verdict};
use tollgate_core::clock::UnixMillis;
use tollgate_core::ports::Pending;

use crate::config::{Config, Shown};
use crate::doctor;

/// How long somebody waits for the doctor, who asks the control socket and the disk.
const DOCTOR_DEADLINE: Duration = Duration::from_secs(5);

/// This server.
pub(super) struct ThisServer {
    config: Arc<Config>,
    about: About,
    /// One look at a time: each has a thread of its own while it lasts.
    looks: Arc<Semaphore>,
}

impl ThisServer {
    /// Where it listens in fact, whatever ports the settings left open: for clients, and beside that the metrics and a console of its own.
    pub(super) fn new(
        config: &Arc<Config>,
        settings: Vec<Shown>,
        listen: SocketAddr,
        (metrics, console): (Option<SocketAddr>, Option<SocketAddr>),
        started: UnixMillis,
    ) -> Self {
        let scheme = if config.tls.is_some() { "https" } else { "http" };
        let clients = match (config.tls.is_some(), console.is_some()) {
            (true, true) => "Clients, TLS",
            (true, false) => "Clients and console, TLS",
            (false, true) => "Clients",
            (false, false) => "Clients and console",
        };
        let mut listeners = vec![(clients, format!("{scheme}://{listen}"))];
        listeners.extend(console.map(|address| ("Console", format!("{scheme}://{address}/console/"))));
        listeners.extend(metrics.map(|address| ("Metrics", format!("http://{address}/metrics"))));
        let shown = |Shown { name, value, from }| SettingShown { name, value, from };
        let about = About {
            version: env!("CARGO_PKG_VERSION"),
            process: std::process::id(),
            started,
            listeners,
            settings: settings.into_iter().map(shown).collect(),
        };
        Self { config: Arc::clone(config), about, looks: Arc::new(Semaphore::new(1)) }
    }

    async fn look(&self) -> Option<Vec<Finding>> {
        let permit = Arc::clone(&self.looks).acquire_owned().await.ok()?;
        let config = Arc::clone(&self.config);
        let looked = tokio::task::spawn_blocking(move || {
            let _only_one = permit;
            doctor::look(&config)
        });
        Some(looked.await.ok()?.into_iter().map(finding).collect())
    }
}

impl Premises for ThisServer {
    fn about(&self) -> About {
        self.about.clone()
    }

    fn findings(&self) -> Pending<'_, Vec<Finding>> {
        Box::pin(async {
            let looked = tokio::time::timeout(DOCTOR_DEADLINE, self.look()).await;
            looked.ok().flatten().unwrap_or_else(|| {
                vec![Finding {
                    name: "doctor",
                    verdict: Verdict::Fail,
                    found: format!("no answer within {} s", DOCTOR_DEADLINE.as_secs()),
                    advice: Some("look at the disk, and run `tollgate doctor` on the machine".to_owned()),
                }]
            })
        })
    }
}

fn finding(check: doctor::Check) -> Finding {
    let verdict = match check.verdict {
        doctor::Verdict::Ok => Verdict::Ok,
        doctor::Verdict::Warn => Verdict::Warn,
        doctor::Verdict::Fail => Verdict::Fail,
    };
    Finding { name: check.name, verdict, found: check.found, advice: check.advice }
}
