//! Every route, through every rule.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use http_body::Frame;
use tokio::time::timeout;

use super::*;
use crate::answer::POLICY;
use crate::routes::{ROUTES, Run};

/// A path that has the template's form. What it names does not exist; that is asked last.
fn path_of(place: &Place, template: &str) -> String {
    let project = place.project.to_string();
    let segments = template.split('/').map(|segment| match segment.strip_prefix(':') {
        Some("project") => project.clone(),
        Some(_) => "x".to_owned(),
        None => segment.to_owned(),
    });
    segments.collect::<Vec<_>>().join("/")
}

#[tokio::test]
async fn every_route_is_behind_the_rules() {
    const FORM: (&str, &str) = ("content-type", "application/x-www-form-urlencoded");
    const SAME: (&str, &str) = ("sec-fetch-site", "same-origin");
    let place = Place::open().await;
    for route in ROUTES {
        let (path, method) = (path_of(&place, route.template), route.method.as_str());
        let Run::Inside(least, _) = &route.run else { continue };
        let said = format!("{method} {}", route.template);
        // Nobody: to the sign-in, or nothing at all for what a page asks by itself.
        let nobody = place.send(method, &path, &[FORM, SAME], "").await;
        assert_eq!((nobody.status, nobody.location().starts_with("/console/sign-in")), (303, true), "{said}");
        assert_eq!(place.send(method, &path, &[FORM, SAME, ("x-console-look", "1")], "").await.status, 401, "{said}");
        let browser = place.sign_in(*least);
        let cookie = ("cookie", browser.cookie.as_str());
        assert_eq!(
            place.send(method, &path, &[FORM, cookie, ("sec-fetch-site", "cross-site")], "").await.status,
            403,
            "{said}"
        );
        assert_eq!(
            place.send(method, &path, &[FORM, cookie, SAME, ("sec-fetch-dest", "iframe")], "").await.status,
            403,
            "{said}"
        );
        if method == "POST" {
            assert_eq!(place.send(method, &path, &[FORM, cookie], "").await.status, 403, "{said}: of no page");
            assert_eq!(place.send(method, &path, &[cookie, SAME], "").await.status, 415, "{said}: no form");
            for token in ["", "_csrf=x", "_csrf="] {
                let other = place.send(method, &path, &[FORM, cookie, SAME], token).await;
                assert_eq!((other.status, other.text.contains("another sign-in")), (403, true), "{said}: {token}");
            }
            let large = "a".repeat(route.body_bytes_max + 1);
            assert_eq!(place.send(method, &path, &[FORM, cookie, SAME], &large).await.status, 413, "{said}: too large");
        }
        for lower in Role::ALL.into_iter().filter(|role| role < least) {
            let lesser = place.sign_in(lower);
            let seen =
                if method == "POST" { place.post(&lesser, &path, "").await } else { place.get(&lesser, &path).await };
            assert_eq!((seen.status, seen.text.contains("Your role")), (403, true), "{said} as {lower:?}");
        }
    }
}

#[tokio::test]
async fn every_answer_has_the_headers() {
    let place = Place::open().await;
    let owner = place.sign_in(Role::Owner);
    let pages = [
        place.get(&owner, &place.at("/")).await,
        place.get(&owner, "/console/nothing").await,
        place.send("GET", "/console/sign-in", &[], "").await,
        place.send("OPTIONS", "/console/", &[("origin", "https://evil.example")], "").await,
        place.send("GET", "/console/assets/none.css", &[], "").await,
        place.send("GET", "/console/", &[], "").await,
    ];
    assert_eq!(pages.each_ref().map(|seen| seen.status), [200, 404, 200, 405, 404, 303]);
    for seen in &pages {
        assert_eq!(seen.headers["content-security-policy"], POLICY);
        assert_eq!(seen.headers["cache-control"], "no-store");
        assert_eq!(seen.headers["x-content-type-options"], "nosniff");
        assert_eq!(seen.headers["x-frame-options"], "DENY");
        assert_eq!(seen.headers["referrer-policy"], "no-referrer");
        assert_eq!(seen.headers["cross-origin-opener-policy"], "same-origin");
        assert!(seen.headers["x-request-id"].to_str().unwrap().starts_with("con-7-"));
        assert!(seen.headers.keys().all(|name| !name.as_str().starts_with("access-control")), "{seen:?}");
        assert!(!seen.text.contains("style=") && !seen.text.contains("<script>") && !seen.text.contains(" onclick"));
    }
    assert!(POLICY.starts_with("default-src 'none'; ") && !POLICY.contains("unsafe"));
}

/// The beginning of a form, whose rest never comes.
struct Stuck(Option<Bytes>);

impl Body for Stuck {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        self.0.take().map_or(Poll::Pending, |begun| Poll::Ready(Some(Ok(Frame::data(begun)))))
    }
}

#[tokio::test(start_paused = true)]
async fn a_form_that_does_not_arrive_is_408_after_the_deadline() {
    let place = Place::open().await;
    let owner = place.sign_in(Role::Owner);
    // A stranger's, and that of somebody who is in.
    for (path, cookie) in [("/console/sign-in".to_owned(), ""), (place.at("/find"), owner.cookie.as_str())] {
        let stuck = || {
            let form = Request::builder().method("POST").uri(&path).header("host", "gate.example");
            let form = form.header("cookie", cookie).header("sec-fetch-site", "same-origin");
            let form = form.header("content-type", "application/x-www-form-urlencoded");
            place.ask(form.body(Stuck(Some(Bytes::from_static(b"username=a")))).unwrap())
        };
        assert!(timeout(Duration::from_secs(29), stuck()).await.is_err(), "{path}: given up before the deadline");
        let seen = timeout(Duration::from_secs(31), stuck()).await.expect("it is given up at the deadline");
        assert_eq!((seen.status, seen.text.contains("did not arrive in time")), (408, true), "{path}: {seen:?}");
    }
}

#[tokio::test]
async fn assets_are_kept_by_browsers() {
    let place = Place::open().await;
    let page = place.send("GET", "/console/sign-in", &[], "").await;
    let paths: Vec<&str> = page.text.split('"').filter(|part| part.starts_with("/console/assets/")).collect();
    assert!(paths.len() >= 3, "{paths:?}");
    for path in paths {
        let path = path.split('#').next().unwrap();
        let seen = place.send("GET", path, &[("sec-fetch-site", "same-origin")], "").await;
        assert_eq!(seen.status, 200, "{path}");
        assert!(seen.headers["cache-control"].to_str().unwrap().contains("immutable"));
        assert_eq!(place.send("GET", path, &[("sec-fetch-site", "cross-site")], "").await.status, 403, "{path}");
    }
}

#[tokio::test]
async fn unknown_projects_and_pages_are_not_found() {
    let place = Place::open().await;
    let viewer = place.sign_in(Role::Viewer);
    for path in ["/console/p/project_MA/", "/console/p/nothing/", "/console/p/project_MTIz/", "/console/p/"] {
        assert_eq!(place.get(&viewer, path).await.status, 404, "{path}");
    }
    assert_eq!(place.get(&viewer, "/console/").await.location(), place.at("/"));
}
