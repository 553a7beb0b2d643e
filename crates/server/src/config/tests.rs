//! What is typed, what it means, and everything that can be wrong with it.
#![allow(clippy::unwrap_used)]

use std::fs;
use std::path::PathBuf;

use super::*;

fn settings(file: &str, environment: &[(&str, &str)], flags: &[(&'static str, &'static str, &str)]) -> Settings {
    let typed = Typed {
        file: Some("tollgate.toml".into()),
        flags: flags.iter().map(|(key, flag, text)| (*key, *flag, (*text).to_owned())).collect(),
    };
    let environment: Vec<_> =
        environment.iter().map(|(name, text)| ((*name).to_owned(), Some((*text).to_owned()))).collect();
    Settings::of(typed, &environment, |_| Ok(file.to_owned()))
}

fn problems(file: &str, environment: &[(&str, &str)]) -> String {
    settings(file, environment, &[]).mean().map(drop).unwrap_err().to_string()
}

#[test]
fn every_key_has_a_default_and_every_default_is_a_key() {
    let layers = Layers::of(&Sources::default());
    assert_eq!(layers.problems, []);
    for key in KEYS {
        assert_eq!(layers.get(key.name).origin, Origin::Default, "{}", key.name);
    }
}

#[test]
fn the_defaults_mean_a_local_server() {
    let config = Settings::of(Typed::default(), &[], |_| unreachable!()).mean().unwrap();
    assert_eq!(config.listen.to_string(), "127.0.0.1:8080");
    assert_eq!(config.data_dir, PathBuf::from("tollgate-data"));
    assert!(config.shards >= 1 && config.tls.is_none() && config.hook.is_none());
    assert!(matches!(config.master_key, MasterKeySource::DataDir));
    assert_eq!(
        (config.leap.heartbeat_interval_ms, config.leap.ack_delay_ms, config.leap.identify_timeout_ms),
        (30_000, 10, 10_000)
    );
    assert_eq!((config.native.ping_ms, config.native.timeout_ms), (25_000, 10_000));
    assert_eq!(config.metrics, None);
    assert!(config.console.is_some_and(|console| console.hosts.is_empty() && console.listen.is_none()));
}

#[test]
fn a_stronger_source_wins() {
    let file = "listen = \"127.0.0.1:1\"\nshards = 3\n[limits]\nbody_bytes_max = 4096\n";
    let environment = [("TOLLGATE_LISTEN", "127.0.0.1:2"), ("TOLLGATE_LIMITS_BODY_BYTES_MAX", "5000")];
    let settings = settings(file, &environment, &[("listen", "--listen", "127.0.0.1:3")]);
    let shown = settings.print();
    for line in [
        "listen = \"127.0.0.1:3\" # flag --listen",
        "shards = 3 # file tollgate.toml",
        "body_bytes_max = 5000 # environment TOLLGATE_LIMITS_BODY_BYTES_MAX",
        "data_dir = \"tollgate-data\" # default",
    ] {
        assert!(shown.lines().any(|shown| shown == line), "{line} is not in:\n{shown}");
    }
    let config = settings.mean().unwrap();
    assert_eq!((config.listen.port(), config.shards, config.limits.body_bytes_max), (3, 3, 5000));
}

