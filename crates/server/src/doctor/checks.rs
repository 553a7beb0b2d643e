//! What the doctor thinks of the facts: one function for each thing, all in one table. Plain functions of plain data, so that each can be shown a
//! machine that is ill in one way.

mod network;

use super::Check;
use super::facts::{Facts, Place, Server};

/// Descriptors that are not connections: the store, the control socket, calls to others.
const DESCRIPTORS_RESERVED: u64 = 512;
const DAY_MS: u64 = 86_400_000;
/// A master key should be turned over in this time, in days.
const KEY_DAYS_MAX: u64 = 365;
const GIB: u64 = 1 << 30;
/// Longest queue of connections that wait to be accepted, below which a crowd that comes back is turned away.
const BACKLOG_MIN: u64 = 1_024;
/// A clock that shows less has been reset: 2026-01-01.
const CLOCK_MIN: u64 = 1_767_225_600_000;
/// A clock may be corrected by so much.
const CLOCK_SLACK_MS: u64 = 60_000;

const CHECKS: &[fn(&Facts) -> Check] = &[
    server,
    folder,
    database,
    records,
    master_key,
    key_age,
    secrets,
    disk,
    file_system,
    clock,
    descriptors,
    cores,
    backlog,
    send_buffers,
    network::clients,
    network::console,
    network::certificate,
    origins,
    outbound,
];

pub(super) fn all(facts: &Facts) -> Vec<Check> {
    CHECKS.iter().map(|check| check(facts)).collect()
}

fn server(facts: &Facts) -> Check {
    let name = "server";
    match &facts.server {
        Server::NoFolder => Check::warn(
            name,
            "there is no data folder",
            "name the one of your server with --data-dir or --config; the first start makes one",
        ),
        Server::Stopped => Check::ok(name, "no server uses the data folder"),
        Server::Running { version, pid, .. } if version == facts.version => {
            Check::ok(name, format!("running, version {version}, process {pid}"))
        }
        Server::Running { version, .. } => Check::warn(
            name,
            format!("running {version}, and this command is {}", facts.version),
            "restart the server on the version that is installed",
        ),
        Server::Silent { why } => Check::fail(
            name,
            format!("somebody holds the data folder and does not answer: {why}"),
            "look at its log; if it hangs, restart it",
        ),
    }
}

fn folder(facts: &Facts) -> Check {
    let name = "data folder";
    match &facts.folder {
        None => Check::ok(name, "not made yet"),
        Some(place) => private(name, place, facts, 0o700),
    }
}

/// Whether a place is its owner's alone, and the owner is the one who asks.
fn private(name: &'static str, place: &Place, facts: &Facts, mode: u32) -> Check {
    let Place { path, owner, .. } = place;
    let path = path.display();
    if place.mode & 0o077 != 0 {
        return Check::fail(
            name,
            format!("{path} is open to others (mode {:o})", place.mode),
            format!("chmod {mode:o} {path}"),
        );
    }
    if *owner != facts.user && facts.user != 0 {
        return Check::warn(
            name,
            format!("{path} belongs to user {owner}, and this command runs as {}", facts.user),
            "run both as the same user",
        );
    }
    Check::ok(name, format!("{path}, its owner's alone"))
}

fn database(facts: &Facts) -> Check {
    let name = "database";
    match (&facts.database, &facts.schema) {
        (None, _) => Check::ok(name, "not made yet"),
        (Some(place), _) if place.mode & 0o077 != 0 => private(name, place, facts, 0o600),
        (Some(_), Some(Ok(schema))) if schema.found == schema.known => {
            Check::ok(name, format!("schema {}, {} bytes", schema.found, facts.data_bytes))
        }
        (Some(_), Some(Ok(schema))) if schema.found < schema.known => Check::warn(
            name,
            format!("schema {}, and this version uses {}", schema.found, schema.known),
            "the next start brings it up to date, and older versions cannot read it then: make a backup before",
        ),
        (Some(_), Some(Ok(schema))) => Check::fail(
            name,
            format!("schema {}, and this version knows up to {}", schema.found, schema.known),
            "start the newer version that wrote it",
        ),
        (Some(place), Some(Err(why))) => {
            Check::fail(name, format!("{} is none of ours: {why}", place.path.display()), "restore a backup")
        }
        (Some(_), None) => Check::ok(name, format!("{} bytes, with its log", facts.data_bytes)),
    }
}

