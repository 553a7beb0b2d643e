//! Bodies on their way in: too large, too slow, cut short, and who is let in before any of it is read.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use http_body::{Frame, SizeHint};
use tokio::time::timeout;

use super::*;

/// What a test's body does after its first chunks.
#[derive(Clone, Copy, PartialEq)]
enum Then {
    End,
    Hang,
    Break,
    Panic,
}

/// A body in chunks.
struct Chunks {
    size: usize,
    left: usize,
    then: Then,
    announced: Option<u64>,
}

impl Body for Chunks {
    type Data = Bytes;
    type Error = &'static str;

    fn poll_frame(mut self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        if self.left > 0 {
            self.left -= 1;
            return Poll::Ready(Some(Ok(Frame::data(Bytes::from(vec![b' '; self.size])))));
        }
        match self.then {
            Then::End => Poll::Ready(None),
            Then::Hang => Poll::Pending,
            Then::Break => Poll::Ready(Some(Err("connection reset"))),
            Then::Panic => panic!("this body was not to be read"),
        }
    }

    fn size_hint(&self) -> SizeHint {
        self.announced.map_or_else(SizeHint::default, SizeHint::with_exact)
    }
}

const SMALL: ApiConfig = ApiConfig { body_bytes_max: 100, body_deadline: Duration::from_secs(30), instance: 0 };

async fn post(door: &Door, headers: &[(&str, &str)], body: Chunks) -> (Seen, bool) {
    let mut all = vec![("Authorization", door.key.as_str())];
    all.extend(headers);
    let seen = door.send(request("PUT", "/v1/channels/room/state", &all, body)).await;
    let closing = seen.headers.get("connection").is_some_and(|value| value == "close");
    (seen, closing)
}

#[tokio::test(start_paused = true)]
async fn b08_over_the_limit_is_413_and_the_rest_is_read_away() {
    let door = Door::with(SMALL).await;
    let mib = 1024 * 1024;
    // (chunk size, chunks, then, announced, whether the connection ends)
    let table = [
        (101, 1, Then::End, None, false),
        (50, 3, Then::End, None, false),
        (mib, 10, Then::End, None, false),
        (mib, 10, Then::End, Some(10 << 20), false),
        (mib, 20, Then::Panic, None, true),
        (mib, 0, Then::Panic, Some(100 << 20), true),
        (mib, 0, Then::Panic, Some(u64::MAX), true),
        (mib, 1, Then::Hang, None, true),
        (mib, 1, Then::Break, None, true),
    ];
    for (place, (size, left, then, announced, ends)) in table.into_iter().enumerate() {
        let (seen, closing) = post(&door, &[], Chunks { size, left, then, announced }).await;
        seen.refused(413, "payload_too_large");
        assert_eq!(closing, ends, "row {place}");
    }
    let exact = Chunks { size: 100, left: 1, then: Then::End, announced: None };
    post(&door, &[], exact).await.0.refused(400, "invalid_body");
    let (seen, closing) = post(
        &door,
        &[("Expect", "100-continue")],
        Chunks { size: 1, left: 0, then: Then::Panic, announced: Some(200) },
    )
    .await;
    seen.refused(413, "payload_too_large");
    assert!(closing, "a sender that waits for our word is not asked for a body that is not wanted");
}

#[tokio::test(start_paused = true)]
async fn slow_bodies_are_408_after_the_deadline() {
    let door = Door::with(SMALL).await;
    let hanging = || Chunks { size: 1, left: 5, then: Then::Hang, announced: None };
    let patient = async |seconds| timeout(Duration::from_secs(seconds), post(&door, &[], hanging())).await;
    assert!(patient(29).await.is_err(), "given up before the deadline");
    let (seen, closing) = patient(31).await.expect("not given up at the deadline");
    seen.refused(408, "request_timeout");
    assert!(closing);
}

#[tokio::test]
async fn bodies_cut_short_are_400_and_change_nothing() {
    let door = Door::with(SMALL).await;
    let (seen, closing) = post(&door, &[], Chunks { size: 1, left: 5, then: Then::Break, announced: None }).await;
    seen.refused(400, "invalid_body");
    assert!(closing);
}

#[tokio::test(start_paused = true)]
async fn strangers_bodies_are_not_kept() {
    let door = Door::with(SMALL).await;
    let send =
        async |path: &str, body: Chunks, headers: &[(&str, &str)]| door.send(request("PUT", path, headers, body)).await;
    // Far beyond the limit, and yet what is said is 401: nothing was counted against it.
    let large = || Chunks { size: 1000, left: 5, then: Then::End, announced: None };
    send("/v1/channels/room", large(), &[("Authorization", "ptk_x")]).await.refused(401, "invalid_auth");
    send("/nowhere", large(), &[]).await.refused(404, "not_found");
    let unread = Chunks { size: 1, left: 0, then: Then::Panic, announced: Some(50) };
    send("/v1/channels/room", unread, &[("Expect", "100-continue")]).await.refused(401, "invalid_auth");
    let hanging = Chunks { size: 1, left: 0, then: Then::Hang, announced: Some(50) };
    let seen = send("/v1/channels/room", hanging, &[]).await;
    seen.refused(401, "invalid_auth");
    assert_eq!(seen.headers["connection"], "close");
}

#[tokio::test]
async fn b09_malformed_and_empty_bodies_are_400() {
    let door = Door::open().await;
    door.channel("room", "{}").await;
    let token = door.token("{}").await;
    let routes = [
        ("POST", "/v1/channels".to_owned()),
        ("PUT", "/v1/channels/new".to_owned()),
        ("PATCH", "/v1/channels/room".to_owned()),
        ("PUT", "/v1/channels/room/state".to_owned()),
        ("PATCH", "/v1/channels/room/state".to_owned()),
        ("POST", "/v1/channels/room/messages".to_owned()),
        ("POST", format!("/v1/channels/tokens/{token}/messages")),
        ("PATCH", format!("/v1/channels/tokens/{token}")),
    ];
    for (method, path) in &routes {
        for body in ["", " ", "nonsense", "null", "[]", "\"{}\"", "1", "{", "{\"a\":", "{}x", "{'a':1}"] {
            let seen = door.call(method, path, body).await;
            assert_eq!(
                (seen.status, &seen.json["error"]["code"]),
                (400, &json!("invalid_body")),
                "{method} {path} {body}"
            );
        }
    }
    door.call("GET", "/v1/channels/new", "").await.refused(404, "not_found");
}
