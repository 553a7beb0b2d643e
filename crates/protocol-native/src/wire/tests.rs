//! The wire module against the page: its tables, and its frames both ways.
#![allow(clippy::unwrap_used)]

use super::*;
use serde_json::value::RawValue;
use tollgate_core::delivery::Position;

fn page() -> String {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/protocol/native.md");
    std::fs::read_to_string(path).unwrap()
}

/// The page's section that begins with this heading.
fn section(page: &str, heading: &str) -> String {
    let (_, rest) = page.split_once(heading).unwrap();
    rest.split_once("\n## ").map_or(rest, |(section, _)| section).to_owned()
}

/// The cells of each row of the first table behind `text`, its head left out.
fn rows(text: &str) -> Vec<Vec<String>> {
    let lines = text.lines().skip_while(|line| !line.starts_with('|')).take_while(|line| line.starts_with('|'));
    let cells = |line: &str| line.trim_matches('|').split('|').map(|cell| cell.trim().to_owned()).collect();
    lines.skip(2).map(cells).collect()
}

#[test]
fn the_error_codes_are_those_of_the_page() {
    let page = page();
    let mut listed = Vec::new();
    for row in rows(&section(&page, "\n## 8. Errors")) {
        for code in row[0].split(", ") {
            listed.push((code.trim_matches('`').to_owned(), row[1].clone()));
        }
    }
    let known: Vec<(String, String)> =
        ErrorCode::ALL.iter().map(|code| (code.word().to_owned(), code.retry().word().to_owned())).collect();
    assert_eq!(listed, known);
    for code in ErrorCode::ALL {
        assert_eq!(ErrorCode::from_word(code.word()), Some(*code));
    }
}

#[test]
fn the_close_codes_are_those_of_the_page() {
    let page = page();
    let row = |cells: Vec<String>| {
        let word = cells[1].split('`').nth(1).unwrap().to_owned();
        (cells[0].parse::<u16>().unwrap(), word)
    };
    let listed: Vec<(u16, String)> = rows(&section(&page, "\n## 9. Close codes")).into_iter().map(row).collect();
    let known: Vec<(u16, String)> =
        CloseCode::ALL.iter().map(|close| (close.code(), close.word().to_owned())).collect();
    assert_eq!(listed, known);
}

#[test]
fn the_range_of_a_code_says_what_to_do() {
    for (code, advice) in [
        (1000, CloseAdvice::Return),
        (1006, CloseAdvice::Return),
        (4000, CloseAdvice::Return),
        (4099, CloseAdvice::Return),
        (4100, CloseAdvice::Reauthenticate),
        (4199, CloseAdvice::Reauthenticate),
        (4200, CloseAdvice::Stop),
        (4299, CloseAdvice::Stop),
        (4300, CloseAdvice::Return),
    ] {
        assert_eq!(CloseAdvice::of(code), advice, "{code}");
    }
}

#[test]
fn coming_back_takes_longer_each_time_and_is_spread() {
    let most = |code, tries| reconnect_delay_ms(code, tries, 0.999_999).map(|ms| ms.div_ceil(10) * 10);
    for (code, tries, expected) in [
        (1006, 0, Some(500)),
        (1006, 1, Some(1_000)),
        (1006, 5, Some(16_000)),
        (1006, 6, Some(30_000)),
        (4002, u32::MAX, Some(30_000)),
        (4000, 0, Some(5_000)),
        (4000, 1, Some(1_000)),
        (4101, 2, Some(2_000)),
        (4200, 0, None),
        (4202, 9, None),
    ] {
        assert_eq!(most(code, tries), expected, "{code} {tries}");
    }
    assert_eq!(reconnect_delay_ms(1006, 3, 0.0), Some(0));
    assert_eq!(reconnect_delay_ms(1006, 3, 0.5), Some(2_000));
    assert_eq!(reconnect_delay_ms(1006, 3, f64::NAN), Some(0), "whatever comes, it is a time");
}

#[test]
fn positions_are_texts() {
    let position = PositionText(Position { epoch: 0x18c3f, offset: 41 });
    assert_eq!(serde_json::to_string(&position).unwrap(), "\"18c3f-41\"");
    assert_eq!(serde_json::from_str::<PositionText>("\"18c3f-41\"").unwrap(), position);
    for bad in ["\"1\"", "\"\"", "7", "null", "[1,2]", "\"1-1-1\""] {
        assert!(serde_json::from_str::<PositionText>(bad).is_err(), "{bad}");
    }
}

/// What a frame of a client is read as.
fn outline(text: &str) -> String {
    match ClientFrame::parse(text) {
        None => "none".to_owned(),
        Some(ClientFrame::Pong) => "pong".to_owned(),
        Some(ClientFrame::Request(id, Ok(request))) => format!("{id} {}", request.name()),
        Some(ClientFrame::Request(id, Err(Malformed::Unknown))) => format!("{id} unknown"),
        Some(ClientFrame::Request(id, Err(Malformed::Body(why)))) => format!("{id} body: {why}"),
    }
}

