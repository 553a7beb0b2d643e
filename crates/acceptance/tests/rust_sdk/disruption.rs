//! The disruption run: many clients whose connections are cut again and again, each at its own times, while a channel goes on. Everything
//! must arrive, once and in order. `DISRUPTION=full` runs it with 1,000 clients, cut every 15 s for 2 s, and 120 messages at 2 a second;
//! without it, fewer and faster. It prints its figures either way.
//!
//! A client's **replay** is the time from its TCP connection's being made again until it has handed out the last message that had been
//! acknowledged to the publisher before: handshake, `connect` and what it missed. The back-off before that is the protocol's, and not in it.
#![allow(clippy::print_stdout)]

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::json;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, sleep_until, timeout, timeout_at};
use tollgate_client::{Client, Event, State};
use tollgate_testkit::Server;

use crate::{client, room, soon};

/// How hard it is.
#[derive(Clone, Copy)]
struct Plan {
    clients: usize,
    every: Duration,
    offline: Duration,
    messages: u64,
    pause: Duration,
    /// For the 99th percentile of replays.
    replay: Duration,
}

impl Plan {
    fn asked_for() -> Self {
        // A build without optimisation gets four times as long.
        let replay = Duration::from_secs(if cfg!(debug_assertions) { 4 } else { 1 });
        match std::env::var("DISRUPTION").as_deref() {
            Ok("full") => Self {
                clients: 1_000,
                every: Duration::from_secs(15),
                offline: Duration::from_secs(2),
                messages: 120,
                pause: Duration::from_millis(500),
                replay,
            },
            _ => Self {
                clients: 100,
                every: Duration::from_millis(2_500),
                offline: Duration::from_millis(350),
                messages: 60,
                pause: Duration::from_millis(100),
                replay,
            },
        }
    }
}

/// What a client heard: when it was connected, and when each offset was handed out.
#[derive(Default)]
struct Heard {
    connected: Vec<Instant>,
    /// When the TCP connections of these were made.
    made: Vec<Instant>,
    messages: Vec<(u64, Instant)>,
    gaps: u64,
    /// Dropped by the SDK as known already.
    dropped: u64,
    holes: u64,
}

/// What networks do to their clients.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Stage {
    Gathering,
    Disrupted,
    Calm,
}

/// When the connections of a client were let through.
type Made = Arc<Mutex<Vec<Instant>>>;

/// A client's own network: while it is disrupted it is cut every so often, and lets nothing through for a while. It ends with its task.
async fn network(
    listener: TcpListener,
    target: SocketAddr,
    (plan, phase): (Plan, Duration),
    mut stage: watch::Receiver<Stage>,
    made: Made,
) {
    let mut relays = JoinSet::new();
    let mut until = loop {
        tokio::select! {
            accepted = listener.accept() => {
                made.lock().unwrap().push(Instant::now());
                relays.spawn(relay(accepted.unwrap().0, target));
            }
            _ = stage.wait_for(|stage| *stage == Stage::Disrupted) => break Instant::now() + phase,
        }
    };
    loop {
        while let Ok(accepted) = timeout_at(until, listener.accept()).await {
            let (inbound, _) = accepted.unwrap();
            made.lock().unwrap().push(Instant::now());
            relays.spawn(relay(inbound, target));
            while relays.try_join_next().is_some() {}
        }
        if *stage.borrow() == Stage::Disrupted {
            relays.shutdown().await;
            let back = Instant::now() + plan.offline;
            while let Ok(accepted) = timeout_at(back, listener.accept()).await {
                drop(accepted);
            }
        }
        until = Instant::now() + plan.every;
    }
}

async fn relay(mut inbound: TcpStream, target: SocketAddr) {
    inbound.set_nodelay(true).unwrap();
    // A server that restarts is not there.
    let Ok(mut outbound) = TcpStream::connect(target).await else { return };
    outbound.set_nodelay(true).unwrap();
    // Ends with its task, and so without a word of WebSocket.
    let _ = tokio::io::copy_bidirectional(&mut inbound, &mut outbound).await;
}

/// Longer after the last cut than any back-off.
const AT_LAST: Duration = Duration::from_secs(40);

