//! Hop behaviour 43, for any input: clients crash on frames that lack a key, so no frame that we emit may, whatever came in. Nor does any
//! input make the dialect panic, or wait for ever.
#![allow(clippy::unwrap_used)]

use std::sync::Arc;

use proptest::collection::vec;
use proptest::prelude::*;
use serde_json::Value;
use tollgate_core::clock::{Monotonic, UnixMillis};
use tollgate_core::command::{Connected, ConnectedToken, Expiry, Notice, Renewed, Reply, Subscribed};
use tollgate_core::delivery::{Delivery, Encoder, Position, Publication};
use tollgate_core::ids::{ChannelId, ConnectionId, ProjectId, TokenId};
use tollgate_core::json::{JsonObject, JsonValue};
use tollgate_core::model::{Capabilities, ChannelSettings, ChannelType};
use tollgate_core::{CloseReason, Error, ErrorKind};
use tollgate_protocol::{Dialect, Effect, Frame, RequestNumber};
use tollgate_protocol_leap::{LeapConfig, LeapDialect, LeapEncoder};

/// What may happen to a connection.
#[derive(Clone, Debug)]
enum Happening {
    Text(String),
    Binary(Vec<u8>),
    Answer(u32, Result<Reply, Error>),
    Notice(Notice),
    Delivery(Delivery),
    Passed(u64),
    Close(CloseReason),
}

/// Strings that break what concatenates: quotes, backslashes, control characters, separators, everything else.
fn hostile() -> impl Strategy<Value = String> {
    prop_oneof![
        Just(String::new()),
        "[\"\\\\\u{0}-\u{1f}\u{7f}\u{2028}\u{2029}{}\\[\\]:,ée\u{10ffff}]{0,12}",
        any::<String>(),
    ]
}

fn channel() -> impl Strategy<Value = ChannelId> {
    hostile().prop_map(|text| {
        let allowed: String = text.chars().filter(|c| !c.is_control() && !"/?#".contains(*c)).take(60).collect();
        ChannelId::new(&allowed).unwrap_or_else(|_| ChannelId::new("room\"1\\").unwrap())
    })
}

fn json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        hostile().prop_map(Value::from)
    ];
    leaf.prop_recursive(3, 12, 4, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..4).prop_map(Value::from),
            vec((hostile(), inner), 0..4).prop_map(|entries| Value::Object(entries.into_iter().collect())),
        ]
    })
}

fn object() -> impl Strategy<Value = JsonObject> {
    vec((hostile(), json()), 0..3).prop_map(|entries| {
        JsonObject::parse(Value::Object(entries.into_iter().collect()).to_string().as_bytes(), 1 << 20).unwrap()
    })
}

fn publication() -> impl Strategy<Value = Publication> {
    (hostile(), json()).prop_map(|(event, data)| {
        let data = JsonValue::parse(data.to_string().as_bytes(), 1 << 20).unwrap();
        Publication::new(&event, data, UnixMillis(0))
    })
}

fn begun(channel: tollgate_core::command::ChannelSnapshot) -> Subscribed {
    Subscribed { channel: Arc::new(channel), position: Position::default(), recovered: None, is_resuming: false }
}

fn snapshot() -> impl Strategy<Value = tollgate_core::command::ChannelSnapshot> {
    let kind = prop_oneof![Just(ChannelType::Private), Just(ChannelType::Public), Just(ChannelType::Unprotected)];
    (any::<u64>(), channel(), kind, 0..=31_u64, object()).prop_map(|(project, channel, kind, bits, state)| {
        tollgate_core::command::ChannelSnapshot {
            project: ProjectId::new(project),
            channel,
            kind,
            capabilities: Capabilities::from_bits(bits).unwrap(),
            settings: ChannelSettings::default(),
            durable_epoch: None,
            state,
            version: 1,
            sequence: 1,
        }
    })
}

