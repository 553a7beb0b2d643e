//! The lines of the protocol page that open streams, as they are printed.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};

use serde_json::json;

use crate::{say, server, token};

/// Ends with the test, however that ends.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn the_lines_of_the_page_open_streams() {
    let page = include_str!("../../../../docs/protocol/native.md");
    let section = page.split_once("\n## 7. Without WebSockets\n").unwrap().1.split_once("\n## 8.").unwrap().0;
    let lines: Vec<&str> = section.split("```sh\n").skip(1).map(|rest| rest.split_once("```").unwrap().0).collect();
    assert_eq!(lines.len(), 2, "one for each method");
    let server = server();
    let (_, secret) = token(&server);
    say(&server, "room", &json!("from the past"));
    for line in lines {
        let here = line.replace("http://127.0.0.1:8080", &format!("http://{}", server.addr));
        assert_ne!(here, line, "the address is on the page");
        let mut shell = Command::new("bash");
        shell.args(["-euc", &format!("exec timeout 20 {}", here.replacen("curl ", "curl -sS ", 1))]);
        shell.env("TOKEN", &secret).env("PROJECT", &server.project).stdout(Stdio::piped());
        let mut running = Running(shell.spawn().unwrap());
        let told = BufReader::new(running.0.stdout.take().unwrap()).lines().map(Result::unwrap);
        let kinds: Vec<String> = told
            .filter_map(|line| line.strip_prefix("event: ").map(str::to_owned))
            .take_while(|kind| kind != "message")
            .collect();
        assert_eq!(kinds, ["connected", "subscribed"], "{line}");
    }
}
