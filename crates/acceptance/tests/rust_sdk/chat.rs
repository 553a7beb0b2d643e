//! Two people who chat while the network and the server fail.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use tollgate_client::{Client, Event, History, Rewind};
use tollgate_testkit::Server;
use tollgate_testkit::proxy::Proxy;

use crate::{client, next_message, room, soon, token};

const EACH: u64 = 40;

/// Says `EACH` things, one after the other, however long each takes.
async fn talk(client: Client, who: &'static str) {
    for number in 0..EACH {
        soon("a publication", client.publish("room", "said", &json!([who, number]))).await.unwrap();
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Everything that both say, in the order in which it came.
async fn listen(client: &Client) -> Vec<Value> {
    let mut room = soon("to be in", client.subscribe("room")).await.unwrap();
    let mut heard = Vec::new();
    while heard.len() < 2 * EACH as usize {
        heard.push(next_message(&mut room).await);
    }
    heard
}

/// Each of both hears everything once and in one order, each speaker's own in the order of its speaking.
async fn chat(server: &Server, addr: std::net::SocketAddr, disturb: impl Future<Output = ()>) {
    let join = async |user| {
        let url = format!("http://{addr}");
        soon("a connection", Client::builder(&url, &server.project).token(token(server, user)).connect()).await.unwrap()
    };
    let (ann, ben) = (join("ann").await, join("ben").await);
    let hearing = async { tokio::join!(listen(&ann), listen(&ben)) };
    let talking = async {
        // Until both are subscribed for sure.
        for client in [&ann, &ben] {
            soon("the subscription", client.history("room", History::newest())).await.unwrap();
        }
        tokio::join!(talk(ann.clone(), "ann"), talk(ben.clone(), "ben"))
    };
    let ((at_ann, at_ben), _, ()) = tokio::join!(hearing, talking, disturb);
    assert_eq!(at_ann, at_ben);
    for who in ["ann", "ben"] {
        let said: Vec<_> = at_ann.iter().filter(|said| said[0] == who).map(|said| said[1].as_u64().unwrap()).collect();
        assert_eq!(said, (0..EACH).collect::<Vec<_>>(), "{who}");
    }
    for client in [&ann, &ben] {
        let counters = client.counters().await.unwrap();
        assert!(counters.losses >= 1, "nothing was disturbed: {counters:?}");
        assert_eq!((counters.gaps, counters.holes, counters.nonsense), (0, 0, 0), "{counters:?}");
    }
    ann.close().await;
    ben.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_lost_and_nothing_twice_over_a_network_that_is_cut() {
    let server = Server::start();
    room(&server, "private", &json!({}));
    let proxy = Proxy::to(server.addr);
    let cuts = async {
        for _ in 0..6 {
            tokio::time::sleep(Duration::from_millis(150)).await;
            proxy.cut();
        }
    };
    chat(&server, proxy.addr, cuts).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_is_dismissed_by_an_operator_comes_back_and_misses_nothing() {
    let server = Server::start();
    room(&server, "private", &json!({}));
    let dismissals = async {
        let (mut dismissed, mut last) = (Vec::new(), Value::Null);
        // Both are there again, and something was said since they went.
        let look = |dismissed: &[Value], last: &Value| {
            let listed = server.v2("GET", "/v2/connections", &Value::Null);
            let live: Vec<_> = listed["data"].as_array().unwrap().iter().map(|one| one["id"].clone()).collect();
            let path = "/v2/channels/room/history?order=newest&limit=1";
            let said = server.v2("GET", path, &Value::Null)["messages"].clone();
            let are_back = live.len() == 2 && live.iter().all(|id| !dismissed.contains(id));
            (are_back && said != json!([]) && said != *last).then_some((live, said))
        };
        for _ in 0..3 {
            let (live, said) = soon("both to be there, and to talk", async {
                loop {
                    if let Some(found) = tokio::task::block_in_place(|| look(&dismissed, &last)) {
                        return found;
                    }
                    // They go on in this same task.
                    tokio::time::sleep(Duration::from_millis(5)).await;
                }
            })
            .await;
            tokio::task::block_in_place(|| {
                for id in &live {
                    let path = format!("/v2/connections/{}", id.as_str().unwrap());
                    let status = server.api().try_call("DELETE", &path, None).unwrap().status;
                    assert!(matches!(status, 204 | 404), "{status}");
                }
            });
            dismissed.extend(live);
            last = said;
        }
    };
    chat(&server, server.addr, dismissals).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_durable_channel_goes_on_where_it_was_after_kill_9() {
    let mut server = Server::start();
    room(&server, "private", &json!({"history": {"durable": true}}));
    let said = Arc::new(tokio::sync::Notify::new());
    let (user, url) = (token(&server, "ann"), format!("http://{}", server.addr));
    let connect = Client::builder(&url, &server.project).token(user).connect();
    let ann = soon("a connection", connect).await.unwrap();
    let speaker = {
        let (ann, said) = (ann.clone(), Arc::clone(&said));
        async move {
            for number in 0..EACH {
                soon("a publication", ann.publish("room", "said", &json!(number))).await.unwrap();
                if number == EACH / 2 {
                    said.notify_one();
                }
            }
        }
    };
    let mut heard = soon("to be in", ann.subscribe("room")).await.unwrap();
    let hearing = async {
        for number in 0..EACH {
            assert_eq!(next_message(&mut heard).await, json!(number));
        }
    };
    let killing = async {
        said.notified().await;
        tokio::task::block_in_place(|| {
            server.kill();
            server.start_again();
        });
    };
    tokio::join!(speaker, hearing, killing);
    let counters = ann.counters().await.unwrap();
    assert_eq!((counters.gaps, counters.losses >= 1), (0, true), "{counters:?}");
    let kept = soon("the past", ann.history("room", History::oldest())).await.unwrap();
    assert_eq!(kept.messages.len() as u64, EACH);
    ann.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_channel_forgot_is_one_gap_and_the_past_can_be_read_page_by_page() {
    let server = Server::start();
    room(&server, "private", &json!({"history": {"size": 10}}));
    let first = soon("a connection", client(&server).token(token(&server, "ann")).connect()).await.unwrap();
    let mut stream = soon("to be in", first.subscribe("room")).await.unwrap();
    first.publish("room", "said", &0).await.unwrap();
    assert_eq!(next_message(&mut stream).await, json!(0));
    let point = first.close().await.unwrap();
    let ben = soon("a connection", client(&server).token(token(&server, "ben")).connect()).await.unwrap();
    for number in 1..=30 {
        ben.publish("room", "said", &number).await.unwrap();
    }
    let again = client(&server).token(token(&server, "ann")).connect();
    let again = soon("a connection", again).await.unwrap();
    let mut stream = soon("to be in", again.subscribe("room").from(point.positions["room"])).await.unwrap();
    let gap = loop {
        if let Event::Gap { from, to } = soon("the gap", stream.next()).await.unwrap() {
            break (from.unwrap().offset(), to.offset());
        }
    };
    assert_eq!(gap, (1, 31));
    let mut page = Some(History::oldest().limit(4));
    let mut past = Vec::new();
    while let Some(next) = page {
        let got = soon("a page", again.history("room", next)).await.unwrap();
        past.extend(got.messages.iter().map(|message| message.data.read::<u64>().unwrap()));
        page = got.next;
    }
    assert_eq!(past, (21..=30).collect::<Vec<_>>());
    let mut rewound = soon("to be in", again.subscribe("room").rewind(Rewind::Last(3))).await.unwrap();
    for number in 28..=30 {
        assert_eq!(next_message(&mut rewound).await, json!(number));
    }
    again.close().await;
    ben.close().await;
}
