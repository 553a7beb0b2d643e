//! What can be typed, and what it becomes.
#![allow(clippy::unwrap_used)]
use super::*;

fn parse(line: &str) -> Result<(Task, Typed), clap::Error> {
    Cli::try_parse_from(std::iter::once("tollgate").chain(line.split_whitespace())).map(Cli::task)
}

#[test]
fn commands_become_tasks() {
    use Request::{CreateKey, CreateProject, ListKeys, ListProjects, RevokeKey};
    let admin = |request, json| Task::Admin { request, json };
    let api = |method: &str, path: &str, body: Option<&str>| {
        let (method, path, body) = (method.to_owned(), path.to_owned(), body.map(str::to_owned));
        admin(Request::Api { project: None, method, path, body, idempotency_key: None }, false)
    };
    for (line, task) in [
        ("", Task::Serve { announce_json: false }),
        ("serve", Task::Serve { announce_json: false }),
        ("serve --announce json", Task::Serve { announce_json: true }),
        ("project create --name N", admin(CreateProject { name: "N".into() }, false)),
        ("project list --json", admin(ListProjects {}, true)),
        ("project show", api("GET", "/v2/project", None)),
        ("project set --name Shop", api("PATCH", "/v2/project", Some(r#"{"name":"Shop"}"#))),
        ("project test-hook", api("POST", "/v2/project/hook/test", Some("{}"))),
        (
            "project test-hook --question publish",
            api("POST", "/v2/project/hook/test", Some(r#"{"question":"publish"}"#)),
        ),
        ("key create --project p", admin(CreateKey { project: "p".into(), permissions: "all".into() }, false)),
        (
            "key create --project p --permissions a,b --json",
            admin(CreateKey { project: "p".into(), permissions: "a,b".into() }, true),
        ),
        ("key list", admin(ListKeys { project: None }, false)),
        ("key list --project p", admin(ListKeys { project: Some("p".into()) }, false)),
        ("key revoke k --json", admin(RevokeKey { key: "k".into() }, true)),
        ("channel list --limit 5", api("GET", "/v2/channels?limit=5", None)),
        ("channel show a%b", api("GET", "/v2/channels/a%25b", None)),
        ("channel delete room", api("DELETE", "/v2/channels/room", None)),
        ("channel create --type public", api("POST", "/v2/channels", Some(r#"{"type":"public"}"#))),
        (
            "channel set room --presence true --history-size 5 --capability none",
            api(
                "PATCH",
                "/v2/channels/room",
                Some(r#"{"capabilities":[],"settings":{"history":{"size":5},"presence":true}}"#),
            ),
        ),
        ("channel set room", api("PATCH", "/v2/channels/room", Some("{}"))),
        (
            "publish room said hello --id 1",
            api("POST", "/v2/channels/room/messages", Some(r#"{"data":"hello","event":"said","id":"1"}"#)),
        ),
        ("publish room said [1]", api("POST", "/v2/channels/room/messages", Some(r#"{"data":[1],"event":"said"}"#))),
        ("history room --after 1-2 --newest", api("GET", "/v2/channels/room/history?after=1-2&order=newest", None)),
        (
            "tail a%b --history 5 --count 2 --json",
            Task::Tail(crate::tail::Tail {
                project: None,
                channel: "/v2/channels/a%25b".into(),
                history: 5,
                count: Some(2),
                json: true,
            }),
        ),
        ("token inspect --json", Task::Inspect { project: None, json: true }),
        ("token introspect", Task::Inspect { project: None, json: false }),
        ("find a%b --json", Task::Find { project: None, text: Some("a%b".into()), json: true }),
        ("find --project p", Task::Find { project: Some("p".into()), text: None, json: false }),
        ("top", Task::Top(crate::top::Top { every_s: 2, count: None, json: false })),
        ("top --every 5 --count 1 --json", Task::Top(crate::top::Top { every_s: 5, count: Some(1), json: true })),
        ("metrics", admin(Request::Metrics {}, false)),
        ("completions zsh", Task::Completions { shell: clap_complete::Shell::Zsh }),
        ("man --out d", Task::Man { out: Some("d".into()) }),
        ("backup f", Task::BackUp { file: "f".into(), json: false }),
        ("restore f --replace --json", Task::Restore { file: "f".into(), replace: true, json: true }),
        ("doctor --json", Task::Doctor { json: true }),
        ("config check", Task::CheckConfig),
        ("config print", Task::PrintConfig),
    ] {
        assert_eq!(parse(line).unwrap().0, task, "{line}");
    }
}

#[test]
fn flags_become_settings_wherever_they_stand() {
    let typed = parse("serve --listen 1.2.3.4:5 --shards 2 --data-dir d --config c").unwrap().1;
    let flags = [
        ("data_dir", "--data-dir", "d".to_owned()),
        ("listen", "--listen", "1.2.3.4:5".into()),
        ("shards", "--shards", "2".into()),
    ];
    assert_eq!((typed.flags, typed.file), (flags.to_vec(), Some("c".into())));
    for line in ["--data-dir d", "--data-dir d key list", "key --data-dir d list", "key list --data-dir d"] {
        assert_eq!(parse(line).unwrap().1.flags, flags[..1], "{line}");
    }
}

#[test]
fn what_does_not_exist_is_a_usage_error() {
    for line in [
        "fly",
        "serve --fly",
        "key",
        "project create",
        "key create",
        "key revoke",
        "serve --announce xml",
        "config",
        "--listen x",
    ] {
        assert_eq!(parse(line).unwrap_err().exit_code(), 2, "{line}");
    }
    assert_eq!(parse("--version").unwrap_err().exit_code(), 0);
}
/// Whoever knows one command knows the next: what shows or makes something answers in JSON when it is asked to, and every word is explained.
#[test]
fn all_commands_speak_alike() {
    // They print text that is one format, or end only when they are ended.
    const WITHOUT_JSON: &[&str] = &["serve", "config check", "config print", "completions", "man", "metrics"];
    fn each(command: &clap::Command, path: &str, look: &mut dyn FnMut(&clap::Command, &str)) {
        let own: Vec<_> = command.get_subcommands().filter(|one| one.get_name() != "help").collect();
        if own.is_empty() {
            look(command, path.trim());
        }
        for one in own {
            each(one, &format!("{path} {}", one.get_name()), look);
        }
    }
    let mut all = 0;
    let mut without = Vec::new();
    each(&Cli::command(), "", &mut |command, path| {
        all += 1;
        assert!(command.get_about().is_some(), "{path} says what it does");
        let aliases: Vec<_> = command.get_visible_aliases().collect();
        for (one, other) in [("show", "get"), ("get", "show"), ("set", "change"), ("change", "set")] {
            let is_a_nouns = command.get_name() == one && path.contains(' ') && path != "project set";
            assert!(!is_a_nouns || aliases == [other], "{path}: what is {one} for one noun is so for all");
        }
        for argument in command.get_arguments() {
            assert!(argument.get_help().is_some(), "{path}: {} is explained", argument.get_id());
        }
        if !command.get_arguments().any(|one| one.get_long() == Some("json")) {
            without.push(path.to_owned());
        }
    });
    assert!(all > 50, "{all}");
    without.retain(|path| !WITHOUT_JSON.contains(&path.as_str()));
    assert_eq!(without, Vec::<String>::new(), "these have no --json");
}
