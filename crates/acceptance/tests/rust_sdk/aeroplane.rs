//! A minute of aeroplane mode: the network of one client goes away, without a word to anybody, while life goes on, and comes back. She does not
//! notice for half of it. Nothing may be lost, nothing may come twice, and what is not kept for so long is said to be lost.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::{Value, json};
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::sleep;
use tollgate_client::{
    Client, Direct, DirectMessages, Error, Event, History, Members, Message, Position, State, Subscription,
};
use tollgate_testkit::Server;
use tollgate_testkit::proxy::Proxy;

use crate::{client, soon};

const MINUTE_S: u64 = 60;
const PACE: Duration = Duration::from_millis(500);
/// What each of two says: from shortly before the minute until shortly after it.
const EACH: u64 = 130;

/// What somebody heard, in order.
struct Ear<T>(Arc<Mutex<Vec<T>>>);

impl<T: Clone> Ear<T> {
    fn all(&self) -> Vec<T> {
        self.0.lock().unwrap().clone()
    }

    /// Waits until this is found in all that was heard.
    async fn finds<F>(&self, what: &str, find: impl Fn(&[T]) -> Option<F>) -> F {
        let looking = async {
            loop {
                if let Some(found) = find(&self.0.lock().unwrap()) {
                    return found;
                }
                sleep(Duration::from_millis(20)).await;
            }
        };
        soon(what, looking).await
    }
}

fn listen(mut room: Subscription) -> Ear<Event> {
    let heard = Arc::new(Mutex::new(Vec::new()));
    let ear = Ear(Arc::clone(&heard));
    tokio::spawn(async move {
        while let Some(event) = room.next().await {
            heard.lock().unwrap().push(event);
        }
    });
    ear
}

fn listen_direct(mut direct: DirectMessages) -> Ear<Direct> {
    let heard = Arc::new(Mutex::new(Vec::new()));
    let ear = Ear(Arc::clone(&heard));
    tokio::spawn(async move {
        while let Some(event) = direct.next().await {
            heard.lock().unwrap().push(event);
        }
    });
    ear
}

fn messages(heard: &[Event]) -> Vec<&Message> {
    let messages =
        heard.iter().filter_map(|event| if let Event::Message(message) = event { Some(message) } else { None });
    messages.collect()
}

/// Where each message is, and what it says.
fn said(heard: &[Event]) -> Vec<(Position, Value)> {
    messages(heard).iter().map(|message| (message.position, message.data.read().unwrap())).collect()
}

fn joined_and_left(heard: &[Event]) -> (Vec<String>, Vec<String>) {
    let (mut joined, mut left) = (Vec::new(), Vec::new());
    for event in heard {
        if let Event::Presence(change) = event {
            joined.extend(change.joined.iter().flatten().map(|member| member.member.clone()));
            left.extend(change.left.iter().flatten().cloned());
        }
    }
    (joined, left)
}

fn last_state(heard: &[Event]) -> Option<(Value, u64)> {
    heard.iter().rev().find_map(|event| match event {
        Event::State { state, version } => Some((state.read().unwrap(), *version)),
        _ => None,
    })
}

/// Says `EACH` things, whether or not the earlier ones are answered; the position of each.
fn talk(client: Client, who: &'static str) -> JoinHandle<Vec<Position>> {
    tokio::spawn(async move {
        let mut saying = JoinSet::new();
        for number in 0..EACH {
            let client = client.clone();
            saying.spawn(async move {
                let said = client.publish("room", "said", &json!([who, number])).await;
                (number, said.unwrap_or_else(|error| panic!("{who} {number}: {error}")).position.unwrap())
            });
            sleep(PACE).await;
        }
        let mut places = saying.join_all().await;
        places.sort_unstable_by_key(|(number, _)| *number);
        places.into_iter().map(|(_, position)| position).collect()
    })
}

fn token(server: &Server, user: &str) -> String {
    let made = server.v2("POST", "/v2/tokens", &json!({"user_id": user, "channels": ["room", "brief"]}));
    let secret = made["secret"].as_str().unwrap().to_owned();
    server.remember(&secret);
    secret
}

/// Somebody with a good network.
async fn join(server: &Server, user: &str) -> (Client, Ear<Event>) {
    let client = soon("a connection", client(server).token(token(server, user)).connect()).await.unwrap();
    let room = soon("to be in", client.subscribe("room").presence()).await.unwrap();
    (client, listen(room))
}

async fn members(client: &Client) -> Vec<String> {
    let page = soon("the members", client.members("room", Members::first())).await.unwrap();
    page.members.into_iter().map(|member| member.member).collect()
}

