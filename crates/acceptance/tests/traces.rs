//! Traces as a collector of OpenTelemetry gets them: a request with its parts, in its caller's trace, and the hook's backend in the same.
#![allow(clippy::unwrap_used)]

use std::collections::HashMap;

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value as Held;
use opentelemetry_proto::tonic::trace::v1::Span;
use prost::Message as _;
use serde_json::{Value, json};
use tollgate_testkit::receiver::{Answer, Received, Receiver};
use tollgate_testkit::{Http, Server, Setup};

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const CALLER: &str = "00f067aa0ba902b7";

fn start(collector: &Receiver, settings: &str) -> Server {
    let endpoint = format!("http://{}/v1/traces", collector.addr);
    let config = format!("[traces]\nendpoint = {endpoint:?}\nservice_name = \"rt\"\n{settings}\n");
    // Sent soon, instead of every five seconds.
    let setup = Setup::default().config(config).env("OTEL_BSP_SCHEDULE_DELAY", "50");
    setup.env("TOLLGATE_OUTBOUND_ALLOWED_HOSTS", "127.0.0.1").env("TOLLGATE_OUTBOUND_ALLOW_HTTP", "true").start()
}

/// One request in the caller's trace, or in none.
fn ask(server: &Server, key: &str, path: &str, body: &Value, flags: Option<&str>) -> (u16, Value) {
    let parent = flags.map(|flags| format!("00-{TRACE}-{CALLER}-{flags}"));
    let mut headers = vec![("Authorization", key), ("X-Request-Id", "order-7")];
    headers.extend(parent.as_deref().map(|parent| ("traceparent", parent)));
    let mut http = Http::connect(server.addr).unwrap();
    let reply = http.request("POST", path, &headers, Some(body.to_string().as_bytes())).unwrap();
    (reply.status, serde_json::from_slice(&reply.body).unwrap_or(Value::Null))
}

