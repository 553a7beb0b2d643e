//! What `deploy/` says of the server is so: systemd reads its units, and its image and its composition name paths, ports, settings and times that this
//! binary has. And the documentation shows its files as they are. No container is built or run here.
#![allow(clippy::unwrap_used, clippy::disallowed_methods, clippy::print_stderr)]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use tollgate_testkit::binary;

fn deploy(path: &str) -> PathBuf {
    binary::workspace().join("deploy").join(path)
}

fn read(path: &str) -> String {
    fs::read_to_string(deploy(path)).unwrap_or_else(|error| panic!("deploy/{path}: {error}"))
}

/// The lines that are not comments, continued ones joined.
fn lines(text: &str) -> Vec<String> {
    let plain: Vec<&str> = text.lines().filter(|line| !line.trim_start().starts_with('#')).collect();
    plain
        .join("\n")
        .replace("\\\n", " ")
        .lines()
        .map(|line| line.trim().to_owned())
        .filter(|line| !line.is_empty())
        .collect()
}

/// What stands behind the one line that begins so.
fn one<'a>(lines: &'a [String], begins: &str) -> &'a str {
    let found: Vec<_> = lines.iter().filter_map(|line| line.strip_prefix(begins)).collect();
    let [one] = found.as_slice() else { panic!("{} lines begin with {begins}: {found:?}", found.len()) };
    one
}

/// Whether these settings, and no others, are fine.
fn settings_are_fine(settings: &[(String, String)]) -> Result<(), String> {
    let dir = tempfile::tempdir().unwrap();
    let mut command = binary::command(&["config", "check"]);
    let output = command.envs(settings.iter().cloned()).current_dir(&dir).output().unwrap();
    let said = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    if output.status.success() { Ok(()) } else { Err(said) }
}

/// One of the default settings.
fn default_ms(section: &str, key: &str) -> u64 {
    let text = fs::read_to_string(binary::workspace().join("crates/server/tollgate.default.toml")).unwrap();
    let (_, of) = text.split_once(&format!("\n[{section}]\n")).unwrap();
    let line = of.lines().find_map(|line| line.strip_prefix(&format!("{key} = "))).unwrap();
    line.parse().unwrap()
}

/// The units with the server's own path in place of where it is installed, in a folder of their own.
fn units(folder: &Path, edit: impl Fn(&str) -> String) -> Vec<PathBuf> {
    let mut all = Vec::new();
    for unit in ["tollgate.service", "tollgate-backup.service", "tollgate-backup.timer"] {
        let text = edit(&read(&format!("systemd/{unit}")));
        let path = folder.join(unit);
        fs::write(&path, text.replace("/usr/local/bin/tollgate", binary::tollgate().to_str().unwrap())).unwrap();
        all.push(path);
    }
    let more = folder.join("tollgate.service.d");
    fs::create_dir_all(&more).unwrap();
    for file in fs::read_dir(deploy("systemd/tollgate.service.d")).unwrap() {
        let file = file.unwrap();
        fs::copy(file.path(), more.join(file.file_name())).unwrap();
    }
    all
}

/// What systemd complains of; nothing where there is no systemd.
fn verify(units: &[PathBuf]) -> Option<String> {
    let output = Command::new("systemd-analyze").args(["verify", "--man=no"]).args(units).output().ok()?;
    let said = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    Some(if output.status.success() { said } else { format!("{said}it ended with {}", output.status) })
}

#[test]
fn systemd_reads_its_units_and_has_nothing_to_say() {
    let dir = tempfile::tempdir().unwrap();
    let Some(said) = verify(&units(dir.path(), str::to_owned)) else {
        eprintln!(
            "SKIPPED the units of deploy/systemd: there is no systemd-analyze on this machine (apt-get install systemd)"
        );
        return;
    };
    assert_eq!(said, "");
    let broken = units(dir.path(), |text| text.replace("NoNewPrivileges=yes", "NoNewPrivilege=yes"));
    assert!(verify(&broken).unwrap().contains("NoNewPrivilege"), "what is wrong would be said");
}

