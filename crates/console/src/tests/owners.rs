//! What owners do: operators, keys, and the log of all of it; and what everybody does with their own sessions.

use super::*;

const QUARTER_MS: u64 = 15 * 60_000;

/// What stands between two texts of a page.
fn between<'p>(page: &'p str, from: &str, to: &str) -> &'p str {
    page.split_once(from).and_then(|(_, rest)| rest.split_once(to)).map(|(found, _)| found).unwrap_or_default()
}

fn encoded(text: &str) -> String {
    crate::words::path(text)
}

/// The browser that an answer with a new session is for.
async fn next(place: &Place, seen: &Seen) -> Browser {
    let cookie = seen.headers["set-cookie"].to_str().unwrap().split(';').next().unwrap().to_owned();
    let page = place.send("GET", "/console/server/you", &[("cookie", &cookie)], "").await;
    let csrf = between(&page.text, "name=\"_csrf\" value=\"", "\"").to_owned();
    Browser { cookie, csrf }
}

#[tokio::test]
async fn an_owner_invites_and_the_link_is_shown_once() {
    let place = Place::open().await;
    let owner = place.sign_in(Role::Owner);
    let seen = place.post(&owner, "/console/server/operators", "name=bo&role=editor").await;
    let link = between(&seen.text, "<code id=\"secret\">", "</code>");
    let code = link.strip_prefix("http://gate.example/console/set-up#").unwrap();
    assert_eq!(seen.status, 200);
    let list = place.get(&owner, "/console/server/operators").await.text;
    assert!(list.contains(">bo</a>") && list.contains("invited") && !list.contains(code), "{list}");
    let taken = place.post(&owner, "/console/server/operators", "name=bo&role=editor").await;
    assert!(taken.status == 409 && taken.text.contains("There is an operator `bo` already."), "{}", taken.text);
    let id = between(&list, "/console/server/operators/", "\"").to_owned();

    let fields = format!("code={}&username=&password={1}&again={1}", encoded(code), encoded(PASSWORD));
    let doors = [("sec-fetch-site", "same-origin"), ("content-type", "application/x-www-form-urlencoded")];
    let entered = place.send("POST", "/console/set-up", &doors, &fields).await;
    assert!(entered.status == 303, "{}", entered.text);
    let bo = next(&place, &entered).await;
    assert_eq!(place.get(&bo, &place.at("/")).await.status, 200);
    assert_eq!(place.get(&bo, "/console/server/operators").await.status, 403);

    // The first in the list is the viewer of this place.
    let path = format!("/console/server/operators/{id}");
    let viewer = place.sign_in(Role::Viewer);
    assert_eq!(place.post(&owner, &path, "act=role&role=editor").await.location(), format!("{path}?done=saved"));
    assert_eq!(place.get(&viewer, &place.at("/")).await.location().split('?').next().unwrap(), "/console/sign-in");
    assert_eq!(place.post(&owner, &path, "act=disable").await.location(), format!("{path}?done=disabled"));
    assert!(place.get(&owner, &path).await.text.contains("value=\"enable\""));
    let delete = format!("{path}/delete");
    let page = place.get(&owner, &delete).await.text;
    assert!(page.contains("viewer (editor) is signed out everywhere") && page.contains("Delete it now"), "{page}");
    assert_eq!(
        place.post(&owner, &path, "act=delete").await.status,
        422,
        "only behind the page that says what it means"
    );
    place.clock.advance(QUARTER_MS);
    assert_eq!(place.post(&owner, &delete, "how=delete").await.status, 422, "without the password");
    let fields = format!("how=delete&password={}", encoded(PASSWORD));
    assert_eq!(place.post(&owner, &delete, &fields).await.location(), "/console/server/operators?done=deleted");
    assert_eq!(place.get(&owner, &path).await.status, 404);
}

#[tokio::test]
async fn the_last_owner_stays() {
    let place = Place::open().await;
    let owner = place.sign_in(Role::Owner);
    let path = format!("/console/server/operators/{}", place.people[2].operator);
    assert!(place.get(&owner, &path).await.text.contains("This is you."));
    let seen = place.post(&owner, &format!("{path}/delete"), "").await;
    assert!(seen.status == 409, "{}", seen.text);
    assert_eq!(place.get(&owner, &path).await.status, 200);
}

