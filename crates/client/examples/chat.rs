//! A chat for the terminal: `cargo run -p tollgate-client --example chat -- http://127.0.0.1:8080 project_… lobby [token]`.
//! Type lines; cut the network or restart the server, and go on.

#![allow(clippy::print_stdout, reason = "it talks to a person")]

use std::error::Error;

use tokio::sync::mpsc;
use tollgate_client::{Client, Event};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [url, project, channel, token @ ..] = arguments.as_slice() else {
        return Err("chat URL PROJECT CHANNEL [TOKEN]".into());
    };
    let mut builder = Client::builder(url, project);
    if let Some(token) = token.first() {
        builder = builder.token(token);
    }
    let client = builder.connect().await?;
    let mut room = client.subscribe(channel).await?;
    let mut lines = lines();
    loop {
        tokio::select! {
            event = room.next() => match event {
                Some(Event::Message(message)) => {
                    let who = message.sender.and_then(|sender| sender.user).unwrap_or_else(|| "somebody".to_owned());
                    println!("{who}: {}", message.data.as_str());
                }
                Some(Event::Gap { from, to }) => println!("-- something between {from:?} and {to} is gone"),
                Some(Event::Ended { reason, error }) => println!("-- ended: {reason:?} {error:?}"),
                Some(_) => {}
                None => break,
            },
            line = lines.recv() => match line {
                Some(line) => {
                    client.publish(channel, "said", line.trim_end()).await?;
                }
                None => break,
            },
        }
    }
    client.close().await;
    Ok(())
}

/// What is typed. A thread of its own, for reading a terminal blocks.
fn lines() -> mpsc::Receiver<String> {
    let (sender, lines) = mpsc::channel(16);
    std::thread::spawn(move || {
        let mut line = String::new();
        while std::io::stdin().read_line(&mut line).is_ok_and(|len| len > 0) {
            if sender.blocking_send(std::mem::take(&mut line)).is_err() {
                return;
            }
        }
    });
    lines
}