/// Frames from well-formed over nearly so to anything at all.
fn text() -> impl Strategy<Value = String> {
    let event = prop_oneof![
        Just("SUBSCRIBE".to_owned()),
        Just("UNSUBSCRIBE".to_owned()),
        Just("MESSAGE".to_owned()),
        Just("SET_CHANNEL_STATE".to_owned()),
        Just("PIPE_ROOM_SUBSCRIBE".to_owned()),
        hostile(),
    ];
    let inner = prop_oneof![
        json(),
        (hostile(), json()).prop_map(|(e, d)| serde_json::json!({ "e": e, "d": d })),
        hostile().prop_map(|token| serde_json::json!({ "join_token": token })),
    ];
    let dispatch = (event, hostile(), inner)
        .prop_map(|(e, c, d)| serde_json::json!({ "op": 0, "d": { "e": e, "c": c, "d": d } }))
        .boxed();
    let cut = (dispatch.clone(), 0..80_usize).prop_map(|(frame, at)| frame.to_string().chars().take(at).collect());
    prop_oneof![
        8 => dispatch.prop_map(|frame| frame.to_string()),
        4 => hostile().prop_map(|tag| serde_json::json!({ "op": 3, "d": { "tag": tag } }).to_string()),
        1 => hostile().prop_map(|token| serde_json::json!({ "op": 10, "d": { "token": token } }).to_string()),
        2 => Just(r#"{"op":3}"#.to_owned()),
        1 => (any::<i64>(), json()).prop_map(|(op, d)| serde_json::json!({ "op": op, "d": d }).to_string()),
        1 => (-2..6_i64, json()).prop_map(|(op, d)| serde_json::json!({ "op": op, "d": d }).to_string()),
        1 => cut,
        1 => any::<String>(),
    ]
}

fn reply() -> impl Strategy<Value = Result<Reply, Error>> {
    let kinds = (0..ErrorKind::ALL.len()).prop_map(|index| Err(Error::new(ErrorKind::ALL[index], "no")));
    prop_oneof![
        4 => Just(Ok(Reply::Done)),
        1 => proptest::option::of(expiry()).prop_map(|expiry| {
            let token = ConnectedToken { id: TokenId::new(1), user: None, state: None, expiry };
            Ok(Reply::Renewed(Box::new(Renewed { token, session: None, direct: None, direct_lost: false })))
        }),
        2 => Just(Ok(Reply::NotAllowed)),
        2 => Just(Ok(Reply::NotSubscribed)),
        1 => connected().prop_map(|connected| Ok(Reply::Connected(Box::new(connected)))),
        2 => kinds,
    ]
}

fn expiry() -> impl Strategy<Value = Expiry> {
    let ms = || prop_oneof![0..100_000_u64, any::<u64>(), Just(u64::MAX)];
    (ms(), ms()).prop_map(|(left_ms, life_ms)| Expiry { left_ms, life_ms })
}

fn connected() -> impl Strategy<Value = Connected> {
    let token = (proptest::option::of(object()), proptest::option::of(expiry()))
        .prop_map(|(state, expiry)| ConnectedToken { id: TokenId::new(1), user: None, state, expiry });
    (any::<(u64, u64, u32)>(), proptest::option::of(token), vec(snapshot(), 0..3)).prop_map(
        |((connection, project, connection_count), token, channels)| Connected {
            connection: ConnectionId::new(connection),
            project: ProjectId::new(project),
            token,
            connection_count,
            session: None,
            resumed: false,
            direct: None,
            direct_lost: false,
            channels: channels.into_iter().map(begun).collect(),
        },
    )
}

fn happening() -> impl Strategy<Value = Happening> {
    let notice = prop_oneof![
        snapshot().prop_map(|snapshot| Notice::Subscribed(Box::new(begun(snapshot)))),
        channel().prop_map(Notice::Unsubscribed),
        publication().prop_map(|publication| Notice::Direct(None, publication)),
        proptest::option::of(expiry()).prop_map(Notice::ExpiryChanged),
        any::<u64>().prop_map(|left_ms| Notice::Expiring { left_ms }),
    ];
    let delivery = prop_oneof![
        (channel(), publication()).prop_map(|(channel, publication)| {
            Delivery::Message { channel, position: Position::default(), publication }
        }),
        (channel(), object()).prop_map(|(channel, state)| Delivery::State { channel, state, version: 1 }),
        channel().prop_map(|channel| Delivery::Deleted { channel }),
        publication().prop_map(|publication| Delivery::Direct { position: None, publication }),
    ];
    prop_oneof![
        16 => text().prop_map(Happening::Text),
        1 => vec(any::<u8>(), 0..40).prop_map(Happening::Binary),
        6 => (1..12_u32, reply()).prop_map(|(number, reply)| Happening::Answer(number, reply)),
        4 => notice.prop_map(Happening::Notice),
        4 => delivery.prop_map(Happening::Delivery),
        4 => prop_oneof![0..20_u64, 0..200_000_u64].prop_map(Happening::Passed),
        1 => prop_oneof![Just(CloseReason::Draining), Just(CloseReason::TokenRevoked)].prop_map(Happening::Close),
    ]
}

/// What every frame of ours must be.
fn check(frame: &[u8]) {
    let frame: Value = serde_json::from_slice(frame).expect("valid JSON");
    let d = &frame["d"];
    match frame["op"].as_u64().expect("an op") {
        0 => {
            assert!(d["u"].is_boolean() && d["e"].is_string() && d.get("d").is_some_and(Value::is_object), "{frame}");
            let direct = matches!(
                d["e"].as_str().unwrap(),
                "INIT" | "DIRECT_MESSAGE" | "PIPE_ROOM_UNAVAILABLE" | "TOKEN_EXPIRING"
            );
            assert!(
                if direct { d.get("c") == Some(&Value::Null) } else { d["c"].as_str().is_some_and(|c| !c.is_empty()) },
                "{frame}"
            );
            assert_eq!(d.as_object().unwrap().len(), 4, "{frame}");
        }
        1 => assert!(d["heartbeat_interval"].is_u64(), "{frame}"),
        3 => assert!(d["tag"].is_string(), "{frame}"),
        4 => assert!(frame.get("d").is_none() || (d["tag"].is_string() && d["latency"].is_u64()), "{frame}"),
        11 => assert!(d["success"].is_boolean(), "{frame}"),
        op => panic!("op {op} is not ours to send"),
    }
}

/// Takes the effects; true once the connection is closed.
fn settle(effects: &mut Vec<Effect>) -> bool {
    let mut closed = false;
    for effect in effects.drain(..) {
        assert!(!closed, "nothing follows a close: {effect:?}");
        match effect {
            Effect::Send(frame) => check(&frame),
            Effect::SendBinary(payload) => panic!("Leap sends text only: {payload:?}"),
            Effect::Perform(..) => {}
            Effect::Close { code, text, .. } => {
                assert!(text.len() <= 123 && (1000..5000).contains(&code));
                closed = true;
            }
        }
    }
    closed
}

fn run(identified: Option<Connected>, happenings: Vec<Happening>) {
    let mut dialect = LeapDialect::new(Arc::new(LeapConfig::default()));
    let (mut now, mut effects) = (Monotonic(77), Vec::new());
    dialect.open(now, &mut effects);
    if let Some(connected) = identified {
        dialect.receive(now, Frame::Text(r#"{"op":2,"d":{"project_id":"p","token":"t"}}"#), &mut effects);
        dialect.answer(now, RequestNumber(1), Ok(Reply::Connected(Box::new(connected))), &mut effects);
    }
    for happening in happenings {
        if settle(&mut effects) {
            assert_eq!(dialect.wake_at(), None);
            return;
        }
        match happening {
            Happening::Text(text) => dialect.receive(now, Frame::Text(&text), &mut effects),
            Happening::Binary(bytes) => dialect.receive(now, Frame::Binary(&bytes), &mut effects),
            Happening::Answer(number, reply) => dialect.answer(now, RequestNumber(number), reply, &mut effects),
            Happening::Notice(notice) => dialect.notify(now, notice, &mut effects),
            Happening::Close(reason) => dialect.close(now, reason, &mut effects),
            Happening::Delivery(delivery) => {
                let mut frame = b"before".to_vec();
                assert!(LeapEncoder.encode(&delivery, &mut frame));
                check(frame.strip_prefix(b"before").expect("what was there stays"));
            }
            Happening::Passed(ms) => {
                now = now.plus(ms);
                if dialect.wake_at().expect("an open connection has a deadline") <= now {
                    dialect.wake(now, &mut effects);
                    assert!(dialect.wake_at().is_none_or(|at| at > now), "waking once is enough");
                }
            }
        }
    }
    settle(&mut effects);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn b43_every_frame_has_its_keys_whatever_came_in(
        identified in proptest::option::weighted(0.8, connected()),
        happenings in vec(happening(), 0..24),
    ) {
        run(identified, happenings);
    }
}
