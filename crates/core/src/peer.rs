//! Who is at the other end of a connection: its address, as far as it can be believed, and what its handshake said. Reading headers is the
//! transport's; deciding on an address (lists, limits) is the operations'.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;
use std::sync::Arc;

use crate::error::{Error, ErrorKind};

/// The address of the client itself: that of the socket, or the one that a trusted proxy vouches for. Always canonical: an IPv4 address is never
/// spelled as IPv6. The transport puts it as an extension on every plain request that it hands on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ClientAddress(pub IpAddr);

impl ClientAddress {
    /// What limits count by: see [`network_of`].
    #[must_use]
    pub fn network(self) -> IpAddr {
        network_of(self.0)
    }
}

/// What a service puts as an extension on its answer to somebody whom it knows by other means than an `Authorization` header: the connection
/// then counts as one of a known client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Known;

/// The unit that limits count by: an IPv4 address, or an IPv6 /64, which is what one customer of a provider gets.
#[must_use]
pub fn network_of(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(v6) => IpAddr::V6(Ipv6Addr::from_bits(v6.to_bits() & (u128::MAX << 64))),
        v4 @ IpAddr::V4(_) => v4,
    }
}

/// What a connection's handshake told of its client. Only the address is more than the client's own word.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Peer {
    /// Where it comes from.
    pub address: IpAddr,
    /// The `Origin` header: which page a browser speaks for. Absent outside of browsers; at most [`PEER_TEXT_BYTES_MAX`] bytes, longer ones
    /// are cut, so that they match nothing.
    pub origin: Option<Arc<str>>,
    /// The `User-Agent` header, cut in the same way.
    pub user_agent: Option<Arc<str>>,
}

/// Most bytes that are kept of an `Origin` or `User-Agent`.
pub const PEER_TEXT_BYTES_MAX: usize = 512;

/// A network in CIDR spelling: `10.0.0.0/8`, `2001:db8::/32`, or one address.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Network {
    /// Canonical, and zero behind the prefix.
    first: IpAddr,
    prefix: u8,
}

impl Network {
    /// The network of an IPv4 address that is zero behind the prefix; for tables.
    pub(crate) const fn v4([a, b, c, d]: [u8; 4], prefix: u8) -> Self {
        Self { first: IpAddr::V4(Ipv4Addr::new(a, b, c, d)), prefix }
    }

    /// The network of the IPv6 address with these first groups.
    pub(crate) const fn v6([a, b, c, d]: [u16; 4], prefix: u8) -> Self {
        Self { first: IpAddr::V6(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0)), prefix }
    }

    /// Whether the address is in it. An IPv4 address spelled as IPv6 counts as IPv4.
    #[must_use]
    pub fn contains(&self, address: IpAddr) -> bool {
        masked(address.to_canonical(), self.prefix) == Some(self.first)
    }
}

/// The address with everything behind the prefix zero; nothing if it has no such prefix.
fn masked(address: IpAddr, prefix: u8) -> Option<IpAddr> {
    match address {
        IpAddr::V4(v4) => {
            let behind = 32_u32.checked_sub(prefix.into())?;
            let mask = u32::MAX.checked_shl(behind).unwrap_or(0);
            Some(IpAddr::V4(Ipv4Addr::from_bits(v4.to_bits() & mask)))
        }
        IpAddr::V6(v6) => {
            let behind = 128_u32.checked_sub(prefix.into())?;
            let mask = u128::MAX.checked_shl(behind).unwrap_or(0);
            Some(IpAddr::V6(Ipv6Addr::from_bits(v6.to_bits() & mask)))
        }
    }
}

impl FromStr for Network {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let refused = |why: &str| {
            let shown: String = text.chars().take(64).collect();
            Error::new(
                ErrorKind::InvalidInput,
                format!(
                    "{shown:?} {why}; write a network such as \"10.0.0.0/8\" or \"2001:db8::/32\", or one address."
                ),
            )
        };
        let (address, prefix) = text.split_once('/').map_or((text, None), |(address, prefix)| (address, Some(prefix)));
        let typed: IpAddr = address.parse().map_err(|_| refused("does not begin with an IP address"))?;
        let longest: u8 = if typed.is_ipv4() { 32 } else { 128 };
        let prefix = match prefix {
            None => longest,
            Some(digits) => digits
                .parse()
                .ok()
                .filter(|prefix| *prefix <= longest && digits.bytes().all(|digit| digit.is_ascii_digit()))
                .ok_or_else(|| refused("has no length of prefix that such an address can have"))?,
        };
        let canonical = typed.to_canonical();
        let prefix = match (typed, canonical) {
            (IpAddr::V6(_), IpAddr::V4(_)) => {
                prefix.checked_sub(96).ok_or_else(|| refused("is neither IPv4 nor IPv6"))?
            }
            _ => prefix,
        };
        match masked(canonical, prefix) {
            Some(first) if first == canonical => Ok(Self { first, prefix }),
            Some(_) | None => Err(refused("has bits behind its prefix, so it is not clear what is meant")),
        }
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.first, self.prefix)
    }
}

impl fmt::Debug for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_network_holds_what_its_prefix_says() {
        for (network, inside, outside) in [
            ("10.0.0.0/8", "10.255.0.1", "11.0.0.0"),
            ("10.0.0.0/8", "::ffff:10.1.2.3", "::10.1.2.3"),
            ("192.0.2.7", "192.0.2.7", "192.0.2.8"),
            ("0.0.0.0/0", "255.255.255.255", "::1"),
            ("::/0", "2001:db8::1", "1.2.3.4"),
            ("2001:db8::/32", "2001:db8:ffff::", "2001:db9::"),
            ("2001:db8::/127", "2001:db8::1", "2001:db8::2"),
            ("::ffff:10.0.0.0/104", "10.9.9.9", "11.0.0.0"),
            ("::1", "::1", "127.0.0.1"),
        ] {
            let parsed: Network = network.parse().unwrap();
            assert!(parsed.contains(inside.parse().unwrap()), "{network} and {inside}");
            assert!(!parsed.contains(outside.parse().unwrap()), "{network} and {outside}");
            assert_eq!(parsed.to_string().parse::<Network>().unwrap(), parsed, "{network}");
        }
    }

    #[test]
    fn what_is_no_network_is_refused_with_a_reason() {
        for (text, reason) in [
            ("", "does not begin"),
            ("example.com", "does not begin"),
            ("10.0.0.0/33", "length of prefix"),
            ("10.0.0.0/+8", "length of prefix"),
            ("10.0.0.0/", "length of prefix"),
            ("::/129", "length of prefix"),
            ("::/1000", "length of prefix"),
            ("10.0.0.1/8", "bits behind"),
            ("2001:db8::1/64", "bits behind"),
            ("::ffff:0.0.0.0/64", "neither"),
            ("10.0.0.0/8/8", "length of prefix"),
        ] {
            let error = text.parse::<Network>().unwrap_err();
            assert!(error.detail.contains(reason), "{text}: {error:?}");
        }
    }

    #[test]
    fn limits_count_by_address_or_by_network() {
        for (one, other, same) in [
            ("10.0.0.1", "10.0.0.2", false),
            ("10.0.0.1", "::ffff:10.0.0.1", true),
            ("2001:db8::1", "2001:db8::ffff:0:0:1", true),
            ("2001:db8::1", "2001:db8:0:1::1", false),
        ] {
            let network = |text: &str| ClientAddress(text.parse().unwrap()).network();
            assert_eq!(network(one) == network(other), same, "{one} and {other}");
        }
    }
}
