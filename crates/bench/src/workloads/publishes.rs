//! P1: what a publication costs that comes over REST on a kept connection, by itself and with a hundred others, beside a server that says hello.
use crate::child::Measured;
use crate::failure::Outcome;
use crate::report::{Row, Spread};
use crate::rest::{self, Api};
use crate::settings::Settings;
use crate::{frame, kernel, say, stage};
use serde_json::json;

/// Messages of one request, the most that the server takes.
const BATCH: usize = 100;
/// Kept connections, each with a request under way.
const CONNECTIONS: usize = 16;

/// CPU time of the measured process for each request, or message, in seconds.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Costs {
    /// A request to hyper that does nothing with it.
    hello: f64,
    single: f64,
    /// A message of a batch.
    batched: f64,
}

pub(crate) fn run(settings: &Settings) -> Outcome<Vec<Costs>> {
    let server = Measured::server(&settings.server, &settings.server_arguments, settings.cores)?;
    let api = stage::api(&server);
    stage::create_channel(&api, "unprotected")?;
    let hello = Measured::hello(settings.cores)?;
    let hello_api = Api { address: hello.address, key: api.key.clone() };
    let payload = frame::payload(0, 100);
    let single = format!(r#"{{"event":"tick","data":"{payload}"}}"#);
    let one = format!(r#"{{"channel":"{}","event":"tick","data":"{payload}"}}"#, stage::CHANNEL);
    let batch = format!(r#"{{"messages":[{}]}}"#, vec![one; BATCH].join(","));
    let path = format!("/v2/channels/{}/messages", stage::CHANNEL);
    let (requests, batches) = if settings.quick { (4_000, 100) } else { (60_000, 3_000) };
    (0..settings.workload_rounds())
        .map(|round| {
            let costs = Costs {
                hello: cost(&hello_api, hello.pid(), "POST", &path, &single, requests)?,
                single: cost(&api, server.pid(), "POST", &path, &single, requests)?,
                batched: cost(&api, server.pid(), "POST", "/v2/publish", &batch, batches)? / BATCH as f64,
            };
            say(&format!(
                "P1 round {} of {}: hello {:.1} µs of CPU, a publication {:.1} µs, in batches {:.2} µs",
                round + 1,
                settings.workload_rounds(),
                costs.hello * 1e6,
                costs.single * 1e6,
                costs.batched * 1e6
            ));
            Ok(costs)
        })
        .collect()
}

fn cost(api: &Api, pid: u32, method: &str, path: &str, body: &str, count: usize) -> Outcome<f64> {
    let request = api.request(method, path, body);
    rest::call_all(api, &vec![request.clone(); count / 10], CONNECTIONS)?;
    let before = kernel::cpu_time(pid)?;
    rest::call_all(api, &vec![request; count], CONNECTIONS)?;
    Ok(kernel::cpu_time(pid)?.saturating_sub(before).as_secs_f64() / count as f64)
}

pub(crate) fn rows(settings: &Settings, rounds: &[Costs]) -> Vec<Row> {
    let spread = |of: fn(&Costs) -> f64| Spread::of(rounds.iter().map(of));
    let times = spread(|one| one.single / one.hello);
    let rate = spread(|one| 1.0 / one.batched);
    let targets = settings.targets;
    let raw = json!(
        rounds
            .iter()
            .map(|one| json!({
                "hello_cpu_s": one.hello, "single_cpu_s": one.single, "batched_cpu_s": one.batched,
            }))
            .collect::<Vec<_>>()
    );
    let row = |workload: String, floor: String, server: String, result: String, target: String, reached: bool| Row {
        id: "P1",
        workload,
        floor,
        server,
        result,
        target,
        reached: Some(reached),
        generator: "–".to_owned(),
        raw: raw.clone(),
    };
    vec![
        row(
            "a publication over REST, one a request; floor: hyper's hello to the same request".to_owned(),
            spread(|one| one.hello).with(1e6, 1, " µs"),
            spread(|one| one.single).with(1e6, 1, " µs"),
            times.with(1.0, 2, " × hello"),
            format!("≤ {:.1} ×", targets.times_hello),
            times.median <= targets.times_hello,
        ),
        row(
            format!("the same, {BATCH} a request"),
            "–".to_owned(),
            spread(|one| one.batched).with(1e6, 2, " µs"),
            rate.with(1e-3, 1, " k publishes per core-second"),
            format!("≥ {:.0} k", targets.batched_publishes / 1e3),
            rate.median >= targets.batched_publishes,
        ),
    ]
}
