//! A project's settings: forms that do not meet, one that was overtaken, and the hook with its secret and its test.

use tollgate_core::ports::store::AuditQuery;
use tollgate_core::records::{HookQuestion, SettingsRecord};

use super::*;
use crate::words;

fn encoded(text: &str) -> String {
    words::path(text)
}

/// What stands for the settings that a group's form was opened with.
fn opened(page: &str, group: &str) -> String {
    let card = page.split(&format!("<section class=\"card\" id=\"{group}\">")).nth(1).unwrap();
    card.split("name=\"opened\" value=\"").nth(1).unwrap().split('"').next().unwrap().to_owned()
}

impl Place {
    fn settings(&self) -> SettingsRecord {
        self.node.settings(&Caller::ProjectOperator { project: self.project }).unwrap()
    }

    /// Saves a group as a page that was opened just now does.
    async fn save(&self, browser: &Browser, group: &str, fields: &str) -> Seen {
        let page = self.get(browser, &self.at("/settings")).await.text;
        self.save_opened(browser, group, &opened(&page, group), fields).await
    }

    async fn save_opened(&self, browser: &Browser, group: &str, opened: &str, fields: &str) -> Seen {
        self.post(browser, &self.at(&format!("/settings/{group}")), &format!("opened={opened}&{fields}")).await
    }

    async fn audited(&self) -> Vec<String> {
        let query = AuditQuery { project: Some(self.project), limit: 100, ..AuditQuery::default() };
        let entries = self.node.audit(&Caller::ProjectOperator { project: self.project }, query).await.unwrap();
        entries.into_iter().map(|entry| format!("{entry:?}")).collect()
    }
}

const HOOK: &str =
    "hook_url=https%3A%2F%2Fbackend.example%2Fhook&hook_publish=on&hook_on_failure=deny&hook_timeout=250+ms";

#[tokio::test]
async fn a_group_is_changed_by_itself() {
    let place = Place::open().await;
    let (owner, viewer) = (place.sign_in(Role::Owner), place.sign_in(Role::Viewer));
    let access = "allowed_origins=https%3A%2F%2Fshop.example%0D%0A&secure_mode=on";
    assert_eq!(place.save(&viewer, "access", access).await.status, 403);
    // Two operators have the page open; what they change does not meet.
    let page = place.get(&owner, &place.at("/settings")).await.text;
    let saved = place.save_opened(&owner, "access", &opened(&page, "access"), access).await;
    assert_eq!(saved.location(), place.at("/settings?said=access#access"));
    let lives = "session_ttl_s=1+h+30+min&audit_ttl_s=30+d";
    assert_eq!(place.save_opened(&owner, "lives", &opened(&page, "lives"), lives).await.status, 303);
    let mailbox = "mailbox=on&mailbox_size=7&mailbox_ttl=2+h";
    assert_eq!(place.save_opened(&owner, "mailbox", &opened(&page, "mailbox"), mailbox).await.status, 303);
    let limits = "mint_per_user_burst=10&mint_per_user_rate=0.5";
    assert_eq!(place.save_opened(&owner, "limits", &opened(&page, "limits"), limits).await.status, 303);
    let signing = "signing_algorithm=EdDSA&signing_key_ttl_s=90+d";
    assert_eq!(place.save_opened(&owner, "signing", &opened(&page, "signing"), signing).await.status, 303);

    let settings = place.settings();
    assert!(settings.secure_mode && !settings.strict_bodies);
    assert_eq!(settings.allowed_origins, ["https://shop.example"]);
    assert_eq!((settings.session_life_ms, settings.audit_life_ms), (Some(5_400_000), Some(30 * 86_400_000)));
    assert_eq!(settings.mailbox.map(|kept| (kept.size, kept.ttl_ms)), Some((7, 7_200_000)));
    assert_eq!(settings.limits.mint_per_user.map(|bucket| (bucket.burst, bucket.per_second)), Some((10, 0.5)));
    assert_eq!(
        (settings.signing_algorithm.as_deref(), settings.signing_key_life_ms),
        (Some("EdDSA"), Some(7_776_000_000))
    );

    let page = place.get(&viewer, &place.at("/settings?said=access")).await.text;
    assert!(page.contains(">https://shop.example</textarea>") && page.contains("value=\"1 h 30 min\""), "{page}");
    assert!(page.contains(">Saved</span>") && !page.contains(">Save</button>") && !page.contains(">Test<"), "{page}");
    for (group, fields, field) in [
        ("access", "allowed_origins=shop", "allowed_origins"),
        ("access", "user_id_chars_max=0", "user_id_chars_max"),
        ("access", "visitor_secret=short", "visitor_secret"),
        ("lives", "session_ttl_s=1+min", "session_ttl_s"),
        ("limits", "mint_per_key_burst=1", "mint_per_key_rate"),
        ("mailbox", "mailbox=on&mailbox_size=0", "mailbox_size"),
        ("about", "name=+", "name"),
    ] {
        let seen = place.save(&owner, group, fields).await;
        assert!(seen.status == 422 && seen.text.contains(&format!("id=\"{field}-wrong\"")), "{fields}: {}", seen.text);
        assert!(!seen.text.contains("value=\"short\""), "a secret comes back");
    }
    assert_eq!(place.settings(), settings);
    assert_eq!(place.post(&owner, &place.at("/settings/nothing"), "opened=x").await.status, 404);
}

