//! The end of a token on a live connection: told ahead, exact, and final.

use std::time::{Duration, SystemTime};

use serde_json::{Value, json};
use tollgate_testkit::{Server, alongside, leap::Incoming, spelled, wait};

fn unix_ms() -> u64 {
    whole_ms(SystemTime::now())
}

fn whole_ms(at: SystemTime) -> u64 {
    at.duration_since(SystemTime::UNIX_EPOCH).unwrap().as_millis().try_into().unwrap()
}

/// Gives a token its end, in so many milliseconds; the moment of it.
fn end_in(server: &Server, token: &str, ms: u64) -> u64 {
    let at = SystemTime::now() + Duration::from_millis(ms);
    server.api().patch(&format!("/v1/channels/tokens/{token}"), json!({"expires_at": spelled(at)})).data();
    whole_ms(at)
}

#[test]
fn a_client_is_told_ahead_and_nothing_sent_after_the_end_reaches_it() {
    let server = Server::start();
    let api = server.api();
    api.channel("room", "unprotected", json!({}));
    let token = api.token(json!({}));
    let (mut leap, _) = server.identified(Some(&token));
    leap.join("room");
    let ends_at = end_in(&server, &token, 2_000);
    let (mut warnings, mut last) = (Vec::new(), 0);
    let publisher = server.api();
    let ending = alongside(
        || publisher.publish("room", "AT", json!({"at": unix_ms()})),
        || loop {
            match leap.incoming(Duration::from_secs(10)).expect("the end of the connection") {
                Incoming::Frame(frame) if frame["d"]["e"] == "TOKEN_EXPIRING" => warnings.push(frame["d"]["d"].clone()),
                Incoming::Frame(frame) => last = frame["d"]["d"]["d"]["at"].as_u64().unwrap_or(last),
                Incoming::Ended(ending) => return ending,
            }
        },
    );
    assert_eq!(ending, Some((4001, "Token expired".to_owned())));
    let left = warnings.iter().map(|warning| warning["expires_in_ms"].as_u64().unwrap()).collect::<Vec<_>>();
    assert!(matches!(left[..], [300..=500]), "a fifth of a life of about two seconds: {left:?}");
    // The server's clock for the time of day and the one for spans are both read in whole milliseconds, so the end may be less than one late.
    assert!(last <= ends_at, "published {} ms after the end, and delivered", last - ends_at);
    assert!(last > ends_at - 500, "nothing of the last {} ms was delivered", ends_at - last);
    assert!(unix_ms() + 20 >= ends_at, "closed early");
    wait("the token to be offline", || !api.is_online(&token));
}

#[test]
fn an_end_that_is_moved_in_time_is_none() {
    let server = Server::start();
    let api = server.api();
    let token = api.token(json!({}));
    let (mut leap, _) = server.identified(Some(&token));
    end_in(&server, &token, 1_500);
    assert_eq!(leap.dispatch("TOKEN_EXPIRING")["c"], Value::Null);
    end_in(&server, &token, 60_000);
    assert_eq!(leap.incoming(Duration::from_secs(2)), None, "neither closed nor warned of a far end");
    assert!(api.is_online(&token));
}

const BULK_BYTES: usize = 32 * 1024;
const OUTBOX_BYTES: usize = 1024 * 1024;

fn flood(server: &Server, messages: usize) {
    let (api, text) = (server.api(), "x".repeat(BULK_BYTES));
    (0..messages).for_each(|n| api.publish("room", "BULK", json!({"n": n, "text": text})));
}

/// What a client that did not read finds in its socket in the end.
fn ending(leap: &mut tollgate_testkit::Leap) -> (usize, Option<(u16, String)>) {
    let mut messages = 0;
    loop {
        match leap.incoming(Duration::from_secs(10)).expect("the end of the connection") {
            Incoming::Frame(frame) if frame["d"]["e"] == "MESSAGE" => {
                assert_eq!(frame["d"]["d"]["d"]["n"], messages, "whole and in order");
                messages += 1;
            }
            Incoming::Frame(_) => {}
            Incoming::Ended(ending) => return (messages, ending),
        }
    }
}

#[test]
fn what_waits_for_a_slow_reader_is_not_delivered_after_the_end_of_its_right() {
    let server = Server::start();
    let api = server.api();
    api.channel("room", "unprotected", json!({}));
    let subscribed = |token: &str| {
        let (mut leap, _) = server.identified(Some(token));
        leap.join("room");
        leap
    };
    // What the sockets alone hold: a reader that is too slow even for its outbox gets no more.
    let mut slow = subscribed(&api.token(json!({})));
    flood(&server, 48 * 1024 * 1024 / BULK_BYTES);
    let (held_by_sockets, _) = ending(&mut slow);
    let outbox = OUTBOX_BYTES / BULK_BYTES;
    for revoked in [false, true] {
        let token = api.token(json!({}));
        let mut leap = subscribed(&token);
        flood(&server, held_by_sockets + outbox / 2);
        if revoked {
            api.delete(&format!("/v1/channels/tokens/{token}")).no_content();
        } else {
            let ends_at = end_in(&server, &token, 300);
            wait("the end", || unix_ms() > ends_at + 100);
        }
        let (delivered, code) = ending(&mut leap);
        assert!(delivered <= held_by_sockets + outbox / 4, "{delivered}, of which {held_by_sockets} fit into sockets");
        let words = if revoked { "Token revoked" } else { "Token expired" };
        assert_eq!(code, Some((4001, words.to_owned())));
    }
}
