//! Reading an address that is to be called. Stricter than browsers on purpose: two readers of a lenient grammar may disagree about the
//! host, and the one that checks must not be another than the one that connects. So there is one reader, and what it says is what is called.
//!
//! Whether the host may be reached is [`super::reach`]'s.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::OutboundFailure;

/// The longest address.
pub const URL_BYTES_MAX: usize = 2_048;
/// The longest name of a host, and of a part of it (RFC 1035).
const NAME_BYTES_MAX: usize = 253;
const LABEL_BYTES_MAX: usize = 63;

/// A host: an address, or a name in lower case without the dot that may stand at its end.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Host {
    /// To be resolved.
    Name(String),
    /// Written out.
    Address(IpAddr),
}

impl fmt::Display for Host {
    /// As in an address: IPv6 in brackets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(name) => f.write_str(name),
            Self::Address(IpAddr::V4(address)) => write!(f, "{address}"),
            Self::Address(IpAddr::V6(address)) => write!(f, "[{address}]"),
        }
    }
}

/// An address, taken apart.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Target {
    /// `https`, or else `http`.
    pub https: bool,
    /// Whom to call.
    pub host: Host,
    /// The port that is written, or the scheme's.
    pub port: u16,
    /// Path and query; begins with `/`.
    pub path: String,
}

impl Target {
    /// Reads `url`: `http` or `https`, no user name, no fragment, at most [`URL_BYTES_MAX`] bytes of visible ASCII. Numbers that only
    /// some readers take for IPv4 (`0x7f.1`, `2130706433`, `127.1`, `0177.0.0.1`) are refused.
    ///
    /// # Errors
    /// [`OutboundFailure::BadUrl`] says what is wrong with it.
    pub fn parse(url: &str) -> Result<Self, OutboundFailure> {
        parse(url).map_err(OutboundFailure::BadUrl)
    }

    /// Host and, unless it is the scheme's, port: for the `Host` header.
    #[must_use]
    pub fn authority(&self) -> String {
        let default = if self.https { 443 } else { 80 };
        if self.port == default { self.host.to_string() } else { format!("{}:{}", self.host, self.port) }
    }
}

fn parse(url: &str) -> Result<Target, &'static str> {
    if url.len() > URL_BYTES_MAX {
        return Err("it is longer than 2048 bytes");
    }
    if let Some(byte) = url.bytes().find(|byte| !matches!(byte, 0x21..=0x7e) || br#""<>\^`{|}"#.contains(byte)) {
        return Err(if byte.is_ascii() {
            "it holds a space, a control character or one of \" < > \\ ^ ` { | }; percent-encode it"
        } else {
            "it holds a character that is not ASCII; write the host as punycode (xn--…) and percent-encode the rest"
        });
    }
    if url.contains('#') {
        return Err("it has a fragment (#…), which is never sent; leave it out");
    }
    let (scheme, rest) = url.split_once("://").ok_or("it must begin with https://")?;
    let https = match scheme.to_ascii_lowercase().as_str() {
        "https" => true,
        "http" => false,
        _ => return Err("it must begin with https://"),
    };
    let (authority, path) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
    if authority.contains('@') {
        return Err("it holds a user name or a password, which an address must not");
    }
    let (host, port) = if let Some(rest) = authority.strip_prefix('[') {
        let (address, port) = rest.split_once(']').ok_or("the bracket of its IPv6 address is not closed")?;
        let address: Ipv6Addr = address.parse().map_err(|_| "what stands in brackets is not an IPv6 address")?;
        (Host::Address(address.into()), port)
    } else {
        let (name, port) = authority.split_at(authority.find(':').unwrap_or(authority.len()));
        (host(name)?, port)
    };
    let port = match port.strip_prefix(':') {
        None if port.is_empty() => {
            if https {
                443
            } else {
                80
            }
        }
        Some(digits) if digits.bytes().all(|byte| byte.is_ascii_digit()) => {
            digits.parse().ok().filter(|port| *port != 0).ok_or("its port is not a number from 1 to 65535")?
        }
        _ => return Err("its port is not a number from 1 to 65535"),
    };
    let path = if path.starts_with('/') { path.to_owned() } else { format!("/{path}") };
    Ok(Target { https, host, port, path })
}

