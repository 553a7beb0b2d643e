//! A project's access hook: who is asked about what, what answers mean, how long they hold, and what holds when there is none.

use std::cell::Cell;

use tollgate_core::ErrorKind;
use tollgate_core::command::{Command, NewMessage, Reply};
use tollgate_core::credentials::{WebhookSecret, verify_webhook};
use tollgate_core::error::Result;
use tollgate_core::ids::ChannelId;
use tollgate_core::json::{JsonObject, JsonValue};
use tollgate_core::model::{Capabilities, ChannelType};
use tollgate_core::ports::outbound::{OutboundCall, OutboundFailure};
use tollgate_core::records::{HookQuestion, HookRecord};
use tollgate_node::{ConnectionKey, HookSaid, NewToken, UserOfToken};

use super::bench::{Bench, IssuedToken, Told, by_id, secret};

const URL: &str = "https://backend.example.com/hook";

fn hook(bench: &Bench, edit: impl Fn(&mut HookRecord) + Sync) -> WebhookSecret {
    let drawn = bench.node.draw_hook_secret();
    bench.settings(|settings| {
        let mut hook = HookRecord {
            url: URL.into(),
            secret: drawn.expose().to_string(),
            previous_secret: None,
            questions: vec![HookQuestion::Subscribe, HookQuestion::Publish, HookQuestion::Connect],
            anonymous: false,
            timeout_ms: None,
            allow_on_failure: false,
        };
        edit(&mut hook);
        settings.hook = Some(hook);
    });
    drawn
}

fn only(question: HookQuestion) -> impl Fn(&mut HookRecord) + Sync {
    move |hook| hook.questions = vec![question]
}

fn header(call: &OutboundCall, name: &str) -> String {
    call.headers.iter().find(|(known, _)| known == name).unwrap().1.clone()
}

fn body(call: &OutboundCall) -> String {
    String::from_utf8(call.body.clone()).unwrap()
}

