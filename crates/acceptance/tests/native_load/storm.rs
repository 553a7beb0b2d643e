//! Everybody comes back at once: after a cut of all connections, and after a restart of the server.

use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout_at};
use tollgate_testkit::{Server, Setup};

use crate::wire::Wire;
use crate::{TURN, channel, percentile, tokens};

/// A durable channel and one whose history is in memory alone.
const CHANNELS: [&str; 2] = ["kept", "brief"];
/// Everybody is back, with everything.
const BACK_WITHIN: Duration = Duration::from_secs(15);
/// Without optimisation, thousands take longer to come for the first time.
const PATIENCE: Duration = Duration::from_secs(120);

/// Where a client is in a channel.
#[derive(Clone, Default)]
struct Place {
    epoch: String,
    offset: u64,
    /// The number of the message that comes next.
    number: u64,
}

/// Where everybody is to come to: how many messages each channel had in all.
type Goal = [u64; 2];

struct Reader {
    addr: SocketAddr,
    project: String,
    token: String,
    wire: Option<Wire>,
    places: [Place; 2],
    /// When it was in both channels again.
    back_at: Instant,
}

impl Reader {
    fn set_place(&mut self, at: usize, position: &Value) {
        let (epoch, offset) = position.as_str().unwrap().split_once('-').unwrap();
        self.places[at].epoch = epoch.into();
        self.places[at].offset = offset.parse().unwrap();
    }

    /// Comes for the first time.
    async fn come(&mut self) {
        let fields = json!({"project": self.project, "token": self.token});
        let mut wire = Wire::connect(self.addr, &fields).await.unwrap();
        let reply = wire.frame().await.unwrap();
        for entry in reply["ok"]["channels"].as_array().unwrap() {
            let at = CHANNELS.iter().position(|id| entry["channel"] == *id).unwrap();
            self.set_place(at, &entry["position"]);
        }
        assert!(self.places.iter().all(|place| !place.epoch.is_empty()), "{reply}");
        self.wire = Some(wire);
    }

    /// Comes back as the protocol's page says; what it names must be recovered but for what is `lost`.
    async fn come_back(&mut self, seed: u64, lost: [bool; 2]) {
        let mut pseudo = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
        for attempt in 0..10_u32 {
            pseudo = pseudo.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            sleep(Duration::from_millis((pseudo >> 33) % (500 << attempt.min(4)))).await;
            let named = self.places.each_ref().map(|place| format!("{}-{}", place.epoch, place.offset));
            let positions = json!({CHANNELS[0]: named[0], CHANNELS[1]: named[1]});
            let fields = json!({"project": self.project, "token": self.token, "positions": positions});
            let Ok(mut wire) = Wire::connect(self.addr, &fields).await else { continue };
            let Ok(reply) = wire.frame().await else { continue };
            assert_eq!(reply["ok"]["channels"].as_array().map(Vec::len), Some(2), "{reply}");
            let mut waiting = 2;
            while waiting > 0 {
                let frame = wire.frame().await.unwrap();
                let at = CHANNELS.iter().position(|id| frame["channel"] == *id).unwrap();
                if frame["push"] == "subscribed" {
                    waiting -= 1;
                    assert_eq!(frame["recovered"], !lost[at], "{frame}");
                    if lost[at] {
                        self.set_place(at, &frame["position"]);
                    } else {
                        assert_eq!(frame["position"], positions[CHANNELS[at]], "{frame}");
                    }
                } else {
                    self.hear(&frame);
                }
            }
            self.back_at = Instant::now();
            return self.wire = Some(wire);
        }
        panic!("did not come back");
    }

    /// Nothing left out, nothing twice, all in order: each message is the one that follows.
    fn hear(&mut self, frame: &Value) {
        assert_eq!(frame["push"], "message", "{frame}");
        let at = CHANNELS.iter().position(|id| frame["channel"] == *id).unwrap();
        let place = &mut self.places[at];
        let came = (frame["offset"].as_u64().unwrap(), frame["data"].as_u64().unwrap());
        assert_eq!(came, (place.offset + 1, place.number), "{}: {frame}", CHANNELS[at]);
        place.offset += 1;
        place.number += 1;
    }

    async fn read_up_to(&mut self, goal: Goal) {
        while self.places.iter().zip(goal).any(|(place, goal)| place.number < goal) {
            let frame = self.wire.as_mut().unwrap().frame().await.unwrap();
            self.hear(&frame);
        }
    }
}

/// Publishes so many more in each channel.
fn publish(server: &Server, said: &mut Goal, more: Goal) {
    tokio::task::block_in_place(|| {
        let api = server.api();
        for (at, id) in CHANNELS.iter().enumerate() {
            for number in said[at]..said[at] + more[at] {
                let body = json!({"event": "said", "data": number}).to_string();
                let path = format!("/v2/channels/{id}/messages");
                let reply = api.try_call("POST", &path, Some(body.as_bytes())).unwrap();
                assert_eq!(reply.status, 200, "{reply:?}");
            }
            said[at] += more[at];
        }
    });
}