/// What goes on while she is away. Who came to stay.
async fn a_minute(server: &mut Server, ben: &Client, eve: Client, restarts: bool) -> Client {
    let mut eve = Some(eve);
    let mut dan = None;
    for second in 1..=MINUTE_S {
        sleep(Duration::from_secs(1)).await;
        tokio::task::block_in_place(|| {
            server.v2("POST", "/v2/channels/brief/messages", &json!({"event": "said", "data": second}));
            if matches!(second, 5 | 40 | 50) {
                server.v2("POST", "/v2/users/ann/messages", &json!({"event": "hi", "data": second}));
            }
            if restarts && second == 30 {
                server.stop();
                server.start_again();
            }
        });
        match second {
            10 | 45 => drop(soon("a change", ben.merge_state("room", &json!({"ben": second}), None)).await.unwrap()),
            12 => drop(join(server, "cyd").await.0.close().await),
            15 => dan = Some(join(server, "dan").await.0),
            18 => drop(eve.take().unwrap().close().await),
            _ => {}
        }
    }
    dan.unwrap()
}

/// Everything of both, once, each one's own in the order of its saying and where it was told, without an offset left out.
fn check(heard: &[Event], places: [(&str, &[Position]); 2]) {
    let all = said(heard);
    for two in all.windows(2) {
        assert_eq!((two[0].0.epoch(), two[0].0.offset() + 1), (two[1].0.epoch(), two[1].0.offset()), "{two:?}");
    }
    for (who, told) in places {
        let own: Vec<_> = all.iter().filter(|(_, data)| data[0] == who).cloned().collect();
        let wanted: Vec<_> = told.iter().zip(0..).map(|(at, number)| (*at, json!([who, number]))).collect();
        assert_eq!(own, wanted, "what {who} said");
    }
    assert_eq!(all.len() as u64, 2 * EACH);
}

/// One gap, from what was heard last, and no hole before or after it.
fn check_gap(heard: &[Event], restarts: bool) {
    let gaps: Vec<_> = heard.iter().enumerate().filter(|(_, event)| matches!(event, Event::Gap { .. })).collect();
    let [(at, Event::Gap { from, to })] = gaps[..] else { panic!("{gaps:?}") };
    let (before, after) = (said(&heard[..at]), said(&heard[at..]));
    assert_eq!((*from, before.len()), (Some(before.last().unwrap().0), 1));
    assert_eq!(to.epoch() != from.unwrap().epoch(), restarts, "{from:?} {to}");
    let first = &after.first().unwrap().0;
    assert_eq!((first.epoch(), first.offset()), (to.epoch(), to.offset() + 1));
    let numbers: Vec<_> = after.iter().map(|(_, data)| data.as_u64().unwrap()).collect();
    assert_eq!(numbers.last(), Some(&(MINUTE_S + 1)));
    assert!(numbers.windows(2).all(|two| two[0] + 1 == two[1]), "{numbers:?}");
}

/// A channel that keeps enough, one that does not, and where a restart would lose them, a mailbox for direct messages.
fn prepare(server: &Server, settings: &Value, restarts: bool) {
    let capabilities = ["token_publish", "token_set_state"];
    for (id, settings) in [("room", settings), ("brief", &json!({"history": {"size": 10}}))] {
        let wanted = json!({"id": id, "type": "private", "capabilities": capabilities, "settings": settings});
        server.v2("POST", "/v2/channels", &wanted);
    }
    if restarts {
        server.v2("PATCH", "/v2/project", &json!({"mailbox": {"size": 100, "ttl_ms": 600_000}}));
    }
}

/// She asks once her client has noticed: for a change, and a page of the past. Both wait for the network.
async fn ask_when_away(ann: Client) -> (u64, usize) {
    let mut status = ann.status();
    let noticed = status.wait_for(|status| status.state != State::Connected);
    tokio::time::timeout(Duration::from_secs(MINUTE_S), noticed).await.unwrap().unwrap();
    let change = json!({"ann": true});
    let page = History::newest().limit(1);
    let (version, read) = tokio::join!(ann.merge_state("room", &change, None), ann.history("room", page));
    (version.unwrap(), read.unwrap().messages.len())
}

fn check_direct(heard: Vec<Direct>) {
    let told = heard.into_iter().map(|one| match one {
        Direct::Message(message) => message.data.read::<u64>().unwrap(),
        other => panic!("{other:?}"),
    });
    assert_eq!(told.collect::<Vec<_>>(), [5, 40, 50]);
}

