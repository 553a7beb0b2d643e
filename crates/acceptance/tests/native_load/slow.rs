//! One client that reads too slowly among many that do not: it is sent away and comes back with nothing missing, and the others do not notice.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep, timeout};
use tollgate_testkit::Server;

use crate::wire::Wire;
use crate::{TURN, channel, percentile, tokens};

/// Those that read as fast as they can.
const FAST: usize = 99;
/// More than the buffers of the operating system and of the server hold for one connection: 4 MiB and 1 MiB.
const MESSAGES: u64 = 5_000;
const TEXT_BYTES: usize = 1_000;
/// From one message to the next.
const PAUSE: Duration = Duration::from_millis(2);
/// Small beside what is sent, but not so small that on a busy machine the goodbye is overdue behind thousands of turns of reading and sending.
const SLOW_BUFFER_BYTES: u32 = 65_536;
const PATIENCE: Duration = Duration::from_secs(60);
/// What the server says to who did not read fast enough.
const SLOW_CONSUMER: u16 = 4001;

fn fields(server: &Server, token: &str) -> Value {
    json!({"project": server.project, "token": token})
}

/// Reads everything; gives how long each message was under way.
async fn fast(mut wire: Wire, start: Instant) -> Vec<Duration> {
    let mut times = Vec::new();
    for number in 0..MESSAGES {
        let frame = wire.frame().await.unwrap();
        assert_eq!(frame["data"]["number"], number, "{frame}");
        let sent_us = frame["data"]["sent_us"].as_u64().unwrap();
        times.push(start.elapsed().saturating_sub(Duration::from_micros(sent_us)));
    }
    times
}

/// Waits until the server counts the slow one no more.
async fn sent_away(server: &Server) {
    let api = server.api();
    while tokio::task::block_in_place(|| api.online_count("room")) > FAST as u64 {
        sleep(Duration::from_millis(50)).await;
    }
}

/// What the slow one came through.
struct Way {
    /// Of the connection that was ended, with this code.
    before: u64,
    code: Option<u16>,
    after: u64,
}

/// Reads about 1 KB in a second until the server has had enough, then what is left of the connection, and comes back for the rest.
async fn slow(server: Arc<Server>, token: String, mut wire: Wire, position: String) -> Way {
    let (epoch, offset) = position.split_once('-').unwrap();
    let start: u64 = offset.parse().unwrap();
    let check = |frame: &Value, number: u64| {
        assert_eq!(
            (&frame["data"]["number"], &frame["offset"]),
            (&json!(number), &json!(start + number + 1)),
            "{frame}"
        );
    };
    let mut number = 0;
    let sips = async {
        loop {
            sleep(Duration::from_millis(100)).await;
            if wire.sip(100).await.is_err() {
                break;
            }
        }
    };
    tokio::select! {
        () = sips => {}
        () = sent_away(&server) => {}
    }
    // Read quickly now, or the goodbye would not come through all that waits before it: the server waits 5 s for that.
    let (frames, code) = wire.rest().await;
    for frame in frames.iter().filter(|frame| *frame != b"{}") {
        check(&serde_json::from_slice(frame).unwrap(), number);
        number += 1;
    }
    let before = number;
    let named = format!("{epoch}-{}", start + number);
    let mut fields = fields(&server, &token);
    fields["positions"] = json!({"room": named});
    let mut wire = Wire::connect(server.addr, &fields).await.unwrap();
    let reply = wire.frame().await.unwrap();
    assert_eq!(reply["ok"]["channels"][0]["resuming"], true, "{reply}");
    let begun = wire.frame().await.unwrap();
    assert_eq!((&begun["push"], &begun["recovered"]), (&json!("subscribed"), &json!(true)), "{begun}");
    assert_eq!(begun["position"], named, "{begun}");
    while number < MESSAGES {
        let frame = wire.frame().await.unwrap();
        check(&frame, number);
        number += 1;
    }
    Way { before, code, after: number - before }
}

/// Publishes at an even pace; each message says when it was sent, in microseconds from `start` on.
async fn publish(server: &Server, start: Instant) {
    let (api, text) = (server.api(), "x".repeat(TEXT_BYTES));
    let mut turns = interval(PAUSE);
    turns.set_missed_tick_behavior(MissedTickBehavior::Delay);
    for number in 0..MESSAGES {
        turns.tick().await;
        let sent_us = start.elapsed().as_micros() as u64;
        let body = json!({"event": "said", "data": {"number": number, "sent_us": sent_us, "text": text}}).to_string();
        let path = "/v2/channels/room/messages";
        let reply = tokio::task::block_in_place(|| api.try_call("POST", path, Some(body.as_bytes()))).unwrap();
        assert_eq!(reply.status, 200, "{reply:?}");
    }
}

/// A run with or without a slow one: the 99th percentile of the others' times, and the slow one's way.
async fn run(with_slow: bool) -> (Duration, Option<Way>) {
    let server = Arc::new(Server::start());
    channel(&server, "room", &json!({"history": {"size": 10_000}}));
    let (start, mut others) = (Instant::now(), JoinSet::new());
    let mut secrets = tokens(&server, &["room"], FAST + 1);
    let last = secrets.pop().unwrap();
    for token in secrets {
        let mut wire = Wire::connect(server.addr, &fields(&server, &token)).await.unwrap();
        wire.frame().await.unwrap();
        others.spawn(fast(wire, start));
    }
    let mut way = None;
    if with_slow {
        let fields = fields(&server, &last);
        let mut wire = Wire::connect_with(server.addr, &fields, Some(SLOW_BUFFER_BYTES)).await.unwrap();
        let reply = wire.frame().await.unwrap();
        let position = reply["ok"]["channels"][0]["position"].as_str().unwrap().to_owned();
        way = Some(tokio::spawn(slow(Arc::clone(&server), last, wire, position)));
    }
    timeout(PATIENCE, publish(&server, start)).await.expect("publishing takes too long");
    let mut times = timeout(PATIENCE, others.join_all()).await.expect("the others have everything").concat();
    let way = match way {
        Some(way) => Some(timeout(PATIENCE, way).await.expect("the slow one has everything").unwrap()),
        None => None,
    };
    (percentile(&mut times, 0.99), way)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn a_slow_reader_comes_back_with_everything_and_nobody_else_notices() {
    let _turn = TURN.lock().await;
    let (beside, way) = run(true).await;
    let (alone, _) = run(false).await;
    let way = way.unwrap();
    println!("p99 of {FAST} readers: {alone:.1?} without a slow one, {beside:.1?} beside it");
    println!("the slow one: {} messages, {:?}, then {} more", way.before, way.code, way.after);
    assert_eq!(way.code, Some(SLOW_CONSUMER));
    assert!(way.before > 0 && way.after > 0);
    // Where others compute too, single figures below some milliseconds say nothing.
    let (times, least) = match std::env::var("SLOW_READER").as_deref() {
        Ok("strict") => (1.2, Duration::ZERO),
        _ => (5.0, Duration::from_millis(20)),
    };
    let bound = alone.max(least).mul_f64(times);
    assert!(beside <= bound, "beside a slow reader p99 is {beside:?}, at most {bound:?} is allowed");
}
