//! The rules of HTTP that every request is held to before anything else is looked at: who may ask from where. Pure. Roles and operations
//! are not here.
//!
//! Browsers say with `Sec-Fetch-*` what a request is and which page made it; no page can change that. Whoever is no browser has no cookie that
//! was not given to it, so what is missing is refused only where a change is asked for.

use http::header::{CONTENT_TYPE, HOST, ORIGIN};
use http::{HeaderMap, Method, StatusCode, Uri};

/// Why a request is not looked at, for its sender.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Broken {
    pub(crate) status: StatusCode,
    pub(crate) why: &'static str,
}

const QUERY_BYTES_MAX: usize = 4 * 1024;

/// What the rules look at.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Request<'a> {
    pub(crate) method: &'a Method,
    pub(crate) uri: &'a Uri,
    pub(crate) headers: &'a HeaderMap,
}

impl<'a> Request<'a> {
    fn header(self, name: &str) -> Option<&'a str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    /// The host that was asked for, as its sender spelled it.
    pub(crate) fn host(self) -> Option<&'a str> {
        self.uri.authority().map(http::uri::Authority::as_str).or_else(|| self.headers.get(HOST)?.to_str().ok())
    }

    /// Comes from a page of another origin, by a link or by its address bar's history.
    pub(crate) fn is_led_here_from_elsewhere(self) -> bool {
        self.header("sec-fetch-site") == Some("cross-site")
    }
}

/// The rules.
///
/// # Errors
/// The first that is broken.
pub(crate) fn check(request: Request, hosts: &[String]) -> Result<(), Broken> {
    let broken = |status, why| Err(Broken { status, why });
    if ![Method::GET, Method::HEAD, Method::POST].contains(request.method) {
        return broken(StatusCode::METHOD_NOT_ALLOWED, "Only GET and POST are known here.");
    }
    let host = request.host().unwrap_or_default();
    if !hosts.is_empty() && !hosts.iter().any(|one| one.eq_ignore_ascii_case(host)) {
        return broken(StatusCode::MISDIRECTED_REQUEST, "The console is not reached by this name (see console.hosts).");
    }
    if request.uri.query().is_some_and(|query| query.len() > QUERY_BYTES_MAX) {
        return broken(StatusCode::URI_TOO_LONG, "The address has more than 4 KiB behind its question mark.");
    }
    if matches!(request.header("sec-fetch-dest"), Some("iframe" | "frame" | "object" | "embed" | "fencedframe")) {
        return broken(StatusCode::FORBIDDEN, "The console is not shown inside of other pages.");
    }
    if *request.method == Method::POST { change(request, host) } else { look(request) }
}

fn look(request: Request) -> Result<(), Broken> {
    let led =
        request.header("sec-fetch-mode") == Some("navigate") && request.header("sec-fetch-dest") == Some("document");
    match request.header("sec-fetch-site") {
        None | Some("same-origin" | "none") => Ok(()),
        Some(_) if led => Ok(()),
        Some(_) => Err(Broken { status: StatusCode::FORBIDDEN, why: "Pages of other origins read nothing here." }),
    }
}

fn change(request: Request, host: &str) -> Result<(), Broken> {
    const ELSEWHERE: Broken = Broken {
        status: StatusCode::FORBIDDEN,
        why: "Changes are made on the console's own pages only. Open it, and try again there.",
    };
    let content_type = request.headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let media = content_type.split(';').next().unwrap_or_default().trim();
    if !media.eq_ignore_ascii_case("application/x-www-form-urlencoded") {
        return Err(Broken { status: StatusCode::UNSUPPORTED_MEDIA_TYPE, why: "A form is needed here." });
    }
    match request.header("sec-fetch-site") {
        Some("same-origin") => Ok(()),
        Some(_) => Err(ELSEWHERE),
        None => match request
            .headers
            .get(ORIGIN)
            .and_then(|value| value.to_str().ok())
            .and_then(|text| text.split_once("://"))
        {
            Some(("http" | "https", named)) if !host.is_empty() && named.eq_ignore_ascii_case(host) => Ok(()),
            _ => Err(ELSEWHERE),
        },
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const FORM: (&str, &str) = ("content-type", "application/x-www-form-urlencoded");

    fn check_one(method: &Method, headers: &[(&str, &str)], hosts: &[&str]) -> u16 {
        let mut request = http::Request::builder().method(method).uri("/console/").header("host", "gate.example");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let (parts, ()) = request.body(()).unwrap().into_parts();
        let hosts: Vec<String> = hosts.iter().map(|&host| host.to_owned()).collect();
        let asked = Request { method: &parts.method, uri: &parts.uri, headers: &parts.headers };
        check(asked, &hosts).map_or_else(|broken| broken.status.as_u16(), |()| 200)
    }

    #[test]
    fn who_may_look() {
        let navigation = [("sec-fetch-mode", "navigate"), ("sec-fetch-dest", "document")];
        for (site, plain, led) in
            [("same-origin", 200, 200), ("none", 200, 200), ("same-site", 403, 200), ("cross-site", 403, 200)]
        {
            assert_eq!(check_one(&Method::GET, &[("sec-fetch-site", site)], &[]), plain, "{site}");
            assert_eq!(check_one(&Method::HEAD, &[("sec-fetch-site", site)], &[]), plain, "{site}");
            let both = [&[("sec-fetch-site", site)][..], &navigation].concat();
            assert_eq!(check_one(&Method::GET, &both, &[]), led, "{site}, led");
        }
        assert_eq!(check_one(&Method::GET, &[], &[]), 200);
        for dest in ["iframe", "frame", "object", "embed"] {
            assert_eq!(
                check_one(&Method::GET, &[("sec-fetch-dest", dest), ("sec-fetch-site", "same-origin")], &[]),
                403
            );
        }
    }

    #[test]
    fn who_may_change() {
        let table: [(&[(&str, &str)], u16); 12] = [
            (&[FORM, ("sec-fetch-site", "same-origin")], 200),
            (
                &[
                    ("content-type", "application/x-www-form-urlencoded; charset=UTF-8"),
                    ("sec-fetch-site", "same-origin"),
                ],
                200,
            ),
            (&[FORM, ("sec-fetch-site", "same-site")], 403),
            (&[FORM, ("sec-fetch-site", "cross-site"), ("origin", "http://gate.example")], 403),
            (&[FORM, ("sec-fetch-site", "none")], 403),
            (&[FORM, ("origin", "http://gate.example")], 200),
            (&[FORM, ("origin", "https://gate.example")], 200),
            (&[FORM, ("origin", "http://gate.example:81")], 403),
            (&[FORM, ("origin", "null")], 403),
            (&[FORM], 403),
            (&[("content-type", "text/plain"), ("sec-fetch-site", "same-origin")], 415),
            (&[("sec-fetch-site", "same-origin")], 415),
        ];
        for (headers, status) in table {
            assert_eq!(check_one(&Method::POST, headers, &[]), status, "{headers:?}");
        }
    }

    #[test]
    fn by_which_names_and_methods() {
        assert_eq!(check_one(&Method::GET, &[], &["gate.example"]), 200);
        assert_eq!(check_one(&Method::GET, &[], &["other.example", "GATE.example"]), 200);
        assert_eq!(check_one(&Method::GET, &[], &["other.example"]), 421);
        for method in [Method::OPTIONS, Method::PUT, Method::DELETE, Method::PATCH, Method::TRACE] {
            assert_eq!(check_one(&method, &[], &[]), 405);
        }
    }
}
