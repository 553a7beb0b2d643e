//! Close frames and connections that just end.

use std::time::Duration;

use tollgate_testkit::raw::{CLOSE, Frame, Raw};
use tollgate_testkit::{Server, wait};

#[test]
fn a_proper_close_is_echoed_and_the_connection_ended() {
    let server = Server::start();
    for code in [1000_u16, 1001, 1003, 1007, 1011, 3000, 3999, 4000, 4001, 4999] {
        let mut raw = Raw::identified(&server);
        raw.send(&Frame::new(CLOSE, [&code.to_be_bytes()[..], "bye é".as_bytes()].concat()));
        let echo = raw.expect(CLOSE);
        assert!(echo.len() >= 2 && echo[..2] == code.to_be_bytes(), "{code}: {echo:?}");
        assert!(raw.ends_within(Duration::from_secs(5)), "{code}");
    }
    let mut raw = Raw::identified(&server);
    raw.send(&Frame::new(CLOSE, ""));
    raw.expect(CLOSE);
    assert!(raw.ends_within(Duration::from_secs(5)));
}

#[test]
fn an_improper_close_is_closed_1002_or_1007() {
    let server = Server::start();
    let mut cases: Vec<(Vec<u8>, u16)> =
        vec![(vec![3], 1002), (b"\x03\xe8\xff".to_vec(), 1007), (b"\x03\xe8\xed\xa0\x80".to_vec(), 1007)];
    for code in [0_u16, 1, 999, 1004, 1005, 1006, 1015, 1016, 2000, 2999, 5000, 65_535] {
        cases.push((code.to_be_bytes().to_vec(), 1002));
    }
    for (payload, code) in cases {
        let mut raw = Raw::identified(&server);
        raw.send(&Frame::new(CLOSE, payload.clone()));
        assert_eq!(raw.closed(), code, "{payload:?}");
        assert!(raw.ends_within(Duration::from_secs(5)));
    }
}

#[test]
fn what_comes_after_a_close_is_ignored() {
    let server = Server::start();
    let mut raw = Raw::identified(&server);
    let burst = [Frame::new(CLOSE, 1000_u16.to_be_bytes()), Frame::text("nonsense"), Frame::text(r#"{"op":3}"#)];
    raw.write(&burst.iter().flat_map(Frame::bytes).collect::<Vec<_>>()).unwrap();
    assert_eq!(raw.closed(), 1000);
}

#[test]
fn a_client_that_never_answers_our_close_is_let_go() {
    let server = Server::start();
    let mut raw = Raw::identified(&server);
    raw.send(&Frame::text("nonsense"));
    assert_eq!(raw.closed(), 4005);
    assert!(raw.ends_within(Duration::from_secs(10)), "the socket must not stay for ever");
}

#[test]
fn a_connection_may_end_at_any_byte_of_a_frame() {
    let server = Server::start();
    let api = server.api();
    api.channel("room", "unprotected", serde_json::json!({}));
    let bytes = Frame::text(r#"{"op":0,"d":{"e":"SUBSCRIBE","d":null,"c":"room"}}"#).bytes();
    for cut in 0..=bytes.len() {
        let mut raw = Raw::identified(&server);
        raw.write(&bytes[..cut]).unwrap();
    }
    wait("every guest to be gone", || api.online_count("room") == 0);
}