#[tokio::test]
async fn who_was_overtaken_sees_both_and_decides() {
    let place = Place::open().await;
    let owner = place.sign_in(Role::Owner);
    let page = place.get(&owner, &place.at("/settings")).await.text;
    let before = opened(&page, "access");
    let evil = "<script>alert(1)</script>";
    let first = "allowed_origins=https%3A%2F%2Ffirst.example&strict_bodies=on";
    assert_eq!(place.save_opened(&owner, "access", &before, first).await.status, 303);
    let second = format!("allowed_origins=https%3A%2F%2Fsecond.example&user_id_chars_max=&more={}", encoded(evil));
    let seen = place.save_opened(&owner, "access", &before, &second).await;
    assert_eq!(seen.status, 409, "{}", seen.text);
    for said in [
        "Somebody was faster.",
        "allowed origins: https://first.example",
        "allowed origins: https://second.example",
        "Take theirs",
    ] {
        assert!(seen.text.contains(said), "{said}: {}", seen.text);
    }
    assert!(seen.text.contains(">https://second.example</textarea>") && !seen.text.contains(evil), "{}", seen.text);
    assert_eq!(place.settings().allowed_origins, ["https://first.example"]);
    assert_eq!(place.save_opened(&owner, "access", "", &second).await.status, 409, "a form of nowhere");
    let now = opened(&seen.text, "access");
    assert_eq!(place.save_opened(&owner, "access", &now, &second).await.status, 303);
    assert_eq!(
        (place.settings().allowed_origins, place.settings().strict_bodies),
        (vec!["https://second.example".to_owned()], false)
    );
}

#[tokio::test]
async fn a_project_gets_another_name() {
    let place = Place::open().await;
    let owner = place.sign_in(Role::Owner);
    let page = place.get(&owner, &place.at("/settings")).await.text;
    let before = opened(&page, "about");
    let name = "Shop <b>";
    let saved = place.save_opened(&owner, "about", &before, &format!("name={}", encoded(name))).await;
    assert_eq!(saved.location(), place.at("/settings?said=about#about"));
    let page = place.get(&owner, &place.at("/settings")).await.text;
    assert!(page.contains("value=\"Shop &#60;b&#62;\"") && !page.contains(name), "{page}");
    assert_eq!(place.node.projects(&Caller::Operator).unwrap()[0].name, name);
    assert_eq!(place.save_opened(&owner, "about", &before, "name=Other").await.status, 409);
    assert_eq!(place.node.projects(&Caller::Operator).unwrap()[0].name, name);
}

