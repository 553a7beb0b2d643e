//! Which addresses may be called. A table of the ranges that lead inside, and the settings that open some of it. Pure.
//!
//! The ranges follow IANA's registries of special-purpose addresses (RFC 6890 and its successors). IPv6 is read the other way round:
//! outside of 2000::/3 nothing is global, so only what lies in it, less its special parts, may be called.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::OutboundFailure;
use super::target::{Host, Target, host};
use crate::peer::Network;

/// What this server may call.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OutboundRules {
    /// Every address may be called.
    pub allow_private: bool,
    /// `http`, too.
    pub allow_http: bool,
    /// These may be called although they are, or lead to, private addresses.
    pub allowed: Vec<Allowed>,
}

/// Something that may be called although it is private.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Allowed {
    /// A host by exactly this name, wherever it leads.
    Name(String),
    /// Any address in this network, under whatever name.
    Network(Network),
}

impl Allowed {
    /// Reads a name (`hooks.internal`), an address (`10.0.0.7`) or a network (`10.0.0.0/8`, `fd00::/8`).
    ///
    /// # Errors
    /// What is wrong with it, with the text itself.
    pub fn parse(text: &str) -> Result<Self, String> {
        if text.contains('/') || text.parse::<IpAddr>().is_ok() {
            return text.parse().map(Self::Network).map_err(|error: crate::Error| error.detail);
        }
        match host(text) {
            Ok(Host::Name(name)) => Ok(Self::Name(name)),
            Ok(Host::Address(address)) => Self::parse(&address.to_string()),
            Err(_) => Err(format!(
                "{text:?} is neither the name of a host, nor an IP address, nor a network such as 10.0.0.0/8"
            )),
        }
    }
}

impl OutboundRules {
    /// Reads an address and says whether it may be called as far as can be seen from its text.
    ///
    /// # Errors
    /// [`OutboundFailure::BadUrl`] or [`OutboundFailure::TargetRefused`].
    pub fn target(&self, url: &str) -> Result<Target, OutboundFailure> {
        let target = Target::parse(url)?;
        if !target.https && !self.allow_http {
            return Err(OutboundFailure::BadUrl(
                "it must begin with https://; plain http is called only by a server with outbound.allow_http",
            ));
        }
        match &target.host {
            Host::Address(address) => self.may_reach(&target.host, *address)?,
            // It always means this machine (RFC 6761), whatever a name server says.
            Host::Name(name) if name == "localhost" || name.ends_with(".localhost") => {
                self.may_reach(&target.host, Ipv4Addr::LOCALHOST.into())?;
            }
            Host::Name(_) => {}
        }
        Ok(target)
    }

    /// Whether `host` may be called at `address`, which it is or was resolved to.
    ///
    /// # Errors
    /// [`OutboundFailure::TargetRefused`].
    pub fn may_reach(&self, host: &Host, address: IpAddr) -> Result<(), OutboundFailure> {
        let Some(range) = private_range(address) else { return Ok(()) };
        let allows = |allowed: &Allowed| match allowed {
            Allowed::Name(name) => matches!(host, Host::Name(called) if called == name),
            Allowed::Network(network) => network.contains(address),
        };
        if self.allow_private || self.allowed.iter().any(allows) {
            return Ok(());
        }
        Err(OutboundFailure::TargetRefused { host: host.to_string(), range })
    }
}