#[test]
fn frames_of_clients_are_read_strictly() {
    for (text, expected) in [
        ("{}", "pong"),
        (" { } ", "pong"),
        (r#"{"id":1,"connect":{"project":"p"}}"#, "1 connect"),
        (r#"{"connect":{"project":"p"},"id":4294967295}"#, "4294967295 connect"),
        (r#"{"id":1,"dance":{}}"#, "1 unknown"),
        (r#"{"id":1,"dance":7}"#, "1 unknown"),
        (r#"{"id":1,"subscribe":{"channel":"a","rewind":{"last":3}}}"#, "1 subscribe"),
        (r#"{"id":1,"publish":{"channel":"a","event":"e","data":null}}"#, "1 publish"),
        (r#"{"id":0,"connect":{}}"#, "none"),
        (r#"{"id":-1,"connect":{}}"#, "none"),
        (r#"{"id":1.0,"connect":{}}"#, "none"),
        (r#"{"id":"1","connect":{}}"#, "none"),
        (r#"{"id":4294967296,"connect":{}}"#, "none"),
        (r#"{"id":1}"#, "none"),
        (r#"{"connect":{}}"#, "none"),
        (r#"{"id":1,"id":1,"connect":{}}"#, "none"),
        (r#"{"id":1,"connect":{},"renew":{}}"#, "none"),
        (r#"[1,2]"#, "none"),
        ("7", "none"),
        ("", "none"),
        ("{}{}", "none"),
    ] {
        assert_eq!(outline(text), expected, "{text}");
    }
    for (text, why) in [
        (r#"{"id":1,"connect":{}}"#, "missing field `project`"),
        (r#"{"id":1,"connect":["p"]}"#, "an object is needed here"),
        (r#"{"id":1,"connect":{"project":"p","colour":1}}"#, "unknown field `colour`"),
        (r#"{"id":1,"subscribe":{"channel":"a","position":"x"}}"#, "a position like"),
        (r#"{"id":1,"subscribe":{"channel":"a","rewind":{"last":1,"since_at":2}}}"#, "expected value at"),
        (r#"{"id":1,"subscribe":{"channel":"a","rewind":{"first":1}}}"#, "unknown variant `first`"),
        (r#"{"id":1,"batch":{"messages":[["a","e"]]}}"#, "messages[0]: an object is needed here"),
        (r#"{"id":1,"batch":{"messages":[{"channel":"a","event":"e"},{}]}}"#, "messages[1]: missing field `channel`"),
        (r#"{"id":1,"history":{"channel":"a","limit":-1}}"#, "invalid value"),
        (r#"{"id":1,"renew":{"token":7}}"#, "invalid type"),
    ] {
        let got = outline(text);
        assert!(got.starts_with("1 body: ") && got.contains(why), "{text} is {got}");
    }
}

#[test]
fn every_request_is_written_as_it_is_read() {
    let texts = [
        r#"{"id":1,"connect":{"project":"project_…","token":"tgt_\"x","sdk":"tollgate-js/0.1.0","session":"ses_1","positions":{"a":"1-2","b":"1-3"},"direct":"5a-7","data":{"name":"Ann"}}}"#,
        r#"{"id":2,"connect":{"project":"p","ticket":"tkt_1"}}"#,
        r#"{"id":3,"renew":{"token":"tgt_1"}}"#,
        r#"{"id":4,"subscribe":{"channel":"a","position":"1-2","presence":true,"data":{}}}"#,
        r#"{"id":5,"subscribe":{"channel":"a","rewind":{"since_at":7}}}"#,
        r#"{"id":6,"unsubscribe":{"channel":"a"}}"#,
        r#"{"id":7,"state":{"channel":"a","merge":{"topic": "cake"},"if_version":3}}"#,
        r#"{"id":8,"publish":{"channel":"a","event":"e","data":{"v": 1.0},"id":"01J","echo":false,"key":"k"}}"#,
        r#"{"id":9,"batch":{"messages":[{"channel":"a","event":"e"},{"channel":"b","event":"e","data":1}]}}"#,
        r#"{"id":10,"history":{"channel":"a","after":"1-2","limit":100,"order":"newest"}}"#,
        r#"{"id":11,"presence":{"channel":"a","limit":0,"after":"ann","sample":true}}"#,
        r#"{"id":12,"presence_set":{"channel":"a","data":{}}}"#,
        r#"{"id":13,"ack":{"direct":"5a-8"}}"#,
    ];
    let mut names = Vec::new();
    for text in texts {
        let Some(ClientFrame::Request(id, Ok(request))) = ClientFrame::parse(text) else { panic!("{}", outline(text)) };
        assert_eq!(write_request(id, &request), text);
        assert!(!format!("{request:?}").contains("tgt_"), "{request:?}");
        names.push(request.name());
    }
    names.dedup();
    assert_eq!(names, Request::NAMES);
}

#[test]
fn what_the_server_says_is_read_leniently() {
    assert!(matches!(ServerFrame::parse("{}").unwrap(), ServerFrame::Ping));
    let text = r#"{"id":1,"ok":{"connection":"conn_1","session":"ses_1","resumed":true,"ping_ms":25000,"timeout_ms":10000,"new":1,
        "token":{"id":"tok_1","user":"ann","state":{},"expires_in_ms":3600000},
        "limits":{"message_bytes":1048576,"requests":64,"subscriptions":1024},"direct":"5a-7",
        "channels":[{"channel":"room","type":"private","state":{"topic":"tea"},"version":3,"position":"18c3f-41","resuming":true}]}}"#;
    let ServerFrame::Reply(Reply { id: 1, outcome: Ok(body) }) = ServerFrame::parse(text).unwrap() else { panic!() };
    let connected: Connected<'_> = serde_json::from_str(body.get()).unwrap();
    assert_eq!((connected.session.as_deref(), connected.channels[0].resuming), (Some("ses_1"), true));
    assert_eq!(connected.channels[0].state.get(), r#"{"topic":"tea"}"#);

    let text = r#"{"id":3,"error":{"code":"odd","message":"No.","retry":"sometimes","version":4,"more":[]}}"#;
    let ServerFrame::Reply(Reply { id: 3, outcome: Err(error) }) = ServerFrame::parse(text).unwrap() else { panic!() };
    assert_eq!((error.retry, error.version, ErrorCode::from_word(&error.code)), (Retry::Never, Some(4), None));

    let text = r#"{"push":"message","channel":"room","offset":42,"event":"said","data":"hello","at":1790000000000,"sender":{"user":"ben","token":"tok_1"},"id":"01J"}"#;
    let ServerFrame::Push(Push::Message(message)) = ServerFrame::parse(text).unwrap() else { panic!() };
    assert_eq!((message.offset, message.data.get(), message.id.as_deref()), (42, "\"hello\"", Some("01J")));
    assert!(message.connection.is_none());

    assert!(matches!(ServerFrame::parse(r#"{"push":"weather","id":[]}"#).unwrap(), ServerFrame::Push(Push::Unknown)));
    for bad in ["7", "[]", r#"{"id":1}"#, r#"{"ok":{}}"#, r#"{"id":"x","ok":{}}"#, r#"{"push":"expiring"}"#] {
        assert!(ServerFrame::parse(bad).is_err(), "{bad}");
    }
}

#[test]
fn bodies_of_replies_are_read_and_written_alike() {
    fn check<'a, T: serde::Deserialize<'a> + serde::Serialize>(text: &'a str) {
        let body: T = serde_json::from_str(text).unwrap();
        assert_eq!(serde_json::to_string(&body).unwrap(), text);
    }
    check::<Empty>("{}");
    check::<Published>(r#"{"position":"1-43"}"#);
    check::<Published>(r#"{"position":"1-43","duplicate":true}"#);
    check::<Published>(r#"{"conflated":true}"#);
    check::<BatchResults<'_>>(
        r#"{"results":[{"position":"1-2"},{"error":{"code":"not_found","message":"No.","retry":"never"}}]}"#,
    );
    check::<Versioned>(r#"{"version":4}"#);
    check::<Renewed<'_>>(r#"{"token":{"id":"tok_OA","expires_in_ms":3600000}}"#);
    check::<Renewed<'_>>(r#"{"token":{"id":"tok_OA"},"session":"ses_2","direct":"5b-3","direct_lost":true}"#);
    check::<Subscribed<'_>>(
        r#"{"channel":"room","type":"private","state":{},"version":3,"position":"1-41","recovered":true}"#,
    );
    check::<History<'_>>(
        r#"{"messages":[{"offset":41,"event":"said","data":"hi","at":1790000000000}],"position":"1-43","next":"1-41"}"#,
    );
    check::<MembersPage<'_>>(
        r#"{"count":2,"members":[{"member":"ann","data":{"name":"Ann"},"since_at":7},{"member":"ben","since_at":7}],"next":"ben"}"#,
    );
    check::<Presence<'_>>(r#"{"channel":"room","count":3,"joined":[{"member":"cyd","since_at":7}],"left":["ben"]}"#);
    check::<Unsubscribed<'_>>(r#"{"channel":"room","reason":"deleted"}"#);
    let raw: &RawValue = serde_json::from_str(r#"{"channel":"room","reason":"odd"}"#).unwrap();
    let unsubscribed: Unsubscribed<'_> = serde_json::from_str(raw.get()).unwrap();
    assert_eq!(unsubscribed.reason, UnsubscribedReason::Ended);
}