#[test]
fn the_units_start_commands_that_there_are_and_wait_for_the_drain() {
    let service = lines(&read("systemd/tollgate.service"));
    let start = one(&service, "ExecStart=");
    let backup = one(&lines(&read("systemd/tollgate-backup.service")), "ExecStart=").to_owned();
    for (line, verb) in [(start, "serve"), (backup.as_str(), "backup")] {
        assert!(line.contains(&format!("/usr/local/bin/tollgate {verb} ")), "{line}");
        let said = binary::run(&[verb, "--help"]);
        let flags = line.split_whitespace().filter(|word| word.starts_with("--"));
        for flag in flags {
            assert!(said.ok && said.stdout.contains(flag), "{verb} {flag}: {said:?}");
        }
    }
    let stop_ms = one(&service, "TimeoutStopSec=").parse::<u64>().unwrap() * 1_000;
    assert!(stop_ms > default_ms("drain", "deadline_ms"), "{stop_ms}");
    assert_eq!(one(&service, "StateDirectory="), "tollgate");
    // Named in one place, and made in another.
    assert!(
        one(&service, "ReadWritePaths=").contains("/var/backups/tollgate") && backup.contains("/var/backups/tollgate/")
    );
}

#[test]
fn the_image_is_built_of_what_is_there_and_says_what_the_server_does() {
    let file = lines(&read("Dockerfile"));
    let workspace = binary::workspace();
    let manifest = fs::read_to_string(workspace.join("Cargo.toml")).unwrap();
    let version = manifest.lines().find_map(|line| line.strip_prefix("rust-version = ")).unwrap().trim_matches('"');
    assert!(one(&file, "FROM rust:").starts_with(&format!("{version}-")), "it is built by the version that is needed");

    // What is copied between the stages is made in the first, and where it is put is where it is started.
    let made = one(&file, "RUN ").split("&&").map(str::trim).collect::<Vec<_>>();
    assert!(made.iter().any(|step| step.ends_with("cargo build --release --locked -p tollgate-server")), "{made:?}");
    for copied in file.iter().filter(|line| line.contains("--from=build")) {
        let words: Vec<_> = copied.split_whitespace().filter(|word| !word.starts_with("--")).collect();
        let [_, from, _] = words.as_slice() else { panic!("{copied}") };
        assert!(made.iter().any(|step| step.ends_with(from)), "{from} is not made: {made:?}");
    }
    let path = "/usr/local/bin/tollgate";
    assert!(file.iter().any(|line| line.ends_with(path) && line.contains("--from=build")));
    assert_eq!(one(&file, "ENTRYPOINT "), format!("[\"{path}\"]"));
    for (line, command) in
        [("CMD ", one(&file, "CMD ")), ("HEALTHCHECK ", one(&file, "HEALTHCHECK ").split_once("CMD ").unwrap().1)]
    {
        let words: Vec<String> = serde_json::from_str(command).unwrap();
        let verb = words.last().unwrap();
        assert!(binary::run(&[verb, "--help"]).ok, "{line}: {verb}");
    }

    // The settings are ours; alone they are refused for the one reason that the file gives.
    let settings: Vec<(String, String)> = one(&file, "ENV ")
        .split_whitespace()
        .map(|one| one.split_once('=').unwrap())
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect();
    let refused = settings_are_fine(&settings).unwrap_err();
    assert!(refused.contains("allow_plain_http"), "{refused}");
    let allowed = [settings.clone(), vec![("TOLLGATE_ALLOW_PLAIN_HTTP".into(), "true".into())]].concat();
    settings_are_fine(&allowed).unwrap();
    let value = |name: &str| settings.iter().find(|(one, _)| one == name).unwrap().1.clone();
    assert_eq!(value("TOLLGATE_LISTEN").rsplit(':').next(), Some(one(&file, "EXPOSE ")));
    assert_eq!(value("TOLLGATE_DATA_DIR"), one(&file, "VOLUME "));
    let user = one(&file, "USER ");
    assert!(file.iter().any(|line| line.contains(&format!("--chown={user}")) && line.ends_with(one(&file, "VOLUME "))));
    assert!(!user.starts_with("0"), "not root");
}

