//! What comes back: read within its limits, over connections that are used again, from those whom a certificate names.

use super::*;

fn url(address: SocketAddr) -> String {
    format!("http://hooks.example:{}/", address.port())
}

#[test]
fn a_call_and_its_answer() {
    let (tell, came) = sync_channel(16);
    let (address, connections) = listener("127.0.0.1:0", move |_, mut stream| {
        while let Some(head) = read_head(&mut stream) {
            let mut body = vec![0; if head.starts_with("POST") { 4 } else { 0 }];
            stream.read_exact(&mut body).unwrap();
            let _ = tell.send((head, body));
            let answer =
                "HTTP/1.1 429 X\r\nRetry-After: 7\r\nCache-Control: max-age=60\r\nContent-Length: 5\r\n\r\nlater";
            stream.write_all(answer.as_bytes()).unwrap();
        }
    });
    let outbound = outbound();
    let expected =
        OutboundAnswer { status: 429, body: b"later".into(), retry_after_s: Some(7), cache_max_age_s: Some(60) };
    let post = OutboundCall {
        method: Method::Post,
        url: format!("http://Hooks.Example.:{}/p/q?a=b", address.port()),
        headers: vec![("webhook-id".into(), "msg_1".into())],
        body: b"ping".into(),
        ..get("")
    };
    assert_eq!(ask(&outbound, post), Ok(expected.clone()));
    let (head, body) = came.recv_timeout(DEADLINE).unwrap();
    let head = head.to_lowercase();
    assert!(head.starts_with("post /p/q?a=b http/1.1\r\n"), "{head}");
    for line in [&format!("host: hooks.example:{}", address.port()), "webhook-id: msg_1", "content-length: 4"] {
        assert!(head.lines().any(|found| found == line), "{line} is not in {head}");
    }
    assert_eq!(body, b"ping");
    assert_eq!(ask(&outbound, get(&url(address))), Ok(expected));
    assert!(came.recv_timeout(DEADLINE).unwrap().0.starts_with("GET / HTTP/1.1\r\n"));
    assert_eq!(connections.try_iter().collect::<Vec<_>>(), [0], "one connection serves both");
    assert_eq!((outbound.counters().answered.get(), outbound.counters().connections.get()), (2, 1));
}

#[test]
fn a_connection_that_was_closed_meanwhile_is_not_used_and_no_request_is_made_twice() {
    const CALLS: usize = 40;
    let (tell, requests) = sync_channel(2 * CALLS);
    // Says that it stays, and closes after each answer.
    let (address, _connections) = listener("127.0.0.1:0", move |_, mut stream| {
        if read_head(&mut stream).is_some() {
            let _ = tell.send(());
        }
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
    });
    let outbound = outbound();
    for _ in 0..CALLS {
        // One that is closed while the request is written is an honest failure: nobody knows what the other side did with it.
        let answered = ask(&outbound, get(&url(address)));
        assert!(matches!(answered, Ok(_) | Err(OutboundFailure::Other(_))), "{answered:?}");
    }
    let (answered, came) = (outbound.counters().answered.get(), requests.try_iter().count() as u64);
    assert!(answered >= 1 && answered <= came && came <= CALLS as u64, "{answered} answers, {came} requests");
}

#[test]
fn bodies_are_read_up_to_what_is_wanted() {
    let sized = |size: usize| format!("HTTP/1.1 200 OK\r\nContent-Length: {size}\r\n\r\n{}", "x".repeat(size));
    let chunked = |size: usize| {
        format!("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{size:x}\r\n{}\r\n0\r\n\r\n", "x".repeat(size))
    };
    for (answer, wanted, got) in [
        (sized(1_000), 1_000, Ok(1_000)),
        (sized(1_001), 1_000, Err(OutboundFailure::TooLarge(1_000))),
        (chunked(1_000), 1_000, Ok(1_000)),
        (chunked(1_001), 1_000, Err(OutboundFailure::TooLarge(1_000))),
        (
            "HTTP/1.1 200 OK\r\nContent-Length: 99999999999999\r\n\r\n".into(),
            1_000,
            Err(OutboundFailure::TooLarge(1_000)),
        ),
        (sized(10), 0, Ok(0)),
        (chunked(1_000_000), 0, Ok(0)),
        ("HTTP/1.1 200 OK\r\nContent-Length: 99999999999999\r\n\r\n".into(), 0, Ok(0)),
    ] {
        let (address, _came) = answers(answer.clone());
        let answered = ask(&outbound(), OutboundCall { answer_bytes_max: wanted, ..get(&url(address)) });
        assert_eq!(answered.map(|answer| answer.body.len()), got, "{wanted} of {}", &answer[..60.min(answer.len())]);
    }
}

#[test]
fn a_body_without_end_is_left() {
    for wanted in [1_000, 0] {
        let (tell, ended) = sync_channel(1);
        let (address, _came) = listener("127.0.0.1:0", move |_, mut stream| {
            let _ = read_head(&mut stream);
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
            let mut chunks = 0_u64;
            while stream.write_all(b"400\r\n").and_then(|()| stream.write_all(&[b'x'; 1_024])).is_ok() {
                let _ = stream.write_all(b"\r\n");
                chunks += 1;
            }
            let _ = tell.send(chunks);
        });
        let outbound = outbound();
        let answered = ask(&outbound, OutboundCall { answer_bytes_max: wanted, ..get(&url(address)) });
        match wanted {
            0 => assert_eq!(answered.unwrap().status, 200),
            _ => assert_eq!(answered, Err(OutboundFailure::TooLarge(1_000))),
        }
        // What the system's buffers take is sent, too.
        assert!(ended.recv_timeout(DEADLINE).unwrap() < 20_000, "the connection is closed");
    }
}

