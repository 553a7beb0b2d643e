//! The client against real listeners on loopback. 127.0.0.1 is let through and stands for the public internet; 127.0.0.2 is not, and stands for
//! what is inside.
#![allow(clippy::unwrap_used)]

mod addresses;
mod answers;
mod bounds;

use std::io::{Read as _, Write as _};
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, sync_channel};
use std::time::Duration;

use tollgate_core::ports::outbound::{Allowed, Method};

use super::*;
use crate::machine::SystemClock;

/// How long anything may take before a test calls it lost.
const DEADLINE: Duration = Duration::from_secs(10);
/// What a listener that must not be called is given to show that it was.
const MOMENT: Duration = Duration::from_millis(100);

/// 127.0.0.1 by whatever name, and plain http.
fn rules() -> OutboundRules {
    OutboundRules { allow_private: false, allow_http: true, allowed: vec![Allowed::parse("127.0.0.1").unwrap()] }
}

/// Every name leads to these addresses.
fn leads_to(addresses: &[&str]) -> Resolve {
    let addresses: Vec<IpAddr> = addresses.iter().map(|address| address.parse().unwrap()).collect();
    Arc::new(move |_| Box::pin(std::future::ready(Ok(addresses.clone()))))
}

fn parts() -> OutboundParts {
    OutboundParts {
        name: "outbound",
        rules: rules(),
        bounds: Bounds::SHARED,
        trust: Trust::these(rustls::RootCertStore::empty()),
        resolve: leads_to(&["127.0.0.1"]),
        clock: Arc::new(SystemClock::new()),
    }
}

fn outbound() -> HttpOutbound {
    HttpOutbound::start(parts()).unwrap()
}

fn get(url: &str) -> OutboundCall {
    let (url, headers, body) = (url.to_owned(), Vec::new(), Vec::new());
    OutboundCall { method: Method::Get, url, headers, body, timeout_ms: 10_000, answer_bytes_max: 1_000 }
}

fn ask(outbound: &HttpOutbound, call: OutboundCall) -> Answered {
    wait(outbound.call(call))
}

fn wait<T>(pending: Pending<'_, T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(pending)
}

/// Takes connections and does this with each, on a thread of its own. Tells which one it does it with.
fn listener(address: &str, with: impl Fn(usize, TcpStream) + Clone + Send + 'static) -> (SocketAddr, Receiver<usize>) {
    let listener = TcpListener::bind(address).unwrap();
    let address = listener.local_addr().unwrap();
    let (tell, came) = sync_channel(2_048);
    std::thread::spawn(move || {
        for (number, stream) in listener.incoming().map_while(Result::ok).enumerate() {
            stream.set_read_timeout(Some(DEADLINE)).unwrap();
            let (with, tell) = (with.clone(), tell.clone());
            std::thread::spawn(move || {
                let _ = tell.send(number);
                with(number, stream);
            });
        }
    });
    (address, came)
}

/// Answers every request on every connection with these bytes.
fn answers(answer: impl Into<Vec<u8>>) -> (SocketAddr, Receiver<usize>) {
    let answer = answer.into();
    listener("127.0.0.1:0", move |_, mut stream| {
        while read_head(&mut stream).is_some() {
            if stream.write_all(&answer).is_err() {
                return;
            }
        }
    })
}

/// The head of a request, to its empty line; of a request without a body that is all of it.
fn read_head(stream: &mut impl std::io::Read) -> Option<String> {
    let (mut bytes, mut byte) = (Vec::new(), [0]);
    while !bytes.ends_with(b"\r\n\r\n") {
        if stream.read(&mut byte).ok()? == 0 {
            return None;
        }
        bytes.push(byte[0]);
    }
    String::from_utf8(bytes).ok()
}

/// Whether the other side ends the connection before the deadline; what it still says is thrown away.
fn ends(stream: &mut TcpStream) -> bool {
    let mut buffer = [0; 4_096];
    loop {
        match stream.read(&mut buffer) {
            Ok(0) => return true,
            Ok(_) => {}
            Err(error) => {
                return !matches!(error.kind(), std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut);
            }
        }
    }
}
