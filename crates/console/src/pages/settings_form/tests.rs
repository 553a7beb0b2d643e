//! Forms of settings, filled, sent and read back.
#![allow(clippy::unwrap_used)]
use super::*;

fn settings() -> SettingsRecord {
    SettingsRecord {
        secure_mode: true,
        strict_bodies: true,
        allowed_origins: vec!["https://a.example".into(), "https://b.example".into()],
        user_id_chars_max: Some(20),
        session_life_ms: Some(5_400_000),
        audit_life_ms: Some(30 * 86_400_000),
        signing_algorithm: Some("EdDSA".into()),
        signing_key_life_ms: Some(86_400_000),
        limits: LimitSettings {
            mint_per_user: Some(Bucket { burst: 1_000, per_second: 0.5 }),
            ..LimitSettings::default()
        },
        mailbox: Some(MailboxSettings { size: 7, ttl_ms: 90_000 }),
        visitor_secret: Some("0123456789abcdef".into()),
        hook: Some(HookRecord {
            url: "https://backend.example/".into(),
            secret: "whsec_kept".into(),
            previous_secret: None,
            questions: vec![HookQuestion::Publish, HookQuestion::Connect],
            anonymous: true,
            timeout_ms: Some(250),
            allow_on_failure: true,
        }),
        ..SettingsRecord::default()
    }
}

#[test]
fn every_form_comes_back_as_it_was_filled() {
    for there in [settings(), SettingsRecord::default()] {
        for group in Group::ALL {
            if group == Group::Hook && there.hook.is_none() {
                continue;
            }
            let mut back = there.clone();
            group.apply(&group.form("x", &there), &mut back, "whsec_drawn").unwrap();
            assert_eq!(back, there, "{group:?}");
        }
    }
}

#[test]
fn a_form_changes_its_own_group_and_no_other() {
    for group in Group::ALL {
        let mut changed = SettingsRecord::default();
        group.apply(&group.form("x", &settings()), &mut changed, "whsec_drawn").unwrap();
        for other in Group::ALL {
            let same = other.opened_with("x", &changed) == other.opened_with("x", &SettingsRecord::default());
            assert_eq!(same, other != group || group == Group::About, "{group:?} {other:?}");
        }
    }
    assert_ne!(Group::About.opened_with("a", &settings()), Group::About.opened_with("b", &settings()));
}

#[test]
fn no_form_has_a_secret() {
    for group in Group::ALL {
        let text = format!("{:?}", group.form("x", &settings()));
        assert!(!text.contains("whsec_") && !text.contains("0123456789abcdef"), "{text}");
    }
}

#[test]
fn what_is_wrong_is_said_at_its_field_with_the_limit() {
    for (group, field, value, at, said) in [
        (Group::Lives, "session_ttl_s", "10 min", "session_ttl_s", "From 55 min to 3650 d."),
        (Group::Lives, "auth_token_ttl_s", "2 h", "auth_token_ttl_s", "From 1 s to 1 h."),
        (Group::Lives, "ended_token_ttl_s", "1 s 1 ms", "ended_token_ttl_s", "Whole seconds"),
        (Group::Lives, "user_token_ttl_s", "30", "user_token_ttl_s", "like 30 d"),
        (Group::Signing, "signing_key_ttl_s", "5 s", "signing_key_ttl_s", "From 1 h"),
        (Group::Signing, "signing_algorithm", "none", "signing_algorithm", "ES256"),
        (Group::Mailbox, "mailbox_size", "1,001", "mailbox_size", "1 to 1,000"),
        (Group::Mailbox, "mailbox_ttl", "31 d", "mailbox_ttl", "1 s to 30 d"),
        (Group::Limits, "mint_per_user_burst", "", "mint_per_user_burst", "both"),
        (Group::Limits, "mint_per_key_burst", "5", "mint_per_key_rate", "both"),
        (Group::Limits, "mint_per_user_rate", "inf", "mint_per_user_rate", "0.0001"),
        (Group::Access, "user_id_chars_max", "901", "user_id_chars_max", "1 to 900"),
        (Group::Hook, "hook_url", " ", "hook_url", "Where"),
        (Group::Hook, "hook_timeout", "6 s", "hook_timeout", "50 ms to 5 s"),
        (Group::Hook, "hook_on_failure", "perhaps", "hook_on_failure", "Choose"),
    ] {
        let form = group.form("x", &settings());
        let form = form
            .fields()
            .fold(Form::default(), |made, (name, was)| made.with(name, if name == field { value } else { was }));
        let (wrong_at, error) = group.apply(&form, &mut settings(), "").unwrap_err();
        assert!(wrong_at == at && error.detail.contains(said), "{field}={value}: {wrong_at} {}", error.detail);
    }
    let none = Form::default().with("hook_url", "https://a.example").with("hook_on_failure", "deny");
    assert_eq!(Group::Hook.apply(&none, &mut settings(), "").unwrap_err().0, "hook_questions");
    let open = none.with("hook_subscribe", "on");
    let open = Form::default().with("hook_on_failure", "allow").and(open);
    assert_eq!(Group::Hook.apply(&open, &mut settings(), "").unwrap_err().0, "hook_on_failure");
}
