//! The hook against real listeners, plain and TLS.
#![allow(clippy::unwrap_used)]

use std::collections::HashMap;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, sync_channel};
use std::time::Duration;

use tollgate_core::credentials::sign_hook;
use tollgate_core::ids::{ChannelId, ProjectId, TokenId};
use tollgate_core::json::JsonObject;

use super::*;
use crate::machine::SystemClock;

const SECRET: &str = "whsec_test";

/// One request as it came.
struct Came {
    head: String,
    headers: HashMap<String, String>,
    body: String,
    /// Which connection it came on.
    connection: usize,
}

/// A backend that answers every request on every connection with these bytes; nothing for no bytes.
fn backend(
    answer: &'static str,
    wrap: impl Fn(std::net::TcpStream) -> Box<dyn Stream> + Send + 'static,
) -> (SocketAddr, Receiver<Came>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let (tell, came) = sync_channel(16);
    std::thread::spawn(move || {
        for (connection, stream) in listener.incoming().map_while(Result::ok).enumerate() {
            let (mut stream, tell) = (wrap(stream), tell.clone());
            std::thread::spawn(move || {
                while let Some(request) = read_request(stream.as_mut(), connection) {
                    let _ = tell.send(request);
                    if answer.is_empty() {
                        std::thread::park();
                    }
                    if stream.write_all(answer.as_bytes()).is_err() || stream.flush().is_err() {
                        return;
                    }
                }
            });
        }
    });
    (address, came)
}

trait Stream: Read + Write + Send {}
impl<T: Read + Write + Send> Stream for T {}

fn plain(answer: &'static str) -> (SocketAddr, Receiver<Came>) {
    backend(answer, |stream| Box::new(stream))
}

fn read_request(stream: &mut dyn Stream, connection: usize) -> Option<Came> {
    let mut bytes = Vec::new();
    let mut byte = [0];
    while !bytes.ends_with(b"\r\n\r\n") {
        if stream.read(&mut byte).ok()? == 0 {
            return None;
        }
        bytes.push(byte[0]);
    }
    let text = String::from_utf8(bytes).unwrap();
    let mut lines = text.split("\r\n");
    let head = lines.next().unwrap().to_owned();
    let headers: HashMap<_, _> = lines
        .filter_map(|line| line.split_once(": "))
        .map(|(name, value)| (name.to_lowercase(), value.to_owned()))
        .collect();
    let mut body = vec![0; headers["content-length"].parse().unwrap()];
    stream.read_exact(&mut body).ok()?;
    Some(Came { head, headers, body: String::from_utf8(body).unwrap(), connection })
}

fn hook(url: &str, timeout_ms: u64) -> HttpHook {
    let parts = HookParts {
        url: url.parse().unwrap(),
        secret: Secret::new(SECRET),
        timeout: Duration::from_millis(timeout_ms),
    };
    HttpHook::start(parts, Arc::new(SystemClock::new())).unwrap()
}