#[tokio::test]
async fn a_key_is_shown_once_and_ends_when_its_owner_says() {
    let place = Place::open().await;
    let owner = place.sign_in(Role::Owner);
    let evil = "<script>alert(1)</script>";
    let none = place.post(&owner, &place.at("/keys/new"), "name=shop").await;
    assert!(none.status == 422 && none.text.contains("at least one thing"), "{}", none.text);
    let fields = format!("name={}&read_channels=on&publish_channel_messages=on", encoded(evil));
    let seen = place.post(&owner, &place.at("/keys/new"), &fields).await;
    let key = PresentedSecret::new(between(&seen.text, "<code id=\"secret\">", "</code>").to_owned());
    let Caller::ProjectKey { key: id, permissions, .. } = place.node.authenticate(&key).unwrap() else { panic!() };
    assert_eq!(permissions.to_string(), "read_channels,publish_channel_messages");
    let list = place.get(&owner, &place.at("/keys")).await.text;
    assert!(list.contains(&id.to_string()) && !list.contains(key.expose()), "{list}");
    assert!(!list.contains(evil) && list.contains("&#60;script&#62;"), "{list}");

    let path = place.at(&format!("/keys/{id}"));
    let rotated = place.post(&owner, &path, "act=rotate&grace=3600000").await;
    let successor = PresentedSecret::new(between(&rotated.text, "<code id=\"secret\">", "</code>").to_owned());
    assert!(place.node.authenticate(&key).is_ok() && place.node.authenticate(&successor).is_ok());
    let revoke = format!("{path}/revoke");
    let page = place.get(&owner, &revoke).await.text;
    assert!(page.contains("It may: read_channels, publish_channel_messages.") && page.contains("never used"), "{page}");
    assert!(!page.contains(evil) && page.contains("&#60;script&#62;"), "{page}");
    place.clock.advance(QUARTER_MS);
    assert_eq!(place.post(&owner, &revoke, "").await.status, 422, "without the password");
    let fields = format!("password={}", encoded(PASSWORD));
    assert_eq!(place.post(&owner, &revoke, &fields).await.location(), place.at("/keys?done=ended"));
    assert!(place.node.authenticate(&key).is_err() && place.node.authenticate(&successor).is_ok());

    let viewer = place.sign_in(Role::Viewer);
    let seen = place.get(&viewer, &place.at("/keys")).await;
    assert!(seen.status == 200 && !seen.text.contains("New key") && !seen.text.contains(&path), "{}", seen.text);
    for path in [place.at("/keys/new"), path, revoke] {
        assert_eq!(place.get(&viewer, &path).await.status, 403);
        assert_eq!(place.post(&viewer, &path, "act=revoke&all=on").await.status, 403);
    }
}

#[tokio::test]
async fn what_is_dangerous_asks_for_the_password_every_quarter_of_an_hour() {
    let place = Place::open().await;
    let owner = place.sign_in(Role::Owner);
    let path = place.at("/keys/new");
    assert!(!place.get(&owner, &path).await.text.contains("type=\"password\""));
    place.clock.advance(QUARTER_MS);
    assert!(place.get(&owner, &path).await.text.contains("type=\"password\""));
    let keys = || place.node.keys(&Caller::Operator, None).unwrap().len();
    let before = keys();
    for (fields, said) in [("all=on", "not your password"), ("all=on&password=a+wrong+guess", "not your password")] {
        let seen = place.post(&owner, &path, fields).await;
        assert!(seen.status == 422 && seen.text.contains(said) && !seen.text.contains("guess"), "{}", seen.text);
    }
    assert_eq!(keys(), before);
    let fields = format!("all=on&password={}", encoded(PASSWORD));
    assert_eq!(place.post(&owner, &path, &fields).await.status, 200);
    assert_eq!(keys(), before + 1);
    assert!(!place.get(&owner, &path).await.text.contains("type=\"password\""), "it was said just now");
}

#[tokio::test]
async fn a_changed_password_ends_the_other_sessions() {
    let place = Place::open().await;
    let (this, other) = (place.sign_in(Role::Viewer), place.sign_in(Role::Viewer));
    let path = "/console/server/you/password";
    let old = encoded(PASSWORD);
    let twice = |new: &str| format!("old={old}&new={0}&again={0}", encoded(new));
    for (fields, said) in [
        (format!("old={old}&new=a+b+c+d+e+f+g+h+i&again=other"), "not the same"),
        (twice("short"), "needs 15"),
        ("old=wrong&new=another+of+four+words&again=another+of+four+words".to_owned(), "is not right"),
    ] {
        let seen = place.post(&this, path, &fields).await;
        assert!(seen.status == 422 && seen.text.contains(said), "{said}: {}", seen.text);
    }
    let seen = place.post(&this, path, &twice("another of four words")).await;
    assert_eq!(seen.status, 303, "{}", seen.text);
    let goes_on = next(&place, &seen).await;
    assert_eq!(place.get(&goes_on, &place.at("/")).await.status, 200);
    for over in [this, other] {
        assert_eq!(place.get(&over, &place.at("/")).await.status, 303);
    }
}

