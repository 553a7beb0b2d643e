//! Every page of the console over a large project: 100,000 tokens of 40,000 users and 10,000 channels. Pages show fifty rows, so what a project
//! holds must not be what a page costs.
#![allow(clippy::unwrap_used, clippy::print_stderr)]

use std::collections::BTreeMap;
use std::thread;

use serde_json::{Value, json};
use tollgate_testkit::{Http, Reply, Server, Setup};

const PASSWORD: &str = "four+words+of+no+use";
/// Without optimisation everything is smaller and slower: the shape is held there, the figure only in a release build.
const SIZE: Size = if cfg!(debug_assertions) {
    Size { batches: 10, channels: 1_000, users: 4_000, slower: 8.0 }
} else {
    Size { batches: 100, channels: 10_000, users: 40_000, slower: 1.0 }
};
/// Tokens in one batch; the most that one takes.
const BATCH: usize = 1_000;
/// How often each page is asked for.
const ASKED: usize = 20;
/// What 95 of 100 answers may take of the server's time, in milliseconds.
const MS_MAX: f64 = 50.0;
/// Lists with what makes them look far: a filter that nothing is sorted by looks at so many rows for a page, and says where to go on.
const LOOKS: [&str; 15] = [
    "/channels?prefix=channel-0&type=private",
    "/channels?prefix=nothing-begins-so",
    "/channels?type=public",
    "/channels?type=unprotected",
    "/tokens?user=user-0",
    "/tokens?user=user-0&status=expired",
    "/tokens?status=revoked",
    "/tokens?status=expired",
    "/tokens?online=on",
    "/users?prefix=user-03",
    "/connections?q=user-00007",
    "/audit?what=channel.",
    "/audit?what=nothing.is.so",
    "/audit?who=nobody",
    "/audit?outcome=refused&since=2020-01-01",
];
/// A machine on which a page that shows next to nothing takes long may take so many times that for any other.
const TIMES_THE_TRIVIAL: f64 = 100.0;
/// How often each channel is changed, so that the audit log is longer than what a search of it looks at for one page.
const CHANGES: usize = 6;
/// Where writers work side by side, so that their changes share a commit.
const WRITERS: usize = 8;

/// The table that the console is served by: a page that is added there is asked for here.
const ROUTES: &str = include_str!("../../console/src/routes.rs");

struct Size {
    batches: usize,
    channels: usize,
    users: usize,
    /// How many times the figure may be missed by.
    slower: f64,
}

fn text(value: &Value, field: &str) -> String {
    value[field].as_str().unwrap_or_else(|| panic!("no {field} in {value}")).to_owned()
}

/// Fills the project, and names one thing of each kind for the parameters of paths.
fn filled(server: &Server) -> BTreeMap<&'static str, String> {
    server.v2("POST", "/v2/channels", &json!({"id": "busy", "type": "public", "settings": {"history": {"size": 100}}}));
    let write = |writer: usize| {
        let api = server.api();
        let post = |path: &str, body: Value| {
            let reply = api.try_call("POST", path, Some(body.to_string().as_bytes())).unwrap();
            assert!(matches!(reply.status, 200..=202), "{path}: {reply:?}");
            reply.json()
        };
        for number in (writer..SIZE.channels - 1).step_by(WRITERS) {
            let id = format!("channel-{number:05}");
            post("/v2/channels", json!({"id": id, "type": "private"}));
            for _ in 0..CHANGES {
                let reply = api.try_call("PATCH", &format!("/v2/channels/{id}"), Some(b"{}")).unwrap();
                assert_eq!(reply.status, 200, "{reply:?}");
            }
        }
        for batch in (writer..SIZE.batches).step_by(WRITERS) {
            let entry = |at: usize| {
                let number = batch * BATCH + at;
                let channels = if number.is_multiple_of(10) { vec!["busy"] } else { Vec::new() };
                let user = format!("user-{:05}", number % SIZE.users);
                json!({"user_id": user, "name": format!("token {number}"), "channels": channels, "state": {"n": number}})
            };
            let entries: Vec<Value> = (0..BATCH).map(entry).collect();
            let made = post("/v2/tokens/batch", json!({"action": "create", "entries": entries}));
            assert!(made["results"].as_array().unwrap().iter().all(|one| one["status"] == "created"), "batch {batch}");
        }
    };
    thread::scope(|scope| {
        (0..WRITERS).for_each(|writer| {
            scope.spawn(move || write(writer));
        });
    });
    let post = |path: &str, body: Value| server.v2("POST", path, &body);
    let said: Vec<Value> =
        (0..60).map(|n| post("/v2/channels/busy/messages", json!({"event": "said", "data": {"n": n}}))).collect();
    let made = post("/v2/tokens", json!({"user_id": "user-00007", "channels": ["busy"]}));
    server.remember(&text(&made, "secret"));
    let hmac = json!({"algorithm": "HS256", "secret": "0123456789abcdef0123456789abcdef"});
    let webhook = post("/v2/webhooks", json!({"url": "http://127.0.0.1:9/hook", "events": ["token.*"]}));
    let key = post("/v2/keys", json!({"permissions": ["read_channels"]}));
    for made in [&webhook, &key] {
        server.remember(made["secret"].as_str().unwrap_or_default());
    }
    let hook = json!({"hook": {"url": "http://127.0.0.1:9/hook", "questions": ["publish"]}});
    let changed = server.v2("PATCH", "/v2/project", &hook);
    server.remember(changed["settings"]["hook"]["secret"].as_str().unwrap_or_default());
    post("/v2/signing-keys/rotate", json!({}));
    let signing = server.v2("GET", "/v2/signing-keys", &Value::Null);
    let kid = text(&signing["data"][0], "kid");
    BTreeMap::from([
        ("project", server.project.clone()),
        ("channel", "busy".to_owned()),
        ("token", text(&made, "id")),
        ("user", "user-00007".to_owned()),
        ("key", text(&key, "id")),
        ("webhook", text(&webhook, "id")),
        ("issuer", text(&post("/v2/issuers", json!({"issuer": "https://one.example", "secret": hmac})), "id")),
        ("kid", kid),
        ("position", text(&said[9], "position")),
    ])
}