#[test]
fn all_problems_are_told_at_once() {
    let file = "colour = \"red\"\nlisten = \"nowhere\"\nshards = -1\nallow_plain_http = \"yes\"\nmaster_key = \"hush\"\n\
                [limits]\nbody_byte_max = 1\nmessage_bytes_max = 99999999\n[access_hook]\nurl = \"ftp://x\"\n[no_such]\nx = 1\n\
                [tls]\nkey = \"k.pem\"\n[log]\nlevel = \"loud\"\n";
    let said = problems(
        file,
        &[("TOLLGATE_DRAIN_SPREAD_MS", "40000"), ("TOLLGATE_FLY", "1"), ("TOLLGATE_LEAP_ACK_DELAY_MS", "1.5")],
    );
    for problem in [
        "colour (file tollgate.toml): is not a setting",
        "listen = \"nowhere\" (file tollgate.toml): must be an IP address and a port",
        "shards = -1 (file tollgate.toml): must be a whole number from 0 to 64",
        "allow_plain_http = \"yes\" (file tollgate.toml): must be true or false",
        "master_key (file tollgate.toml): does not belong into a file",
        "limits.body_byte_max (file tollgate.toml): is not a setting; did you mean limits.body_bytes_max?",
        "limits.message_bytes_max = 99999999 (file tollgate.toml): must be a whole number from 1024 to 1048576",
        "no_such (file tollgate.toml): is not a setting",
        "access_hook.url = \"ftp://x\" (file tollgate.toml): must be a whole http:// or https:// address",
        "access_hook.secret = \"\" (default): must be set when access_hook.url is",
        "tls.certificate = \"\" (default): must be set when tls.key is",
        "log.level = \"loud\" (file tollgate.toml): must be error, warn",
        "drain.spread_ms = 40000 (environment TOLLGATE_DRAIN_SPREAD_MS): must not be longer than drain.deadline_ms, which is 28000",
        "TOLLGATE_FLY (environment TOLLGATE_FLY): is not a setting",
        "leap.ack_delay_ms = \"1.5\" (environment TOLLGATE_LEAP_ACK_DELAY_MS): must be a whole number",
    ] {
        assert!(said.contains(problem), "{problem}\nis not in:\n{said}");
    }
    assert!(said.starts_with("15 problems in the settings:\n"), "{said}");
    assert!(!said.contains("hush"), "{said}");
}

#[test]
fn one_problem_each() {
    let secret = "[access_hook]\nurl = \"http://h/\"\nsecret = \"s3cret\"\n";
    type Row<'a> = (&'a str, &'a [(&'a str, &'a str)], &'a str);
    let table: &[Row<'_>] = &[
        ("listen = ", &[], "line 1 (file tollgate.toml): is not TOML"),
        ("\n\nx", &[], "line 3"),
        ("listen = 5", &[], "listen = 5"),
        ("data_dir = \"\"", &[], "must name a folder"),
        ("listen = \"0.0.0.0:80\"", &[], "allow_plain_http"),
        ("listen = \"[::]:80\"", &[], "allow_plain_http"),
        ("limits = 5", &[], "limits (file"),
        ("[listen]\nx = 1", &[], "listen = "),
        ("[access_hook]\nsecret = \"s3cret\"", &[], "of no use without access_hook.url"),
        (&format!("{secret}secret_file = \"f\""), &[], "keep one of the two"),
        ("[access_hook]\nurl = \"http://u:p@h/\"\nsecret_file = \"f\"", &[], "must not hold a user name"),
        ("[access_hook]\nurl = \"/path\"\nsecret_file = \"f\"", &[], "must be a whole http://"),
        (&secret.replace("s3cret", "(secret)"), &[], "only stands for a secret"),
        ("master_key_file = \"f\"", &[("TOLLGATE_MASTER_KEY", "s3cret")], "keep one of the two"),
        ("trusted_proxies = \"10.0.0.0/8\"", &[], "must be a list of networks"),
        ("trusted_proxies = [10]", &[], "must be a list of networks"),
        ("trusted_proxies = [\"10.0.0.1/8\"]", &[], "has bits behind its prefix"),
        ("", &[("TOLLGATE_TRUSTED_PROXIES", "10.0.0.0/8,proxy")], "does not begin with an IP address"),
        ("trusted_proxies_header = \"x-real-ip\"", &[], "must be one of: x-forwarded-for, forwarded"),
        ("[access_hook]\nurl = \"http://127.1/\"\nsecret = \"s3cret\"", &[], "four decimal numbers"),
        ("[outbound]\nallowed_hosts = \"h\"", &[], "must be a list of texts"),
        ("[outbound]\nallowed_hosts = [\"h\", 1]", &[], "must be a list of texts"),
        ("[outbound]\nallowed_hosts = [\"10.0.0.1/8\"]", &[], "has bits behind its prefix"),
        ("", &[("TOLLGATE_OUTBOUND_ALLOWED_HOSTS", "h, *.h")], "\"*.h\" is neither the name"),
        ("[leap]\nmove_to = \"http://h/ws\"", &[], "must be a ws:// or wss:// address"),
        ("[metrics]\nlisten = \"localhost:9464\"", &[], "must be an IP address and a port"),
        ("[metrics]\nlisten = \"127.0.0.1:8080\"", &[], "is the address of the clients already"),
        ("[console]\nlisten = \"localhost\"", &[], "must be an IP address and a port, such as \"127.0.0.1:8081\""),
        ("[console]\nlisten = \"127.0.0.1:8080\"", &[], "is the address of the clients already"),
        (
            "[metrics]\nlisten = \"127.0.0.1:9\"\n[console]\nlisten = \"127.0.0.1:9\"",
            &[],
            "is the address of the metrics already",
        ),
        ("[console]\nlisten = \"10.0.0.1:8081\"", &[], "would send passwords in clear over the network"),
        ("[console]\nsession_ms = 1800000", &[], "must not be longer than console.session_ms, which is 1800000"),
        ("[log]\nformat = \"xml\"", &[], "must be one of: human, json"),
        ("[log]\nlevel = \"\"", &[], "must be error, warn"),
        ("[log]\nlevel = \"info,x=loud\"", &[], "must be error, warn"),
    ];
    for (file, environment, problem) in table {
        let said = problems(file, environment);
        assert!(said.contains(problem), "{file}: {said}");
        assert!(!said.contains("s3cret"), "{said}");
    }
}

