//! Whose request this is: the address of the socket, or, behind proxies that the operator trusts, the one they vouch for. Pure. What the
//! address is used for (limits, lists, the audit) is not here.
//!
//! A client can send any header, and a proxy adds to what it was sent. So only the end of the list that trusted proxies wrote is believed:
//! read from the right, the first address that is no trusted proxy's is the client's (OWASP ASVS 4.1.3).

use std::net::{IpAddr, SocketAddr};

use http::header::FORWARDED;
use http::{HeaderMap, HeaderName, HeaderValue};
use tollgate_core::peer::{ClientAddress, Network, PEER_TEXT_BYTES_MAX, Peer};

/// `X-Forwarded-For`, which has no constant of its own.
const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
/// Most addresses that are looked at, from the right. Nobody has so many proxies.
const HOPS_MAX: usize = 32;

/// Which header the proxies write. One, never both: a proxy passes the other on as its client wrote it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ForwardedBy {
    /// `X-Forwarded-For`, the custom of nearly all proxies.
    #[default]
    XForwardedFor,
    /// `Forwarded` (RFC 7239).
    Forwarded,
}

/// The proxies in front of this server.
#[derive(Clone, Debug, Default)]
pub struct Proxies {
    /// Where they connect from. Empty: nobody is believed.
    pub trusted: Vec<Network>,
    /// What they write.
    pub header: ForwardedBy,
}

impl Proxies {
    /// Whether a trusted proxy connects from this address.
    pub(crate) fn is_trusted(&self, address: IpAddr) -> bool {
        self.trusted.iter().any(|network| network.contains(address))
    }

    /// The client of a request that came over a socket from `socket`.
    #[must_use]
    pub fn client(&self, socket: IpAddr, headers: &HeaderMap) -> ClientAddress {
        let mut known = socket.to_canonical();
        if !self.is_trusted(known) {
            return ClientAddress(known);
        }
        for hop in self.hops(headers).rev().take(HOPS_MAX) {
            // "unknown", a made-up word, or rubbish: the proxy that wrote it is the last that is known.
            let Some(address) = hop.and_then(address_of) else { break };
            known = address;
            if !self.is_trusted(known) {
                break;
            }
        }
        ClientAddress(known)
    }

    /// Each hop's word for whom it served, nearest last; `None` where it did not say.
    fn hops<'a>(&self, headers: &'a HeaderMap) -> impl DoubleEndedIterator<Item = Option<&'a str>> {
        let (name, read): (_, fn(&str) -> Option<&str>) = match self.header {
            ForwardedBy::XForwardedFor => (X_FORWARDED_FOR, |hop| Some(hop.trim())),
            ForwardedBy::Forwarded => (FORWARDED, forwarded_for),
        };
        // A value that is no text hides how many hops it holds, so it counts as one that did not say.
        let hops: Vec<_> = headers
            .get_all(name)
            .iter()
            .flat_map(|value| value.to_str().unwrap_or("unknown").split(','))
            .map(read)
            .collect();
        hops.into_iter()
    }
}

/// The `for` of one element of `Forwarded`: `for=192.0.2.60;proto=http`.
fn forwarded_for(element: &str) -> Option<&str> {
    let mut pairs = element.split(';').filter_map(|pair| pair.split_once('='));
    pairs.find(|(name, _)| name.trim().eq_ignore_ascii_case("for")).map(|(_, value)| value.trim())
}

/// An address as proxies spell it: with or without quotes, brackets and port.
fn address_of(hop: &str) -> Option<IpAddr> {
    let bare = hop.strip_prefix('"').and_then(|text| text.strip_suffix('"')).unwrap_or(hop);
    let unbracketed = || bare.strip_prefix('[')?.strip_suffix(']')?.parse().ok();
    let address = bare.parse().ok().or_else(unbracketed);
    address.or_else(|| bare.parse::<SocketAddr>().ok().map(|socket| socket.ip())).map(|address| address.to_canonical())
}

