//! What owners see of the server itself, and its projects.

use super::*;
use crate::words;

const QUARTER_MS: u64 = 15 * 60_000;

fn between<'t>(text: &'t str, before: &str, after: &str) -> &'t str {
    text.split(before).nth(1).unwrap().split(after).next().unwrap()
}

#[tokio::test]
async fn owners_see_the_server_and_others_do_not() {
    let place = Place::open().await;
    let path = "/console/server/about";
    for role in [Role::Viewer, Role::Editor] {
        let browser = place.sign_in(role);
        let seen = place.get(&browser, path).await;
        assert!(seen.status == 403 && !seen.text.contains("flag --listen"), "{}", seen.text);
        assert!(!place.get(&browser, &place.at("/")).await.text.contains("/console/server/about"), "no link either");
    }
    let owner = place.sign_in(Role::Owner);
    assert!(place.get(&owner, &place.at("/")).await.text.contains("href=\"/console/server/about\""));
    let page = place.get(&owner, path).await.text;
    for said in [
        "9.8.7",
        "4321",
        "1 d 1 h 1 min 1 s",
        "http://127.0.0.1:8080",
        "1 ill, 1 to look at",
        "make room",
        "&#34;(secret)&#34;",
        "environment TOLLGATE_ACCESS_HOOK_SECRET",
        "1 at their defaults",
        "&#60;i&#62;disk&#60;/i&#62;",
        "<span class=\"tag good\">active</span>",
        &place.project.to_string(),
    ] {
        assert!(page.contains(said), "{said}: {page}");
    }
    assert!(!page.contains("<b>127") && !page.contains("<i>disk"), "{page}");
    let at = |word: &str| page.find(&format!("<td><div>{word}</div>")).unwrap();
    assert!(at("disk") < at("cores") && at("cores") < at("clock"), "what is to be done comes first");
}

#[tokio::test]
async fn a_project_is_made_and_its_key_shown_once() {
    let place = Place::open().await;
    let owner = place.sign_in(Role::Owner);
    let path = "/console/server/projects";
    let nameless = place.post(&owner, path, "name=+").await;
    assert!(nameless.status == 422 && nameless.text.contains("id=\"name-wrong\""), "{}", nameless.text);
    place.clock.advance(QUARTER_MS);
    assert!(place.get(&owner, path).await.text.contains("type=\"password\""));
    assert_eq!(place.post(&owner, path, "name=Shop").await.status, 422, "without the password");
    let evil = "Shop <script>alert(1)</script>";
    let fields = format!("name={}&password={}", words::path(evil), words::path(PASSWORD));
    let made = place.post(&owner, path, &fields).await;
    assert!(made.status == 200 && !made.text.contains(evil), "{}", made.text);
    let key = PresentedSecret::new(between(&made.text, "<code id=\"secret\">", "</code>").to_owned());
    let Caller::ProjectKey { project, permissions, .. } = place.node.authenticate(&key).unwrap() else { panic!() };
    assert_eq!(permissions, tollgate_core::permissions::Permissions::all());
    assert!(made.text.contains(&project.to_string()) && project != place.project, "{}", made.text);

    let list = place.get(&owner, path).await.text;
    assert!(list.contains(&project.to_string()) && list.contains(&place.project.to_string()), "{list}");
    assert!(!list.contains(evil) && list.contains("&#60;script&#62;") && !list.contains(key.expose()), "{list}");
    let found = place.get(&owner, &format!("{path}?prefix=shop")).await.text;
    let row = |id: ProjectId| format!("<span class=\"sub mono\">{id}</span>");
    assert!(found.contains(&row(project)) && !found.contains(&row(place.project)), "{found}");
    assert_eq!(place.get(&owner, &format!("/console/p/{project}/")).await.status, 200);
    let viewer = place.sign_in(Role::Viewer);
    assert_eq!(place.post(&viewer, path, "name=Mine").await.status, 403);
    assert_eq!(place.node.projects(&Caller::Operator).unwrap().len(), 2);
}

#[tokio::test]
async fn many_projects_come_in_pages() {
    let place = Place::open().await;
    for number in 0..60 {
        place.node.create_project(&Caller::Operator, &format!("number {number:02}")).await.unwrap();
    }
    let owner = place.sign_in(Role::Owner);
    let (mut path, mut seen) = ("/console/server/projects?prefix=number".to_owned(), Vec::new());
    loop {
        let page = place.get(&owner, &path).await.text;
        // The frame has a list of its own.
        let names = page
            .split("<a class=\"name\"")
            .skip(1)
            .map(|part| part.split('>').nth(1).unwrap().split('<').next().unwrap().to_owned());
        seen.extend(names);
        let Some(next) = page.split("href=\"").find(|part| part.contains("&#38;after=")) else { break };
        path = next.split('"').next().unwrap().replace("&#38;", "&");
    }
    let expected: Vec<String> = (0..60).map(|number| format!("number {number:02}")).collect();
    assert_eq!(seen, expected);
}