#[test]
fn what_is_meant_so_is_let_through() {
    for file in [
        "listen = \"0.0.0.0:80\"\nallow_plain_http = true",
        "listen = \"0.0.0.0:80\"\n[tls]\ncertificate = \"c\"\nkey = \"k\"",
        "listen = \"[::1]:80\"",
        "[log]\nlevel = \"info, tollgate_node=trace\"",
    ] {
        settings(file, &[], &[]).mean().unwrap();
    }
}

#[test]
fn proxies_are_named_in_a_list_or_with_commas() {
    let file = "trusted_proxies = [\"10.0.0.0/8\", \"::1\"]\ntrusted_proxies_header = \"forwarded\"";
    let config = settings(file, &[], &[]).mean().unwrap();
    assert_eq!(format!("{:?}", config.proxies), "Proxies { trusted: [10.0.0.0/8, ::1/128], header: Forwarded }");
    let config = settings("", &[("TOLLGATE_TRUSTED_PROXIES", "10.0.0.0/8, ::1")], &[]).mean().unwrap();
    assert_eq!(format!("{:?}", config.proxies), "Proxies { trusted: [10.0.0.0/8, ::1/128], header: XForwardedFor }");
    let config = settings(file, &[("TOLLGATE_TRUSTED_PROXIES", "")], &[]).mean().unwrap();
    assert!(config.proxies.trusted.is_empty(), "an empty variable takes the list of the file away");
}