const V4: &[(Network, &str)] = &[
    (Network::v4([0, 0, 0, 0], 8), "an address of \"this\" network (0.0.0.0/8)"),
    (Network::v4([10, 0, 0, 0], 8), "a private address (10.0.0.0/8)"),
    (Network::v4([100, 64, 0, 0], 10), "a shared address of carriers (100.64.0.0/10)"),
    (Network::v4([127, 0, 0, 0], 8), "a loopback address (127.0.0.0/8)"),
    (Network::v4([169, 254, 0, 0], 16), "a link-local address (169.254.0.0/16)"),
    (Network::v4([172, 16, 0, 0], 12), "a private address (172.16.0.0/12)"),
    (Network::v4([192, 0, 0, 0], 24), "an address for protocols (192.0.0.0/24)"),
    (Network::v4([192, 0, 2, 0], 24), "a documentation address (192.0.2.0/24)"),
    (Network::v4([192, 88, 99, 0], 24), "a 6to4 relay (192.88.99.0/24)"),
    (Network::v4([192, 168, 0, 0], 16), "a private address (192.168.0.0/16)"),
    (Network::v4([198, 18, 0, 0], 15), "a benchmarking address (198.18.0.0/15)"),
    (Network::v4([198, 51, 100, 0], 24), "a documentation address (198.51.100.0/24)"),
    (Network::v4([203, 0, 113, 0], 24), "a documentation address (203.0.113.0/24)"),
    // Public by number, but answered by the host of every virtual machine at Azure.
    (Network::v4([168, 63, 129, 16], 32), "the platform's own address at a cloud provider (168.63.129.16)"),
    (Network::v4([224, 0, 0, 0], 4), "a multicast address (224.0.0.0/4)"),
    (Network::v4([255, 255, 255, 255], 32), "the broadcast address"),
    (Network::v4([240, 0, 0, 0], 4), "a reserved address (240.0.0.0/4)"),
];

const V6: &[(Network, &str)] = &[
    (Network::v6([0xfc00, 0, 0, 0], 7), "a private address (fc00::/7)"),
    (Network::v6([0xfe80, 0, 0, 0], 10), "a link-local address (fe80::/10)"),
    (Network::v6([0xff00, 0, 0, 0], 8), "a multicast address (ff00::/8)"),
    (Network::v6([0x64, 0xff9b, 1, 0], 48), "a translated address of a local network (64:ff9b:1::/48)"),
    (Network::v6([0x2001, 0, 0, 0], 23), "an address for protocols (2001::/23)"),
    (Network::v6([0x2001, 0xdb8, 0, 0], 32), "a documentation address (2001:db8::/32)"),
    (Network::v6([0x3fff, 0, 0, 0], 20), "a documentation address (3fff::/20)"),
];

const GLOBAL_V6: Network = Network::v6([0x2000, 0, 0, 0], 3);

/// What kind of address it is when it is not one of the public internet.
fn private_range(address: IpAddr) -> Option<&'static str> {
    let of = |table: &[(Network, &'static str)]| {
        table.iter().find(|(network, _)| network.contains(address)).map(|(_, range)| *range)
    };
    match address {
        IpAddr::V4(_) => of(V4),
        IpAddr::V6(v6) if v6.is_loopback() => Some("the loopback address (::1)"),
        IpAddr::V6(v6) if v6.is_unspecified() => Some("the unspecified address (::)"),
        IpAddr::V6(v6) => match embedded(v6) {
            Some(v4) => private_range(v4.into()),
            None => of(V6).or((!GLOBAL_V6.contains(address)).then_some("an address outside of the public internet")),
        },
    }
}

/// The IPv4 address that the packets end at: of a mapped address (`::ffff:0:0/96`), of NAT64 (`64:ff9b::/96`) and of 6to4 (`2002::/16`).
fn embedded(address: Ipv6Addr) -> Option<Ipv4Addr> {
    let [a, b, c, d, e, f, g, h] = address.segments();
    let v4 = |high: u16, low: u16| Some(Ipv4Addr::from_bits(u32::from(high) << 16 | u32::from(low)));
    match [a, b, c, d, e, f] {
        [0, 0, 0, 0, 0, 0xffff] | [0x64, 0xff9b, 0, 0, 0, 0] => v4(g, h),
        [0x2002, high, low, ..] => v4(high, low),
        _ => None,
    }
}

#[cfg(test)]
#[path = "reach_tests.rs"]
mod tests;