/// Its first owner: the cookie of the session.
fn owner(server: &Server) -> String {
    let code = server.console.as_ref().unwrap().split_once('#').unwrap().1;
    server.remember(code);
    let host = server.addr.to_string();
    let headers = [
        ("Host", host.as_str()),
        ("Sec-Fetch-Site", "same-origin"),
        ("Content-Type", "application/x-www-form-urlencoded"),
    ];
    let fields = format!("code={code}&username=ada&password={PASSWORD}&again={PASSWORD}");
    let mut http = Http::connect(server.addr).unwrap();
    let answer = http.request("POST", "/console/set-up", &headers, Some(fields.as_bytes())).unwrap();
    answer.header("set-cookie").unwrap().split_once(';').unwrap().0.to_owned()
}

/// Every page that there is, and the lists once more with what makes them look far.
fn pages(names: &BTreeMap<&str, String>) -> Vec<String> {
    let templates = ROUTES
        .lines()
        .filter(|line| line.trim_start().starts_with("inside!(") || line.trim_start().starts_with("door!("));
    let gets = templates.filter_map(|line| line.split_once(" GET \"").or_else(|| line.split_once("(GET \"")));
    let templates = gets.map(|(_, rest)| rest.split_once('"').unwrap().0);
    // A work is there for a moment only, in a table of its own that no project makes larger.
    let templates: Vec<&str> = templates.filter(|template| !template.ends_with("/:work")).collect();
    assert!(templates.len() >= 30, "the table is not read right: {templates:?}");
    let fill = |template: &&str| {
        let segment = |segment: &str| match segment.strip_prefix(':') {
            Some(name) => names.get(name).unwrap_or_else(|| panic!("{template}: make a {name} in `filled`")).clone(),
            None => segment.to_owned(),
        };
        let path = template.split('/').map(segment).collect::<Vec<_>>().join("/");
        if template.ends_with("/tail") { format!("{path}?after={}", names["position"]) } else { path }
    };
    let project = format!("/console/p/{}", names["project"]);
    let looks = LOOKS.iter().map(|path| format!("{project}{path}"));
    templates.iter().map(fill).chain(looks).collect()
}

/// What the server itself took for an answer, in milliseconds.
fn took(reply: &Reply) -> f64 {
    let said = reply.header("server-timing").unwrap_or_else(|| panic!("no Server-Timing: {reply:?}"));
    said.strip_prefix("app;dur=").unwrap().parse().unwrap()
}

#[test]
fn every_page_of_a_large_project_is_quick() {
    let private = "[outbound]\nallow_private = true\nallow_http = true\n";
    let server = Setup::default().config(private).start();
    let mut names = filled(&server);
    let cookie = owner(&server);
    let operators = server.command(&["operator", "list", "--json"]);
    names.insert("operator", text(&operators[0], "id"));
    let host = server.addr.to_string();
    let headers = [("Host", host.as_str()), ("Cookie", cookie.as_str()), ("Sec-Fetch-Site", "none")];
    let mut http = Http::connect(server.addr).unwrap();
    let mut slow = |path: &str| {
        let mut all: Vec<f64> = (0..ASKED)
            .map(|_| {
                let reply = http.request("GET", path, &headers, None).unwrap();
                assert!(matches!(reply.status, 200 | 303), "{path}: {reply:?}");
                took(&reply)
            })
            .collect();
        all.sort_by(f64::total_cmp);
        all[ASKED * 95 / 100 - 1]
    };
    let trivial = slow("/console/server/you");
    let mut found: Vec<_> = pages(&names)
        .into_iter()
        .map(|path| (slow(&path), (MS_MAX * SIZE.slower).max(trivial * TIMES_THE_TRIVIAL), path))
        .collect();
    found.sort_by(|one, other| other.0.total_cmp(&one.0));
    eprintln!(
        "{} tokens, more than {} entries in the audit log, a trivial page {trivial} ms; 95 of 100 answers within, of at most, in ms:",
        SIZE.batches * BATCH,
        SIZE.channels * (CHANGES + 1)
    );
    for (ms, most, path) in &found {
        eprintln!("{ms:>9.3} {most:>8} {}", path.replace(&server.project, ":project"));
    }
    if cfg!(debug_assertions) {
        eprintln!(
            "NOT the figures: a build without optimisation holds a tenth of the tokens, to {} times the time; add --release",
            SIZE.slower
        );
    }
    let missed: Vec<_> = found.into_iter().filter(|(ms, most, _)| ms > most).collect();
    assert!(missed.is_empty(), "over their time: {missed:#?}");
}