#[tokio::test]
async fn one_sees_and_ends_ones_own_sessions_alone() {
    let place = Place::open().await;
    let (this, other, owner) = (place.sign_in(Role::Viewer), place.sign_in(Role::Viewer), place.sign_in(Role::Owner));
    let page = place.get(&this, "/console/server/you").await.text;
    assert_eq!(page.matches("name=\"end\" value=\"").count(), 2, "one other, and all others: {page}");
    let id = page.split("name=\"end\" value=\"").nth(2).and_then(|rest| rest.split('"').next()).unwrap().to_owned();
    // Another operator cannot end it by its id.
    place.post(&owner, "/console/server/you/sessions", &format!("end={id}")).await;
    assert_eq!(place.get(&other, &place.at("/")).await.status, 200);
    place.post(&this, "/console/server/you/sessions", &format!("end={id}")).await;
    assert_eq!(place.get(&other, &place.at("/")).await.status, 303);
    let other = place.sign_in(Role::Viewer);
    place.post(&this, "/console/server/you/sessions", "end=others").await;
    assert_eq!(place.get(&other, &place.at("/")).await.status, 303);
    assert_eq!(
        (place.get(&this, &place.at("/")).await.status, place.get(&owner, &place.at("/")).await.status),
        (200, 200)
    );
}

#[tokio::test]
async fn the_audit_log_says_who_did_what() {
    let place = Place::open().await;
    let (owner, viewer) = (place.sign_in(Role::Owner), place.sign_in(Role::Viewer));
    let (caller, _, _) = place.node.caller_of(place.people[2], Some(place.project)).unwrap();
    for number in 0..60 {
        place.clock.advance(1_000);
        audit::channel(&place, &caller, number).await;
    }
    let page = place.get(&viewer, &place.at("/audit")).await.text;
    assert!(page.contains(">room59</a>") && !page.contains(">room9</a>") && page.contains("owner<span"), "{page}");
    assert!(!page.contains("operator.accept"), "what is of the whole server is not of the project: {page}");
    let next = page.split("href=\"").find(|part| part.contains("after=")).unwrap().split('"').next().unwrap();
    let next = next.replace("&#38;", "&");
    assert!(place.get(&viewer, &next).await.text.contains(">room9</a>"));
    let one = place.get(&viewer, &place.at("/audit?what=channel.&on=room7")).await.text;
    assert!(one.contains(">room7</a>") && !one.contains(">room59</a>"), "{one}");
    let none = place.get(&viewer, &place.at("/audit?who=%3Cscript%3E&outcome=refused&since=nonsense")).await.text;
    assert!(none.contains("No entry fits.") && !none.contains("<script>"), "{none}");

    assert_eq!(place.get(&viewer, "/console/server/audit").await.status, 403);
    let whole = place.get(&owner, "/console/server/audit?what=operator.").await.text;
    assert!(whole.contains("operator.accept") && whole.contains("operator.invite"), "{whole}");
}

#[tokio::test]
async fn an_endpoint_is_registered_told_and_deleted() {
    let place = Place::open().await;
    let (owner, viewer) = (place.sign_in(Role::Owner), place.sign_in(Role::Viewer));
    let path = place.at("/webhooks");
    let wrong = place.post(&owner, &path, "url=https%3A%2F%2Fhooks.example%2F&events=no.such").await;
    assert!(wrong.status == 422 && wrong.text.contains("events-wrong"), "{}", wrong.text);
    let made = place.post(&owner, &path, "url=https%3A%2F%2Fhooks.example%2Fa&events=token.*").await;
    let secret = between(&made.text, "<code id=\"secret\">", "</code>").to_owned();
    assert!(secret.starts_with("whsec_"), "{}", made.text);
    let list = place.get(&viewer, &path).await.text;
    assert!(list.contains("https://hooks.example/a") && !list.contains(&secret) && !list.contains("Register"));
    let one = format!("{path}/{}", between(&list, &format!("{path}/"), "\""));
    assert_eq!(place.post(&owner, &one, "act=test").await.location(), format!("{one}?done=tested"));
    let page = place.get(&viewer, &one).await.text;
    assert!(page.contains("webhook.test") && page.contains("waiting") && !page.contains("Send again"), "{page}");
    assert!(place.get(&viewer, &format!("{one}?status=delivered")).await.text.contains("No message fits."));
    let message = between(&place.get(&owner, &one).await.text, "name=\"message\" value=\"", "\"").to_owned();
    let again = place.post(&owner, &one, &format!("act=replay&message={message}")).await;
    assert_eq!(again.location(), format!("{one}?done=sent"));
    assert!(place.post(&owner, &one, "act=rotate").await.text.contains("whsec_"));
    assert_eq!(place.post(&owner, &one, "act=disable").await.location(), format!("{one}?done=disabled"));
    assert_eq!(place.post(&owner, &one, "act=test").await.status, 409);
    let delete = format!("{one}/delete");
    assert_eq!(place.post(&viewer, &delete, "").await.status, 403);
    assert_eq!(place.post(&owner, &one, "act=delete").await.status, 422);
    let page = place.get(&owner, &delete).await.text;
    assert!(
        page.contains("1 message that waits for it is dropped") && page.contains("It was told of: token.*"),
        "{page}"
    );
    assert_eq!(place.post(&owner, &delete, "").await.location(), format!("{path}?done=deleted"));
    assert_eq!(place.get(&owner, &one).await.status, 404);
}