#[test]
fn what_may_be_called_is_closed_until_it_is_opened() {
    let outbound = |file: &str, environment: &[(&str, &str)]| settings(file, environment, &[]).mean().unwrap().outbound;
    let closed = outbound("", &[]);
    assert!(!closed.allow_private && !closed.allow_http && closed.allowed.is_empty());
    let file = "[outbound]\nallow_http = true\nallowed_hosts = [\"Hooks.Internal\", \"10.0.0.0/8\"]\n";
    let open = outbound(file, &[]);
    assert!(open.allow_http && !open.allow_private);
    assert!(open.target("http://10.1.2.3/").is_ok() && open.target("http://192.168.0.1/").is_err());
    let by_environment = [("TOLLGATE_OUTBOUND_ALLOWED_HOSTS", " 192.168.0.0/16 ,,fd00::/8,")];
    let other = outbound(file, &by_environment);
    assert!(other.target("http://192.168.0.1/").is_ok() && other.target("http://10.1.2.3/").is_err());
    let shown = settings(file, &by_environment, &[]).print();
    assert!(shown.contains("allowed_hosts = [\"192.168.0.0/16\", \"fd00::/8\"] # environment"), "{shown}");
}

#[test]
fn variables_that_are_not_ours_are_left_alone() {
    let environment =
        [("TOLLGATE_SERVICE_HOST", "10.0.0.1"), ("TOLLGATE_PORT", "tcp://10.0.0.1:80"), ("TOLLGATE_PORT_80_TCP", "x")];
    settings("", &environment, &[]).mean().unwrap();
}

#[test]
fn the_environment_may_name_the_file_and_a_flag_wins() {
    let named = |typed: Typed| {
        let environment = [("TOLLGATE_CONFIG".to_owned(), Some("e.toml".to_owned()))];
        Settings::of(typed, &environment, |path| Err(std::io::Error::other(path.display().to_string())))
            .mean()
            .unwrap_err()
            .to_string()
    };
    assert!(
        named(Typed::default())
            .contains("config = \"e.toml\" (environment TOLLGATE_CONFIG): the file of settings cannot be read: e.toml")
    );
    assert!(named(Typed { file: Some("f.toml".into()), flags: vec![] }).contains("f.toml"));
    let binary = Settings::of(Typed::default(), &[("TOLLGATE_LISTEN".into(), None)], |_| unreachable!());
    assert!(
        binary.mean().unwrap_err().to_string().contains("TOLLGATE_LISTEN (environment TOLLGATE_LISTEN): is not UTF-8")
    );
}

#[test]
fn secrets_are_never_shown() {
    let file = "[access_hook]\nurl = \"http://h/\"\nsecret = \"s3cret\"\n";
    let settings = settings(file, &[("TOLLGATE_MASTER_KEY", "m4ster")], &[]);
    let shown = settings.print() + &format!("{settings:?}");
    assert!(
        shown.contains("secret = \"(secret)\" # file tollgate.toml") && shown.contains("TOLLGATE_MASTER_KEY"),
        "{shown}"
    );
    let config = settings.mean().unwrap();
    let shown = shown + &format!("{config:?}");
    assert!(!shown.contains("s3cret") && !shown.contains("m4ster"), "{shown}");
}

#[test]
fn a_print_is_a_file_of_settings() {
    let first = settings("listen = \"127.0.0.1:1\"\ndata_dir = \"a\\\"b # c\"", &[], &[]);
    let again = settings(&first.print(), &[], &[]);
    let bare = |settings: &Settings| {
        settings
            .print()
            .lines()
            .map(|line| line.rsplit_once(" # ").map_or(line, |(line, _)| line).to_owned())
            .collect::<Vec<_>>()
    };
    assert_eq!(bare(&first), bare(&again));
    again.mean().unwrap();
}

/// `TOLLGATE_REGENERATE=1 cargo test -p tollgate-server` writes the page anew.
#[test]
#[allow(clippy::disallowed_methods, reason = "a switch of this test")]
fn the_page_of_settings_is_up_to_date() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/config.md");
    if std::env::var_os("TOLLGATE_REGENERATE").is_some() {
        fs::write(path, document::page()).unwrap();
    }
    let fresh = fs::read_to_string(path).unwrap_or_default() == document::page();
    assert!(fresh, "docs/config.md is stale: run this test with TOLLGATE_REGENERATE=1");
}