/// What the build does not get, it does not need: no part of the workspace, and no file that the server is compiled with.
#[test]
fn what_the_image_leaves_out_is_not_needed_to_build_it() {
    let ignored: Vec<String> = lines(&read("Dockerfile.dockerignore"));
    let is_ignored = |path: &Path| {
        let first = path.components().next().map(|first| first.as_os_str().to_owned());
        first.is_some_and(|first| ignored.iter().any(|one| first == one.as_str()))
    };
    let workspace = binary::workspace();
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(cargo)
        .args(["metadata", "--no-deps", "--offline", "--format-version", "1"])
        .current_dir(&workspace)
        .output()
        .unwrap();
    let metadata: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let mut sources = Vec::new();
    for package in metadata["packages"].as_array().unwrap() {
        let manifest = PathBuf::from(package["manifest_path"].as_str().unwrap());
        let own = manifest.strip_prefix(&workspace).unwrap();
        assert!(!is_ignored(own), "{} is left out", own.display());
        walk(&manifest.parent().unwrap().join("src"), &mut sources);
    }
    assert!(sources.len() > 100, "{}", sources.len());
    let mut included = 0;
    for source in sources {
        let text = fs::read_to_string(&source).unwrap();
        for (at, _) in text.match_indices("include_str!(\"").chain(text.match_indices("include_bytes!(\"")) {
            let path = text[at..].split('"').nth(1).unwrap();
            let whole = fs::canonicalize(source.parent().unwrap().join(path));
            let whole = whole.unwrap_or_else(|error| panic!("{path} of {}: {error}", source.display()));
            assert!(
                !is_ignored(whole.strip_prefix(fs::canonicalize(&workspace).unwrap()).unwrap()),
                "{path} of {} is left out",
                source.display()
            );
            included += 1;
        }
    }
    assert!(included > 3, "{included}");
}

fn walk(folder: &Path, into: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).into_iter().flatten() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            walk(&path, into);
        } else if path.extension().is_some_and(|one| one == "rs") {
            into.push(path);
        }
    }
}

#[test]
fn the_composition_gives_settings_that_there_are_and_time_to_drain() {
    let (file, image) = (lines(&read("compose.yaml")), lines(&read("Dockerfile")));
    let build = deploy(one(&file, "context: "));
    assert!(build.join(one(&file, "dockerfile: ")).exists());
    let settings: Vec<(String, String)> = file
        .iter()
        .filter(|line| line.starts_with("TOLLGATE_"))
        .map(|line| line.split_once(": ").unwrap())
        .map(|(name, value)| (name.to_owned(), value.trim_matches('"').to_owned()))
        .collect();
    assert!(!settings.is_empty());
    let of_image = one(&image, "ENV ").split_whitespace().map(|one| one.split_once('=').unwrap());
    let both: Vec<_> = of_image.map(|(name, value)| (name.to_owned(), value.to_owned())).chain(settings).collect();
    settings_are_fine(&both).unwrap();
    let grace_ms = one(&file, "stop_grace_period: ").strip_suffix('s').unwrap().parse::<u64>().unwrap() * 1_000;
    assert!(grace_ms > default_ms("drain", "deadline_ms"), "{grace_ms}");
    // The proxy comes from the network that is trusted, to the port that is listened on, with the file that is there.
    let (_, trusted) = both.iter().find(|(name, _)| name == "TOLLGATE_TRUSTED_PROXIES").unwrap();
    assert!(file.iter().any(|line| line.contains(&format!("subnet: {trusted}"))), "{trusted}");
    assert_eq!(one(&file, "REALTIME_UPSTREAM: "), format!("tollgate:{}", one(&image, "EXPOSE ")));
    assert!(file.iter().any(|line| *line == format!("- data:{}", one(&image, "VOLUME "))));
    let caddy = file.iter().find_map(|line| line.strip_prefix("- ./caddy/")).unwrap();
    assert!(deploy("caddy").join(caddy.split(':').next().unwrap()).exists(), "{caddy}");
}

/// Docker's own reading of it, where that is installed; it asks no daemon.
#[test]
fn docker_compose_reads_the_composition() {
    let dir = tempfile::tempdir().unwrap();
    // The older program does not know the line with its name, and all the others.
    let old = dir.path().join("compose.yaml");
    let plain: Vec<String> = read("compose.yaml")
        .lines()
        .filter(|line| !line.starts_with("name:"))
        .map(|line| format!("{line}\n"))
        .collect();
    fs::write(&old, plain.concat()).unwrap();
    for (program, args, file) in
        [("docker", &["compose"][..], deploy("compose.yaml")), ("docker-compose", &[], old.clone())]
    {
        let read = |file: &Path| {
            let mut command = Command::new(program);
            command.args(args).arg("-f").arg(file).args(["config", "--quiet"]);
            let output = command.env("REALTIME_DOMAIN", "realtime.example.com").output().ok()?;
            let said = String::from_utf8_lossy(&output.stderr).into_owned();
            let is_there =
                !["unknown command", "not a docker command", "unknown shorthand"].iter().any(|no| said.contains(no));
            is_there.then_some((output.status.success(), said))
        };
        let Some(outcome) = read(&file) else { continue };
        assert!(outcome.0, "{program}: {outcome:?}");
        let broken = dir.path().join("broken.yaml");
        fs::write(&broken, fs::read_to_string(&old).unwrap().replace("cap_drop:", "cap_dropped:")).unwrap();
        assert!(!read(&broken).unwrap().0, "{program} would say what is wrong");
        return;
    }
    eprintln!(
        "SKIPPED Docker's own reading of deploy/compose.yaml: there is no docker compose on this machine (apt-get install docker-compose)"
    );
}

