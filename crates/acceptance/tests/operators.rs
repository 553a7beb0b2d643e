//! The console's operators from the outside: the first link, the command line, and what a start says.
#![allow(clippy::unwrap_used)]

use std::net::SocketAddr;

use serde_json::Value;
use tollgate_testkit::binary::run;
use tollgate_testkit::{Http, Reply, Server, Setup};

const PASSWORD: &str = "four+words+of+no+use";

/// A form as a page of the console sends it.
fn form(server: &Server, path: &str, fields: &str) -> Reply {
    let host = server.addr.to_string();
    let headers = [
        ("Host", host.as_str()),
        ("Sec-Fetch-Site", "same-origin"),
        ("Content-Type", "application/x-www-form-urlencoded"),
    ];
    Http::connect(server.addr).unwrap().request("POST", path, &headers, Some(fields.as_bytes())).unwrap()
}

/// Uses a link; the cookie of who is signed in by it, if it worked.
fn use_link(server: &Server, link: &str, name: &str) -> Option<String> {
    let code = link.split_once('#').unwrap().1;
    server.remember(code);
    let fields = format!("code={code}&username={name}&password={PASSWORD}&again={PASSWORD}");
    let answer = form(server, "/console/set-up", &fields);
    answer.header("set-cookie").map(|cookie| cookie.split_once(';').unwrap().0.to_owned())
}

/// Whether a session with this cookie gets to the pages.
fn is_in(server: &Server, cookie: &str) -> bool {
    let headers = [("Cookie", cookie), ("Sec-Fetch-Site", "none")];
    let path = format!("/console/p/{}/", server.project);
    Http::connect(server.addr).unwrap().request("GET", &path, &headers, None).unwrap().status == 200
}

fn names(server: &Server) -> Vec<String> {
    let all = server.command(&["operator", "list", "--json"]);
    let shown = |one: &Value| format!("{} {} {}", one["name"], one["role"], one["state"]).replace('"', "");
    all.as_array().unwrap().iter().map(shown).collect()
}

#[test]
fn the_link_of_the_start_makes_the_owner_and_then_there_is_none() {
    let mut server = Server::start();
    let link = server.console.clone().unwrap();
    assert!(link.starts_with(&format!("http://{}/console/set-up#tgi_", server.addr)), "{link}");
    assert_eq!(use_link(&server, &link.replace("#tgi_", "#tgi_x"), "eve"), None);
    let cookie = use_link(&server, &link, "ada").unwrap();
    assert!(is_in(&server, &cookie));
    assert_eq!(use_link(&server, &link, "eve"), None, "it works once");
    assert_eq!(names(&server), ["ada owner enabled"]);
    server.stop();
    let announced = server.start_again();
    assert!(announced.get("console").is_none(), "there is an owner: {announced}");
    assert!(!is_in(&server, &cookie), "sessions end with the server");
    let answer = form(&server, "/console/sign-in", &format!("username=ada&password={PASSWORD}"));
    assert!(is_in(&server, answer.header("set-cookie").unwrap().split_once(';').unwrap().0));
    // The house is none of the projects.
    assert_eq!(server.command(&["project", "list", "--json"]).as_array().unwrap().len(), 1);
}

#[test]
fn a_server_without_console_prints_no_link() {
    let server = Setup::default().config("[console]\nenabled = false\n").start();
    assert_eq!(server.console, None);
}