/// Everybody who does the same at once.
async fn all(mut tasks: JoinSet<Reader>, start: Instant, within: Duration, what: &str) -> Vec<Reader> {
    let mut readers = Vec::new();
    let (count, deadline) = (tasks.len(), start + within);
    while !tasks.is_empty() {
        match timeout_at(deadline, tasks.join_next()).await {
            Ok(done) => readers.push(done.unwrap().unwrap()),
            Err(_) => panic!("{what}: {} of {count} within {within:?}", readers.len()),
        }
    }
    readers
}

/// Everybody who comes back, with all behind where they were.
fn coming_back(readers: Vec<Reader>, lost: [bool; 2]) -> JoinSet<Reader> {
    let mut tasks = JoinSet::new();
    for (seed, mut reader) in (1..).zip(readers) {
        tasks.spawn(async move {
            reader.come_back(seed, lost).await;
            reader
        });
    }
    tasks
}

async fn reading(readers: Vec<Reader>, goal: Goal) -> Vec<Reader> {
    let mut tasks = JoinSet::new();
    for mut reader in readers {
        tasks.spawn(async move {
            reader.read_up_to(goal).await;
            reader
        });
    }
    all(tasks, Instant::now(), PATIENCE, "having everything").await
}

async fn gathered(server: &Server, count: usize) -> Vec<Reader> {
    let mut tasks = JoinSet::new();
    let few = Arc::new(Semaphore::new(64));
    for token in tokens(server, &CHANNELS, count) {
        let places = Default::default();
        let (project, back_at) = (server.project.clone(), Instant::now());
        let mut reader = Reader { addr: server.addr, project, token, wire: None, places, back_at };
        let few = Arc::clone(&few);
        tasks.spawn(async move {
            let _turn = few.acquire().await.unwrap();
            reader.come().await;
            reader
        });
    }
    all(tasks, Instant::now(), PATIENCE, "coming for the first time").await
}

/// A total of the server that stopped last. What it does not name is 0.
fn total(server: &Server, name: &str) -> u64 {
    let log = server.log();
    let line = log.lines().rfind(|line| line.contains("totals=")).expect("a line with totals");
    let found = line.split([' ', '"']).find_map(|word| word.strip_prefix(name)?.strip_prefix('='));
    found.map_or(0, |count| count.parse().unwrap())
}

fn say(what: &str, readers: &[Reader], start: Instant) {
    let times: &mut Vec<_> = &mut readers.iter().map(|reader| reader.back_at - start).collect();
    let (half, most) = (percentile(times, 0.5), percentile(times, 0.99));
    let last = percentile(times, 1.0);
    println!("{what}: {} clients, p50 {half:.1?}, p99 {most:.1?}, last {last:.1?}", times.len());
}

/// Whether the store was asked as often as it may be.
fn check_reads(server: &Server, what: &str, allowed: RangeInclusive<usize>, resumes: u64) {
    let (reads, resumed) = (total(server, "history_reads"), total(server, "resumes"));
    println!("{what}: {resumed} subscriptions resumed, {reads} looks into the store");
    assert_eq!((resumed, total(server, "history_gaps")), (resumes, 0));
    assert!(allowed.contains(&(reads as usize)), "{what}: {reads} looks into the store, {allowed:?} are allowed");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn everybody_comes_back_at_once_and_has_missed_nothing() {
    let _turn = TURN.lock().await;
    let count: usize = std::env::var("NATIVE_LOAD").map_or(300, |count| count.parse().unwrap());
    let mut server = Setup::default().config("[drain]\nspread_ms = 200\n").start();
    channel(&server, CHANNELS[0], &json!({"history": {"durable": true, "size": 1_000, "ttl_ms": 3_600_000}}));
    channel(&server, CHANNELS[1], &json!({"history": {"size": 1_000, "ttl_ms": 600_000}}));
    let readers = gathered(&server, count).await;
    let mut said = [0, 0];
    publish(&server, &mut said, [10, 10]);
    let mut readers = reading(readers, said).await;

    let cut_at = Instant::now();
    for reader in &mut readers {
        reader.wire.take().unwrap().cut();
    }
    publish(&server, &mut said, [10, 10]);
    let tasks = coming_back(readers, [false, false]);
    // And while they come.
    for _ in 0..10 {
        publish(&server, &mut said, [2, 2]);
        sleep(Duration::from_millis(50)).await;
    }
    let readers = all(tasks, cut_at, BACK_WITHIN, "being back after the cut").await;
    say("cut", &readers, cut_at);
    publish(&server, &mut said, [1, 1]);
    let mut readers = reading(readers, said).await;

    for reader in &mut readers {
        reader.wire.take().unwrap().cut();
    }
    // Nobody hears these, and the server that is asked for them has them on the disk alone.
    publish(&server, &mut said, [10, 0]);
    server.stop();
    check_reads(&server, "cut", 0..=count.div_ceil(100), 2 * count as u64);
    // They knock already while it starts.
    let tasks = coming_back(readers, [false, true]);
    server.start_again();
    let started_at = Instant::now();
    publish(&server, &mut said, [10, 0]);
    let readers = all(tasks, started_at, BACK_WITHIN, "being back after the restart").await;
    say("restart", &readers, started_at);
    publish(&server, &mut said, [3, 3]);
    let readers = reading(readers, said).await;
    drop(readers);
    server.stop();
    check_reads(&server, "restart", 1..=count.div_ceil(100), count as u64);
}
