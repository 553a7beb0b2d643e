//! Finding anything: by ids, secrets, names, beginnings and positions; and never what the caller could not see.

use tollgate_core::authorize::Caller;
use tollgate_core::command::{NewMessage, PresentedSecret, Published};
use tollgate_core::error::ErrorKind;
use tollgate_core::ids::{ChannelId, OperatorId};
use tollgate_core::json::{JsonObject, JsonValue};
use tollgate_core::model::{Capabilities, ChannelSettings, ChannelType, HistorySettings};
use tollgate_core::permissions::Permissions;
use tollgate_core::roles::Role;
use tollgate_node::{ConnectionFilter, Found, FoundKind, NewChannel, NewToken, NewUser, NewWebhook, UserOfToken};

use super::bench::{Bench, secret};

fn found_by(bench: &Bench, caller: &Caller, text: &str) -> Vec<Found> {
    bench.run(bench.node.find(caller, &PresentedSecret::new(text.to_owned()))).unwrap()
}

/// What is found, as `kind id`, those that the text names with a star.
fn seen(bench: &Bench, caller: &Caller, text: &str) -> Vec<String> {
    let show = |found: Found| format!("{} {}{}", found.kind.word(), found.id, if found.is_named { "*" } else { "" });
    found_by(bench, caller, text).into_iter().map(show).collect()
}

#[test]
fn each_thing_is_found_by_what_names_it_and_names_by_how_they_begin() {
    let bench = Bench::new();
    let key = bench.key;
    for name in ["ann", "room", "room-1", "room-2"] {
        bench.channel(name, ChannelType::Public);
    }
    for user_id in ["ann", "anna"] {
        bench.run(bench.node.create_user(&key, NewUser { user_id: user_id.into(), ..NewUser::default() })).unwrap();
    }
    let user = UserOfToken { user_id: "ann".into(), display_name: None };
    let issued = bench.issue(NewToken { user: Some(user), ..NewToken::default() });
    let (id, spelled) = (issued.token.id.to_string(), secret(&issued));
    let token = vec![format!("token {id}*")];
    assert_eq!(seen(&bench, &key, &id), token);
    assert_eq!(seen(&bench, &key, &format!("  {spelled}\n")), token);
    // A secret that was replaced still says whose it was.
    bench.run(bench.node.rotate_token(&key, &PresentedSecret::new(id), Some(0), None, None)).unwrap();
    assert_eq!(seen(&bench, &key, &spelled), token);
    let forged = format!("{}{}", &spelled[..spelled.len() - 1], if spelled.ends_with('A') { 'B' } else { 'A' });
    assert_eq!(seen(&bench, &key, &forged), [""; 0]);

    assert_eq!(seen(&bench, &key, "ann"), ["user ann*", "channel ann*", "user anna"]);
    assert_eq!(seen(&bench, &key, "room-"), ["channel room-1", "channel room-2"]);
    assert_eq!(seen(&bench, &key, "room"), ["channel room*", "channel room-1", "channel room-2"]);
    assert_eq!(seen(&bench, &key, "nothing"), [""; 0]);

    bench.connect_anonymous();
    let all = bench.run(bench.node.connections(&key, &ConnectionFilter::default(), None, 9)).unwrap().connections;
    let connection = all[0].id;
    assert_eq!(seen(&bench, &key, &connection.to_string()), [format!("connection {connection}*")]);
    let filter = ConnectionFilter { id: Some(connection), ..ConnectionFilter::default() };
    let page = bench.run(bench.node.connections(&key, &filter, None, 9)).unwrap();
    assert_eq!((page.connections.len(), page.next), (1, None));

    let keys = bench.node.project_keys(&key).unwrap();
    assert_eq!(seen(&bench, &key, &keys[0].id.to_string()), [format!("key {}*", keys[0].id)]);
    let new = NewWebhook { url: "https://a.example/".into(), events: vec!["*".into()], ..NewWebhook::default() };
    let (webhook, _) = bench.run(bench.node.create_webhook(&key, new)).unwrap();
    assert_eq!(seen(&bench, &key, &webhook.id.to_string()), [format!("webhook {}*", webhook.id)]);
    let signing = bench.node.signing_keys(&key).unwrap();
    for one in signing {
        assert_eq!(seen(&bench, &key, &one.kid), [format!("signing_key {}*", one.kid)]);
    }
    for (text, kind) in [(String::new(), ErrorKind::InvalidInput), ("x".repeat(17_000), ErrorKind::InvalidInput)] {
        let refused = bench.run(bench.node.find(&key, &PresentedSecret::new(text))).unwrap_err();
        assert_eq!(refused.kind, kind);
    }
}

