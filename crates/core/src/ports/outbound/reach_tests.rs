//! The rules against a table of addresses in every spelling.
#![allow(clippy::unwrap_used)]

use super::*;
use crate::ports::outbound::{NoOutbound, Outbound, check_url};

fn rules(allowed: &[&str]) -> OutboundRules {
    OutboundRules { allowed: allowed.iter().map(|text| Allowed::parse(text).unwrap()).collect(), ..Default::default() }
}

/// First and last of every refused range, and what lies just outside of it.
#[test]
fn ranges_end_where_the_registries_say() {
    for (first, last, word) in [
        ("0.0.0.0", "0.255.255.255", "this"),
        ("10.0.0.0", "10.255.255.255", "private"),
        ("100.64.0.0", "100.127.255.255", "carriers"),
        ("127.0.0.0", "127.255.255.255", "loopback"),
        ("169.254.0.0", "169.254.255.255", "link-local"),
        ("172.16.0.0", "172.31.255.255", "private"),
        ("192.0.0.0", "192.0.0.255", "protocols"),
        ("192.0.2.0", "192.0.2.255", "documentation"),
        ("192.88.99.0", "192.88.99.255", "6to4"),
        ("192.168.0.0", "192.168.255.255", "private"),
        ("198.18.0.0", "198.19.255.255", "benchmarking"),
        ("198.51.100.0", "198.51.100.255", "documentation"),
        ("203.0.113.0", "203.0.113.255", "documentation"),
        ("168.63.129.16", "168.63.129.16", "cloud"),
        ("224.0.0.0", "239.255.255.255", "multicast"),
        ("240.0.0.0", "255.255.255.254", "reserved"),
        ("255.255.255.255", "255.255.255.255", "broadcast"),
        ("::", "::", "unspecified"),
        ("::1", "::1", "loopback"),
        ("::2", "::fffe:ffff:ffff", "outside"),
        ("::ffff:0.0.0.0", "::ffff:0.255.255.255", "this"),
        ("::ffff:127.0.0.0", "::ffff:127.255.255.255", "loopback"),
        ("::ffff:a9fe:0", "::ffff:a9fe:ffff", "link-local"),
        ("64:ff9b::10.0.0.0", "64:ff9b::10.255.255.255", "private"),
        ("64:ff9b:1::", "64:ff9b:1:ffff:ffff:ffff:ffff:ffff", "translated"),
        ("100::", "100::ffff:ffff:ffff:ffff", "outside"),
        ("2001::", "2001:1ff:ffff:ffff:ffff:ffff:ffff:ffff", "protocols"),
        ("2001:db8::", "2001:db8:ffff:ffff:ffff:ffff:ffff:ffff", "documentation"),
        ("2002:a00::", "2002:aff:ffff:ffff:ffff:ffff:ffff:ffff", "private"),
        ("2002:7f00:1::", "2002:7f00:1:ffff:ffff:ffff:ffff:ffff", "loopback"),
        ("3fff::", "3fff:fff:ffff:ffff:ffff:ffff:ffff:ffff", "documentation"),
        ("4000::", "fbff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "outside"),
        ("fc00::", "fdff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "private"),
        ("fe80::", "febf:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "link-local"),
        ("fec0::", "feff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "outside"),
        ("ff00::", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "multicast"),
    ] {
        for text in [first, last] {
            let range = private_range(text.parse().unwrap());
            assert!(range.is_some_and(|range| range.contains(word)), "{text}: {range:?}");
        }
    }
    for text in [
        "1.0.0.0",
        "9.255.255.255",
        "11.0.0.0",
        "100.63.255.255",
        "100.128.0.0",
        "126.255.255.255",
        "128.0.0.0",
        "168.63.129.15",
        "168.63.129.17",
        "169.253.255.255",
        "169.255.0.0",
        "172.15.255.255",
        "172.32.0.0",
        "192.0.1.0",
        "192.0.3.0",
        "192.88.98.255",
        "192.88.100.0",
        "192.167.255.255",
        "192.169.0.0",
        "198.17.255.255",
        "198.20.0.0",
        "198.51.99.255",
        "198.51.101.0",
        "203.0.112.255",
        "203.0.114.0",
        "223.255.255.255",
        "2000::",
        "2001:200::",
        "2001:db7:ffff::",
        "2001:db9::",
        "2003::",
        "2606:4700::1111",
        "3ffe:ffff::",
        "3fff:1000::",
        "::ffff:8.8.8.8",
        "64:ff9b::8.8.8.8",
        "2002:808:808::1",
    ] {
        assert_eq!(private_range(text.parse().unwrap()), None, "{text}");
    }
}

#[test]
fn an_address_is_refused_in_every_spelling() {
    for url in [
        "https://127.0.0.1/",
        "https://127.0.0.1./",
        "https://127.0.0.1:8443/",
        "https://[::1]/",
        "https://[0:0:0:0:0:0:0:1]/",
        "https://[::ffff:127.0.0.1]/",
        "https://[::ffff:7f00:1]/",
        "https://[64:ff9b::7f00:1]/",
        "https://[2002:7f00:1::]/",
        "https://[::]/",
        "https://0.0.0.0/",
        "https://169.254.169.254/latest/meta-data/",
        "https://[fd00:ec2::254]/",
        "https://localhost/",
        "https://LOCALHOST./",
        "https://a.b.localhost/",
    ] {
        let refused = check_url(url, false);
        assert!(matches!(refused, Err(OutboundFailure::TargetRefused { .. })), "{url}: {refused:?}");
        assert_eq!(NoOutbound.check(url), refused, "{url}");
        assert_eq!(check_url(url, true), Ok(()), "{url}");
    }
    // What only some readers take for an address is no address at all, whatever is allowed.
    for url in
        ["https://0x7f.1/", "https://2130706433/", "https://0177.0.0.1/", "https://127.1/", "https://127。0。0。1/"]
    {
        for allow in [false, true] {
            assert!(matches!(check_url(url, allow), Err(OutboundFailure::BadUrl(_))), "{url}");
        }
    }
    for url in
        ["https://hooks.example/a?b", "https://8.8.8.8/", "https://[2606:4700::1111]/", "https://localhost.example/"]
    {
        assert_eq!(check_url(url, false), Ok(()), "{url}");
    }
}

#[test]
fn plain_http_is_refused_unless_allowed() {
    let said = check_url("http://hooks.example/", false).unwrap_err().to_string();
    assert!(said.contains("outbound.allow_http"), "{said}");
    let open = OutboundRules { allow_http: true, ..Default::default() };
    assert!(open.target("http://hooks.example/").is_ok());
    assert!(open.target("http://127.0.0.1/").is_err(), "one does not imply the other");
}

#[test]
fn names_and_networks_are_let_through_and_nothing_beside_them() {
    let rules = rules(&["Hooks.Internal.", "10.1.0.0/16", "fd00::/8", "127.0.0.1", "localhost"]);
    let reach = |host: &str, address: &str| {
        let host = target_host(host);
        rules.may_reach(&host, address.parse().unwrap()).is_ok()
    };
    for (host, address, may) in [
        ("hooks.internal", "192.168.0.1", true),
        ("hooks.internal", "127.0.0.1", true),
        ("a.hooks.internal", "192.168.0.1", false),
        ("hooks.internal.example", "192.168.0.1", false),
        ("other", "10.1.255.255", true),
        ("other", "10.2.0.0", false),
        ("other", "::ffff:10.1.0.1", true),
        ("other", "64:ff9b::10.1.0.1", false),
        ("other", "fd12::1", true),
        ("other", "fc12::1", false),
        ("other", "127.0.0.1", true),
        ("other", "127.0.0.2", false),
        ("other", "8.8.8.8", true),
    ] {
        assert_eq!(reach(host, address), may, "{host} at {address}");
    }
    assert!(rules.target("https://localhost/").is_ok() && rules.target("https://a.localhost/").is_ok(), "127.0.0.1 is");
    assert!(rules.target("https://127.0.0.2/").is_err());
}

fn target_host(name: &str) -> Host {
    Target::parse(&format!("https://{name}/")).unwrap().host
}

#[test]
fn what_is_allowed_is_read_strictly() {
    for (text, problem) in [
        ("", "neither"),
        ("10.0.0.0/33", "length of prefix"),
        ("10.0.0.0/-1", "length of prefix"),
        ("10.0.0.0/x", "length of prefix"),
        ("::/129", "length of prefix"),
        ("10.0.0.1/8", "bits behind"),
        ("fd00::1/8", "bits behind"),
        ("0.0.0.1/0", "bits behind"),
        ("hooks.internal/8", "does not begin"),
        ("*.internal", "neither"),
        ("https://hooks.internal", "does not begin"),
        ("hooks.internal:8080", "neither"),
        ("10.1", "neither"),
    ] {
        let said = Allowed::parse(text).unwrap_err();
        assert!(said.contains(problem), "{text}: {said}");
    }
    let all = OutboundRules { allowed: vec![Allowed::parse("0.0.0.0/0").unwrap()], ..Default::default() };
    assert!(all.target("https://10.0.0.1/").is_ok() && all.target("https://[::1]/").is_err());
    assert_eq!(Allowed::parse("10.0.0.7"), Allowed::parse("10.0.0.7/32"));
}

#[test]
fn failures_name_the_host_and_nothing_secret() {
    let refused = check_url("https://10.1.2.3/path?token=s3cret", false).unwrap_err().to_string();
    assert!(refused.contains("10.1.2.3") && refused.contains("outbound.allowed_hosts"), "{refused}");
    assert!(!refused.contains("s3cret") && !refused.contains("path"), "{refused}");
    for url in ["https://user:s3cret@h/", "https://h/?s3cret#x", "ftp://s3cret", "https://s3cret /"] {
        let said = check_url(url, false).unwrap_err().to_string();
        assert!(!said.contains("s3cret"), "{said}");
    }
}
