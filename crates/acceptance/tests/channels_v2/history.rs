//! What a channel keeps, over restarts, and what it says of what it does not keep.

use serde_json::{Value, json};
use tollgate_testkit::Server;

use crate::{ask, done, get, heard, say};

fn channel(server: &Server, id: &str, history: &Value) {
    done(server, "POST", "/v2/channels", &json!({"id": id, "type": "private", "settings": {"history": history}}));
}

fn lost(server: &Server, path: &str) -> Value {
    let (status, refused) = ask(&server.api(), "GET", path, &Value::Null);
    assert_eq!((status, &refused["code"]), (410, &json!("position_lost")), "{refused}");
    refused["position"].clone()
}

#[test]
fn a_durable_past_outlives_a_kill_and_a_past_in_memory_says_that_it_is_lost() {
    let mut server = Server::start();
    channel(&server, "kept", &json!({"durable": true}));
    channel(&server, "light", &json!({}));
    let first = say(&server, "kept", &json!(1));
    let light = say(&server, "light", &json!(1));
    for number in 2..=5 {
        say(&server, "kept", &json!(number));
    }
    server.kill();
    server.start_again();
    let page = get(&server, &format!("/v2/channels/kept/history?after={first}&limit=2"));
    assert_eq!(heard(&page), [json!(2), json!(3)]);
    let next = page["next"].as_str().unwrap();
    let rest = get(&server, &format!("/v2/channels/kept/history?after={next}"));
    assert_eq!((heard(&rest), rest.get("next")), (vec![json!(4), json!(5)], None));
    let back = get(&server, "/v2/channels/kept/history?order=newest&limit=2");
    assert_eq!(heard(&back), [json!(5), json!(4)]);
    let back =
        get(&server, &format!("/v2/channels/kept/history?order=newest&before={}", back["next"].as_str().unwrap()));
    assert_eq!(heard(&back), [json!(3), json!(2), json!(1)]);
    let sixth = say(&server, "kept", &json!(6));
    assert_eq!(sixth.split('-').next(), first.split('-').next(), "the run of offsets goes on");
    let position = lost(&server, &format!("/v2/channels/light/history?after={light}"));
    let page = get(&server, &format!("/v2/channels/light/history?after={}", position.as_str().unwrap()));
    assert_eq!((heard(&page), &page["position"]), (vec![], &position), "from there it goes on");
}

#[test]
fn a_channel_keeps_no_more_than_it_is_told() {
    let server = Server::start();
    for (id, durable) in [("memory", false), ("disk", true)] {
        channel(&server, id, &json!({"size": 3, "durable": durable}));
        let first = say(&server, id, &json!(1));
        for number in 2..=5 {
            say(&server, id, &json!(number));
        }
        let path = format!("/v2/channels/{id}/history");
        assert_eq!(heard(&get(&server, &path)), [json!(3), json!(4), json!(5)], "{id}");
        let position = lost(&server, &format!("{path}?after={first}"));
        assert_eq!(position, get(&server, &path)["position"], "{id}");
        let second = first.replace("-1", "-2");
        assert_eq!(heard(&get(&server, &format!("{path}?after={second}"))).len(), 3, "{id}");
        let mine = json!({"settings": {"history": {"durable": !durable}}});
        done(&server, "PATCH", &format!("/v2/channels/{id}"), &mine);
        lost(&server, &format!("{path}?after={second}"));
        say(&server, id, &json!(6));
        assert_eq!(heard(&get(&server, &path)), [json!(6)], "{id} goes on in a new run of offsets");
    }
}
