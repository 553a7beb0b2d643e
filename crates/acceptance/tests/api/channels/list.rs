//! `GET /v1/channels`: everything at once for the SDKs that never ask for a second page, pages for those that do.

use serde_json::{Value, json};
use tollgate_testkit::Server;

fn ids(data: &Value) -> Vec<&str> {
    data["channels"].as_array().unwrap().iter().map(|channel| channel["id"].as_str().unwrap()).collect()
}

#[test]
fn b19_without_a_page_everything_is_listed() {
    let server = Server::start();
    let api = server.api();
    let empty = api.get("/v1/channels").data();
    assert_eq!((&empty["channels"], &empty["total_count"]), (&json!([]), &json!(0)));
    assert!(empty["page_size"].is_u64());
    for n in 0..130 {
        api.channel(&format!("c{n:03}"), "public", json!({}));
    }
    let all = api.get("/v1/channels").data();
    assert_eq!(all["channels"].as_array().unwrap().len(), 130);
    assert_eq!(all["total_count"], 130);
    assert!(all["page_size"].is_u64());
    let mut listed = ids(&all);
    listed.sort_unstable();
    listed.dedup();
    assert_eq!(listed.len(), 130);
    assert!(all["channels"][0]["project"]["id"].is_string(), "the list has whole channels");
}

#[test]
fn b19_pages_follow_page_size_and_order() {
    let server = Server::start();
    let api = server.api();
    let names: Vec<_> = (0..5).map(|n| format!("c{n}")).collect();
    for name in &names {
        api.channel(name, "public", json!({}));
    }
    let page = |query: &str| {
        let data = api.get(&format!("/v1/channels?{query}")).data();
        assert_eq!(data["total_count"], 5, "{query}");
        assert!(data["page_size"].is_u64(), "{query}");
        ids(&data).join(",")
    };
    assert_eq!(page("page=1&pageSize=2&orderBy=asc&sortBy=created_at"), "c0,c1");
    assert_eq!(page("page=2&pageSize=2&orderBy=asc&sortBy=created_at"), "c2,c3");
    assert_eq!(page("page=3&pageSize=2&orderBy=asc&sortBy=created_at"), "c4");
    assert_eq!(page("page=4&pageSize=2&orderBy=asc&sortBy=created_at"), "", "past the end is empty");
    assert_eq!(page("page=999999999&pageSize=2&orderBy=asc"), "");
    assert_eq!(page("page=1&pageSize=2&orderBy=desc&sortBy=created_at"), "c4,c3");
    assert_eq!(page("page=3&pageSize=2&orderBy=desc"), "c0");
    assert_eq!(page("page=1&orderBy=asc&sortBy=created_at"), "c0,c1,c2,c3,c4", "as hop-go asks");
    let data = api.get("/v1/channels?page=1&pageSize=2").data();
    assert_eq!(data["page_size"], 2);
}

#[test]
fn b19_a_page_that_makes_no_sense_is_400() {
    let server = Server::start();
    let api = server.api();
    for query in [
        "page=0",
        "page=-1",
        "page=x",
        "pageSize=0",
        "pageSize=x",
        "page=1&orderBy=up",
        "page=1&sortBy=name",
        "page=99999999999999999999",
    ] {
        api.get(&format!("/v1/channels?{query}")).refused(400, "invalid_input");
    }
}