/// The files of the page, in its order: heading, path below `deploy/`, how the listing is coloured, and what it is for.
const SHOWN: &[(&str, &str, &str, &str)] = &[
    ("tollgate.service", "systemd/tollgate.service", "ini", "The unit of the server, for `/etc/systemd/system/`."),
    (
        "low-ports.conf",
        "systemd/tollgate.service.d/low-ports.conf",
        "ini",
        "For a server that listens on port 443 itself.",
    ),
    (
        "master-key-credential.conf",
        "systemd/tollgate.service.d/master-key-credential.conf",
        "ini",
        "The master key as an encrypted credential of systemd.",
    ),
    ("tollgate-backup.service", "systemd/tollgate-backup.service", "ini", "A backup."),
    ("tollgate-backup.timer", "systemd/tollgate-backup.timer", "ini", "When backups are made."),
    ("Dockerfile", "Dockerfile", "dockerfile", "Builds the image."),
    ("compose.yaml", "compose.yaml", "yaml", "The server in a container, behind Caddy."),
    ("Caddy", "caddy/Caddyfile", "text", "A proxy that gets its certificate itself."),
    ("nginx", "nginx/tollgate.conf", "nginx", "A proxy."),
    ("HAProxy", "haproxy/haproxy.cfg", "text", "A proxy."),
    ("alerts.yml", "prometheus/alerts.yml", "yaml", "Rules for Prometheus."),
];
/// Files of `deploy/` that are not for reading: the first has a section without its text.
const NOT_SHOWN: &[&str] = &["grafana/tollgate.json", "Dockerfile.dockerignore"];

/// `docs/operating/files.md`: what stands in `deploy/`, so that the pages' links lead to it on the site, too.
fn page() -> String {
    let mut page = String::from(
        "# The files to copy\n\n\
         They stand in `deploy/` of the source. This page is made of them: `TOLLGATE_REGENERATE=1 cargo test -p tollgate-acceptance --test deploy page_of`.\n",
    );
    for (heading, path, colour, purpose) in SHOWN {
        let text = read(path);
        assert!(!text.contains("```"), "{path} would end its own listing");
        let text = text.trim_end();
        page.push_str(&format!("\n## {heading}\n\n{purpose} `deploy/{path}`:\n\n```{colour}\n{text}\n```\n"));
    }
    let [dashboard, ..] = NOT_SHOWN else { unreachable!() };
    let lines = read(dashboard).lines().count();
    page + &format!(
        "\n## Dashboard\n\n`deploy/{dashboard}` in the source is for Grafana to import: {lines} lines, not shown here.\n"
    )
}

/// Paths of the files below a folder of `deploy/`.
fn all_below(folder: &str, found: &mut Vec<String>) {
    for entry in fs::read_dir(deploy(folder)).unwrap() {
        let entry = entry.unwrap();
        let name = entry.file_name().into_string().unwrap();
        let path = if folder.is_empty() { name } else { format!("{folder}/{name}") };
        if entry.file_type().unwrap().is_dir() { all_below(&path, found) } else { found.push(path) }
    }
}

#[test]
fn page_of_the_files() {
    let mut found = Vec::new();
    all_below("", &mut found);
    found.sort_unstable();
    let mut told: Vec<&str> = SHOWN.iter().map(|(_, path, ..)| *path).chain(NOT_SHOWN.iter().copied()).collect();
    told.sort_unstable();
    assert_eq!(found, told, "each file of deploy/ is in one of the two lists");
    let (path, page) = (binary::workspace().join("docs/operating/files.md"), page());
    if std::env::var_os("TOLLGATE_REGENERATE").is_some() {
        fs::write(&path, &page).unwrap();
    }
    let fresh = fs::read_to_string(&path).is_ok_and(|text| text == page);
    assert!(fresh, "docs/operating/files.md is stale: run this test with TOLLGATE_REGENERATE=1");
}
