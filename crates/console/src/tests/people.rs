//! Sessions: how they begin, go on, and end.

use super::*;

#[tokio::test]
async fn a_session_ends_without_use_and_in_any_case() {
    let place = Place::open().await;
    let (idle, busy) = (place.sign_in(Role::Viewer), place.sign_in(Role::Viewer));
    let is_in = async |browser: &Browser| place.get(browser, &place.at("/")).await.status == 200;
    place.clock.advance(IDLE_MS - 1);
    assert!(is_in(&busy).await);
    // What a page asks by itself is no use.
    let look = place.send("GET", &place.at("/"), &[("cookie", &idle.cookie), ("x-console-look", "1")], "").await;
    assert_eq!(look.status, 200);
    place.clock.advance(1);
    assert!(!is_in(&idle).await && is_in(&busy).await);
    while place.clock.monotonic().0 < SESSION_MS - IDLE_MS {
        place.clock.advance(IDLE_MS / 2);
        assert!(is_in(&busy).await);
    }
    place.clock.advance(SESSION_MS - place.clock.monotonic().0);
    assert!(!is_in(&busy).await);
}

#[tokio::test]
async fn signing_out_ends_this_session_only() {
    let place = Place::open().await;
    let (one, other) = (place.sign_in(Role::Owner), place.sign_in(Role::Owner));
    let seen = place.post(&one, "/console/sign-out", "").await;
    assert_eq!((seen.status, seen.location()), (303, "/console/sign-in"));
    assert!(seen.headers["set-cookie"].to_str().unwrap().contains("Max-Age=0"));
    assert_eq!(place.get(&one, &place.at("/")).await.status, 303);
    assert_eq!(place.get(&other, &place.at("/")).await.status, 200);
}

#[tokio::test]
async fn signing_in_leads_only_to_our_own_pages() {
    let place = Place::open().await;
    let browser = place.sign_in(Role::Viewer);
    for (to, expected) in [
        ("/console/p/x", "/console/p/x"),
        ("https://evil.example/", "/console/"),
        ("//evil.example", "/console/"),
        ("/console//evil.example", "/console/"),
        ("/console/%5C%5Cevil", "/console/"),
        ("/console/%0D%0Ax", "/console/"),
        ("", "/console/"),
    ] {
        // A path is decoded once by the form, so a backslash arrives as one.
        let to = to.replace('/', "%2F");
        assert_eq!(place.get(&browser, &format!("/console/sign-in?to={to}")).await.location(), expected, "{to}");
    }
    let wanted = place.at("/channels?prefix=a");
    let nobody = place.send("GET", &wanted, &[("sec-fetch-site", "none")], "").await;
    assert_eq!(nobody.location(), format!("/console/sign-in?to={}", crate::words::path(&wanted)));
}

#[tokio::test]
async fn a_link_from_elsewhere_is_followed_in_a_second_step() {
    let place = Place::open().await;
    let navigation = [("sec-fetch-site", "cross-site"), ("sec-fetch-mode", "navigate"), ("sec-fetch-dest", "document")];
    let seen = place.send("GET", "/console/p/a%22b", &navigation, "").await;
    assert_eq!(seen.status, 200);
    assert!(seen.text.contains(r#"content="0; url=/console/p/a%22b""#), "{}", seen.text);
    // With a cookie there is nothing to wait for.
    let browser = place.sign_in(Role::Viewer);
    let headers = [&navigation[..], &[("cookie", browser.cookie.as_str())]].concat();
    assert!(place.send("GET", &place.at("/"), &headers, "").await.text.contains("<h1>Overview</h1>"));
}

#[tokio::test]
async fn themes_are_two_words() {
    let place = Place::open().await;
    let browser = place.sign_in(Role::Viewer);
    let seen = place.post(&browser, "/console/theme", "theme=dark&to=%2Fconsole%2Fp%2Fx").await;
    assert_eq!(seen.location(), "/console/p/x");
    assert!(seen.headers["set-cookie"].to_str().unwrap().starts_with("tollgate-theme=dark; "));
    let both = format!("{}; tollgate-theme=dark", browser.cookie);
    let page = place.send("GET", &place.at("/"), &[("cookie", &both)], "").await;
    assert!(page.text.contains("<html lang=\"en\" data-theme=\"dark\">"));
    let odd = format!("{}; tollgate-theme=\"><script>", browser.cookie);
    assert!(!place.send("GET", &place.at("/"), &[("cookie", &odd)], "").await.text.contains("data-theme=\""));
}