#[test]
fn a_console_of_its_own_address_is_only_there() {
    let server = Setup::default().config("[console]\nlisten = \"127.0.0.1:0\"\n").start();
    let (own, link) = (server.console_listen.unwrap(), server.console.clone().unwrap());
    assert!(link.starts_with(&format!("http://{own}/console/set-up#tgi_")) && own != server.addr, "{link}");
    let code = link.split_once('#').unwrap().1;
    server.remember(code);
    let ask = |address: SocketAddr, method: &str, path: &str, more: &[(&str, &str)], body: Option<&str>| {
        let host = address.to_string();
        let headers = [&[("Host", host.as_str()), ("Accept", "text/html")], more].concat();
        Http::connect(address).unwrap().request(method, path, &headers, body.map(str::as_bytes)).unwrap()
    };
    for (path, here, there) in [
        ("/", 303, 404),
        ("/console/", 303, 404),
        ("/console/sign-in", 200, 404),
        ("/console/assets/none", 404, 404),
        ("/consoles", 404, 404),
        ("/livez", 404, 200),
        ("/v2/channels", 404, 401),
        ("/connect", 404, 426),
        ("/metrics", 404, 404),
    ] {
        assert_eq!(ask(own, "GET", path, &[], None).status, here, "{path} of its own");
        assert_eq!(ask(server.addr, "GET", path, &[], None).status, there, "{path} of the clients");
    }
    let same = [("Sec-Fetch-Site", "same-origin"), ("Content-Type", "application/x-www-form-urlencoded")];
    let fields = format!("code={code}&username=ada&password={PASSWORD}&again={PASSWORD}");
    assert_eq!(ask(server.addr, "POST", "/console/set-up", &same, Some(&fields)).status, 404);
    let entered = ask(own, "POST", "/console/set-up", &same, Some(&fields));
    let cookie = entered.header("set-cookie").unwrap();
    assert!(
        cookie.starts_with("__Host-tollgate=") && cookie.contains("; Secure; HttpOnly; SameSite=Strict; Path=/"),
        "{cookie}"
    );
    let cookie = [("Cookie", cookie.split_once(';').unwrap().0), ("Sec-Fetch-Site", "none")];
    let page = format!("/console/p/{}/", server.project);
    assert_eq!(ask(own, "GET", &page, &cookie, None).status, 200);
    assert_eq!(ask(server.addr, "GET", &page, &cookie, None).status, 404);
    // Whose sign-ins fail is counted by the address of the socket: nobody's word for it is taken.
    let wrong = format!("username=ada&password=wrong+{PASSWORD}");
    let told: Vec<u16> = (0..8)
        .map(|at| {
            let forged = format!("10.0.0.{at}");
            let headers = [&same[..], &[("X-Forwarded-For", forged.as_str())]].concat();
            ask(own, "POST", "/console/sign-in", &headers, Some(&wrong)).status
        })
        .collect();
    assert!(told.contains(&429), "{told:?}");
    let found = server.command(&["operator", "invite", "bo", "--role", "viewer", "--json"]);
    assert!(found["link"].as_str().unwrap().starts_with(&format!("http://{own}/console/set-up#")), "{found}");
    // An address that is taken is said by the setting's name.
    let (file, data) = (server.dir().path().join("other.toml"), server.dir().path().join("other"));
    std::fs::write(&file, format!("[console]\nlisten = \"{own}\"\n")).unwrap();
    let (file, data) = (file.to_str().unwrap(), data.to_str().unwrap());
    let taken = run(&["serve", "--listen", "127.0.0.1:0", "--config", file, "--data-dir", data]);
    assert!(!taken.ok && taken.stderr.contains("console.listen: cannot listen on"), "{taken:?}");
}

#[test]
fn people_are_invited_changed_and_sent_away_from_the_command_line() {
    let server = Server::start();
    let operator = |args: &[&str]| server.command(&[&["operator"], args, &["--json"]].concat());
    let bo = operator(&["invite", "bo", "--role", "viewer"]);
    assert_eq!(names(&server), ["bo viewer invited"]);
    let link = bo["link"].as_str().unwrap();
    assert!(link.starts_with(&format!("http://{}/console/set-up#tgi_", server.addr)), "{link}");
    let cookie = use_link(&server, link, "whatever").unwrap();
    assert!(is_in(&server, &cookie));
    operator(&["set", "bo", "--role", "owner"]);
    assert!(!is_in(&server, &cookie), "a change of role ends sessions");
    assert_eq!(names(&server), ["bo owner enabled"]);
    let folder = server.data();
    let refused = run(&["operator", "disable", "bo", "--data-dir", folder.to_str().unwrap()]);
    assert!(!refused.ok && refused.stderr.contains("last owner"), "{refused:?}");

    let new = operator(&["invite", "cy", "--role", "owner"]);
    let cy = use_link(&server, new["link"].as_str().unwrap(), "").unwrap();
    operator(&["disable", bo["id"].as_str().unwrap()]);
    assert_eq!(names(&server), ["bo owner disabled", "cy owner enabled"]);
    operator(&["enable", "bo"]);
    let link = operator(&["link", "cy"])["link"].as_str().unwrap().to_owned();
    assert!(is_in(&server, &cy), "until it is used");
    assert!(use_link(&server, &link, "").is_some_and(|cookie| is_in(&server, &cookie)) && !is_in(&server, &cy));
    operator(&["delete", "bo"]);
    assert_eq!(names(&server), ["cy owner enabled"]);

    // The same on the folder alone.
    let mut server = server;
    server.stop();
    let di = server.command(&["operator", "invite", "di", "--role", "editor", "--json"]);
    assert!(di["link"].as_str().unwrap().starts_with("/console/set-up#tgi_"), "{di}");
    server.start_again();
    assert!(use_link(&server, di["link"].as_str().unwrap(), "").is_some());
    let whole = server.command(&["audit", "verify", "--json"]);
    assert_eq!(whole["intact"], true);
}