fn records(facts: &Facts) -> Check {
    let name = "records";
    match &facts.origins {
        None => Check::ok(name, "not looked at"),
        Some(Ok(projects)) => Check::ok(name, format!("can be read; projects: {}", projects.len())),
        Some(Err(why)) => Check::fail(name, why.clone(), "see what it says; if records are damaged, restore a backup"),
    }
}

fn master_key(facts: &Facts) -> Check {
    let name = "master key";
    match (&facts.key_path, &facts.key) {
        (None, _) => Check::ok(name, "from the environment"),
        (Some(_), Some(place)) => private(name, place, facts, 0o600),
        (Some(path), None) if facts.database.is_some() => Check::fail(
            name,
            format!("{} is missing, and the records were sealed with it", path.display()),
            "bring it back from where you keep it; without it the records cannot be read",
        ),
        (Some(path), None) => Check::ok(name, format!("{}, not made yet", path.display())),
    }
}

fn key_age(facts: &Facts) -> Check {
    let name = "key age";
    let Some(key) = &facts.key else { return Check::ok(name, "no file to tell") };
    let days = facts.now.0.saturating_sub(key.changed.0) / DAY_MS;
    if days > KEY_DAYS_MAX {
        return Check::warn(
            name,
            format!("the master key is {days} days old"),
            "turn it over: tollgate keyring rotate master; keep the old one for older backups",
        );
    }
    Check::ok(name, format!("{days} days"))
}

fn secrets(facts: &Facts) -> Check {
    let name = "secret files";
    let checks = facts.secrets.iter().map(|place| private(name, place, facts, 0o600));
    checks.max_by_key(|check| check.verdict).unwrap_or_else(|| Check::ok(name, "none but the master key"))
}

fn disk(facts: &Facts) -> Check {
    let name = "disk";
    let Some(disk) = facts.disk else { return Check::ok(name, "cannot be told") };
    let found = format!("{} MiB free of {}", disk.bytes_free >> 20, disk.bytes >> 20);
    if disk.bytes_free < GIB / 4 {
        Check::fail(name, found, "make room: when it is full, no change can be made durable and all are refused")
    } else if disk.bytes_free < GIB.max(facts.data_bytes) {
        Check::warn(name, found, "make room: there should be a gigabyte, and as much again as the database has")
    } else {
        Check::ok(name, found)
    }
}

/// What `statfs` calls file systems that are not for a database.
const FILE_SYSTEMS: &[(u64, &str, &str)] = &[
    (0x6969, "NFS", "a network's"),
    (0x517B, "SMB", "a network's"),
    (0xFF53_4D42, "CIFS", "a network's"),
    (0xFE53_4D42, "SMB2", "a network's"),
    (0x0102_1997, "9P", "a network's"),
    (0x00C3_6400, "Ceph", "a network's"),
    (0x6573_5546, "FUSE", "made by a program"),
    (0x0102_1994, "tmpfs", "in memory"),
    (0x8584_58F6, "ramfs", "in memory"),
    (0x794C_7630, "overlay", "a container's own"),
];

fn file_system(facts: &Facts) -> Check {
    let name = "file system";
    let Some(disk) = facts.disk else { return Check::ok(name, "cannot be told") };
    match FILE_SYSTEMS.iter().find(|(kind, ..)| *kind == disk.kind) {
        None => Check::ok(name, "a local one"),
        Some((_, word, "a network's")) => Check::fail(
            name,
            format!("{word}, a network's"),
            "put the data folder on a local disk: locks and flushes do not hold there, and records get damaged",
        ),
        Some((_, word, what)) => Check::warn(
            name,
            format!("{word}, {what}"),
            "put the data folder on a disk or a volume that outlives the machine's or the container's restart",
        ),
    }
}

