//! Jobs against a server that is killed in the middle of them: each entry is done once, and each result is there to be read once. And what
//! a job costs others meanwhile.
#![allow(clippy::unwrap_used, clippy::disallowed_methods)]

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tollgate_testkit::{Api, Random, Server, until};

const PART: usize = 500;
/// What 95 % of creates may take while a job is at work. A build without optimisation gets four times as long.
const CREATED_WITHIN: Duration = Duration::from_millis(if cfg!(debug_assertions) { 200 } else { 50 });

fn ask(api: &Api<'_>, method: &str, path: &str, body: &Value) -> Value {
    let reply = api.try_call(method, path, Some(body.to_string().as_bytes())).unwrap();
    assert!(matches!(reply.status, 200..=202), "{method} {path}: {reply:?}");
    reply.json()
}

fn look(api: &Api<'_>, path: &str) -> Value {
    let reply = api.try_call("GET", path, None).unwrap();
    assert_eq!(reply.status, 200, "{path}: {reply:?}");
    reply.json()
}

/// A job that makes `parts` times [`PART`] tokens, started: its path.
fn started(server: &Server, parts: usize) -> String {
    let api = server.api();
    let job = ask(&api, "POST", "/v2/jobs", &json!({"action": "create", "total": parts * PART}));
    let path = format!("/v2/jobs/{}", job["id"].as_str().unwrap());
    for part in 1..=parts {
        let entries: Vec<Value> = (0..PART).map(|n| json!({"state": {"part": part, "n": n}})).collect();
        ask(&api, "PUT", &format!("{path}/parts/{part}"), &json!(entries));
    }
    ask(&api, "POST", &format!("{path}/start"), &json!({}));
    path
}

fn tokens(server: &Server) -> Vec<Value> {
    server.api().get("/v1/channels/tokens").data()["tokens"].as_array().unwrap().clone()
}

#[test]
fn a_job_that_is_killed_again_and_again_does_each_entry_once() {
    let mut random = Random::announced("jobs");
    let mut server = Server::start();
    let parts = 12;
    let path = started(&server, parts);
    let (mut kills, mut done, mut within_ms) = (0, 0, 10);
    while look(&server.api(), &path)["status"] == "running" {
        // The random point: nothing is waited for here. It lies where the job is at work however quick the machine is, and leaves a slow one more time.
        std::thread::sleep(Duration::from_millis(random.below(within_ms)));
        server.kill();
        server.start_again();
        let view = look(&server.api(), &path);
        assert_eq!(
            view["succeeded"].as_u64(),
            view["parts_done"].as_u64().map(|parts| parts * PART as u64),
            "progress and tokens are one: {view}"
        );
        let before = std::mem::replace(&mut done, view["parts_done"].as_u64().unwrap());
        within_ms = if done == before { within_ms * 2 } else { 10 };
        kills += 1;
        assert!(kills < 400, "it makes no progress");
    }
    let view = look(&server.api(), &path);
    assert_eq!(
        (&view["status"], &view["succeeded"], &view["failed"]),
        (&json!("finished"), &json!(parts * PART), &json!(0))
    );
    let states: BTreeSet<String> = tokens(&server).iter().map(|token| token["state"].to_string()).collect();
    assert_eq!((states.len(), tokens(&server).len()), (parts * PART, parts * PART), "none twice, none left out");

    let mut secrets = BTreeSet::new();
    for part in 1..=parts {
        let of = format!("{path}/results?part={part}");
        let results = look(&server.api(), &of);
        secrets.extend(
            results["results"].as_array().unwrap().iter().map(|one| one["secret"].as_str().unwrap().to_owned()),
        );
        assert_eq!(server.api().try_call("GET", &of, None).unwrap().status, 410);
        if part == parts / 2 {
            server.kill();
            server.start_again();
            assert_eq!(server.api().try_call("GET", &of, None).unwrap().status, 410, "read is read");
        }
    }
    assert_eq!(secrets.len(), parts * PART);
    for secret in secrets.iter().step_by(500) {
        server.identified(Some(secret)).0.close();
    }
    assert!(kills >= 2, "{kills} kills in the middle of it prove little");
}

#[test]
fn others_do_not_wait_for_a_job() {
    let server = Server::start();
    let path = started(&server, 24);
    let (api, mut creates) = (server.api(), Vec::new());
    while look(&api, &path)["status"] == "running" {
        let start = Instant::now();
        ask(&api, "POST", "/v1/channels/tokens", &json!({}));
        creates.push(start.elapsed());
    }
    assert!(creates.len() > 10, "only {} creates while the job was at work", creates.len());
    creates.sort_unstable();
    // A job that held them up would hold up nearly each of the hundred or so; a machine that has a hiccup holds up one or two.
    let p95 = creates[creates.len() * 95 / 100];
    assert!(p95 < CREATED_WITHIN, "creates took {p95:?} while a job was at work");
    let done = until(Duration::from_secs(10), "the job to be done", || {
        let view = look(&api, &path);
        (view["status"] == "finished").then_some(view)
    });
    assert_eq!(done["succeeded"], 24 * PART);
}

#[test]
fn a_file_is_imported_with_its_progress_and_its_results_are_the_owners_alone() {
    use std::os::unix::fs::PermissionsExt as _;
    let server = Server::start();
    let dir = server.dir();
    let (file, out) = (dir.path().join("tokens.ndjson"), dir.path().join("results.ndjson"));
    let lines: Vec<String> =
        (0..2_500).map(|n| if n == 7 { "{\"x\":1}".into() } else { format!("{{\"state\":{{\"n\":{n}}}}}") }).collect();
    std::fs::write(&file, lines.join("\n")).unwrap();
    let (data, file, to) = (server.data(), file.display().to_string(), out.display().to_string());
    let args = ["token", "import", &file, "--out", &to, "--json", "--data-dir", data.to_str().unwrap()];
    let said = tollgate_testkit::binary::run(&args);
    assert!(said.ok, "{said:#?}");
    let summary: Value = serde_json::from_str(&said.stdout).unwrap();
    assert_eq!((&summary["succeeded"], &summary["failed"]), (&json!(2_499), &json!(1)));
    assert!(said.stderr.contains("100 % done (2500 of 2500)"), "{}", said.stderr);
    assert_eq!(std::fs::metadata(&out).unwrap().permissions().mode() & 0o777, 0o600);
    let results: Vec<Value> =
        std::fs::read_to_string(&out).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!((results.len(), &results[7]["status"]), (2_500, &json!("refused")));
    for n in [0, 1_234, 2_499] {
        let (_, init) = server.identified(results[n]["secret"].as_str());
        assert_eq!(init["metadata"], json!({"n": n}), "results stand in the order of the lines");
    }
    let again = tollgate_testkit::binary::run(&args);
    assert!(
        !again.ok && again.stderr.contains("results.ndjson"),
        "a file that is there is not written over: {again:#?}"
    );
}