#[test]
fn slowness_ends_at_the_deadline_wherever_it_is() {
    // What is sent at once, and what then comes again and again, a byte at a time.
    for (first, again) in [
        ("", ""),
        ("HTTP/1.1 200 OK\r\nX: ", "y"),
        ("HTTP/1.1 200 OK\r\nContent-Length: 900\r\n\r\n", "y"),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", "1\r\ny\r\n"),
        ("", "HTTP/1.1 100 Continue\r\n\r\n"),
    ] {
        let (tell, ended) = sync_channel(1);
        let (address, _came) = listener("127.0.0.1:0", move |_, mut stream| {
            let _ = read_head(&mut stream);
            let _ = stream.write_all(first.as_bytes());
            stream.set_read_timeout(Some(Duration::from_millis(10))).unwrap();
            let mut bytes = again.bytes().cycle();
            let closed = (0..500).any(|_| {
                let said = bytes.next().map_or(Ok(()), |byte| stream.write_all(&[byte]));
                said.is_err() || ends(&mut stream)
            });
            let _ = tell.send(closed);
        });
        let outbound = outbound();
        let clock = SystemClock::new();
        let answered = ask(&outbound, OutboundCall { timeout_ms: 200, ..get(&url(address)) });
        assert_eq!(answered, Err(OutboundFailure::Timeout(200)), "{first:?} {again:?}");
        assert!((200..2_000).contains(&clock.monotonic().0), "{} ms", clock.monotonic().0);
        assert_eq!(outbound.counters().timed_out.get(), 1);
        assert_eq!(ended.recv_timeout(DEADLINE), Ok(true), "the connection is closed");
    }
}

#[test]
fn heads_are_read_within_their_limits() {
    let head = |headers: &str| format!("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n{headers}\r\n");
    let many = |count: usize| head(&"X: y\r\n".repeat(count));
    let long = |bytes: usize| head(&format!("X: {}\r\n", "y".repeat(bytes)));
    for (answer, fits) in [
        (many(99), true),
        (many(100), false),
        (many(10_000), false),
        (long(32 * 1024), true),
        (long(128 * 1024), false),
    ] {
        let (address, _came) = answers(answer);
        let answered = ask(&outbound(), get(&url(address)));
        match answered {
            Ok(answer) => assert!(fits && answer.status == 200),
            Err(failure) => assert!(!fits && matches!(failure, OutboundFailure::TooLarge(_)), "{failure}"),
        }
    }
    for nonsense in
        ["", "\r\n\r\n\r\n", "SSH-2.0-OpenSSH\r\n", "HTTP/0.9 200 OK\r\n\r\n", "HTTP/2 200 OK\r\n\r\n", "<html>"]
    {
        let (address, _came) = listener("127.0.0.1:0", move |_, mut stream| {
            let _ = read_head(&mut stream);
            let _ = stream.write_all(nonsense.as_bytes());
        });
        let answered = ask(&outbound(), get(&url(address)));
        assert!(matches!(answered, Err(OutboundFailure::Other(_))), "{nonsense:?}: {answered:?}");
    }
}

/// A listener that speaks TLS with a certificate for these names.
fn tls_listener(names: &[&str]) -> (SocketAddr, Receiver<usize>, rustls::RootCertStore) {
    let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
    let own = rcgen::generate_simple_self_signed(names).unwrap();
    let key = rustls::pki_types::PrivateKeyDer::try_from(own.signing_key.serialize_der()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let config = Arc::new(config.with_no_client_auth().with_single_cert(vec![own.cert.der().clone()], key).unwrap());
    let (tell, heads) = sync_channel(16);
    let (address, _connections) = listener("127.0.0.1:0", move |number, stream| {
        let tls = rustls::ServerConnection::new(Arc::clone(&config)).unwrap();
        let mut stream = rustls::StreamOwned::new(tls, stream);
        while read_head(&mut stream).is_some() {
            let _ = tell.send(number);
            stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").unwrap();
            stream.flush().unwrap();
        }
    });
    let mut roots = rustls::RootCertStore::empty();
    roots.add(own.cert.der().clone()).unwrap();
    (address, heads, roots)
}

#[test]
fn tls_is_spoken_with_whom_a_trusted_certificate_names() {
    let (address, heads, roots) = tls_listener(&["hooks.example", "127.0.0.1"]);
    let trusting = HttpOutbound::start(OutboundParts { trust: Trust::these(roots), ..parts() }).unwrap();
    let url = |host: &str| format!("https://{host}:{}/?s3cret", address.port());
    for host in ["hooks.example", "HOOKS.example.", "127.0.0.1"] {
        assert_eq!(ask(&trusting, get(&url(host))).map(|answer| answer.body), Ok(b"ok".to_vec()), "{host}");
    }
    assert_eq!(heads.try_iter().count(), 3);
    for (outbound, host, why) in
        [(&trusting, "other.example", "not valid for name"), (&outbound(), "hooks.example", "UnknownIssuer")]
    {
        let failure = ask(outbound, get(&url(host))).unwrap_err();
        assert!(
            matches!(&failure, OutboundFailure::Tls(said) if said.contains(why) && !said.contains("s3cret")),
            "{failure}"
        );
    }
    // Somebody who does not speak TLS.
    let (plain, _came) = answers("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
    let closing = listener("127.0.0.1:0", |_, _| {}).0;
    for address in [plain, closing] {
        let call = OutboundCall { timeout_ms: 1_000, ..get(&format!("https://hooks.example:{}/", address.port())) };
        let answered = ask(&trusting, call);
        assert!(matches!(answered, Err(OutboundFailure::Tls(_) | OutboundFailure::Timeout(_))), "{answered:?}");
    }
    assert!(heads.try_recv().is_err(), "nothing was said to a stranger");
}
