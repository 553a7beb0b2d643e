//! Who may be there, and for how long: tokens that are renewed and revoked, clients without one, presence, state, direct messages.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};
use tollgate_client::{Direct, EndReason, Error, Event, Members, Outgoing, Retry, State};
use tollgate_testkit::{Server, wait};

use crate::{client, next_message, room, soon, token};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_revoked_token_closes_and_a_provider_brings_another() {
    let server = Arc::new(Server::start());
    room(&server, "private", &json!({}));
    let fixed = soon("a connection", client(&server).token(token(&server, "ann")).connect()).await.unwrap();
    let asked = Arc::new(AtomicUsize::new(0));
    let provider = {
        let (server, asked) = (Arc::clone(&server), Arc::clone(&asked));
        move || {
            asked.fetch_add(1, Ordering::SeqCst);
            let secret = tokio::task::block_in_place(|| token(&server, "ann"));
            async move { Ok(secret) }
        }
    };
    let provided = soon("a connection", client(&server).token_provider(provider).connect()).await.unwrap();
    let mut stream = soon("to be in", provided.subscribe("room")).await.unwrap();
    let mut ended = soon("to be in", fixed.subscribe("room")).await.unwrap();
    server.v2("POST", "/v2/tokens/revoke", &json!({"user_id": "ann"}));
    let mut status = fixed.status();
    let closed = soon("the end", status.wait_for(|status| status.state == State::Closed)).await.unwrap().clone();
    assert_eq!(closed.error, Some(Error::ConnectionLost(4102)));
    assert_eq!(closed.error.unwrap().retry(), Retry::Auth);
    let last = loop {
        if let Event::Ended { reason, .. } = soon("the last event", ended.next()).await.unwrap() {
            break reason;
        }
    };
    assert_eq!(last, EndReason::Closed);
    soon("a publication", provided.publish("room", "said", "again")).await.unwrap();
    assert_eq!(next_message(&mut stream).await, json!("again"));
    assert_eq!(asked.load(Ordering::SeqCst), 2);
    provided.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_token_is_renewed_before_it_ends_and_the_connection_goes_on() {
    let server = Arc::new(Server::start());
    room(&server, "private", &json!({}));
    let asked = Arc::new(AtomicUsize::new(0));
    let first = Arc::new(Mutex::new(Value::Null));
    let provider = {
        let (server, asked, first) = (Arc::clone(&server), Arc::clone(&asked), Arc::clone(&first));
        move || {
            // The first lives short; it is announced when 80 % of that is over.
            let ttl_s = if asked.fetch_add(1, Ordering::SeqCst) == 0 { 4 } else { 3_600 };
            let wish = json!({"user_id": "ann", "channels": ["room"], "ttl_s": ttl_s});
            let made = tokio::task::block_in_place(|| server.v2("POST", "/v2/tokens", &wish));
            if ttl_s == 4 {
                *first.lock().unwrap() = made["secret"].clone();
            }
            async move { Ok(made["secret"].as_str().unwrap().to_owned()) }
        }
    };
    let ann = soon("a connection", client(&server).token_provider(provider).connect()).await.unwrap();
    let mut stream = soon("to be in", ann.subscribe("room")).await.unwrap();
    let question = json!({"token": *first.lock().unwrap()});
    let is_over = || server.v2("POST", "/v2/tokens/introspect", &question)["refusal"]["code"] == "token_expired";
    tokio::task::block_in_place(|| wait("the end of the first token", is_over));
    soon("a publication", ann.publish("room", "said", "on")).await.unwrap();
    assert_eq!(next_message(&mut stream).await, json!("on"));
    assert_eq!((asked.load(Ordering::SeqCst), ann.counters().await.unwrap().losses), (2, 0));
    ann.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_token_public_channels_and_no_others() {
    let server = Server::start();
    room(&server, "unprotected", &json!({}));
    server.v2("POST", "/v2/channels", &json!({"id": "inner", "type": "private"}));
    let guest = soon("a connection", client(&server).connect()).await.unwrap();
    let refused = soon("a refusal", guest.subscribe("inner")).await.unwrap_err();
    assert_eq!(refused.code(), "not_granted", "{refused}");
    let mut stream = soon("to be in", guest.subscribe("room")).await.unwrap();
    let quiet = Outgoing::new("room", "said", "to others").unwrap().no_echo();
    soon("a publication", guest.send(quiet)).await.unwrap();
    let loud = [Outgoing::new("room", "said", "a").unwrap(), Outgoing::new("inner", "said", "b").unwrap()];
    let results = soon("a batch", guest.batch(&loud)).await.unwrap();
    assert!(results[0].is_ok(), "{results:?}");
    assert_eq!(results[1].as_ref().unwrap_err().code(), "not_subscribed", "{results:?}");
    assert_eq!(next_message(&mut stream).await, json!("a"));
    assert_eq!(guest.counters().await.unwrap().echoes, 1);
    let twice = Outgoing::new("room", "said", "once").unwrap().id("m1");
    let first = soon("a publication", guest.send(twice.clone())).await.unwrap();
    let second = soon("a publication", guest.send(twice)).await.unwrap();
    assert_eq!((first.is_duplicate, second.is_duplicate, first.position), (false, true, second.position));
    soon("to leave", stream.unsubscribe()).await.unwrap();
    guest.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn presence_state_and_direct_messages() {
    let server = Server::start();
    let capabilities = ["token_publish", "token_set_state"];
    let wanted = json!({"id": "room", "type": "private", "capabilities": capabilities, "settings": {"presence": true}});
    server.v2("POST", "/v2/channels", &wanted);
    let ann = soon("a connection", client(&server).token(token(&server, "ann")).connect()).await.unwrap();
    let mut direct = ann.direct().unwrap();
    assert!(ann.direct().is_none());
    let mut stream =
        soon("to be in", ann.subscribe("room").presence().data(&json!({"name": "Ann"})).unwrap()).await.unwrap();
    let ben = soon("a connection", client(&server).token(token(&server, "ben")).connect()).await.unwrap();
    let joined = loop {
        if let Event::Presence(change) = soon("ben", stream.next()).await.unwrap() {
            let joined: Vec<_> = change.joined.unwrap_or_default().into_iter().map(|member| member.member).collect();
            if joined.contains(&"ben".to_owned()) {
                break change.count;
            }
        }
    };
    assert_eq!(joined, 2);
    let page = soon("the members", ben.members("room", Members::first())).await.unwrap();
    let shown: Vec<_> = page.members.iter().map(|member| member.member.as_str()).collect();
    assert_eq!(shown, ["ann", "ben"]);
    assert_eq!(page.members[0].data.as_ref().unwrap().read::<Value>().unwrap(), json!({"name": "Ann"}));

    let version = soon("a change", ben.set_state("room", &json!({"topic": "tea"}), None)).await.unwrap();
    let error = soon("a refusal", ben.merge_state("room", &json!({"x": 1}), Some(version + 7))).await.unwrap_err();
    assert!(matches!(&error, Error::Refused(refusal) if refusal.version == Some(version)), "{error:?}");
    loop {
        if let Event::State { state, version: at } = soon("the state", stream.next()).await.unwrap()
            && at == version
        {
            break assert_eq!(state.read::<Value>().unwrap(), json!({"topic": "tea"}));
        }
    }
    server.v2("POST", "/v2/users/ann/messages", &json!({"event": "hi", "data": 7}));
    match soon("a direct message", direct.next()).await {
        Some(Direct::Message(message)) => assert_eq!((message.event.as_str(), message.data.as_str()), ("hi", "7")),
        other => panic!("{other:?}"),
    }
    ann.close().await;
    ben.close().await;
}