/// Listens until it has every message, or it is too late.
async fn listener(client: Client, messages: u64, mut stage: watch::Receiver<Stage>) -> Heard {
    let mut heard = Heard::default();
    let mut late = None;
    let mut status = client.status();
    let mut stream = client.subscribe("room").await.unwrap();
    while (heard.messages.len() as u64) < messages {
        tokio::select! {
            biased;
            changed = status.changed() => {
                changed.unwrap();
                if status.borrow_and_update().state == State::Connected {
                    heard.connected.push(Instant::now());
                }
            }
            () = async {
                let _ = stage.wait_for(|stage| *stage == Stage::Calm).await;
                sleep_until(*late.get_or_insert_with(|| Instant::now() + AT_LAST)).await;
            } => {
                let counters = client.counters().await;
                println!("missing some: {:?} {counters:?} {:?}", *status.borrow(), stream.position());
                break;
            }
            event = stream.next() => match event.unwrap() {
                Event::Message(message) => heard.messages.push((message.position.offset(), Instant::now())),
                Event::Gap { .. } => heard.gaps += 1,
                Event::Ended { reason, error } => panic!("{reason:?} {error:?}"),
                _ => {}
            },
        }
    }
    let counters = client.counters().await.unwrap();
    (heard.dropped, heard.holes) = (counters.duplicates, counters.holes);
    client.close().await;
    heard
}

/// Publishes, and says when each message was acknowledged.
async fn publisher(client: &Client, plan: Plan) -> Vec<(u64, Instant)> {
    let mut acknowledged = Vec::new();
    let mut at = Instant::now();
    for number in 0..plan.messages {
        let published = client.publish("room", "tick", &number).await.unwrap();
        acknowledged.push((published.position.unwrap().offset(), Instant::now()));
        at += plan.pause;
        sleep_until(at).await;
    }
    acknowledged
}

fn secrets(server: &Server, count: usize) -> Vec<String> {
    let entries = vec![json!({"channels": ["room"]}); count];
    let made = server.v2("POST", "/v2/tokens/batch", &json!({"action": "create", "entries": entries}));
    made["results"].as_array().unwrap().iter().map(|one| one["secret"].as_str().unwrap().to_owned()).collect()
}

/// Of a list of times: how long it took `percent` of them at most.
fn percentile(times: &mut [Duration], percent: usize) -> Duration {
    times.sort_unstable();
    times.get((times.len() * percent / 100).min(times.len().saturating_sub(1))).copied().unwrap_or_default()
}

/// For each of these moments the latest of the others before it.
fn since(connected: &[Instant], made: &[Instant]) -> Vec<Instant> {
    connected.iter().filter_map(|at| made.iter().rfind(|made| *made <= at)).copied().collect()
}

/// For each of these moments: how long until everything acknowledged before it, and not yet handed out then, was.
fn replays(since: &[Instant], heard: &Heard, acknowledged: &[(u64, Instant)]) -> Vec<Duration> {
    let replay = |from: &Instant| {
        let known = acknowledged.iter().filter(|(_, at)| at < from).map(|(offset, _)| *offset).max().unwrap_or(0);
        let missed = heard.messages.iter().filter(|(offset, at)| *offset <= known && at > from);
        missed.map(|(_, at)| *at - *from).max()
    };
    since.iter().filter_map(replay).collect()
}