fn clock(facts: &Facts) -> Check {
    let name = "clock";
    let last = facts.database.as_ref().map_or(0, |place| place.changed.0);
    let now = crate::admin::rfc3339(facts.now);
    if facts.now.0 < CLOCK_MIN {
        Check::fail(name, format!("it is {now}, which is past"), "set the clock (NTP): expiries and JWTs go by it")
    } else if facts.now.0 + CLOCK_SLACK_MS < last {
        Check::fail(
            name,
            format!(
                "it is {now}, and the last record was written at {}",
                crate::admin::rfc3339(tollgate_core::clock::UnixMillis(last))
            ),
            "set the clock (NTP): it went back, and what has expired works again",
        )
    } else {
        Check::ok(name, now)
    }
}

fn descriptors(facts: &Facts) -> Check {
    let name = "descriptors";
    let Some(allowed) = facts.descriptors else { return Check::ok(name, "cannot be told") };
    let wanted = facts.connections_max;
    let found = format!("{allowed} open files, {wanted} connections configured");
    if allowed < 2 * DESCRIPTORS_RESERVED {
        Check::fail(name, found, "raise the limit: LimitNOFILE= in the unit, or ulimit -Hn")
    } else if allowed.saturating_sub(DESCRIPTORS_RESERVED) < wanted {
        let fits = allowed - DESCRIPTORS_RESERVED;
        Check::warn(
            name,
            found,
            format!(
                "about {fits} connections fit: raise the limit (LimitNOFILE= in the unit) or lower limits.connections_max"
            ),
        )
    } else {
        Check::ok(name, found)
    }
}

fn cores(facts: &Facts) -> Check {
    let (name, found) = ("cores", format!("{} cores, {} shards", facts.cores, facts.shards));
    if facts.shards > facts.cores {
        return Check::warn(name, found, "set shards = 0: more shards than cores only cost");
    }
    Check::ok(name, found)
}

fn backlog(facts: &Facts) -> Check {
    let name = "backlog";
    match facts.somaxconn {
        Some(most) if most < BACKLOG_MIN => Check::warn(
            name,
            format!("net.core.somaxconn is {most}"),
            format!(
                "sysctl net.core.somaxconn={}, or clients that come back all at once are turned away",
                4 * BACKLOG_MIN
            ),
        ),
        Some(most) => Check::ok(name, format!("net.core.somaxconn is {most}")),
        None => Check::ok(name, "cannot be told"),
    }
}

fn send_buffers(facts: &Facts) -> Check {
    let name = "send buffers";
    match facts.tcp_wmem {
        Some([_, _, most]) if most < 64 * 1024 => Check::warn(
            name,
            format!("net.ipv4.tcp_wmem allows {most} bytes"),
            "raise its third number to 4194304: large messages wait for slow readers otherwise",
        ),
        Some([least, first, most]) => Check::ok(name, format!("net.ipv4.tcp_wmem is {least} {first} {most}")),
        None => Check::ok(name, "cannot be told"),
    }
}

fn origins(facts: &Facts) -> Check {
    let name = "origins";
    let Some(Ok(projects)) = &facts.origins else { return Check::ok(name, "not looked at") };
    let local = |host: &str| host.starts_with("localhost") || host.starts_with("127.") || host.starts_with("[::1]");
    for (project, origins) in projects {
        if let Some(wide) = origins.iter().find(|origin| origin.contains('*')) {
            return Check::fail(
                name,
                format!("{project} trusts {wide:?}: any page may use a visitor's session"),
                format!("name the pages: tollgate project set {project} --allowed-origin https://…"),
            );
        }
        let plain = |origin: &&String| origin.strip_prefix("http://").is_some_and(|host| !local(host));
        if let Some(open) = origins.iter().find(plain) {
            return Check::warn(
                name,
                format!("{project} trusts {open}, which anybody on the way can speak for"),
                "serve the page over https, and trust that",
            );
        }
    }
    Check::ok(name, "only pages that are named")
}

fn outbound(facts: &Facts) -> Check {
    let name = "outbound";
    if facts.outbound_private {
        return Check::warn(
            name,
            "outbound.allow_private lets everybody with a project key reach into your network",
            "list the hosts in outbound.allowed_hosts instead",
        );
    }
    Check::ok(name, "private addresses are not called")
}

#[cfg(test)]
mod tests;