/// The spans that have come, by name, until all of these are there; in vain only as long as the next request is waited for.
fn spans(collector: &Receiver, wanted: &[&str], kept: &mut Vec<Received>) -> HashMap<String, Span> {
    let mut found = HashMap::new();
    while !wanted.iter().all(|name| found.contains_key(*name)) {
        let sent = collector.next();
        let request = ExportTraceServiceRequest::decode(sent.body.as_slice()).unwrap();
        for resource in request.resource_spans {
            let named = resource.resource.unwrap().attributes;
            let name = named.iter().find(|one| one.key == "service.name").unwrap().value.clone().unwrap().value;
            assert_eq!(name, Some(Held::StringValue("rt".into())));
            let all = resource.scope_spans.into_iter().flat_map(|scope| scope.spans);
            found.extend(all.map(|span| (span.name.clone(), span)));
        }
        kept.push(sent);
    }
    found
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn a_request_and_its_parts_are_in_its_callers_trace() {
    let (collector, backend) = (Receiver::start(), Receiver::start());
    let server = start(&collector, "sample_percent = 0\nauthorization = \"Bearer s3cret-of-the-collector\"");
    server.remember("s3cret-of-the-collector");
    let key = server.key.clone();
    server.v2("POST", "/v2/channels", &json!({"id": "room", "type": "unprotected"}));
    let settings = json!({"hook": {"url": format!("http://{}/hook", backend.addr), "questions": ["publish"]}});
    server.v2("PATCH", "/v2/project", &settings);
    backend.answer(Answer::Bytes(
        "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 14\r\nConnection: close\r\n\r\n{\"allow\":true}".into(),
    ));

    let mut kept = Vec::new();
    let (status, made) = ask(
        &server,
        &key,
        "/v2/tokens",
        &json!({"capabilities": [{"channels": "room", "operations": ["publish"]}]}),
        Some("01"),
    );
    assert_eq!(status, 201, "{made}");
    let secret = made["secret"].as_str().unwrap().to_owned();
    server.remember(&secret);
    let found = spans(&collector, &["POST /v2/tokens", "store.commit"], &mut kept);
    let (request, commit) = (&found["POST /v2/tokens"], &found["store.commit"]);
    assert_eq!((hex(&request.trace_id), hex(&request.parent_span_id)), (TRACE.into(), CALLER.into()));
    assert_eq!((&commit.trace_id, &commit.parent_span_id), (&request.trace_id, &request.span_id));
    // Server is 2, internal 1 (opentelemetry-proto, SpanKind).
    assert_eq!((request.kind, commit.kind), (2, 1));
    let time = |span: &Span| (span.start_time_unix_nano, span.end_time_unix_nano);
    let slack = 5_000_000;
    assert!(time(request).0 <= time(commit).0 + slack && time(commit).1 <= time(request).1 + slack, "{found:?}");
    let told: HashMap<_, _> =
        request.attributes.iter().map(|one| (one.key.as_str(), one.value.clone().unwrap().value)).collect();
    assert_eq!(told["http.route"], Some(Held::StringValue("/v2/tokens".into())));
    assert_eq!(told["http.response.status_code"], Some(Held::IntValue(201)));
    assert_eq!(told["tollgate.request_id"], Some(Held::StringValue("order-7".into())));
    assert_eq!(kept[0].headers["authorization"], "Bearer s3cret-of-the-collector");

    // Who is asked is told where it belongs.
    let body = json!({"event": "said", "data": 1});
    let (status, answer) = ask(&server, &secret, "/v2/channels/room/messages", &body, Some("01"));
    assert!(status < 300, "{status} {answer}");
    let found = spans(&collector, &["POST /v2/channels/:channel/messages", "access_hook"], &mut kept);
    let hook = &found["access_hook"];
    assert_eq!(hook.parent_span_id, found["POST /v2/channels/:channel/messages"].span_id);
    assert_eq!(backend.next().headers["traceparent"], format!("00-{TRACE}-{}-01", hex(&hook.span_id)));

    // What its caller does not trace, and what comes without a trace at 0 percent, is not sent.
    ask(&server, &key, "/v2/users", &json!({"id": "unseen"}), Some("00"));
    ask(&server, &key, "/v2/users", &json!({"id": "unseen2"}), None);
    ask(&server, &key, "/v2/channels", &json!({"id": "seen", "type": "public"}), Some("01"));
    let found = spans(&collector, &["POST /v2/channels"], &mut kept);
    assert!(!found.contains_key("POST /v2/users"), "{found:?}");
    for sent in &kept {
        let text = String::from_utf8_lossy(&sent.body);
        assert!(!text.contains(&secret) && !text.contains(&key) && !text.contains("room"), "{text}");
    }
}

#[test]
fn what_is_done_later_is_linked_to_what_caused_it() {
    let (collector, endpoint) = (Receiver::start(), Receiver::start());
    let server = start(&collector, "sample_percent = 0");
    let key = server.key.clone();
    let webhook = json!({"url": format!("http://{}/told", endpoint.addr), "events": ["token.created"]});
    server.v2("POST", "/v2/webhooks", &webhook);
    // What nobody traces is not told later either.
    server.v2("POST", "/v2/tokens", &json!({}));
    assert!(!endpoint.next().headers.contains_key("traceparent"));

    let mut kept = Vec::new();
    let (status, made) = ask(&server, &key, "/v2/tokens", &json!({"name": "s3cret name"}), Some("01"));
    assert_eq!(status, 201, "{made}");
    let found = spans(&collector, &["POST /v2/tokens", "webhook.try"], &mut kept);
    let (request, tried) = (&found["POST /v2/tokens"], &found["webhook.try"]);
    let links_to = |later: &Span, cause: &Span| {
        let [link] = later.links.as_slice() else { panic!("{later:?}") };
        assert_eq!((&link.trace_id, &link.span_id), (&cause.trace_id, &cause.span_id));
        assert!(later.trace_id != cause.trace_id && later.parent_span_id.is_empty(), "a trace of its own: {later:?}");
        assert!(later.start_time_unix_nano <= later.end_time_unix_nano);
    };
    links_to(tried, request);
    // Client is 3.
    assert_eq!((tried.kind, tried.status.clone().unwrap_or_default().code), (3, 0));
    let told = endpoint.next();
    assert_eq!(told.headers["traceparent"], format!("00-{}-{}-01", hex(&tried.trace_id), hex(&tried.span_id)));
    let text = |span: &Span, name: &str| {
        let found = span.attributes.iter().find(|one| one.key == name).and_then(|one| one.value.clone()?.value);
        found.unwrap_or_else(|| panic!("no {name}: {span:?}"))
    };
    assert_eq!(text(tried, "tollgate.message"), Held::StringValue(told.headers["webhook-id"].clone()));
    assert_eq!(text(tried, "tollgate.try"), Held::IntValue(1));

    // One that fails is an error there, and of the same cause.
    endpoint.answer(Answer::status(503));
    ask(&server, &key, "/v2/tokens", &json!({}), Some("01"));
    let found = spans(&collector, &["POST /v2/tokens", "webhook.try"], &mut kept);
    links_to(&found["webhook.try"], &found["POST /v2/tokens"]);
    // Error is 2.
    assert_eq!(found["webhook.try"].status.clone().unwrap_or_default().code, 2);
    endpoint.answer(Answer::status(204));

    let job = json!({"action": "create", "entries": [{"name": "one"}, {"name": "two"}]});
    let (status, made) = ask(&server, &key, "/v2/jobs", &job, Some("01"));
    assert_eq!(status, 202, "{made}");
    let found = spans(&collector, &["POST /v2/jobs", "job.part", "store.commit"], &mut kept);
    let part = &found["job.part"];
    links_to(part, &found["POST /v2/jobs"]);
    assert_eq!(text(part, "tollgate.job"), Held::StringValue(made["id"].as_str().unwrap().into()));
    assert_eq!(text(part, "tollgate.part"), Held::IntValue(1));
    for sent in &kept {
        let text = String::from_utf8_lossy(&sent.body);
        assert!(!text.contains("s3cret") && !text.contains(&key) && !text.contains("/told"), "{text}");
    }
}

#[test]
fn what_is_gathered_is_sent_before_the_end_and_a_silent_collector_holds_nothing_up() {
    let collector = Receiver::start();
    let mut server = start(&collector, "sample_percent = 100");
    server.v2("POST", "/v2/channels", &json!({"id": "room", "type": "public"}));
    server.stop();
    spans(&collector, &["POST /v2/channels"], &mut Vec::new());

    collector.answer(Answer::Silence);
    let mut server = start(&collector, "sample_percent = 100");
    for number in 0..50 {
        server.v2("POST", "/v2/channels", &json!({"id": format!("room{number}"), "type": "public"}));
    }
    server.stop();
}