/// What a handshake tells of its client.
pub(crate) fn peer(client: ClientAddress, headers: &HeaderMap) -> Peer {
    let text = |name| {
        let mut values = headers.get_all(name).iter().map(HeaderValue::as_bytes);
        let mut text = String::from_utf8_lossy(values.next()?).into_owned();
        // Said twice is said in no way that a list could allow.
        values.for_each(|other| text = format!("{text}, {}", String::from_utf8_lossy(other)));
        let end = (0..=PEER_TEXT_BYTES_MAX.min(text.len())).rev().find(|end| text.is_char_boundary(*end));
        text.truncate(end.unwrap_or(0));
        Some(text.into())
    };
    Peer { address: client.0, origin: text(http::header::ORIGIN), user_agent: text(http::header::USER_AGENT) }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn proxies(header: ForwardedBy, trusted: &[&str]) -> Proxies {
        Proxies { trusted: trusted.iter().map(|network| network.parse().unwrap()).collect(), header }
    }

    fn headers(pairs: &[(&'static str, &[u8])]) -> HeaderMap {
        pairs
            .iter()
            .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_bytes(value).unwrap()))
            .collect()
    }

    fn check(proxies: &Proxies, socket: &str, pairs: &[(&'static str, &[u8])], expected: &str) {
        let ClientAddress(found) = proxies.client(socket.parse().unwrap(), &headers(pairs));
        assert_eq!(found.to_string(), expected, "{socket} {pairs:?}");
    }

    #[test]
    fn nobody_is_believed_who_is_not_trusted() {
        let forged: &[(&str, &[u8])] = &[("x-forwarded-for", b"1.1.1.1"), ("forwarded", b"for=2.2.2.2")];
        check(&Proxies::default(), "10.0.0.1", forged, "10.0.0.1");
        check(&proxies(ForwardedBy::XForwardedFor, &["10.0.0.2"]), "10.0.0.1", forged, "10.0.0.1");
        check(&proxies(ForwardedBy::XForwardedFor, &["10.0.0.2"]), "::ffff:9.9.9.9", forged, "9.9.9.9");
    }

    #[test]
    fn the_right_most_address_that_is_not_trusted_is_the_client() {
        let proxies = proxies(ForwardedBy::XForwardedFor, &["10.0.0.0/8", "2001:db8:1::/48"]);
        let xff: &[(&[u8], &str)] = &[
            (b"1.1.1.1", "1.1.1.1"),
            (b"6.6.6.6, 1.1.1.1", "1.1.1.1"),
            (b"6.6.6.6, 1.1.1.1, 10.0.0.9", "1.1.1.1"),
            (b"6.6.6.6, 1.1.1.1, 10.0.0.9,2001:db8:1::7 ", "1.1.1.1"),
            (b"10.0.0.7, 10.0.0.8", "10.0.0.7"),
            (b"1.1.1.1:4711", "1.1.1.1"),
            (b"[2001:db8::1]:4711", "2001:db8::1"),
            (b"[2001:db8::1]", "2001:db8::1"),
            (b"2001:db8::1", "2001:db8::1"),
            (b"::ffff:1.1.1.1", "1.1.1.1"),
            (b"6.6.6.6, ::ffff:10.0.0.3", "6.6.6.6"),
            (b"6.6.6.6, unknown", "10.0.0.1"),
            (b"6.6.6.6, unknown, 10.0.0.3", "10.0.0.3"),
            (b"6.6.6.6, 999.1.1.1", "10.0.0.1"),
            (b"", "10.0.0.1"),
            (b",,,", "10.0.0.1"),
            (b"6.6.6.6, \xFF, 10.0.0.3", "10.0.0.1"),
        ];
        for (value, expected) in xff {
            check(&proxies, "10.0.0.1", &[("x-forwarded-for", value)], expected);
        }
        // Lines are one list, in their order.
        check(&proxies, "10.0.0.1", &[("x-forwarded-for", b"1.1.1.1"), ("x-forwarded-for", b"10.0.0.4")], "1.1.1.1");
        check(&proxies, "10.0.0.1", &[], "10.0.0.1");
        // What the client wrote into the other header is not asked.
        check(&proxies, "10.0.0.1", &[("x-forwarded-for", b"1.1.1.1"), ("forwarded", b"for=6.6.6.6")], "1.1.1.1");
    }

    #[test]
    fn forwarded_is_read_as_its_rfc_says() {
        let proxies = proxies(ForwardedBy::Forwarded, &["10.0.0.0/8"]);
        for (value, expected) in [
            (&b"for=1.1.1.1"[..], "1.1.1.1"),
            (b"For=\"[2001:db8:cafe::17]:4711\"", "2001:db8:cafe::17"),
            (b"proto=http; for=1.1.1.1 ;by=10.0.0.1", "1.1.1.1"),
            (b"for=6.6.6.6, for=1.1.1.1;proto=https, for=10.0.0.2", "1.1.1.1"),
            (b"for=6.6.6.6, proto=https", "10.0.0.1"),
            (b"for=6.6.6.6, for=_hidden", "10.0.0.1"),
            (b"for=6.6.6.6, for=unknown, for=10.0.0.2", "10.0.0.2"),
        ] {
            check(&proxies, "10.0.0.1", &[("forwarded", value), ("x-forwarded-for", b"7.7.7.7")], expected);
        }
    }

    #[test]
    fn a_list_without_end_is_cut() {
        let proxies = proxies(ForwardedBy::XForwardedFor, &["10.0.0.0/8"]);
        let list = vec!["10.0.0.5"; 1_000].join(",");
        check(&proxies, "10.0.0.1", &[("x-forwarded-for", format!("1.1.1.1,{list}").as_bytes())], "10.0.0.5");
    }

    #[test]
    fn a_handshake_tells_origin_and_program() {
        let client = ClientAddress("1.1.1.1".parse().unwrap());
        let long = "é".repeat(PEER_TEXT_BYTES_MAX);
        for (pairs, origin) in [
            (vec![], None),
            (vec![("origin", &b"https://a.example"[..])], Some("https://a.example".to_owned())),
            (vec![("origin", b"https://a.example"), ("origin", b"null")], Some("https://a.example, null".to_owned())),
            (vec![("origin", long.as_bytes())], Some("é".repeat(PEER_TEXT_BYTES_MAX / 2))),
        ] {
            assert_eq!(peer(client, &headers(&pairs)).origin.as_deref(), origin.as_deref());
        }
        let told = peer(client, &headers(&[("user-agent", b"curl/8\xFF")]));
        assert_eq!((told.address.to_string(), told.user_agent.as_deref()), ("1.1.1.1".into(), Some("curl/8\u{fffd}")));
    }
}