fn question() -> SubscribeQuestion {
    SubscribeQuestion {
        project: ProjectId::new(1),
        channel: ChannelId::new("a \"room\"").unwrap(),
        token: TokenId::new(2),
        token_state: Some(JsonObject::parse(br#"{"user": 7}"#, 100).unwrap()),
    }
}

fn ask(hook: &HttpHook) -> bool {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(hook.may_subscribe(question()))
}

#[test]
fn b49_a_call_is_a_signed_post_and_connections_are_used_again() {
    let (address, came) = plain("HTTP/1.1 204 No Content\r\n\r\n");
    let hook = hook(&format!("http://{address}/path?x=1"), 5_000);
    assert!(ask(&hook));
    let request = came.recv().unwrap();
    assert_eq!(request.head, "POST /path?x=1 HTTP/1.1");
    assert_eq!(request.headers["host"], address.to_string());
    assert_eq!(request.headers["content-type"], "application/json");
    assert_eq!(
        request.body,
        "{\"event\":\"channel.subscribe\",\"project_id\":\"project_MQ\",\"channel_id\":\"a \\\"room\\\"\",\"token_id\":\"tok_Mg\",\"token_state\":{\"user\": 7}}"
    );
    let seconds: u64 = request.headers["x-tollgate-timestamp"].parse().unwrap();
    assert!(SystemClock::new().unix().0 / 1_000 - seconds < 60);
    assert_eq!(request.headers["x-tollgate-signature"], sign_hook(SECRET.as_bytes(), seconds, request.body.as_bytes()));
    assert!(ask(&hook) && ask(&hook));
    let later: Vec<usize> = came.try_iter().map(|request| request.connection).collect();
    assert_eq!(later, [0, 0], "one connection serves them all");
    assert_eq!(hook.counters.granted.get(), 3);
}

#[test]
fn b49_only_2xx_lets_in_and_no_redirect_is_followed() {
    for (answer, granted) in [
        ("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nno", true),
        ("HTTP/1.1 299 X\r\nContent-Length: 0\r\n\r\n", true),
        ("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nshort", true), // the status is the answer
        ("HTTP/1.1 302 X\r\nLocation: /elsewhere\r\nContent-Length: 0\r\n\r\n", false),
        ("HTTP/1.1 304 X\r\n\r\n", false),
        ("HTTP/1.1 403 X\r\nContent-Length: 0\r\n\r\n", false),
        ("HTTP/1.1 500 X\r\nContent-Length: 0\r\n\r\n", false),
        ("nonsense\r\n\r\n", false),
    ] {
        let (address, came) = plain(answer);
        let hook = hook(&format!("http://{address}/"), 5_000);
        assert_eq!(ask(&hook), granted, "{answer:?}");
        assert_eq!(came.iter().take(1).count() + came.try_iter().count(), 1, "{answer:?}");
    }
}

#[test]
fn b49_silence_and_nobody_there_refuse() {
    let (address, _came) = plain("");
    let hook_of_silence = hook(&format!("http://{address}/"), 100);
    assert!(!ask(&hook_of_silence));
    assert_eq!(hook_of_silence.counters.failed.get(), 1);
    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    assert!(!ask(&hook(&format!("http://{closed}/"), 5_000)));
}

#[test]
fn too_many_questions_are_refused_at_once() {
    let (address, _came) = plain("");
    let hook = hook(&format!("http://{address}/"), 60_000);
    let waiting: Vec<_> = (0..Bounds::ONE_HOST.places_max).map(|_| hook.may_subscribe(question())).collect();
    assert!(!ask(&hook));
    assert_eq!(hook.counters.overflowed.get(), 1);
    drop(waiting);
}

#[test]
fn https_needs_a_certificate_that_is_trusted() {
    let own = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let key = rustls::pki_types::PrivateKeyDer::try_from(own.signing_key.serialize_der()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let config = Arc::new(config.with_no_client_auth().with_single_cert(vec![own.cert.der().clone()], key).unwrap());
    let (address, came) = backend("HTTP/1.1 204 No Content\r\n\r\n", move |stream| {
        Box::new(rustls::StreamOwned::new(rustls::ServerConnection::new(Arc::clone(&config)).unwrap(), stream))
    });
    let url = format!("https://localhost:{}/", address.port());
    assert!(!ask(&hook(&url, 5_000)), "the system does not know this certificate");
    assert!(came.try_recv().is_err(), "nothing was said to a stranger");

    let mut roots = rustls::RootCertStore::empty();
    roots.add(own.cert.der().clone()).unwrap();
    let parts = HookParts { url, secret: Secret::new(SECRET), timeout: Duration::from_secs(5) };
    let hook = HttpHook::with(Trust::these(roots), parts, Arc::new(SystemClock::new())).unwrap();
    assert!(ask(&hook) && came.recv().is_ok());
}