#[tokio::test]
async fn a_hook_is_set_tried_and_taken_away_and_its_secret_is_shown_once() {
    let place = Place::open().await;
    let (owner, viewer) = (place.sign_in(Role::Owner), place.sign_in(Role::Viewer));
    for (fields, field, said) in [
        ("hook_url=&hook_publish=on&hook_on_failure=deny", "hook_url", "Where is your backend?"),
        ("hook_url=https%3A%2F%2Fb.example&hook_on_failure=deny", "hook_questions", "at least one thing"),
        (
            "hook_url=https%3A%2F%2F10.0.0.1%2Fhook&hook_publish=on&hook_on_failure=deny",
            "hook_url",
            "10.0.0.1 is refused: it leads to",
        ),
        ("hook_url=ftp%3A%2F%2Fb.example&hook_publish=on&hook_on_failure=deny", "hook_url", "cannot be called"),
    ] {
        let seen = place.save(&owner, "hook", fields).await;
        assert!(seen.status == 422 && seen.text.contains(&format!("id=\"{field}-wrong\"")), "{fields}: {}", seen.text);
        assert!(seen.text.contains(said), "{said}: {}", seen.text);
    }
    assert_eq!(place.post(&owner, &place.at("/settings/hook/test"), "").await.status, 409, "there is none");
    let made = place.save(&owner, "hook", HOOK).await;
    let secret = made.text.split("<code id=\"secret\">").nth(1).unwrap().split('<').next().unwrap().to_owned();
    assert!(secret.starts_with("whsec_"), "{}", made.text);
    let hook = place.settings().hook.unwrap();
    assert_eq!(
        (hook.secret.as_str(), hook.timeout_ms, hook.questions.as_slice()),
        (secret.as_str(), Some(250), &[HookQuestion::Publish][..])
    );
    let page = place.get(&viewer, &place.at("/settings")).await.text;
    assert!(page.contains("https://backend.example/hook") && !page.contains("whsec_"), "{page}");
    // Saved again it keeps its secret.
    let saved = place.save(&owner, "hook", &format!("{HOOK}&hook_connect=on")).await;
    assert_eq!((saved.status, place.settings().hook.unwrap().secret), (303, secret.clone()));

    let test = place.at("/settings/hook/test");
    assert_eq!(place.post(&viewer, &test, "").await.status, 403);
    assert!(place.outbound.take_calls().is_empty());
    place.outbound.answer_with(200, br#"{"allow":false,"reason":"<i>muted</i>","cache_ms":60000}"#);
    let seen = place.post(&owner, &test, "question=hook_connect").await;
    for said in ["It answers.", "answered no, because “&#60;i&#62;muted&#60;/i&#62;” (status 200)", "again for 1 min"]
    {
        assert!(seen.text.contains(said), "{said}: {}", seen.text);
    }
    let calls = place.outbound.take_calls();
    let body = String::from_utf8(calls[0].body.clone()).unwrap();
    assert!(calls.len() == 1 && body.contains("\"hook.connect\"") && body.contains("\"test\":true"), "{body}");
    assert!(calls[0].headers.iter().any(|(name, _)| name == "webhook-signature"), "it is signed");
    for (status, answer, said) in [(503, "", "it answered 503"), (200, "<html>", "it answered neither")] {
        place.outbound.answer_with(status, answer.as_bytes());
        let seen = place.post(&owner, &test, "").await;
        assert!(
            seen.status == 200 && seen.text.contains(said) && seen.text.contains("No answer that counts."),
            "{}",
            seen.text
        );
    }

    let rotated = place.post(&owner, &place.at("/settings/hook/rotate"), "").await;
    let hook = place.settings().hook.unwrap();
    assert!(rotated.text.contains(&hook.secret) && hook.secret != secret, "{}", rotated.text);
    assert_eq!(hook.previous_secret.unwrap().0, secret);
    let remove = place.at("/settings/hook/remove");
    assert_eq!(place.get(&viewer, &remove).await.status, 403);
    let page = place.get(&owner, &remove).await.text;
    assert!(page.contains("whether a client may publish a message; whether a client may connect"), "{page}");
    assert_eq!(place.post(&owner, &remove, "").await.status, 303);
    assert_eq!(place.settings().hook, None);
    assert_eq!(place.get(&owner, &remove).await.status, 404);
    let audited = place.audited().await;
    assert_eq!(audited.iter().filter(|entry| entry.contains("hook.test")).count(), 3, "{audited:?}");
    assert_eq!(audited.iter().filter(|entry| entry.contains("project.change")).count(), 4, "{audited:?}");
    assert!(audited.iter().all(|entry| !entry.contains("whsec_")), "{audited:?}");
}
