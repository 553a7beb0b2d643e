//! What the doctor thinks of how the server is reached: the addresses that it listens on, and the certificate that it shows there.

use std::net::{IpAddr, SocketAddr};

use super::super::Check;
use super::super::facts::{Facts, Server};
use super::{CLOCK_SLACK_MS, DAY_MS};

/// A certificate should have been renewed before less than this is left, of its last twelfth if it lives shorter.
const CERTIFICATE_FAIL_MS: u64 = 7 * DAY_MS;
/// The same, while there is time; of its last quarter.
const CERTIFICATE_WARN_MS: u64 = 21 * DAY_MS;

pub(super) fn clients(facts: &Facts) -> Check {
    address("network", facts.listen, facts, "credentials can be read on the way")
}

/// The console's own address. Without one it is judged with that of the clients.
pub(super) fn console(facts: &Facts) -> Check {
    match facts.console {
        None => Check::ok("console", "it has no address of its own"),
        Some(listen) => address("console", listen, facts, "passwords can be read on the way"),
    }
}

/// An address with the clients' TLS, or none, and the same proxies before it.
fn address(name: &'static str, listen: SocketAddr, facts: &Facts, danger: &str) -> Check {
    let shown = match (&facts.server, listen.port()) {
        (Server::Running { serving: Some(_), .. }, _) => format!("{listen}, where the server listens"),
        (_, 0) => format!("{}, any port", listen.ip()),
        _ => listen.to_string(),
    };
    match (facts.tls, is_reachable(listen), facts.proxies) {
        (true, ..) => Check::ok(name, format!("TLS on {shown}")),
        (false, false, _) => Check::ok(name, format!("plain HTTP on {shown}, reached from this machine alone")),
        (false, true, true) => Check::ok(name, format!("plain HTTP on {shown}, behind trusted proxies")),
        (false, true, false) => Check::fail(
            name,
            format!("plain HTTP on {shown}, which others reach: {danger}"),
            "set tls.certificate and tls.key; or, behind a proxy that speaks TLS, name it in trusted_proxies, or all users look like one address",
        ),
    }
}

/// Whether others than this machine reach the address.
fn is_reachable(listen: SocketAddr) -> bool {
    match listen.ip() {
        IpAddr::V4(address) => !address.is_loopback(),
        IpAddr::V6(address) => !address.to_canonical().is_loopback(),
    }
}

pub(super) fn certificate(facts: &Facts) -> Check {
    let name = "certificate";
    let advice = if facts.acme {
        "see in the server's log why the authority gives no new one: port 443 of each name must reach the server"
    } else {
        "put a new one into the files of tls.certificate and tls.key: it is taken within a minute, and no connection ends"
    };
    let (begins, ends) = match &facts.certificate {
        None if !facts.tls => return Check::ok(name, "none, without TLS"),
        None => return Check::warn(name, "the authority has given none yet", advice),
        Some(Err(why)) => return Check::fail(name, why.clone(), "correct tls.certificate and tls.key"),
        Some(Ok(good)) => *good,
    };
    let (at, now) = (crate::admin::rfc3339(ends), facts.now);
    let Some(left) = ends.0.checked_sub(now.0).filter(|left| *left > 0) else {
        return Check::fail(name, format!("it ended at {at}: clients refuse it"), advice);
    };
    if begins.0 > now.0 + CLOCK_SLACK_MS {
        return Check::fail(
            name,
            format!("it begins only at {}: clients refuse it", crate::admin::rfc3339(begins)),
            "set the clock (NTP), or use one that is good now",
        );
    }
    let life = ends.0.saturating_sub(begins.0);
    let found = format!("good until {at}, {} days", left / DAY_MS);
    if left < CERTIFICATE_FAIL_MS.min(life / 12) {
        Check::fail(name, found, advice)
    } else if left < CERTIFICATE_WARN_MS.min(life / 4) {
        Check::warn(name, found, advice)
    } else {
        Check::ok(name, found)
    }
}
