//! Both ends over a real socket.
#![allow(clippy::unwrap_used)]

use std::io::{Read as _, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::Arc;

use super::*;
use crate::admin::{Answer, Request};

/// Runs `client` on a thread of its own against a listening server that refuses everything by repeating it.
fn against_a_server<T: Send + 'static>(socket: &Path, client: impl FnOnce(&Path) -> T + Send + 'static) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let path = socket.to_path_buf();
    runtime.block_on(async move {
        let listening = Listening::at(&path).unwrap();
        let echo = Arc::new(|request: Request| -> tollgate_core::ports::Pending<'static, Answer> {
            Box::pin(std::future::ready(Answer::Refused(format!("{request:?}"))))
        });
        let client = tokio::task::spawn_blocking(move || client(&path));
        tokio::select! {
            () = listening.serve(echo) => unreachable!("it serves until dropped"),
            out = client => out.unwrap(),
        }
    })
}

fn refusal(answer: Answer) -> String {
    match answer {
        Answer::Refused(text) => text,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_request_is_answered_and_the_socket_goes_with_the_server() {
    let dir = tempfile::tempdir().unwrap();
    let socket = dir.path().join("control.sock");
    let (mode, said) = against_a_server(&socket, |socket| {
        let mode = std::fs::metadata(socket).unwrap().permissions().mode() & 0o777;
        (mode, refusal(call(socket, &Request::RevokeKey { key: "ptkid_x".into() }).unwrap()))
    });
    assert_eq!(mode, 0o600);
    assert_eq!(said, "RevokeKey { key: \"ptkid_x\" }");
    assert!(!socket.exists());
    assert!(matches!(call(&socket, &Request::ListProjects {}), Err(CallError::NobodyListens)));
}

#[test]
fn a_dead_servers_socket_is_nobody_and_is_replaced() {
    let dir = tempfile::tempdir().unwrap();
    let socket = dir.path().join("control.sock");
    drop(std::os::unix::net::UnixListener::bind(&socket).unwrap());
    assert!(matches!(call(&socket, &Request::ListProjects {}), Err(CallError::NobodyListens)));
    let answer = against_a_server(&socket, |socket| call(socket, &Request::ListProjects {}).unwrap());
    assert_eq!(refusal(answer), "ListProjects");
}

#[test]
fn a_deep_folder_is_no_obstacle() {
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path().join("deep".repeat(30)).join("deeper".repeat(20));
    std::fs::create_dir_all(&folder).unwrap();
    let answer =
        against_a_server(&folder.join("control.sock"), |socket| call(socket, &Request::ListProjects {}).unwrap());
    assert_eq!(refusal(answer), "ListProjects");
    assert!(matches!(
        call(&folder.join("none/control.sock"), &Request::ListProjects {}),
        Err(CallError::NobodyListens)
    ));
}

#[test]
fn what_is_no_request_is_refused_and_others_are_served_still() {
    let dir = tempfile::tempdir().unwrap();
    let said = against_a_server(&dir.path().join("control.sock"), |socket| {
        let raw = |bytes: &[u8]| {
            let mut stream = UnixStream::connect(socket).unwrap();
            let _ = stream.write_all(bytes); // the server may have had enough before the end
            let _ = stream.shutdown(std::net::Shutdown::Write);
            let mut text = String::new();
            let _ = stream.read_to_string(&mut text);
            text
        };
        drop(UnixStream::connect(socket).unwrap());
        let said = [
            raw(b""),
            raw(b"\n"),
            raw(b"{\"do\":\"drop_tables\"}\n"),
            raw(b"{\"do\":\"list_projects\",\"x\":1}\n"),
            raw(&[b'x'; REQUEST_BYTES_MAX + 1]),
        ];
        assert_eq!(refusal(call(socket, &Request::ListProjects {}).unwrap()), "ListProjects");
        said
    });
    for text in &said[..4] {
        assert!(text.contains("does not know the request"), "{text}");
    }
    assert!(said[4].contains("longer than 8388608 bytes"), "{}", said[4]);
}
