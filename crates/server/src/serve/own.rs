//! The addresses beside that of the clients: of the metrics, and of a console that has one of its own. What is answered there is elsewhere.

use std::net::SocketAddr;
use std::sync::Arc;

use tokio::task::JoinSet;
use tollgate_console::Console;
use tollgate_gateway::Proxies;

use super::front::ConsoleAlone;
use crate::Failure;
use crate::beside::{Bound, Serving};
use crate::config::Config;
use crate::metrics::Operators;

/// Connections at a time of the metrics, and of the console; more wait to be accepted.
const OF_METRICS_MAX: usize = 32;
const OF_CONSOLE_MAX: usize = 64;

/// The addresses, taken and not served yet.
pub(super) struct OwnAddresses {
    metrics: Option<Bound>,
    console: Option<Bound>,
    proxies: Proxies,
}

impl OwnAddresses {
    /// Takes those that the settings name.
    pub(super) async fn take(config: &Config) -> Result<Self, Failure> {
        let metrics = match config.metrics {
            Some(address) => Some(Bound::at("metrics.listen", address).await?),
            None => None,
        };
        let console = match config.console.as_ref().and_then(|console| console.listen) {
            Some(address) => Some(Bound::at("console.listen", address).await?),
            None => None,
        };
        Ok(Self { metrics, console, proxies: config.proxies.clone() })
    }

    /// Where the metrics are.
    pub(super) fn metrics(&self) -> Result<Option<SocketAddr>, Failure> {
        self.metrics.as_ref().map(Bound::address).transpose()
    }

    /// Where the console is, if it is not on the address of the clients.
    pub(super) fn console(&self) -> Result<Option<SocketAddr>, Failure> {
        self.console.as_ref().map(Bound::address).transpose()
    }

    /// Serves them: the metrics in plain HTTP, the console as the clients' address is.
    pub(super) fn serve(
        self,
        tasks: &mut JoinSet<()>,
        operators: Operators,
        console: Option<Console>,
        tls: Option<Arc<rustls::ServerConfig>>,
    ) {
        if let Some(bound) = self.metrics {
            let serving = Serving { connections_max: OF_METRICS_MAX, tls: None, proxies: Proxies::default() };
            tasks.spawn(bound.serve(serving, operators));
        }
        if let (Some(bound), Some(console)) = (self.console, console) {
            let serving = Serving { connections_max: OF_CONSOLE_MAX, tls, proxies: self.proxies };
            tasks.spawn(bound.serve(serving, ConsoleAlone(console)));
        }
    }
}