#[test]
fn a_message_is_found_where_it_is_kept() {
    let bench = Bench::new();
    let settings = ChannelSettings {
        history: HistorySettings { size: 10, ttl_ms: 60_000, durable: false },
        ..ChannelSettings::default()
    };
    let new = NewChannel {
        id: Some(ChannelId::new("room").unwrap()),
        kind: ChannelType::Public,
        state: JsonObject::empty(),
        capabilities: Capabilities::default(),
        settings,
    };
    bench.run(bench.node.create_channel(&bench.key, new)).unwrap();
    let message = NewMessage { channel: "room".into(), event: "said".into(), data: JsonValue::null(), options: None };
    let Published::At(at) = bench.run(bench.node.publish(&bench.key, message)).unwrap() else { panic!("no position") };
    assert_eq!(seen(&bench, &bench.key, &format!("room@{at}")), [format!("message room@{at}*")]);
    assert_eq!(seen(&bench, &bench.key, &format!("room {at}")), [format!("message room@{at}*")]);
    for text in [
        "room@1-1".to_owned(),
        format!("room@{:x}-99", at.epoch),
        format!("other@{at}"),
        format!("room@{:x}-0", at.epoch),
    ] {
        assert_eq!(seen(&bench, &bench.key, &text), [""; 0], "{text}");
    }
}

#[test]
fn nobody_finds_what_it_may_not_see() {
    let bench = Bench::new();
    let project = bench.project;
    bench.channel("room", ChannelType::Public);
    let issued = bench.issue(NewToken::default());
    let (id, spelled) = (issued.token.id.to_string(), secret(&issued));
    let key = bench.node.project_keys(&bench.key).unwrap()[0].id.to_string();
    let texts = [id.as_str(), spelled.as_str(), key.as_str(), "room", "ro"];
    // A key sees what its permissions show.
    let with = |permissions| match bench.key {
        Caller::ProjectKey { project, key, .. } => Caller::ProjectKey { project, key, permissions },
        _ => panic!("the bench calls with a key"),
    };
    let count = |caller: &Caller| texts.map(|text| found_by(&bench, caller, text).len());
    assert_eq!(count(&with(Permissions::all())), [1, 1, 1, 1, 1]);
    assert_eq!(count(&with(Permissions::NONE)), [0; 5]);
    assert_eq!(count(&with(Permissions::READ_LEAP_TOKENS)), [1, 1, 0, 0, 0]);
    assert_eq!(count(&with(Permissions::READ_CHANNELS)), [0, 0, 0, 1, 1]);
    assert_eq!(count(&with(Permissions::MANAGE_KEYS)), [0, 0, 1, 0, 0]);
    // The project next door has none of it, whatever its key may do.
    let (next_door, _) = bench.run(bench.node.create_project(&Caller::Operator, "next door")).unwrap();
    for role in Role::ALL {
        let operator = OperatorId::new(1);
        assert_eq!(count(&Caller::Person { operator, role, project: Some(project) }), [1; 5], "{role}");
        assert_eq!(count(&Caller::Person { operator, role, project: Some(next_door.id) }), [0; 5], "{role}");
        let whole = Caller::Person { operator, role, project: None };
        let refused = bench.run(bench.node.find(&whole, &PresentedSecret::new("room".into()))).unwrap_err();
        assert_eq!(refused.kind, ErrorKind::Forbidden);
    }
    for caller in [Caller::Token { project, token: issued.token.id }, Caller::Anonymous { project }] {
        let refused = bench.run(bench.node.find(&caller, &PresentedSecret::new("room".into()))).unwrap_err();
        assert_eq!(refused.kind, ErrorKind::Forbidden, "{caller:?}");
    }
    assert!(FoundKind::ALL.iter().all(|kind| !kind.word().is_empty()));
}
