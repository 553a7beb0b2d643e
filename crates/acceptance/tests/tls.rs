//! TLS from the configuration to the first message: REST, socket and event streams through a real certificate, and what is refused.
#![allow(clippy::unwrap_used)]

#[path = "event_streams/stream.rs"]
#[allow(dead_code)]
mod stream;

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Arc;

use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use serde_json::{Value, json};
use stream::{Ask, Events};
use tempfile::TempDir;
use tollgate_testkit::poll::{self, SOON};
use tollgate_testkit::{Http, Server, Setup, http};
use tungstenite::Message;

type Tls = StreamOwned<ClientConnection, TcpStream>;

struct Ground {
    dir: TempDir,
    client: Arc<ClientConfig>,
    setup: Setup,
}

/// A certificate for `localhost`, a client that trusts it, and a server's settings that use it.
fn ground() -> Ground {
    let dir = TempDir::new().unwrap();
    let own = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let (certificate, key) = (dir.path().join("cert.pem"), dir.path().join("key.pem"));
    fs::write(&certificate, own.cert.pem()).unwrap();
    fs::write(&key, own.signing_key.serialize_pem()).unwrap();
    fs::set_permissions(&key, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    let mut roots = RootCertStore::empty();
    roots.add(own.cert.der().clone()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let client = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let client = Arc::new(client.with_root_certificates(roots).with_no_client_auth());
    let setup = Setup::default().config(format!("[tls]\ncertificate = {certificate:?}\nkey = {key:?}\n"));
    Ground { dir, client, setup }
}

fn connect(server: &Server, client: &Arc<ClientConfig>) -> Tls {
    let stream = TcpStream::connect(server.addr).unwrap();
    stream.set_read_timeout(Some(SOON)).unwrap();
    let name = "localhost".try_into().unwrap();
    StreamOwned::new(ClientConnection::new(Arc::clone(client), name).unwrap(), stream)
}

/// One request on a connection of its own; gives the whole answer.
fn ask(server: &Server, client: &Arc<ClientConfig>, method: &str, path: &str, body: &Value) -> String {
    let mut stream = connect(server, client);
    let headers = [("Authorization", server.key.as_str()), ("Connection", "close")];
    stream.write_all(&http::request(method, path, &headers, Some(body.to_string().as_bytes()))).unwrap();
    let mut answer = Vec::new();
    // Some servers end without a TLS goodbye; the answer's length says whether it is whole.
    let _ = stream.read_to_end(&mut answer);
    String::from_utf8(answer).unwrap()
}

#[test]
fn rest_and_socket_work_over_tls() {
    let ground = ground();
    let server = ground.setup.start();
    let created = ask(&server, &ground.client, "PUT", "/v1/channels/room", &json!({"type": "unprotected"}));
    assert!(created.starts_with("HTTP/1.1 200") && created.contains(r#""id":"room""#), "{created}");
    let url = format!("wss://localhost:{}/ws", server.addr.port());
    let (mut socket, _) = tungstenite::client(url, connect(&server, &ground.client)).unwrap();
    let mut next = |sent: Value| {
        socket.send(Message::text(sent.to_string())).unwrap();
        loop {
            let frame: Value = serde_json::from_str(socket.read().unwrap().to_text().unwrap()).unwrap();
            if frame["op"] == 0 {
                return frame["d"].clone();
            }
        }
    };
    assert_eq!(next(json!({"op": 2, "d": {"project_id": server.project}}))["e"], "INIT");
    assert_eq!(next(json!({"op": 0, "d": {"e": "SUBSCRIBE", "c": "room", "d": null}}))["e"], "AVAILABLE");
    let sent =
        ask(&server, &ground.client, "POST", "/v1/channels/room/messages", &json!({"e": "X", "d": "x".repeat(50_000)}));
    assert!(sent.starts_with("HTTP/1.1 204"), "{sent}");
    let message: Value = serde_json::from_str(socket.read().unwrap().to_text().unwrap()).unwrap();
    assert_eq!(message["d"]["d"]["d"].as_str().unwrap().len(), 50_000);
}

#[test]
fn event_streams_work_over_tls() {
    let ground = ground();
    let server = ground.setup.start();
    let call = |method: &str, path: &str, body: Value| {
        let answer = ask(&server, &ground.client, method, path, &body);
        assert!(answer.starts_with("HTTP/1.1 2"), "{answer}");
        let (_, body) = answer.split_once("\r\n\r\n").unwrap();
        serde_json::from_str::<Value>(body).unwrap_or_default()
    };
    call("POST", "/v2/channels", json!({"id": "room", "type": "private"}));
    let made = call("POST", "/v2/tokens", json!({"channels": ["room"]}));
    let (id, secret) = (made["id"].clone(), made["secret"].as_str().unwrap().to_owned());
    server.remember(&secret);
    let ticket = call("POST", "/v2/tickets", json!({"token": id}))["ticket"].as_str().unwrap().to_owned();
    let query = format!("project={}&channel=room&ticket={ticket}", server.project);
    let body = json!({"connect": {"project": server.project, "token": secret}, "subscribe": [{"channel": "room"}]});
    let mut streams = [Ask::Get(&query), Ask::Post(&body)].map(|asked| {
        let mut events = Events::open(connect(&server, &ground.client), &asked.bytes(&[]));
        assert_eq!((events.status(), &events.expect("connected").data["token"]["id"]), (200, &id));
        events
    });
    // More than a TLS record holds, and than the sockets do.
    for text in ["x", &"y".repeat(50_000), &"z".repeat(1_000_000)] {
        call("POST", "/v2/channels/room/messages", json!({"event": "said", "data": text}));
        for events in &mut streams {
            let message = events.expect("message");
            assert_eq!(message.data["data"], text);
            assert!(message.id.is_some_and(|id| id.starts_with("room@")));
        }
    }
    call("POST", "/v2/tokens/revoke", json!({"token": id}));
    for events in &mut streams {
        assert_eq!(events.expect("closed").data["code"], 4102);
        assert!(events.next().is_none());
    }
}

#[test]
fn plain_http_on_the_tls_port_gets_nothing() {
    let ground = ground();
    let server = ground.setup.start();
    let mut http = Http::connect(server.addr).unwrap();
    http.write(&http::request("GET", "/v1/channels", &[("Authorization", &server.key)], None)).unwrap();
    assert!(http.reply(false).is_err(), "an answer in clear");
    let stranger = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(RootCertStore::empty())
        .with_no_client_auth();
    let mut stream = connect(&server, &Arc::new(stranger));
    assert!(stream.write_all(b"GET / HTTP/1.1\r\n\r\n").is_err(), "the test's own client must check certificates");
}

#[test]
fn certificate_and_key_that_do_not_fit_stop_the_start() {
    let (own, other) = (ground(), ground());
    fs::copy(other.dir.path().join("key.pem"), own.dir.path().join("key.pem")).unwrap();
    let said = own.setup.fails_in(other.dir.path());
    assert!(said.stderr.contains("tls.certificate") && said.stderr.contains("tls.key"), "{said:#?}");
    fs::remove_file(own.dir.path().join("key.pem")).unwrap();
    let said = own.setup.fails_in(other.dir.path());
    assert!(said.stderr.contains("key.pem"), "{said:#?}");
}

/// Whether a new connection of this client is answered.
fn is_trusted(server: &Server, client: &Arc<ClientConfig>) -> bool {
    connect(server, client).write_all(b"GET /livez HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").is_ok()
}

fn certificates(server: &Server, outcome: &str) -> u64 {
    let mut http = Http::connect(server.metrics.unwrap()).unwrap();
    let reply = http.request("GET", "/metrics", &[], None).unwrap();
    let text = String::from_utf8(reply.body).unwrap();
    let line = format!("tollgate_tls_certificates_total{{outcome=\"{outcome}\"}} ");
    let found = text.lines().find_map(|one| one.strip_prefix(&line));
    found.unwrap_or_else(|| panic!("no {line}in {text}")).parse().unwrap()
}

#[test]
fn new_files_are_taken_without_ending_a_connection_and_bad_ones_are_not() {
    let (own, other) = (ground(), ground());
    let config = format!(
        "[tls]\ncertificate = {:?}\nkey = {:?}\n[metrics]\nlisten = \"127.0.0.1:0\"\n",
        own.dir.path().join("cert.pem"),
        own.dir.path().join("key.pem")
    );
    let server = Setup::default().config(config).start();
    let url = format!("wss://localhost:{}/ws", server.addr.port());
    let (mut before, _) = tungstenite::client(url, connect(&server, &own.client)).unwrap();
    assert!(is_trusted(&server, &own.client) && !is_trusted(&server, &other.client));

    // Half of a renewal: the key does not belong to the certificate yet.
    fs::copy(other.dir.path().join("cert.pem"), own.dir.path().join("cert.pem")).unwrap();
    server.hang_up();
    poll::until(SOON, "the bad pair to be refused", || (certificates(&server, "failed") == 1).then_some(()));
    assert!(is_trusted(&server, &own.client), "the old one stays");
    assert!(server.log().contains("cannot be used together"), "{}", server.log());

    fs::copy(other.dir.path().join("key.pem"), own.dir.path().join("key.pem")).unwrap();
    server.hang_up();
    poll::until(SOON, "the new pair", || is_trusted(&server, &other.client).then_some(()));
    assert!(!is_trusted(&server, &own.client), "the old one is gone");
    assert_eq!((certificates(&server, "taken"), certificates(&server, "failed")), (2, 1));

    // The connection from before has not noticed.
    before.send(Message::text(json!({"op": 2, "d": {"project_id": server.project}}).to_string())).unwrap();
    let init = |text: &Message| text.to_text().is_ok_and(|text| text.contains("INIT"));
    poll::until(SOON, "an answer on the old connection", || init(&before.read().unwrap()).then_some(()));
}

#[test]
fn sighup_without_tls_ends_nothing() {
    let mut server = Server::start();
    server.hang_up();
    poll::until(SOON, "the signal in the log", || server.log().contains("SIGHUP").then_some(()));
    server.v2("GET", "/v2/channels", &Value::Null);
    server.stop();
}