async fn fly(settings: &Value, restarts: bool) {
    let mut server = Server::start();
    prepare(&server, settings, restarts);
    let proxy = Proxy::to(server.addr);
    let url = format!("http://{}", proxy.addr);
    // What she asks for while she is away waits for as long as that takes.
    let patient = Client::builder(&url, &server.project).timeout(Duration::from_secs(2 * MINUTE_S));
    let connecting = patient.token(token(&server, "ann")).connect();
    let ann = soon("a connection", connecting).await.unwrap();
    let at_ann = listen(soon("to be in", ann.subscribe("room").presence()).await.unwrap());
    let brief = listen(soon("to be in", ann.subscribe("brief")).await.unwrap());
    let direct = listen_direct(ann.direct().unwrap());
    let (ben, at_ben) = join(&server, "ben").await;
    let (eve, _) = join(&server, "eve").await;
    at_ann.finds("the others", |heard| joined_and_left(heard).0.contains(&"eve".to_owned()).then_some(())).await;
    server.v2("POST", "/v2/channels/brief/messages", &json!({"event": "said", "data": 0}));
    brief.finds("the first", |heard| messages(heard).first().map(|_| ())).await;

    let talking = [talk(ann.clone(), "ann"), talk(ben.clone(), "ben")];
    at_ann.finds("some of it", |heard| (messages(heard).len() >= 4).then_some(())).await;
    proxy.stall(true);
    let (known, known_to_ben) = (at_ann.all().len(), at_ben.all().len());
    let swallowed = tokio::spawn({
        let ann = ann.clone();
        async move { ann.merge_state("room", &json!({"swallowed": true}), None).await }
    });
    let queued = tokio::spawn(ask_when_away(ann.clone()));
    let dan = a_minute(&mut server, &ben, eve, restarts).await;
    assert_eq!(at_ann.all().len(), known, "nothing gets through");
    assert_ne!(ann.status().borrow().state, State::Connected, "she noticed");
    let lost = swallowed.await.unwrap().unwrap_err();
    assert!(matches!(lost, Error::Timeout(_) | Error::ConnectionLost(_)), "{lost}");
    proxy.stall(false);

    let [by_ann, by_ben] = talking;
    let (by_ann, by_ben) = (soon("what she said", by_ann).await.unwrap(), soon("what he said", by_ben).await.unwrap());
    server.v2("POST", "/v2/channels/brief/messages", &json!({"event": "said", "data": MINUTE_S + 1}));
    for ear in [&at_ann, &at_ben] {
        let whole = |heard: &[Event]| (messages(heard).len() as u64 >= 2 * EACH).then_some(());
        ear.finds("everything", whole).await;
        check(&ear.all(), [("ann", &by_ann), ("ben", &by_ben)]);
    }
    brief.finds("the last", |heard| messages(heard).last().filter(|last| last.data.as_str() == "61").map(|_| ())).await;
    check_gap(&brief.all(), restarts);
    let (version, page) = soon("what waited", queued).await.unwrap();
    assert_eq!(page, 1);
    let state = at_ann.finds("her change", |heard| last_state(heard).filter(|(_, at)| *at >= version)).await;
    assert_eq!(state.0, json!({"ann": true, "ben": 45}));
    at_ben.finds("the same state", |heard| last_state(heard).filter(|seen| *seen == state)).await;
    direct.finds("direct messages", |heard| (heard.len() >= 3).then_some(())).await;
    check_direct(direct.all());

    let while_away = &at_ben.all()[known_to_ben..];
    check_presence(&[&ann, &ben], while_away, restarts).await;
    dan.close().await;
    at_ann.finds("that dan left", |heard| joined_and_left(heard).1.contains(&"dan".to_owned()).then_some(())).await;
    let counters = ann.counters().await.unwrap();
    assert_eq!((counters.gaps, counters.holes, counters.nonsense), (1, 0, 0), "{counters:?}");
    assert!(counters.losses >= 2, "the connection, and at least one try: {counters:?}");
    ann.close().await;
    ben.close().await;
}

/// Who came and went meanwhile is known to both; and for who stayed, she never left.
async fn check_presence(clients: &[&Client], while_away: &[Event], restarts: bool) {
    for client in clients {
        let right = async {
            while members(client).await != ["ann", "ben", "dan"] {
                sleep(PACE).await;
            }
        };
        soon("the right members", right).await;
    }
    if !restarts {
        let (joined, left) = joined_and_left(while_away);
        assert!(!left.contains(&"ann".to_owned()) && !joined.contains(&"ann".to_owned()), "{joined:?} {left:?}");
    }
}

/// Both at once, so that the minute is paid for once.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_minute_of_aeroplane_mode_loses_nothing_and_repeats_nothing_even_if_the_server_restarts() {
    let stays = tokio::spawn(async { fly(&json!({"presence": true}), false).await });
    let restarts = tokio::spawn(async { fly(&json!({"presence": true, "history": {"durable": true}}), true).await });
    stays.await.unwrap();
    restarts.await.unwrap();
}
