//! The request of a call: what the caller gives, and what is only ours to say. Pure.

use bytes::Bytes;
use http_body_util::Full;
use hyper::Request;
use hyper::header::{
    ACCEPT, CONNECTION, CONTENT_LENGTH, EXPECT, HOST, HeaderName, HeaderValue, TE, TRAILER, TRANSFER_ENCODING, UPGRADE,
    USER_AGENT,
};
use tollgate_core::ports::outbound::{Method, OutboundCall, OutboundFailure, Target};

/// What we say we are.
const AGENT: &str = concat!("Tollgate/", env!("CARGO_PKG_VERSION"));
/// Those that part one request from the next, or name the host that was checked.
const OURS: [HeaderName; 8] = [HOST, CONTENT_LENGTH, TRANSFER_ENCODING, CONNECTION, UPGRADE, TE, TRAILER, EXPECT];

/// The request of this call, whose address was read into `target`.
pub(super) fn request(target: &Target, call: OutboundCall) -> Result<Request<Full<Bytes>>, OutboundFailure> {
    let (method, body) = match call.method {
        Method::Get => (hyper::Method::GET, Vec::new()),
        Method::Post => (hyper::Method::POST, call.body),
    };
    let bad = || OutboundFailure::BadUrl("its path cannot be sent; percent-encode it");
    let mut request = Request::new(Full::new(Bytes::from(body)));
    *request.method_mut() = method;
    // The path alone: the host that is called is the one that was checked, and goes into its header.
    *request.uri_mut() = target.path.parse().map_err(|_| bad())?;
    let headers = request.headers_mut();
    headers.insert(HOST, HeaderValue::try_from(target.authority()).map_err(|_| bad())?);
    headers.insert(USER_AGENT, HeaderValue::from_static(AGENT));
    headers.insert(ACCEPT, HeaderValue::from_static("*/*"));
    let mut given = hyper::HeaderMap::new();
    for (name, value) in call.headers {
        let parsed = (HeaderName::try_from(&name), HeaderValue::try_from(value));
        let (Ok(parsed), Ok(value)) = parsed else {
            return Err(OutboundFailure::Other(format!("the header {name:?} is not one that HTTP can carry")));
        };
        if OURS.contains(&parsed) {
            return Err(OutboundFailure::Other(format!("the header {name:?} is not for a caller to set")));
        }
        given.append(parsed, value);
    }
    // What is given replaces what is ours, and may itself come several times.
    headers.extend(given);
    Ok(request)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn made(method: Method, headers: &[(&str, &str)]) -> Result<Request<Full<Bytes>>, OutboundFailure> {
        let headers = headers.iter().map(|(name, value)| (String::from(*name), String::from(*value))).collect();
        let (url, body) = ("https://h.example:8443/p?q=1".to_owned(), b"body".to_vec());
        let target = Target::parse(&url).unwrap();
        request(&target, OutboundCall { method, url, headers, body, timeout_ms: 1, answer_bytes_max: 0 })
    }

    #[test]
    fn a_call_becomes_a_request() {
        let request = made(Method::Post, &[("X-A", "1"), ("x-a", "2"), ("User-Agent", "me")]).unwrap();
        assert_eq!((request.method().as_str(), request.uri().to_string().as_str()), ("POST", "/p?q=1"));
        let all = |name: &str| request.headers().get_all(name).iter().map(|v| v.to_str().unwrap()).collect::<Vec<_>>();
        assert_eq!(all("host"), ["h.example:8443"]);
        assert_eq!((all("x-a"), all("user-agent"), all("accept")), (vec!["1", "2"], vec!["me"], vec!["*/*"]));
        let request = made(Method::Get, &[]).unwrap();
        assert_eq!(request.headers()["user-agent"], AGENT);
        assert_eq!(hyper::body::Body::size_hint(request.body()).exact(), Some(0), "a GET has no body");
    }

    #[test]
    fn headers_that_would_split_or_redirect_a_request_are_refused() {
        for name in ["Host", "content-length", "Transfer-Encoding", "connection", "upgrade", "te", "trailer", "expect"]
        {
            let said = made(Method::Post, &[(name, "x")]).unwrap_err().to_string();
            assert!(said.contains("not for a caller") && said.contains(name), "{said}");
        }
        for (name, value) in [("x y", "v"), ("", "v"), ("x:", "v"), ("x", "a\r\nb: c"), ("x", "a\0"), ("x\n", "v")] {
            let said = made(Method::Post, &[(name, value)]).unwrap_err().to_string();
            assert!(said.contains("HTTP can carry"), "{said}");
        }
    }
}