fn yes(bench: &Bench, times: usize) {
    (0..times).for_each(|_| bench.outbound.answer_with(200, br#"{"allow":true}"#));
}

fn publish(bench: &Bench, connection: ConnectionKey, channel: &str) -> Result<Option<Reply>> {
    let data = JsonValue::parse(br#"{"text": "hi"}"#, 100).unwrap();
    bench.command(connection, Command::Publish(NewMessage::new(channel, "said", data)))
}

fn subscribe(bench: &Bench, connection: ConnectionKey, channel: &str) -> Result<Option<Reply>> {
    bench.command(connection, Command::Subscribe { channel: channel.into(), wish: None })
}

/// A channel, a token, and its connection subscribed there.
fn in_room(bench: &Bench) -> (IssuedToken, ConnectionKey) {
    bench.channel("room", ChannelType::Public);
    let token = bench.issue(NewToken::default());
    let connection = bench.connect(&secret(&token)).unwrap();
    subscribe(bench, connection, "room").unwrap();
    (token, connection)
}

#[test]
fn a_question_is_signed_and_says_who_wants_what() {
    let bench = Bench::new();
    let secret_of_hook = hook(&bench, |_| {});
    bench.channel("den", ChannelType::Private);
    let state = JsonObject::parse(br#"{"user": 7}"#, 100).unwrap();
    let token = bench.issue(NewToken {
        state: Some(state),
        user: Some(UserOfToken { user_id: "ann".into(), ..UserOfToken::default() }),
        ..NewToken::default()
    });
    yes(&bench, 2);
    let connection = bench.connect_from(&secret(&token), Some("192.0.2.7"), Some("https://page.example")).unwrap();
    subscribe(&bench, connection, "den").unwrap();
    assert!(bench.told().contains(&(connection, Told::Subscribed("den".into()))));
    let calls = bench.outbound.take_calls();
    assert_eq!(calls.len(), 2);
    for call in &calls {
        let (id, seconds) = (header(call, "webhook-id"), header(call, "webhook-timestamp").parse().unwrap());
        assert!(verify_webhook(&secret_of_hook, &id, seconds, &call.body, &header(call, "webhook-signature")));
        assert_eq!((call.url.as_str(), call.timeout_ms), (URL, 5_000));
        assert!(!body(call).contains(&secret(&token)[4..]), "the secret is nobody's business");
    }
    assert_ne!(header(&calls[0], "webhook-id"), header(&calls[1], "webhook-id"));
    let (id, project) = (token.token.id, bench.project);
    let of = format!(r#""project_id":"{project}","token_id":"{id}","user_id":"ann","token_state":{{"user": 7}}"#);
    let at = "2027-01-15T08:00:00Z";
    assert_eq!(
        body(&calls[0]),
        format!(
            r#"{{"type":"hook.connect","timestamp":"{at}","data":{{{of},"address":"192.0.2.7","origin":"https://page.example"}}}}"#
        )
    );
    assert_eq!(
        body(&calls[1]),
        format!(
            r#"{{"type":"hook.subscribe","timestamp":"{at}","data":{{{of},"channel_id":"den","channel_type":"private"}}}}"#
        )
    );
}

#[test]
fn a_no_keeps_out_and_says_why() {
    let bench = Bench::new();
    hook(&bench, |_| {});
    bench.channel("den", ChannelType::Private);
    let token = bench.issue(NewToken::default());
    bench.outbound.answer_with(200, br#"{"allow":false,"reason":"not today"}"#);
    let refused = bench.connect(&secret(&token)).unwrap_err();
    assert_eq!(refused.kind, ErrorKind::Forbidden);
    assert!(refused.detail.contains("not today"), "{refused}");
    assert_eq!(bench.run(async { bench.node.token_detail(&bench.key, &by_id(&token)) }).unwrap().connections, 0);
    yes(&bench, 1);
    let connection = bench.connect(&secret(&token)).unwrap();
    bench.outbound.answer_with(200, br#"{"allow":false}"#);
    let plain = subscribe(&bench, connection, "den").unwrap_err();
    assert_eq!((plain.kind, plain.detail.as_str()), (ErrorKind::NotGranted, "This client may not subscribe to den."));
    bench.outbound.answer_with(200, br#"{"allow":false,"reason":"The den is full."}"#);
    let told = subscribe(&bench, connection, "den").unwrap_err();
    let expected = "The project's backend refused this client the channel den: The den is full.";
    assert_eq!((told.kind, told.detail.as_str()), (ErrorKind::NotGranted, expected));
    assert_eq!(bench.node.counters().hook_denials.get(), 3);
    assert_eq!(bench.node.counters().subscribes_refused.get(), 2);
}

#[test]
fn a_reason_is_told_to_whom_it_was_given_for_and_only_with_the_hooks_own_no() {
    let bench = Bench::new();
    let (token, connection) = in_room(&bench);
    bench.channel("den", ChannelType::Private);
    hook(&bench, |hook| hook.questions = vec![HookQuestion::Publish, HookQuestion::Subscribe]);
    let muted = br#"{"allow":false,"reason":"muted until noon","cache_ms":60000}"#;
    bench.outbound.answer_with(200, muted);
    let expected = "The project's backend refused this message in the channel room: muted until noon.";
    for _ in 0..2 {
        let refused = publish(&bench, connection, "room").unwrap_err();
        assert_eq!(
            (refused.kind, refused.detail.as_str()),
            (ErrorKind::NotGranted, expected),
            "a kept no says it, too"
        );
    }
    let own = tollgate_core::authorize::Caller::Token { project: bench.project, token: token.token.id };
    let message = || NewMessage::new("room", "said", JsonValue::null());
    assert_eq!(bench.run(bench.node.publish(&own, message())).unwrap_err().detail, expected);
    let batch = bench.run(bench.node.publish_batch(&own, vec![message()])).unwrap();
    assert_eq!(batch[0].as_ref().unwrap_err().detail, expected);
    match bench.command(connection, Command::Batch(vec![message()])).unwrap() {
        Some(Reply::Batch(outcomes)) => assert_eq!(outcomes[0].as_ref().unwrap_err().detail, expected),
        told => panic!("{told:?}"),
    }
    assert_eq!(bench.outbound.take_calls().len(), 1);
    // Somebody else's no is not this one's.
    let other = bench.issue(NewToken::default());
    let others = bench.connect(&secret(&other)).unwrap();
    subscribe(&bench, others, "room").unwrap();
    bench.outbound.answer_with(200, br#"{"allow":false}"#);
    let plain = publish(&bench, others, "room").unwrap_err();
    assert_eq!(plain.detail, "The project's backend refused this message in the channel room.");
    // Nor is a failure anybody's no, whatever its body says.
    bench.outbound.answer_with(500, br#"{"allow":false,"reason":"stack trace"}"#);
    let failed = subscribe(&bench, others, "den").unwrap_err();
    assert!(failed.kind == ErrorKind::HookUnavailable && !failed.detail.contains("stack"), "{failed}");
}

#[test]
fn a_message_is_asked_about_after_our_own_rules_and_before_it_is_sent() {
    let bench = Bench::new();
    let (_, connection) = in_room(&bench);
    bench.channel("still", ChannelType::Public);
    let (still, mute) = (ChannelId::new("still").unwrap(), Capabilities::from_bits(0).unwrap());
    bench
        .run(bench.node.change_channel(
            &bench.key,
            &still,
            tollgate_node::ChannelUpdate { capabilities: Some(mute), settings: None },
        ))
        .unwrap();
    subscribe(&bench, connection, "still").unwrap();
    hook(&bench, only(HookQuestion::Publish));
    // Our own no needs nobody else's.
    assert!(matches!(publish(&bench, connection, "still"), Ok(Some(Reply::NotAllowed))));
    assert!(bench.outbound.take_calls().is_empty());
    let published = || bench.node.counters().publications.get();
    bench.outbound.answer_with(200, br#"{"allow":false}"#);
    assert_eq!(publish(&bench, connection, "room").unwrap_err().kind, ErrorKind::NotGranted);
    assert_eq!(published(), 0);
    yes(&bench, 1);
    assert!(matches!(publish(&bench, connection, "room"), Ok(Some(Reply::Published(_)))));
    assert_eq!(published(), 1);
    let asked = bench.outbound.take_calls();
    assert!(body(&asked[1]).contains(r#""message":{"event":"said","data":{"text": "hi"}}"#), "{}", body(&asked[1]));
    // Nobody is asked about what a backend says.
    let room = ChannelId::new("room").unwrap();
    bench.run(bench.node.publish(&bench.key, NewMessage::new(room.as_str(), "said", JsonValue::null()))).unwrap();
    assert!(bench.outbound.take_calls().is_empty() && published() == 2);
}

#[test]
fn a_token_that_publishes_over_rest_is_asked_about_too() {
    let bench = Bench::new();
    let (token, _) = in_room(&bench);
    hook(&bench, only(HookQuestion::Publish));
    let own = tollgate_core::authorize::Caller::Token { project: bench.project, token: token.token.id };
    let room = ChannelId::new("room").unwrap();
    let say = || bench.run(bench.node.publish(&own, NewMessage::new(room.as_str(), "said", JsonValue::null())));
    bench.outbound.answer_with(200, br#"{"allow":false}"#);
    assert_eq!(say().unwrap_err().kind, ErrorKind::NotGranted);
    yes(&bench, 1);
    say().unwrap();
    bench.outbound.answer_with(500, b"");
    assert_eq!(say().unwrap_err().kind, ErrorKind::HookUnavailable);
    assert_eq!(bench.node.counters().publications.get(), 1);
}

#[test]
fn whatever_is_no_answer_is_none_and_what_then_holds_is_the_projects_word() {
    for (allow, kind) in [(false, HookQuestion::Connect), (true, HookQuestion::Connect)] {
        let bench = Bench::new();
        hook(&bench, |hook| (hook.questions, hook.allow_on_failure) = (vec![kind], allow));
        let token = bench.issue(NewToken::default());
        let failures: [&dyn Fn(); 4] = [
            &|| bench.outbound.answer_with(500, br#"{"allow":true}"#),
            &|| bench.outbound.answer_with(200, b"yes"),
            &|| bench.outbound.answer(Err(OutboundFailure::Redirect(302))),
            &|| bench.outbound.answer(Err(OutboundFailure::Timeout(5_000))),
        ];
        for failure in failures {
            failure();
            let outcome = bench.connect(&secret(&token)).map_err(|error| error.kind);
            assert_eq!(outcome.is_ok(), allow, "{outcome:?}");
            assert_eq!(outcome.err(), (!allow).then_some(ErrorKind::HookUnavailable));
        }
        assert_eq!(bench.node.counters().hook_failures.get(), 4);
    }
}

#[test]
fn a_private_channel_needs_a_clear_yes_whatever_the_project_says() {
    let bench = Bench::new();
    hook(&bench, |hook| {
        hook.questions = vec![HookQuestion::Subscribe, HookQuestion::Publish];
        hook.allow_on_failure = true;
    });
    bench.channel("den", ChannelType::Private);
    let token = bench.issue(NewToken::default());
    let connection = bench.connect(&secret(&token)).unwrap();
    bench.outbound.answer_with(500, b"");
    assert_eq!(subscribe(&bench, connection, "den").unwrap_err().kind, ErrorKind::HookUnavailable);
}

#[test]
fn answers_hold_as_long_as_they_say_and_for_whom_they_were_given() {
    let bench = Bench::new();
    let (token, connection) = in_room(&bench);
    hook(&bench, only(HookQuestion::Publish));
    let asked = || bench.outbound.take_calls().len();
    let good = br#"{"allow":true,"cache_ms":1000}"#;
    bench.outbound.answer_with(200, good);
    for _ in 0..3 {
        assert!(matches!(publish(&bench, connection, "room"), Ok(Some(Reply::Published(_)))));
    }
    assert_eq!(asked(), 1);
    // Another token is another question.
    let other = bench.issue(NewToken::default());
    let others = bench.connect(&secret(&other)).unwrap();
    subscribe(&bench, others, "room").unwrap();
    bench.outbound.answer_with(200, br#"{"allow":false,"cache_ms":1000}"#);
    for _ in 0..2 {
        assert_eq!(publish(&bench, others, "room").unwrap_err().kind, ErrorKind::NotGranted);
    }
    assert_eq!(asked(), 1);
    // So is a token that was changed.
    bench.change(&token, |update| update.name = Some(Some("new".into())));
    bench.outbound.answer_with(200, good);
    assert!(matches!(publish(&bench, connection, "room"), Ok(Some(Reply::Published(_)))));
    assert_eq!(asked(), 1);
    bench.clock.advance(999);
    publish(&bench, connection, "room").unwrap();
    assert_eq!(asked(), 0);
    bench.clock.advance(1);
    yes(&bench, 1);
    publish(&bench, connection, "room").unwrap();
    assert_eq!(asked(), 1);
    // A hook with other settings said nothing yet.
    bench.outbound.answer_with(200, good);
    publish(&bench, connection, "room").unwrap();
    hook(&bench, |hook| (hook.questions, hook.timeout_ms) = (vec![HookQuestion::Publish], Some(100)));
    yes(&bench, 1);
    publish(&bench, connection, "room").unwrap();
    assert_eq!(asked(), 2);
}

#[test]
fn a_revoked_token_has_no_use_for_a_yes_that_was_kept() {
    let bench = Bench::new();
    hook(&bench, only(HookQuestion::Connect));
    let token = bench.issue(NewToken::default());
    bench.outbound.answer_with(200, br#"{"allow":true,"cache_ms":60000}"#);
    bench.connect(&secret(&token)).unwrap();
    bench.connect(&secret(&token)).unwrap();
    assert_eq!(bench.outbound.take_calls().len(), 1);
    bench.revoke(token.token.id);
    assert_eq!(bench.connect(&secret(&token)).unwrap_err().kind, ErrorKind::TokenRevoked);
    assert_eq!(bench.outbound.take_calls().len(), 0, "about whom we refuse nobody is asked");
}

#[test]
fn a_hook_that_fails_is_left_alone_and_tried_by_one() {
    let bench = Bench::new();
    hook(&bench, only(HookQuestion::Connect));
    let token = bench.issue(NewToken::default());
    let connect = || bench.connect(&secret(&token)).map_err(|error| error.kind);
    let asked = || bench.outbound.take_calls().len();
    for _ in 0..5 {
        bench.outbound.answer_with(503, b"");
        assert_eq!(connect(), Err(ErrorKind::HookUnavailable));
    }
    assert_eq!((asked(), bench.node.counters().hook_breakers_opened.get()), (5, 1));
    bench.run(bench.node.look_for_alerts());
    let alerts = || bench.node.alerts(&bench.key).unwrap();
    assert_eq!((alerts().len(), alerts()[0].record.kind.as_str()), (1, "hook_failing"));
    yes(&bench, 1);
    for _ in 0..10 {
        assert_eq!(connect(), Err(ErrorKind::HookUnavailable));
    }
    assert_eq!((asked(), bench.node.counters().hook_questions_skipped.get()), (0, 10));
    bench.clock.advance(5_000);
    assert!(connect().is_ok());
    assert_eq!(asked(), 1, "the probe");
    bench.run(bench.node.look_for_alerts());
    assert!(alerts()[0].record.cleared_at.is_some(), "it is over");
    yes(&bench, 1);
    assert!(connect().is_ok());
    // Another address is another hook.
    for _ in 0..5 {
        bench.outbound.answer_with(503, b"");
        let _refused = connect();
    }
    asked();
    hook(&bench, |hook| (hook.questions, hook.url) = (vec![HookQuestion::Connect], format!("{URL}/2")));
    yes(&bench, 1);
    assert!(connect().is_ok());
}

#[test]
fn too_many_of_our_own_questions_say_nothing_about_the_hook() {
    let bench = Bench::new();
    hook(&bench, only(HookQuestion::Connect));
    let token = bench.issue(NewToken::default());
    for _ in 0..10 {
        bench.outbound.answer(Err(OutboundFailure::Overloaded));
        assert_eq!(bench.connect(&secret(&token)).unwrap_err().kind, ErrorKind::HookUnavailable);
    }
    yes(&bench, 1);
    assert!(bench.connect(&secret(&token)).is_ok());
}

#[test]
fn anonymous_clients_are_asked_about_where_the_hook_says_so() {
    let bench = Bench::new();
    let connect = || {
        let connection = bench.open();
        let command = Command::Connect { project: bench.project.to_string(), token: None, resume: None };
        bench.command(connection, command).map(drop).map_err(|error| error.kind)
    };
    hook(&bench, only(HookQuestion::Connect));
    assert_eq!((connect(), bench.outbound.take_calls().len()), (Ok(()), 0));
    hook(&bench, |hook| (hook.questions, hook.anonymous) = (vec![HookQuestion::Connect], true));
    bench.outbound.answer_with(200, br#"{"allow":false,"cache_ms":60000}"#);
    assert_eq!(connect(), Err(ErrorKind::Forbidden));
    assert!(!body(&bench.outbound.take_calls()[0]).contains("token"));
    yes(&bench, 1);
    assert_eq!(connect(), Ok(()), "what was said of one is not said of all");
}

#[test]
fn a_secret_that_is_replaced_signs_for_a_while_longer() {
    let bench = Bench::new();
    let old = hook(&bench, only(HookQuestion::Connect));
    let until = tollgate_core::clock::UnixMillis(bench.now() + 1_000);
    let previous = Some((old.expose().to_string(), until));
    let new = hook(&bench, |hook| {
        (hook.questions, hook.previous_secret) = (vec![HookQuestion::Connect], previous.clone());
    });
    let token = bench.issue(NewToken::default());
    let signed_by = || {
        yes(&bench, 1);
        bench.connect(&secret(&token)).unwrap();
        let call = bench.outbound.take_calls().remove(0);
        let (id, seconds) = (header(&call, "webhook-id"), header(&call, "webhook-timestamp").parse().unwrap());
        let signature = header(&call, "webhook-signature");
        [&old, &new].map(|secret| verify_webhook(secret, &id, seconds, &call.body, &signature))
    };
    assert_eq!(signed_by(), [true, true]);
    bench.clock.advance(1_000);
    assert_eq!(signed_by(), [false, true]);
}

#[test]
fn a_hook_must_be_one_that_can_be_asked() {
    let bench = Bench::new();
    let tried = Cell::new(0);
    let refused = |edit: &(dyn Fn(&mut HookRecord) + Sync)| {
        tried.set(tried.get() + 1);
        let drawn = bench.node.draw_hook_secret().expose().to_string();
        let change = |settings: &mut tollgate_core::records::SettingsRecord| {
            let mut hook = HookRecord {
                url: URL.into(),
                secret: drawn.clone(),
                previous_secret: None,
                questions: vec![HookQuestion::Subscribe],
                anonymous: false,
                timeout_ms: Some(5_000),
                allow_on_failure: false,
            };
            edit(&mut hook);
            settings.hook = Some(hook);
            Ok(())
        };
        bench.run(bench.node.change_settings(&bench.key, &change)).err().map(|error| error.kind)
    };
    for edit in [
        &|hook: &mut HookRecord| hook.url = "http://127.0.0.1/".into(),
        &|hook: &mut HookRecord| hook.url = "https://10.0.0.1/".into(),
        &|hook: &mut HookRecord| hook.url = "nonsense".into(),
        &|hook: &mut HookRecord| hook.questions = Vec::new(),
        &|hook: &mut HookRecord| hook.timeout_ms = Some(5_001),
        &|hook: &mut HookRecord| hook.timeout_ms = Some(49),
        &|hook: &mut HookRecord| hook.allow_on_failure = true,
    ] as [&(dyn Fn(&mut HookRecord) + Sync); 7]
    {
        assert_eq!(refused(edit), Some(ErrorKind::InvalidInput), "number {}", tried.get());
    }
    assert_eq!(refused(&|_| {}), None);
}

#[test]
fn a_test_asks_what_is_made_up_and_lets_nobody_in() {
    let bench = Bench::new();
    let test = |question| bench.run(bench.node.test_hook(&bench.key, question));
    assert_eq!(test(None).unwrap_err().kind, ErrorKind::WrongState, "there is none");
    let secret_of_hook = hook(&bench, |hook| hook.questions = vec![HookQuestion::Publish, HookQuestion::Connect]);
    assert_eq!(test(Some(HookQuestion::Subscribe)).unwrap_err().kind, ErrorKind::WrongState, "it is not asked this");
    bench.outbound.answer_with(200, br#"{"allow":false,"reason":"muted","cache_ms":60000}"#);
    let tested = test(None).unwrap();
    let said = HookSaid { allow: false, cache_ms: 60_000, reason: Some("muted".into()) };
    assert_eq!((tested.question, tested.status, tested.answer), (HookQuestion::Publish, Some(200), Ok(said)));
    let call = bench.outbound.take_calls().remove(0);
    assert!(
        body(&call).contains(r#""type":"hook.publish""#) && body(&call).contains(r#""test":true"#),
        "{}",
        body(&call)
    );
    let (id, seconds) = (header(&call, "webhook-id"), header(&call, "webhook-timestamp").parse().unwrap());
    let signatures = header(&call, "webhook-signature");
    assert!(verify_webhook(&secret_of_hook, &id, seconds, &call.body, &signatures));
    // The real question has no such word in it, and its answer is its own.
    yes(&bench, 1);
    let token = bench.issue(NewToken::default());
    assert!(bench.connect(&secret(&token)).is_ok());
    assert!(!body(&bench.outbound.take_calls()[0]).contains("test"));
    for (status, answer, why) in [(503, "", "it answered 503"), (200, "{}", "it answered neither")] {
        bench.outbound.answer_with(status, answer.as_bytes());
        let tested = test(Some(HookQuestion::Connect)).unwrap();
        assert!(tested.status == Some(status) && tested.answer.as_ref().unwrap_err().contains(why), "{tested:?}");
    }
    bench.outbound.answer(Err(OutboundFailure::Timeout(5_000)));
    let silent = test(None).unwrap();
    assert_eq!((silent.status, silent.answer), (None, Err("no answer within 5000 ms".into())));
    assert_eq!(bench.audit("hook.test").len(), 4, "what was refused asked nobody");
    assert!(bench.audit("hook.test").iter().all(|entry| !entry.contains("whsec_")));
}

#[test]
fn failed_tests_are_not_counted_and_an_answer_ends_the_rest() {
    let bench = Bench::new();
    hook(&bench, only(HookQuestion::Connect));
    let token = secret(&bench.issue(NewToken::default()));
    let test = || bench.run(bench.node.test_hook(&bench.key, None)).unwrap().answer.is_ok();
    for _ in 0..10 {
        bench.outbound.answer_with(503, b"");
        assert!(!test());
    }
    yes(&bench, 1);
    assert!(bench.connect(&token).is_ok(), "it is asked as ever");
    for _ in 0..5 {
        bench.outbound.answer_with(503, b"");
        assert!(bench.connect(&token).is_err());
    }
    yes(&bench, 2);
    assert!(bench.connect(&token).is_err(), "it rests");
    assert!(test() && bench.connect(&token).is_ok(), "and is asked again");
}