async fn run(name: &str, mut server: Server, settings: &serde_json::Value, restart: bool) {
    let plan = Plan::asked_for();
    room(&server, "unprotected", settings);
    let (stage, staged) = watch::channel(Stage::Gathering);
    let (mut networks, mut listeners) = (JoinSet::new(), JoinSet::new());
    for (number, secret) in secrets(&server, plan.clients).into_iter().enumerate() {
        let local = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", local.local_addr().unwrap());
        let phase = plan.every * u32::try_from(number + 1).unwrap() / u32::try_from(plan.clients).unwrap();
        let (target, staged) = (server.addr, staged.clone());
        let (made, calm) = (Made::default(), staged.clone());
        let phases = (plan, phase);
        networks.spawn(network(local, target, phases, staged, Arc::clone(&made)));
        // One in four has no token, and no session.
        let builder = Client::builder(&url, &server.project);
        let builder = if number % 4 == 3 { builder } else { builder.token(secret) };
        let client = builder.start().unwrap();
        listeners.spawn(async move {
            let mut heard = listener(client, plan.messages, calm).await;
            heard.made = since(&heard.connected, &made.lock().unwrap());
            (number, heard)
        });
    }
    let publishing =
        soon("a connection", client(&server).token(secrets(&server, 1).remove(0)).connect()).await.unwrap();
    let online = json!({});
    let everybody_in = async {
        loop {
            let shown = tokio::task::block_in_place(|| server.v2("GET", "/v2/channels/room", &online));
            if shown["online"].as_u64().unwrap() > plan.clients as u64 {
                break;
            }
            sleep(Duration::from_millis(20)).await;
        }
    };
    timeout(Duration::from_secs(120), everybody_in).await.expect("everybody to be in");
    stage.send_replace(Stage::Disrupted);
    let begun = Instant::now();
    let restarting = async {
        if restart {
            sleep(plan.pause * u32::try_from(plan.messages).unwrap() / 2).await;
            tokio::task::block_in_place(|| {
                server.stop();
                server.start_again();
            });
        }
    };
    let (acknowledged, ()) = tokio::join!(publisher(&publishing, plan), restarting);
    stage.send_replace(Stage::Calm);
    let mut all: Vec<Heard> = (0..plan.clients).map(|_| Heard::default()).collect();
    let gathering = async {
        while let Some(done) = listeners.join_next().await {
            let (number, heard) = done.unwrap();
            all[number] = heard;
        }
    };
    gathering.await;
    let took = begun.elapsed();
    networks.shutdown().await;
    publishing.close().await;
    judge(name, plan, &all, &acknowledged, took);
}

/// Prints the figures and holds them.
fn judge(name: &str, plan: Plan, all: &[Heard], acknowledged: &[(u64, Instant)], took: Duration) {
    let expected: Vec<u64> = acknowledged.iter().map(|(offset, _)| *offset).collect();
    let (mut delivered, mut twice, mut disordered, mut gaps, mut cuts) = (0, 0, 0, 0, 0);
    let (mut dropped, mut holes, mut times) = (0, 0, Vec::new());
    for heard in all {
        let offsets: Vec<u64> = heard.messages.iter().map(|(offset, _)| *offset).collect();
        let mut known = offsets.clone();
        known.sort_unstable();
        known.dedup();
        delivered += expected.iter().filter(|offset| known.binary_search(offset).is_ok()).count();
        twice += offsets.len() - known.len();
        disordered += offsets.windows(2).filter(|pair| pair[0] >= pair[1]).count();
        gaps += heard.gaps;
        cuts += heard.connected.len().saturating_sub(1);
        (dropped, holes) = (dropped + heard.dropped, holes + heard.holes);
        times.extend(replays(&heard.made, heard, acknowledged));
    }
    let whole = expected.len() * plan.clients;
    let (replay_50, replay_99) = (percentile(&mut times, 50), percentile(&mut times, 99));
    println!(
        "{name}: {} clients, {cuts} reconnections, {} messages in {took:.1?}: {delivered} of {whole} delivered ({:.3} %), {twice} twice, \
         {disordered} out of order, {gaps} gaps; {} replays of missed messages, p50 {replay_50:.1?}, p99 {replay_99:.1?}, most {:.1?}; \
         dropped by the SDK as known: {dropped}, holes: {holes}",
        plan.clients,
        expected.len(),
        100.0 * delivered as f64 / whole as f64,
        times.len(),
        percentile(&mut times, 100),
    );
    assert_eq!(expected.len() as u64, plan.messages);
    assert_eq!((delivered, twice, disordered, gaps), (whole, 0, 0, 0));
    assert!(cuts >= plan.clients, "it was not disrupted: {cuts} cuts");
    assert!(!times.is_empty(), "nobody missed anything: there was nothing to replay");
    assert!(replay_99 <= plan.replay, "p99 of replays: {replay_99:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn everything_arrives_once_and_in_order_while_connections_are_cut() {
    run("disruption", Server::start(), &json!({}), false).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn everything_arrives_once_and_in_order_over_a_restart_of_the_server() {
    run("disruption with a restart", Server::start(), &json!({"history": {"durable": true}}), true).await;
}