/// Reads a host that does not stand in brackets.
pub(super) fn host(text: &str) -> Result<Host, &'static str> {
    let name = text.strip_suffix('.').unwrap_or(text).to_ascii_lowercase();
    if name.is_empty() {
        return Err("it names no host");
    }
    if let Ok(address) = name.parse::<Ipv4Addr>() {
        return Ok(Host::Address(address.into()));
    }
    let mut last = "";
    for label in name.split('.') {
        let fits = (1..=LABEL_BYTES_MAX).contains(&label.len()) && !label.starts_with('-') && !label.ends_with('-');
        if !fits || !label.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_')) {
            return Err("its host is not a name: parts of letters, digits and hyphens, parted by single dots");
        }
        last = label;
    }
    // The rule by which browsers tell a number from a name (WHATWG URL, "ends in a number").
    let hexadecimal =
        last.strip_prefix("0x").is_some_and(|digits| digits.bytes().all(|digit| digit.is_ascii_hexdigit()));
    if hexadecimal || last.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(
            "its host is a number that is not a plain IPv4 address; write four decimal numbers, such as 192.0.2.1",
        );
    }
    if name.len() > NAME_BYTES_MAX {
        return Err("the name of its host is longer than 253 bytes");
    }
    Ok(Host::Name(name))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn addresses_are_taken_apart() {
        let name = |name: &str| Host::Name(name.into());
        let address = |text: &str| Host::Address(text.parse().unwrap());
        for (url, https, host, port, path, authority) in [
            ("https://h.example", true, name("h.example"), 443, "/", "h.example"),
            ("HTTPS://H.Example:443/a?b=c", true, name("h.example"), 443, "/a?b=c", "h.example"),
            ("http://h.example.:8080?x", false, name("h.example"), 8080, "/?x", "h.example:8080"),
            ("http://a_b-c.example:443/", false, name("a_b-c.example"), 443, "/", "a_b-c.example:443"),
            (
                "https://xn--mnchen-3ya.example/",
                true,
                name("xn--mnchen-3ya.example"),
                443,
                "/",
                "xn--mnchen-3ya.example",
            ),
            ("https://192.0.2.1./", true, address("192.0.2.1"), 443, "/", "192.0.2.1"),
            ("https://[::1]:99/", true, address("::1"), 99, "/", "[::1]:99"),
            ("https://[::ffff:127.0.0.1]", true, address("::ffff:127.0.0.1"), 443, "/", "[::ffff:127.0.0.1]"),
            ("https://h/a@b//c:d/[e]", true, name("h"), 443, "/a@b//c:d/[e]", "h"),
            ("https://0xcafe.example/", true, name("0xcafe.example"), 443, "/", "0xcafe.example"),
            ("https://0xyz/", true, name("0xyz"), 443, "/", "0xyz"),
        ] {
            let target = Target::parse(url).unwrap();
            assert_eq!(target.authority(), authority, "{url}");
            assert_eq!(target, Target { https, host, port, path: path.into() }, "{url}");
        }
    }

    #[test]
    fn what_readers_could_disagree_about_is_refused() {
        let label = "a".repeat(64);
        let long_name = format!("https://{}example/", "abcdefg.".repeat(32));
        let long = format!("https://h.example/{}", "a".repeat(2048));
        for (url, why) in [
            ("", "https://"),
            ("//h/", "https://"),
            ("h.example", "https://"),
            ("ftp://h/", "https://"),
            ("https:/h/", "https://"),
            ("javascript://h/", "https://"),
            ("https://", "no host"),
            ("https:///p", "no host"),
            ("https://./", "no host"),
            ("https://:443/", "no host"),
            ("https://u@h/", "user name"),
            ("https://u:p@h/", "user name"),
            ("https://h.example@127.0.0.1/", "user name"),
            ("https://h\\@127.0.0.1/", "percent-encode"),
            ("https://h/#f", "fragment"),
            ("https://h#@127.0.0.1/", "fragment"),
            ("https://h /", "percent-encode"),
            ("https://h/\r\nX: y", "percent-encode"),
            ("https://h/a|b", "percent-encode"),
            ("https://h/\u{7f}", "percent-encode"),
            ("https://münchen.example/", "punycode"),
            ("https://127。0。0。1/", "punycode"),
            ("https://①②⑦.0.0.1/", "punycode"),
            ("https://h%2eexample/", "not a name"),
            ("https://a..b/", "not a name"),
            ("https://.a/", "not a name"),
            ("https://a../", "not a name"),
            ("https://-a/", "not a name"),
            ("https://a-.b/", "not a name"),
            (&format!("https://{label}/"), "not a name"),
            (&long_name, "253"),
            (&long, "2048"),
            ("https://2130706433/", "four decimal"),
            ("https://0x7f.1/", "four decimal"),
            ("https://0x7f000001/", "four decimal"),
            ("https://0x/", "four decimal"),
            ("https://127.1/", "four decimal"),
            ("https://0177.0.0.1/", "four decimal"),
            ("https://127.0.0.01/", "four decimal"),
            ("https://127.0.0.1.1/", "four decimal"),
            ("https://256.0.0.1/", "four decimal"),
            ("https://a.1/", "four decimal"),
            ("https://127.0.0.0x1/", "four decimal"),
            ("https://[::1/", "not closed"),
            ("https://[::1%25eth0]/", "not an IPv6"),
            ("https://[127.0.0.1]/", "not an IPv6"),
            ("https://[h]/", "not an IPv6"),
            ("https://::1/", "no host"),
            ("https://[::1]x/", "port"),
            ("https://h:/", "port"),
            ("https://h:0/", "port"),
            ("https://h:65536/", "port"),
            ("https://h:+80/", "port"),
            ("https://h:80:80/", "port"),
        ] {
            let said = Target::parse(url).unwrap_err().to_string();
            assert!(said.starts_with("the address cannot be called: ") && said.contains(why), "{url:?}: {said}");
        }
    }
}
